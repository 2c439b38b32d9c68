# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""The aggregates of what held between the stored values: bounds, means weighted by time, durations.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values or intervals.
Source: OPC 10000-13, 5.4.3 (the clause stands at each function). Where the text of 1.05 and the examples of 1.04
differ, it is said there.
"""

from __future__ import annotations

import numpy as np

from config.words import BAD, NS_PER_S
from historian.aggregates.span import DOUBTFUL, GOOD, NO_DATA, Span, by_time
from historian.aggregates.spans import quality_regions, simple_regions, sloped_regions
from historian.aggregates.trace import CALCULATED, INTERPOLATED, PARTIAL, Values, interpolated, simple


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
    status = np.where(doubtful, DOUBTFUL, GOOD) | CALCULATED | np.where(span.early, np.uint32(PARTIAL), GOOD)
    none = span.before | (found.good_ns + found.uncertain_ns == 0)
    told = np.where(none, NO_DATA, status).astype(np.uint32)
    return Values(span.intervals.start_ns, np.where(none, np.nan, found.mean), told)


def time_average_2(span: Span) -> Values:
    """Mean between simple bounds, stepped or sloped as the value is stored (5.4.3.7)."""
    found = simple_regions(span.trace, span.intervals)
    status = by_time(span, found) | span.partial | CALCULATED
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
    bits = np.where(at_bound & made, np.uint32(INTERPOLATED), np.where(at_bound, GOOD, np.uint32(CALCULATED)))
    status = by_time(span, simple_regions(span.trace, span.intervals)) | span.partial | bits
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
