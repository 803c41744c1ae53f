"""An account at ``ida exchange`` as a client of its own sees it: signed REST, knowing no more than the documents."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx


class Account:
    """Asks for what the exchange has of an account, and may trade on it as somebody else would."""

    def __init__(self, rest: str, keys: Sequence[Mapping[str, str]]) -> None:
        key = next(key for key in keys if key["type"] == "HMAC")
        self._key, self._secret = key["api_key"], key["secret"]
        self._http = httpx.Client(base_url=rest, timeout=30.0, trust_env=False)

    def ask(self, verb: str, path: str, **parameters: Any) -> Any:
        """The answer's JSON, errors too."""
        query = urlencode({**parameters, "timestamp": int(time.time() * 1000), "recvWindow": 60_000})
        signature = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"/api/v3/{path}?{query}&signature={signature}"
        return self._http.request(verb, url, headers={"X-MBX-APIKEY": self._key}).json()

    def trades(self, symbol: str) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            start = found[-1]["id"] + 1 if found else 0
            page = self.ask("GET", "myTrades", symbol=symbol, fromId=start, limit=1000)
            assert isinstance(page, list), page
            found += page
            if len(page) < 1000:
                return found

    def orders(self, symbol: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            start = found[-1]["orderId"] + 1 if found else 1
            page = self.ask("GET", "allOrders", symbol=symbol, orderId=start, limit=1000)
            assert isinstance(page, list), page
            found += page
            if len(page) < 1000:
                return found

    def balances(self) -> dict[str, Decimal]:
        """Asset → free + locked, those that are not 0."""
        rows = self.ask("GET", "account")["balances"]
        found = {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in rows}
        return {asset: amount for asset, amount in found.items() if amount}

    def close(self) -> None:
        self._http.close()


def credentials_folder(folder: Path, environment: str, key: Mapping[str, str]) -> Path:
    """A folder as a service manager makes it, with the key that ``ida run`` takes: for ``CREDENTIALS_DIRECTORY``."""
    folder.mkdir(parents=True, exist_ok=True)
    half = "secret" if key["type"] == "HMAC" else "pem"
    text = json.dumps({"type": key["type"], "api_key": key["api_key"], half: key["secret"]})
    file = folder / f"ida-key-{environment}"
    file.write_text(text)
    file.chmod(0o600)
    return folder
