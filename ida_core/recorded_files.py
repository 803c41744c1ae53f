"""Which files a path means that names recorded data: itself, or a folder's, as a recorder leaves them there."""

import zlib
from collections.abc import Callable
from pathlib import Path

from ida_core.errors import DataError
from ida_core.feed import open_recording

HEAD_BYTES = 4096
_PACKED_BYTES = 1 << 16
_LONG_HEAD = 1 << 20


def recording_files(path: Path, recognises: Callable[[Path, bytes], bool]) -> tuple[list[Path], list[str]]:
    """The path itself; of a folder all files that are recognised, by name, which is a recorder's order in time.

    Args:
        recognises: asked of a folder's files, with their first bytes, decompressed.
    Returns:
        The files; a sentence on each file of a folder that was passed over.
    Raises:
        DataError: a folder that holds no recording, or cannot be read.
    """
    if not path.is_dir():
        return [path], []
    found, notes = [], []
    for file in _files_in(path):
        head = read_head(file, _LONG_HEAD)
        has_line = b"\n" in head or file.stat().st_size > _PACKED_BYTES
        if has_line and recognises(file, head[:HEAD_BYTES]):
            found.append(file)
        else:
            why = "is no recording" if has_line else "is empty: its recorder was stopped before a line was in it"
            notes.append(f"{file.name} was passed over: it {why}")
    if not found:
        raise DataError(f"{path}: a folder that holds no recording that is known", code="IDA-E7003")
    return found, notes


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}", code="IDA-E7011") from error


def read_head(path: Path, length: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file, decompressed, as far as they can be: its end may be torn.

    Raises:
        DataError: the file is not there, or cannot be read.
    """
    with open_recording(path) as file:
        packed = file.read(_PACKED_BYTES)
    return _unpacked(packed, length) if packed[:2] == b"\x1f\x8b" else packed[:length]


def _unpacked(packed: bytes, length: int) -> bytes:
    text = b""
    while packed and len(text) < length:
        member = zlib.decompressobj(31)
        try:
            text += member.decompress(packed, length - len(text))
        except zlib.error:
            break
        packed = member.unused_data
    return text
