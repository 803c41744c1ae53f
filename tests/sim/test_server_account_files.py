"""Accounts of the exchange server by files: what they may hold, and what is said of wrong ones."""

from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from documents import ROOT, blocks
from signed import RESTRICTIONS, send
from sim.serving import serving

from ida_core import ConfigError
from ida_sim.server.account_files import AccountFile, read_account, read_accounts
from ida_sim.server.keys import KINDS


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """The file that the page shows."""
    (block,) = (block for block in blocks(ROOT / "docs" / "exchange-api.md") if block.title == "alice.toml")
    path = tmp_path / "alice.toml"
    path.write_text(block.text)
    return path


def test_the_file_of_the_page(alice: Path) -> None:
    default, found = read_accounts([alice])
    assert (default.name, [key.kind for key in default.api_keys()]) == ("default", list(KINDS))
    assert (found.name, found.maker_fee, found.balances) == (
        "alice", Decimal("0.0008"), {"BTC": Decimal("2.5"), "USDT": Decimal(100_000)})
    reads, other = found.api_keys()
    assert (reads.api_key, reads.told()["secret"], reads.trading) == ("alice-reads", "only-a-test", False)
    assert (other.kind, other.ips, len(other.api_key)) == ("ED25519", ("127.0.0.1",), 64)


async def test_keys_of_a_file_may_what_it_says(alice: Path) -> None:
    async with serving(accounts=read_accounts([alice])) as server:
        reads, other = server.access.accounts["alice"].keys
        async with httpx.AsyncClient(base_url=server.addresses.rest) as client:
            for key, trades, bound in ((reads, False, False), (other, True, True)):
                answer = (await send(client, key, RESTRICTIONS, timestamp=server.market.now_ns() // 1_000_000)).json()
                assert (answer["enableSpotAndMarginTrading"], answer["ipRestrict"]) == (trades, bound)


def test_a_file_may_take_the_default_s_place(tmp_path: Path) -> None:
    path = tmp_path / "account.toml"
    path.write_text("can_trade = false")
    assert [(each.name, each.can_trade) for each in read_accounts([path])] == [("default", False)]
    assert [each.name for each in read_accounts([])] == ["default"]
    with pytest.raises(ConfigError, match="two accounts are called 'default'"):
        read_accounts([path, path])


def test_no_key_is_two_accounts(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.toml" for name in ("a", "b")]
    for path in paths:
        path.write_text(f'name = "{path.stem}"\nkeys = [{{type = "HMAC", api_key = "same"}}]')
    with pytest.raises(ConfigError, match="api_key 'same'"):
        read_accounts(paths)


@pytest.mark.parametrize(("text", "words"), [
    ("nmae = 'x'", "unknown field `nmae`"), ("name = ''", "1 to 64"), ("name = 'a/b'", "slash"),
    ("[balances]\nBTC = -1", r"balances\.BTC = -1"), ("[balances]\nBTC = 'x'", r"\$\.balances"), ("= 1", "Invalid"),
    ("[[keys]]\ntype = 'DSA'", "DSA"), ("[[keys]]\napi_key = 'x'", "`type`"),
    ("[[keys]]\ntype = 'RSA'\nsecret = 'x'", "pem"), ("[balances]\nBTC = 'nan'", "BTC"),
])
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "account.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        read_account(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read_account(tmp_path / "none.toml")


def test_an_account_of_nothing_has_a_key_of_each_kind() -> None:
    assert [key.kind for key in AccountFile().api_keys()] == list(KINDS)
