"""What is struck by which fault, how often and how long; and scripts of faults. All on simulated time."""

from pathlib import Path

import pytest
import trio
import trio.testing

from ida_core import ConfigError
from ida_sim.server.faults import ANSWER, BYTES, KINDS, MESSAGE, MOMENT, Fault, Faults, Placed, Target
from ida_sim.server.script import play, read_script

STREAM = Target("streams", 1, stream="btcusdt@depth")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def strikes(faults: Faults, times: int, place: str = MESSAGE, target: Target = STREAM) -> list[bool]:
    return [faults.take(place, target) is not None for _ in range(times)]


def test_nothing_is_struck_without_a_fault() -> None:
    faults = Faults(Clock())
    assert faults.armed == frozenset()
    assert strikes(faults, 3) == [False] * 3


def test_count_and_what_is_let_pass_first() -> None:
    faults = Faults(Clock())
    placed = faults.place(Fault(kind="drop", after=2, count=3))
    assert faults.armed == {MESSAGE}
    assert strikes(faults, 7) == [False, False, True, True, True, False, False]
    assert placed.over.is_set()
    assert faults.armed == frozenset()
    assert placed.struck == 3


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.place in (BYTES, MESSAGE, ANSWER)])
def test_what_is_struck_once_and_what_until_it_is_deleted(kind: str) -> None:
    clock = Clock()
    faults = Faults(clock)
    placed, place = faults.place(Fault(kind=kind)), KINDS[kind].place
    assert strikes(faults, 3, place) == ([True, False, False] if KINDS[kind].once else [True] * 3)
    faults.remove(placed.id)
    faults.place(Fault(kind=kind, duration_s=10))
    clock.now_s = 9.9
    assert strikes(faults, 3, place) == [True] * 3
    clock.now_s = 10
    assert strikes(faults, 3, place) == [False] * 3


@pytest.mark.parametrize(("fault", "target", "struck"), [
    (Fault(kind="drop"), STREAM, True),
    (Fault(kind="drop", stream="*@depth"), STREAM, True),
    (Fault(kind="drop", stream="ethusdt@*"), STREAM, False),
    (Fault(kind="drop", stream="btcusdt@depth*"), STREAM, True),
    (Fault(kind="drop", connection=1), STREAM, True),
    (Fault(kind="drop", connection=2), STREAM, False),
    (Fault(kind="drop", service="streams"), STREAM, True),
    (Fault(kind="drop", service="rest"), STREAM, False),
    (Fault(kind="5xx"), STREAM, False),
    (Fault(kind="5xx", path="/api/v3/depth"), Target("rest", 4, "/api/v3/depth"), True),
    (Fault(kind="5xx", path="/api/v3/d*"), Target("rest", 4, "/api/v3/depth"), True),
    (Fault(kind="5xx", path="depth"), Target("rest", 4, "/api/v3/depth"), False),
])
def test_the_scope_of_a_fault(fault: Fault, target: Target, struck: bool) -> None:
    faults = Faults(Clock())
    placed = faults.place(fault)
    place = ANSWER if target.path else MESSAGE
    assert (faults.take(place, target) is placed) is struck


def test_kinds_are_asked_for_apart() -> None:
    faults = Faults(Clock())
    late, drop = faults.place(Fault(kind="late")), faults.place(Fault(kind="drop"))
    assert faults.take(MESSAGE, STREAM, ("drop", "duplicate")) is drop
    assert faults.take(MESSAGE, STREAM, ("late",)) is late
    assert faults.take(MESSAGE, STREAM) is late


def test_chance_is_the_seed_s() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults(Clock())
        faults.place(Fault(kind="drop", count=1000, probability=0.3, seed=seed))
        return strikes(faults, 200)

    assert drawn(1) == drawn(1) != drawn(2)
    assert 30 < sum(drawn(1)) < 90


def test_the_clock_is_moved_by_all_that_are_in_force() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.place(Fault(kind="clock-offset", offset_ms=500, duration_s=5))
    other = faults.place(Fault(kind="clock-offset", offset_ms=-2000))
    assert faults.clock_offset_ns == -1_500_000_000
    clock.now_s = 5
    assert faults.clock_offset_ns == -2_000_000_000
    faults.remove(other.id)
    assert faults.clock_offset_ns == 0


def test_who_listens_hears_of_every_fault() -> None:
    faults, heard = Faults(Clock()), list[Placed]()
    with faults.listening(heard.append):
        placed = faults.place(Fault(kind="24h-close", connection=3))
        assert faults.state() == []
        assert placed.over.is_set()
        faults.place(Fault(kind="cut"))
    faults.place(Fault(kind="cut"))
    assert [each.fault.kind for each in heard] == ["24h-close", "cut"]
    assert heard[0].place == MOMENT
    assert heard[0].concerns(Target("streams", 3))
    assert not heard[0].concerns(Target("streams", 4))


async def test_waiting_for_the_end_of_a_fault(autojump_clock: trio.testing.MockClock) -> None:
    faults = Faults(trio.current_time)
    await faults.wait_over(faults.place(Fault(kind="stall", duration_s=30)))
    assert trio.current_time() == pytest.approx(30)
    stall = faults.place(Fault(kind="stall"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(faults.wait_over, stall)
        await trio.testing.wait_all_tasks_blocked()
        assert faults.remove(stall.id)
    assert trio.current_time() == pytest.approx(30)


async def test_a_script_plays_in_order_of_time(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    toml, lines = tmp_path / "a.toml", tmp_path / "a.jsonl"
    toml.write_text('[[fault]]\nat_s = 60\nkind = "24h-close"\n[[fault]]\nat_s = 1.5\nkind = "drop"\ncount = 2\n')
    lines.write_text('{"at_s": 60, "kind": "24h-close"}\n\n{"at_s": 1.5, "kind": "drop", "count": 2}\n')
    assert read_script(toml) == read_script(lines)
    faults, heard = Faults(trio.current_time), list[tuple[float, str]]()
    start = trio.current_time()
    faults.add_listener(lambda placed: heard.append((trio.current_time() - start, placed.fault.kind)))
    await play(read_script(toml), faults)
    assert heard == [(pytest.approx(1.5), "drop"), (pytest.approx(60), "24h-close")]


@pytest.mark.parametrize(("name", "text", "named"), [
    ("a.toml", "[[fault]]\nkind = 'drop'\n", "step 1: at_s"),
    ("a.toml", "[[fault]]\nat_s = -1\nkind = 'drop'\n", "step 1: at_s"),
    ("a.toml", "[[fault]]\nat_s = true\nkind = 'drop'\n", "step 1: at_s"),
    ("a.toml", "[[fault]]\nat_s = nan\nkind = 'drop'\n", "step 1: at_s"),
    ("a.toml", "[[faults]]\nat_s = 1\nkind = 'drop'\n", "faults: a script holds tables [[fault]] only"),
    ("a.toml", "fault = 3\n", "[[fault]]"),
    ("a.toml", "[[fault]\n", "a.toml"),
    ("a.toml", "[[fault]]\nat_s = 1\nkind = 'delay'\ndelay_ms = nan\n", "`$.delay_ms`"),
    ("a.toml", "[[fault]]\nat_s = 1\nkind = 'delay'\ndelay_ms = inf\n", "delay_ms"),
    ("a.jsonl", "{}\n", "step 1: at_s"),
    ("a.jsonl", '{"at_s":1,"kind":"drop"}\n{"at_s":1,"kind":"dorp"}\n', "step 2: fault: there is no kind 'dorp'"),
    ("a.jsonl", "[1]\n", "step 1 is no table"),
    ("a.jsonl", "{\n", "a.jsonl"),
])
def test_scripts_that_cannot_be(tmp_path: Path, name: str, text: str, named: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        read_script(tmp_path / name)
    assert named in str(error.value)
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read_script(tmp_path / "none.toml")
