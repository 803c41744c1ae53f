"""The page that leads to a first order does so, against the exchange's server; and nothing it writes holds a secret."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import ROOT, blocks, steps
from processes import IDA, PATIENCE_S, exchange

PAGE = ROOT / "docs" / "first-testnet-order.md"
PASSPHRASE = "a rather long word"
TAKES_URL = ("keys test", "doctor", "plan", "run")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a passphrase as systemd gives it: outside of what is searched for secrets."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "ida-passphrase").write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    monkeypatch.setenv("IDA_HOME", str(tmp_path / "work" / "home"))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def ida(folder: Path, words: list[str], given: str = "") -> tuple[int, str]:
    """Exit code, and what was printed; which is kept beside what the command wrote."""
    done = subprocess.run([IDA, *words], input=given, capture_output=True, text=True, cwd=folder, timeout=PATIENCE_S)
    with (folder / "printed.txt").open("a") as file:
        file.write(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def commands() -> Iterator[list[str]]:
    """The page's own, but for the server's."""
    for block in blocks(PAGE):
        if block.language == "sh":
            yield from (shlex.split(step.command)[1:] for step in steps(block))


def against(words: list[str], url: str) -> list[str]:
    """The page's words, for a server on this machine, and a key that it has already."""
    if words[:2] == ["keys", "add"]:
        assert words.pop() == "--generate"
        return [*words, "--stdin", "--passphrase", "credential"]
    words = ["6" if word == "60" else word for word in words]
    return [*words, "--binance-url", url] if " ".join(words).startswith(TAKES_URL) else words


def secrets_of(keys: list[dict[str, str]]) -> list[bytes]:
    """What must be found nowhere: secrets and their parts, API keys, the passphrase."""
    found = [PASSPHRASE.encode()]
    for key in keys:
        found.append(key["api_key"].encode())
        text = key.get("secret") or key["pem"]
        lines = re.sub(r"-----[^-]+-----", "", text).split()
        found += [line.encode() for line in lines if len(line) > 32]  # the last line may be a few letters
    return found


def holding(folder: Path, secrets: list[bytes]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"run.toml", "log.jsonl", "report.html", "main.json", "printed.txt"} <= {path.name for path in files}
    assert any(path.parent.name == "journal" for path in files)
    return [str(path) for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_the_page_leads_to_an_order_and_no_secret_is_left_lying_about(tmp_path: Path, at_home: Path) -> None:
    with exchange(tmp_path, "--symbol", "BTCUSDT") as server:
        keys = server.keys
        pair = next(key for key in keys if key["type"] == "ED25519")
        given = json.dumps({"api_key": pair["api_key"], "pem": pair.get("pem") or pair["secret"]})
        for words in commands():
            if words[0] == "exchange":
                continue
            code, said = ida(at_home, against(words, server.rest), given if words[1] == "add" else "")
            assert code == 0, said
    (run,) = (at_home / "testnet").glob("2*")
    orders = json.loads(ida(at_home, ["report", str(run), "--json"])[1])["orders"]
    assert orders["accepted"] > 0, orders
    assert orders["unknown"] == 0, orders
    assert holding(at_home, secrets_of(keys)) == []
    (at_home / "left.txt").write_text(f"x{pair['api_key']}x")
    assert holding(at_home, secrets_of(keys)) == [str(at_home / "left.txt")]


def findings(folder: Path, *words: str) -> tuple[int, dict[str, str]]:
    code, said = ida(folder, ["doctor", "--exchange", "binance-testnet", "--json", *words])
    document = json.loads(said)
    assert document["fit"] is (code == 0)
    rows = sorted(document["findings"], key=lambda finding: finding["status"] == "fail")
    return code, {finding["check"]: finding["status"] for finding in rows}


def test_the_doctor_tells_each_failure_by_itself(tmp_path: Path, at_home: Path) -> None:
    with exchange(tmp_path, "--symbol", "BTCUSDT") as server:
        code, found = findings(at_home, "--binance-url", server.rest)
        assert (code, found["account"], found["clock"], found["limits"]) == (6, "fail", "ok", "ok")
        hmac = next(key for key in server.keys if key["type"] == "HMAC")
        given = Path(os.environ["CREDENTIALS_DIRECTORY"]) / "ida-key-binance-testnet"
        given.write_text(json.dumps(hmac))
        code, found = findings(at_home, "--binance-url", server.rest)
        assert (code, found["account"], found["permissions"]) == (0, "ok", "ok")
        given.write_text(json.dumps(hmac | {"secret": "another"}))
        assert findings(at_home, "--binance-url", server.rest)[0] == 6
        sealed = at_home / "home" / "keys" / "binance-testnet" / "bad.json"
        sealed.parent.mkdir(parents=True)
        sealed.write_text("{")
        assert findings(at_home, "--binance-url", server.rest)[1]["files"] == "fail"
        url = server.rest
    code, found = findings(at_home, "--binance-url", url)
    assert (code, found["clock"], found["limits"], found["disk"]) == (6, "fail", "fail", "ok")
    sealed.unlink()
    assert findings(at_home, "--binance-url", url)[0] == 4
