"""A book as a careful Python program keeps it: msgspec into typed structs, floats, a sorted dictionary for each side.

Imports nothing of Ida: peers run it in environments of their own.
"""

from typing import Any

import msgspec
from sortedcontainers import SortedDict

Best = tuple[float, float]
Levels = list[tuple[str, str]]


class Diff(msgspec.Struct):
    b: Levels
    a: Levels


class Message(msgspec.Struct):
    data: Diff


class Snapshot(msgspec.Struct):
    bids: Levels
    asks: Levels


class DictBook:
    """Takes messages one by one, and looks at the best prices after each."""

    def __init__(self, snapshot: bytes = b'{"bids":[],"asks":[]}') -> None:
        self.bids, self.asks = SortedDict(), SortedDict()
        self.best: Best = (0.0, 0.0)
        self._decode = msgspec.json.Decoder(Message).decode
        whole = msgspec.json.decode(snapshot, type=Snapshot)
        self._apply(whole.bids, whole.asks)

    def take(self, text: Any) -> None:
        diff = self._decode(text).data
        self._apply(diff.b, diff.a)

    def _apply(self, new_bids: Levels, new_asks: Levels) -> None:
        bids, asks = self.bids, self.asks
        for side, levels in ((bids, new_bids), (asks, new_asks)):
            for price, quantity in levels:
                if lots := float(quantity):
                    side[float(price)] = lots
                else:
                    side.pop(float(price), None)
        self.best = (bids.peekitem(-1)[0] if bids else 0.0, asks.peekitem(0)[0] if asks else 0.0)
