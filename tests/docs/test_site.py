"""The site builds without a network and refers to nothing outside itself; what is generated in it is all there."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documents import ROOT

from ida_core.codes import CODES
from ida_core.config import RunSettings
from ida_core.plugins import load_plugins

#: Attributes by which a page makes a browser fetch something; a plain link does not.
FETCHED = {"src", "srcset", "data", "poster"}
STYLE_URL = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])(https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs is a failure."""
    pytest.importorskip("mkdocs", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    no_network = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    bare = {"PATH": os.defpath, "HOME": str(folder), **no_network}
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetches(HTMLParser):
    """Collects what a browser would fetch for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in FETCHED or (name == "href" and tag in ("link", "use", "image"))):
                self.urls.append(value)


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        outside = [url for url in Fetches(text).urls if re.match(r"(https?:)?//", url)]
        assert outside == [], page
        assert not STYLE_URL.search(text), page
    for sheet in (*site.rglob("*.css"), *site.rglob("*.svg")):
        assert not STYLE_URL.search(sheet.read_text(encoding="utf-8")), sheet


def test_pages_use_only_what_was_built(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # is served from anywhere, so its addresses begin at the root
            continue
        for url in Fetches(page.read_text(encoding="utf-8")).urls:
            if not url.startswith("data:"):
                assert (page.parent / url.partition("?")[0].partition("#")[0]).exists(), f"{page}: {url}"


def test_no_marker_is_left_and_no_source_is_published(site: Path) -> None:
    assert [page for page in site.rglob("*.html") if "generated:" in page.read_text(encoding="utf-8")] == []
    assert list(site.rglob("*.py")) == []


def test_every_error_code_is_on_its_page(site: Path) -> None:
    page = (site / "errors.html").read_text(encoding="utf-8")
    assert [code for code in CODES if f'id="{code.lower()}-' not in page] == []


def test_every_setting_is_on_its_page(site: Path) -> None:
    page = (site / "configuration.html").read_text(encoding="utf-8")
    sections = load_plugins().sections()
    names = {"run", "data", "journal"} | {name for name, kind in sections.items() if kind.__struct_fields__}
    assert [name for name in names if f"[{name}]</h3>" not in page.replace('<a class="headerlink"', "</h3>")] == []
    keys = {*RunSettings.__struct_fields__, *(key for kind in sections.values() for key in kind.__struct_fields__)}
    assert [key for key in keys if f"<code>{key}</code>" not in page] == []


def test_every_setting_and_option_says_what_it_means(site: Path) -> None:
    for name in ("configuration", "commands", "exchange"):
        page = (site / f"{name}.html").read_text(encoding="utf-8")
        assert re.findall(r"<td><code>([^<]+)</code></td>(?:\s*<td>[^\n]*</td>)*\s*<td></td>\s*</tr>", page) == []


def test_every_command_is_on_its_page(site: Path) -> None:
    page = (site / "commands.html").read_text(encoding="utf-8")
    for command in ("run", "plan", "demo", "data-check", "config-schema", "new-strategy", "explain"):
        assert f'id="ida-{command}"' in page
