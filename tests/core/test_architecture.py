"""The import rules of the house, read from the sources: an arrow that is not drawn does not exist.

    plugins, ida_binance, ida_sim  ──►  ida_core, its public names  ──►  csrc, which knows no Python
"""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("ida_core", "ida_binance", "ida_sim", "plugins")
VENUE_WORDS = re.compile(r"binance|bnb", re.IGNORECASE)
FIELDS_WITH_NAMES = ("id", "attr", "name", "arg", "asname", "module")
NO_STDIO = (
    "agents", "binance_json", "book", "crc", "decimal", "flow", "inlet", "json", "market", "match", "pool", "queue",
    "sync", "timeline",
)


def sources(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def c_files(pattern: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / "csrc").glob(pattern)) if path.name != "_core.c")


def imports(file: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each import as (module, name), the name empty for a plain ``import module``."""
    package = file.removesuffix("/__init__.py").removesuffix(".py").split("/")
    depth = 0 if file.endswith("/__init__.py") else 1
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) + 1 - node.level - depth] if node.level else []
            module = ".".join([*up, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def import_breaches(package: str, file: str, tree: ast.Module) -> list[str]:
    breaches = []
    for module, name in imports(file, tree):
        top, *inner = [*module.split("."), *([name] if name else [])]
        native = inner[:1] == ["native"]
        if top == package or top not in OURS:
            continue
        if top != "ida_core":
            breaches.append(f"{file}: imports {top}; only ida_core is common ground")
        elif any(part.startswith("_") and not part.endswith("__") for part in inner):
            breaches.append(f"{file}: {module} {name} is private; what is needed is made public")
        elif native and package == "plugins":
            breaches.append(f"{file}: ida_core.native is for the packages of this repository only")
    return breaches


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the constants that are bare strings: docstrings, and those below attributes."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every identifier and string of the code, docstrings left out."""
    documentation = docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documentation:
                yield line, node.value
        else:
            named = (getattr(node, field, None) for field in FIELDS_WITH_NAMES)
            yield from ((line, text) for text in named if isinstance(text, str))


def c_code(path: Path) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def c_includes(path: Path) -> set[str]:
    return set(re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', c_code(path), flags=re.MULTILINE))


def c_functions(code: str) -> list[str]:
    """Names of the functions defined here that other files can see."""
    code = re.sub(r"^\s*#(?:[^\n\\]|\\.)*", "", code, flags=re.MULTILINE | re.DOTALL)
    definition = r"^([A-Za-z_][\w \t*]*?\*?)\b(\w+)\([^;{}]*\)\s*\{"
    found = re.findall(definition, code, flags=re.MULTILINE)
    return [name for kind, name in found if "static" not in kind.split()]


@pytest.mark.parametrize("package", OURS)
def test_imports_follow_the_arrows(package: str) -> None:
    found = (import_breaches(package, file, tree) for file, tree in sources(package))
    assert list(chain.from_iterable(found)) == []


def test_ida_core_names_no_venue() -> None:
    named = [
        f"{file}:{line}: {word!r}"
        for file, tree in sources("ida_core")
        for line, word in words(tree)
        if VENUE_WORDS.search(word)
    ]
    assert named == []


def test_a_venues_decoder_is_used_by_its_package_alone() -> None:
    users = [
        f"{file}:{line}: {word}"
        for package in ("ida_core", "ida_sim", "plugins")
        for file, tree in sources(package)
        for line, word in words(tree)
        if word.startswith("ida_binance_")
    ]
    assert users == []


def test_c_knows_no_python_and_neutral_concepts_know_no_venue() -> None:
    for path in c_files("*.[ch]"):
        assert "Python.h" not in c_includes(path), path.name
        if not path.name.startswith("binance_"):
            assert not [h for h in c_includes(path) if h.startswith("binance_")], path.name
            assert "ida_binance_" not in c_code(path), path.name


def test_the_hot_path_has_no_stdio() -> None:
    for concept in NO_STDIO:
        for path in c_files(f"{concept}.[ch]"):
            assert "stdio.h" not in c_includes(path), path.name


def test_every_header_has_its_guard() -> None:
    for path in c_files("*.h"):
        guard = f"IDA_{path.stem.upper()}_H"
        pattern = rf"\s*#ifndef {guard}\n#define {guard}\n.*#endif\s*"
        assert re.fullmatch(pattern, c_code(path), flags=re.DOTALL), f"{path.name}: {guard}"


def test_every_function_that_others_can_see_is_in_a_header() -> None:
    declared = {name for path in c_files("*.h") for name in re.findall(r"(\w+)\(", c_code(path))}
    loose = [
        f"{path.name}: {name}"
        for path in c_files("*.c")
        for name in c_functions(c_code(path))
        if name not in declared or not name.startswith("ida_")
    ]
    assert loose == []


@pytest.mark.parametrize(
    ("package", "line", "allowed"),
    [
        ("plugins", "from ida_core import Strategy", True),
        ("plugins", "from ida_core.model import Side", True),
        ("plugins", "from ida_core import _core", False),
        ("plugins", "from ida_core.native import lib", False),
        ("plugins", "from ida_core import native", False),
        ("plugins", "import ida_sim.fees", False),
        ("plugins", "from ..ida_sim import fees", False),
        ("plugins", "from .grid import Grid", True),
        ("ida_sim", "from ida_core.native import lib", True),
        ("ida_sim", "import ida_binance", False),
        ("ida_core", "from ida_sim import fees", False),
        ("ida_core", "from ida_core import _core", True),
        ("ida_core", "import trio, plugins", False),
    ],
)
def test_the_reader_of_imports_can_tell(package: str, line: str, allowed: bool) -> None:
    breaches = import_breaches(package, f"{package}/one.py", ast.parse(line))
    assert (breaches == []) is allowed


def test_the_reader_of_c_finds_what_is_not_static() -> None:
    code = """
    #define LOOP(x) for (;;) { x }
static inline int hidden(int a) { return a; }
ida_queue *ida_queue_new(size_t capacity,
                         size_t size)
{
    if (capacity) { return other(1); }
}
int ida_declared(int a);
"""
    assert c_functions(code) == ["ida_queue_new"]
