# SPDX-License-Identifier: Apache-2.0
"""Queries of a small history whose answers are known by heart; what cannot be read is said."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import NS_PER_S, StatusCode
from historian.store import query, reader
from historian.store.disk import StoreError
from historian.store.rollup_files import _range_of
from historian.store.samples import CLASSES, Samples, concat, in_order
from historian.store.segments import DAY_NS
from historian.store.store import Store, open_store

BEGIN = 20_500 * DAY_NS
HOUR_NS = 3600 * NS_PER_S
GOOD, BAD = StatusCode.Good, StatusCode.BadNoCommunication


def series(number: int, class_name: str, *rows: tuple[float, float, int]) -> Samples:
    """Samples (hour, value, status) of one series."""
    n = len(rows)
    status = np.array([r[2] for r in rows], np.uint32)
    return Samples(
        series=np.full(n, number, np.uint32),
        time_ns=np.array([BEGIN + round(r[0] * HOUR_NS) for r in rows], np.int64),
        value=np.where(status >= StatusCode.Bad, np.nan, [r[1] for r in rows]),
        whole=np.zeros(n, np.int64),
        status=status,
        lag_ds=np.zeros(n, np.int32),
        class_id=np.full(n, CLASSES.index(class_name), np.uint8),
        flags=np.zeros(n, np.uint8),
    )


def at(hour: float) -> int:
    return BEGIN + round(hour * HOUR_NS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Series 1: 10 from 1 h, 30 from 2 h, Bad from 3 h, 20 from 3.5 h. Series 2: a switch, on from 0.5 h to 2.5 h."""
    opened = open_store(tmp_path / "h", "s", BEGIN)
    opened.append(series(1, "A2", (1, 10, GOOD), (2, 30, GOOD), (3, 0, BAD), (3.5, 20, GOOD)), at(4))
    opened.append(series(2, "E", (0.5, 1, GOOD), (2.5, 0, GOOD)), at(4))
    return opened


@pytest.fixture(params=["log", "segments", "day"])
def kept(store: Store, request: pytest.FixtureRequest) -> Store:
    """The same history in each place where it may lie."""
    if request.param != "log":
        store.seal()
    if request.param == "day":
        store.maintain(BEGIN + 27 * HOUR_NS)
    return store


def test_buckets_are_weighted_by_time_and_gaps_stay_gaps(kept: Store) -> None:
    b = kept.reader.buckets(1, BEGIN, 3600, 6, at(4.5))
    nan = np.nan
    np.testing.assert_equal(b.mean, [nan, 10, 30, 20, 20, nan])
    np.testing.assert_equal(b.low, [nan, 10, 30, 20, 20, nan])
    np.testing.assert_equal(b.last, [nan, 10, 30, 20, 20, nan])
    np.testing.assert_equal(b.good_share, [0, 1, 1, 0.5, 1, nan])
    assert b.count.tolist() == [0, 1, 1, 2, 0, 0]
    good, part, none = StatusCode.Good, StatusCode.UncertainSubNormal, StatusCode.Bad
    assert b.status.tolist() == [none, good, good, part, good, none]
    two = kept.reader.buckets(1, BEGIN, 7200, 2, at(4))
    np.testing.assert_allclose(two.mean, [10, (30 * 1 + 20 * 0.5) / 1.5])
    np.testing.assert_equal((two.low, two.high), ([10, 20], [10, 30]))
    kept.close()


def test_the_infinite_hides_nothing_beside_it(store: Store) -> None:
    """A converter that divides by zero says infinity; what else was measured in that hour is still told."""
    store.append(series(3, "A2", (0, 5, GOOD), (0.2, -np.inf, GOOD), (0.4, 7, GOOD), (1, np.inf, GOOD)), at(2))
    for day in (False, True):
        b = store.reader.buckets(3, BEGIN, 3600, 2, at(2))
        np.testing.assert_equal((b.low, b.high), ([-np.inf, np.inf], [7, np.inf]))
        assert b.good_share.tolist() == [1, 1] and b.status.tolist() == [StatusCode.Good] * 2
        if not day:
            store.seal()
            store.maintain(BEGIN + 27 * HOUR_NS)
    store.close()


def test_values_at_times_and_several_series_aligned(kept: Store) -> None:
    times = np.array([at(h) for h in (0.75, 1, 1.999, 2.6, 3.2, 3.6, 9)])
    values, statuses = kept.reader.aligned([1, 2], times)
    nan = np.nan
    np.testing.assert_equal(values, [[nan, 10, 10, 30, nan, 20, nan], [1, 1, 1, 0, 0, 0, 0]])
    none = StatusCode.Bad
    assert statuses.tolist() == [[none, GOOD, GOOD, GOOD, BAD, GOOD, none], [GOOD] * 7]
    found, samples = kept.reader.at(2, times[-1:])
    assert (found.age_ns.tolist(), samples.value.tolist()) == ([round(6.5 * HOUR_NS)], [0.0])
    kept.close()


def test_no_value_holds_into_a_gap_of_recording(store: Store) -> None:
    store.record_gap(at(2.25), at(2.4), "power cut")
    b = store.reader.buckets(1, at(2), 3600, 1, at(4))
    assert (b.good_share.tolist(), b.mean.tolist()) == ([0.25], [30.0])
    values, statuses = store.reader.aligned([1, 2], np.array([at(2.2), at(2.3), at(2.6)]))
    np.testing.assert_equal(values, [[30, np.nan, np.nan], [1, np.nan, 0]])
    assert statuses[0].tolist() == [GOOD, StatusCode.Bad, StatusCode.Bad]
    assert store.gaps() == [(at(2.25), at(2.4), "power cut")]
    store.close()


def test_a_pause_of_the_server_is_a_gap_with_its_cause(store: Store, tmp_path: Path) -> None:
    store.seal()
    store.close()
    again = open_store(tmp_path / "h", "s", at(6))
    assert again.gaps() == [(at(4), at(6), "the server did not run")]
    assert again.reader.buckets(2, at(4), 3600, 1, at(6)).good_share.tolist() == [0.0]
    again.close()


def test_a_trend_begins_at_or_before_its_start(kept: Store) -> None:
    b = kept.reader.trend(1, at(1.01), at(4), 10, at(4))
    assert b.width_ns == 1800 * NS_PER_S
    assert b.start_ns[0] <= at(1.01) < b.start_ns[1]
    assert len(b.start_ns) <= 10
    assert np.nanmax(b.high) == 30
    kept.close()


def test_queries_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"expected 1\.\.100000 buckets"):
        store.reader.buckets(1, BEGIN, 1, 100_001, at(4))
    with pytest.raises(ValueError, match="at least 4 points"):
        store.reader.curve(1, BEGIN, at(4), 3)
    part = store.reader.raw(1, BEGIN, at(9), rows_max=3)
    assert (part.samples.value.tolist()[:2], part.complete) == ([10.0, 30.0], False)
    assert store.reader.raw(1, BEGIN, at(9)).complete
    monkeypatch.setattr(reader, "ROWS_MAX", 3)
    with pytest.raises(StoreError, match="ask for a shorter span"):
        store.reader.buckets(1, BEGIN, 7, 5000, at(9))
    store.close()


def test_unknown_series_and_empty_spans_are_empty(kept: Store) -> None:
    assert len(kept.reader.raw(99, 0, 2**62).samples) == 0
    assert len(kept.reader.raw(1, at(4), at(1)).samples) == 0
    assert np.isnan(kept.reader.buckets(99, BEGIN, 60, 5, at(4)).mean).all()
    assert kept.reader.at(1, np.empty(0, np.int64))[0].index.tolist() == []
    kept.close()


def test_files_at_hand_are_bounded(tmp_path: Path) -> None:
    store = open_store(tmp_path / "h", "s", BEGIN)
    for day in range(6):
        store.append(series(1, "A2", *((day * 24 + h, h, GOOD) for h in range(24))), at(day * 24 + 23))
    store.seal()
    store.maintain(at(6 * 24 + 3))
    store.reader._files._segments.most = store.reader._files._rollups.most = 2
    assert len(store.reader.raw(1, 0, 2**62).samples) == 144
    assert store.reader.buckets(1, BEGIN, 3600, 144, at(144)).count.tolist() == [1] * 144
    assert (len(store.reader._files._segments), len(store.reader._files._rollups)) == (2, 2)
    store.close()


def test_any_parquet_reader_can_read_a_segment(store: Store, tmp_path: Path) -> None:
    odd = replace(series(3, "A2", (1, 5, GOOD)), time_ns=np.array([at(1) + 123_456_789]))
    store.append(odd, at(4))
    store.seal()
    (path,) = (tmp_path / "h" / "segments" / "A2").rglob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert [(r["series"], r["time_ms"] * 10**6 + r["time_rest_ns"]) for r in rows][-1] == (3, at(1) + 123_456_789)
    assert store.reader.raw(3, 0, 2**62).samples.time_ns.tolist() == [at(1) + 123_456_789]
    store.close()


def test_verify_finds_what_rotted_and_nothing_else(kept: Store, tmp_path: Path) -> None:
    kept.append(series(1, "A2", (3.75, 21, GOOD)), at(4))
    assert kept.verify() == []
    files = [p for p in (tmp_path / "h").rglob("*") if p.suffix in (".parquet", ".roll", ".wal")]
    for path, at_byte in itertools.product(files, (5, 70, -30)):
        content = path.read_bytes()
        at_byte %= len(content)
        path.write_bytes(content[:at_byte] + bytes([content[at_byte] ^ 1]) + content[at_byte + 1 :])
        (finding,) = kept.verify()
        assert str(path) in finding
        path.write_bytes(content)
    assert kept.verify() == []
    kept.close()


def test_rotten_roll_ups_are_made_good_from_the_samples(store: Store, tmp_path: Path) -> None:
    store.seal()
    store.maintain(at(27))
    expected = store.reader.buckets(1, BEGIN, 3600, 5, at(5))
    for path in (tmp_path / "h" / "rollups").rglob("*.roll"):
        path.write_bytes(path.read_bytes()[:-1])
    store.reader.close()
    got = store.reader.buckets(1, BEGIN, 3600, 5, at(5))
    np.testing.assert_allclose(got.mean, expected.mean)
    assert store.reader.damaged
    store.close()


@given(ids=st.sets(st.integers(0, 2**32 - 1) | st.integers(250, 260), min_size=1, max_size=20), k=st.integers(0, 20))
def test_a_series_is_found_among_ids_split_by_byte(ids: set[int], k: int) -> None:
    owners = np.repeat(np.array(sorted(ids), "<u4"), 3)
    split = np.ascontiguousarray(owners.view(np.uint8).reshape(-1, 4).T)
    for wanted in {*ids, min(ids) ^ 1, max(ids) ^ 256, sorted(ids)[k % len(ids)] ^ 2}:
        a, b = _range_of(wanted, split)
        assert np.flatnonzero(owners == wanted).tolist() == list(range(a, b))


def test_samples_of_several_parts_are_put_in_order() -> None:
    a, b = series(2, "E", (2, 1, GOOD), (1, 2, GOOD)), series(1, "E", (5, 3, GOOD))
    assert in_order(concat([a, b])).value.tolist() == [3.0, 2.0, 1.0]
    assert query.decimate(concat([a, b]), 4).value.tolist() == [1.0, 2.0, 3.0]
