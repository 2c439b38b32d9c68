# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_aggregates_rolled.py
"""The blocking side of aggregates: from a store's reader to values over intervals, by roll-ups or by samples.

Law of this file: blocking reads only, bounded: at most ROWS_MAX samples in memory, whatever the span. What no sample
vouches for is no data: a value that was not refreshed in its time, or a stop of recording, ends in a mark BadNoData.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, StatusCode, TimesNs
from historian.aggregates.functions import AGGREGATES, in_order
from historian.aggregates.rolled import ROLLED, rolled
from historian.aggregates.span import Span
from historian.aggregates.spans import Intervals, Request
from historian.aggregates.trace import NEVER_NS, Configuration, Floats, Trace, Values, at_times
from historian.store.disk import StoreError
from historian.store.query import BUCKETS_MAX
from historian.store.reader import ROWS_MAX, Reader
from historian.store.samples import TEXT, Samples
from historian.store.view import Around

BESIDE: Final = 64
"""Samples looked at before and after a span to find a usable one."""
_PIECE: Final = 4
"""Into how many pieces intervals are cut when their samples are too many at once."""


class TooManySamples(Exception):
    """One interval holds more samples than may be read at once."""


def trace_of(
    around: Around, config: Configuration, now_ns: int, values: Floats | None = None, begun_ns: int = NEVER_NS
) -> Trace:
    """A series as aggregates see it, with a mark wherever a value ends without a successor.

    Args:
        begun_ns: where the data are known to begin.
        values: what stands for the samples' own values, (n,); a text counts as 0, so that its quality can be weighed.
    """
    samples, until = around.samples, around.until_ns
    time_ns = samples.time_ns
    if values is None:
        values = np.where(samples.flags & TEXT, 0.0, samples.value)
    if not len(time_ns):
        return Trace(time_ns, values, samples.status, config, now_ns, begun_ns)
    until = np.maximum(until, time_ns + 1)  # a sample holds at its own time even if recording stopped then
    following = np.append(time_ns[1:], max(now_ns, int(time_ns[-1])))
    ends = np.flatnonzero(until < following)
    places = ends + 1
    value = np.insert(values, places, np.nan)
    status = np.insert(samples.status, places, np.uint32(StatusCode.BadNoData))
    return Trace(np.insert(time_ns, places, until[ends]), value, status, config, now_ns, begun_ns)


def read_processed(
    reader: Reader, series: int, name: str, request: Request, part: tuple[int, int], config: Configuration, now_ns: int
) -> Values:
    """One aggregate over part (first, n) of the intervals of a request, in the order of the request.

    Raises:
        TooManySamples: an interval needs more than ROWS_MAX samples.
        StoreError: the files cannot be read.
    """
    intervals = request.intervals(*part)
    return in_order(_read(reader, series, name, intervals, config, now_ns), intervals)


def _read(reader: Reader, series: int, name: str, intervals: Intervals, config: Configuration, now_ns: int) -> Values:
    found = _rolled(reader, series, name, intervals, config, now_ns)
    if found is None:
        return _of_samples(reader, series, name, intervals, config, now_ns)
    values, exact = found
    if exact.all():
        return values
    begun_ns = _begun_ns(reader, series, intervals, config, now_ns)
    for first, stop in _runs(~exact):
        made = _of_samples(reader, series, name, intervals.cut(first, stop), config, now_ns, begun_ns)
        for column, fresh in zip(_columns(values), _columns(made), strict=True):
            column[first:stop] = fresh
    return values


def _columns(values: Values) -> tuple[npt.NDArray[np.generic], ...]:
    return values.time_ns, values.value, values.status


def _rolled(
    reader: Reader, series: int, name: str, intervals: Intervals, config: Configuration, now_ns: int
) -> tuple[Values, npt.NDArray[np.bool_]] | None:
    """What roll-ups answer; None if they have no say. Only whole seconds and complete intervals come from there."""
    n, width_s, rest = len(intervals), *divmod(intervals.width_ns, NS_PER_S)
    if name not in ROLLED or intervals.reverse or rest or width_s < 60 or not 1 < n <= BUCKETS_MAX:
        return None
    start_ns, now_ns = int(intervals.edges_ns[0]), min(now_ns, int(intervals.edges_ns[-1]))
    try:
        buckets = reader.buckets(series, start_ns, width_s, n, now_ns)
    except StoreError:  # no roll-ups of this width, and too many samples at once: they are read in pieces
        return None
    found = rolled(name, buckets, intervals, config, now_ns)
    if found is not None:
        found[1][-1] &= int(intervals.edges_ns[-1]) - int(intervals.edges_ns[-2]) == intervals.width_ns
    return found


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where flags are set in a row: first..stop of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _begun_ns(reader: Reader, series: int, intervals: Intervals, config: Configuration, now_ns: int) -> int:
    """Where the data of all these intervals begin: a part of them that is read alone does not see that far back."""
    edges = intervals.edges_ns
    first = reader.around(series, int(edges[0]), int(edges[-1]) + 1, BESIDE, BESIDE, lean=True)
    return trace_of(first, config, now_ns).first_ns


def _of_samples(
    reader: Reader,
    series: int,
    name: str,
    intervals: Intervals,
    config: Configuration,
    now_ns: int,
    begun_ns: int | None = None,
) -> Values:
    """The whole from samples; in pieces if they are too many."""
    edges = intervals.edges_ns
    around = reader.around(series, int(edges[0]), int(edges[-1]) + 1, BESIDE, lean=True)
    if around.complete:
        begun_ns = NEVER_NS if begun_ns is None else begun_ns
        return AGGREGATES[name].function(Span(trace_of(around, config, now_ns, begun_ns=begun_ns), intervals))
    n = len(intervals)
    if n == 1:
        raise TooManySamples(f"history: one interval holds more than {ROWS_MAX} samples; ask for shorter ones")
    if begun_ns is None:
        begun_ns = _begun_ns(reader, series, intervals, config, now_ns)
    cuts = np.unique(np.linspace(0, n, min(_PIECE, n) + 1).astype(int)).tolist()
    parts = [
        _of_samples(reader, series, name, intervals.cut(a, b), config, now_ns, begun_ns)
        for a, b in itertools.pairwise(cuts)
    ]
    return Values(*(np.concatenate(c) for c in zip(*map(_columns, parts), strict=True)))


def read_at_times(
    reader: Reader, series: int, times: TimesNs, simple_bounds: bool, config: Configuration, now_ns: int
) -> Values:
    """Values at ascending times: stored, or bounds.

    Raises:
        TooManySamples: more than ROWS_MAX samples lie between them.
        StoreError: the files cannot be read.
    """
    around = reader.around(series, int(times[0]), int(times[-1]) + 1, BESIDE, lean=True)
    if around.complete:
        return at_times(trace_of(around, config, now_ns), times, simple_bounds)
    if len(times) == 1 or times[0] == times[-1]:
        raise TooManySamples(f"history: more than {ROWS_MAX} samples at one time")
    half = len(times) // 2
    parts = [read_at_times(reader, series, t, simple_bounds, config, now_ns) for t in (times[:half], times[half:])]
    return Values(*(np.concatenate(c) for c in zip(*map(_columns, parts), strict=True)))


def read_at_times_exactly(
    reader: Reader, series: int, times: TimesNs, simple_bounds: bool, config: Configuration, now_ns: int
) -> tuple[Values, Samples]:
    """The same for a stepped series whose values no float can hold: `value` is a position in the samples, or NaN.

    Raises: as above.
    """
    around = reader.around(series, int(times[0]), int(times[-1]) + 1, BESIDE)
    if not around.complete:
        raise TooManySamples(f"history: more than {ROWS_MAX} samples lie between these times")
    positions = np.arange(len(around.samples), dtype=np.float64)
    trace = trace_of(around, config, now_ns, positions)
    return at_times(trace, times, simple_bounds), around.samples
