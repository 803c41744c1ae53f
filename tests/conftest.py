"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


def _recordings() -> Path | None:
    """``IDA_DATA`` if it is set, else the nearest ``shared/data`` beside the checkout or above."""
    if named := os.environ.get("IDA_DATA"):
        return Path(named)
    beside = (parent / "shared" / "data" for parent in Path(__file__).resolve().parents)
    return next((folder for folder in beside if folder.is_dir()), None)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings, which are other people's and no part of this repository."""
    folder = _recordings()
    if folder is None or not folder.is_dir():
        pytest.skip("no recordings: set IDA_DATA to a folder of them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Recordings that tests convert go into no user's cache."""
    os.environ["IDA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
