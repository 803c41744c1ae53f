"""One plugin alone, as its author has it: a file, a folder, a project that is not installed yet, or a name."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ida_core.errors import PluginError
from ida_core.nearest import suggestion
from ida_core.plugins import (
    GROUP,
    KINDS,
    Candidate,
    Loader,
    PluginInfo,
    Plugins,
    from_entry_points,
    from_file,
    from_folder,
    load_plugins,
    module_loader,
)


def load_one(target: str) -> Plugins:
    """Load one plugin alone, as ``ida plugins test`` does.

    Args:
        target: a file; the folder of a package, of its project (``pyproject.toml``) or of one-file plugins; or the
            name of an installed plugin, of its distribution or of something it provides.
    Raises:
        PluginError: there is nothing of the kind, it cannot be used, or it provides nothing.
    """
    path = Path(target)
    is_path = path.exists() or path.suffix == ".py" or os.sep in target
    candidates = list(_from_path(path) if is_path else _from_name(target))
    loader = Loader(set())
    for candidate in candidates:
        loader.add(candidate)
    found = loader.finish()
    if not is_path and all(target not in (c.name, c.distribution) for c in candidates):
        _narrow(found, target)
    for skipped in found.skipped:
        text = f"plugin {skipped.name} ({skipped.origin}) cannot be used: {skipped.why}"
        raise PluginError(text, code="IDA-E3104")
    if not any(getattr(found, kind) for kind in KINDS):
        raise PluginError(f"{target} provides nothing: no function marked @ida_core.hookimpl returned anything",
                          code="IDA-E3104")
    return found


def _from_path(path: Path) -> Iterator[Candidate]:
    if not path.exists():
        raise PluginError(f"{path}: no such file", code="IDA-E3104")
    if path.is_file():
        yield from_file(path, "file")
    elif (path / "pyproject.toml").is_file():
        yield from _from_project(path)
    elif (path / "__init__.py").is_file():
        _make_importable(path.resolve().parent)
        yield Candidate(path.resolve().name, "folder", module_loader(path.resolve().name), str(path))
    else:
        candidates = list(from_folder(path, "folder"))
        if not candidates:
            raise PluginError(f"{path}: holds no plugin: no pyproject.toml, no __init__.py, no *.py",
                              code="IDA-E3104")
        yield from candidates


def _from_project(folder: Path) -> Iterator[Candidate]:
    """The plugins that a project would install, from its sources."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise PluginError(f"{file}: not TOML: {error}", code="IDA-E3104") from error
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise PluginError(f"{file}: [project.entry-points.{GROUP}] names no plugin", code="IDA-E3104")
    for root in (folder / "src", folder):
        if root.is_dir():
            _make_importable(root.resolve())
    for name, value in points.items():
        load = importlib.metadata.EntryPoint(name, value, GROUP).load
        yield Candidate(name, "folder", load, str(folder), project.get("name", ""), project.get("version", ""))


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _from_name(name: str) -> list[Candidate]:
    """The installed plugins that ``name`` may mean; the one that provides a thing of that name is the last resort."""
    points = list(from_entry_points())
    named = [point for point in points if name in (point.name, point.distribution)]
    if named:
        return named
    installed = load_plugins(environment={})
    providers = [info.name for info in installed.loaded if any(name in names for names in info.provides.values())]
    if not providers:
        known = {info.name for info in installed.loaded} | {n for i in installed.loaded for n in _names(i)}
        raise PluginError(f"no file and no installed plugin is called {name!r}{suggestion(name, known)}",
                          code="IDA-E3104")
    return [point for point in points if point.name in providers]


def _narrow(found: Plugins, name: str) -> None:
    """Keep what is called ``name``."""
    for kind in KINDS:
        setattr(found, kind, {key: item for key, item in getattr(found, kind).items() if key == name})


def _names(info: PluginInfo) -> list[str]:
    return [name for names in info.provides.values() for name in names]
