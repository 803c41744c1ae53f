"""Which line of a plugin raised: an error often comes to light beneath it, in a library or in Ida."""

from __future__ import annotations

import os
import re
import sys
from traceback import FrameSummary, extract_tb

#: Of what an error says, so many characters are told; of its traceback, so many.
MOST_SAID, MOST_TRACED = 1000, 20_000
_ADDRESS = re.compile(r" at 0x[0-9a-f]+\b")


def words_of(error: BaseException) -> str:
    """``TypeError: what it says``, fit to be written anywhere. A plugin's errors may say nothing, megabytes, or what
    has no encoding, or raise when they are asked."""
    try:
        said = str(error)
    except Exception as worse:
        said = f"what it says cannot be had: its __str__ raised {type(worse).__name__}"
    name = type(error).__name__
    return writable(f"{name}: {said}" if said else name, MOST_SAID)


def writable(text: str, most: int) -> str:
    """At most so many characters, each of which UTF-8 has; no addresses of objects, which differ from run to run."""
    kept = text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
    return _ADDRESS.sub("", kept).encode("utf-8", "backslashreplace").decode("utf-8")


def own_line(error: BaseException, plugin: object) -> FrameSummary:
    """The innermost line of the own package of a plugin (object or class), or the innermost of all where none of its
    lines is there."""
    frames = extract_tb(error.__traceback__)
    kind_of = plugin if isinstance(plugin, type) else type(plugin)
    homes = tuple(_home(kind.__module__) for kind in kind_of.__mro__ if not _is_ours(kind.__module__))
    return next((frame for frame in reversed(frames) if frame.filename.startswith(homes)), frames[-1])


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("builtins", "ida_core")


def _home(module: str) -> str:
    """The folder of a module's whole package; of a module that stands alone, its file."""
    package = sys.modules.get(module.partition(".")[0])
    file = getattr(package if "." in module else sys.modules.get(module), "__file__", None)
    if file is None:
        file = getattr(sys.modules.get(module), "__file__", None) or "no file"
    is_package = os.path.basename(file) == "__init__.py"
    return os.path.join(os.path.dirname(file), "") if is_package else file
