"""``ida keys``: API keys sealed on this machine. What is secret is typed, or comes by stdin, and is never shown."""

from __future__ import annotations

import getpass
import sys
from typing import Any, NamedTuple

import click
import msgspec

from ida_binance.environments import DEMO, LIVE, TESTNET
from ida_core import terminal
from ida_core.cli import IdaCommand, IdaGroup
from ida_core.errors import AuthError, UsageError

SCHEMA = 1
KINDS = ("ed25519", "hmac", "rsa")
ENVIRONMENTS = (LIVE, TESTNET, DEMO)
_exchange = click.option("--exchange", type=click.Choice(ENVIRONMENTS), required=True, help="Whose key it is.")
_passphrase = click.option("--passphrase", default="", metavar="fd:N|credential|prompt",
                           help="Where it comes from, if not from the terminal.")
_stdin = click.option("--stdin", is_flag=True, help='Read {"api_key": ..., "secret" or "pem": ...} there.')


class _Typed(NamedTuple):
    api_key: str
    secret: str


@click.group("keys", cls=IdaGroup)
def keys() -> None:
    """Seal API keys on this machine, and look after them."""


@keys.command("add", cls=IdaCommand, examples=(
    "ida keys add main --exchange binance-testnet --generate",
    "ida keys add main --exchange binance-testnet --type hmac",
    "ida keys add main --exchange binance --stdin < key.json",
))
@click.argument("name")
@_exchange
@click.option("--type", "kind", type=click.Choice(KINDS), default="ed25519", show_default=True, help="Of key.")
@click.option("--generate", is_flag=True, help="Make an Ed25519 pair here: the private half never leaves.")
@_stdin
@_passphrase
def add(name: str, exchange: str, kind: str, generate: bool, stdin: bool, passphrase: str, as_json: bool) -> None:
    """Seal a key of an environment, under a name of your own.

    With --generate a pair is made and its public half shown: register it on the exchange's page of API keys, then type
    the API key that it gives. A sealed key is opened with a passphrase, which is written nowhere.
    """
    from ida_binance import key_store

    if generate and kind != "ed25519":
        raise UsageError(f"--generate makes ed25519 keys, not {kind}")
    typed = _typed(kind, generate, stdin)
    file = key_store.add(exchange, name, _kind(kind), typed.api_key, typed.secret, _new_passphrase(name, passphrase))
    if as_json:
        told = {"name": name, "exchange": exchange, "type": _kind(kind), "file": str(file)}
        terminal.print_json({"schema": SCHEMA, **told})
    else:
        click.echo(f"sealed: {name} of {exchange}, in {file}")


@keys.command("list", cls=IdaCommand, examples=("ida keys list", "ida keys list --json"))
def list_keys(as_json: bool) -> None:
    """Show what is sealed here; of an API key its ends alone."""
    from ida_binance import key_store

    rows: list[dict[str, Any]] = []
    for head in key_store.heads():
        if isinstance(head, AuthError):
            terminal.warn(str(head))
            continue
        rows.append({"name": head.name, "exchange": head.environment, "type": head.type, "api_key": head.shown,
                     "made": head.made})  # fmt: skip
    if as_json:
        terminal.print_json({"schema": SCHEMA, "keys": rows})
    elif rows:
        click.echo(terminal.table(tuple(rows[0]), [tuple(row.values()) for row in rows]))
    else:
        click.echo(f"no key is sealed in {key_store.folder()}")


@keys.command("remove", cls=IdaCommand, examples=("ida keys remove main --exchange binance-testnet",))
@click.argument("name")
@_exchange
def remove(name: str, exchange: str, as_json: bool) -> None:
    """Forget a sealed key. Withdraw it at the exchange too."""
    from ida_binance import key_store

    key_store.remove(exchange, name)
    if as_json:
        terminal.print_json({"schema": SCHEMA, "removed": name, "exchange": exchange})
    else:
        click.echo(f"removed: {name} of {exchange}; at the exchange it is as good as before")


@keys.command("test", cls=IdaCommand, examples=("ida keys test main --exchange binance-testnet",))
@click.argument("name", required=False, default="")
@_exchange
@_passphrase
@click.option("--binance-url", default="", metavar="URL", help="One base address in the place of the exchange's own.")
def test(name: str, exchange: str, passphrase: str, binance_url: str, as_json: bool) -> None:
    """Ask the exchange whether it takes the key, and what the key may do. Nothing is placed.

    NAME may be left out where there is one key of the environment. Exit code 6 if the exchange refuses it.
    """
    from ida_binance.key_sources import load_credentials
    from ida_binance.key_test import ask_about

    credentials = load_credentials(exchange, f"sealed:{name}" if name else "", passphrase)
    found = ask_about(exchange, binance_url, credentials)
    if as_json:
        terminal.print_json({"schema": SCHEMA, **msgspec.to_builtins(found)})
    else:
        click.echo(terminal.pairs([(word, _shown(value)) for word, value in msgspec.to_builtins(found).items()]))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return {True: "yes", False: "no", None: "not told"}.get(value, str(value))  # type: ignore[call-overload, no-any-return]


def _kind(word: str) -> Any:
    return word.upper()


def _typed(kind: str, generate: bool, stdin: bool) -> _Typed:
    if stdin:
        return _from_stdin(kind)
    if not sys.stdin.isatty():
        raise UsageError("the key is typed at a terminal, or comes by --stdin")
    secret = _generated() if generate else ""
    api_key = getpass.getpass("API key: ").strip()
    if generate:
        return _Typed(api_key, secret)
    if kind == "hmac":
        return _Typed(api_key, getpass.getpass("Secret: ").strip())
    click.echo("Private key (PEM), to its END line:", err=True)
    lines: list[str] = []
    while not (lines and lines[-1].startswith("-----END")):
        lines.append(getpass.getpass(""))
    return _Typed(api_key, "\n".join(lines) + "\n")


def _from_stdin(kind: str) -> _Typed:
    why = "--stdin: a JSON object with api_key, and secret (hmac) or pem (ed25519, rsa)"
    try:
        found = msgspec.json.decode(sys.stdin.buffer.read(1 << 16), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(why) from None
    secret = found.get("secret" if kind == "hmac" else "pem", "")
    if "api_key" not in found or not secret:
        raise UsageError(why)
    return _Typed(found["api_key"], secret)


def _generated() -> str:
    """A new private key; its public half is shown for the exchange."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    click.echo(f"Register this public key at the exchange:\n\n{public.decode()}", err=True)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _new_passphrase(name: str, source: str) -> str:
    from ida_binance.key_sources import read_passphrase

    if source and source != "prompt":
        return read_passphrase(name, source)
    if not sys.stdin.isatty():
        raise UsageError("the passphrase is typed at a terminal, or comes by --passphrase fd:N")
    first = getpass.getpass("A passphrase for it: ")
    if first != getpass.getpass("Once more: "):
        raise UsageError("the two passphrases differ; nothing was sealed")
    return first
