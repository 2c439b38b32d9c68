# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""The aggregates: one function each, from a trace and its intervals to a value, a status and a time per interval.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values or intervals.
Source: OPC 10000-13, 5.4.3 (the clause stands at each function). Where the text of 1.05 and the examples of 1.04
differ, it is said there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, NS_PER_S, UNCERTAIN, StatusCode, Statuses, TimesNs
from historian.aggregates.spans import (
    Intervals,
    Regions,
    Slices,
    quality_regions,
    simple_regions,
    slices,
    sloped_regions,
)
from historian.aggregates.trace import (
    CALCULATED,
    INTERPOLATED,
    MULTIPLE,
    PARTIAL,
    Flags,
    Floats,
    Places,
    Trace,
    Values,
    interpolated,
    simple,
)

_GOOD: Final = np.uint32(StatusCode.Good)
_DOUBTFUL: Final = np.uint32(StatusCode.UncertainDataSubNormal)
_NO_DATA: Final = np.uint32(StatusCode.BadNoData)


class Form(Enum):
    """Data type of a result."""

    DOUBLE = auto()
    COUNT = auto()
    SAME = auto()


class Span:
    """A trace over its intervals, and what several aggregates ask of it.

    Attributes:
        outside: intervals before the first or after the last that is known.
        partial: the bit for intervals that are not complete, else 0.
        raw: the samples of each interval, as positions in `stored`: all but marks that there is no value (BadNoData).
    """

    def __init__(self, trace: Trace, intervals: Intervals) -> None:
        self.trace, self.intervals = trace, intervals
        self.before: Flags = intervals.high_ns <= trace.first_ns
        if intervals.reverse:
            self.before = intervals.high_ns < trace.first_ns
        self.outside: Flags = self.before | (intervals.low_ns >= trace.known_ns)
        narrow = np.diff(intervals.edges_ns) < intervals.width_ns
        self.early: Flags = narrow | (intervals.low_ns < trace.first_ns)
        incomplete = self.early | (intervals.high_ns > trace.known_ns)
        self.partial: Statuses = np.where(incomplete, np.uint32(PARTIAL), _GOOD)
        self.stored: Places = np.flatnonzero(trace.status & np.uint32(0xFFFF0000) != _NO_DATA)
        self.raw: Slices = slices(trace.time_ns[self.stored], intervals)
        self.good = _Good(trace, intervals)

    def among(self, flags: Flags) -> Places:
        """How many samples of each interval are flagged; a flag per sample of the trace."""
        sums = np.append(0, np.cumsum(flags[self.stored])).astype(np.intp)
        counts: Places = sums[self.raw.stop] - sums[self.raw.first]
        return counts

    def told(
        self, value: Floats, status: npt.NDArray[Any], none: Flags | None = None, times: TimesNs | None = None
    ) -> Values:
        """The results: BadNoData outside and where there is `none`; Bad results have no value."""
        missing = self.outside if none is None else self.outside | none
        status = np.where(missing, _NO_DATA, status).astype(np.uint32)
        starts = self.intervals.start_ns
        stamps = starts if times is None else np.where(missing, starts, times)
        bad = status >= BAD
        status[bad] &= np.uint32(0xFFFF0000)
        return Values(stamps, np.where(bad, np.nan, value), status)


class _Good:
    """The Good samples of each interval: what minimum, maximum, averages and counts are made of."""

    def __init__(self, trace: Trace, intervals: Intervals) -> None:
        keep = trace.usable & (trace.status < UNCERTAIN)
        self.time_ns, self.value = trace.time_ns[keep], trace.value[keep]
        self.slices = slices(self.time_ns, intervals)
        self.none: Flags = self.slices.count == 0

    def fold(self, how: np.ufunc, values: Floats, nothing: float = np.nan) -> Floats:
        """`how` over the values of each interval; `nothing` where there are none."""
        result = np.full(len(self.none), nothing)
        filled = self.slices.filled
        if len(filled):
            first, stop = self.slices.first[filled], self.slices.stop[filled]
            result[filled] = how.reduceat(values[: stop[-1]], first)
        return result

    def spread(self, of_interval: Floats) -> Floats:
        """A number per interval, at each of its values; values in no interval get NaN."""
        spread = np.full(len(self.value), np.nan)
        inside = slice(self.slices.first[0], self.slices.stop[-1])
        spread[inside] = np.repeat(of_interval, self.slices.count)
        return spread


def _by_count(span: Span) -> Statuses:
    """Status by the share of values. Source: 5.4.3.2.1, PercentValues."""
    total, bad = span.raw.count, span.among(~span.trace.usable)
    return _weighed(span, total, total - bad, bad, span.among(span.trace.uncertain) > 0)


def _by_time(span: Span, found: Regions) -> Statuses:
    """Status by the share of the time of which anything is known. Source: 5.4.3.2.1, PercentTime."""
    intervals = span.intervals
    total = np.clip(span.trace.known_ns, intervals.low_ns, intervals.high_ns) - intervals.low_ns
    bad = found.bad_ns - (np.diff(intervals.edges_ns) - total)
    usable = found.good_ns + (0 if span.trace.config.treat_uncertain_as_bad else found.uncertain_ns)
    doubtful = (found.uncertain_ns > 0) & (not span.trace.config.treat_uncertain_as_bad)
    return _weighed(span, total, usable, bad, doubtful)


def _weighed(span: Span, total: Places, usable: Places, bad: Places, doubtful: Flags) -> Statuses:
    """Bad, Good or neither. What is Uncertain counts as usable, but the result stays Uncertain (4.2.1.2).

    With percent_good = 100 - percent_bad, only Good decides (4.2.1.2).
    """
    config = span.trace.config
    status = np.where(usable * 100 >= config.percent_good * total, _GOOD, _DOUBTFUL)
    status = np.where(doubtful, _DOUBTFUL, status)
    if config.percent_good != 100 - config.percent_bad:
        status = np.where((bad * 100 >= config.percent_bad * total) & (bad > 0), np.uint32(StatusCode.Bad), status)
    return status.astype(np.uint32)


# ------------------------------------------------------------------------------------------------------ of raw values


def average(span: Span) -> Values:
    """Of the Good values (5.4.3.5)."""
    good = span.good
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = good.fold(np.add, good.value) / good.slices.count
    return span.told(mean, _by_count(span) | CALCULATED, good.none)


def count(span: Span) -> Values:
    """How many Good values (5.4.3.21)."""
    return span.told(span.good.slices.count.astype(np.float64), _by_count(span) | span.partial | CALCULATED)


def _extreme(span: Span, how: np.ufunc, actual_time: bool) -> Values:
    """Lowest or highest Good value (5.4.3.10 to 5.4.3.13). Uncertain if Bad ones were left out, or if an Uncertain
    one lies beyond it.
    """
    good = span.good
    found = good.fold(how, good.value)
    hits = np.flatnonzero(good.value == good.spread(found))
    times, several = _first_of(span, hits)
    status = np.where(_doubtful_extreme(span, how, found), _DOUBTFUL, _GOOD) | span.partial
    if actual_time:
        status = status | np.where(several, np.uint32(MULTIPLE), _GOOD)
        return span.told(found, status, good.none, times)
    at_start = times == span.intervals.start_ns
    return span.told(found, status | np.where(at_start, _GOOD, np.uint32(CALCULATED)), good.none)


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
    status = np.where(doubtful > 0, _DOUBTFUL, _GOOD) | span.partial | CALCULATED
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
    status = np.where(passed, _DOUBTFUL, _GOOD) | span.partial | CALCULATED
    return span.told(good.value[last] - good.value[first], status, good.none)


def _deviation(span: Span, sample: bool) -> Values:
    """Standard deviation of the Good values, of a sample or of the population (5.4.3.37, 5.4.3.39)."""
    good = span.good
    n = good.slices.count
    with np.errstate(invalid="ignore", divide="ignore"):
        off = good.value - good.spread(good.fold(np.add, good.value) / n)
        variance = good.fold(np.add, off * off) / np.maximum(n - 1 if sample else n, 1)
    return span.told(np.sqrt(variance), _by_count(span) | CALCULATED, good.none)


def standard_deviation_sample(span: Span) -> Values:
    return _deviation(span, sample=True)


def standard_deviation_population(span: Span) -> Values:
    return _deviation(span, sample=False)


# ------------------------------------------------------------------------------------------------- of bounds and time


def interpolative(span: Span) -> Values:
    """Interpolated bounding value at the start (5.4.3.4). Goes on after the end of the data, Uncertain."""
    return interpolated(span.trace, span.intervals.start_ns)


def start_bound(span: Span) -> Values:
    """Simple bounding value at the start (5.4.3.28)."""
    found = simple(span.trace, span.intervals.start_ns)
    status = np.where(found.status < BAD, found.status | span.partial, found.status)
    return span.told(found.value, status)


def time_average(span: Span) -> Values:
    """Mean under straight lines between interpolated bounds, however the value is stored (5.4.3.6).

    Goes on after the end of the data, Uncertain; partial only where the data begin.
    """
    found = sloped_regions(span.trace, span.intervals)
    doubtful = (found.uncertain_ns > 0) | (found.bad_ns > 0)
    status = np.where(doubtful, _DOUBTFUL, _GOOD) | CALCULATED | np.where(span.early, np.uint32(PARTIAL), _GOOD)
    none = span.before | (found.good_ns + found.uncertain_ns == 0)
    told = np.where(none, _NO_DATA, status).astype(np.uint32)
    return Values(span.intervals.start_ns, np.where(none, np.nan, found.mean), told)


def time_average_2(span: Span) -> Values:
    """Mean between simple bounds, stepped or sloped as the value is stored (5.4.3.7)."""
    found = simple_regions(span.trace, span.intervals)
    status = _by_time(span, found) | span.partial | CALCULATED
    return span.told(found.mean, status, found.good_ns + found.uncertain_ns == 0)


def _times_width(span: Span, mean: Values) -> Values:
    return Values(mean.time_ns, mean.value * (np.diff(span.intervals.edges_ns) / NS_PER_S), mean.status)


def total(span: Span) -> Values:
    """TimeAverage times the interval [unit x s] (5.4.3.8)."""
    return _times_width(span, time_average(span))


def total_2(span: Span) -> Values:
    """TimeAverage2 times the interval [unit x s] (5.4.3.9)."""
    return _times_width(span, time_average_2(span))


def _extreme_2(span: Span, how: np.ufunc) -> Values:
    """Lowest or highest value, the bounds included (5.4.3.15, 5.4.3.16)."""
    low, high = (simple(span.trace, t) for t in (span.intervals.low_ns, span.intervals.high_ns))
    usable = span.good.fold(how, span.good.value)
    bound, far = (high, low) if span.intervals.reverse else (low, high)
    lesser = np.fmin if how is np.minimum else np.fmax
    found = lesser(usable, bound.value)
    if not span.trace.config.stepped:
        found = lesser(found, far.value)
    made = (bound.status & np.uint32(0x3)) == np.uint32(0x2)
    at_bound = found == bound.value
    bits = np.where(at_bound & made, np.uint32(INTERPOLATED), np.where(at_bound, _GOOD, np.uint32(CALCULATED)))
    status = _by_time(span, simple_regions(span.trace, span.intervals)) | span.partial | bits
    return span.told(found, status, np.isnan(found))


def minimum_2(span: Span) -> Values:
    return _extreme_2(span, np.minimum)


def maximum_2(span: Span) -> Values:
    return _extreme_2(span, np.maximum)


def _lasting(span: Span, good: bool, percent: bool) -> Values:
    """Time [ms], or its share [%] of what is known of the interval (5.4.3.31 to 5.4.3.34)."""
    found, end_ns = quality_regions(span.trace, span.intervals)
    lasted = (found.good_ns if good else found.bad_ns).astype(np.float64)
    if percent:
        with np.errstate(invalid="ignore", divide="ignore"):
            lasted = lasted * 100.0 / (end_ns - span.intervals.low_ns)
    else:
        lasted = lasted / 1e6
    return span.told(lasted, span.partial | CALCULATED)


def duration_good(span: Span) -> Values:
    return _lasting(span, good=True, percent=False)


def duration_bad(span: Span) -> Values:
    return _lasting(span, good=False, percent=False)


def percent_good(span: Span) -> Values:
    return _lasting(span, good=True, percent=True)


def percent_bad(span: Span) -> Values:
    return _lasting(span, good=False, percent=True)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate.

    Attributes:
        name: as in OPC 10000-13.
        of_quality: looks at statuses only, so that a text has it too.
    """

    name: str
    function: Callable[[Span], Values]
    form: Form = Form.SAME
    of_quality: bool = False


AGGREGATES: Final[dict[str, Aggregate]] = {
    a.name: a
    for a in (
        Aggregate("Interpolative", interpolative),
        Aggregate("Average", average, Form.DOUBLE),
        Aggregate("TimeAverage", time_average, Form.DOUBLE),
        Aggregate("TimeAverage2", time_average_2, Form.DOUBLE),
        Aggregate("Total", total, Form.DOUBLE),
        Aggregate("Total2", total_2, Form.DOUBLE),
        Aggregate("Minimum", minimum),
        Aggregate("Maximum", maximum),
        Aggregate("MinimumActualTime", minimum_actual_time),
        Aggregate("MaximumActualTime", maximum_actual_time),
        Aggregate("Range", value_range),
        Aggregate("Minimum2", minimum_2),
        Aggregate("Maximum2", maximum_2),
        Aggregate("Count", count, Form.COUNT, of_quality=True),
        Aggregate("Start", start),
        Aggregate("End", end),
        Aggregate("Delta", delta),
        Aggregate("StartBound", start_bound),
        Aggregate("DurationGood", duration_good, Form.DOUBLE, of_quality=True),
        Aggregate("DurationBad", duration_bad, Form.DOUBLE, of_quality=True),
        Aggregate("PercentGood", percent_good, Form.DOUBLE, of_quality=True),
        Aggregate("PercentBad", percent_bad, Form.DOUBLE, of_quality=True),
        Aggregate("StandardDeviationSample", standard_deviation_sample, Form.DOUBLE),
        Aggregate("StandardDeviationPopulation", standard_deviation_population, Form.DOUBLE),
    )
}
"""Name -> aggregate: what the server publishes and answers."""


def aggregate(name: str, trace: Trace, intervals: Intervals) -> Values:
    """One aggregate over intervals, in ascending order of time."""
    return AGGREGATES[name].function(Span(trace, intervals))


def in_order(values: Values, intervals: Intervals) -> Values:
    """As the client asked for them: the latest first when time flows backward."""
    if not intervals.reverse:
        return values
    return Values(values.time_ns[::-1], values.value[::-1], values.status[::-1])
