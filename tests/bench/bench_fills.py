"""Which orders fill, beside hftbacktest: the same grid on the same recording, and the same requests order by order.

    python tests/bench/bench_fills.py [--latency MS] [--queue MODEL] [--every] [--list] [--write FOLDER]

First both run the grid by themselves: with the flags of the comparison as they are, and without the check of the order
rate. Then one thing after another that differs is made equal, and last each gets the other's very requests, so that no
difference can follow from an earlier one; each that is left is explained by the rule that makes it go away
(``fill_rules.py``). ``--latency`` and ``--queue`` choose the runs that are looked at so closely; ``--every`` looks at
all twelve, more briefly. ``--list`` prints every order with what became of it on both sides, ``--write`` writes all
orders of all runs. Ends with 1 if a bound is broken or a difference has no rule.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from fill_rules import RULES, Order, Recorded, Sent, asks_of, decide, read_recording
from fills_ida import NO_LIMIT, NS_PER_MS, Run, run_grid, run_script
from measure import capture, tell, tell_missing
from peers import BASE_LATENCY_NS, PeerMissing, hftbacktest_data, python_of

LATENCIES_MS, QUEUES = (0, 1, 5, 20, 50, 100), ("power(2)", "risk_averse")
#: hftbacktest 2.4.4 with the power queue, and at 5 ms all it says of itself: what the comparison was asked for with.
REFERENCE_FILLS = dict(zip(LATENCIES_MS, (943, 933, 900, 807, 781, 751), strict=True))
REFERENCE_MS, REFERENCE = 5, {"requests": 7279, "fills": 900, "position": -0.002, "equity": -4.34}
MOST_APART, KEY = 0.03, "fills_apart"
LOT = 0.001
HERE = Path(__file__).resolve().parent
TITLES = ("hftbacktest", "Ida, flags as given", "Ida, no order_rate")
Task = Mapping[str, Any]
#: Queue model, and latency each way in ms.
Case = tuple[str, int]
CASES: Sequence[Case] = [(queue, ms) for queue in QUEUES for ms in LATENCIES_MS]


@dataclass(frozen=True)
class Side:
    """One simulator's run."""

    orders: Sequence[Sent]
    fills: int
    position: float
    equity: float
    refused: int = 0

    @property
    def cancels(self) -> int:
        return sum(order.cancel_sent_ns > 0 for order in self.orders)

    @property
    def requests(self) -> int:
        return len(self.orders) + self.cancels

    @cached_property
    def filled(self) -> Counter[tuple[int, int, int]]:
        return Counter((o.side, o.price, o.at_ns) for o in self.orders if o.state == "filled")


@dataclass
class Difference:
    """One order whose fate differs; ``rules``: the fewest that turn hftbacktest's into Ida's, None if nothing does."""

    order: Sent
    ida: Order
    peer: Order
    rules: tuple[str, ...] | None

    @property
    def is_fill(self) -> bool:
        return "filled" in (self.ida.state, self.peer.state)


@dataclass
class Verdicts:
    """What was held against a bound."""

    broken: list[str] = field(default_factory=list)

    def hold(self, is_kept: bool, what: str) -> None:
        print(f"  {'kept  ' if is_kept else 'BROKEN'}  {what}")
        if not is_kept:
            self.broken.append(what)


# ---- both halves -----------------------------------------------------------------------------------------------------


def ask_peer(recording: Path, tasks: Sequence[Task]) -> list[Side]:
    words = [python_of("hftbacktest"), HERE / "hftbacktest_grid.py", hftbacktest_data(recording)]
    done = subprocess.run(words, input=json.dumps(tasks), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"hftbacktest: {done.stderr.strip()}")
    return [
        Side([Sent(*row) for row in found["orders"]], found["fills"], found["position"], found["equity"])
        for found in json.loads(done.stdout)
    ]


def ida_side(run: Run) -> Side:
    position = sum(o.side for o in run.orders if o.state == "filled") * LOT
    return Side(run.orders, run.document["fills"]["count"], position, float(run.document["pnl"]["net"]), run.refused)


def grid_task(latency_ms: int, queue: str, first_ns: int | None = None) -> Task:
    return {"latency_ms": latency_ms, "queue": queue, "first_ns": first_ns}


def requests_task(latency_ms: int, queue: str, orders: Sequence[Sent]) -> Task:
    rows = [[ask.ts_ns, ask.order + 1, ask.side, ask.price] for ask in asks_of(orders, 0)]
    return {"latency_ms": latency_ms, "queue": queue, "requests": rows}


# ---- the same requests -----------------------------------------------------------------------------------------------


def is_same(one: Order | Sent, other: Order | Sent) -> bool:
    return one.state == other.state and (one.state not in ("filled", "canceled") or one.at_ns == other.at_ns)


class SameRequests:
    """Orders that both exchanges were sent at the same times."""

    def __init__(self, recorded: Recorded, orders: Sequence[Sent], latency_ms: int, queue: str) -> None:
        self.recorded, self.orders, self.queue = recorded, orders, queue
        self.asks = asks_of(orders, latency_ms * NS_PER_MS)
        self._decided: dict[tuple[str, ...], list[Order]] = {}
        self.ida, self.peer = self.decided(tuple(RULES)), self.decided(())

    def decided(self, rules: tuple[str, ...]) -> list[Order]:
        if rules not in self._decided:
            self._decided[rules] = decide(self.recorded, self.asks, rules, self.queue)
        return self._decided[rules]

    def differences(self) -> list[Difference]:
        pairs = enumerate(zip(self.ida, self.peer, strict=True))
        return [Difference(self.orders[i], ida, peer, self.explain(i))
                for i, (ida, peer) in pairs if not is_same(ida, peer)]  # fmt: skip

    def explain(self, i: int) -> tuple[str, ...] | None:
        sets = (rules for count in range(1, len(RULES) + 1) for rules in combinations(RULES, count))
        return next((rules for rules in sets if is_same(self.decided(rules)[i], self.ida[i])), None)


def unlike(decided: Sequence[Order], seen: Sequence[Sent]) -> int:
    return sum(not is_same(one, other) for one, other in zip(decided, seen, strict=True))


# ---- telling ---------------------------------------------------------------------------------------------------------


def tell_sides(titles: Sequence[str], sides: Sequence[Side]) -> None:
    lines = {
        "requests": [f"{s.requests:,}" for s in sides],
        "  submits": [f"{len(s.orders):,}" for s in sides],
        "  cancels": [f"{s.cancels:,}" for s in sides],
        "held back by order_rate": [f"{s.refused:,}" for s in sides],
        "fills": [f"{s.fills:,}" for s in sides],
        "end position": [f"{s.position:.3f}" for s in sides],
        "equity at mid": [f"{s.equity:.2f}" for s in sides],
    }
    print(f"\n{'':25}" + "".join(f"{title:>22}" for title in titles))
    for what, words in lines.items():
        print(f"{what:25}" + "".join(f"{word:>22}" for word in words))


def tell_series(series: Mapping[str, Mapping[Case, Side]]) -> None:
    print(f"\nfills by latency each way{'':31}" + "".join(f"{ms:>5} ms" for ms in LATENCIES_MS))
    for queue in QUEUES:
        for title, runs in series.items():
            print(f"{queue:15}{title:41}" + "".join(f"{runs[queue, ms].fills:>8}" for ms in LATENCIES_MS))


def tell_step(what: str, one: Side, other: Side) -> None:
    both = (one.filled & other.filled).total()
    print(f"  {what:58}{one.fills:>5} {other.fills:>5}{both:>9}{one.fills - both:>7}{other.fills - both:>7}")


def clock(ns: int) -> str:
    seconds = ns // 1_000_000_000 % 86400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ns // 1_000_000 % 1000:03}"


def fate(order: Order) -> str:
    at = f" {clock(order.at_ns)}" if order.at_ns and order.state != "resting" else ""
    return order.state + at + (f", {order.rule}: {order.story}" if order.rule else "")


def tell_differences(found: Sequence[Difference]) -> None:
    for difference in found:
        order = difference.order
        print(f"  {'buy' if order.side > 0 else 'sell'} @ {order.price} sent {clock(order.sent_ns)}")
        print(f"      hftbacktest: {fate(difference.peer)}")
        print(f"      Ida:         {fate(difference.ida)}")
        print(f"      rule:        {' + '.join(difference.rules) if difference.rules else 'NONE FOUND'}")


def tell_orders(same: SameRequests) -> None:
    for order, peer, ida in zip(same.orders, same.peer, same.ida, strict=True):
        print(f"  {'buy' if order.side > 0 else 'sell'} @ {order.price} sent {clock(order.sent_ns)}"
              f" | hftbacktest {fate(peer)} | Ida {fate(ida)}{'' if is_same(peer, ida) else ' | DIFFERS'}")  # fmt: skip


def tell_counts(found: Sequence[Difference]) -> None:
    counts = Counter((d.rules, d.is_fill) for d in found)
    for (rules, is_fill), count in sorted(counts.items(), key=lambda item: -item[1]):
        names = " + ".join(rules) if rules else "NONE FOUND"
        print(f"  {count:>4} {'fills' if is_fill else 'orders that neither fills'}: {names}")
    for rule in sorted({rule for d in found for rule in d.rules or ()}):
        print(f"       {rule}: {RULES[rule]}.")


def write(folder: Path, sides: Mapping[str, Side]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, side in sides.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(Sent._fields)
            rows.writerows(side.orders)
    print(f"  all orders and fills, times by the exchange's clock: {folder}/*.csv")


# ---- the comparison --------------------------------------------------------------------------------------------------


class Runs:
    """The grid by each side: as given, and without the check of the order rate."""

    def __init__(self, recording: Path, recorded: Recorded) -> None:
        self.recording, self.recorded = recording, recorded
        self.written = {case: self.ida(case) for case in CASES}
        self.lifted = {case: self.ida(case, NO_LIMIT) for case in CASES}
        self.peer: dict[Case, Side] = {}

    def ida(self, case: Case, *more: str, offset_ns: int | None = None) -> Side:
        queue, latency_ms = case
        return ida_side(run_grid(self.recording, self.recorded, latency_ms, queue, *more, offset_ns=offset_ns))

    def by_title(self) -> Mapping[str, Mapping[Case, Side]]:
        return dict(zip(TITLES, (self.peer, self.written, self.lifted), strict=True))


class Close:
    """One case with all made equal but the rules: clock, looks, and in the end the requests."""

    def __init__(self, runs: Runs, case: Case) -> None:
        self.runs, self.recorded, (self.queue, self.latency_ms) = runs, runs.recorded, case
        self.clocked = runs.ida(case, NO_LIMIT, offset_ns=self.recorded.offset_ns)
        self.looking, self.peer_of_ida = Side([], 0, 0, 0), Side([], 0, 0, 0)
        self.ida_of_peer: Sequence[Sent] = ()

    def tasks(self) -> list[Task]:
        first_ns = self.recorded.first_local_ns - self.recorded.offset_ns
        return [
            grid_task(self.latency_ms, self.queue, first_ns),
            requests_task(self.latency_ms, self.queue, self.clocked.orders),
        ]

    def take(self, looking: Side, peer_of_ida: Side) -> None:
        self.looking, self.peer_of_ida = looking, peer_of_ida
        self.ida_of_peer = run_script(
            self.runs.recording, self.recorded, looking.orders, self.latency_ms, self.queue, self.recorded.offset_ns
        )

    @cached_property
    def same_requests(self) -> list[tuple[str, SameRequests, Sequence[Sent], Sequence[Sent]]]:
        """Whose requests they are; the rules' word on them; what hftbacktest and Ida did."""
        mine, theirs = self.clocked.orders, self.looking.orders
        words = [SameRequests(self.recorded, orders, self.latency_ms, self.queue) for orders in (mine, theirs)]
        return [
            ("Ida's", words[0], self.peer_of_ida.orders, mine),
            ("hftbacktest's", words[1], theirs, self.ida_of_peer),
        ]

    def followers(self) -> Iterator[tuple[str, int, int]]:
        """Of each side: its fills that the other lacks when both look at the same times, and how many of them the other
        makes too once it is sent the same requests."""
        for name, mine, other, fates in (
            ("Ida", self.clocked, self.looking, self.peer_of_ida.orders),
            ("hftbacktest", self.looking, self.clocked, self.ida_of_peer),
        ):
            alone = mine.filled - other.filled
            at = [i for i, o in enumerate(mine.orders) if o.state == "filled" and (o.side, o.price, o.at_ns) in alone]
            yield name, len(at), sum(is_same(mine.orders[i], fates[i]) for i in at)


def compare(recording: Path, closely: Sequence[Case]) -> tuple[Runs, list[Close]]:
    """All runs; hftbacktest, which compiles for some time before its first, is asked once."""
    recorded = read_recording(recording, BASE_LATENCY_NS)
    runs = Runs(recording, recorded)
    looks = [Close(runs, case) for case in closely]
    tasks = [grid_task(ms, queue) for queue, ms in CASES] + [task for look in looks for task in look.tasks()]
    answers = ask_peer(recording, tasks)
    runs.peer = dict(zip(CASES, answers, strict=False))
    for i, look in enumerate(looks):
        look.take(*answers[len(CASES) + 2 * i :][:2])
    return runs, looks


# ---- bounds ----------------------------------------------------------------------------------------------------------


def hold_series(runs: Runs, verdicts: Verdicts) -> None:
    hold, reference = verdicts.hold, runs.peer["power(2)", REFERENCE_MS]
    print("\nbounds")
    seen = (reference.requests, reference.fills, round(reference.position, 3), round(reference.equity, 2))
    hold(seen == tuple(REFERENCE.values()), f"hftbacktest gives its reference: {REFERENCE}")
    fills = {ms: runs.peer["power(2)", ms].fills for ms in LATENCIES_MS}
    hold(fills == REFERENCE_FILLS, f"hftbacktest gives its reference by latency: {REFERENCE_FILLS}")
    for title, sides in list(runs.by_title().items())[1:]:
        apart = {case: sides[case].fills / runs.peer[case].fills - 1 for case in CASES}
        queue, ms = worst = max(apart, key=lambda case: abs(apart[case]))
        words = f"in all {len(CASES)} cases; furthest {apart[worst]:+.1%}, {queue}, {ms} ms"
        hold(abs(apart[worst]) <= MOST_APART, f"{title}: fills within {MOST_APART:.0%} {words}")
        falling = [[sides[queue, ms].fills for ms in LATENCIES_MS] for queue in QUEUES]
        hold(all(counts == sorted(counts, reverse=True) for counts in falling), f"{title}: fills fall with latency")
        fewer = all(sides["risk_averse", ms].fills < sides["power(2)", ms].fills for ms in LATENCIES_MS)
        hold(fewer, f"{title}: the risk-averse queue fills least, at every latency")


def look_closely(look: Close, verdicts: Verdicts, in_full: bool, lists: bool) -> None:
    for whose, same, peer, ida in look.same_requests:
        found = same.differences()
        fills = [sum(o.state == "filled" for o in side) for side in (peer, ida)]
        print(f"\n{look.queue}, {look.latency_ms} ms: {whose} {len(ida):,} orders sent to both. hftbacktest fills "
              f"{fills[0]}, Ida {fills[1]}; the fate of {len(found)} differs")  # fmt: skip
        tell_counts(found)
        if in_full:
            tell_differences([d for d in found if d.is_fill])
        if lists:
            tell_orders(same)
        told = sum(d.rules is not None for d in found)
        verdicts.hold(told == len(found), f"each difference has its rule ({told} of {len(found)})")
        for name, decided, seen in (("hftbacktest", same.peer, peer), ("Ida", same.ida, ida)):
            wrong = unlike(decided, seen)
            verdicts.hold(not wrong, f"the rules of {name} give what it did ({len(seen) - wrong:,} of {len(seen):,})")
    for name, count, follow in look.followers():
        print(f"  {name}'s fills that the other lacks: {count}; {follow} of them it makes too, sent the same requests")
    print("  (these follow from an earlier difference, by way of position and quotes; the others are those above)")


def tell_steps(runs: Runs, look: Close) -> None:
    case = (look.queue, look.latency_ms)
    print("\none thing after another made equal: the fills of both, and how many are the same in side, price and time")
    print(f"{'':60}{'left':>5} {'right':>5}{'in both':>9}{'left':>7}{'right':>7}")
    tell_step("Ida with the flags as given | without order_rate", runs.written[case], runs.lifted[case])
    tell_step("... | and with hftbacktest's clock offset", runs.lifted[case], look.clocked)
    tell_step("... | hftbacktest, looking when Ida looks", look.clocked, look.looking)
    tell_step("... | hftbacktest, looking from the first event on", look.looking, runs.peer[case])


def figures(runs: Runs, looks: Sequence[Close]) -> None:
    apart = {case: (runs.written[case].fills / runs.peer[case].fills - 1) * 100 for case in CASES}
    queue, ms = worst = max(CASES, key=lambda case: abs(apart[case]))
    note = f"Ida {runs.written[worst].fills}, hftbacktest {runs.peer[worst].fills}: {queue}, {ms} ms each way"
    tell("fills of the grid, furthest from hftbacktest's", "%", [abs(apart[worst])], key=KEY, note=note)
    for ms in LATENCIES_MS:
        case = ("power(2)", ms)
        note = f"Ida {runs.written[case].fills}, hftbacktest {runs.peer[case].fills}: power(2)"
        tell(f"fills of the grid at {ms} ms each way, less hftbacktest's", "%", [apart[case]], note=note)
    for look in looks:
        _, same, _, orders = look.same_requests[0]
        note = f"of {len(orders):,}, each explained by a rule: {look.queue}, {look.latency_ms} ms each way"
        tell("orders with another fate, both sent Ida's requests", "orders", [len(same.differences())], note=note)


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--latency", type=int, choices=LATENCIES_MS, default=REFERENCE_MS, metavar="MS")
    options.add_argument("--queue", choices=QUEUES, default=QUEUES[0], metavar="MODEL")
    options.add_argument("--every", action="store_true")
    options.add_argument("--list", action="store_true")
    options.add_argument("--write", type=Path, metavar="FOLDER")
    chosen, verdicts = options.parse_args(), Verdicts()
    case = (chosen.queue, chosen.latency)
    try:
        runs, looks = compare(capture(), CASES if chosen.every else [case])
    except PeerMissing as problem:
        tell_missing("fills beside hftbacktest", str(problem), [KEY])
        return 0
    print(f"{runs.recording.name}, {chosen.latency} ms each way, {chosen.queue}")
    tell_sides(TITLES, [sides[case] for sides in runs.by_title().values()])
    tell_series(runs.by_title())
    hold_series(runs, verdicts)
    for look in looks:
        tell_steps(runs, look)
        look_closely(look, verdicts, not chosen.every, chosen.list)
        if chosen.write:
            write(chosen.write / f"{look.queue}-{look.latency_ms}ms", {
                "hftbacktest": runs.peer[case], "hftbacktest-looking-with-ida": look.looking,
                "ida": runs.written[case], "ida-no-order-rate": runs.lifted[case],
                "ida-at-hftbacktests-clock": look.clocked,
            })  # fmt: skip
    figures(runs, looks)
    for what in verdicts.broken:
        print(f"broken: {what}", file=sys.stderr)
    return 1 if verdicts.broken else 0


if __name__ == "__main__":
    sys.exit(main())
