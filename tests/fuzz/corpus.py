"""What the fuzzers begin with, made at each run into ``build/corpus/``: messages cut from the real recordings, where
those are (``IDA_DATA``, or ``shared/data`` beside the checkout or above), and the feeds that the importer makes of
them. The recordings are other people's: nothing of it is committed. ``tests/golden`` holds what is ours.
"""

import gzip
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "build" / "corpus"
MOST_LEVELS = 4
EACH = 4
"""Messages kept of one kind from one recording."""
TOGETHER = 8
"""Lines of one seed: the fuzzers are at their best with few."""
LOOKED_AT = 20_000


def recordings() -> Path | None:
    """The folder of recordings, as ``tests/conftest.py`` finds it."""
    if named := os.environ.get("IDA_DATA"):
        return Path(named)
    beside = (parent / "shared" / "data" for parent in ROOT.parents)
    return next((folder for folder in beside if folder.is_dir()), None)


def make(folder: Path = CORPUS) -> int:
    """Write the seeds of all targets; how many. Targets that need no recordings have theirs in ``tests/golden``."""
    data = recordings()
    if data is None or not data.is_dir():
        return 0
    stamped = [lines(path) for path in sorted((data / "captures").glob("*.gz"))]
    messages = [line.split(" ", 1)[1] for capture in stamped for line in capture]
    messages += other_messages(data)
    scripts = [
        "".join(f"{line}\n" for line in capture[at : at + TOGETHER])
        for capture in stamped for at in range(0, len(capture), TOGETHER)
    ]  # fmt: skip
    seeds: dict[str, Iterable[bytes]] = {
        "binance_json": map(str.encode, messages), "binance_lines": map(str.encode, scripts),
        "feed": feeds(scripts), "reader": journals(scripts),
        "binance_intake": (connected(lines) for lines in scripts),
    }  # fmt: skip
    return sum(write(folder / target, contents) for target, contents in seeds.items())


def connected(lines: str) -> bytes:
    """The messages of a script as two connections bring them, one a little later."""
    messages = [line.split(" ", 1)[1] for line in lines.splitlines()]
    return "".join(f"0{message}\n1{message}\n" for message in messages).encode()


def write(folder: Path, seeds: Iterable[bytes]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, seed in enumerate(seeds, 1):
        (folder / f"seed-{count:04}").write_bytes(seed)
    return count


def lines(path: Path) -> list[str]:
    """Of each kind of message the first few, in the recording's order, with books cut short."""
    kept: list[str] = []
    seen: dict[str, int] = {}
    with gzip.open(path, "rt") as file:
        for _, line in zip(range(LOOKED_AT), file, strict=False):
            stamp, message = line.rstrip("\n").split(" ", 1)
            kind = kind_of(message)
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= EACH:
                kept.append(f"{stamp} {shortened(message)}")
    return kept


def kind_of(message: str) -> str:
    """The keys that stand in it: messages of one kind have the same."""
    return " ".join(sorted(set(re.findall(r'"(\w+)":', message))))


def shortened(message: str) -> str:
    """The same with few levels; all else as it was written."""
    def cut(found: re.Match[str]) -> str:
        levels = re.findall(r"\[[^]]*\]", found[2])
        return f"{found[1]}[{','.join(levels[:MOST_LEVELS])}]"

    return re.sub(r'("(?:b|a|bids|asks)":\s*)\[\s*((?:\[[^]]*\][,\s]*)*)\]', cut, message)


def other_messages(data: Path) -> Iterator[str]:
    """Bars, tickers, account events, answers: what no capture has."""
    for path in sorted((data / "userdata").glob("*.jsonl")):
        yield from path.read_text().splitlines()
    for path in sorted((data / "cryptofeed").glob("*.ws.*.gz")):
        seen: dict[str, int] = {}
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]:
            message = line.partition(": ")[2]
            kind = kind_of(message)
            seen[kind] = seen.get(kind, 0) + 1
            if message and seen[kind] <= EACH:
                yield shortened(message)
    for path in sorted((data / "exchangeinfo").glob("*.json.gz")):
        answer = json.loads(gzip.decompress(path.read_bytes()))
        yield json.dumps(answer | {"symbols": answer["symbols"][:1]}, separators=(",", ":"))


def without_description(feed: bytes) -> bytes:
    """The feed with an empty description: that is JSON, and not what C looks at."""
    fields = struct.unpack_from("<8s8Q", feed)
    return struct.pack("<8s8Q", *fields[:7], 0, 0) + feed[72 : fields[6]]


def feeds(scripts: Iterable[str]) -> Iterator[bytes]:
    """The cache's file of each recording."""
    from ida_binance.recording import BinanceRecording

    with tempfile.TemporaryDirectory() as name:
        os.environ["IDA_CACHE_DIR"] = name
        recording = Path(name) / "recording"
        for script in scripts:
            recording.write_text(script)
            for feed in BinanceRecording().open([recording], {"on_damage": "skip"}):
                yield without_description(feed.path.read_bytes())
                feed.close()


def journals(scripts: Iterable[str]) -> Iterator[bytes]:
    """The segment that a run over each recording would begin with: its market records between two notes."""
    from ida_core.events import Note
    from ida_core.journal import JournalWriter
    from ida_core.native import ffi, lib

    with tempfile.TemporaryDirectory() as name:
        for number, feed in enumerate(feeds(scripts)):
            folder = Path(name) / str(number)
            start = ffi.from_buffer(feed)
            header = ffi.cast("ida_feed_header *", start)
            with JournalWriter(folder, "fuzz", segment_bytes=1 << 16, sync="none") as writer:
                writer.append(Note("start", ts_local_ns=1, data={}))
                at = 0
                while at < header.records_bytes:
                    record = ffi.cast("ida_record *", start + header.records_offset + at)
                    if lib.ida_journal_append(writer.pointer, record, 0) != lib.IDA_OK:
                        break
                    at += record.length
                writer.append(Note("end", ts_local_ns=2, data={}))
            yield (folder / "00000000.ida").read_bytes()


if __name__ == "__main__":
    print(f"{make()} seeds in {CORPUS.relative_to(ROOT)}")
