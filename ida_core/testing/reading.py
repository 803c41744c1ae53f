"""Reads a strategy's source for what a short run may not come to: a clock in a branch that is seldom taken.

Only what can be reached is read: the class, its bases that are not Ida's, and the functions of its module that they
name. A feed beside it in the same file may read what it likes.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from ida_core.testing.watch import ALONE, CHANCE, CLOCK, OUTSIDE, Breach

_CALLS = {
    CLOCK: (
        "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
        "time.perf_counter_ns", "time.process_time", "time.process_time_ns", "time.thread_time", "time.localtime",
        "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
        "trio.current_time",
    ),
    CHANCE: (
        "os.urandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom", *(f"random.{name}" for name in (
            "random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss",
            "normalvariate", "expovariate", "betavariate", "lognormvariate", "triangular", "getrandbits", "seed")),
    ),
    OUTSIDE: ("open", "print", "input", "io.open", "time.sleep", "os.system", "os.popen", "os.listdir", "os.remove",
              "os.getenv", "os.environ.get", "os.getpid", "platform.node", "os.cpu_count"),
}
_KIND_OF = {name: kind for kind, names in _CALLS.items() for name in names}
_MODULES = {
    "secrets": CHANCE, "socket": OUTSIDE, "subprocess": OUTSIDE, "requests": OUTSIDE, "httpx": OUTSIDE,
    "concurrent": OUTSIDE, "asyncio": OUTSIDE, "multiprocessing": OUTSIDE,
    "aiohttp": OUTSIDE, "shutil": OUTSIDE, "logging": OUTSIDE, "threading": OUTSIDE, "sqlite3": OUTSIDE,
}
#: What asks a clock unless it is given so many arguments.
_OF_A_GIVEN_TIME = {"time.gmtime": 1, "time.strftime": 2}
_METHODS = ("read_text", "write_text", "read_bytes", "write_bytes")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def read(kind: type) -> list[Breach]:
    """What the sources of a strategy class would do that it may not."""
    found: list[Breach] = []
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in ("ida_core", "builtins", "abc", "typing"):
            continue
        source = _source(base)
        if source is not None:
            found += source.breaches(base)
    return list(dict.fromkeys(found))


class _Source:
    """One file: what its names stand for, and its functions."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self.names = dict(_imported(tree))
        self.constants = dict(_constants(tree))
        for name, value in self.constants.items():
            made = self._dotted(value.func) if isinstance(value, ast.Call) else ""
            if _MODULES.get(made.partition(".")[0]):  # log = logging.getLogger(): what it does is logging's
                self.names[name] = made
        self.functions = {node.name: node for node in tree.body if isinstance(node, Function)}

    def breaches(self, kind: type) -> Iterator[Breach]:
        for node in self._reached(kind):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call):
                    yield from self._call(inner)
                elif isinstance(inner, ast.Subscript) and self._dotted(inner.value) == "os.environ":
                    yield Breach(OUTSIDE, f"{self.path}:{inner.lineno}", "os.environ")
                elif isinstance(inner, Function):
                    yield from self._liberties(inner)
        yield from self._constants(kind)

    def _constants(self, kind: type) -> Iterator[Breach]:
        """What was reckoned when the module was imported may come of a file, but of no clock and no chance."""
        used = {n.id for node in self._reached(kind) for n in ast.walk(node) if isinstance(n, ast.Name)}
        for name in used & self.constants.keys():
            for inner in ast.walk(self.constants[name]):
                found = self._call(inner) if isinstance(inner, ast.Call) else ()
                yield from (b for b in found if b.kind != OUTSIDE or b.what.startswith("os."))

    def _reached(self, kind: type) -> list[ast.AST]:
        name = kind.__qualname__.rpartition(".")[2]
        classes = [n for n in ast.walk(self.tree) if isinstance(n, ast.ClassDef) and n.name == name]
        reached: list[ast.AST] = [*classes[:1]]
        for node in reached:
            for inner in ast.walk(node):
                function = self.functions.get(inner.id) if isinstance(inner, ast.Name) else None
                if function is not None and function not in reached:
                    reached.append(function)
        return reached

    def _call(self, call: ast.Call) -> Iterator[Breach]:
        name = self._dotted(call.func)
        kind = _KIND_OF.get(name) or _MODULES.get(name.partition(".")[0] if "." in name else "")
        if kind is None and name in ("random.Random", "numpy.random.default_rng") and not (call.args or call.keywords):
            kind = CHANCE
        if kind is None and name.startswith("numpy.random.") and name[13:14].islower() and name[13:] != "default_rng":
            kind = CHANCE
        if len(call.args) + len(call.keywords) < _OF_A_GIVEN_TIME.get(name, 0):
            kind = CLOCK
        if name == "datetime.datetime.fromtimestamp" and len(call.args) + len(call.keywords) < 2:
            kind, name = OUTSIDE, "by the machine's time zone, which tz=UTC would not be: datetime.fromtimestamp"
        if kind is None and isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
            kind, name = OUTSIDE, call.func.attr
        if kind is not None:
            yield Breach(kind, f"{self.path}:{call.lineno}", f"{name}()")

    def _dotted(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            inner = self._dotted(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return ""

    def _liberties(self, function: Function) -> Iterator[Breach]:
        """What it does to the things it is given: their private parts, and assignments."""
        given = {a.arg for a in function.args.args if a.arg not in ("self", "cls")}
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute) or _root(node) not in given:
                continue
            if node.attr.startswith("_") and not node.attr.endswith("__"):
                yield self._liberty(node, "is private")
            elif isinstance(node.ctx, ast.Store | ast.Del):
                yield self._liberty(node, "is not the strategy's to change")

    def _liberty(self, node: ast.Attribute, why: str) -> Breach:
        return Breach(ALONE, f"{self.path}:{node.lineno}", f"{ast.unparse(node)} {why}")


def _source(kind: type) -> _Source | None:
    try:
        path = inspect.getsourcefile(kind)
        return _Source(Path(path), ast.parse(Path(path).read_text(encoding="utf-8"))) if path else None
    except (OSError, TypeError, SyntaxError):
        return None


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What is assigned outside of every function and class."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What each imported name stands for: ``now`` → ``time.time``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)

