"""What journaling and logging cost: appending from C and from Python, reading, hashing, a log line.

    python tests/bench/bench_journal.py [FOLDER]

Needs a C compiler. FOLDER (default: the system's temporary one) says on which disk. "burst" fits into the segments that
are ready; "steady" is eight times as long and waits for the segment thread, the kernel and the disk.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from measure import ROUNDS, tell

from ida_core.events import Execution, OrderStatus, OrderUpdate
from ida_core.journal import JournalReader, JournalWriter, journal_sha256
from ida_core.log import Log

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("journal", "segment", "gate", "thread", "crc")
BURST_BYTES, EVENTS = 20 << 20, 20_000
POLICIES = {"none": 0, "interval": 1}
UPDATE = OrderUpdate(
    ts_local_ns=1_700_000_000_000_000_000, instrument=0, order_id="ida-000001-000042",
    execution=Execution.TRADE, status=OrderStatus.PARTIALLY_FILLED, price=6180020, quantity=1500,
    cumulative=1500, leaves=500, trade_id=42, fee=Decimal("0.00012"), fee_asset="BNB",
)  # fmt: skip


def compile_program(folder: Path) -> Path:
    program = folder / "journal_append"
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    command = ["cc", "-O3", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT / 'csrc'}", "-pthread"]
    source = str(Path(__file__).with_name("journal_append.c"))
    subprocess.run([*command, "-o", str(program), source, *sources], check=True)
    return program


def rounds(measure: Callable[[Path], float], parent: Path) -> list[float]:
    """What ``measure`` says of fresh folders."""
    found = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            found.append(measure(Path(folder)))
    return found


def append_in_c(program: Path, size: int, total: int, policy: str) -> Callable[[Path], float]:
    def measure(folder: Path) -> float:
        words = [str(folder), str(size), str(total // size), str(POLICIES[policy])]
        done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
        return float(done.stdout)

    return measure


def append_in_python(folder: Path) -> float:
    with JournalWriter(folder, "bench", sync="none") as journal:
        append = journal.append
        start = time.perf_counter_ns()
        for _ in range(EVENTS):
            append(UPDATE)
        return (time.perf_counter_ns() - start) / EVENTS


def scan(folder: Path) -> float:
    append_in_python(folder)
    with JournalReader(folder) as reader:
        start = time.perf_counter_ns()
        count = sum(1 for _ in reader.scan())
        return (time.perf_counter_ns() - start) / count


def hash_bytes(program: Path) -> Callable[[Path], float]:
    def measure(folder: Path) -> float:
        append_in_c(program, 16384, BURST_BYTES, "none")(folder)
        start = time.perf_counter_ns()
        journal_sha256(folder)
        return (time.perf_counter_ns() - start) / BURST_BYTES

    return measure


def log_line(level: str) -> Callable[[Path], float]:
    def measure(folder: Path) -> float:
        with Log(folder / "log.jsonl", "bench") as log:
            write = getattr(log, level)
            start = time.perf_counter_ns()
            for number in range(4000):
                write("order_sent", order_id="ida-000001-000042", price=number)
            return (time.perf_counter_ns() - start) / 4000

    return measure


def main(parent: Path) -> None:
    with tempfile.TemporaryDirectory() as build:
        program = compile_program(Path(build))
        for size in (72, 400, 16384):
            for word, total in (("burst", BURST_BYTES), ("steady", 8 * BURST_BYTES)):
                for policy in POLICIES:
                    found = rounds(append_in_c(program, size, total, policy), parent)
                    tell(f"append {size} B in C, {word}, sync {policy}", "ns", found)
        tell("hash of the journal", "GB/s", [1 / per_byte for per_byte in rounds(hash_bytes(program), parent)])
    for what, measure in (
        ("append an OrderUpdate in Python", append_in_python), ("scan an OrderUpdate", scan),
        ("log a line", log_line("info")), ("log a line below the level", log_line("debug")),
    ):  # fmt: skip
        tell(what, "ns", rounds(measure, parent))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()))
