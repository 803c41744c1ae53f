"""The document of ``ida run --json`` is a contract: keys are added, never renamed; money is text."""

import json
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
from click.testing import CliRunner

from ida_core.cli import cli

Money = Decimal
Figure = float | None
P = {"p50": float, "p99": float}
T = {"calls": int, **P, "share": float}
CONTRACT: dict[str, Any] = {
    "schema": int,
    "run": {"id": str, "mode": str, "exchange": str, "out": str, "seed": int, "journal_sha256": str,
            "started": str, "elapsed_s": float},
    "assumptions": {"latency": str, "queue": str, "fees": str, "fill": str},
    "events": {"total": int, "by_kind": {"trade": int, "depth": int}},
    "throughput_eps": float,
    "orders": dict.fromkeys(("submitted", "accepted", "rejected", "canceled", "filled", "unknown"), int),
    "fills": {"count": int, "maker": int, "taker": int, "volume_quote": Money, "fees": {"BTC": Money, "USDT": Money}},
    "pnl": {**dict.fromkeys(("net", "gross", "fees", "realized", "unrealized"), Money), "currency": str},
    "performance": {"sharpe": Figure, "sharpe_stderr": Figure, "sortino": Figure, "max_drawdown": Money,
                    "fill_ratio": Figure},
    "book": {"BTCUSDT": {"last_update_id": int, "best_bid": Money, "best_ask": Money, "levels": [int, int],
                         "sha256": str, "gaps": int, "resyncs": int}},
    "latency_us": {"tick_to_decision": P, "order_out": P},
    "risk": {"refused": dict, "halts": list, "limits": dict},
    "plugin_time": {"strategy market_maker": T, "risk price_collar": T},
}  # fmt: skip
#: By the wall clock, or by the run's name.
OTHER_EACH_TIME = ("throughput_eps", "latency_us", "plugin_time")
OTHER_OF_RUN = ("id", "out", "started", "elapsed_s")


def _made(out: Path) -> dict[str, Any]:
    words = ["run", "--feed", "synthetic", "--duration", "10", "--strategy", "market_maker", "--json"]
    result = CliRunner().invoke(cli, [*words, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def _breaches(wanted: Any, found: Any, path: str = "") -> list[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{path}.{key} is missing" for key in wanted if key not in found]
        inner = [_breaches(wanted[key], found[key], f"{path}.{key}") for key in wanted if key in found]
        return missing + [text for texts in inner for text in texts]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [text for one, other in zip(wanted, found, strict=True) for text in _breaches(one, other, f"{path}[]")]
    return [] if _fits(wanted, found) else [f"{path} = {found!r} is no {wanted}"]


def _fits(wanted: Any, found: object) -> bool:
    if wanted is Money:
        return isinstance(found, str) and str(found) == format(Decimal(found), "f")
    return isinstance(wanted, type | UnionType) and isinstance(found, wanted) and not isinstance(found, bool)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    return _made(tmp_path_factory.mktemp("one")), _made(tmp_path_factory.mktemp("two"))


def test_every_key_is_there_with_its_type(documents: tuple[dict[str, Any], ...]) -> None:
    assert _breaches(CONTRACT, documents[0]) == []
    assert list(documents[0])[:2] == ["schema", "run"]


def test_equal_runs_have_equal_documents(documents: tuple[dict[str, Any], ...]) -> None:
    for document in documents:
        for key in OTHER_EACH_TIME:
            del document[key]
        for key in OTHER_OF_RUN:
            del document["run"][key]
    assert documents[0] == documents[1]
