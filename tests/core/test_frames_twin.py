"""The frame splitter against a naive twin that has all bytes at once, for any frames and any cut of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings, strategies as st

from ida_core.native import ffi, lib

MOST, RECEIVE = 400, 64
TEXT, CLOSE = 1, 8
Happening = tuple[Any, ...]


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    final: bool = True
    reserved: int = 0
    masked: bool = False
    wide: bool = False
    """The length in 8 bytes, whatever it is."""

    def bytes(self) -> bytes:
        size, mask = len(self.payload), self.masked << 7
        short = size < 126 and not self.wide
        length = b"" if short else size.to_bytes(8 if self.wide else 2, "big")
        second = size if short else 127 if self.wide else 126
        return bytes([self.final << 7 | self.reserved << 4 | self.opcode, mask | second]) + length + self.payload


def naive(frames: list[Frame], deflate: bool) -> Iterator[Happening]:
    """What comes of frames, rule by rule as RFC 6455 has them."""
    parts: list[Frame] = []
    for frame in frames:
        control = frame.opcode >= CLOSE
        allowed = (0, 4) if deflate and frame.opcode in (1, 2) else (0,)
        if (
            frame.masked or frame.opcode in (*range(3, 8), *range(11, 16)) or frame.reserved not in allowed
            or (control and (not frame.final or len(frame.payload) > 125 or frame.wide))
            or (not control and (frame.opcode == 0) != bool(parts)) or frame.wide
        ):  # fmt: skip
            yield ("broken", 1002)
            return
        if control:
            yield ("control", frame.bytes())
            if frame.opcode == CLOSE:
                return
            continue
        parts.append(frame)
        whole = b"".join(part.payload for part in parts)
        if len(whole) > MOST:
            yield ("broken", 1009)
            return
        if frame.final:
            yield ("deflated" if parts[0].reserved else "shown" if whole.startswith(b"?") else "taken", whole)
            parts = []


def split(data: bytes, cuts: list[int], deflate: bool) -> list[Happening]:
    """The same of the splitter, fed in pieces of the lengths of ``cuts`` in turn."""
    found: list[Happening] = []

    def take(_: Any, text: Any, size: int, stamp: int) -> int:
        message = bytes(ffi.buffer(text, size))
        if message.startswith(b"?"):
            return int(lib.IDA_SHOWN)
        found.append(("taken", message))
        return int(lib.IDA_SUNK)

    sink = ffi.callback("int(void *, const char *, size_t, int64_t)", take)
    frames, size = ffi.gc(lib.ida_frames_new(MOST, RECEIVE, deflate), lib.ida_frames_free), ffi.new("size_t *")
    view = lib.ida_frames_look(frames)
    names = {lib.IDA_FRAMES_SHOW: "shown", lib.IDA_FRAMES_CONTROL: "control", lib.IDA_FRAMES_DEFLATED: "deflated"}
    for number in range(len(data) * 2):
        piece, data = data[: cuts[number % len(cuts)]], data[cuts[number % len(cuts)] :]
        ffi.memmove(lib.ida_frames_room(frames, size), piece, len(piece))
        assert lib.ida_frames_received(frames, len(piece), number) == lib.IDA_OK
        while (stop := lib.ida_frames_split(frames, sink, ffi.NULL)) in names:
            found.append((names[stop], bytes(ffi.buffer(view.item, view.item_bytes))))
        if stop == lib.IDA_FRAMES_BROKEN:
            return [*found, ("broken", view.close_code)]
    return found


payloads = st.binary(max_size=12) | st.sampled_from([b"?", b"?show", b"a" * 125, b"b" * 126, b"c" * 300, b"d" * 401])
any_frame = st.tuples(
    st.integers(0, 15), payloads, st.booleans(), st.integers(0, 7), st.booleans(), st.booleans()
).map(Frame._make)
likely = st.tuples(st.sampled_from([0, 1, 2, 9, 10]), payloads, st.booleans()).map(lambda fields: Frame(*fields))


@st.composite
def streams(draw: st.DrawFn) -> list[Frame]:
    """Messages in one piece or several, with control frames between, and now and then something that is not allowed."""
    frames: list[Frame] = []
    for parts in draw(st.lists(st.lists(payloads, min_size=1, max_size=4), max_size=8)):
        reserved = draw(st.sampled_from([0, 0, 4]))
        for number, payload in enumerate(parts):
            first, last = number == 0, number == len(parts) - 1
            frames.append(Frame(TEXT if first else 0, payload, last, reserved if first else 0))
            frames += [Frame(9, b"ping")] * draw(st.integers(0, 1))
    at = draw(st.integers(0, len(frames)))
    return frames[:at] + draw(st.lists(any_frame | likely, max_size=1)) + frames[at:]


@settings(max_examples=300, deadline=None)
@given(streams(), st.lists(st.integers(1, RECEIVE), min_size=1, max_size=5), st.booleans())
def test_frames_at_any_cut_are_what_the_twin_says(frames: list[Frame], cuts: list[int], deflate: bool) -> None:
    data = b"".join(frame.bytes() for frame in frames)
    assert split(data, cuts, deflate) == list(naive(frames, deflate))
