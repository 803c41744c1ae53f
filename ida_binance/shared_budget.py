"""A budget that several processes of one address keep together: a small file that each maps, and a lock on it.

What is counted is counted for all of them, pauses and bans too; orders by account. Whoever is killed holds up nobody:
the system takes its lock away. A file that cannot be read as it should be counts as one where nothing is known.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

from ida_binance.budget import DEFAULT_LIMITS, Budget, Cell, Counted
from ida_binance.environments import owner
from ida_binance.instruments import RateLimit
from ida_core.errors import OutputError

_MAGIC = b"IDAB1\0\0\0"
#: Magic, CRC-32 of all that follows, pause and ban (the exchange's time, ns), how many rows.
_HEAD = struct.Struct("<8sIqqI")
#: What is counted, seconds, whose (0: the address's), number of the window, used, ahead.
_ROW = struct.Struct("<IIQqqq")
_MOST_ROWS = 64
_BYTES = _HEAD.size + _MOST_ROWS * _ROW.size
_TRIES, _TRY_S = 50, 0.0002
_Key = tuple[int, int, int]


def budget_for(base: str, share: bool) -> Budget:
    """The budget for an address of REST: shared where it is the exchange's own, and that is wanted.

    Raises:
        OutputError: there is no place to share it.
    """
    if not share or owner(urlsplit(base).hostname or "") is None:
        return Budget()
    return SharedBudget(segment_path(base))


def segment_path(base: str) -> Path:
    """Where processes of this user meet for an exchange: in its runtime folder, by the address that is asked.

    >>> segment_path("https://api.binance.com").name
    'budget-0872039be1fd17ed.ida'
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "ida" if runtime else Path(gettempdir()) / f"ida-{os.getuid()}"
    return folder / f"budget-{hashlib.sha256(base.encode()).hexdigest()[:16]}.ida"


class SharedBudget(Budget):
    """A ``Budget`` whose counts all who name the same file share.

    Args:
        path: of the file; made where it is not there, for this user alone.
    Raises:
        OutputError: the file cannot be made, or is somebody else's.
    """

    def __init__(self, path: Path, limits: Iterable[RateLimit] = DEFAULT_LIMITS) -> None:
        self._file = -1
        self._depth = self._account = 0
        self._others: dict[_Key, Cell] = {}
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            for user in (os.fstat(self._file).st_uid, path.parent.stat().st_uid):
                if user != os.getuid():
                    raise PermissionError(f"it belongs to user {user}")
            if os.fstat(self._file).st_size < _BYTES:
                os.ftruncate(self._file, _BYTES)
            self._map = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            self.close()
            raise OutputError(
                f"the budget that processes of this address share cannot be kept in {path}: {error}; "
                "share_budget = false does without") from error
        super().__init__(limits)

    def close(self) -> None:
        """Let go of the file; the counts in it stay for the others."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def of_account(self, fingerprint: str) -> None:
        with self._held(0):
            for key in [key for key in self._cells if key[0] is Counted.ORDERS]:
                del self._cells[key]
            self._account = int.from_bytes(hashlib.sha256(fingerprint.encode()).digest()[:8], "little")

    def _held(self, now_ns: int) -> AbstractContextManager[object]:
        return self._shared(now_ns)

    @contextmanager
    def _shared(self, now_ns: int) -> Iterator[None]:
        if self._depth or self._file < 0 or not self._lock():
            yield
            return
        self._depth += 1
        try:
            self._load()
            yield
            self._save(now_ns)
        finally:
            self._depth -= 1
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        """Nobody holds it for longer than some microseconds; who was stopped in between is not waited for."""
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_TRY_S)
            else:
                return True
        return False

    def _load(self) -> None:
        magic, crc, paused_ns, banned_ns, rows = _HEAD.unpack_from(self._map)
        end = _HEAD.size + rows * _ROW.size
        if magic != _MAGIC or rows > _MOST_ROWS or crc != zlib.crc32(self._map[12:end]):
            return  # new, or damaged: what is known here is what there is
        self.paused_until_ns = max(self.paused_until_ns, paused_ns - self.offset_ns) if paused_ns else 0
        self.banned_until_ns = max(self.banned_until_ns, banned_ns - self.offset_ns) if banned_ns else 0
        self._others.clear()
        for counted, seconds, whose, number, used, ahead in _ROW.iter_unpack(self._map[_HEAD.size : end]):
            cell = Cell(number, used, ahead)
            mine = counted in _COUNTED and whose == (self._account if counted == Counted.ORDERS else 0)
            if mine:
                self._cells[Counted(counted), seconds] = cell
            else:
                self._others[counted, seconds, whose] = cell

    def _save(self, now_ns: int) -> None:
        rows = dict(self._others)
        for (counted, seconds), cell in self._cells.items():
            rows[int(counted), seconds, self._account if counted is Counted.ORDERS else 0] = cell
        current = [_ROW.pack(*key, cell.number, cell.used, cell.ahead) for key, cell in rows.items()
                   if cell.number >= self._number(key[1], now_ns) - 1][:_MOST_ROWS]  # fmt: skip
        ends = self.paused_until_ns, self.banned_until_ns
        times = [end + self.offset_ns if end > now_ns else 0 for end in ends]
        body = struct.pack("<qqI", *times, len(current)) + b"".join(current)
        self._map[: 12 + len(body)] = _MAGIC + struct.pack("<I", zlib.crc32(body)) + body

    def _lowered(self, ours: int, theirs: int, seconds: int) -> int:
        """Orders that other processes have on their way are not known: they are within what ten seconds may bring."""
        most = min((w.limit for w in self._of(Counted.ORDERS)), default=0)
        return max(theirs, min(ours, theirs + most))


_COUNTED = frozenset(map(int, Counted))
