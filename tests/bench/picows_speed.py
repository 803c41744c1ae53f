"""picows with msgspec and sorted dictionaries, told over stdin which path of the server to take its messages from.

    python picows_speed.py SNAPSHOT PORT MESSAGES
"""

import asyncio
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from dict_book import DictBook
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Client(WSListener):
    """Decodes straight from the frame, without a copy."""

    def __init__(self, book: DictBook, messages: int) -> None:
        self.book, self.left = book, messages
        self.began = self.took = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.began = time.thread_time()
        transport.send(WSMsgType.TEXT, b"go")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.book.take(frame.get_payload_as_memoryview())
            self.left -= 1
            if not self.left:
                self.took = time.thread_time() - self.began
                transport.disconnect()


async def measure(url: str, snapshot: bytes, messages: int) -> dict[str, object]:
    transport, client = await ws_connect(lambda: Client(DictBook(snapshot), messages), url)
    await transport.wait_disconnected()
    return {"seconds": client.took, "best": client.book.best}


def main() -> None:
    snapshot, port, messages = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3])
    programs = f"picows {version('picows')} with msgspec {version('msgspec')} on CPython {platform.python_version()}"
    print(json.dumps({"programs": programs}), flush=True)
    for line in sys.stdin:
        url = f"ws://127.0.0.1:{port}/{line.strip()}"
        print(json.dumps(asyncio.run(measure(url, snapshot, messages))), flush=True)


if __name__ == "__main__":
    main()
