"""The page of benchmarks says what was measured, what falls short and what could not be measured."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from documents import ROOT


def load(name: str) -> ModuleType:
    """A program of tests/bench, which is no package."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", ROOT / "tests" / "bench" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench() -> ModuleType:
    return load("run")


def figure(key: str, median: float, unit: str = "times as fast") -> dict[str, Any]:
    return {"what": f"the figure of {key}", "unit": unit, "median": median, "least": median / 2, "most": median * 2,
            "rounds": 7, "key": key, "note": "a note"}  # fmt: skip


def line_with(words: str, text: str) -> str:
    found = [line for line in text.splitlines() if words in line]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("must", "aim", "most", "value", "verdict"),
    [
        (5, None, False, 5, "holds"),
        (5, None, False, 4.99, "**falls short**"),
        (5, 10, False, 7, "**short of the aim**"),
        (5, 10, False, 10, "reaches the aim"),
        (None, 5, False, 1, "**short of the aim**"),
        (1.5, 0.7, True, 1.6, "**falls short**"),
        (1.5, 0.7, True, 0.7, "reaches the aim"),
    ],
)
def test_a_figure_is_judged(
    bench: ModuleType, must: float | None, aim: float | None, most: bool, value: float, verdict: str
) -> None:
    assert bench.Budget("path", must, aim, most).verdict(value) == verdict


def test_each_budget_is_told_by_a_benchmark(bench: ModuleType) -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in bench.HERE.glob("bench_*.py"))
    made_of_parts = {"decode_apply_ratio", "decode_apply_gbs", "tick_to_decision_p50", "tick_to_decision_p99",
                     *(f"live_{one}" for one in ("core", "lost", "memory", "four_paced", "four_burst")),
                     *(f"order_{one}_{quantile}" for one in ("out", "ack") for quantile in ("p50", "p99"))}  # fmt: skip
    assert [key for key in bench.BUDGETS if f'"{key}"' not in told and key not in made_of_parts] == []


def test_the_page_holds_figures_against_budgets(bench: ModuleType) -> None:
    figures = [{"programs": "peer 1.2"}, figure("peer_rows", 4.2), figure("version", 0.2, "s"), figure("", 3, "ns")]
    text = bench.page({"bench_peers.py": figures}, (0.5, 1.25))
    assert "load average 0.5 when the run began, 1.2 when it ended" in text
    assert "peer 1.2" in line_with("| versions |", text)
    assert line_with(bench.BUDGETS["peer_rows"].path, text).endswith(
        "| 4.2 times as fast | must be ≥ 5, aim ≥ 10 | **falls short** |")
    assert line_with(bench.BUDGETS["version"].path, text).endswith("| **short of the aim** |")
    assert line_with("the figure of peer_rows", text) == (
        "| the figure of peer_rows | 4.2 times as fast | 2.1 … 8.4 | 7 | a note |")
    assert "    python tests/bench/bench_peers.py" in text


def test_a_peer_that_is_not_there_is_named(bench: ModuleType) -> None:
    missing = {"what": "beside peer==1.2", "missing": "peer==1.2 needs Python 3.99", "keys": ["peer_calls_nautilus"]}
    text = bench.page({"bench_peers.py": [missing]}, (0, 0))
    told = line_with(bench.BUDGETS["peer_calls_nautilus"].path, text)
    assert "not measured: peer==1.2 needs Python 3.99" in told
    assert told.endswith("| **not measured** |")
    assert "| not measured |" in line_with("beside peer==1.2", text)


def test_what_never_ran_is_not_measured(bench: ModuleType) -> None:
    told = bench.budget_table([])
    assert told.count("**not measured**") == len(bench.BUDGETS)


@pytest.fixture
def scripts(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of benchmarks of our own; the page goes there too."""
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    return tmp_path


def write(folder: Path, name: str, *lines: dict[str, Any], end: str = "") -> None:
    told = "\n".join(f"print({json.dumps(line)!r})" for line in lines)
    (folder / f"bench_{name}.py").write_text(f'"""About {name}."""\n{told}\n{end}\n', encoding="utf-8")


def test_all_that_ran_is_written_down(bench: ModuleType, scripts: Path) -> None:
    write(scripts, "one", figure("version", 0.1, "s"))
    write(scripts, "two", {"what": "beside a peer", "missing": "no pip", "keys": []})
    assert bench.main([]) == 0
    text = (scripts / "page.md").read_text(encoding="utf-8")
    assert "## bench_one\n\nAbout one." in text
    assert "no pip" in text


def test_a_benchmark_that_fails_fails_all(bench: ModuleType, scripts: Path) -> None:
    write(scripts, "one", figure("version", 0.1, "s"))
    write(scripts, "two", figure("demo", 1, "s"), end="raise SystemExit(3)")
    assert bench.main([]) == 1
    assert bench.main(["one"]) == 0
    assert not (scripts / "page.md").exists()


PROGRAM = """
import json, sys
print(json.dumps({"programs": "peer 1.2"}), flush=True)
for line in sys.stdin:
    if line.strip() == "end":
        sys.exit(9)
    print(json.dumps({"seconds": len(line.strip())}), flush=True)
"""


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With one peer, which is this Python itself."""
    module = load("peers")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "installed.txt").write_text("peer==1.2", encoding="utf-8")
    (tmp_path / "peer" / "bin").mkdir()
    (tmp_path / "peer" / "bin" / "python").symlink_to(sys.executable)
    known = {"peer": module.Peer("peer==1.2"), "future": module.Peer("future==1", (3, 99))}
    monkeypatch.setattr(module, "PEERS", known)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def test_a_peers_program_answers_each_word(peers: ModuleType) -> None:
    with peers.Worker("peer", "program.py") as worker:
        assert worker.hello == {"programs": "peer 1.2"}
        assert worker.ask("four") == {"seconds": 4}
        assert worker.ask("fifth") == {"seconds": 5}


def test_a_peers_program_that_ends_is_told(peers: ModuleType) -> None:
    with peers.Worker("peer", "program.py") as worker:
        with pytest.raises(peers.PeerMissing, match=r"peer==1\.2 ended with exit code 9"):
            worker.ask("end")
        with pytest.raises(peers.PeerMissing, match="exit code 9"):
            worker.ask("again")


def test_a_peer_for_a_python_that_is_not_here_is_told(peers: ModuleType) -> None:
    with pytest.raises(peers.PeerMissing, match=r"future==1 needs Python 3\.99"):
        peers.python_of("future")
