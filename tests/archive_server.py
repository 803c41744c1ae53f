"""A server with archive files on loopback: Starlette's own files with ranges, on Hypercorn, in a thread of its own."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypercorn
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles


class Archive:
    """Files below ``folder`` as the archive lays them out, and what its server is to do wrong.

    ``cut_after``: the next answer with a body of more bytes ends there; ``failures``: so many answers are 503.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.cut_after: int | None = None
        self.failures = 0
        folder.mkdir(parents=True)
        self._files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])

    def put(self, path: str, content: bytes) -> Path:
        """A file with its checksum beside it."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        file.with_name(f"{file.name}.CHECKSUM").write_text(f"{digest}  {file.name}\n")
        return file

    def put_csv(self, path: str, text: str) -> Path:
        stem = Path(path).stem
        file = self.folder / "scratch.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr(zipfile.ZipInfo(f"{stem}.csv"), text)
        content = file.read_bytes()
        file.unlink()
        return self.put(path, content)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._files(scope, receive, send)
            return
        headers = dict(scope["headers"])
        self.asked.append((scope["path"], headers.get(b"range", b"").decode()))
        if self.failures:
            self.failures -= 1
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"0")]})
            await send({"type": "http.response.body", "body": b"busy"})
            return
        left = self.cut_after

        async def cutting(message: Any) -> None:
            nonlocal left
            body = message.get("body", b"")
            if left is None or len(body) <= left:
                await send(message)
                return
            self.cut_after = None
            await send({**message, "body": body[:left], "more_body": True})
            raise ConnectionAbortedError("as asked")

        await self._files(scope, receive, cutting)


@contextmanager
def serving(folder: Path) -> Iterator[Archive]:
    """The server, until the block ends."""
    archive = Archive(folder)
    ready, stop = threading.Event(), trio.Event()
    token: list[Any] = []

    async def serve() -> None:
        config = hypercorn.Config()
        config.bind = ["127.0.0.1:0"]
        config.errorlog = None
        token.append(trio.lowlevel.current_trio_token())
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(hypercorn.trio.serve, archive, config)
            archive.url = bound[0]
            ready.set()
            await stop.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    try:
        yield archive
    finally:
        token[0].run_sync_soon(stop.set)
        thread.join(20)
