"""The contract of ``ida_core.Recording`` as functions, one rule each: what ``check_recording`` runs."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ida_core.errors import IdaError
from ida_core.feed import Feed
from ida_core.making import place_of
from ida_core.native import ffi
from ida_core.protocols import Recording
from ida_core.testing.rules import Finding, NotApplicable, count, hold, require, table, told

HEAD_BYTES = 4096
#: Beginnings of files that are no market data of anyone.
STRANGE = (b"", b"\n", b"\0" * 64, b"\x7fELF\x02\x01\x01", b"%PDF-1.7\n", b"{}\n", b"a,b,c\n1,2,3\n", bytes(range(256)))


class RecordingTrial:
    """A format, and perhaps a file of it."""

    def __init__(self, recording: Any, sample: Path | None) -> None:
        self.recording = recording
        self.sample = sample

    @property
    def where(self) -> str:
        return place_of(type(self.recording))

    def needs_sample(self) -> Path:
        if self.sample is None:
            raise NotApplicable("no file of the format was given")
        return self.sample

    @cached_property
    def seen(self) -> list[Seen]:
        return open_all(self.recording, [self.needs_sample()])


class Seen(NamedTuple):
    """What a feed held: its records as bytes, their count, the times of the first and the last."""

    content: bytes
    records: int
    first_ns: int
    last_ns: int
    instruments: int


def check_recording(recording: Recording, sample: Path | None = None) -> None:
    """Hold a format of recordings to its contract.

    Args:
        recording: what the hook returns: an object.
        sample: a sound file of the format; without one only what it says of other files is looked at.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    require(f"recording format {recording.name}", find_recording(recording, sample))


def find_recording(recording: Any, sample: Path | None) -> list[Finding]:
    """Hold a format to every rule."""
    return hold(RECORDING_RULES, RecordingTrial(recording, sample))


# ------------------------------------------------------------------ the rules


def keeps_the_protocol(trial: RecordingTrial) -> str:
    assert isinstance(trial.recording, Recording), (
        f"{trial.where}: lacks a method of ida_core.Recording: recognises, open, check")
    return ""


def leaves_strange_files_alone(trial: RecordingTrial) -> str:
    for head in STRANGE:
        answer = trial.recording.recognises(Path("strange.bin"), head)
        assert isinstance(answer, bool), f"{trial.where}: recognises returned {answer!r}, neither True nor False"
        assert not answer, f"{trial.where}: it recognises a file that begins with {head[:16]!r}"
    return f"{count(len(STRANGE), 'beginning')} of other files"


def recognises_its_own(trial: RecordingTrial) -> str:
    path = trial.needs_sample()
    assert trial.recording.recognises(path, head_of(path)), f"{trial.where}: it does not recognise {path.name}"
    return path.name


def opens_a_feed_for_each_file(trial: RecordingTrial) -> str:
    assert len(trial.seen) == 1, f"{trial.where}: open made {len(trial.seen)} feeds of one file"
    feed = trial.seen[0]
    assert feed.records, f"{trial.where}: {trial.needs_sample().name} has no market data"
    assert feed.instruments, f"{trial.where}: the feed describes no instrument"
    assert feed.first_ns <= feed.last_ns, f"{trial.where}: the last record is of before the first"
    return f"{count(feed.records, 'record')}, {count(feed.instruments, 'instrument')}"


def tells_in_order_of_local_time(trial: RecordingTrial) -> str:
    then = 0
    for number, ts_ns in enumerate(_times(trial.seen[0].content)):
        assert ts_ns >= then, f"{trial.where}: record {number} is of {ts_ns} ns, the one before it of {then} ns"
        then = ts_ns
    return ""


def opens_the_same_again(trial: RecordingTrial) -> str:
    again = [feed.content for feed in open_all(trial.recording, [trial.needs_sample()])]
    assert again == [feed.content for feed in trial.seen], f"{trial.where}: other records the second time"
    return f"{len(trial.seen[0].content):,} bytes the same"


def finds_its_own_sound(trial: RecordingTrial) -> str:
    found = trial.recording.check([trial.needs_sample()])
    for name in ("sound", "trusted"):
        assert isinstance(getattr(found, name, None), bool), f"{trial.where}: check returned no record with {name!r}"
    assert found.sound, f"{trial.where}: check says that {trial.needs_sample().name} is not sound: {found!r:.200}"
    return ""


def tells_of_damage(trial: RecordingTrial) -> str:
    """A file cut in the middle of its last line: found by ``check``, or by ``open``, as an ``IdaError``."""
    content = _plain(trial.needs_sample())
    with tempfile.TemporaryDirectory(prefix="ida-testing-") as folder:
        cut = Path(folder) / trial.needs_sample().name.removesuffix(".gz")
        cut.write_bytes(content[: len(content) - 12])
        try:
            found = trial.recording.check([cut])
        except IdaError as error:
            return f"check refuses: {error!s:.80}".replace(folder, "")
        except Exception as error:
            raise AssertionError(f"check raised of a file that is cut short: {told(error)}") from error
    assert not found.sound, f"{trial.where}: check says that a file cut in the middle of its last line is sound"
    return "a file cut short is not sound"


RECORDING_RULES = table(
    keeps_the_protocol, leaves_strange_files_alone, recognises_its_own, opens_a_feed_for_each_file,
    tells_in_order_of_local_time, opens_the_same_again, finds_its_own_sound, tells_of_damage,
)


# ------------------------------------------------------------------ their parts


def open_all(recording: Any, paths: Sequence[Path]) -> list[Seen]:
    feeds: list[Feed] = recording.open(list(paths), {"on_damage": "stop", "instruments": {}})
    try:
        return [_seen(feed) for feed in feeds]
    finally:
        for feed in feeds:
            feed.close()


def _seen(feed: Feed) -> Seen:
    start, length = feed.records
    meta = feed.meta
    content = bytes(ffi.buffer(start, length)) if length else b""
    return Seen(content, meta.records, meta.first_local_ns, meta.last_local_ns, len(meta.instruments))


def _times(content: bytes) -> list[int]:
    """Local times of the records, in ns."""
    found, offset = [], 0
    with ffi.from_buffer(content) as start:
        while offset < len(content):
            record = ffi.cast("ida_record *", start + offset)
            found.append(int(record.ts_local_ns))
            offset += int(record.length)
    return found


def _plain(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def head_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed."""
    content = path.read_bytes()[: 1 << 16]
    if content[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(content, HEAD_BYTES)
    return content[:HEAD_BYTES]
