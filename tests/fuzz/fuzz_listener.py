"""What a client may send to the exchange server before and on a websocket: the head of a request, frames in any pieces,
control frames. Each has an answer in the documented form; frames are counted the same however they are cut.
"""

import json
import sys

import python_driver

from ida_sim.server.control_frames import METHODS, answer
from ida_sim.server.listener import _websocket_target
from ida_sim.server.outlet import FrameCount
from ida_sim.server.stream_names import read_stream

WORDS = [
    b"h", b"f", b"c", b"GET ", b" HTTP/1.1\r\n", b"\r\n\r\n", b"Upgrade: websocket\r\n", b"/ws/", b"/stream?streams=",
    b"//[", b"\x81", b"\x89", b"\x8a", b"\xfe", b"\xff", b"\x80", b"\x00", b'{"method":"', b'","params":[', b'],"id":',
    b'"combined"', b"true", b"null", b"[[[[[[[[", b"1e999", b"-1", b"NaN", b'"\\ud800"', b"btcusdt@depth", b"@100ms",
    b"@kline_1M", b"@+08:00", b"!miniTicker@arr", b"!ticker_", b"@arr", *(method.encode() for method in METHODS),
]  # fmt: skip


class Spoken:
    combined = False

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def subscribe(self, names: list[str]) -> None:
        for name in names:
            read_stream(name)
        self.names |= dict.fromkeys(names)

    def unsubscribe(self, names: list[str]) -> None:
        for name in names:
            self.names.pop(name, None)


def say(text: str) -> None:
    found = json.loads(answer(text, Spoken()))
    assert set(found) in ({"result", "id"}, {"code", "msg"}, {"code", "msg", "id"}), found
    assert "code" not in found or found["code"] in range(4)


def count(data: bytes) -> None:
    whole: list[int] = []
    cut: list[int] = []
    FrameCount(whole.append).feed(data)
    counter = FrameCount(cut.append)
    for at in range(0, len(data), 3):
        counter.feed(data[at : at + 3])
    assert whole == cut


def target(data: bytes) -> None:
    head, rest = data[:1], data[1:]
    if head == b"h":
        path, query = _websocket_target(rest + b"\r\n\r\n")
        assert path is None or isinstance(path + query, str)
    elif head == b"f":
        count(rest)
    else:
        say(rest.decode("utf-8", "replace"))


if __name__ == "__main__":
    files = ("control_frames", "listener", "outlet", "stream_names")
    python_driver.main(target, tuple(f"ida_sim/server/{name}.py" for name in files), WORDS)
    sys.exit(0)
