"""A short run of the Python fuzzers (those in C have theirs in ``make ctest``); foreign runs before the commands."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ida_core.cli import cli

HERE = Path(__file__).parent
SESSION = (HERE.parent / "golden" / "run" / "session").read_bytes()


@pytest.mark.parametrize(("target", "runs"), [("config", 150), ("recording", 100), ("run", 40), ("requests", 1500),
                                             ("listener", 3000), ("replies", 1500), ("orders", 400)])
def test_hostile_input_is_an_answer_or_an_error_of_ours(target: str, runs: int) -> None:
    words = ["--fresh", "--seed", "1", "--runs", str(runs), f"{target}=tests/fuzz/fuzz_{target}.py"]
    done = subprocess.run(
        [sys.executable, str(HERE / "run.py"), *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{runs:,}" in done.stdout


def test_a_fault_is_kept_and_shown_again(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import python_driver\n"
        "def target(data): assert b'7' not in data\n"
        "python_driver.main(target, (), [b'7'])\n"
    )
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "one").write_bytes(b"1")
    words = [sys.executable, "-c", script, str(HERE), f"-artifact_prefix={tmp_path}/crash-"]
    for inputs in (["-runs=1000", str(tmp_path / "seeds")], None):
        inputs = inputs or [str(path) for path in tmp_path.glob("crash-*")]
        done = subprocess.run([*words, *inputs], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "Test unit written to" in done.stderr) == (1, True)


#: What stands in the journal, and what instead → what is told.
FOREIGN = {
    "another version": (b'"schema":1', b'"schema":2', "start note is not understood"),
    "no instruments": (b'"instruments":[', b'"instrument":[', "start note is not understood"),
    "a chain too many": (b'"chains":[0]', b'"chains":[0,1]', "1 instruments and 2 chains"),
    "a size beyond measure": (b'"tick_size":"0.5"', b'"tick_size":"5e99999999"', "tick_size of BTCUSDT is"),
    "a balance that is none": (b'"balances":{"BTC":["', b'"balances":{"BTC":["x', "start note is not understood"),
    "an order of no instrument": (
        b'"instrument":0,"order_id":"ida-1"', b'"instrument":7,"order_id":"ida-1"', "PlaceOrder of instrument 7"),
    "text that is none": (b'"order_id":"ida-1"', b'"order_id":"ida\xff1"', "is not understood"),
    "another time": (b'{"request":"place",', b'{"request":"place","ts_venue_ns":1,', "stands in a record of"),
    "an end of another kind": (b'"reason":"end of data"', b'"reason":[]', "end note is not"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_run_is_damaged_data_and_no_bug(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    import fuzz_run

    old, new, told = FOREIGN[name]
    assert old in SESSION
    fuzz_run.write(tmp_path, SESSION.replace(old, new))
    looks = {"report": [], "why": ["ida-1"], "compare": [str(tmp_path)], "replay": []}
    if name == "an end of another kind":
        del looks["replay"]  # comes to its end without that
    for look, more in looks.items():
        result = CliRunner().invoke(cli, [look, str(tmp_path), *more])
        assert (look, result.exit_code, told in result.stderr) == (look, 7, True), result.stderr
