"""docs/fills.md says nothing that the matching engine does not do: its examples are run."""

import re
from pathlib import Path

import pytest
from native_match import REASONS, Match, play

TEXT = (Path(__file__).parents[2] / "docs/fills.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```fills(?: (\S+))?\n(.*?)^```$", re.M | re.S)
SECTIONS = {part.splitlines()[0]: part for part in TEXT.split("\n## ")[1:]}
WITHOUT_EXAMPLE = {"Reading the examples", "What this can not know"}
FILL_REASONS = ("TOOK", "QUEUE_REACHED", "TRADED_THROUGH", "BOOK_CROSSED", "MATCHED")

EXAMPLES = [
    pytest.param(how, script, id=f"{title} {i}")
    for title, part in SECTIONS.items()
    for i, (how, script) in enumerate(BLOCK.findall(part), 1)
]


def engine(how: str) -> Match:
    """What a block's opening line asks for: a queue model, a whole market, or the default."""
    if how == "whole":
        return Match(recorded=False)
    if power := re.fullmatch(r"power\((.+)\)", how):
        return Match(model="power", power=float(power[1]))
    return Match(model={"": "averse"}.get(how, how))


@pytest.mark.parametrize(("how", "script"), EXAMPLES)
def test_the_examples_happen(how: str, script: str) -> None:
    assert "->" in script
    play(script, engine(how))


def test_every_rule_has_an_example() -> None:
    without = {title for title, part in SECTIONS.items() if not BLOCK.search(part)}
    assert without == WITHOUT_EXAMPLE
    scripts = " ".join(script for _, script in BLOCK.findall(TEXT))
    assert set(FILL_REASONS) <= set(REASONS.values())
    assert all(reason in scripts for reason in FILL_REASONS)


def test_every_fence_is_an_example_that_runs() -> None:
    assert TEXT.count("```") == 2 * len(EXAMPLES)


def test_an_example_that_does_not_happen_fails() -> None:
    with pytest.raises(AssertionError):
        play("show bid 100x10 -> \n A buy 4 @ 100 -> A NEW ahead 9", engine(""))
