"""The journal: every event round trip, equal runs equal bytes, whatever was kept survives a crash."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ida_core.book import MARKET_KINDS, Market
from ida_core.errors import DataError, OutputError
from ida_core.events import (
    AmendOrder,
    BalanceUpdate,
    Bar,
    CancelAll,
    CancelOrder,
    Event,
    Execution,
    FundingPayment,
    Mark,
    MarketState,
    Note,
    OrderStatus,
    OrderUpdate,
    PlaceList,
    PlaceOrder,
    Quote,
    Refusal,
    ReplaceOrder,
    Request,
    RequestSent,
    Signal,
    Timer,
    Trade,
    Transfer,
    VenueStatus,
)  # fmt: skip
from ida_core.journal import KIND_NAMES, KINDS, JournalReader, JournalWriter, Timing, journal_sha256
from ida_core.model import ListKind, OrderType, Side
from ida_core.native import ffi, lib

HEADER = ffi.sizeof("ida_segment_header")
PLACE = PlaceOrder(
    ts_local_ns=7, instrument=2, order_id="a-1", strategy="grid", side=Side.SELL,
    type=OrderType.LIMIT_MAKER, quantity=5, price=101, quote_quantity=Decimal("1.50"),
)  # fmt: skip
EVENTS = [
    PLACE,
    CancelOrder(order_id="a-1", instrument=2),
    ReplaceOrder(order_id="a-1", new_order_id="a-2", quantity=4, price=100),
    CancelAll(order_id=""),
    OrderUpdate(
        ts_venue_ns=5, ts_local_ns=6, instrument=2, order_id="a-1", execution=Execution.TRADE,
        status=OrderStatus.PARTIALLY_FILLED, price=101, quantity=2, fee=Decimal("-0.00000001"),
    ),
    BalanceUpdate(balances={"USDT": (Decimal("10.5"), Decimal(0)), "BTC": (Decimal(1), Decimal(2))}),
    Timer(strategy="grid", timer_id=3, due_ns=9),
    Refusal(request=PLACE, by="max_position", reason="limit", detail="5 lots, above 4"),
    MarketState(instrument=2, state="STALE", reason="gap"),
    VenueStatus(state="DOWN", reason="gap"),
    Signal(source="news", name="headline", data={"text": "☃ \u2028", "score": [0.1, None, True]}),
    Note(what="start", data={"b": 1, "a": 2}),
    RequestSent(order_id="a-1", what="place", by="ws-api", decided_ns=1, approved_ns=2),
    Transfer(asset="USDT", amount=Decimal("-1.5"), reason="DEPOSIT"),
    PlaceList(order_id="a-2", kind=ListKind.OCO, legs=()),
    AmendOrder(order_id="a-1", quantity=3),
    FundingPayment(rate=Decimal("0.0001"), mark=Decimal("1E+3"), amount=Decimal("-2"), asset="USDT"),
    Timing(what="run", data={"elapsed_s": 1.5}),
]  # fmt: skip


def write(folder: Path, events: list[Event], **options: Any) -> Path:
    with JournalWriter(folder, options.pop("run_id", "a run"), **{"sync": "none", **options}) as journal:
        for event in events:
            journal.append(event)
    return folder


def read(folder: Path) -> tuple[list[Any], JournalReader]:
    reader = JournalReader(folder)
    return list(reader.scan()), reader


def trade(number: int) -> Any:
    record = ffi.new("ida_trade *")
    record.head.length, record.head.kind = ffi.sizeof("ida_trade"), lib.IDA_TRADE
    record.head.ts_local_ns = record.trade_id = record.price = record.quantity = number
    return record


def append_trade(journal: JournalWriter, number: int) -> None:
    journal.check(lib.ida_journal_append(journal.pointer, ffi.addressof(trade(number), "head"), 0))


# --- what goes in comes out -----------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_comes_back_equal(tmp_path: Path, event: Event) -> None:
    events, reader = read(write(tmp_path / "journal", [event]))
    assert events == [event]
    assert reader.finished
    assert reader.torn is None


def test_every_class_of_event_is_journaled_or_a_record_of_the_market() -> None:
    def classes(kind: type[Event]) -> set[type[Event]]:
        return {kind}.union(*(classes(sub) for sub in kind.__subclasses__()))

    ours = {c for c in classes(Event) if c.__module__.startswith("ida_core.")}
    assert ours - {Event, Request, Trade, Quote, Bar, Mark} == set(KINDS)
    assert {type(event) for event in EVENTS} == set(KINDS)
    assert set(KIND_NAMES.values()) == set(KINDS.values()) | set(MARKET_KINDS.values())


def test_market_events_are_not_journaled_as_json(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "") as journal, pytest.raises(TypeError, match="Trade is journaled by C"):
        journal.append(Trade(trade_id=1, price=1, quantity=1, side=Side.BUY))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(data=json_like, name=st.text(st.characters(exclude_categories=["Cs"])), ts=st.integers(-(2**63), 2**63 - 1))
def test_any_signal_comes_back(tmp_path_factory: Any, data: Any, name: str, ts: int) -> None:
    signal_ = Signal(ts_local_ns=ts, source="feed", name=name, data=data)
    events, _ = read(write(tmp_path_factory.mktemp("journal"), [signal_]))
    assert events == [signal_]


def test_record_carries_stamps_and_instrument(tmp_path: Path) -> None:
    write(tmp_path, [EVENTS[4], VenueStatus(state="DOWN")])
    reader = JournalReader(tmp_path)
    status = ffi.new("int *")
    record = lib.ida_reader_next(reader._pointer, status)
    assert (record.ts_venue_ns, record.ts_local_ns, record.instrument, record.kind) == (5, 6, 2, lib.IDA_REPORT)
    assert lib.ida_reader_next(reader._pointer, status).instrument == 0xFFFFFFFF


def test_many_segments(tmp_path: Path) -> None:
    notes = [Note(what="n", detail="x" * 500, data=number) for number in range(1000)]
    events, reader = read(write(tmp_path, notes, segment_bytes=65536))
    assert events == notes
    assert reader.records == 1000
    assert len(list(tmp_path.iterdir())) == -(-sum(p.stat().st_size for p in tmp_path.iterdir()) // 65536)


def test_event_larger_than_a_segment_is_refused_alone(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "", segment_bytes=65536) as journal:
        with pytest.raises(OutputError, match="larger than a segment of 65536 bytes"):
            journal.append(Note(what="long", detail="x" * 70000))
        journal.append(Note(what="short"))
    assert read(tmp_path)[0] == [Note(what="short")]


# --- scanning -------------------------------------------------------------------------------------


def test_scan_applies_the_market_up_to_a_time(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "", sync="none") as journal:
        for number in range(1, 11):
            append_trade(journal, number)
            journal.append(Note(ts_local_ns=number, what="after", data=number))
    market = Market(lib.IDA_CHAIN_CONTIGUOUS, max_price=1000, pages=16, buffer_bytes=4096)
    reader = JournalReader(tmp_path)
    assert [note.data for note in reader.scan([Note], [market], until_ns=4)] == [1, 2, 3, 4]
    assert market.counts["trade"] == 4
    record, note = reader.scan(["trade", lib.IDA_NOTE], [None], until_ns=5)
    assert (ffi.cast("ida_trade *", record).price, note) == (5, Note(ts_local_ns=5, what="after", data=5))
    assert list(reader.scan([], [market])) == []
    assert market.counts["trade"] == 9
    assert reader.finished


def test_unknown_kind_is_an_error(tmp_path: Path) -> None:
    reader = JournalReader(write(tmp_path, []))
    with pytest.raises(ValueError, match="'trades' is no kind; there are snapshot, depth, trade"):
        reader.scan(["trades"])


def test_text_that_is_not_understood_is_damage(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "", sync="none") as journal:
        lib.ida_journal_append_text(journal.pointer, lib.IDA_NOTE, 0, 0, 0, b'{"wh', 4)
    with pytest.raises(DataError, match=f"kind {lib.IDA_NOTE} is not understood"):
        read(tmp_path)


def test_closed_reader_and_writer_are_out_of_use(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, "", sync="none")
    journal.close()
    journal.close()
    with pytest.raises(TypeError):
        journal.append(Note(what="late"))
    reader = JournalReader(tmp_path)
    rest = reader.scan()
    reader.close()
    reader.close()
    with pytest.raises(TypeError):
        next(rest)


# --- the hash -------------------------------------------------------------------------------------


def test_equal_runs_have_equal_hashes(tmp_path: Path) -> None:
    notes = [Note(what="n", detail="x" * 300, data={"b": number, "a": 1}) for number in range(600)]
    again = [Note(what="n", detail="x" * 300, data={"a": 1, "b": number}) for number in range(600)]
    timed = [event for note in again for event in (note, Timing(what="t", data=os.urandom(4).hex()))]
    one = journal_sha256(write(tmp_path / "1", notes, run_id="one"))
    assert one == journal_sha256(write(tmp_path / "2", timed, run_id="two", segment_bytes=65536))
    assert one != journal_sha256(write(tmp_path / "3", notes[:-1]))
    assert one != journal_sha256(write(tmp_path / "4", [*notes[:-1], Note(what="m")]))


def test_hash_of_an_empty_journal_is_that_of_nothing(tmp_path: Path) -> None:
    assert journal_sha256(write(tmp_path, [])).startswith("e3b0c44298fc1c14")


# --- damage ---------------------------------------------------------------------------------------


def ends(folder: Path, events: list[Event]) -> list[int]:
    """Where in the segment each of the records ends."""
    found = []
    with JournalWriter(folder, "", sync="none") as journal:
        for event in events:
            journal.append(event)
            found.append(HEADER + journal.bytes)
    return found


def damaged(folder: Path, at: int, how: str) -> tuple[list[Any], JournalReader]:
    """What a copy of the journal gives that is cut at a byte, empty from there, or has it flipped."""
    data = bytearray((folder / "00000000.ida").read_bytes())
    if how == "cut":
        del data[at:]
    elif how == "empty":
        data[at:] = bytes(len(data) - at)
    else:
        data[at] ^= 1 << at % 8
    copy = folder.parent / f"{how}-{at}"
    copy.mkdir()
    (copy / "00000000.ida").write_bytes(data)
    return read(copy)


@pytest.mark.parametrize("how", ["cut", "empty"])
def test_torn_tail_is_cut_at_the_last_whole_record(tmp_path: Path, how: str) -> None:
    folder = write(tmp_path / "journal", EVENTS[:3])
    _, start, end = ends(tmp_path / "size", EVENTS[:3])
    for at in range(start, end - 8):  # the last bytes may be padding, and zero anyway
        events, reader = damaged(folder, at, how)
        assert events == EVENTS[:2]
        assert reader.torn == (0, start)
        assert f"segment 0 at byte {start}" in str(reader.damage)


def test_flipped_bytes_never_give_a_wrong_event(tmp_path: Path) -> None:
    folder = write(tmp_path / "journal", EVENTS[:3])
    run_id = range(32, HEADER)  # the only bytes that nothing depends on
    for at in range(ends(tmp_path / "size", EVENTS[:3])[-1]):
        events, reader = damaged(folder, at, "flip")
        assert events == EVENTS[: len(events)]
        sound = len(events) == 3
        assert sound or reader.torn is not None
        assert not sound or at < HEADER
        assert sound or at not in run_id


def test_damaged_journal_has_no_hash(tmp_path: Path) -> None:
    folder = write(tmp_path / "journal", EVENTS)
    with open(folder / "00000000.ida", "r+b") as file:
        file.seek(HEADER + 40)
        file.write(b"\xff")
    with pytest.raises(DataError, match=f"damaged in segment 0 at byte {HEADER}"):
        journal_sha256(folder)


def test_missing_middle_segment_is_the_end_of_what_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, [Note(what="n", detail="x" * 500) for _ in range(500)], segment_bytes=65536)
    (tmp_path / "00000001.ida").write_bytes(b"short")
    events, reader = read(tmp_path)
    assert 0 < len(events) < 200
    assert reader.torn is not None


@pytest.mark.parametrize(("folder", "why"), [("none", "No such file"), ("", "there is no journal")])
def test_no_journal_is_an_error(tmp_path: Path, folder: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        JournalReader(tmp_path / folder)


# --- other processes ------------------------------------------------------------------------------

CHILD = """
import sys, time
from ida_core.events import Note
from ida_core.journal import JournalWriter
journal = JournalWriter(sys.argv[1], "run", segment_bytes=65536, sync=sys.argv[2])
for number in range(int(sys.argv[3])):
    journal.append(Note(ts_local_ns=number, what="n", detail="x" * (number % 700)))
    if number % 50 == 49:
        print(number + 1, flush=True)
        time.sleep(0.001)
journal.close()
print("closed", flush=True)
"""


def child(folder: Path, sync: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder), sync, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], wanted: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= wanted:
            return


@pytest.mark.parametrize(("sync", "wanted"), [("none", 50), ("interval", 2000), ("request", 700)])
def test_what_was_journaled_before_a_kill_is_still_there(tmp_path: Path, sync: str, wanted: int) -> None:
    folder = tmp_path / "journal"
    process = child(folder, sync, 10**9)
    wait_for(process, wanted)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert process.stdout is not None
    acknowledged = max([wanted, *map(int, process.stdout.read().split())])
    events, reader = read(folder)
    assert len(events) >= acknowledged
    assert [event.ts_local_ns for event in events] == list(range(len(events)))
    assert reader.torn is None
    assert not reader.finished


def test_following_a_writer_in_another_process(tmp_path: Path) -> None:
    folder, seen = tmp_path / "journal", []
    process = child(folder, "interval", 3000)
    wait_for(process, 50)
    reader = JournalReader(folder)
    while not reader.finished:
        seen += [event.ts_local_ns for event in reader.scan()]
    assert process.wait() == 0
    assert seen == list(range(3000))


def test_forked_child_is_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "", sync="none") as journal:
        journal.append(Note(what="before"))
        if (pid := os.fork()) == 0:
            refused = 0
            for call in (lambda: journal.append(Note(what="the child's")), journal.sync):
                try:
                    call()
                except OutputError as error:
                    refused += "a forked process cannot write" in str(error)
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        journal.append(Note(what="after"))
    assert [event.what for event in read(tmp_path)[0]] == ["before", "after"]


def test_forked_child_leaves_the_journal_alone(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, "", sync="none") as journal:
        journal.append(Note(what="before"))
        if (pid := os.fork()) == 0:
            journal.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        journal.append(Note(what="after"))
    assert [event.what for event in read(tmp_path)[0]] == ["before", "after"]


# --- the disk -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(journal: JournalWriter) -> int:
    """How many notes fit; ends with the ``OutputError`` of the one that did not."""
    note, count = Note(what="n", detail="x" * 900), 0
    while True:
        try:
            journal.append(note)
        except OutputError:
            return count
        count += 1


def test_full_disk_is_an_error_before_the_write(small_disk: Path) -> None:
    folder = small_disk / "journal"
    journal = JournalWriter(folder, "", segment_bytes=65536)
    count = fill(journal)
    assert 400 < count < 512 * 1024 / 940
    with pytest.raises(OutputError, match=f"{folder}: {os.strerror(errno.ENOSPC)}; the journal needs"):
        journal.append(Note(what="one more"))
    journal.close()
    events, reader = read(folder)
    assert len(events) == count
    assert reader.finished
    assert sorted(p.suffix for p in folder.iterdir()) == [".ida"] * len(list(folder.iterdir()))


def test_journal_goes_on_when_there_is_room_again(small_disk: Path) -> None:
    (ballast := small_disk / "ballast").write_bytes(bytes(400 * 1024))
    with JournalWriter(small_disk / "journal", "", segment_bytes=65536, sync="none") as journal:
        for _ in range(60):
            journal.append(Note(what="n", detail="x" * 900))
        ballast.unlink()
        for _ in range(200):
            journal.append(Note(what="n", detail="x" * 900))
    assert len(read(small_disk / "journal")[0]) == 260


def test_disk_too_small_for_the_first_segment(small_disk: Path) -> None:
    with pytest.raises(OutputError, match=r"No space left on device; .* segment of 1048576"):
        JournalWriter(small_disk / "journal", "", segment_bytes=1 << 20)
    assert list((small_disk / "journal").iterdir()) == []


def test_read_only_folder(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match=f"{small_disk}/journal: Read-only file system; "):
        JournalWriter(small_disk / "journal", "")


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=f"{tmp_path}/file/journal: Not a directory; "):
        JournalWriter(tmp_path / "file" / "journal", "")


def test_folder_that_holds_a_journal(tmp_path: Path) -> None:
    write(tmp_path, [])
    with pytest.raises(OutputError, match="File exists; the journal needs a folder of its own"):
        JournalWriter(tmp_path, "")


LIMITED = """
import resource, sys
from ida_core.errors import OutputError
from ida_core.events import Note
from ida_core.journal import JournalWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    JournalWriter(sys.argv[1], "", segment_bytes=1 << 20)
except OutputError as error:
    print(error)
"""


def test_limit_on_file_size_is_a_clean_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "journal")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/journal: File too large; the journal needs")
