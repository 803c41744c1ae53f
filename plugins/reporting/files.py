"""Files appear whole or not at all."""

import os
from pathlib import Path

from ida_core import OutputError


def write_whole(target: Path, text: str) -> Path:
    """Write ``text`` beside ``target``, then put it in its place; returns ``target``.

    Raises:
        OutputError: the folder cannot be written, or the disk is full. What was there before stays.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"{target} cannot be written: {error.strerror}", code="IDA-E7230") from error
    return target
