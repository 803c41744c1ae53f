"""The strategy of bench_live.py: sees each change of the book, and writes down what that cost."""

import json
import os
import time
from pathlib import Path

import msgspec

from ida_core import Book, Context, Strategy, hookimpl

SETTLED_S = 0.5
LOOK_EVERY = 1024
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Watcher(Strategy):
    """``work_us``: how long it takes for each change, in µs of processor time."""

    class Config(msgspec.Struct, frozen=True, kw_only=True):
        out: str = ""
        work_us: float = 0.0

    name = "watcher"
    book_updates = "every"
    calls = 0
    began_s = 0.0

    def on_book(self, ctx: Context, book: Book) -> None:
        if not self.calls:
            if not self.began_s:
                self.began_s = time.monotonic() + SETTLED_S
            if time.monotonic() < self.began_s:
                return
            self.first, self.first_id = marks(), ctx.market.last_update_id
            self.memory: list[float] = []
        if self.calls % LOOK_EVERY == 0:
            self.memory.append(resident_mib())
        self.calls += 1
        if self.config.work_us:
            until = time.thread_time() + self.config.work_us * 1e-6
            while time.thread_time() < until:
                pass

    def on_stop(self, ctx: Context) -> None:
        last, last_id = marks(), ctx.market.last_update_id
        found = {key: last[key] - self.first[key] for key in last}
        found |= {
            "calls": self.calls - 1, "updates": last_id - self.first_id, "mib_first": self.memory[0],
            "mib_later": self.memory[len(self.memory) * 3 // 4], "mib_last": resident_mib(),
        }  # fmt: skip
        Path(self.config.out).write_text(json.dumps(found), encoding="utf-8")


def marks() -> dict[str, float]:
    return {"wall_s": time.monotonic(), "thread_s": time.thread_time()}


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_MIB


@hookimpl
def ida_strategies() -> list[type[Strategy]]:
    return [Watcher]
