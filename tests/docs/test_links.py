"""No link inside the documents leads nowhere: files, and headings within them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The text without code, in which brackets mean other things."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", "`", text)


def links(page: Path) -> Iterator[str]:
    return (target for target in LINK.findall(prose(page)) if not target.startswith(("http://", "https://", "mailto:")))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as mkdocs makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link}: there is no {file}"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{link}: there is no such heading"


def test_pages_say_nothing_of_the_machine_they_were_written_on() -> None:
    for page in PAGES:
        assert not re.search(r"/(root|home|work)/\w", page.read_text(encoding="utf-8")), page
