"""The server that bench_tap.py feeds all clients from: recorded depth messages as WebSocket frames.

    python tests/bench/tap_server.py RECORDING

Says its port and how many messages there are; then each client that connects to /burst or /paced and sends anything
gets all of them, as fast as it takes them or one each ``PACE_S``. One client at a time.
"""

import gzip
import json
import socket
import sys
import time
from pathlib import Path

import wsproto
from wsproto.events import AcceptConnection, Request, TextMessage

PACE_S = 0.0005


def read(recording: Path) -> tuple[bytes, list[bytes]]:
    """The recording's snapshot, and the depth messages that follow it."""
    with gzip.open(recording) as file:
        texts = [line.split(b" ", 1)[1].rstrip() for line in file]
    snapshot = next(text for text in texts if text.startswith(b'{"lastUpdateId"'))
    last_id = json.loads(snapshot)["lastUpdateId"]
    depth = [text for text in texts if b'"e":"depthUpdate"' in text]
    return snapshot, [text for text in depth if json.loads(text)["data"]["u"] > last_id]


def frame(text: bytes) -> bytes:
    size = len(text)
    if size < 126:
        return bytes([0x81, size]) + text
    short = size < 1 << 16
    return bytes([0x81, 126 if short else 127]) + size.to_bytes(2 if short else 8, "big") + text


def shake_hands(client: socket.socket) -> str:
    """The path that was asked for, once the client has said that it is ready."""
    protocol, path = wsproto.WSConnection(wsproto.ConnectionType.SERVER), ""
    while True:
        data = client.recv(65536)
        if not data:
            raise ConnectionError("the client went away")
        protocol.receive_data(data)
        for event in protocol.events():
            if isinstance(event, Request):
                path = event.target
                client.sendall(protocol.send(AcceptConnection()))
            elif isinstance(event, TextMessage):
                return path


def serve(client: socket.socket, frames: list[bytes]) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if shake_hands(client) == "/burst":
        client.sendall(b"".join(frames))
    else:
        due = time.monotonic()
        for each in frames:
            due += PACE_S
            time.sleep(max(0.0, due - time.monotonic()))
            client.sendall(each)
    client.recv(65536)  # its goodbye, or the end


def main() -> None:
    _, messages = read(Path(sys.argv[1]))
    frames = [frame(text) for text in messages]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"port": listener.getsockname()[1], "messages": len(frames)}), flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                try:
                    serve(client, frames)
                except OSError as problem:
                    print(f"a client went away: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
