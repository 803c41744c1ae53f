"""What redundancy costs: spot messages through the intake into a book, by one connection and by four that bring them.

    python tests/bench/bench_intake.py

A C program (``intake.c``) takes the messages of a spot recording - depth, trades, best bid and ask - from memory, so
that the figures hold no socket: what a message costs from its text to the book, the same when four connections bring
it, and what one costs that another connection brought already. Needs a C compiler.
"""

import gzip
import subprocess
import tempfile
from pathlib import Path

from measure import ROUNDS, capture, tell

CAPTURE = "spot_btcusdt_20240808.gz"
ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "binance_intake", "binance_peek", "arbiter", "binance_json", "binance_events", "binance_levels", "binance_market",
    "binance_message", "json", "decimal", "inlet", "feed", "crc", "market", "sync", "book", "recorder", "pack", "queue",
    "thread", "gate",
)  # fmt: skip


def compile_program(folder: Path) -> Path:
    program = folder / "intake"
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    flags = ["-O3", "-g", "-std=c11", "-D_GNU_SOURCE", "-fno-strict-aliasing", f"-I{ROOT / 'csrc'}", "-pthread"]
    source = str(Path(__file__).with_name("intake.c"))
    subprocess.run(["cc", *flags, "-o", str(program), source, *sources, "-lm"], check=True)
    return program


def main() -> None:
    with gzip.open(capture(CAPTURE)) as file:
        messages = [line.split(b" ", 1)[1] for line in file]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "messages"
        lines.write_bytes(b"".join(messages))
        words = [compile_program(Path(folder)), lines, str(ROUNDS)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    one, four, again = zip(*(map(float, line.split()) for line in said.splitlines()), strict=True)
    size = sum(map(len, messages)) / len(messages)
    note = f"{len(messages):,} messages of {size:,.0f} bytes on average"
    tell("intake: a message by one connection, to the book", "ns/message", one, note=note)
    tell("intake: a message by four connections, to the book", "ns/message", four)
    tell("intake: a message that another connection brought", "ns/message", again)
    tell("intake: four connections against one", "times the cost", [f / o for f, o in zip(four, one, strict=True)])


if __name__ == "__main__":
    main()
