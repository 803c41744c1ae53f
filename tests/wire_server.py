"""A market on a socket, one JSON object a line: what the live feed of docs/hooks.md (``wire``) reads."""

import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "hooks.md"


def write_wire(folder: Path) -> Path:
    """The documented live feed as a plugin in ``folder``, which is returned."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("## ida_live_feeds\n")[2]
    example = re.search(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert example is not None
    folder.mkdir()
    (folder / "wire.py").write_text(example[1])
    return folder


@contextmanager
def served(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Serve each connection the same lines, then keep it open; yields the address."""
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with served_bytes(lambda connection: connection.sendall(text)) as address:
        yield address


@contextmanager
def served_bytes(serve: Any) -> Iterator[str]:
    """Give each connection to ``serve(connection)`` in a thread of its own; the connections are closed at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve_one(connection: socket.socket) -> None:
        with suppress(OSError):  # the other side has gone, which ends it
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve_one, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in connections:
            connection.close()
        for thread in threads:
            thread.join()
