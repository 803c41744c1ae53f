"""Bytes that were changed behind our back: a converted recording is made again, a journal is cut with a word."""

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ida_core import DataError
from ida_core.config import load
from ida_core.feed import Feed
from ida_core.native import ffi, lib
from ida_core.plugins import load_plugins
from ida_core.run import execute
from ida_sim.timeline import Timeline

#: Changes a byte of a copy and looks at it, ``sys.argv[2]`` times; a crash ends this process, not the tests.
FLIPPER = """
import collections, pathlib, random, sys
from ida_core import DataError
from ida_core.feed import Feed

path, rng, met = pathlib.Path(sys.argv[1]), random.Random(7), collections.Counter()
sound = path.read_bytes()
for turn in range(int(sys.argv[2])):
    damaged = bytearray(sound)
    for _ in range(rng.choice((1, 1, 3))):
        damaged[rng.randrange(len(damaged) if turn % 2 else 400)] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)
    try:
        Feed(path).close()
        met["sound"] += damaged != sound
    except DataError:
        met["refused"] += 1
print(met["sound"], met["refused"])
"""

#: Reports and replays the run once for each name of a damaged journal.
READER = """
import pathlib, sys
from ida_core import DataError
from ida_core.plugins import load_plugins
from ida_core.replay import replay
from ida_core.report import load

folder = pathlib.Path(sys.argv[1])
plugins = load_plugins([folder / "plugins"])
for run in sys.argv[2:]:
    for look in (lambda: load(pathlib.Path(run)).document(), lambda: replay(pathlib.Path(run), plugins)):
        try:
            answer = look()
            told = answer.get("warnings", "") if isinstance(answer, dict) else answer.difference
            print("told" if "damaged" in str(told) else "silent")
        except DataError as error:
            print("told" if "damaged" in str(error) or "start note" in str(error) else error)
"""

BUYER = """
from ida_core import Side, Strategy, hookimpl


class Buyer(Strategy):
    name = "buyer"

    def on_start(self, ctx):
        ctx.every(0.02)

    def on_timer(self, ctx, timer):
        if ctx.market.synced:
            ctx.cancel_all()
            ctx.place(Side.BUY, 10, ctx.book.bid, post_only=True)


@hookimpl
def ida_strategies():
    return [Buyer]
"""


@pytest.fixture
def folder(tmp_path: Path, tape, monkeypatch) -> Path:
    """A recording, a plugin, and a cache of its own."""
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "buyer.py").write_text(BUYER)
    for at in range(5, 200, 7):
        tape.trade(at, "100.0", "0.300", seller=True).depth(at + 2, [("100.0", f"0.{at:03}")], [])
    tape.save(tmp_path)
    (tmp_path / "ida.toml").write_text(
        f'[run]\nfeed = ["{tmp_path / "tape.txt"}"]\nstrategies = ["buyer"]\nrisk = []\nreports = ["json"]\n'
        f'worst_cases = false\nout = "{tmp_path / "runs"}"\n')
    return tmp_path


def run(folder: Path):
    plugins = load_plugins([folder / "plugins"])
    return execute(load(folder / "ida.toml", plugins=plugins).settings, plugins)


def cached(folder: Path) -> Path:
    (path,) = (folder / "cache" / "feeds").glob("*.feed")
    return path


def python(script: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_change_of_a_cached_feed_passes_unseen(folder):
    run(folder)
    assert python(FLIPPER, cached(folder), 400).split() == ["0", "400"]


def swap_offsets(content: bytes) -> bytes:
    fields = list(struct.unpack_from("<8s8Q", content))
    fields[1], fields[4] = fields[4], fields[1]
    return struct.pack("<8s8Q", *fields) + content[72:]


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: content[: len(content) // 2], lambda content: b"IDAFEED1" + content[8:],
    swap_offsets, lambda content: content.replace(b'"tick_size":"0.1"', b'"tick_size":"0.9"'),
], ids=["empty", "cut", "another version", "swapped offsets", "another tick size"])  # fmt: skip
def test_a_damaged_cached_feed_is_made_again(folder, damage):
    first = run(folder)
    sound = cached(folder).read_bytes()
    cached(folder).write_bytes(damage(sound))
    assert cached(folder).read_bytes() != sound
    again = run(folder)
    assert again.exit_code == 0
    assert again.document["run"]["journal_sha256"] == first.document["run"]["journal_sha256"]
    Feed(cached(folder)).close()


def test_a_record_of_no_instrument_is_refused(folder):
    """Checksums right and all: what only the description can tell."""
    run(folder)
    content = bytearray(cached(folder).read_bytes())
    start = ffi.from_buffer(content)
    record = ffi.cast("ida_record *", start + ffi.cast("ida_feed_header *", start).records_offset)
    record.instrument = 7
    lib.ida_record_seal(record)
    cached(folder).write_bytes(content)
    timeline = Timeline(1)
    timeline.add_instrument(0, 1 << 16, (0, 1.0), 10)
    with Feed(cached(folder)) as feed, pytest.raises(DataError, match="tape"):
        timeline.add_feed(feed, [0], 0)


def damaged_copies(run_dir: Path, copies: int) -> list[Path]:
    """Each with a bit of its records flipped; every fourth ends there."""
    rng, made = random.Random(3), []
    for number in range(copies):
        copy = run_dir.with_name(f"damaged-{number}")
        shutil.copytree(run_dir, copy)
        (segment,) = (copy / "journal").iterdir()
        content = bytearray(segment.read_bytes())
        used = ffi.cast("ida_segment_header *", ffi.from_buffer(content)).closed
        at = rng.randrange(64, used if number % 3 else 4096)
        content[at] ^= 1 << rng.randrange(8)
        segment.write_bytes(content[: at + 1] if number % 4 == 3 else content)
        made.append(copy)
    return made


def test_report_and_replay_of_a_damaged_journal_say_so(folder):
    copies = damaged_copies(run(folder).run_dir, 40)
    assert python(READER, folder, *copies).split() == ["told"] * 80


def test_the_commands_say_so_too(folder):
    _, copy = damaged_copies(run(folder).run_dir, 2)
    ida = Path(sys.executable).with_name("ida")
    done = subprocess.run(
        [ida, "replay", copy, "--plugins-dir", folder / "plugins"], capture_output=True, text=True, timeout=60,
        check=False)
    assert (done.returncode, done.stdout) == (7, "")
    assert "damaged in segment 0 at byte" in done.stderr
    assert "Traceback" not in done.stderr
