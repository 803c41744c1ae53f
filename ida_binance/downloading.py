"""Fetching files of the archive: several at a time, taken up where they were left, checked against their checksums.

A file lies below the folder as it does in the archive, its ``.CHECKSUM`` beside it. What is not whole yet is called
``.part``; the name without it means: whole, and the sum was right.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import httpx
import msgspec
import trio

from ida_binance.archive import ArchiveFile
from ida_core.errors import DataError, OutputError, VenueError, VenueUnavailable

AT_ONCE = 4
TRIES = 5
CONNECT_S, READ_S = 10.0, 30.0
#: The longest that a server may ask us to wait before a try.
MOST_WAIT_S = 60.0

State = Literal["kept", "downloaded", "resumed", "missing"]


class Fetched(msgspec.Struct, frozen=True):
    """What became of one file. ``kept``: it was there, and its sum is still the archive's; ``missing``: the archive
    has none."""

    file: ArchiveFile
    state: State
    path: Path
    bytes: int = 0
    sha256: str = ""


class _Passing(Exception):
    """A failure that another try may mend; ``after_s``: what the server asked for."""

    def __init__(self, text: str, after_s: float = 0.0) -> None:
        super().__init__(text)
        self.after_s = after_s


class _Restart(_Passing):
    """What was fetched so far is of no use."""


class Downloader:
    """Fetches files below ``folder``.

    Args:
        url: the archive's root.
        on_bytes: called with the file, the bytes it has so far and how many it will have (None: not told).
        pause_s: before the second try; doubled from try to try.
    """

    def __init__(
        self, folder: Path, url: str, on_bytes: Callable[[ArchiveFile, int, int | None], None],
        pause_s: float = 1.0,
    ) -> None:
        self._folder = folder
        self._url = url.rstrip("/")
        self._on_bytes = on_bytes
        self._pause_s = pause_s

    async def fetch(self, files: Sequence[ArchiveFile]) -> list[Fetched]:
        """All of them; a month that the archive does not have yet is fetched day by day.

        Raises:
            VenueUnavailable, VenueError: the archive did not answer, or not as it should, several times.
            DataError: a file is not what its checksum says, twice.
            OutputError: the folder cannot be written.
        """
        limiter = trio.CapacityLimiter(AT_ONCE)
        found: dict[int, list[Fetched]] = {}
        async with httpx.AsyncClient(timeout=httpx.Timeout(READ_S, connect=CONNECT_S), follow_redirects=True) as client:
            async def one(place: int, file: ArchiveFile) -> None:
                async with limiter:
                    found[place] = await self._fetch_or_days(client, file)

            async with trio.open_nursery() as nursery:
                for place, file in enumerate(files):
                    nursery.start_soon(one, place, file)
        return [fetched for place in sorted(found) for fetched in found[place]]

    async def _fetch_or_days(self, client: httpx.AsyncClient, file: ArchiveFile) -> list[Fetched]:
        fetched = await self._fetch(client, file)
        if fetched.state != "missing" or not file.is_month or file.series.interval == "1mo":
            return [fetched]
        days = [await self._fetch(client, day) for day in file.days()]
        return days if any(day.state != "missing" for day in days) else [fetched]

    async def _fetch(self, client: httpx.AsyncClient, file: ArchiveFile) -> Fetched:
        path = self._folder / file.path
        pause_s = self._pause_s
        wrong_sums = 0
        for attempt in range(1, TRIES + 1):
            try:
                return await self._try(client, file, path)
            except _Passing as error:
                wrong_sums += isinstance(error, _Restart)
                if wrong_sums == 2:
                    raise DataError(f"{file.path}: {error}, twice", code="IDA-E7041") from error
                if attempt == TRIES:
                    raise VenueUnavailable(
                        f"{self._url}/{file.path}: {error}; gave up after {TRIES} tries. What is here stays: the same "
                        "command goes on from there", code="IDA-E4150") from error
                await trio.sleep(min(max(pause_s, error.after_s), MOST_WAIT_S))
                pause_s *= 2
        raise AssertionError("unreachable")

    async def _try(self, client: httpx.AsyncClient, file: ArchiveFile, path: Path) -> Fetched:
        sum_text = await self._text(client, f"{self._url}/{file.path}.CHECKSUM")
        if sum_text is None:
            return Fetched(file, "missing", path)
        wanted = _sum_in(sum_text, file)
        if path.exists() and await trio.to_thread.run_sync(_sha256, path) == wanted:
            return Fetched(file, "kept", path, path.stat().st_size, wanted)
        part = path.with_name(f"{path.name}.part")
        state = await self._body(client, file, part)
        if state == "missing":
            return Fetched(file, "missing", path)
        is_sum = await trio.to_thread.run_sync(_sha256, part)
        if is_sum != wanted:
            part.unlink()
            raise _Restart(f"its SHA-256 is {is_sum}, its checksum file says {wanted}")
        try:
            path.with_name(f"{path.name}.CHECKSUM").write_text(sum_text, encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        return Fetched(file, state, path, path.stat().st_size, wanted)

    async def _text(self, client: httpx.AsyncClient, url: str) -> str | None:
        """None: the archive has no such file."""
        try:
            answer = await client.get(url)
        except httpx.HTTPError as error:
            raise _passing(url, error) from error
        if answer.status_code == 404:
            return None
        _check_status(url, answer)
        return answer.text

    async def _body(self, client: httpx.AsyncClient, file: ArchiveFile, part: Path) -> State:
        """Bring ``part`` to its full length."""
        url = f"{self._url}/{file.path}"
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        try:
            async with client.stream("GET", url, headers=headers) as answer:
                if answer.status_code == 404:
                    return "missing"
                if answer.status_code == 416:  # all of it is here already, or it is another file by now
                    return "resumed"
                _check_status(url, answer)
                resumed = answer.status_code == 206 and _begins_at(answer, have)
                await self._write(file, answer, part, have if resumed else 0)
                return "resumed" if resumed else "downloaded"
        except httpx.HTTPError as error:
            raise _passing(url, error) from error

    async def _write(self, file: ArchiveFile, answer: httpx.Response, part: Path, have: int) -> None:
        told = answer.headers.get("Content-Length", "")
        total = have + int(told) if told.isdigit() else None
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab" if have else "wb") as out:
                async for piece in answer.aiter_raw():
                    out.write(piece)
                    have += len(piece)
                    self._on_bytes(file, have, total)
        except OSError as error:
            raise _unwritable(part, error) from error


def _check_status(url: str, answer: httpx.Response) -> None:
    """What is neither there nor missing: try again, or give up at once."""
    status = answer.status_code
    if status in (200, 206):
        return
    if status >= 500 or status in (408, 425, 429):
        after = answer.headers.get("Retry-After", "")
        raise _Passing(f"HTTP {status}", float(after) if after.isdigit() else 0.0)
    raise VenueError(f"{url}: HTTP {status}, where a file or 404 was expected: is this the archive?", code="IDA-E4120")


def _passing(url: str, error: httpx.HTTPError) -> Exception:
    if isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects):
        return VenueError(f"{url}: {error}", code="IDA-E4120")
    if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
        return VenueUnavailable(f"{url}: {error}", code="IDA-E4150")
    return _Passing(str(error) or type(error).__name__)


def _begins_at(answer: httpx.Response, have: int) -> bool:
    return bool(re.match(rf"bytes {have}-", answer.headers.get("Content-Range", "")))


def _sum_in(text: str, file: ArchiveFile) -> str:
    found = re.match(r"\s*([0-9a-fA-F]{64})\b", text)
    if found is None:
        raise _Restart(f"its checksum file holds no SHA-256 but {text[:60]!r}")
    return found[1].lower()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}; --out DIR names another folder")
