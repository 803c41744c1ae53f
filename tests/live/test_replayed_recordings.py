"""Real recordings over real sockets: ``ida exchange`` replays them, ``ida run --feed binance`` keeps the book, its
connections are cut at random all the while; at the end the book is the recorded one, to the last lot."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from processes import exchange, running, until

CUTS = 50
#: What was lost last is mended by then.
SETTLING_S = 5.0
#: Fails the run if a book is looked at that nobody has spoken of for longer than the bound.
WATCHER = '''
from ida_core import Strategy, hookimpl

BOUND_NS = 3_000_000_000


class Watcher(Strategy):
    """Sees everything, and raises when it was shown an old book as a good one."""

    name = "watcher"
    book_updates = "every"

    def _look(self, ctx, _event):
        market = ctx.market
        if market.synced and ctx.now_ns - market.ts_book_ns > BOUND_NS:
            raise AssertionError(f"a book of {(ctx.now_ns - market.ts_book_ns) / 1e9} s ago")
        if market.synced and not ctx.book.bid < ctx.book.ask:
            raise AssertionError(f"crossed: {ctx.book.bid} {ctx.book.ask}")

    on_book = on_trade = on_quote = _look


@hookimpl
def ida_strategies():
    return [Watcher]
'''


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "watcher.py").write_text(WATCHER)
    return tmp_path / "plugins"


class Whole:
    """A server with the recording, and a run that looks at it over so many connections."""

    def __init__(
        self, folder: Path, plugins: Path, feeds: Sequence[str | Path], speed: float, connections: int,
    ) -> None:
        self.connections = connections
        self._folder, self._plugins, self._feeds, self._speed = folder, plugins, feeds, speed
        self._random = Random(connections)
        self.cuts = 0

    def start(self, stack: ExitStack) -> None:
        self._folder.mkdir()
        self.server = stack.enter_context(exchange(self._folder, *self._feeds, "--speed", str(self._speed)))
        self.run = stack.enter_context(running(
            self._folder / "run", "--feed", "binance", "--binance-url", self.server.rest, "--symbol", "BTCUSDT",
            "--strategy", "watcher", "--plugins-dir", self._plugins, "--duration", "600",
            "--set", f"binance.connections={self.connections}"))

    @property
    def symbol(self) -> Any:
        assert self.run.process.poll() is None, self.run.said
        return self.server.state()["symbols"]["BTCUSDT"]

    def cut(self) -> None:
        """Some of its connections, at any byte to come."""
        alive = [c["connection"] for c in self.server.state()["connections"] if c["service"] == "streams"]
        for number in alive[: CUTS * self.connections - self.cuts]:
            if self._random.random() < 0.5:
                self.server.fault("cut", connection=number, after_bytes=self._random.randrange(20_000))
                self.cuts += 1

    def end(self) -> dict[str, Any]:
        """The document, once all of the recording has been sent."""
        until(lambda: self.symbol["ended"], "the replay's end")
        time.sleep(SETTLING_S)
        self.run.stop()
        code, document = self.run.finished()
        assert code == 0, (self.run.said, json.dumps(document)[:3000])
        return document


def check(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """The whole book, level by level, is what the recording's own answers say."""
    book, data = document["book"]["BTCUSDT"], document["data"]["symbols"]["BTCUSDT"]
    assert (book["last_update_id"], book["sha256"]) == (expected["last_u"], expected["final_book_sha256"])
    # Twice the true bid fell and came back between two quotes: data/README.md.
    assert data["quotes_mismatched"] <= 2 < data["quotes_compared"]
    assert data["given_up"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "is_cut"), [(60, False), (10, True)])
def test_the_book_at_the_end_is_the_recorded_one(
    recordings: Path, tmp_path: Path, plugins: Path, speed: float, is_cut: bool,
) -> None:
    captures = recordings / "captures"
    expected = json.loads((captures / "expected.json").read_text())["spot_btcusdt_20240808"]
    feeds = [word for name in expected["files"] for word in ("--feed", captures / name)]
    wholes = [Whole(tmp_path / str(n), plugins, feeds, speed, n) for n in (1, 2, 4)]
    with ExitStack() as stack:
        for whole in wholes:
            whole.start(stack)
        for whole in wholes:
            until(lambda whole=whole: whole.symbol["published"] > 1000, "the start")
        while is_cut and not any(whole.symbol["ended"] for whole in wholes):
            for whole in wholes:
                whole.cut()
            time.sleep(0.05)
        documents = [whole.end() for whole in wholes]
    for whole, document in zip(wholes, documents, strict=True):
        check(document, expected)
        told = document["data"]["connections"]
        reconnects = [each["reconnects"] for each in told["each"]]
        if not is_cut:
            assert (whole.cuts, sum(reconnects)) == (0, 0)
            continue
        assert whole.cuts == CUTS * whole.connections
        # One that is marked twice before it has sent so much is cut once.
        assert sum(reconnects) > 0.6 * whole.cuts, reconnects
        if whole.connections == 1:
            assert document["data"]["symbols"]["BTCUSDT"]["gaps"] > 0
