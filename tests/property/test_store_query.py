# SPDX-License-Identifier: Apache-2.0
"""Buckets equal what a plain loop makes of the same samples, whichever of log, segments and roll-ups they come from."""

import math
import tempfile
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, settings

from config.words import NS_PER_S, StatusCode
from historian.store import query
from historian.store.gaps import Gaps
from historian.store.rollups import HOLD_NS
from historian.store.samples import CLASSES, Samples, last_words
from historian.store.segments import DAY_NS
from historian.store.store import open_store

BEGIN = 20_500 * DAY_NS
MINUTE_NS = 60 * NS_PER_S
QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None
GOOD, UNCERTAIN, BAD = 0, 0x40000000, 0x80000000
Row = tuple[int, float, int]


def column(rows: list[Row], class_id: int, series: int = 5) -> Samples:
    n = len(rows)
    return Samples(
        np.full(n, series, np.uint32),
        np.array([r[0] for r in rows], np.int64),
        np.array([math.nan if r[2] >= BAD else r[1] for r in rows], np.float64),
        np.zeros(n, np.int64),
        np.array([r[2] for r in rows], np.uint32),
        np.zeros(n, np.int32),
        np.full(n, class_id, np.uint8),
        np.zeros(n, np.uint8),
    )


def plain(rows: list[Row], hold_ns: int, gaps: list[int], a: int, b: int, now_ns: int) -> dict[str, float]:
    """One bucket a..b, sample by sample."""
    area, good_ns, count, last = 0.0, 0, 0, math.nan
    seen: list[float] = []
    for k, (time_ns, value, status) in enumerate(rows):
        until = min([time_ns + hold_ns, now_ns, *(g for g in gaps if g >= time_ns)])
        following = rows[k + 1][0] if k + 1 < len(rows) else until
        begin, end = max(time_ns, a), min(until, following, b)
        count += a <= time_ns < b
        if status >= UNCERTAIN:
            continue
        if a <= time_ns < b or end > begin:
            seen.append(value)
        if end > begin:
            area += value * (end - begin) / NS_PER_S
            good_ns += end - begin
        if a < now_ns and time_ns < min(b, now_ns) <= following and until >= min(b, now_ns):
            last = value
    known = max(0, min(b, now_ns) - a)
    return {
        "low": min(seen, default=math.nan),
        "high": max(seen, default=math.nan),
        "mean": area / (good_ns / NS_PER_S) if good_ns else min(seen, default=math.nan),
        "last": last,
        "count": count,
        "good_share": good_ns / known if known else math.nan,
    }


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], int]:
    """Samples of one series over four days, with holes, and its class."""
    n = draw(st.integers(1, 60))
    times = draw(st.lists(st.integers(0, 4 * 1440 * 4), min_size=n, max_size=n, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = [
        (BEGIN + t * 15 * NS_PER_S, float(rng.integers(-40, 40)), int(rng.choice([GOOD, GOOD, GOOD, UNCERTAIN, BAD])))
        for t in sorted(times)
    ]
    return rows, draw(st.sampled_from([CLASSES.index(c) for c in ("E", "A1", "A2", "C", "D", "P")]))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    histories(),
    st.sampled_from([60, 420, 900, 3600, 5400, 86_400]),
    st.integers(0, 4 * 96),
    st.booleans(),
    st.integers(-1, 3),
    st.integers(0, 3),
    st.lists(st.integers(0, 4 * 1440), max_size=2),
    st.booleans(),
)
def test_buckets_are_what_a_plain_loop_makes(
    history: tuple[list[Row], int],
    width_s: int,
    quarter: int,
    askew: bool,
    closed: int,
    kept: int,
    gap_minutes: list[int],
    uneven: bool,
) -> None:
    rows, class_id = history
    start_ns = BEGIN + quarter * 15 * MINUTE_NS + askew * 7 * NS_PER_S
    if not askew and width_s > 900:
        start_ns = start_ns // (width_s * NS_PER_S) * width_s * NS_PER_S
    gaps = sorted({BEGIN + m * MINUTE_NS + 1 for m in gap_minutes})
    now_ns = max(rows[-1][0] + 1, BEGIN + 4 * DAY_NS)
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        store = open_store(Path(folder), "s", BEGIN)
        for gap in gaps:
            store.record_gap(gap, gap + MINUTE_NS, "test")
        live = rows[len(rows) - kept :] if kept else []
        sealed = rows[: len(rows) - len(live)]
        if sealed:
            store.append(column(sealed, class_id), now_ns)
            store.seal()
            if closed >= 0:
                store.maintain(BEGIN + closed * DAY_NS + 3 * 3600 * NS_PER_S)
        if live:
            store.append(column(live, class_id), now_ns)
        n = min(60, max(1, (5 * DAY_NS) // (width_s * NS_PER_S)))
        edges = start_ns + np.arange(n + 1) * width_s * NS_PER_S
        if uneven and n > 2:  # as days and months of a calendar are
            edges = edges[np.arange(n + 1) % 3 != 1]
            got = store.reader.between(5, edges, now_ns)
        else:
            got = store.reader.buckets(5, start_ns, width_s, n, now_ns)
        store.close()
    hold_ns = int(HOLD_NS[class_id])
    expected = [plain(rows, hold_ns, gaps, a, b, now_ns) for a, b in pairwise(edges.tolist())]
    for name in expected[0]:
        wanted = np.array([e[name] for e in expected])
        np.testing.assert_allclose(getattr(got, name), wanted, rtol=1e-9, atol=1e-9, err_msg=name)
    status = [
        GOOD
        if e["good_share"] >= 1 - 1e-9
        else StatusCode.UncertainSubNormal
        if e["good_share"] > 0 or not math.isnan(e["low"])
        else StatusCode.Bad
        for e in expected
    ]
    assert got.status.tolist() == status


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.integers(-100, 4 * 1440 * 4 + 100), max_size=30), st.integers(0, 4 * 1440))
def test_at_times_is_the_last_sample_that_still_holds(
    history: tuple[list[Row], int], asked: list[int], gap_minute: int
) -> None:
    rows, class_id = history
    times = np.array(sorted(BEGIN + t * 15 * NS_PER_S for t in asked), np.int64)
    gap = BEGIN + gap_minute * MINUTE_NS + 1
    got = query.at_times(column(rows, class_id), times, Gaps(np.array([gap], np.int64)))
    for k, time_ns in enumerate(times.tolist()):
        before = [r for r in rows if r[0] <= time_ns]
        known = bool(before)
        if known:
            t, value, status = before[-1]
            until = min(t + int(HOLD_NS[class_id]), gap if gap >= t else 2**62)
            known = time_ns < max(until, t + 1)
        if known:
            assert (got.status[k], got.age_ns[k]) == (status, time_ns - t)
            assert got.value[k] == value if status < BAD else math.isnan(got.value[k])
        else:
            assert (got.index[k], got.status[k], got.age_ns[k]) == (-1, StatusCode.Bad, -1)


@settings(max_examples=80, deadline=None)
@given(histories(), st.integers(4, 40))
def test_a_decimated_curve_keeps_every_extreme_and_every_gap(history: tuple[list[Row], int], points: int) -> None:
    samples = column(*history)
    drawn = query.decimate(samples, points)
    assert len(drawn) <= max(points, 4)
    assert set(drawn.time_ns.tolist()) <= set(samples.time_ns.tolist())
    assert (np.diff(drawn.time_ns) > 0).all()
    good, shown = samples.status < UNCERTAIN, drawn.status < UNCERTAIN
    if good.any():
        assert samples.value[good].min() == drawn.value[shown].min()
        assert samples.value[good].max() == drawn.value[shown].max()
    assert good.all() == shown.all()
    assert drawn.time_ns[-1] == samples.time_ns[-1]


@given(st.integers(1, 20 * 365 * 86_400), st.integers(2, 3000))
def test_a_trend_has_at_most_as_many_buckets_as_asked(span_s: int, points: int) -> None:
    width_s = query.width_for(BEGIN, BEGIN + span_s * NS_PER_S, points)
    assert -(-span_s // width_s) <= points
    if width_s >= 60:
        assert width_s % 60 == 0


def test_the_last_word_of_each_time_counts() -> None:
    samples = column([(1, 1.0, GOOD), (1, 2.0, GOOD), (2, 3.0, GOOD)], 0)
    assert last_words(samples).value.tolist() == [2.0, 3.0]
