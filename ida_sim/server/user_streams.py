"""User data on a connection of the WebSocket API: which accounts it has subscribed to, and what it is told of them.

Source: Binance Spot API docs, web-socket-api.md (user data stream requests) and user-data-stream.md, read 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ida_sim.server.parameters import Refusal

#: What a connection may have at once, and over its life.
MOST_ACTIVE, MOST_IDS = 1_000, 65_535
#: How faults know what is told of an account: ``userData@`` and the event, of a report what has happened too.
STREAM = "userData@"
Event = dict[str, Any]
#: Sends one event to the client; the first says what it is, as faults know it.
Push = Callable[[str, bytes], None]


class _Subscription(NamedTuple):
    account: Any
    listener: Callable[[Event], None]
    by_session: bool


class UserStreams:
    """The subscriptions of one connection.

    Args:
        now: the server's clock, in the connection's unit.
        push: sends an event.
        scale: what times in events, ms, are multiplied by: 1, or 1000 for us.
    """

    def __init__(self, now: Callable[[], int], push: Push, scale: int = 1) -> None:
        self._now, self._push, self._scale = now, push, scale
        self._active: dict[int, _Subscription] = {}
        self._next = 0

    @property
    def ids(self) -> list[int]:
        return list(self._active)

    @property
    def by_session(self) -> bool:
        """Whether a subscription of the connection's own logon is active."""
        return any(each.by_session for each in self._active.values())

    def subscribe(self, account: Any, *, by_session: bool = False) -> int:
        """Tell from now on what happens to ``account``; the subscription's id."""
        if any(each.account is account for each in self._active.values()):
            raise Refusal(-2035, "User Data Stream subscription is already active.")
        if self._next > MOST_IDS or len(self._active) >= MOST_ACTIVE:
            raise Refusal(-2042, "No more subscription ids are left on this connection; please reconnect.")
        number, self._next = self._next, self._next + 1
        listener = partial(self._tell, number)
        self._active[number] = _Subscription(account, listener, by_session)
        account.listeners.append(listener)
        return number

    def unsubscribe(self, number: int | None) -> None:
        """End one subscription, or all; the client is told."""
        if number is not None and number not in self._active:
            raise Refusal(-2036, "User Data Stream subscription is not active.")
        self.terminate(lambda found, _: number in (None, found))

    def log_out(self) -> None:
        """End what was subscribed to by the connection's own logon."""
        self.terminate(lambda _, each: each.by_session)

    def terminate(self, which: Callable[[int, _Subscription], bool] = lambda number, each: True) -> None:
        """End subscriptions, and tell the client of each: ``eventStreamTerminated``."""
        for number, each in list(self._active.items()):
            if which(number, each):
                self._drop(number)
                self._send(number, {"e": "eventStreamTerminated", "E": self._now()})

    def close(self) -> None:
        """The connection is gone."""
        for number in self.ids:
            self._drop(number)

    def _drop(self, number: int) -> None:
        gone = self._active.pop(number)
        gone.account.listeners.remove(gone.listener)

    def _tell(self, number: int, event: Event) -> None:
        self._send(number, event if self._scale == 1 else in_unit(event, self._scale))

    def _send(self, number: int, event: Event) -> None:
        self._push(name_of(event), msgspec.json.encode({"subscriptionId": number, "event": event}))


def name_of(event: Event) -> str:
    """What faults know an event as.

    >>> name_of({"e": "executionReport", "x": "TRADE"})
    'userData@executionReport@TRADE'
    """
    more = f"@{event['x']}" if "x" in event else ""
    return f"{STREAM}{event.get('e', '')}{more}"


#: Fields of events that hold times.
_TIMES = frozenset({"E", "T", "O", "W", "D"})


def in_unit(event: Event, scale: int) -> Event:
    """The event with its times, ms, multiplied by ``scale``; ``u`` is a time in the account's position alone."""
    times = _TIMES | {"u"} if event.get("e") == "outboundAccountPosition" else _TIMES
    return {
        name: value * scale if name in times and isinstance(value, int) and value > 0 else value
        for name, value in event.items()
    }
