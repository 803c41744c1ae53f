"""How figures are put into words for people: the same on the terminal and in the HTML report."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ida_core import plain

ENDED_WELL = "end of data"
ENOUGH_S = 30 * 86_400
"""Below a month, an annualised figure is more extrapolation than measurement."""

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def money(value: str | Decimal | None, *, signed: bool = False) -> str:
    """Grouped, with at least two decimals and, below 1, enough of them for four digits.

    >>> money("1234.5"), money("-0.00012345"), money("12", signed=True), money(None)
    ('1,234.50', '−0.0001234', '+12.00', '–')
    """
    if value is None:
        return NONE
    amount = Decimal(value)
    decimals = 2 if not amount or abs(amount) >= 1 else min(8, 3 - amount.adjusted())
    text = f"{abs(amount):,.{decimals}f}"
    return _sign(amount, text, signed) + text


def _sign(value: Decimal, text: str, signed: bool) -> str:
    if not text.strip("0.,"):
        return ""
    return MINUS if value < 0 else "+" if signed else ""


def exact(value: str | None) -> str:
    """A decimal as it stands, grouped: nothing is rounded.

    >>> exact("-61800.2"), exact(None)
    ('−61,800.2', '–')
    """
    if value is None:
        return NONE
    try:
        return f"{Decimal(value):,f}".replace("-", MINUS)
    except InvalidOperation:
        return value


def amount(value: str | None) -> str:
    """A decimal with at most eight decimals, grouped: what an account shows.

    >>> amount("999984.150150101052"), amount("10000"), amount("-0.5")
    ('999,984.1501501', '10,000', '−0.5')
    """
    return NONE if value is None else exact(plain(round(Decimal(value), 8)))


def ratio(value: float | None, decimals: int = 2) -> str:
    """
    >>> ratio(-1234.567), ratio(None)
    ('−1,234.57', '–')
    """
    return NONE if value is None else f"{value:,.{decimals}f}".replace("-", MINUS)


def percent(value: float | None, decimals: int = 1) -> str:
    """
    >>> percent(0.273), percent(0.000123, 3), percent(0.0000026, 3)
    ('27.3 %', '0.012 %', '< 0.001 %')
    """
    if value is not None and 0 < value * 100 < 0.5 * 10**-decimals:
        return f"< {10**-decimals:.{decimals}f} %"
    return NONE if value is None else ratio(value * 100, decimals) + " %"


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def span(seconds: float) -> str:
    """
    >>> span(345.2), span(93784), span(0.25)
    ('5 min 45 s', '1 d 2 h 3 min', '0.25 s')
    """
    if seconds < 10:
        return f"{seconds:.3g} s"
    parts, rest = [], round(seconds)
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size} {name}")
            rest %= size
    return " ".join(parts[:3])


def micros(value: float | None) -> str:
    """A time in µs, in the unit that suits it.

    >>> micros(0.45), micros(1500), micros(2_000_000)
    ('0.45 µs', '1.5 ms', '2 s')
    """
    if value is None:
        return NONE
    for name, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} µs"


def plugin_time(times: Mapping[str, Mapping[str, float | None]]) -> str:
    """What a run's plugins took, in a line: of the risk checks the slowest.

    >>> check = {"calls": 7, "p50": 0.4, "p99": 1.2, "share": 0.001}
    >>> plugin_time({"strategy grid": {"calls": 9, "p50": 12, "p99": 41, "share": 0.032}, "risk collar": check})
    'Time: strategy grid 41 µs p99, 3.2 % of the run; risk collar 1.2 µs p99'
    """
    told = [
        f"{name} {micros(one['p99'])} p99, {percent(one['share'])} of the run"
        for name, one in times.items() if name.startswith("strategy ")
    ]
    risk = [(one["p99"] or 0, name) for name, one in times.items() if name.startswith("risk ")]
    if risk:
        slowest, name = max(risk)
        others = f", the slowest of {len(risk)} checks" if len(risk) > 1 else ""
        told.append(f"{name} {micros(slowest)} p99{others}")
    told += [f"{name} {micros(one['p50'])}" for name, one in times.items() if name.startswith("report ")]
    return f"Time: {'; '.join(told)}" if told else ""


def moment(ts_ns: int) -> str:
    """UTC to the millisecond; nothing for 0."""
    if not ts_ns:
        return NONE
    return datetime.fromtimestamp(ts_ns // 1_000_000 / 1e3, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def sharpe(performance: Mapping[str, Any]) -> str:
    """The ratio never without its standard error."""
    if performance["sharpe"] is None:
        return NONE
    decimals = 2 if abs(performance["sharpe"]) < 100 else 0
    value = ratio(performance["sharpe"], decimals)
    return f"{value} ± {ratio(performance['sharpe_stderr'], decimals)}"


def mode_words(mode: str) -> str:
    """What a mode means, so that nobody has to guess."""
    return {
        "SIM": "simulated exchange: no order left this machine, no money was at stake",
        "TESTNET": "the exchange's test network: real connections, play money",
        "DEMO": "the exchange's demo trading: real connections, play money",
        "LIVE": "real orders, real money",
    }.get(mode, mode)


def settings(config: Mapping[str, Any]) -> str:
    """What was effective, in one line: what is off is said to be.

    >>> settings({"limit": "5", "symbols": {}, "window_s": 10.0}), settings({"limit": None}), settings({})
    ('limit = 5, window_s = 10.0', 'limit = not set', '')
    """
    shown = {key: "not set" if value is None else value for key, value in config.items() if value not in ({}, [])}
    return ", ".join(f"{key} = {value}" for key, value in shown.items())


def case_name(case: Mapping[str, Any]) -> str:
    """Of a worse case, and whether it came to its end, or is no worse than the run was.

    >>> case_name({"name": "latency x2"}), case_name({"name": "latency x2", "ended": "liquidation: of all"})
    ('latency x2', 'latency x2 (liquidated)')
    """
    ended = str(case.get("ended", ENDED_WELL))
    if ended == ENDED_WELL:
        return f"{case['name']} (as run)" if str(case.get("what", "")).startswith("as run") else str(case["name"])
    return f"{case['name']} ({'liquidated' if ended.startswith('liquidation') else 'ended early'})"


def doubt(document: Mapping[str, Any]) -> str:
    """What the Sharpe ratio's standard error and the run's length mean, in words."""
    performance, span_s = document["performance"], document["run"]["span_s"]
    value, error = performance["sharpe"], performance["sharpe_stderr"]
    if value is None or not error:
        return "Too short a run, or too still, to speak of a Sharpe ratio."
    away = ratio(abs(value) / error, 1)
    if abs(value) < 2 * error:
        text = f"The Sharpe ratio lies {away} standard errors from 0: that can be luck."
    else:
        text = f"The Sharpe ratio lies {away} standard errors from 0."
    if span_s < ENOUGH_S:
        text += f" It is a year's ratio, told from {span(span_s)}: take it for its sign."
    return text


def fees(amounts: Mapping[str, str]) -> str:
    """Fees in the assets they were taken in."""
    return ", ".join(f"{exact(amount)} {asset}" for asset, amount in amounts.items()) or "none charged"


def live_share(symbol: Mapping[str, Any], span_s: float) -> float | None:
    """Of the time since a book was first in step, the share in which it was; None where it never was.

    >>> live_share({"live_after_s": 10.0, "stale_s": 9.0}, 100.0), live_share({"live_after_s": None}, 100.0)
    (0.9, None)
    """
    if symbol["live_after_s"] is None:
        return None
    known_s = span_s - symbol["live_after_s"]
    return 1 - symbol["stale_s"] / known_s if known_s > 0 else 1.0


def data_words(document: Mapping[str, Any]) -> tuple[str, str]:
    """How good the market data was: the least share of time that a book was in step, and what went wrong, in words."""
    data, span_s = document["data"], document["run"]["span_s"]
    symbols = data["symbols"].values()
    shares = [share for share in (live_share(one, span_s) for one in symbols) if share is not None]
    if not shares:
        return NONE, "no book was ever in step"
    return percent_down(min(shares)), "; ".join(went_wrong(data)) or "in step throughout, nothing missing"


def percent_down(share: float) -> str:
    """Rounded down, so that 100 % is all of it.

    >>> percent_down(1.0), percent_down(0.99999)
    ('100 %', '99.9 %')
    """
    return "100 %" if share >= 1 else f"{math.floor(share * 1000) / 10:.1f} %"


def went_wrong(data: Mapping[str, Any]) -> list[str]:
    """What was not as it should be with the market data, each in some words."""
    symbols = list(data["symbols"].values())

    def total(key: str) -> Any:
        return sum(one[key] for one in symbols)

    told = []
    if total("episodes"):
        told.append(f"stale {span(total('stale_s'))} in {some(total('episodes'), 'episode')}")
    told += [some(total(key), word) for key, word in _FAULTS if total(key)]
    if total("left_known"):
        told.append(f"the best price left the range of its snapshot {some(total('left_known'), 'time')}")
    for key, words in _OFF_GRID:
        if number := total(key):
            told.append(f"{some(number, words[0])} {words[1]}")
    if lost := sum(one["reconnects"] for one in data["connections"]["each"]):
        told.append(some(lost, "reconnect"))
    if left_out := data["conflated"]["wakings"]:
        told.append(f"{some(left_out, 'waking')} conflated")
    return told


_OFF_GRID = (
    ("quantities_rounded", ("quantity", "finer than a lot, rounded up")),
    ("levels_off_tick", ("level", "between two ticks, left out")),
    ("events_off_tick", ("event", "between two ticks, left out")),
)
_FAULTS = (
    ("gaps", "gap"), ("resyncs", "resync"), ("trades_missing", "lost trade"),
    ("quotes_mismatched", "mismatch with quotes"),
)


def some(number: int, one: str) -> str:
    """
    >>> some(1, "gap"), some(2, "mismatch with quotes"), some(3, "lost trade")
    ('1 gap', '2 mismatches with quotes', '3 lost trades')
    """
    if number == 1:
        return f"1 {one}"
    word, _, rest = one.partition(" ") if one != "lost trade" else (one, "", "")
    many = word[:-1] + "ies" if word.endswith("ty") else word + ("es" if word.endswith("ch") else "s")
    return f"{count(number)} {many} {rest}".rstrip()


def ledger(block: Mapping[str, Any]) -> tuple[str, str]:
    """A word and what it means."""
    if block["balanced"] is None:
        return "not checked", "the run did not end in order"
    if block["balanced"]:
        return "balances", f"start + fills {MINUS} fees = end"
    return "DOES NOT BALANCE", "see the warnings"
