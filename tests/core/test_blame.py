"""The line that is named for a failure is the plugin's own."""

import json
import sys
from pathlib import Path

import pytest

from ida_core import Strategy
from ida_core.blame import own_line
from ida_core.plugins import load_plugins

ALONE = """
import json
from ida_core import Strategy, hookimpl


class Alone(Strategy):
    name = "alone"

    def on_start(self, ctx):
        json.loads("{")


@hookimpl
def ida_strategies():
    return [Alone]
"""


def raised_by(strategy: Strategy) -> str:
    try:
        strategy.on_start(None)  # type: ignore[arg-type]
    except ValueError as error:
        frame = own_line(error, strategy)
        return f"{frame.filename}:{frame.lineno}"
    raise AssertionError("nothing was raised")


def test_of_a_file_it_is_the_file_s_own_line(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text(ALONE)
    strategy = load_plugins([tmp_path], environment={}, entry_points=False).strategies["alone"]()
    assert raised_by(strategy) == f"{tmp_path / 'alone.py'}:10"


def test_of_a_package_it_is_the_innermost_line_of_all_its_modules(tmp_path: Path) -> None:
    package = tmp_path / "of_two_modules"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text("import json\n\n\ndef read():\n    return json.loads('{')\n")
    text = ALONE.replace("import json", "from of_two_modules.parts import read").replace('json.loads("{")', "read()")
    (package / "strategy.py").write_text(text)
    sys.path.insert(0, str(tmp_path))
    try:
        from of_two_modules.strategy import Alone  # type: ignore[import-not-found, unused-ignore]

        assert raised_by(Alone()) == f"{package / 'parts.py'}:5"
    finally:
        sys.path.remove(str(tmp_path))


def test_where_none_of_its_lines_is_there_it_is_the_innermost_of_all(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text(ALONE)
    strategy = load_plugins([tmp_path], environment={}, entry_points=False).strategies["alone"]()
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    assert Path(own_line(caught.value, strategy).filename).name == "decoder.py"
