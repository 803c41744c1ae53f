"""The exchange that bench_live.py feeds a whole run from: depth messages at a given rate, to each connection the same.

    python tests/bench/live_server.py RATE EVERY_S

Says its port, then answers REST and streams on it. What is due of the RATE messages a second is sent each EVERY_S.
"""

import json
import sys
import time
from typing import Any

import trio
from small_exchange import Client, SmallBook, SmallExchange, row  # type: ignore[import-not-found]
from tap_server import frame

STREAM, LEVELS, VARIANTS = "btcusdt@depth@100ms", 10, 64


class SteadyBook(SmallBook):  # type: ignore[misc]
    """Each update sets all its levels; which one is the newest is a matter of the clock."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate, self.began = rate, time.time()
        self.sides = [json.dumps(sides(i), separators=(",", ":"))[1:].encode() for i in range(VARIANTS)]

    def newest(self) -> int:
        return 1000 + int((time.time() - self.began) * self.rate)

    def message(self, number: int) -> bytes:
        """As the combined stream tells it; at whatever time, the same."""
        at_ms = int((self.began + (number - 1000) / self.rate) * 1000)
        head = b'{"stream":"%b","data":{"e":"depthUpdate","E":%d,"s":"BTCUSDT","U":%d,"u":%d,%b}' % (
            STREAM.encode(), at_ms, number, number, self.sides[number % VARIANTS])  # fmt: skip
        return frame(head)

    def snapshot(self, levels: int) -> dict[str, Any]:
        number = self.newest()
        both = sides(number % VARIANTS)
        return {"lastUpdateId": number, "bids": both["b"], "asks": both["a"]}


def sides(variant: int) -> dict[str, list[list[str]]]:
    lots = [1 + (variant * 7 + i * 13) % 89 for i in range(LEVELS)]
    bids = [row(10_000 - i, lots[i]) for i in range(LEVELS)]
    return {"b": bids, "a": [row(10_001 + i, lots[-1 - i]) for i in range(LEVELS)]}


class SteadyExchange(SmallExchange):  # type: ignore[misc]
    def __init__(self, rate: float, every_s: float) -> None:
        super().__init__(("BTCUSDT",))
        self.book, self.every_s = SteadyBook(rate), every_s
        self.books = {"BTCUSDT": self.book}

    async def feed(self, client: Client) -> None:
        """All that is due, again and again, until the client goes."""
        sent = self.book.newest()
        while client.is_open:
            newest = self.book.newest()
            if newest > sent:
                await client.stream.send_all(b"".join(map(self.book.message, range(sent + 1, newest + 1))))
                sent = newest
            await trio.sleep(self.every_s)

    async def _control(self, client: Client, message: dict[str, Any]) -> None:
        fresh = STREAM not in client.names
        await super()._control(client, message)
        if fresh and STREAM in client.names:
            self.nursery.start_soon(self._feed_or_leave, client)

    async def _feed_or_leave(self, client: Client) -> None:
        try:
            await self.feed(client)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            client.is_open = False  # it went away, which is its right

    async def main(self) -> None:
        async with trio.open_nursery() as self.nursery:
            listeners = await self.nursery.start(trio.serve_tcp, self.serve, 0)
            print(json.dumps({"port": listeners[0].socket.getsockname()[1]}), flush=True)


if __name__ == "__main__":
    trio.run(SteadyExchange(float(sys.argv[1]), float(sys.argv[2])).main)
