"""Where Ida keeps what belongs to its user and to no run: sealed keys, and what tokens are signed with."""

from __future__ import annotations

import os
from pathlib import Path

from ida_core.errors import ConfigError


def home() -> Path:
    """``$IDA_HOME``, else ``ida`` in ``$XDG_CONFIG_HOME``, else ``~/.config/ida``; it need not be there yet.

    Raises:
        ConfigError: none of them is told, and there is no home directory.
    """
    if named := os.environ.get("IDA_HOME"):
        return Path(named)
    if base := os.environ.get("XDG_CONFIG_HOME"):
        return Path(base) / "ida"
    try:
        return Path.home() / ".config" / "ida"
    except RuntimeError as error:
        raise ConfigError("no home directory is known: set IDA_HOME to a folder of your own") from error


def write_private(file: Path, data: bytes) -> None:
    """Write a file that its owner alone can read (0600, in folders of 0700): whole, or not at all.

    Raises:
        OSError: it cannot be written.
    """
    for folder in (*reversed(file.parent.parents), file.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
