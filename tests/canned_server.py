"""A server on loopback that answers as it is told: for what a client must make of any answer."""

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Canned(NamedTuple):
    """An answer. ``late_s``: how long it hesitates, once the head is out; ``announced``: its length, if it lies."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to
    late_s: float = 0.0
    announced: int | None = None


class CannedServer:
    """``answer`` maps a path with its query to what is sent; ``asked`` lists what was asked for,
    ``peers`` from which port. ``keeps``: connections are kept for further requests."""

    def __init__(self, context: ssl.SSLContext | None, keeps: bool = False) -> None:
        self.asked: list[str] = []
        self.peers: list[int] = []
        self.keeps = keeps
        self.answer: Callable[[str], Canned] = lambda path: Canned()
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.scheme, self.port, self.server = "https" if context else "http", server.server_address[1], server

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        canned = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if self.keeps else "HTTP/1.0"

            def do_GET(self) -> None:
                canned.asked.append(self.path)
                canned.peers.append(self.client_address[1])
                answer = canned.answer(self.path)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                length = len(answer.body) if answer.announced is None else answer.announced
                self.send_header("Content-Length", str(length))
                self.end_headers()
                time.sleep(answer.late_s)
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@contextmanager
def canned_server(context: ssl.SSLContext | None = None, keeps: bool = False) -> Iterator[CannedServer]:
    canned = CannedServer(context, keeps)
    thread = threading.Thread(target=canned.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield canned
    finally:
        canned.server.shutdown()
        canned.server.server_close()
        thread.join()


@contextmanager
def speaks(text: bytes) -> Iterator[str]:
    """The address of a server that says this to whoever connects, whatever it is asked, and hangs up."""
    with _answering(lambda connection: connection.sendall(text)) as address:
        yield address


@contextmanager
def trickles(text: bytes, piece: int = 1, pause_s: float = 0.02) -> Iterator[str]:
    """The address of a server that says this again and again, so many bytes at a time, until nobody listens."""

    def trickle(connection: socket.socket) -> None:
        for i in itertools.count(0, piece):
            begin = i % len(text)
            connection.sendall(text[begin : begin + piece])
            time.sleep(pause_s)

    with _answering(trickle) as address:
        yield address


@contextmanager
def _answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    connection.recv(1 << 16)
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
