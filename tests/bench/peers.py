"""The peers that Ida is compared with: each in an environment of its own under ``build/peers``, made once.

    python tests/bench/peers.py [NAME ...]

makes the environments (all, if none is named) and says where they are.
"""

import contextlib
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "peers"
#: Exchange and recorder clocks were about a minute apart: the converter takes that off and has to be told how long the
#: fastest message travelled.
BASE_LATENCY_NS = 1_000_000


class PeerMissing(Exception):
    """A peer cannot be installed here; the text says which and why."""


class Peer(NamedTuple):
    """What pip is asked for, exactly, and the lowest Python that it accepts."""

    requirement: str
    python: tuple[int, int] = (3, 11)


PEERS = {
    "hftbacktest": Peer("hftbacktest==2.4.4"),
    "nautilus": Peer("nautilus_trader==1.231.0", (3, 12)),
    "nautilus2": Peer("nautilus_trader==2.0.0rc7", (3, 13)),
    "picows": Peer("picows==2.3.1 msgspec==0.22.0 sortedcontainers==2.4.0"),
}
#: Clients of Binance that others wrote, which tests have talk to ours; no part of the bench.
STRANGERS = {
    "sdk": Peer("binance-sdk-spot==13.2.0"),
    "python_binance": Peer("python-binance==1.0.37"),
    "ccxt_pro": Peer("ccxt==4.5.90"),
}


def python_of(name: str) -> Path:
    """The interpreter of the peer's environment, which is made if it is not there or has another version.

    Raises:
        PeerMissing: no fitting Python here, or pip cannot install it.
    """
    peer, folder = (PEERS | STRANGERS)[name], FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == peer.requirement:
        return python
    print(f"installing {peer.requirement} into {folder}", file=sys.stderr, flush=True)
    run([interpreter(peer), "-m", "venv", "--clear", folder], f"{folder} cannot be made")
    words = peer.requirement.split()
    run([python, "-m", "pip", "install", "--quiet", *words], f"{peer.requirement} cannot be installed")
    stamp.write_text(peer.requirement, encoding="utf-8")
    return python


def interpreter(peer: Peer) -> str:
    """The Python that runs this, or the oldest one here that is new enough for the peer."""
    if sys.version_info >= peer.python:
        return sys.executable
    for python in pythons(peer.python):
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    raise PeerMissing(f"{peer.requirement} needs Python {peer.python[0]}.{peer.python[1]}, which is not here")


def pythons(oldest: tuple[int, int]) -> Iterator[str]:
    """Candidates, oldest first: on the path, where pyenv leaves names that may start nothing, and in its own folder."""
    for minor in range(oldest[1], oldest[1] + 5):
        if found := shutil.which(f"python3.{minor}"):
            yield found
        yield from map(str, sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")))


def run(words: list[str | Path], otherwise: str) -> str:
    """Run a program to its end and give back what it said; a failure is told with its last line."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PeerMissing(f"{otherwise}: {said[-1]}")
    return done.stdout


@functools.cache
def hftbacktest_data(recording: Path, base_latency_ns: int = BASE_LATENCY_NS, options: str = "") -> Path:
    """The recording as hftbacktest's own converter makes it: an npz file, made once.

    Args:
        recording: a gzipped recording of USDⓈ-M futures.
        base_latency_ns: what the converter adds to each latency after it took the recorder's clock error off.
        options: the converter's ``opt``: with ``t`` it keeps messages of best prices, as events that change no book.
    """
    name = f"{recording.stem}-{recording.stat().st_size}-{base_latency_ns}{options and f'-{options}'}.npz"
    made, script = FOLDER / "data" / "hftbacktest" / name, HERE / "hftbacktest_convert.py"
    if not made.is_file():
        made.parent.mkdir(parents=True, exist_ok=True)
        words = [python_of("hftbacktest"), script, recording, made, str(base_latency_ns), options]
        run(words, f"hftbacktest cannot convert {recording}")
    return made


class Worker:
    """A peer's program that is kept running: it says hello, and then answers each word with what it measured.

    Args:
        name: whose interpreter runs it.
        words: the program, which lies beside this file, and its arguments.
    Raises:
        PeerMissing: the peer is not to be had, or the program ended.
    """

    def __init__(self, name: str, program: str, *words: str | Path) -> None:
        self.name = name
        command = [python_of(name), "-W", "ignore", HERE / program, *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = self._answer()

    def ask(self, word: str) -> dict[str, Any]:
        """What the program measured, told to do ``word``."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # that it ended is told below
            print(word, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise PeerMissing(f"{PEERS[self.name].requirement} ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def main(names: list[str]) -> int:
    failed = 0
    for name in names or PEERS:
        try:
            print(f"{name}: {python_of(name)}")
        except PeerMissing as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
