"""What ``ida new`` writes: a small package of one's own, complete enough that its tests pass.

The files stand in ``templates``: those of every package in ``package``, those of a kind in a folder of its name.
"""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import shutil
import sys
from collections.abc import Container, Iterator, Mapping
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from typing import NamedTuple

from ida_core import __version__
from ida_core.errors import OutputError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 40

#: Template in ``package`` → where a package has it.
_SHARED = {
    "pyproject.toml": "pyproject.toml",
    "gitignore": ".gitignore",
    "test.yml": ".github/workflows/test.yml",
    "publish.yml": ".github/workflows/publish.yml",
}


class Kind(NamedTuple):
    """One kind of plugin.

    ``title``: what a sentence calls it; ``option``: of ``ida run``, before its name; ``beside``: what else shows it at
    work; ``modules``: its templates beside those that every kind has; ``classes``: word in the templates → ending of a
    class's name.
    """

    title: str
    option: str
    beside: str
    modules: tuple[str, ...]
    classes: Mapping[str, str]


_A_STRATEGY = " --strategy market_maker"
KINDS = {
    "strategy": Kind("strategy", "--strategy", "", ("strategy.py",), {"cls": "Strategy"}),
    "risk": Kind("risk check", "--risk", _A_STRATEGY, ("check.py",), {"cls": "Check"}),
    "report": Kind(
        "report", "--report", _A_STRATEGY, ("report.py", "panel.py"), {"cls": "Reporter", "panel": "Panel"}),
    "venue": Kind("venue", "--exchange", _A_STRATEGY, ("venue.py", "maintenance.py"), {"cls": "Venue"}),
    "feed": Kind(
        "feed", "--feed", " --strategy ${name}_reader", ("feed.py", "reader.py", "events.csv"),
        {"cls": "Feed", "reader": "Reader"}),
}
_RUN = "ida run --feed synthetic --duration 60 $option $name"


class Package(NamedTuple):
    """A package that was made: its folder, its files relative to that, and the commands to go on with."""

    folder: Path
    files: tuple[Path, ...]
    next: tuple[str, ...]


def make_package(kind: str, name: str, into: Path, taken: Container[str] = ()) -> Package:
    """Write a package of a ``kind`` (a key of ``KINDS``) called ``name`` into the folder ``into``.

    Args:
        taken: names that loaded plugins have already.
    Raises:
        UsageError: the name is no good, or the folder is there already.
        OutputError: the folder cannot be made or written.

    Whatever is raised, nothing is left behind.
    """
    _check_name(name, taken)
    words = _words(kind, name)
    texts = {Path(_filled(path, words)): _filled(text, words) for path, text in _templates(kind)}
    folder = into / name
    _write(folder, texts)
    run = _filled(_RUN + KINDS[kind].beside, words)
    return Package(folder, tuple(texts), (f"pip install -e '{folder}[test]'", f"pytest {folder}", run))


def _templates(kind: str) -> Iterator[tuple[str, str]]:
    """Each file of a package, as (path, text), placeholders in both."""
    for name, path in _SHARED.items():
        yield path, _template("package", name)
    yield "README.md", _template(kind, "README.md").replace("$publishing\n", _template("package", "publishing.md"))
    yield "$name/__init__.py", _template(kind, "init.py")
    for name in KINDS[kind].modules:
        yield f"$name/{name}", _template(kind, name)
    yield "$name/py.typed", ""
    yield "tests/test_$name.py", _template(kind, "test.py")


def _template(folder: str, name: str) -> str:
    return (resources("ida_core") / "templates" / folder / f"{name}.tmpl").read_text(encoding="utf-8")


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template(template).substitute(words)


def _words(kind: str, name: str) -> dict[str, str]:
    stem = "".join(part.capitalize() for part in name.split("_"))
    what = KINDS[kind]
    data = ["py.typed", *(f"*{Path(module).suffix}" for module in what.modules if not module.endswith(".py"))]
    return {
        "name": name, "title": name.replace("_", " ").capitalize(), "dashed": name.strip("_").replace("_", "-"),
        "version": __version__, "kind": what.title, "option": what.option, "config": f"{stem}Config",
        "data": ", ".join(f'"{file}"' for file in data),
        **{word: stem + ending for word, ending in what.classes.items()},
    }


def _write(folder: Path, texts: Mapping[Path, str]) -> None:
    """Make ``folder`` with these files, or leave everything as it was."""
    if os.path.lexists(folder):
        raise UsageError(f"{folder} is there already; nothing was written", code="IDA-E2004")
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except BaseException as error:
        shutil.rmtree(made[-1], ignore_errors=True)
        if isinstance(error, OSError):
            text = f"{error.filename}: cannot be written: {error.strerror}; nothing was left behind"
            raise OutputError(text, code="IDA-E7200") from error
        raise


def _check_name(name: str, taken: Container[str]) -> None:
    rule = _broken_rule(name) or ("an installed plugin or a section has it already" if name in taken else None)
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
