"""Several processes of one address keep one budget: real processes, a real file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ida_binance.budget import NS_PER_S, SHARE, Budget, Counted, Purpose, Told
from ida_binance.shared_budget import SharedBudget, budget_for, segment_path
from ida_core.errors import OutputError

#: The middle of a minute.
NOW = 1_763_800_000 * NS_PER_S - 1_763_800_000 % 60 * NS_PER_S + 30 * NS_PER_S
MOST = int(6000 * SHARE)
SPEND = """
import sys
from pathlib import Path
from ida_binance.shared_budget import SharedBudget
budget = SharedBudget(Path(sys.argv[1]))
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    budget.spend(1, int(sys.argv[3]))
"""


def spender(path: Path, times: int) -> "subprocess.Popen[str]":
    found = subprocess.Popen(
        [sys.executable, "-c", SPEND, str(path), str(times), str(NOW)], stdout=subprocess.PIPE, text=True)
    assert found.stdout is not None
    assert found.stdout.readline() == "ready\n"
    return found


def test_what_processes_spend_at_the_same_time_is_counted_once_each(tmp_path: Path) -> None:
    path = tmp_path / "run" / "budget"
    others = [spender(path, 1500) for _ in range(2)]
    budget = SharedBudget(path)
    for _ in range(500):
        budget.spend(1, NOW)
    for other in others:
        assert other.wait(60) == 0
    assert budget.left(NOW) == MOST - 3500
    assert budget.left(NOW + 60 * NS_PER_S) == MOST
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_killed_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    others = [spender(path, 10**9) for _ in range(3)]
    for other in others:
        other.send_signal(signal.SIGKILL)
        other.wait(60)
    budget = SharedBudget(path)
    spent = MOST - budget.left(NOW)
    budget.spend(1, NOW)
    assert budget.left(NOW) == max(0, MOST - spent - 1)


def test_pauses_and_bans_hold_for_all_whatever_their_clocks_say(tmp_path: Path) -> None:
    one, two = SharedBudget(tmp_path / "budget"), SharedBudget(tmp_path / "budget")
    two.offset_ns = 5 * NS_PER_S  # its clock is five seconds behind that of the other
    one.pause(NOW + 20 * NS_PER_S)
    assert two.wait_s(1, NOW - 5 * NS_PER_S) == 20
    one.ban(NOW + 120 * NS_PER_S)
    assert two.wait_s(1, NOW - 5 * NS_PER_S) == 120
    assert two.left(NOW) == 0
    assert two.wait_s(1, NOW + 120 * NS_PER_S) == one.wait_s(1, NOW + 120 * NS_PER_S) == 0


def test_orders_are_counted_by_account(tmp_path: Path) -> None:
    budgets = [SharedBudget(tmp_path / "budget") for _ in range(3)]
    for budget, account in zip(budgets, ("a", "a", "b"), strict=True):
        budget.of_account(account)
    for _ in range(40):
        budgets[0].spend(1, NOW, 1)
    assert [b.wait_s(1, NOW, Purpose.ORDER, 20) > 0 for b in budgets] == [True, True, False]
    assert len({b.left(NOW) for b in budgets}) == 1, "weight is the address's"


def test_the_exchanges_word_lowers_the_count_by_no_more_than_others_may_have_on_their_way(tmp_path: Path) -> None:
    budget = SharedBudget(tmp_path / "budget")
    budget.of_account("a")
    day = Told(Counted.ORDERS, 86_400, 7)
    for _ in range(3000):
        budget.answered(budget.spend(0, NOW, 10), [day], NOW, NOW + 1)
    assert budget.wait_s(0, NOW + 10 * NS_PER_S, Purpose.ORDER, 40) == 0


@pytest.mark.parametrize("damage", [b"", b"IDAB1", b"\xff" * 4000, b"IDAB1\0\0\0" + b"\xff" * 4000])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "budget"
    path.write_bytes(damage)
    budget = SharedBudget(path)
    assert budget.left(NOW) == MOST
    budget.spend(100, NOW)
    assert SharedBudget(path).left(NOW) == MOST - 100


def test_a_byte_that_flips_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    budget = SharedBudget(path)
    budget.spend(100, NOW)
    raw = bytearray(path.read_bytes())
    for at in range(0, 200, 7):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x40]) + raw[at + 1 :])
        assert SharedBudget(path).left(NOW) in (MOST, MOST - 100)


def test_a_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(OutputError, match="share_budget = false does without"):
            SharedBudget(path)


def test_only_the_exchanges_own_addresses_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert type(budget_for("http://127.0.0.1:9000", True)) is Budget
    assert type(budget_for("https://api.binance.com", False)) is Budget
    assert list(tmp_path.iterdir()) == []
    assert isinstance(budget_for("https://api.binance.com", True), SharedBudget)
    assert segment_path("https://api.binance.com").parent == tmp_path / "ida"
    assert segment_path("https://api.binance.com") != segment_path("https://testnet.binance.vision")
    assert os.listdir(tmp_path / "ida") == [segment_path("https://api.binance.com").name]
