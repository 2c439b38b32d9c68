# SPDX-License-Identifier: Apache-2.0
"""Bit rot: what was stored and cannot be read any more is told where it was, and no value holds over it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from config.words import NS_PER_S, StatusCode
from historian.aggregates.reading import read_processed
from historian.aggregates.spans import Request
from historian.aggregates.trace import Configuration
from historian.store.gaps import ANY_CLASS, Gaps, merged
from historian.store.samples import CLASSES, Samples
from historian.store.segments import DAY_NS, GROUP_ROWS
from historian.store.store import Store, open_store
from historian.store.upkeep import RETENTION_S, UNREADABLE

BEGIN = 20_500 * DAY_NS
HOUR_NS = 3600 * NS_PER_S
QUARTER_NS = 900 * NS_PER_S
DAY = (BEGIN, BEGIN + DAY_NS)
A2 = CLASSES.index("A2")


def quarters(day: int, series: tuple[int, ...] = (1, 2)) -> Samples:
    """One sample a quarter of a day of each series, class A2."""
    times = np.arange(96) * QUARTER_NS + BEGIN + day * DAY_NS
    n = 96 * len(series)
    return Samples(
        np.repeat(np.array(series, np.uint32), 96), np.tile(times, len(series)), np.arange(n) * 1.0,
        np.zeros(n, np.int64), np.zeros(n, np.uint32), np.zeros(n, np.int32),
        np.full(n, A2, np.uint8), np.zeros(n, np.uint8),
    )  # fmt: skip


def flip(path: Path, at: int | None = None) -> None:
    """Flip a bit of a byte; without one, within the values of the first part of a segment."""
    content = bytearray(path.read_bytes())
    if at is None:
        values = pq.ParquetFile(path).metadata.row_group(0).column(2)
        at = values.data_page_offset + values.total_compressed_size // 2
    content[at] ^= 4
    path.write_bytes(content)


def sealed(folder: Path, days: int = 3) -> tuple[Store, list[Path]]:
    """A store of closed days, and their segments in order of time."""
    store = open_store(folder, "s", BEGIN)
    for day in range(days):
        store.append(quarters(day), BEGIN + (day + 1) * DAY_NS)
        store.seal()
    return store, sorted((folder / "segments").rglob("*.parquet"))


def share(store: Store, day: int, name: str = "PercentGood") -> float:
    """Of a day of series 1, by its samples."""
    start_ns = BEGIN + day * DAY_NS
    request = Request(start_ns, start_ns + DAY_NS, 0)
    now_ns = BEGIN + 9 * DAY_NS
    return float(read_processed(store.reader, 1, name, request, (0, 1), Configuration(), now_ns).value[0])


@pytest.mark.parametrize("at", [-20, None], ids=["footer", "page"])
def test_a_flipped_bit_is_told_at_its_time_before_and_after_upkeep_found_it(tmp_path: Path, at: int | None) -> None:
    store, (first, _, _) = sealed(tmp_path)
    assert (store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS).lost, share(store, 0)) == ((), 100.0)
    store.reader.close()
    flip(first, at)
    for found in ("by a reader", "by upkeep", "before"):
        raw = store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS)
        assert len(raw.samples) == 192, found
        ((start_ns, end_ns),) = raw.lost
        assert BEGIN <= start_ns < end_ns <= BEGIN + DAY_NS, found
        assert store.reader.raw(1, BEGIN + DAY_NS, BEGIN + 3 * DAY_NS).lost == ()
        assert store.reader.latest(1, BEGIN, BEGIN + 3 * DAY_NS, 1000).lost == raw.lost
        if found == "by a reader":
            store.maintain(BEGIN + 4 * DAY_NS)
            assert len(list((tmp_path / "quarantine").iterdir())) == 1
        elif found == "by upkeep":
            store.close()
            store = open_store(tmp_path, "s", BEGIN + 4 * DAY_NS)
    assert store.ledger().damaged == 192 and store.ledger().balanced
    (finding,) = store.verify()
    assert str(first) in finding and "192 rows of 2026-02-16 (UTC) could not be read and are lost" in finding
    store.close()


def test_only_the_series_of_a_damaged_part_are_told(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    many = GROUP_ROWS // 96 + 1
    store.append(quarters(0, tuple(range(1, many + 3))), BEGIN + DAY_NS)
    store.seal()
    (path,) = (tmp_path / "segments").rglob("*.parquet")
    flip(path)
    assert store.reader.raw(1, *DAY).lost
    last = store.reader.raw(many + 2, *DAY)
    assert (last.lost, len(last.samples)) == ((), 96)
    store.close()


def test_no_value_holds_over_what_is_lost(tmp_path: Path) -> None:
    """Two segments of one day: the samples that are left vouch for nothing between them."""
    store = open_store(tmp_path, "s", BEGIN)
    day = quarters(0, (1,))
    for half in (slice(0, 96, 2), slice(1, 96, 2)):
        store.append(day.take(half), BEGIN + DAY_NS)
        store.seal()
    assert share(store, 0) == 100.0
    store.reader.close()
    flip(sorted((tmp_path / "segments").rglob("*.parquet"))[0], -20)
    raw = store.reader.raw(1, *DAY)
    assert (len(raw.samples), raw.lost) == (48, (DAY,))
    assert share(store, 0) < 0.01
    buckets = store.reader.buckets(1, BEGIN, 900, 96, BEGIN + 2 * DAY_NS)
    assert (buckets.good_share < 0.01).all() and (buckets.status != StatusCode.Good).all()
    at, _ = store.reader.at(1, np.array([BEGIN + QUARTER_NS, BEGIN + QUARTER_NS + 1]))
    assert at.status.tolist() == [StatusCode.Good, StatusCode.Bad]
    store.close()


def test_roll_ups_made_before_the_damage_answer_for_it(tmp_path: Path) -> None:
    store, _ = sealed(tmp_path)
    store.maintain(BEGIN + 4 * DAY_NS)
    expected = store.reader.buckets(1, BEGIN, 3600, 24, BEGIN + 4 * DAY_NS)
    store.reader.close()
    flip(sorted((tmp_path / "segments").rglob("*.parquet"))[0], -20)
    got = store.reader.buckets(1, BEGIN, 3600, 24, BEGIN + 4 * DAY_NS)
    np.testing.assert_array_equal(got.mean, expected.mean)
    assert (got.good_share == 1.0).all()
    store.close()


def test_a_day_with_a_damaged_part_gets_no_roll_ups_that_would_hide_it(tmp_path: Path) -> None:
    store, (first, _, _) = sealed(tmp_path)
    store.append(quarters(0, (3,)), BEGIN + 4 * DAY_NS)  # of the same day, in a file that can be read
    store.seal()
    flip(first)
    store.maintain(BEGIN + 4 * DAY_NS)
    rolled = {p.parent.name for p in (tmp_path / "rollups").rglob("*.roll")}
    assert len(rolled) == 2 and first.parent.name not in rolled
    store.close()


def test_a_missing_file_is_told_as_lost(tmp_path: Path) -> None:
    store, (first, _, _) = sealed(tmp_path)
    store.close()
    first.unlink()
    store = open_store(tmp_path, "s", BEGIN + 4 * DAY_NS)
    assert store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS).lost == (DAY,)
    store.close()


def test_a_damaged_frame_of_the_log_is_told_when_it_was_written(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    day = quarters(0, (1,))
    for hour in range(3):
        store.append(day.take(slice(4 * hour, 4 * hour + 4)), BEGIN + (hour + 1) * HOUR_NS)
    store.close()
    (log,) = (tmp_path / "wal").glob("*.wal")
    flip(log, log.stat().st_size // 2)
    for _ in range(2):
        store = open_store(tmp_path, "s", BEGIN + 3 * HOUR_NS)
        raw = store.reader.raw(1, *DAY)
        assert (len(raw.samples), raw.lost) == (8, ((BEGIN + HOUR_NS, BEGIN + 2 * HOUR_NS + 1),))
        store.close()
    store = open_store(tmp_path, "s", BEGIN + 3 * HOUR_NS)
    store.seal()
    assert store.reader.raw(1, *DAY).lost == raw.lost
    assert store.ledger().damaged == 4 and store.ledger().balanced
    store.close()


def test_a_segment_cut_anywhere_is_told_and_its_neighbours_are_read(tmp_path: Path) -> None:
    """Kept from the first byte to the last but one, at every 53rd."""
    store, (first, _, _) = sealed(tmp_path)
    content = first.read_bytes()
    for length in (*range(0, len(content) - 1, 53), len(content) - 1):
        store.reader.close()
        first.write_bytes(content[:length])
        raw = store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS)
        assert (len(raw.samples), raw.lost) == (192, (DAY,)), length
    store.reader.close()
    first.write_bytes(content)
    assert store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS).lost == ()
    store.close()


def test_roll_ups_cut_anywhere_are_made_good_from_the_samples(tmp_path: Path) -> None:
    store, _ = sealed(tmp_path)
    store.maintain(BEGIN + 4 * DAY_NS)
    ask = (1, BEGIN, 900, 96, BEGIN + 3 * DAY_NS)
    expected = store.reader.buckets(*ask).mean.tolist()
    path = next(p for p in (tmp_path / "rollups").rglob("900-*.roll") if "2026-02-16" in p.parts)
    content = path.read_bytes()
    for length in range(0, len(content), 53):
        store.reader.close()
        path.write_bytes(content[:length])
        assert store.reader.buckets(*ask).mean.tolist() == expected, length
        assert store.reader.damaged, length
    store.close()


def test_retention_forgets_what_could_not_be_read_its_copy_and_says_so(tmp_path: Path) -> None:
    """Personal data and all other: a copy in quarantine outlives no day that it was set aside from."""
    store, (first, _, _) = sealed(tmp_path)
    flip(first, -20)
    store.maintain(BEGIN + 4 * DAY_NS)
    (copy,) = (tmp_path / "quarantine").iterdir()
    kept_ns = RETENTION_S["A2"] * NS_PER_S
    store.maintain(BEGIN + DAY_NS + kept_ns - 1)
    assert copy.exists() and store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS).lost == (DAY,)
    store.maintain(BEGIN + DAY_NS + kept_ns)
    assert not copy.exists() and store.reader.raw(1, BEGIN, BEGIN + 3 * DAY_NS).lost == ()
    assert [(r.class_id, r.day, r.rows, r.cause) for r in store.removals()] == [(A2, 20_500, 192, UNREADABLE)]
    ledger = store.ledger()
    assert (ledger.damaged, ledger.dropped, ledger.balanced, store.verify()) == (192, {}, True, [])
    store.close()


def test_a_torn_tail_may_hold_positions_of_persons_and_outlives_none_of_them(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(quarters(0, (1,)).take(slice(0, 4)), BEGIN + HOUR_NS)
    store.close()
    (log,) = (tmp_path / "wal").iterdir()
    log.write_bytes(log.read_bytes() + b"half a frame")
    store = open_store(tmp_path, "s", BEGIN + HOUR_NS)
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"torn-{BEGIN // DAY_NS}.bin", b"half a frame")
    end_ns = BEGIN + DAY_NS + RETENTION_S["P"] * NS_PER_S
    for now_ns, left in ((end_ns - 1, True), (end_ns, False)):
        store.maintain(now_ns)
        assert kept.exists() is left
    store.close()


def test_what_nobody_knows_the_class_of_is_told_as_long_as_any_class_is_kept(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    for hour in (1, 2):
        store.append(quarters(0, (1,)).take(slice(hour * 4, hour * 4 + 4)), BEGIN + (hour + 1) * HOUR_NS)
    store.close()
    (log,) = (tmp_path / "wal").iterdir()
    flip(log, 100)
    store = open_store(tmp_path, "s", BEGIN + 3 * HOUR_NS)
    (copy,) = (tmp_path / "quarantine").iterdir()
    end_ns = BEGIN + DAY_NS + max(RETENTION_S.values()) * NS_PER_S
    for now_ns, left in ((end_ns - 1, True), (end_ns, False)):
        store.maintain(now_ns)
        assert (copy.exists(), bool(store.reader.raw(1, *DAY).lost)) == (left, left)
    (told,) = [r for r in store.removals() if r.cause == UNREADABLE]
    assert (told.class_id, told.rows) == (ANY_CLASS, 4)
    store.close()


def test_spans_are_merged_and_values_hold_neither_into_nor_within_one() -> None:
    assert merged([(5, 9), (0, 2), (2, 4), (6, 7)]) == ((0, 4), (5, 9))
    times = np.array([0, 9, 10, 15, 20, 30], np.int64)
    gaps = Gaps(np.array([25], np.int64), ((10, 20),))
    assert gaps.cut(times, times + 100).tolist() == [10, 10, 10, 15, 25, 130]
