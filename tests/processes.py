"""The real thing for tests of the whole: ``ida exchange`` in one process, ``ida run`` in another, sockets between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

IDA = Path(sys.executable).with_name("ida")
PATIENCE_S = 120.0


class Exchange:
    """A server that runs; ``log``: what it has said on stderr so far."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any], errors: Path) -> None:
        self.process = process
        self.rest: str = ready["rest"]
        self.ws: str = ready["ws"]
        self.control: str = ready["control"]
        self.keys: list[dict[str, str]] = ready["keys"]
        self._errors = errors
        self.http = httpx.Client(timeout=PATIENCE_S, trust_env=False)

    def fault(self, kind: str, **keys: Any) -> None:
        answer = self.http.post(f"{self.control}/faults", json={"kind": kind, **keys})
        assert answer.status_code == 201, answer.text

    def state(self) -> Any:
        return self.http.get(self.control).json()

    @property
    def log(self) -> str:
        return self._errors.read_text()


@contextmanager
def exchange(folder: Path, *words: str | Path) -> Iterator[Exchange]:
    """``ida exchange`` with these options, until the block ends; it must then end well."""
    errors = folder / "exchange.err"
    with errors.open("w") as err:
        process = subprocess.Popen(
            [IDA, "exchange", "--port", "0", "--json", *map(str, words)], stdout=subprocess.PIPE, stderr=err, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, errors.read_text()
        server = Exchange(process, json.loads(line), errors)
        with server.http:
            yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, errors.read_text()
    finally:
        process.kill()
        process.wait()


class Run:
    """``ida run`` that goes on beside the test. What it prints goes into files: nothing of it can block."""

    def __init__(self, folder: Path, words: tuple[str, ...], env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / "out.json", folder / "err.txt"
        self.runs = folder / "runs"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [IDA, "run", *([] if "--out" in words else ["--out", self.runs]), *words, "--json"],
                stdout=out, stderr=err, cwd=folder, env={**os.environ, **(env or {})})

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGTERM)

    def finished(self) -> tuple[int, dict[str, Any]]:
        """Exit code and document."""
        code = self.process.wait(PATIENCE_S)
        text = self._out.read_text()
        assert text, self.said
        return code, json.loads(text)

    @property
    def said(self) -> str:
        return self._err.read_text()


@contextmanager
def running(folder: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Run]:
    run = Run(folder, tuple(map(str, words)), env)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def until(condition: Any, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for ``condition()`` to be true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {patience_s:g} s"
        time.sleep(0.05)
