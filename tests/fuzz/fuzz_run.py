"""Any run directory before all that reads one: the report's document, an order's story, the replay. What comes is an
answer or an ``IdaError``; never another exception, never a hang.

The input is a journal as text, a record a line, and a ``run.toml`` behind a line ``---``: so checksums always hold, and
what they would have caught is met. A line is ``KIND INSTRUMENT TS_VENUE TS_LOCAL`` and the record's text; of market
records its numbers in hex. A line that is none becomes bytes that are no record.
"""

import contextlib
import io
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import python_driver

from ida_core.errors import IdaError
from ida_core.journal import JournalReader
from ida_core.native import ffi, lib
from ida_core.plugins import load_plugins
from ida_core.replay import replay
from ida_core.report import load

WORDS = [
    b"null", b"true", b"{}", b"[]", b"\"\"", b"-1", b"\"type\":\"PlaceOrder\"", b"\"instrument\":7", b"\"price\":",
    b"\"chains\":[]", b"\"instruments\":[]", b"\"settle\":\"X\"", b"\"kind\":\"INVERSE\"", b"\"schema\":2",
    b"\"balances\":{}", b"\"what\":\"end\"", b"32 0 1 1 ", b"33 0 1 1 ", b"39 4294967295 1 1 ", b"40 0 0 0 ",
    b"2 0 1 1 ", b"3 9 1 1 00", b"\n", b"---\n", b"9e99", b"\xff",
]  # fmt: skip
HEADER = struct.Struct("<8sQQQ32s")
RECORD = struct.Struct("<IIHHIqq")
PLUGINS = load_plugins()
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None
STORIES = 2


def record(line: bytes) -> bytes:
    """The record of a line, sealed."""
    try:
        kind, instrument, venue, local, *rest = line.split(b" ", 4)
        numbers = int(kind) & 0xFFFF, 0, int(instrument) & 0xFFFFFFFF, signed(venue), signed(local)
        text = rest[0] if rest else b""
        body = struct.pack("<Q", len(text)) + text if numbers[0] >= lib.IDA_REQUEST else bytes.fromhex(text.decode())
    except ValueError:
        return line + bytes(-len(line) % 8)
    body += bytes(-len(body) % 8)
    made = bytearray(RECORD.pack(RECORD.size + len(body), 0, *numbers) + body)
    lib.ida_record_seal(ffi.cast("ida_record *", ffi.from_buffer(made)))
    return bytes(made)


def signed(number: bytes) -> int:
    return (int(number) + (1 << 63)) % (1 << 64) - (1 << 63)


def line(kept: "ffi.CData") -> bytes:
    """The other way: the line of an ``ida_record *``."""
    head = f"{kept.kind} {kept.instrument} {kept.ts_venue_ns} {kept.ts_local_ns} ".encode()
    content = bytes(ffi.buffer(ffi.cast("char *", kept), kept.length))[RECORD.size :]
    if kept.kind < lib.IDA_REQUEST:
        return head + content.hex().encode()
    (length,) = struct.unpack_from("<Q", content)
    return head + content[8 : 8 + length]


def lines_of(folder: Path) -> Iterator[bytes]:
    """Of a journal."""
    status = ffi.new("int *")
    with JournalReader(folder) as reader:
        while kept := lib.ida_reader_next(reader._pointer, status):
            yield line(kept)


def write(folder: Path, data: bytes) -> None:
    journal, _, settings = data.partition(b"\n---\n")
    records = b"".join(record(text) for text in journal.split(b"\n"))
    used = HEADER.size + len(records)
    (folder / "journal").mkdir()
    (folder / "journal" / "00000000.ida").write_bytes(
        HEADER.pack(b"IDAJRNL1", 0, used, used, b"fuzz") + records)
    (folder / "run.toml").write_bytes(settings)


def look(folder: Path) -> None:
    """All that looks at a run, each by itself."""
    with contextlib.suppress(IdaError):
        report = load(folder)
        report.document()
        report.latencies()
        for row in report.orders[:STORIES]:
            report.order_story(row.order.order_id)
    with contextlib.suppress(IdaError):
        replay(folder, PLUGINS)


def target(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as name, contextlib.redirect_stdout(io.StringIO()):
        write(Path(name), data)
        look(Path(name))


if __name__ == "__main__":
    watched = [f"ida_core/{name}.py" for name in ("fold", "story", "replay", "report", "journal", "run_notes")]
    python_driver.main(target, watched, WORDS)
    sys.exit(0)
