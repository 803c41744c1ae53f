"""Sealed keys: what goes in comes out to who knows the passphrase, and to nobody else; no command shows a secret."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ida_binance import key_store
from ida_binance.credentials import Kind
from ida_binance.key_sources import load_credentials
from ida_binance.permissions import Permissions, admit_key
from ida_core.errors import AuthError

IDA = Path(sys.executable).with_name("ida")
API_KEY, SECRET, PASSPHRASE = "A" * 60 + "zzzz", "hush-hush-hush-hush", "correct horse"
TESTNET, LIVE = "binance-testnet", "binance"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IDA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path / "home"


def pem() -> str:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(("kind", "secret"), [("HMAC", SECRET), ("ED25519", pem())])
def test_a_sealed_key_signs_as_before(kind: Kind, secret: str) -> None:
    file = key_store.add(TESTNET, "main", kind, API_KEY, secret, PASSPHRASE)
    opened = key_store.open_key(TESTNET, "main", PASSPHRASE)
    assert (opened.kind, opened.api_key) == (kind, API_KEY)
    assert opened.sign(b"a=1") == load_from(file.parent, kind, secret).sign(b"a=1")
    text = file.read_text()
    assert SECRET not in text
    assert API_KEY not in text
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert file.parents[1].stat().st_mode & 0o777 == 0o700


def load_from(folder: Path, kind: str, secret: str) -> Any:
    number = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    os.write(number, json.dumps(
        {"type": kind, "api_key": API_KEY, "secret" if kind == "HMAC" else "pem": secret}).encode())
    os.lseek(number, 0, os.SEEK_SET)
    try:
        return load_credentials(TESTNET, f"fd:{number}")
    finally:
        os.close(number)


def test_another_passphrase_opens_nothing() -> None:
    key_store.add(TESTNET, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper(), "x" * 10_000):
        with pytest.raises(AuthError, match="not its passphrase") as refused:
            key_store.open_key(TESTNET, "main", wrong)
        assert refused.value.code == "IDA-E6005"


def test_damage_is_told_from_a_wrong_passphrase() -> None:
    file = key_store.add(TESTNET, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    whole = file.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 3):
        file.write_bytes(whole[:cut])
        with pytest.raises(AuthError, match="damaged"):
            key_store.open_key(TESTNET, "main", PASSPHRASE)
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        if whole[at : at + 1].isspace():
            continue
        with pytest.raises(AuthError) as refused:
            key_store.open_key(TESTNET, "main", PASSPHRASE)
        assert refused.value.code == "IDA-E6006", at


def test_the_plain_part_is_sealed_too() -> None:
    """Whoever moves a key to another environment, and sums it up anew, has no key of that environment."""
    file = key_store.add(TESTNET, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    found = json.loads(file.read_text())
    found["head"]["environment"] = LIVE
    head = msgspec.convert(found["head"], key_store.Head)
    found["sum"] = key_store._sum(head, found["sealed"])
    moved = key_store.path_of(LIVE, "main")
    moved.parent.mkdir(parents=True)
    moved.write_text(json.dumps(found))
    moved.chmod(0o600)
    with pytest.raises(AuthError, match="not its passphrase"):
        key_store.open_key(LIVE, "main", PASSPHRASE)
    moved.write_text(file.read_text())
    with pytest.raises(AuthError, match="environments never share keys"):
        key_store.open_key(LIVE, "main", PASSPHRASE)


def test_a_key_that_others_can_read_is_not_used() -> None:
    file = key_store.add(TESTNET, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    file.chmod(0o644)
    with pytest.raises(AuthError, match="others may read it"):
        key_store.open_key(TESTNET, "main", PASSPHRASE)


@pytest.mark.parametrize(("name", "kind", "secret", "passphrase", "words"), [
    ("../x", "HMAC", SECRET, PASSPHRASE, "key name"), ("main", "HMAC", SECRET, "short", "at least 8"),
    ("main", "ED25519", "no pem", PASSPHRASE, "cannot be read"), ("", "HMAC", SECRET, PASSPHRASE, "key name"),
])
def test_what_cannot_be_sealed(name: str, kind: Kind, secret: str, passphrase: str, words: str) -> None:
    with pytest.raises(AuthError, match=words) as refused:
        key_store.add(TESTNET, name, kind, API_KEY, secret, passphrase)
    assert secret not in str(refused.value)
    assert list(key_store.heads()) == []


def test_a_key_is_not_written_over() -> None:
    key_store.add(TESTNET, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    with pytest.raises(AuthError, match="already"):
        key_store.add(TESTNET, "main", "HMAC", "B" * 64, "other", PASSPHRASE)
    assert key_store.open_key(TESTNET, "main", PASSPHRASE).api_key == API_KEY


# --- where it comes from --------------------------------------------------------------------------


def test_real_money_takes_a_sealed_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"ida-key-{LIVE}").write_text(json.dumps({"type": "HMAC", "api_key": API_KEY, "secret": SECRET}))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_credentials(LIVE).api_key == API_KEY
    for key in ("", "credential", "fd:0", "keyring:x"):
        with pytest.raises(AuthError, match="takes a sealed key") as refused:
            load_credentials(LIVE, key, sealed=True)
        assert refused.value.code == "IDA-E6002"
    (tmp_path / "ida-passphrase").write_text(PASSPHRASE + "\n")
    key_store.add(LIVE, "main", "HMAC", API_KEY, SECRET, PASSPHRASE)
    assert load_credentials(LIVE, sealed=True).api_key == API_KEY


def test_one_of_several_must_be_named() -> None:
    for name in ("one", "two"):
        key_store.add(TESTNET, name, "HMAC", API_KEY, SECRET, PASSPHRASE)
    with pytest.raises(AuthError, match="one, two"):
        load_credentials(TESTNET)
    with pytest.raises(AuthError, match="there is no key three of binance-testnet; there are: one, two"):
        key_store.open_key(TESTNET, "three", PASSPHRASE)


def test_without_a_key_it_is_said_what_to_do() -> None:
    with pytest.raises(AuthError, match="ida keys add NAME --exchange binance-testnet") as refused:
        load_credentials(TESTNET)
    assert (refused.value.code, refused.value.exit_code) == ("IDA-E6001", 6)


@pytest.mark.parametrize("source", [
    "fd:", "fd:x", "fd:99999", "keyring", "keyring:x", "sealed:../../x", "sealed:", "file:x", "credential:a/b"])
def test_sources_that_are_none(source: str) -> None:
    with pytest.raises(AuthError):
        load_credentials(TESTNET, source)


@pytest.mark.parametrize(("found", "allowed", "words"), [
    (Permissions(True, False, True), {}, ""), (Permissions(True, True, True), {}, "it can withdraw"),
    (Permissions(True, None, True), {}, "it can withdraw"), (Permissions(True, False, False), {}, "from any address"),
    (Permissions(False, False, True), {}, "may not trade"), (Permissions(True, True, True), {"withdrawals": True}, ""),
    (Permissions(True, False, None), {"any_ip": True}, ""),
    (Permissions(False, True, False), {"withdrawals": True, "any_ip": True}, "may not trade"),
])
def test_permissions_for_real_money(found: Permissions, allowed: dict[str, bool], words: str) -> None:
    wishes = {"withdrawals": False, "any_ip": False, **allowed}
    admit_key(TESTNET, found, **wishes)
    if not words:
        admit_key(LIVE, found, **wishes)
        return
    with pytest.raises(AuthError, match=words) as refused:
        admit_key(LIVE, found, **wishes)
    assert refused.value.code == "IDA-E6007"


# --- the commands ---------------------------------------------------------------------------------


def ida(*words: str, given: str = "", passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    read, write = os.pipe()
    os.write(write, passphrase.encode() + b"\n")
    os.close(write)
    try:
        return subprocess.run(
            [IDA, "keys", *(word.replace("FD", str(read)) for word in words)], input=given, capture_output=True,
            text=True, pass_fds=(read,), timeout=60)
    finally:
        os.close(read)


def test_add_list_and_remove(tmp_path: Path) -> None:
    given = json.dumps({"api_key": API_KEY, "secret": SECRET})
    named = ("main", "--exchange", TESTNET)
    added = ida("add", *named, "--type", "hmac", "--stdin", "--passphrase", "fd:FD", "--json", given=given)
    assert (added.returncode, json.loads(added.stdout)["type"]) == (0, "HMAC")
    listed = ida("list", "--json")
    assert [(key["name"], key["api_key"]) for key in json.loads(listed.stdout)["keys"]] == [("main", "AAAA...zzzz")]
    again = ida("add", *named, "--type", "hmac", "--stdin", "--passphrase", "fd:FD", given=given)
    assert (again.returncode, "IDA-E6003" in again.stderr) == (6, True)
    wrong = ida("test", "--exchange", TESTNET, "--passphrase", "fd:FD", passphrase="wrong horse")
    assert (wrong.returncode, "IDA-E6005" in wrong.stderr) == (6, True)
    for _ in range(2):
        removed = ida("remove", *named)
    assert (removed.returncode, "IDA-E6001" in removed.stderr) == (6, True)
    for done in (added, listed, again, wrong, removed):
        assert SECRET not in done.stdout + done.stderr
        assert API_KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("given", ["", "{", "[]", '{"api_key": "x"}', '{"api_key": 7, "secret": "x"}', "\udcff"])
def test_what_is_no_key_is_refused(given: str) -> None:
    done = ida("add", "main", "--exchange", TESTNET, "--type", "hmac", "--stdin", "--passphrase", "fd:FD",
               given=given.encode("utf-8", "replace").decode())
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert list(key_store.heads()) == []


def typed(words: Sequence[str], answers: Sequence[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """At a terminal: each answer once its prompt has been shown."""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(IDA, [str(IDA), "keys", *words])
    shown, deadline = b"", time.monotonic() + 60
    for prompt, answer in (*answers, (b"\0", b"")):
        while prompt not in shown and time.monotonic() < deadline:
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                break
        if answer:
            os.write(terminal, answer + b"\n")
            shown = shown.replace(prompt, b"", 1)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def test_a_pair_is_made_here_and_its_private_half_is_not_shown() -> None:
    secret = PASSPHRASE.encode()
    code, shown = typed(["add", "main", "--exchange", TESTNET, "--generate"], [
        (b"API key: ", API_KEY.encode()), (b"passphrase for it: ", secret), (b"Once more: ", secret)])
    assert code == 0, shown
    assert b"PRIVATE" not in shown
    assert API_KEY.encode() not in shown
    opened = key_store.open_key(TESTNET, "main", PASSPHRASE)
    begin = shown.index(b"-----BEGIN PUBLIC KEY-----")
    end = shown.index(b"-----END PUBLIC KEY-----") + len(b"-----END PUBLIC KEY-----")
    public: Any = serialization.load_pem_public_key(shown[begin:end].replace(b"\r\n", b"\n") + b"\n")
    public.verify(base64.b64decode(opened.sign(b"a=1")), b"a=1")


def test_a_passphrase_that_is_typed_otherwise_seals_nothing() -> None:
    code, shown = typed(["add", "main", "--exchange", TESTNET, "--type", "hmac"], [
        (b"API key: ", API_KEY.encode()), (b"Secret: ", SECRET.encode()),
        (b"passphrase for it: ", b"one two three"), (b"Once more: ", b"one two threw")])
    assert (code, list(key_store.heads())) == (2, [])
    assert SECRET.encode() not in shown
