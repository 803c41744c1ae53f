"""Small functions and files, or they are not read: the limits of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ida_core", "ida_binance", "ida_sim", "plugins")
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION, MEDIAN_BELOW = 600, 60, 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(function: Function) -> int:
    """Lines from ``def`` to the end without the docstring; 0 for a signature without a body."""
    bare = [node for node in function.body if isinstance(node, ast.Expr)]
    said = [node for node in bare if isinstance(node.value, ast.Constant)]
    if len(said) == len(function.body):
        return 0
    return lines(function) - sum(lines(node) for node in said)


def lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def files(package: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT), path.read_text(encoding="utf-8")


def functions(package: str) -> Iterator[tuple[str, int]]:
    for path, text in files(package):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function) and (length := code_lines(node)):
                yield f"{path}:{node.lineno} {node.name}", length


@pytest.mark.parametrize("package", PACKAGES)
def test_the_median_function_is_short(package: str) -> None:
    lengths = [length for _, length in functions(package)]
    assert not lengths or median(lengths) < MEDIAN_BELOW


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_long(package: str) -> None:
    assert [f for f in functions(package) if f[1] > MOST_LINES_OF_A_FUNCTION] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_long(package: str) -> None:
    lengths = [(str(path), len(text.splitlines())) for path, text in files(package)]
    assert [f for f in lengths if f[1] > MOST_LINES_OF_A_FILE] == []
