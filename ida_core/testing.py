"""Contracts as tests, for us and for plugin authors.

``check_strategy`` runs a strategy on the synthetic market; ``check_venue`` holds a venue to ``ida_core.Venue``. Both
raise ``AssertionError`` with what was expected and what came. To see each of a venue's rules as a test of its own::

    @pytest.mark.parametrize("rule", VENUE_RULES)
    def test_my_venue(rule):
        check_venue(make_venue, rules=[rule])
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from ida_core.config import RunSettings, Settings, plain_values
from ida_core.errors import EXIT_DONE
from ida_core.events import AnyRequest, Event, Execution, OrderStatus, OrderUpdate, PlaceOrder
from ida_core.plugins import Plugins, load_plugins
from ida_core.protocols import Strategy, Venue, VenueSetup
from ida_core.venue_rules import VENUE_RULES

SYNTHETIC_S = 30.0
REJECT_EVERY = 3


def check_venue(make_venue: Callable[[], Venue], rules: Collection[str] = tuple(VENUE_RULES)) -> None:
    """Hold a venue to its contract.

    Args:
        make_venue: makes a fresh venue with a live market, each time the same one; called once or twice per rule.
        rules: keys of ``VENUE_RULES``; all by default.
    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    broken = []
    for name in rules:
        try:
            VENUE_RULES[name](make_venue)
        except AssertionError as error:
            broken.append(f"{name.replace('_', ' ')}: {error}")
    if broken:
        raise AssertionError("the venue breaks its contract:\n  " + "\n  ".join(broken))


def check_strategy(
    strategy: type[Strategy],
    config: msgspec.Struct | None = None,
    *,
    feed: Sequence[str] = ("synthetic",),
    duration_s: float = SYNTHETIC_S,
    seed: int = 1,
) -> dict[str, Any]:
    """Run a strategy on the simulated exchange: twice alike, replayed, and roughly treated.

    The rough treatment splits every fill in two and rejects each third order, the first one among them.

    Args:
        config: its section; the defaults of ``strategy.Config`` if None.
        feed: recordings, or the synthetic market.
        duration_s: of simulated time, for each run.
    Returns:
        The document of a quiet run, as ``ida run --json`` prints it.
    Raises:
        AssertionError: two equal runs differ, a replay asks for something else, or the strategy raised.
    """
    plugins = _with(strategy)
    run = RunSettings(
        feed=tuple(feed), strategies=(strategy.name,), risk=(), reports=(), seed=seed, duration_s=duration_s,
        worst_cases=False,
    )
    settings = Settings(run=run, sections={} if config is None else {strategy.name: plain_values(config)})
    with tempfile.TemporaryDirectory() as folder:
        run_dir, document = _run(settings, plugins, Path(folder) / "first")
        _, again = _run(settings, plugins, Path(folder) / "second")
        hashes = [d["run"]["journal_sha256"] for d in (document, again)]
        assert hashes[0] == hashes[1], "two runs with the same seed differ: the strategy is not deterministic"
        _check_replay(run_dir, plugins)
        rough = msgspec.structs.replace(settings.run, exchange=_ROUGH)
        _run(msgspec.structs.replace(settings, run=rough), plugins, Path(folder) / "rough")
    return document


def _with(strategy: type[Strategy]) -> Plugins:
    """All plugins, the strategy, and beside the simulated exchange a rough one."""
    plugins = load_plugins()
    strategies = plugins.strategies | {strategy.name: strategy}
    venues = plugins.venues | {_ROUGH: _rough(plugins.lookup("venues", "sim"))}
    return changed(plugins, strategies=strategies, venues=venues)


def _run(settings: Settings, plugins: Plugins, out: Path) -> tuple[Path, dict[str, Any]]:
    from ida_core.run import execute

    run = msgspec.structs.replace(settings.run, out=str(out))
    outcome = execute(msgspec.structs.replace(settings, run=run), plugins)
    assert outcome.exit_code == EXIT_DONE, f"exit code {outcome.exit_code}: {'; '.join(outcome.warnings)}"
    return outcome.run_dir, outcome.document


def _check_replay(run_dir: Path, plugins: Plugins) -> None:
    from ida_core.replay import replay

    outcome = replay(run_dir, plugins)
    assert outcome.same, f"the replay differs: {outcome.difference}"


_ROUGH = "rough"


def _rough(venue_class: Any) -> type:
    """A venue class that treats its strategies roughly; all else is ``venue_class``'s."""

    class Rough:
        name = _ROUGH
        mode = venue_class.mode
        simulated = venue_class.simulated
        Config = venue_class.Config

        @staticmethod
        def build(setup: VenueSetup) -> Any:
            return _RoughVenue(venue_class.build(setup))

    return Rough


class _RoughVenue:
    """Splits each fill in two, rejects each third order."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._placed = 0
        self._waiting: list[Event] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    @property
    def finished(self) -> bool:
        return self._venue.finished and not self._waiting

    def send(self, request: AnyRequest) -> None:
        if isinstance(request, PlaceOrder):
            self._placed += 1
            if self._placed % REJECT_EVERY == 1:
                self._waiting.append(_rejection(request, self._venue.now_ns))
                return
        self._venue.send(request)

    def next_event(self, until_ns: int) -> Event | int | None:
        if self._waiting:
            return self._waiting.pop(0)
        event = self._venue.next_event(until_ns)
        if isinstance(event, OrderUpdate) and event.execution is Execution.TRADE:
            first, *rest = _halves(event)
            self._waiting += rest
            return first
        return event


def _rejection(request: PlaceOrder, now_ns: int) -> OrderUpdate:
    return OrderUpdate(
        order_id=request.order_id, instrument=request.instrument, side=request.side, ts_local_ns=now_ns,
        ts_venue_ns=now_ns, execution=Execution.REJECTED, status=OrderStatus.REJECTED,
        order_quantity=request.quantity, reason="rejected to see what the strategy does", code=-1,
    )


def _halves(fill: OrderUpdate) -> Sequence[OrderUpdate]:
    """The same fill as two, with trade ids that no other fill has."""
    replace = msgspec.structs.replace
    first = fill.quantity // 2
    if not first:
        return [replace(fill, trade_id=2 * fill.trade_id)]
    fee = fill.fee * Decimal(first) / Decimal(fill.quantity)
    rest = fill.quantity - first
    return [
        replace(
            fill, trade_id=2 * fill.trade_id, quantity=first, fee=fee, cumulative=fill.cumulative - rest,
            leaves=fill.leaves + rest, status=OrderStatus.PARTIALLY_FILLED,
        ),
        replace(fill, trade_id=2 * fill.trade_id + 1, quantity=rest, fee=fill.fee - fee),
    ]


__all__ = ["VENUE_RULES", "check_strategy", "check_venue"]
