"""Which stream goes over which connection. Pure.

A copy is a set of connections that carry every stream once. Copies share no connection, so that whatever happens to
one connection, each of its streams comes over as many others as there are further copies.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

MOST_STREAMS = 1024


class Move(NamedTuple):
    """A stream that a connection hands to another of the same copy; indices of connections."""

    stream: str
    source: int
    target: int


def connections_needed(streams: int, rate: float, most_streams: int = MOST_STREAMS, most_rate: float = 5000.0) -> int:
    """How many connections one copy takes: by the number of its streams, and by messages a second.

    >>> connections_needed(3, 100.0), connections_needed(1025, 1.0), connections_needed(4, 12_000.0)
    (1, 2, 3)
    """
    by_number = -(-streams // most_streams)
    by_rate = int(-(-rate // most_rate))
    return max(1, by_number, min(by_rate, streams))


def spread(rates: Mapping[str, float], connections: int, most_streams: int = MOST_STREAMS) -> list[list[str]]:
    """One copy: each stream once, the busiest first, always onto the connection that has least to carry.

    Raises:
        ValueError: more streams than the connections may hold.

    >>> spread({"a": 5.0, "b": 3.0, "c": 3.0}, 2)
    [['a'], ['b', 'c']]
    """
    if len(rates) > connections * most_streams:
        raise ValueError(f"{len(rates)} streams on {connections} connections of {most_streams} at most")
    lines: list[list[str]] = [[] for _ in range(connections)]
    loads = [0.0] * connections
    for name in sorted(rates, key=lambda name: (-rates[name], name)):
        free = [i for i in range(connections) if len(lines[i]) < most_streams]
        target = min(free, key=lambda i: (loads[i], len(lines[i]), i))
        lines[target].append(name)
        loads[target] += rates[name]
    return lines


def moves(lines: Sequence[Sequence[str]], rates: Mapping[str, float], most_streams: int = MOST_STREAMS,
          tolerance: float = 1.5, most_moves: int = 8) -> list[Move]:  # fmt: skip
    """What to move between the connections of one copy, when the busiest carries ``tolerance`` times the least busy.

    A stream is moved only where that brings the two closer together; at most ``most_moves`` at a time, for each costs
    control messages.
    """
    held = [list(line) for line in lines]
    loads = [sum(rates.get(name, 0.0) for name in line) for line in held]
    found: list[Move] = []
    while len(held) > 1 and len(found) < most_moves:
        source, target = loads.index(max(loads)), loads.index(min(loads))
        excess = loads[source] - loads[target]
        fitting = [name for name in held[source] if 0 < rates.get(name, 0.0) < excess]
        if loads[source] <= tolerance * loads[target] + 1.0 or not fitting or len(held[target]) >= most_streams:
            break
        name = min(fitting, key=lambda name: (abs(excess - 2 * rates[name]), name))
        held[source].remove(name)
        held[target].append(name)
        loads[source] -= rates[name]
        loads[target] += rates[name]
        found.append(Move(name, source, target))
    return found
