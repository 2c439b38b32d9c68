# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/unit/test_store_query.py
"""What a reader asks of one series: values at times, buckets, a decimated curve. Pure columns.

Law of this file: no I/O, no clock; gaps stay gaps: nothing is interpolated, and a value holds only as long as
`rollups.held_until` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, UNCERTAIN, StatusCode, Statuses, TimesNs
from historian.store.gaps import Gaps
from historian.store.pieces import NEVER, Pieces
from historian.store.rollups import HOLD_NS, WIDTHS, held_until
from historian.store.samples import CLASSES, Samples

BUCKETS_MAX: Final = 100_000
"""Most buckets one query may ask for."""
_NICE_S: Final = (1, 2, 5, 10, 15, 20, 30, 60)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Parallel columns, (n,).

    Attributes:
        start_ns: UTC start of each [ns].
        width_ns: of each, if all are equal; else 0 (days of the local calendar) [ns].
        low, high: of the Good value in effect; NaN if there was none.
        mean: weighted by time; NaN if there was none.
        last: Good value in effect at the end (or at `until_ns`, if that is earlier); NaN if none.
        count: samples stored in it, of any quality.
        good_share: part of the time the value was Good and known, 0..1; NaN where the bucket lies in the future.
        status: Good (always), UncertainSubNormal (part of the time), Bad (never).
        good_ns: time in it that the value was Good and known [ns].
        lowest, highest: of the Good samples stored in it; NaN if there was none.
        held: Good value in effect just before it; NaN if none.
        at_start: a sample lies at its very start.
        start_low, start_high: extremes of the piece that this sample begins; NaN if there is none.
    """

    start_ns: TimesNs
    width_ns: int
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    good_share: npt.NDArray[np.float64]
    status: Statuses
    good_ns: npt.NDArray[np.int64]
    lowest: npt.NDArray[np.float64]
    highest: npt.NDArray[np.float64]
    held: npt.NDArray[np.float64]
    at_start: npt.NDArray[np.bool_]
    start_low: npt.NDArray[np.float64]
    start_high: npt.NDArray[np.float64]


def fold(pieces: Pieces, edges: TimesNs, until_ns: int) -> Buckets:
    """Aggregates over the buckets between ascending edges, (n + 1,) [UTC ns]. Pieces must lie within one bucket each,
    or before the first.

    Args:
        until_ns: nothing is known from here on (now) [UTC ns].
    """
    widths_ns, n = np.diff(edges), len(edges) - 1
    width_ns = int(widths_ns[0]) if (widths_ns == widths_ns[0]).all() else 0
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    p = pieces
    inside = np.flatnonzero((p.first_ns >= edges[0]) & (p.first_ns < edges[-1]))
    b = _bucket_of(p.first_ns[inside], edges, width_ns)
    area = _sums(b, p.area[inside], n)
    good_ns = _sums(b, p.good_ns[inside], n)
    count = _sums(b, p.count[inside], n).astype(np.int64)
    _extremes(low, high, b, p.low[inside], p.high[inside])
    lowest, highest = low.copy(), high.copy()

    following = np.append(p.first_ns[1:], NEVER)
    stop = np.minimum(np.minimum(following, p.until_ns), until_ns)
    owner, b, dt = _holds(p.end_ns, np.where(p.last_good, stop, p.end_ns), edges, width_ns)
    value = p.last[owner]
    finite = ~np.isnan(value)
    area += _sums(b, np.where(finite, value, 0.0) * (dt / NS_PER_S), n)
    good_ns += _sums(b, dt, n)
    _extremes(low, high, b, value, value)

    known = np.clip(until_ns - edges[:-1], 0, widths_ns)
    none = np.isnan(low)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(good_ns / known, 1.0)
        mean = np.where(none, np.nan, area / (good_ns / NS_PER_S))
        mean = np.where(good_ns > 0, mean, np.where(none, np.nan, low))
    status = np.where(share >= 1.0 - 1e-9, StatusCode.Good, StatusCode.UncertainSubNormal).astype(np.uint32)
    status[~((share > 0) | (~none))] = StatusCode.Bad
    last = np.where(known > 0, _value_at(p, np.minimum(edges[1:], until_ns)), np.nan)
    held, (at_start, start_low, start_high) = _value_at(p, edges[:-1]), _starting(p, edges[:-1])
    return Buckets(
        edges[:-1], width_ns, low, high, mean, last, count, share, status,
        good_ns.astype(np.int64), lowest, highest, held, at_start, start_low, start_high,
    )  # fmt: skip


def _starting(p: Pieces, times: TimesNs) -> tuple[npt.NDArray[np.bool_], Any, Any]:
    """Whether a piece begins at each time, and its extremes."""
    if not len(p):
        nothing = np.full(len(times), np.nan)
        return np.zeros(len(times), np.bool_), nothing, nothing
    at = np.minimum(np.searchsorted(p.first_ns, times), len(p) - 1)
    found: npt.NDArray[np.bool_] = p.first_ns[at] == times
    return found, np.where(found, p.low[at], np.nan), np.where(found, p.high[at], np.nan)


def _sums(bucket: Any, amounts: Any, n: int) -> npt.NDArray[np.float64]:
    return np.bincount(bucket, amounts.astype(np.float64), n).astype(np.float64)  # of nothing it would make integers


def _extremes(low: Any, high: Any, bucket: Any, lows: Any, highs: Any) -> None:
    """Fold lows and highs into their buckets; buckets ascend, NaN does not count."""
    if not len(bucket):
        return
    starts = np.flatnonzero(np.append(True, np.diff(bucket) > 0))
    at = bucket[starts]
    low[at] = np.fmin(low[at], np.fmin.reduceat(lows, starts))
    high[at] = np.fmax(high[at], np.fmax.reduceat(highs, starts))


def _bucket_of(time_ns: TimesNs, edges: TimesNs, width_ns: int) -> npt.NDArray[np.int64]:
    """In which bucket each time lies, none outside the edges; a division where all are equally wide, else a search."""
    return (time_ns - edges[0]) // width_ns if width_ns else np.searchsorted(edges, time_ns, "right") - 1


def _holds(
    begin: TimesNs, end: TimesNs, edges: TimesNs, width_ns: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], TimesNs]:
    """The intervals begin..end cut at the edges: whose they are, in which bucket, how long they are [ns].

    Intervals ascend and do not overlap; what lies outside the edges is left out.
    """
    begin, end = np.maximum(begin, edges[0]), np.minimum(end, edges[-1])
    owner = np.flatnonzero(begin < end)
    begin, end = begin[owner], end[owner]
    bucket = _bucket_of(begin, edges, width_ns)
    parts = _bucket_of(end - 1, edges, width_ns) - bucket + 1
    if (parts == 1).all():
        return owner, bucket, end - begin
    owner, begin, end, bucket = (np.repeat(column, parts) for column in (owner, begin, end, bucket))
    bucket += np.arange(len(bucket)) - np.repeat(np.cumsum(parts) - parts, parts)
    return owner, bucket, np.minimum(end, edges[bucket + 1]) - np.maximum(begin, edges[bucket])


def _value_at(p: Pieces, times: TimesNs) -> npt.NDArray[np.float64]:
    """Good value in effect just before each time; NaN if none."""
    if not len(p):
        return np.full(len(times), np.nan)
    j = np.searchsorted(p.first_ns, times, "left") - 1
    held = (j >= 0) & p.last_good[j] & (p.until_ns[j] >= times)
    return np.where(held, p.last[j], np.nan)


@dataclass(frozen=True, slots=True)
class AtTimes:
    """Values at given times, (n,).

    Attributes:
        index: position of the sample in effect, -1 where none is known.
        value: NaN where none is known, Bad, or a text.
        status: of the sample; Bad where none is known.
        age_ns: how old the sample was; -1 where none is known.
    """

    index: npt.NDArray[np.intp]
    value: npt.NDArray[np.float64]
    status: Statuses
    age_ns: npt.NDArray[np.int64]


def at_times(samples: Samples, times: TimesNs, gaps: Gaps) -> AtTimes:
    """The sample in effect at each time: the last one not later, if it still holds."""
    n = len(samples)
    if not n:
        nothing = np.full(len(times), -1)
        bad = np.full(len(times), StatusCode.Bad, np.uint32)
        return AtTimes(nothing, np.full(len(times), np.nan), bad, nothing.astype(np.int64))
    j = np.searchsorted(samples.time_ns, times, "right") - 1
    known = j >= 0
    # a sample holds at its own time even if recording stopped in the same instant
    until = np.maximum(held_until(samples.time_ns, samples.class_id, gaps), samples.time_ns + 1)
    known &= times < until[j]
    j = np.where(known, j, -1)
    value = np.where(known, samples.value[j], np.nan)
    status = np.where(known, samples.status[j], np.uint32(StatusCode.Bad))
    return AtTimes(j, value, status, np.where(known, times - samples.time_ns[j], -1))


def decimate(samples: Samples, points_max: int) -> Samples:
    """At most `points_max` samples that draw the same curve: the lowest, the highest, the first that is not Good and
    the last of each of points_max/4 slices of time. All of them are real samples.

    Raises:
        ValueError: fewer than 4 points.
    """
    if points_max < 4:
        raise ValueError(f"history: expected at least 4 points, got {points_max}")
    n = len(samples)
    if n <= points_max:
        return samples
    slices = points_max // 4
    time_ns = samples.time_ns
    span = int(time_ns[-1]) - int(time_ns[0]) + 1
    b = (time_ns - time_ns[0]) * slices // span if span < 2**62 // slices else np.arange(n) * slices // n
    starts = np.flatnonzero(np.append(True, np.diff(b) > 0))
    sizes = np.diff(np.append(starts, n))
    good = (samples.status < UNCERTAIN) & ~np.isnan(samples.value)
    keep = np.zeros(n, np.bool_)
    keep[starts + sizes - 1] = True
    for key in (
        np.where(good, samples.value, np.inf),
        np.where(good, -samples.value, np.inf),
        (samples.status < UNCERTAIN).astype(np.float64),
    ):
        least = np.repeat(np.minimum.reduceat(key, starts), sizes)
        hits = np.flatnonzero(key == least)
        keep[hits[np.append(True, np.diff(b[hits]) > 0)]] = True
    return samples.take(keep)


def width_for(start_ns: int, end_ns: int, points_max: int) -> int:
    """Width of at most `points_max` buckets over a span: round, so that roll-ups can make them [s]."""
    need = max(1, -(-(end_ns - start_ns) // (points_max * NS_PER_S)))
    for nice in _NICE_S:
        if need <= nice:
            return nice
    unit = 60 if need <= 900 else 900 if need <= 7200 else 3600 if need <= 86_400 else 86_400
    return -(-need // unit) * unit


def rollup_for(width_s: int, start_ns: int, class_id: int) -> int | None:
    """Widest roll-up of a class that such buckets can be folded from [s]; None: only raw samples will do."""
    start_s, rest = divmod(start_ns, NS_PER_S)
    fit = [w for w in WIDTHS[CLASSES[class_id]] if rest == 0 and width_s % w == 0 and start_s % w == 0]
    return max(fit, default=None)


def rollups_for(width_s: int, edges: TimesNs, class_id: int) -> tuple[int, ...]:
    """Roll-ups of a class that buckets can be folded from [s]: the widest that fits, else those to be cut at the edges,
    the widest first.
    """
    fitting = rollup_for(width_s, int(edges[0]), class_id)
    if fitting is not None:
        return (fitting,)
    narrowest = int(np.diff(edges).min())
    return tuple(w for w in WIDTHS[CLASSES[class_id]][::-1] if w * NS_PER_S <= narrowest)


def unit_of(edges: TimesNs) -> int:
    """Longest whole number of seconds of which every edge is a multiple [s]; 1 if there is none."""
    seconds, rest = np.divmod(edges, NS_PER_S)
    return 1 if rest.any() else max(1, int(np.gcd.reduce(seconds)))


LOOK_BACK_NS: Final = int(HOLD_NS.max())
"""How far before a time the sample in effect may lie [ns]."""


def check_buckets(width_ns: int, n: int) -> None:
    """Refuse what would be unbounded.

    Raises:
        ValueError: n is not 1..BUCKETS_MAX, or they have no width.
    """
    if not 0 < n <= BUCKETS_MAX or width_ns <= 0:
        raise ValueError(f"history: expected 1..{BUCKETS_MAX} buckets wider than 0, got {n} of {width_ns} ns")
