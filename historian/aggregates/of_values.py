# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""The aggregates of the stored values themselves: means and extremes of samples, ends, differences, deviations.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values or intervals.
Source: OPC 10000-13, 5.4.3 (the clause stands at each function). Where the text of 1.05 and the examples of 1.04
differ, it is said there.
"""

from __future__ import annotations

import numpy as np

from config.words import BAD, UNCERTAIN, TimesNs
from historian.aggregates.span import DOUBTFUL, GOOD, Span, by_count
from historian.aggregates.trace import CALCULATED, MULTIPLE, Flags, Floats, Places, Values


def average(span: Span) -> Values:
    """Of the Good values (5.4.3.5)."""
    good = span.good
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = good.fold(np.add, good.value) / good.slices.count
    return span.told(mean, by_count(span) | CALCULATED, good.none)


def count(span: Span) -> Values:
    """How many Good values (5.4.3.21)."""
    return span.told(span.good.slices.count.astype(np.float64), by_count(span) | span.partial | CALCULATED)


def _extreme(span: Span, how: np.ufunc, actual_time: bool) -> Values:
    """Lowest or highest Good value (5.4.3.10 to 5.4.3.13). Uncertain if Bad ones were left out, or if an Uncertain
    one lies beyond it.
    """
    good = span.good
    found = good.fold(how, good.value)
    hits = np.flatnonzero(good.value == good.spread(found))
    times, several = _first_of(span, hits)
    status = np.where(_doubtful_extreme(span, how, found), DOUBTFUL, GOOD) | span.partial
    if actual_time:
        status = status | np.where(several, np.uint32(MULTIPLE), GOOD)
        return span.told(found, status, good.none, times)
    at_start = times == span.intervals.start_ns
    return span.told(found, status | np.where(at_start, GOOD, np.uint32(CALCULATED)), good.none)


def _doubtful_extreme(span: Span, how: np.ufunc, found: Floats) -> Flags:
    trace = span.trace
    doubtful: Flags = span.among(~trace.usable) > 0
    if trace.uncertain.any():
        at = np.repeat(found, span.raw.count)
        inside = span.stored[span.raw.first[0] : span.raw.stop[-1]]
        beyond = np.zeros(len(trace), np.bool_)
        beyond[inside] = trace.uncertain[inside] & (how(trace.value[inside], at) != at)
        doubtful |= span.among(beyond) > 0
    return doubtful


def _first_of(span: Span, hits: Places) -> tuple[TimesNs, Flags]:
    """Time of the first of these Good samples in each interval, and whether there are more."""
    times = span.good.time_ns[hits]
    owner = np.searchsorted(hits, span.good.slices.first, "left")
    beyond = np.searchsorted(hits, span.good.slices.stop, "left")
    if not len(times):
        return span.intervals.start_ns, np.zeros(len(span.intervals), np.bool_)
    place = np.minimum(beyond - 1 if span.intervals.reverse else owner, len(times) - 1)
    return times[np.maximum(place, 0)], beyond - owner > 1


def minimum(span: Span) -> Values:
    return _extreme(span, np.minimum, actual_time=False)


def maximum(span: Span) -> Values:
    return _extreme(span, np.maximum, actual_time=False)


def minimum_actual_time(span: Span) -> Values:
    return _extreme(span, np.minimum, actual_time=True)


def maximum_actual_time(span: Span) -> Values:
    return _extreme(span, np.maximum, actual_time=True)


def value_range(span: Span) -> Values:
    """Highest less lowest Good value (5.4.3.14)."""
    low, high = minimum(span), maximum(span)
    doubtful = (low.status | high.status) & np.uint32(UNCERTAIN)
    status = np.where(doubtful > 0, DOUBTFUL, GOOD) | span.partial | CALCULATED
    return span.told(high.value - low.value, status, span.good.none)


def _end_sample(span: Span, last: bool) -> Values:
    """Earliest or latest sample as it is, at its time (5.4.3.25, 5.4.3.26)."""
    trace, stored, empty = span.trace, span.stored, span.raw.count == 0
    if not len(stored):
        return span.told(np.full(len(empty), np.nan), np.zeros(len(empty), np.uint32), empty)
    place = stored[np.clip(span.raw.stop - 1 if last else span.raw.first, 0, len(stored) - 1)]
    status = trace.status[place]
    status = np.where(status < BAD, status | span.partial, status)
    return span.told(trace.value[place], status, empty, trace.time_ns[place])


def start(span: Span) -> Values:
    return _end_sample(span, last=span.intervals.reverse)


def end(span: Span) -> Values:
    return _end_sample(span, last=not span.intervals.reverse)


def delta(span: Span) -> Values:
    """Last less first Good value in time; Uncertain if a sample that is not Good was passed over (5.4.3.27)."""
    good, raw, stored_ns = span.good, span.raw, span.trace.time_ns[span.stored]
    if not len(good.value):
        return span.told(np.full(len(good.none), np.nan), np.zeros(len(good.none), np.uint32), good.none)
    first = np.minimum(good.slices.first, len(good.value) - 1)
    last = np.maximum(good.slices.stop - 1, 0)
    ends = np.minimum(raw.first, len(stored_ns) - 1), np.maximum(raw.stop - 1, 0)
    passed = (stored_ns[ends[0]] < good.time_ns[first]) | (stored_ns[ends[1]] > good.time_ns[last])
    status = np.where(passed, DOUBTFUL, GOOD) | span.partial | CALCULATED
    return span.told(good.value[last] - good.value[first], status, good.none)


def _deviation(span: Span, sample: bool) -> Values:
    """Standard deviation of the Good values, of a sample or of the population (5.4.3.37, 5.4.3.39)."""
    good = span.good
    n = good.slices.count
    with np.errstate(invalid="ignore", divide="ignore"):
        off = good.value - good.spread(good.fold(np.add, good.value) / n)
        variance = good.fold(np.add, off * off) / np.maximum(n - 1 if sample else n, 1)
    return span.told(np.sqrt(variance), by_count(span) | CALCULATED, good.none)


def standard_deviation_sample(span: Span) -> Values:
    return _deviation(span, sample=True)


def standard_deviation_population(span: Span) -> Values:
    return _deviation(span, sample=False)
