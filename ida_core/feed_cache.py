"""Where converted recordings are kept: feed files named by what they were made from.

The folder is ``$IDA_CACHE_DIR``, else ``$XDG_CACHE_HOME/ida``, else ``~/.cache/ida``, and in it
``feeds/``. Everything there can be deleted at any time: it is made again from the recordings.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from ida_core.errors import DataError, OutputError
from ida_core.feed import Feed, FeedMeta, FeedWriter, read_meta

FOLDER_VARIABLE = "IDA_CACHE_DIR"


def cache_folder() -> Path:
    """The folder of converted recordings; it need not exist."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named) / "feeds"
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "ida" / "feeds"
    return Path.home() / ".cache" / "ida" / "feeds"


class CachedFeed(msgspec.Struct, frozen=True):
    """A file of the cache: ``bytes`` is its size, ``meta`` None when it cannot be read."""

    path: Path
    bytes: int
    meta: FeedMeta | None


def cached_feeds() -> Iterator[CachedFeed]:
    """What the cache holds, by file name; damaged files too, which are replaced when next
    needed."""
    folder = cache_folder()
    for path in sorted(folder.glob("*.feed")) if folder.is_dir() else ():
        try:
            meta = read_meta(path)
        except DataError:
            meta = None
        yield CachedFeed(path, path.stat().st_size, meta)


def open_cached(key: str, make: Callable[[FeedWriter], FeedMeta]) -> Feed:
    """The feed of this key, made first if it is not there or not sound.

    Args:
        key: names the content and everything that decides how it is converted; a part of a file
            name.
        make: writes the records and returns the description; what it raises goes through, and
            leaves no file.
    Raises:
        OutputError: neither the cache nor the folder for temporary files can be written to.
    """
    path = cache_folder() / f"{key}.feed"
    try:
        return Feed(path)
    except (OSError, DataError):
        pass
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = FeedWriter(path)
    except (OSError, OutputError) as error:
        return _open_temporary(key, make, str(error))
    with writer:
        return Feed(writer.finish(make(writer)))


def _open_temporary(key: str, make: Callable[[FeedWriter], FeedMeta], reason: str) -> Feed:
    note = (
        f"the cache {cache_folder()} cannot be written to ({reason}): the recording was converted "
        "for this once; set IDA_CACHE_DIR to a folder that can"
    )
    try:
        folder = tempfile.TemporaryDirectory(prefix="ida-")
    except OSError as error:
        raise OutputError(f"no folder for temporary files: {error.strerror}", code="IDA-E7220") from error
    with folder as name, FeedWriter(Path(name) / f"{key}.feed") as writer:
        return Feed(writer.finish(make(writer)), notes=(note,))
