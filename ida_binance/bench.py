"""How fast the decoder is on this machine: its part of ``ida bench``."""

from random import Random

from ida_binance.decoder import Decoder
from ida_core.bench import Figure, best_rate
from ida_core.native import ffi, lib

LEVELS, MESSAGES = 18, 500
_ROOM = 1 << 16


def figures(seconds: float) -> list[Figure]:
    """Depth messages a second, as a busy market sends them, a call from Python for each."""
    random = Random(1)
    messages = [_message(random, number) for number in range(MESSAGES)]
    texts = [ffi.from_buffer(message) for message in messages]
    decoder, record, problem = Decoder(), ffi.new("char[]", _ROOM), ffi.new("ida_binance_problem *")

    def work() -> int:
        wrong = 0
        for text in texts:
            wrong |= lib.ida_binance_decode(decoder.pointer, text, len(text), 1, -1, 0, record, _ROOM, problem)
        assert wrong == lib.IDA_OK
        return len(texts)

    size = sum(map(len, messages)) // len(messages)
    return [Figure(f"decode: depth messages of {size} bytes", best_rate(work, seconds), "messages/s")]


def _message(random: Random, number: int) -> bytes:
    def levels(away: int) -> str:
        rows = (
            f'["{60000 + away * random.random() * 100:.2f}","{random.random() * 5:.5f}"]' for _ in range(LEVELS)
        )
        return ",".join(rows)

    return (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1723161254000,"s":"BTCUSDT",'
        f'"U":{number * 9 + 1},"u":{number * 9 + 9},"b":[{levels(-1)}],"a":[{levels(1)}]}}}}'
    ).encode()
