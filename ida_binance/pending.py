"""A call on its way: waiting for its turn, for its bytes to go, for its answer. It gets one reply, and only one."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ida_binance.calls import Call, Outcome, Reply
from ida_core.clock import steady_ns

Done = Callable[[Reply], None]


class Pending:
    """``sent_ns``: when its bytes were handed over, 0 while none were; ``is_again``: it was refused for its time, and
    goes once more; ``deadline_s``: until when an answer is waited for, or a turn; ``is_own``: a connection asks it for
    itself, and nobody else can; ``ticket``: the budget's."""

    __slots__ = ("call", "deadline_s", "done", "is_again", "is_own", "is_replied", "sent_ns", "ticket")

    def __init__(self, call: Call, done: Done, deadline_s: float, *, is_own: bool = False) -> None:
        self.call, self.done, self.deadline_s, self.is_own = call, done, deadline_s, is_own
        self.sent_ns = self.ticket = 0
        self.is_again = self.is_replied = False

    def reply(self, reply: Reply) -> None:
        """Hand it over; a second one is nobody's."""
        if not self.is_replied:
            self.is_replied = True
            self.done(reply)

    def lost(self, why: str, by: str, retry_after_s: float = 0.0) -> None:
        """No answer comes any more: unknown, unless no byte of it ever left."""
        outcome = Outcome.UNKNOWN if self.sent_ns else Outcome.NOT_SENT
        self.reply(Reply(outcome, 0, 0, why, None, self.sent_ns, steady_ns(), by if self.sent_ns else "",
                         retry_after_s))  # fmt: skip


class Waiter:
    """For who waits for a reply."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.value: Reply | None = None

    def take(self, reply: Reply) -> None:
        self.value = reply
        self.came.set()

    async def wait(self) -> Reply:
        await self.came.wait()
        assert self.value is not None
        return self.value
