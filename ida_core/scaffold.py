"""What ``ida new`` writes: a small package of one's own, complete enough that its tests pass."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Container
from pathlib import Path
from string import Template

from ida_core import __version__
from ida_core.errors import OutputError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 40

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "ida-$dashed"
version = "0.1.0"
description = "$title: a strategy for Ida"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["ida-trading>=$version"]

[project.optional-dependencies]
test = ["pytest>=8"]

# This line makes `--strategy $name` known wherever the package is installed.
[project.entry-points.ida]
$name = "$name"

[tool.setuptools]
packages = ["$name"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

_README = """\
# $title

A strategy for [Ida](https://pypi.org/project/ida-trading/): it quotes one order a side at the best
prices and stops buying or selling at a position limit.

    pip install -e '.[test]'
    pytest
    ida run --feed synthetic --duration 60 --strategy $name
    ida run --feed synthetic --duration 60 --strategy $name --set $name.quantity=0.002

Settings stand in section `[$name]` of the configuration; `ida config schema` describes them, and
`ida config show` tells where each value comes from.

| key | meaning | default |
|---|---|---|
| `quantity` | of each order, in base units | 0.001 |
| `max_position` | no order that could pass it, in base units | 0.005 |

`$name/__init__.py` says what the package provides, `$name/strategy.py` is the strategy.
"""

_INIT = '''\
"""$title: a strategy for Ida."""

from ida_core import hookimpl

__version__ = "0.1.0"


@hookimpl
def ida_strategies() -> list[type]:
    from $name.strategy import $cls

    return [$cls]
'''

_STRATEGY = '''\
"""Quotes at the best bid and ask, within a limit of position."""

from decimal import Decimal

import msgspec
from ida_core import Book, Context, Side, Strategy


class $config(msgspec.Struct, frozen=True):
    """Section ``[$name]`` of the configuration."""

    quantity: Decimal = Decimal("0.001")
    max_position: Decimal = Decimal("0.005")

    def __post_init__(self) -> None:
        if not 0 < self.quantity <= self.max_position:
            raise ValueError(f"quantity = {self.quantity}: must be in 0 ... {self.max_position}")


class $cls(Strategy):
    """One order a side at the best prices; moves when they move."""

    name = "$name"
    Config = $config
    book_updates = "top"  # on_book is called when the best bid or ask changed

    def on_book(self, ctx: Context, book: Book) -> None:
        if book.bid is not None and book.ask is not None:
            self.quote(ctx, Side.BUY, book.bid)
            self.quote(ctx, Side.SELL, book.ask)

    def quote(self, ctx: Context, side: Side, price: int) -> None:
        """Have one order on this side, at this price in ticks, or none at the limit."""
        mine = [order for order in ctx.orders.values() if order.side is side]
        for order in mine:
            if order.price != price:
                ctx.cancel(order.order_id)
        lots = ctx.instrument.floor_to_lot(self.config.quantity)
        after = ctx.position.quantity + side.sign * ctx.instrument.quantity(lots)
        if not mine and abs(after) <= self.config.max_position:
            ctx.place(side, lots, price, post_only=True)
'''

_TEST = '''\
"""The strategy keeps Ida's contract: see ida_core.testing."""

from decimal import Decimal

import pytest
from ida_core.testing import check_strategy

from $name.strategy import $config, $cls


def test_it_is_deterministic_and_survives_what_a_market_does() -> None:
    check_strategy($cls)


def test_other_settings_are_kept_too() -> None:
    config = $config(quantity=Decimal("0.002"), max_position=Decimal("0.004"))
    check_strategy($cls, config)


def test_a_quantity_above_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="quantity"):
        $config(quantity=Decimal(1))
'''

#: Kind → relative path → text.
_TEMPLATES = {
    "strategy": {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        "$name/__init__.py": _INIT,
        "$name/strategy.py": _STRATEGY,
        "$name/py.typed": "",
        "tests/test_$name.py": _TEST,
    },
}


def make_package(kind: str, name: str, into: Path, taken: Container[str] = ()) -> tuple[Path, list[Path]]:
    """Write a package of a ``kind`` called ``name`` into the folder ``into``.

    Args:
        taken: names that loaded plugins of this kind have already.
    Returns:
        The package's folder, and its files relative to it.
    Raises:
        UsageError: the name is no good, or the folder is there already; nothing was written.
        OutputError: the folder cannot be made or written.
    """
    _check_name(name, taken)
    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} is there already; nothing was written", code="IDA-E2004")
    words = _words(name)
    files = []
    for path_template, text_template in _TEMPLATES[kind].items():
        path = Path(Template(path_template).substitute(words))
        _write(folder / path, Template(text_template).substitute(words))
        files.append(path)
    return folder, files


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}", code="IDA-E7200") from error


def _words(name: str) -> dict[str, str]:
    title = name.replace("_", " ").capitalize()
    stem = "".join(part.capitalize() for part in name.split("_"))
    dashed = name.strip("_").replace("_", "-")
    return {
        "name": name, "title": title, "dashed": dashed, "version": __version__,
        "cls": f"{stem}Strategy", "config": f"{stem}Config",
    }


def _check_name(name: str, taken: Container[str]) -> None:
    rule = _broken_rule(name) or ("an installed plugin provides it already" if name in taken else None)
    if rule:
        raise UsageError(f"{name!r} cannot be the name of a package: {rule}", code="IDA-E2003")


def _broken_rule(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "use lower-case letters, digits and _, beginning with a letter"
    if len(name) > _LONGEST_NAME:
        return f"at most {_LONGEST_NAME} characters"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "it is a word of Python"
    if name in sys.stdlib_module_names or name in ("test", "tests"):
        return "Python's own library has a module of that name"
    if importlib.util.find_spec(name) is not None:
        return "an installed package has that name"
    return None
