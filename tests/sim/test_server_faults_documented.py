"""Each fault stands in docs/exchange-api.md with an example, and each example is one that the server takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, blocks
from served import make_api, serving

from ida_sim.server.faults import KINDS
from ida_sim.server.script import read_script

PAGE = ROOT / "docs" / "exchange-api.md"


def examples() -> list[Any]:
    (block,) = (block for block in blocks(PAGE) if block.language == "json")
    return [json.loads(line) for line in block.text.splitlines()]


def test_every_kind_has_an_example() -> None:
    assert [example["kind"] for example in examples()] == list(KINDS)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["kind"])
async def test_the_example_comes_into_force(example: dict[str, Any]) -> None:
    async with serving(make_api()) as client:
        answer = await client.post("/control/faults", json=example)
        assert answer.status_code == 201, answer.text
        shown = (await client.get("/control/faults")).json()
        if KINDS[example["kind"]].place == "moment":
            assert shown == []
        else:
            assert shown[0].items() >= {**example, "struck": 0}.items()


def test_the_script_of_the_page_can_be_read(tmp_path: Path) -> None:
    (block,) = (block for block in blocks(PAGE) if block.title == "faults.toml")
    (tmp_path / block.title).write_text(block.text)
    assert [step.fault.kind for step in read_script(tmp_path / block.title)] == ["server-shutdown", "silence"]


async def test_the_control_endpoint_lists_the_kinds() -> None:
    async with serving(make_api()) as client:
        assert list((await client.get("/control/kinds")).json()) == list(KINDS)
