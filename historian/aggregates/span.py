# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""A trace over its intervals: what several aggregates ask of it, and how good a result is.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values or intervals.
Source: OPC 10000-13, 5.4.3.2.1 (status of a result), 4.2.1.2 (configuration).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, UNCERTAIN, StatusCode, Statuses, TimesNs
from historian.aggregates.spans import Intervals, Regions, Slices, slices
from historian.aggregates.trace import PARTIAL, Flags, Floats, Places, Trace, Values

GOOD: Final = np.uint32(StatusCode.Good)
DOUBTFUL: Final = np.uint32(StatusCode.UncertainDataSubNormal)
NO_DATA: Final = np.uint32(StatusCode.BadNoData)


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
        self.partial: Statuses = np.where(incomplete, np.uint32(PARTIAL), GOOD)
        self.stored: Places = np.flatnonzero(trace.status & np.uint32(0xFFFF0000) != NO_DATA)
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
        status = np.where(missing, NO_DATA, status).astype(np.uint32)
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


def by_count(span: Span) -> Statuses:
    """Status by the share of values. Source: 5.4.3.2.1, PercentValues."""
    total, bad = span.raw.count, span.among(~span.trace.usable)
    return _weighed(span, total, total - bad, bad, span.among(span.trace.uncertain) > 0)


def by_time(span: Span, found: Regions) -> Statuses:
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
    status = np.where(usable * 100 >= config.percent_good * total, GOOD, DOUBTFUL)
    status = np.where(doubtful, DOUBTFUL, status)
    if config.percent_good != 100 - config.percent_bad:
        status = np.where((bad * 100 >= config.percent_bad * total) & (bad > 0), np.uint32(StatusCode.Bad), status)
    return status.astype(np.uint32)
