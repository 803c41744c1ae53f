"""The recorder: what is written is in the files, what is not is counted, and a killed process loses an interval."""

import gzip
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from ida_core import OutputError, Recorder

STAMP = 1_767_225_600_000_000_000
WRITER = """
import sys, time
from ida_core import Recorder
with Recorder(sys.argv[1], "s", b'{"stream":"!exchangeInfo","data":{}}', flush_s=0.05, rotate_bytes=40_000) as recorder:
    number = 0
    while True:
        assert recorder.write(time.time_ns(), b'{"n":%d,"rest":"%d"}' % (number, hash(str(number))))
        number += 1
        if number % 100 == 0:
            print(recorder.state.lines, flush=True)
            time.sleep(0.001)
"""


def unpacked(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def test_files_hold_what_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with Recorder(folder, "btc", b'{"stream":"!exchangeInfo","data":{}}') as recorder:
        assert recorder.write(STAMP, b'{"u":1}')
        assert recorder.write_as(STAMP + 1, "btcusdt@depth@snapshot", b'{"lastUpdateId":7}')
        recorder.flush()
        assert recorder.state.lines == 2
        assert recorder.rotate()
        assert recorder.write(STAMP + 2, b'{"u":2}')
    state = recorder.state
    assert (state.lines, state.files, state.dropped, state.error, state.failing) == (3, 2, 0, "", "")
    assert state.newest_ns == STAMP + 2
    assert state.packed
    assert unpacked(folder / "btc-00000.gz") == [
        b'%d {"stream":"!exchangeInfo","data":{}}' % STAMP,
        b'%d {"u":1}' % STAMP,
        b'%d {"stream":"btcusdt@depth@snapshot","data":{"lastUpdateId":7}}' % (STAMP + 1),
    ]
    assert unpacked(folder / "btc-00001.gz")[1:] == [b'%d {"u":2}' % (STAMP + 2)]
    assert state.file_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file: .*; a recording needs a folder") as found:
        Recorder(tmp_path / "file", "btc")
    assert found.value.code == "IDA-E7240"
    (tmp_path / "btc-00000.txt").write_text("mine")
    with pytest.raises(OutputError, match="File exists"):
        Recorder(tmp_path, "btc", level=0)
    with pytest.raises(OutputError, match="Invalid argument"):
        Recorder(tmp_path, "btc", flush_s=0)
    with Recorder(tmp_path, "eth") as recorder:
        with pytest.raises(OutputError, match="quotes"):
            recorder.write_as(STAMP, 'a"b', b"{}")
        assert not recorder.write(1, b"a stamp of one digit")
        assert recorder.state.dropped == 1
    with pytest.raises(OutputError, match="closed"):
        recorder.write(STAMP, b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["btc-00000.txt", "file"]


def test_forked_child_leaves_it_alone(tmp_path: Path) -> None:
    with Recorder(tmp_path, "btc") as recorder:
        assert recorder.write(STAMP, b"{}")
        if (pid := os.fork()) == 0:
            try:
                recorder.write(STAMP, b"the child's")
            except OutputError:
                recorder.close()
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert recorder.write(STAMP, b"[]")
    assert len(unpacked(tmp_path / "btc-00000.gz")) == 2


def readable(path: Path) -> bytes:
    """All whole members; the kernel tears the one that it is writing when the process is killed."""
    rest, found = path.read_bytes(), b""
    while rest:
        member = zlib.decompressobj(31)
        text = member.decompress(rest)
        if not member.eof:
            break
        found, rest = found + text, member.unused_data
    return found


def whole_lines(folder: Path) -> list[bytes]:
    """All lines but the heads: members hold whole lines, and none but the last file's last one is torn."""
    lines = []
    paths = sorted(folder.iterdir())
    for path in paths:
        text = readable(path)
        assert path == paths[-1] or text == gzip.decompress(path.read_bytes())
        assert not text or text.endswith(b"\n")
        head, *rest = text.splitlines() or [b"!exchangeInfo"]
        assert b"!exchangeInfo" in head
        lines += rest
    return lines


@pytest.mark.parametrize("kill", range(20))
def test_killed_at_any_moment_it_leaves_whole_lines_and_all_that_it_said_was_written(tmp_path: Path, kill: int) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [0]
    while not said[-1]:  # nothing asks for a flush: the interval alone brings lines into the file
        said.append(int(writer.stdout.readline()))
    time.sleep(random.Random(kill).random() / 4)  # the moment; what is claimed holds for any
    writer.send_signal(signal.SIGKILL)
    said += map(int, writer.stdout.read().split())
    assert writer.wait() == -signal.SIGKILL
    lines = whole_lines(tmp_path)
    assert [line.split(b'"n":')[1].split(b",")[0] for line in lines] == [b"%d" % n for n in range(len(lines))]
    assert len(lines) >= said[-1] > 0
