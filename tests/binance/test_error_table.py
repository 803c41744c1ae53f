"""The table of errors: complete, at one with how answers are judged, and with the page that shows it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ida_binance.calls import Outcome
from ida_binance.error_table import BY_WORDS, TABLE, Action, advice
from ida_binance.judging import NOT_ALLOWED, outcome_of, words_of
from ida_binance.rest_calls import judged

ROOT = Path(__file__).resolve().parents[2]
#: Every code that Binance's errors.md for spot has (2026-07-21), those of its texts and of cancel-replace included.
DOCUMENTED = {
    *range(-1003, -999), *range(-1008, -1005), -1010, *range(-1016, -1012), *range(-1022, -1019), *range(-1035, -1032),
    *range(-1106, -1099), -1108, -1111, -1112, *range(-1122, -1113), -1125, -1127, -1128, -1130, -1134, -1135, -1139,
    -1145, *range(-1153, -1150), -1155, -1158, -1160, -1161, -1165, -1166, *range(-1191, -1167), -1194,
    *range(-1199, -1195), -1210, -1211, *range(-1225, -1219), -2010, -2011, *range(-2016, -2012), -2021, -2022, -2026,
    -2035, -2036, -2038, -2039, -2042, -2043,
}  # fmt: skip


def test_every_documented_code_is_there() -> None:
    assert TABLE.keys() >= DOCUMENTED
    assert TABLE.keys() - DOCUMENTED == {-1131}, "seen in answers, and no longer in the documents"


@pytest.mark.parametrize("code", sorted(TABLE))
def test_the_table_and_the_judgement_are_one(code: int) -> None:
    refused = outcome_of(400, code)
    assert (refused is Outcome.UNKNOWN) == (TABLE[code].action is Action.UNKNOWN)
    assert outcome_of(503, code) is Outcome.UNKNOWN
    assert advice(code, status=503).action is Action.UNKNOWN
    assert (code in NOT_ALLOWED) == (advice(code, "", 400).action is Action.STOP)


@pytest.mark.parametrize(("code", "words"), [row[:2] for row in BY_WORDS])
def test_words_that_tell_more_than_the_code_are_listened_to(code: int, words: str) -> None:
    assert advice(code, f"... {words} ...", 400).action is not TABLE[code].action


@pytest.mark.parametrize(("status", "action"), [
    (401, Action.STOP), (403, Action.BACK_OFF), (408, Action.UNKNOWN), (418, Action.BACK_OFF), (429, Action.BACK_OFF),
    (400, Action.FIX), (500, Action.UNKNOWN), (599, Action.UNKNOWN),
])  # fmt: skip
def test_a_code_nobody_has_heard_of_is_judged_by_its_status(status: int, action: Action) -> None:
    assert advice(-4321, "", status).action is action


def test_the_page_shows_the_whole_table() -> None:
    command = [sys.executable, str(ROOT / "docs/generate.py"), str(ROOT / "docs/binance-errors.md")]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shown = re.findall(r"^\| (-\d+)(?: \"[^|]*)? \| ([A-Z_]+) \| `([A-Z_]+)` \| .+ \|$", page, flags=re.MULTILINE)
    assert {int(code) for code, _, _ in shown} == TABLE.keys()
    assert len(shown) == len(TABLE) + len(BY_WORDS)


@pytest.mark.parametrize("secret", ["aB3" * 21 + "z", "0f" * 32, "q+/" * 29 + "==", "%2B" * 30])
def test_what_a_server_repeats_of_a_key_is_not_passed_on(secret: str) -> None:
    """Errors are journaled and shown: a gateway's page may hold the whole URL, signature and all."""
    for body in ({"code": -2014, "msg": f"API-key {secret} format invalid"}, f"<html>/order?signature={secret}</html>"):
        words = words_of(body)
        assert secret not in words.msg
        assert secret[:12] not in words.msg
    page = f"{'x' * 30} {secret} {'y ' * 5000}".encode()
    reply = judged(0, 502, {}, page)
    assert secret[:12] not in str(reply.body) + reply.msg


def test_a_code_beyond_all_bounds_is_none() -> None:
    assert words_of({"code": 10**30, "msg": "?"}).code == 0
    assert words_of({"code": -2010, "msg": "Duplicate order sent."}) == (-2010, "Duplicate order sent.")
