"""Types of the configuration as JSON Schema: what ``ida config schema`` prints of a section."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import msgspec

from ida_core.layers import decimal_limits

#: Bounds of ``msgspec.Meta`` → their words in JSON Schema.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def type_schema(kind: Any) -> dict[str, Any]:
    """The schema of a type, in one piece. A section's own sections are written out in place."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return record_schema(kind)
    if limited := decimal_limits(kind):
        inner, metas = limited
        return _limited(type_schema(inner), metas)
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": type_schema(get_args(kind)[1])}
    try:
        (found,), definitions = msgspec.json.schema_components([kind], schema_hook=lambda _: {})
    except TypeError:  # a union that msgspec can't tell apart; ``Reader`` can
        return {"anyOf": [type_schema(part) for part in get_args(kind)]}
    return dict(_as_toml(found)) if not definitions else {}


def _limited(schema: dict[str, Any], metas: Sequence[msgspec.Meta]) -> dict[str, Any]:
    for meta in metas:
        bounds = {word: float(getattr(meta, name)) for name, word in _BOUNDS.items()
                  if getattr(meta, name) is not None}
        schema = schema | bounds | ({"description": meta.description} if meta.description else {})
    return schema


def record_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of a section: each field with type, bounds, default, and what it means."""
    fields = msgspec.structs.fields(kind)
    said = described_in_docstrings(kind)
    properties: dict[str, Any] = {}
    for field in fields:
        default = {} if field.default is msgspec.NODEFAULT else {"default": field.default}
        about = {"description": said[field.name]} if field.name in said else {}
        properties[field.encode_name] = about | type_schema(field.type) | default
    return {
        "title": kind.__name__,
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "properties": properties,
        "required": [field.encode_name for field in fields if field.required],
        "additionalProperties": False,
    }


def described_in_docstrings(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """``name: text`` below ``Args:`` of the class, and of those it is made from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, arguments = inspect.cleandoc(base.__doc__ or "").partition("Args:\n")
        for name, text in re.findall(r"^(\w+): (.*(?:\n +.*)*)", textwrap.dedent(arguments), re.MULTILINE):
            found[name] = " ".join((text[:1].upper() + text[1:]).split())
    return found


def _as_toml(node: Any) -> Any:
    """A decimal may be written as a number too."""
    if isinstance(node, dict):
        if node.get("format") == "decimal":
            return {"type": ["number", "string"], **{k: v for k, v in node.items() if k != "type"}}
        return {key: _as_toml(value) for key, value in node.items()}
    return [_as_toml(item) for item in node] if isinstance(node, list | tuple) else node
