"""Feed files: written atomically, checked when opened, described by their meta; clock offsets."""

from decimal import Decimal
from pathlib import Path

import pytest

from ida_core import feed as feeds
from ida_core.errors import DataError, OutputError
from ida_core.feed import Feed, FeedInstrument, FeedMeta, FeedWriter, clock_offset, read_meta
from ida_core.feed_cache import cache_folder, cached_feeds, open_cached
from ida_core.native import ffi, lib

BTC = FeedInstrument(
    symbol="BTCUSDT", market="spot", kind="SPOT", base="BTC", quote="USDT", settle="USDT",
    multiplier=Decimal(1), tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"), chain=0,
    inferred=True,
)  # fmt: skip


def trades(*stamps: tuple[int, int]) -> bytes:
    """Trades at (local, venue) times."""
    made = ffi.new("ida_trade[]", len(stamps))
    for i, (trade, (local, venue)) in enumerate(zip(made, stamps, strict=True)):
        trade.head.length = ffi.sizeof("ida_trade")
        trade.head.kind = lib.IDA_TRADE
        trade.head.ts_local_ns, trade.head.ts_venue_ns = local, venue
        trade.price, trade.quantity, trade.trade_id = 100 + i, 1, i
    return bytes(ffi.buffer(made))


def meta(survey: feeds.Survey) -> FeedMeta:
    return FeedMeta(
        sources=(), instruments=(BTC,), records=survey.records, counts=survey.counts, streams={},
        first_local_ns=survey.first_local_ns, last_local_ns=survey.last_local_ns,
        latency_ns=survey.latency_ns, delayed=survey.delayed, off_book=survey.off_book,
    )  # fmt: skip


def make(writer: FeedWriter) -> FeedMeta:
    writer.write(trades((10, 7), (20, 5)), 2)
    writer.write(trades((30, 29)), 1)
    return meta(writer.survey(1))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with FeedWriter(tmp_path / "a.feed") as writer:
        writer.finish(make(writer))
    with Feed(tmp_path / "a.feed") as feed:
        assert feed.meta == read_meta(tmp_path / "a.feed")
        assert (feed.meta.records, feed.meta.counts) == (3, {"trade": 3})
        assert (feed.meta.first_local_ns, feed.meta.last_local_ns) == (10, 30)
        assert (feed.meta.latency_ns[0], feed.meta.latency_ns[-1]) == (1, 15)
        first, length = feed.records
        assert (first.ts_local_ns, length) == (10, 3 * ffi.sizeof("ida_trade"))
        header = ffi.cast("const ida_feed_header *", feed.pointer)
        assert (header.records, header.order) == (3, 3)
        feed.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.feed"]


def test_a_feed_without_records_is_a_feed(tmp_path: Path) -> None:
    with FeedWriter(tmp_path / "a.feed") as writer:
        writer.finish(meta(writer.survey(1)))
    with Feed(tmp_path / "a.feed") as feed:
        assert feed.meta.records == 0
        assert feed.meta.latency_ns == ()


def with_ids(*spans: tuple[int, int]) -> bytes:
    made = ffi.new("ida_trade[]", len(spans))
    ffi.memmove(made, trades(*((at, at) for at in range(1, 1 + len(spans)))), ffi.sizeof(made))
    for trade, (first, last) in zip(made, spans, strict=True):
        trade.first_trade_id, trade.last_trade_id = first, last
    return bytes(ffi.buffer(made))


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        (((7, 9), (3, 3), (5, 12)), (3, 12)),
        (((0, 0), (4, 4), (0, 0)), (4, 4)),
        (((0, 0), (0, 0)), None),
    ],
)
def test_the_ids_of_a_feed_reach_from_the_lowest_to_the_highest_and_0_is_none(tmp_path, spans, told) -> None:
    with FeedWriter(tmp_path / "a.feed") as writer:
        writer.write(with_ids(*spans), len(spans))
        writer.finish(meta(writer.survey(1)))
    with Feed(tmp_path / "a.feed") as feed:
        assert feed.ids(0, "trade") == told
        assert feed.ids(1, "trade") is None
        assert feed.ids(0, "depth") is None


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    def interrupted() -> None:
        with FeedWriter(tmp_path / "a.feed") as writer:
            writer.write(trades((1, 1)), 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(tmp_path: Path) -> None:
    with FeedWriter(tmp_path / "a.feed") as writer:
        path = writer.finish(make(writer))
    sound = path.read_bytes()
    for damaged in (b"", sound[:40], sound[:-1], sound[:200] + b"\xff" + sound[201:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a sound feed file"):
            Feed(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        FeedWriter(tmp_path / "nowhere" / "a.feed")


def test_the_cache_makes_once_and_repairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "cache"))
    made: list[Path] = []

    def counted(writer: FeedWriter) -> FeedMeta:
        made.append(writer.path)
        return make(writer)

    open_cached("k", counted).close()
    open_cached("k", counted).close()
    assert made == [tmp_path / "cache" / "feeds" / "k.feed"]
    made[0].write_bytes(b"rubbish")
    assert [cached.meta for cached in cached_feeds()] == [None]
    with open_cached("k", counted) as feed:
        assert feed.meta.records == 3
    assert len(made) == 2
    assert [cached.meta and cached.meta.records for cached in cached_feeds()] == [3]


def test_without_a_cache_folder_a_temporary_file_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("IDA_CACHE_DIR", str(tmp_path / "file"))
    with open_cached("k", make) as feed:
        assert feed.meta.records == 3
        assert "IDA_CACHE_DIR" in feed.notes[0]
        assert not feed.path.exists()


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ida" / "feeds"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-3:] == (".cache", "ida", "feeds")


def with_latency(*quantiles: int, delayed: int) -> FeedMeta:
    return FeedMeta(
        sources=(), instruments=(), records=delayed, counts={}, streams={}, first_local_ns=0,
        last_local_ns=0, latency_ns=quantiles, delayed=delayed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metas", "offset"),
    [
        ([], 0),
        ([with_latency(delayed=0)], 0),
        ([with_latency(*range(5_000_000, 5_001_001), delayed=10)], 0),
        ([with_latency(*([-1_272_000_001] * 1001), delayed=10)], -1_273_000_000),
        ([with_latency(*([-1_272_000_000] * 1001), delayed=10)], -1_272_000_000),
        # One stamp in 1001 is wrong: the least value does not decide.
        ([with_latency(-9_000_000_000, *([3_000_000] * 1000), delayed=10)], 0),
        # Each feed weighs as much as it has records.
        ([with_latency(*[-5_000_000] * 9, delayed=1), with_latency(*[7] * 9, delayed=9999)], 0),
    ],
)  # fmt: skip
def test_clock_offset(metas: list[FeedMeta], offset: int) -> None:
    found, sentence = clock_offset(metas)
    assert found == offset
    assert ("were removed" in sentence) == (offset < 0)
