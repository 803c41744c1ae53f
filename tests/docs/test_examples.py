"""Every command and every Python block of the documents does what its page says; see ``documents`` for how."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, Block, Step, agrees, blocks, run_steps, sections, steps

SMALL_CAPTURE = "captures/usdm_btcusdt_20220811_7s.gz"
#: Its blocks are tested hook by hook, in tests/core/test_hooks_documented.py.
ELSEWHERE = {"docs/hooks.md"}
PAGES = [
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if any(True for _ in blocks(page)) and str(page.relative_to(ROOT)) not in ELSEWHERE
]


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Path | None:
    """A small real recording, or None; what needs one is then left out and counted."""
    try:
        return Path(request.getfixturevalue("recordings")) / SMALL_CAPTURE
    except pytest.skip.Exception:
        return None


def is_run(block: Block, recording: Path | None) -> bool:
    needs_recording = block.mark == "recording" or "FILE.gz" in block.text
    return not block.mark.startswith("not run: ") and not (needs_recording and recording is None)


def commands(found: list[Block]) -> Iterator[Step]:
    for block in found:
        if block.language in ("sh", "console"):
            yield from (step for step in steps(block) if not step.command.startswith("make "))


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(page: str, tmp_path: Path, recording: Path | None) -> None:
    namespace: dict[str, Any] = {"__name__": Path(page).stem.replace("-", "_")}
    runnable = [block for block in blocks(ROOT / page) if is_run(block, recording)]
    for group in sections(runnable):
        for block in group:
            if block.title:
                (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / block.title).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                exec(compile(block.text, f"{page}:{block.line}", "exec"), namespace)
        check_commands(page, list(commands(group)), tmp_path, recording)


def check_commands(page: str, planned: list[Step], folder: Path, recording: Path | None) -> None:
    if not planned:
        return
    results = run_steps(planned, folder, recording)
    assert len(results) == len(planned), f"{page}: {planned[len(results)].command} was not reached"
    followers = [*planned[1:], Step("", None, 0)]
    for (step, code, printed), after in zip(results, followers, strict=True):
        where = f"{page}:{step.line}: $ {step.command}\n{printed}"
        assert code == 0 or 'exit code $?"' in after.command, f"{where}exit code {code}"
        assert step.expected is None or agrees(step.expected, printed), f"{where}but the page shows\n{step.expected}"


def test_make_knows_the_targets_of_the_documents() -> None:
    texts = [page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    targets = {target for text in texts for target in re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", text, re.MULTILINE)}
    assert {"demo", "test"} <= targets
    for target in targets:
        command = ["make", "--dry-run", "--no-print-directory", target]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"make {target}: {done.stderr}"


def test_numbers_may_differ_and_words_may_not() -> None:
    assert agrees("net  -12.5 USDT in 17 fills", "net 3,000.25 USDT in 4 fills\n")
    assert agrees("run: runs/20260101-120000-1a2b", "run: runs/20261122-170105-ffee\n")
    assert agrees("a\n...\nb 1\n...", "a\nx\ny\nb 2")
    assert agrees("...\nb ... c", "b 1 c")
    assert not agrees("net 1 USDT", "net 1 BTC")
    assert not agrees("bid 1 x 2", "bid 1")
