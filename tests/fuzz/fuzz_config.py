"""Any text as a configuration file, any text after ``--set`` and in ``IDA_SET``: settings, or a ``ConfigError`` that
names the file and line of each problem. What was accepted is written as ``run.toml`` and read back the same.

The file's text ends at a line ``---``; what follows are ``--set`` lines.
"""

import re
import sys
import tempfile
from pathlib import Path

import python_driver

from ida_core.config import Loaded, load, to_toml
from ida_core.errors import ConfigError
from ida_core.plugins import load_plugins

WORDS = [
    b"[run]\n", b"[sim]\n", b"[grid]\n", b"[instruments.BTCUSDT]\n", b"[[run]]\n", b"---\n", b" = ", b"\"", b"'''",
    b"\"\"\"", b"{ a = 1 }", b"[1, 2]", b"true", b"1979-05-27T07:32:00Z", b"07:32:00", b"nan", b"inf", b"1e400",
    b"0x7f", b"-0", b"\\u0000", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\r", b"seed", b"strategies", b"symbols",
    b"exchange", b"out", b"feed", b"duration_s", b"speed", b"worst_cases", b"log_level", b"segment_mib", b"sync",
    b"tick_size", b"lot_size", b"multiplier", b"on_damage", b"queue", b"power(2)", b"maker_fee",
    b"request_latency_ms", b"max_quantity", b"BTCUSDT", b"a.b.c", b".", b"#", b"\n", b"run.seed=1",
]  # fmt: skip

PLUGINS = load_plugins()
PLACE = re.compile(r"\A(.*/ida\.toml:\d+: |.*/ida\.toml: not UTF-8 at byte|--set .*: |IDA_SET .*: )", re.S)


def read(folder: Path, data: bytes) -> Loaded:
    text, _, rest = data.partition(b"\n---\n")
    path = folder / "ida.toml"
    path.write_bytes(text)
    sets = rest.decode("utf-8", "replace").replace("\0", "").split("\n")
    return load(path, sets=sets[:4], environment={"IDA_SET": ";".join(sets[4:6])} if rest else {}, plugins=PLUGINS)


def check_problems(error: ConfigError) -> None:
    """What is wrong says so, with its line in the file or the option that it came by."""
    assert error.problems, "an error without a problem"
    for problem in error.problems:
        assert PLACE.match(problem), f"a problem without a place: {problem}"


def check_written(folder: Path, loaded: Loaded) -> None:
    path = folder / "run.toml"
    path.write_text(to_toml(loaded.settings), encoding="utf-8")
    again = load(path, environment={}, plugins=PLUGINS).settings
    assert to_toml(again) == to_toml(loaded.settings), "run.toml reads back as something else"


def target(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        try:
            loaded = read(Path(name), data)
        except ConfigError as error:
            check_problems(error)
            return
        check_written(Path(name), loaded)


FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None

if __name__ == "__main__":
    python_driver.main(target, ("ida_core/toml.py", "ida_core/config.py", "ida_core/layers.py"), WORDS)
    sys.exit(0)
