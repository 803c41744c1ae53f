"""LIVE needs limits and somebody's word; without either nothing is sent, and the exit code is 6."""

import json
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from ida_core.arming import PHRASE, ArmingCap, CapConfig, Word, admit, configuration, make_token
from ida_core.cli import cli
from ida_core.config import RunSettings, Settings
from ida_core.errors import AuthError
from ida_core.events import PlaceOrder
from ida_core.model import OrderType, Side
from ida_core.testing.checks import Situation
from plugins.risk.daily_loss import DailyLoss
from plugins.risk.drawdown import Drawdown
from plugins.risk.max_notional import MaxNotional
from plugins.risk.max_position import MaxPosition

SETTINGS = Settings(run=RunSettings(exchange="binance", symbols=("BTCUSDT",)))
LIMITS = [MaxNotional(MaxNotional.Config(limit=Decimal(100))), MaxPosition(MaxPosition.Config(limit=Decimal(1))),
          DailyLoss(DailyLoss.Config(limit=Decimal(10)))]  # fmt: skip


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("missing", range(3))
def test_each_limit_is_needed(missing: int) -> None:
    checks = [check for i, check in enumerate(LIMITS) if i != missing]
    with pytest.raises(AuthError, match=r"nothing bounds the (order|position|loss):") as refused:
        admit(SETTINGS, checks, Word(ask=lambda _: PHRASE))
    assert (refused.value.code, refused.value.exit_code) == ("IDA-E6010", 6)


def test_a_limit_that_is_off_bounds_nothing() -> None:
    assert [check.bounds() for check in (MaxNotional(), MaxPosition(), DailyLoss(), Drawdown())] == [()] * 4
    assert Drawdown(Drawdown.Config(fraction=Decimal("0.1"))).bounds() == ("loss",)


@pytest.mark.parametrize("typed", ["", "y", "yes", PHRASE.upper(), PHRASE + "!"])
def test_another_phrase_is_none(typed: str) -> None:
    with pytest.raises(AuthError, match="that was not the phrase"):
        admit(SETTINGS, LIMITS, Word(ask=lambda _: typed))
    assert admit(SETTINGS, LIMITS, Word(ask=lambda _: f" {PHRASE} ")).by == "phrase"


def test_a_token_arms_the_run_it_was_made_for() -> None:
    token = make_token(SETTINGS, Decimal("250.5"))
    armed = admit(SETTINGS, LIMITS, Word(token))
    assert (armed.by, armed.cap) == ("token", Decimal("250.5"))
    elsewhere = msgspec.structs.replace(SETTINGS, run=msgspec.structs.replace(SETTINGS.run, out="other"))
    assert admit(elsewhere, LIMITS, Word(token)).cap == armed.cap


@pytest.mark.parametrize(("change", "words"), [
    ({"seed": 2}, "another configuration"), ({"exchange": "binance-testnet"}, "the token is for binance"),
    ({"symbols": ("ETHUSDT",)}, "another configuration"), ({"risk": ()}, "another configuration"),
])
def test_a_token_arms_nothing_else(change: dict[str, object], words: str) -> None:
    token = make_token(SETTINGS, Decimal(1))
    other = msgspec.structs.replace(SETTINGS, run=msgspec.structs.replace(SETTINGS.run, **change))  # type: ignore[arg-type]
    assert configuration(other) != configuration(SETTINGS)
    with pytest.raises(AuthError, match=words) as refused:
        admit(other, LIMITS, Word(token))
    assert refused.value.code == "IDA-E6012"


def test_a_token_that_is_touched_expired_or_anothers_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token = make_token(SETTINGS, Decimal(1), seconds=5)
    late_s = time.time() + 6
    monkeypatch.setattr("time.time", lambda: late_s)
    with pytest.raises(AuthError, match="expired"):
        admit(SETTINGS, LIMITS, Word(token))
    monkeypatch.undo()
    monkeypatch.setenv("IDA_HOME", str(tmp_path / "home"))
    token = make_token(SETTINGS, Decimal(1))
    tag, body, signature = token.split(".")
    for touched in ("", "x", "..", f"{tag}.{body}", f"{tag}.{body[:-2]}AA.{signature}",
                    f"{tag}.{body}.{signature[:-2]}", f"ida-arm-2.{body}.{signature}", "é.é.é"):
        with pytest.raises(AuthError, match="no token of"):
            admit(SETTINGS, LIMITS, Word(touched))
    monkeypatch.setenv("IDA_HOME", str(tmp_path / "another"))
    with pytest.raises(AuthError, match="no token of"):
        admit(SETTINGS, LIMITS, Word(token))


@pytest.mark.parametrize(("cap", "seconds"), [("0", 10), ("-1", 10), ("NaN", 10), ("1", 0), ("1", 1e9)])
def test_no_token_without_end_or_bound(cap: str, seconds: float) -> None:
    with pytest.raises(AuthError):
        make_token(SETTINGS, Decimal(cap), seconds)


def test_what_signs_tokens_is_its_owners_alone(tmp_path: Path) -> None:
    make_token(SETTINGS, Decimal(1))
    file = tmp_path / "home" / "arming.key"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(list(file.parent.iterdir())) == 1


def test_the_cap_bounds_what_is_under_way() -> None:
    one = Situation()
    check = ArmingCap(CapConfig(Decimal(1000)))
    lots = one.instruments[0].lots(Decimal("0.01"))  # 600 quote units at 60,000
    price = int(one.mids[0] or 0)
    order = PlaceOrder(order_id="q", instrument=0, side=Side.BUY, type=OrderType.LIMIT, quantity=lots, price=price)
    assert check.check(order, one.state) is None
    one.place(Side.BUY, lots, 0)
    assert "over the cap of 1000" in (check.check(order, one.state) or "")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Listens where the exchange would; whoever connects waits in its queue."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        yield server


def run(silent: socket.socket, tmp_path: Path, *words: str, command: str = "run") -> tuple[int, str]:
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    done = CliRunner().invoke(cli, [
        command, "--exchange", "binance", "--symbol", "BTCUSDT", "--strategy", "grid", "--binance-url", url, "--out",
        str(tmp_path / "runs"), "--json", *words])
    return done.exit_code, json.loads(done.stdout)["error"]["code"]


LIMITED = ("--set", "max_notional.limit=100", "--set", "max_position.limit=1", "--set", "daily_loss.limit=10")


@pytest.mark.parametrize(("words", "code"), [
    ((), "IDA-E6010"), (LIMITED[:4], "IDA-E6010"), (LIMITED, "IDA-E6011"), ((*LIMITED, "--arm", "a.b.c"), "IDA-E6012"),
])
def test_live_without_a_guard_sends_nothing(
    silent: socket.socket, tmp_path: Path, words: tuple[str, ...], code: str,
) -> None:
    assert run(silent, tmp_path, *words) == (6, code)
    with pytest.raises(BlockingIOError):
        silent.accept()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("words", [("--exchange", "sim", "--feed", "synthetic", "--arm", "--cap", "1")])
def test_only_live_is_armed(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, ["plan", "--strategy", "grid", *words])
    assert (done.exit_code, "--arm is for LIVE" in done.stderr) == (2, True)
