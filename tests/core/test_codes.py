"""Every code that the source uses is explained, and every explained one is used."""

import re
from pathlib import Path

from ida_core.codes import CODES
from ida_core.errors import IdaError

ROOT = Path(__file__).parents[2]
PACKAGES = ("ida_core", "ida_binance", "ida_sim", "plugins", "csrc")


def _used() -> set[str]:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.[pch]*")]
    texts = (f.read_text(encoding="utf-8") for f in files if f.suffix in (".py", ".c", ".h"))
    own = (ROOT / "ida_core" / "codes.py").read_text(encoding="utf-8")
    return {code for text in texts if text != own for code in re.findall(r"IDA-E\d{4}", text)}


def test_codes_used_and_codes_explained_are_the_same() -> None:
    assert sorted(CODES) == sorted(_used())


def test_each_explanation_is_whole() -> None:
    for code, page in CODES.items():
        assert not page.title.endswith("."), code
        assert page.meaning.endswith("."), code
        assert page.action.endswith("."), code


def _classes(kind: type[IdaError]) -> list[type[IdaError]]:
    return [kind, *(sub for one in kind.__subclasses__() for sub in _classes(one))]


def test_a_code_begins_with_its_exit_code() -> None:
    for kind in _classes(IdaError):
        assert int(kind.default_code[5]) == kind.exit_code, kind
