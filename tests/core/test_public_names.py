"""The public names are said to the interpreter and to type checkers: both must agree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ida_core


def _typed_names() -> dict[str, str]:
    tree = ast.parse(Path(ida_core.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_interpreter_see_the_same_names() -> None:
    assert sorted(_typed_names()) == ida_core.__all__
    assert _typed_names() == ida_core._HOME_OF


def test_every_public_name_can_be_imported() -> None:
    for name in ida_core.__all__:
        assert getattr(ida_core, name) is not None


def test_an_unknown_name_says_so() -> None:
    with pytest.raises(AttributeError, match="Strategie"):
        _ = ida_core.Strategie


def test_importing_ida_core_imports_nothing_heavy() -> None:
    code = "import sys, ida_core; print([m for m in sys.modules if m.split('.')[0] in "
    code += "('trio', 'rich', 'msgspec', 'pluggy', 'click', 'httpx')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
