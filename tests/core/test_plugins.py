"""Finding and loading plugins: the good, the broken, the misspelt and the doubled."""

import os
from pathlib import Path

import pytest

from ida_core.errors import PluginError
from ida_core.plugins import KINDS, Plugins, load_plugins

GOOD = """
import msgspec
from ida_core import Strategy, hookimpl

__version__ = "2.1"

class Config(msgspec.Struct, frozen=True):
    gap: int = 1

class Mine(Strategy):
    name = "{name}"
    api = {api}
    Config = Config

@hookimpl
def ida_strategies():
    return [Mine]
"""


def _good(name: str = "mine", api: int = 1) -> str:
    return GOOD.format(name=name, api=api)


def _load(folder: Path, **kwargs: object) -> Plugins:
    return load_plugins([folder], environment={}, entry_points=False, **kwargs)  # type: ignore[arg-type]


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_one_file_plugin_is_loaded_and_described(tmp_path: Path) -> None:
    plugins = _load(_write(tmp_path, mine=_good(), _private="1/0", test_mine="1/0"))
    assert plugins.skipped == []
    (info,) = plugins.loaded
    assert (info.name, info.version, info.api, info.found) == ("mine", "2.1", 1, "folder")
    assert info.hooks == ("ida_strategies",)
    assert info.provides == {"strategies": ("mine",)}
    assert info.origin == str(tmp_path / "mine.py")
    assert plugins.lookup("strategies", "mine").name == "mine"
    assert set(plugins.sections()) == {"mine"}
    assert plugins.info_of("strategies", "mine") is info


BROKEN = {
    "import failure": ("import nosuchmodule\n", "mine.py:1: ModuleNotFoundError: No module named"),
    "syntax error": ("x = 1\ndef f(:\n", "mine.py:2: SyntaxError: "),
    "exit at import": ("import sys\nsys.exit('no')\n", "mine.py:2: SystemExit: no"),
    "error in a called function": (
        "import json\n\njson.loads('{')\n",
        "mine.py:3: JSONDecodeError: ",
    ),
    "hook failure": (
        "from ida_core import hookimpl\n@hookimpl\ndef ida_feeds():\n    return [1 / 0]\n",
        "mine.py:4: ZeroDivisionError: division by zero",
    ),
    "hook with a parameter": (
        "from ida_core import hookimpl\n@hookimpl\ndef ida_feeds(config):\n    return []\n",
        "ida_feeds",
    ),
    "not a list": (
        "from ida_core import hookimpl\n@hookimpl\ndef ida_feeds():\n    return 5\n",
        "ida_feeds returned 5, which is not a list",
    ),
    "no name": (
        "from ida_core import hookimpl\n@hookimpl\ndef ida_feeds():\n    return [5]\n",
        "ida_feeds returned 5, which has no name",
    ),
    "misspelt hook": (
        "def ida_stratgies():\n    return []\n",
        "mine.py:1: no hook is called 'ida_stratgies'; did you mean 'ida_strategies'?",
    ),
    "misspelt hook with its mark": (
        "import ida_core\n\n@ida_core.hookimpl\ndef ida_strategy():\n    return []\n",
        "mine.py:3: no hook is called 'ida_strategy'; did you mean 'ida_strategies'?",
    ),
    "unmarked hook": (
        "\ndef ida_strategies():\n    return []\n",
        "mine.py:2: ida_strategies is not marked with @ida_core.hookimpl",
    ),
    "config of another kind": (
        _good().replace("    Config = Config", "    Config = dict"),
        "mine.py:10: mine.Config is not a msgspec.Struct",
    ),
    "default of another type": (
        _good().replace("gap: int = 1", "gap: int = 'wide'"),
        "mine.py:7: the defaults of mine.Config do not hold: mine.gap = 'wide': expected a whole number, got text",
    ),
    "default that the section itself refuses": (
        _good().replace("= 1\n", "= 1\n    def __post_init__(self):\n        raise ValueError('gap is 1')\n", 1),
        "mine.py:7: the defaults of mine.Config do not hold: gap is 1",
    ),
    "no default": (
        _good().replace("gap: int = 1", "gap: int"),
        "mine.py:7: the defaults of mine.Config do not hold: Missing required argument 'gap'",
    ),
    "later api": (_good(api=9), "mine.py:10: mine was made for API level 9; this Ida has 1"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_skipped_with_its_reason(tmp_path: Path, text: str, why: str) -> None:
    plugins = _load(_write(tmp_path, mine=text, other=_good("other")))
    (skipped,) = plugins.skipped
    assert (skipped.name, skipped.origin) == ("mine", str(tmp_path / "mine.py"))
    assert why in skipped.why
    assert set(plugins.strategies) == {"other"}


def test_asking_for_what_a_broken_plugin_provides_tells_why(tmp_path: Path) -> None:
    plugins = _load(_write(tmp_path, mine="import nosuch\n", other=_good("miner")))
    with pytest.raises(PluginError) as caught:
        plugins.lookup("strategies", "mine")
    assert str(caught.value) == "no strategy is called 'mine'; did you mean 'miner'?"
    assert "mine.py:1: ModuleNotFoundError" in caught.value.problems[0]
    assert (caught.value.code, caught.value.exit_code) == ("IDA-E3101", 3)


WRONG = {
    "two of a name": (
        {"a": _good("same"), "b": _good("same")},
        "two plugins provide the strategy 'same': plugin a (",
    ),
    "section of the core": (
        {"a": _good("run")},
        "section [run] would belong to the strategy 'run' and to Ida itself",
    ),
}


@pytest.mark.parametrize(("files", "wanted"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_an_error(tmp_path: Path, files: dict[str, str], wanted: str) -> None:
    with pytest.raises(PluginError) as caught:
        _load(_write(tmp_path, **files))
    assert wanted in caught.value.problems[0]
    assert caught.value.code == "IDA-E3102"


def test_two_of_a_name_names_both(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="a plugin is wrong") as caught:
        _load(_write(tmp_path, a=_good("same"), b=_good("same")))
    assert str(tmp_path / "a.py") in caught.value.problems[0]
    assert str(tmp_path / "b.py") in caught.value.problems[0]


@pytest.mark.parametrize("name", ["a", "first"])
def test_no_plugin_leaves_out_a_plugin_or_what_it_provides(tmp_path: Path, name: str) -> None:
    folder = _write(tmp_path, a=_good("first"), b=_good("second"))
    plugins = _load(folder, no_plugin=[name])
    assert set(plugins.strategies) == {"second"}
    assert not plugins.complete


def test_no_plugin_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError) as caught:
        _load(_write(tmp_path, mine=_good()), no_plugin=["mnie"])
    assert "--no-plugin mnie: no such plugin; did you mean 'mine'?" in caught.value.problems[0]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such folder"):
        _load(tmp_path / "none")


def test_the_environment_names_files_folders_and_modules(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        _write(folder, **{f"in_{folder.name}": _good(folder.name)})
    value = os.pathsep.join([str(first / "in_first.py"), str(second), "no.such.module"])
    plugins = load_plugins(environment={"IDA_PLUGINS": value}, entry_points=False)
    assert set(plugins.strategies) == {"first", "second"}
    assert plugins.skipped[0].name == "no.such.module"
    assert "ModuleNotFoundError" in plugins.skipped[0].why


def test_two_loads_share_nothing(tmp_path: Path) -> None:
    folder = _write(tmp_path, mine=_good())
    first, second = _load(folder), _load(folder)
    first.strategies.clear()
    assert set(second.strategies) == {"mine"}


def test_ida_s_own_plugins_load_by_the_same_door() -> None:
    plugins = load_plugins(environment={})
    assert plugins.skipped == []
    assert {info.distribution for info in plugins.loaded} >= {"ida-trading"}


def test_each_kind_has_its_dict() -> None:
    for kind in KINDS:
        assert getattr(Plugins(), kind) == {}
