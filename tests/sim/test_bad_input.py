"""Wrong input to ``ida run``: a clear sentence with thing, value and rule, the documented exit code, no traceback,
and nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

QUOTER = '''
from ida_core import Side, Strategy, hookimpl


class Quoter(Strategy):
    name = "quoter"

    def on_start(self, ctx):
        ctx.every(0.01)

    def on_timer(self, ctx, timer):
        if ctx.market.synced:
            ctx.cancel_all()
            ctx.place(Side.BUY, 10, ctx.book.bid, post_only=True)


@hookimpl
def ida_strategies():
    return [Quoter]
'''
CONFIG = '[run]\nrisk = []\nreports = ["json"]\nstrategies = ["quoter"]\n'


class Bench:
    """A folder with a plugin, a configuration and a tape; ``run`` calls the real program there."""

    def __init__(self, folder: Path, tape) -> None:
        self.folder = folder
        self.tape = tape
        (folder / "plugins").mkdir()
        (folder / "plugins" / "quoter.py").write_text(QUOTER)
        (folder / "ida.toml").write_text(CONFIG)
        for at in range(10, 100, 10):
            tape.trade(at, "100.0", "0.010", seller=True)
            tape.depth(at + 1, [("100.0", f"1.{at:03}")], [])

    def run(self, *words: str, feed: Path | None = None) -> subprocess.CompletedProcess:
        feed = feed or self.tape.save(self.folder)
        return subprocess.run(
            [Path(sys.executable).with_name("ida"), "run", "ida.toml", "--plugins-dir", "plugins",
             "--feed", feed, "--json", *words],
            cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "IDA_CACHE_DIR": str(self.folder / "cache")})

    @property
    def run_dirs(self) -> list[Path]:
        return list((self.folder / "runs").glob("*")) if (self.folder / "runs").is_dir() else []


@pytest.fixture
def bench(tmp_path, tape) -> Bench:
    return Bench(tmp_path, tape)


def refused(done: subprocess.CompletedProcess, exit_code: int, *fragments: str) -> str:
    """The run failed as documented: exit code, one JSON document, a readable sentence, no traceback."""
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    document = json.loads(done.stdout)
    text = " ".join([document["error"]["message"], *document["error"]["problems"]])
    for fragment in fragments:
        assert fragment in text
    return text


def test_sound_input_runs(bench):
    done = bench.run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["orders"]["submitted"] > 3


def test_garbage_line_stops_the_run_and_is_named(bench):
    bench.tape.lines.insert(5, "1723161600015000000 {this is no JSON")
    refused(bench.run(), 7, "tape.txt:6:", "on_damage = 'skip'")
    assert bench.run_dirs == []


def test_the_same_recording_twice(bench):
    path = bench.tape.save(bench.folder)
    twin = bench.folder / "twin.txt"
    twin.write_bytes(path.read_bytes())
    refused(bench.run("--feed", twin, feed=path), 7, "this recording is given twice")


def test_two_recordings_of_one_time_are_refused_with_the_ids_in_both(bench):
    """The second file is no copy: it ends three trades of nine earlier."""
    path = bench.tape.save(bench.folder)
    shorter = bench.folder / "shorter.txt"
    shorter.write_text("\n".join(bench.tape.lines[:-6]) + "\n")
    text = refused(
        bench.run("--feed", shorter, feed=path), 7, "tape.txt and shorter.txt overlap: trades 1 to 6 of BTCUSDT (spot)")
    assert "so give one of them" in text
    assert bench.run_dirs == []


def test_two_recordings_of_one_time_that_hold_no_trades_are_refused_for_their_books(bench):
    quiet = [line for line in bench.tape.lines if "@trade" not in line]
    path, shorter = bench.folder / "quiet.txt", bench.folder / "shorter.txt"
    path.write_text("\n".join(quiet) + "\n")
    shorter.write_text("\n".join(quiet[:-2]) + "\n")
    refused(bench.run("--feed", shorter, feed=path), 7, "quiet.txt and shorter.txt overlap: book updates 101 to ")


def test_files_of_one_symbol_that_follow_each_other_are_one_session(bench):
    whole, half = bench.tape.lines, len(bench.tape.lines) // 2
    first, second = (bench.folder / name for name in ("first.txt", "second.txt"))
    first.write_text("\n".join(whole[:half]) + "\n")
    second.write_text("\n".join(whole[half:]) + "\n")
    done = bench.run("--feed", second, feed=first)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == json.loads(bench.run().stdout)["events"]


def test_garbage_line_can_be_passed_over(bench):
    bench.tape.lines.insert(5, "1723161600015000000 {this is no JSON")
    done = bench.run("--set", "data.on_damage=skip")
    assert done.returncode == 0, done.stderr
    assert any("line 6" in w for w in json.loads(done.stdout)["warnings"])


def test_truncated_gzip(bench):
    path = bench.folder / "cut.gz"
    path.write_bytes(gzip.compress(bench.tape.save(bench.folder).read_bytes())[:-20])
    refused(bench.run(feed=path), 7, "cut.gz")
    assert bench.run_dirs == []


def test_cut_last_line(bench):
    path = bench.tape.save(bench.folder)
    path.write_text(path.read_text()[:-30])
    refused(bench.run(feed=path), 7, f"tape.txt:{len(bench.tape.lines)}")


def test_missing_diff_is_a_gap_and_the_run_does_not_hide_it(bench):
    del bench.tape.lines[7]  # a diff in the middle
    done = bench.run()
    document = json.loads(done.stdout)
    if document["book"]["BTCUSDT"]["gaps"] == 0:
        pytest.fail(f"no gap in {document['book']}")
    assert done.returncode == 7
    assert any("gap" in w for w in document["warnings"])


def test_duplicate_diff_is_passed_over(bench):
    bench.tape.lines.insert(8, bench.tape.lines[7])
    done = bench.run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["book"]["BTCUSDT"]["gaps"] == 0


def test_missing_snapshot(bench):
    del bench.tape.lines[0]
    done = bench.run()
    assert done.returncode == 7
    document = json.loads(done.stdout)
    assert document["orders"]["submitted"] == 0
    assert any("snapshot" in w or "not in step" in w for w in document["warnings"])


def test_zero_price_trade_fills_nothing_and_is_told(bench):
    bench.tape.trade(50.5, "0.0", "1.000", seller=True)
    bench.tape.lines.sort(key=lambda line: int(line.split()[0]))
    done = bench.run()
    assert done.returncode == 0
    assert any("line 12: a trade at price 0" in w for w in json.loads(done.stdout)["warnings"])


def test_clock_that_goes_back_is_told(bench):
    bench.tape.lines[6], bench.tape.lines[8] = bench.tape.lines[8], bench.tape.lines[6]
    done = bench.run("--set", "data.on_damage=skip")
    assert done.returncode in (0, 7), done.stderr
    assert any("back" in w or "stamp" in w for w in json.loads(done.stdout)["warnings"])


def test_unknown_symbol(bench):
    refused(bench.run("--symbol", "BTCUSDX"), 3, "BTCUSDX", "BTCUSDT")
    assert bench.run_dirs == []


def test_off_grid_price(bench):
    (bench.folder / "ida.toml").write_text(CONFIG + '[instruments.BTCUSDT]\ntick_size = "0.3"\n')
    refused(bench.run(), 7, "tape.txt:1:")
    assert bench.run_dirs == []


def test_unknown_configuration_key_names_line_and_nearest(bench):
    (bench.folder / "ida.toml").write_text(CONFIG + "sed = 3\n")
    refused(bench.run(), 3, "ida.toml:5", "sed", "seed")


def test_plugin_that_fails_to_import_is_an_error_when_it_was_asked_for(bench):
    (bench.folder / "plugins" / "quoter.py").write_text("import no_such_module\n" + QUOTER)
    refused(bench.run(), 3, "quoter", "no_such_module")


def test_plugin_that_fails_to_import_is_skipped_when_nobody_needs_it(bench):
    (bench.folder / "plugins" / "other.py").write_text("import no_such_module\n")
    assert bench.run().returncode == 0


def test_plugin_that_raises_in_a_callback_fails_the_run_and_is_named(bench):
    (bench.folder / "plugins" / "quoter.py").write_text(QUOTER.replace(
        "        if ctx.market.synced:\n", "        if ctx.now_ns % 7 == 8: pass\n        1 / 0\n        if True:\n"))
    done = bench.run()
    assert done.returncode == 3
    document = json.loads(done.stdout)
    (warning,) = [w for w in document["warnings"] if "quoter" in w]
    assert "on_timer" in warning
    assert "quoter.py" in warning
    assert "ZeroDivisionError" in warning
    assert "Traceback" not in done.stderr


def test_plugin_that_raises_in_a_hook(bench):
    (bench.folder / "plugins" / "quoter.py").write_text(QUOTER.replace("return [Quoter]", "raise OSError('no luck')"))
    refused(bench.run(), 3, "quoter", "no luck")


def test_no_feed_at_all(bench):
    done = subprocess.run(
        [Path(sys.executable).with_name("ida"), "run", "ida.toml", "--plugins-dir", "plugins", "--json"],
        cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False)
    refused(done, 7, "--feed")


def test_feed_that_does_not_exist_and_feed_that_is_no_recording(bench):
    refused(bench.run(feed=bench.folder / "nothing.gz"), 7, "nothing.gz")
    (bench.folder / "x.txt").write_text("hello\n")
    refused(bench.run(feed=bench.folder / "x.txt"), 7, "x.txt")
    assert bench.run_dirs == []


def test_output_folder_that_cannot_be_written(bench):
    (bench.folder / "file").write_text("")
    refused(bench.run("--out", str(bench.folder / "file" / "runs")), 7, "--out")


def mounted(folder: Path, options: str):
    """A small file system at ``folder``; skips where mounting is not allowed."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a small file system cannot be mounted here: needs root")
    return folder


def test_full_disk_while_journaling(bench):
    for at in range(110, 4000):
        bench.tape.depth(at, [(f"{99 - k * 0.1:.1f}", f"1.{at % 1000:03}") for k in range(30)], [])
    disk = mounted(bench.folder / "disk", "size=3m")
    try:
        done = bench.run("--out", str(disk / "runs"), "--set", "journal.segment_mib=1")
        refused(done, 7, "No space left on device", "journal")
        (run_dir,) = (disk / "runs").iterdir()
        told = subprocess.run(
            [Path(sys.executable).with_name("ida"), "report", run_dir, "--json"],
            capture_output=True, text=True, timeout=60, check=False)
        document = json.loads(told.stdout)
        assert document["run"]["complete"] is False
        assert document["events"]["total"] > 100
    finally:
        subprocess.run(["umount", disk], check=True)


def test_read_only_output_folder(bench):
    disk = mounted(bench.folder / "disk", "ro,size=1m")
    try:
        refused(bench.run("--out", str(disk / "runs")), 7, "Read-only file system", "--out")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(("word", "fragment"), [
    ("instruments.BTCUSDT.tick_size=1", "ticks"), ("sim.feed_jitter_ms=-1", "feed_jitter_ms"),
    ("sim.start_price=-1", "start_price"), ("sim.queue=power(0)", "sim.queue"), ("sim.request_latency_ms=fast", "fast"),
    ("sim.queu=log", "queue"), ("sim.leverage=0", "leverage"), ("sim.balances.USDT=-5", "USDT"),
])
def test_wrong_settings_of_the_simulated_exchange(bench, word, fragment):
    done = subprocess.run(
        [Path(sys.executable).with_name("ida"), "run", "ida.toml", "--plugins-dir", "plugins", "--feed", "synthetic",
         "--set", "sim.start_price=100", "--set", word, "--duration", "5", "--json"],
        cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False)
    refused(done, 3, fragment)
    assert bench.run_dirs == []
