# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_aggregates_rolled.py
"""Aggregates out of roll-ups, where roll-ups answer exactly: a year is then read like a day.

Law of this file: columns in, columns out; no I/O, no clock. It never answers what the samples would answer otherwise:
each result stands beside a flag that says whether it is exact, and the reader makes the others from samples.

Theory. Roll-ups know, per interval, how long the value was Good, its integral, extremes and count, for a stepped value
that counts Uncertain as Bad. An interval that was Good all the time is therefore known entirely; of others what depends
on time and Good values only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from config.words import NS_PER_S, StatusCode
from historian.aggregates.spans import Intervals
from historian.aggregates.trace import CALCULATED, INTERPOLATED, Configuration, Flags, Floats, Values
from historian.store.query import Buckets

_GOOD: Final = np.uint32(StatusCode.Good)
_DOUBTFUL: Final = np.uint32(StatusCode.UncertainDataSubNormal)


def rolled(name: str, buckets: Buckets, intervals: Intervals, config: Configuration, known_ns: int) -> _Rolled | None:
    """Results of one aggregate, and which of them are exact; None if roll-ups never are.

    Args:
        buckets: of exactly these intervals.
        known_ns: up to when anything is known (now).
    """
    made = ROLLED.get(name)
    if made is None or not config.stepped or intervals.reverse:
        return None
    whole = buckets.good_ns == buckets.width_ns
    settled = np.cumsum(buckets.good_ns > 0) > 1  # not the one in which the data begin, nor any before
    settled[0] |= not np.isnan(buckets.held[0])
    settled = np.maximum.accumulate(settled)
    exact = settled & (intervals.high_ns <= known_ns) & (whole | config.treat_uncertain_as_bad)
    value, bits, only_whole = made(buckets)
    exact &= whole | (not only_whole)
    if name in _OF_EXTREMES:
        exact &= _settled_start(value, buckets, whole, _OF_EXTREMES[name])
    none = (buckets.good_ns == 0) & _timed(name) | np.isnan(value)
    status = np.where(none, np.uint32(StatusCode.BadNoData), _status(name, buckets, config) | bits)
    bad = status >= np.uint32(StatusCode.Bad)
    status[bad] &= np.uint32(0xFFFF0000)
    return Values(intervals.low_ns.copy(), np.where(bad, np.nan, value), status.astype(np.uint32)), exact


_Rolled = tuple[Values, Flags]
_Made = tuple[Floats, Any, bool]
_OF_EXTREMES: Final = {
    "Minimum": "start_low",
    "Minimum2": "start_low",
    "Maximum": "start_high",
    "Maximum2": "start_high",
}
"""Here it matters whether the extreme lies on the start of the interval."""


def _settled_start(extreme: Floats, buckets: Buckets, whole: Flags, beginning: str) -> Flags:
    """Where it is known whether the extreme lies on the start: nothing lies there, or the roll-up that begins there
    does not reach the extreme, or all its samples do.
    """
    other: Flags = getattr(buckets, beginning) != extreme
    settled: Flags = ~buckets.at_start | (whole & (other | (buckets.start_low == buckets.start_high)))
    return settled


def _timed(name: str) -> bool:
    """True where an interval without Good time has no data."""
    return name in ("TimeAverage2", "Total2", "Minimum2", "Maximum2")


def _status(name: str, buckets: Buckets, config: Configuration) -> Any:
    """By the share of time; what is told of whole intervals only, or of durations, is Good. Source: 5.4.3.2.1."""
    if not _timed(name):
        return np.full(len(buckets.good_ns), _GOOD)
    good = buckets.good_ns * 100
    status = np.where(good >= config.percent_good * buckets.width_ns, _GOOD, _DOUBTFUL)
    if config.percent_good != 100 - config.percent_bad:
        bad_ns = buckets.width_ns - buckets.good_ns
        failed = (bad_ns * 100 >= config.percent_bad * buckets.width_ns) & (bad_ns > 0)
        status = np.where(failed, np.uint32(StatusCode.Bad), status)
    return status


def _of_stored(value: Floats) -> _Made:
    return value, CALCULATED, True


def _of_time(value: Floats) -> _Made:
    return value, CALCULATED, False


def _of_extreme(value: Floats, buckets: Buckets) -> _Made:
    """An extreme of the samples: as it was stored where it lies on the start."""
    return value, np.where(_on_start(value, buckets), _GOOD, np.uint32(CALCULATED)), True


def _bounded(value: Floats, buckets: Buckets) -> _Made:
    """An extreme that may be the value held at the start."""
    held = ~buckets.at_start & (value == buckets.held)
    bits = np.where(held, np.uint32(INTERPOLATED), np.uint32(CALCULATED))
    return value, np.where(_on_start(value, buckets), _GOOD, bits), False


def _on_start(value: Floats, buckets: Buckets) -> Flags:
    one: Flags = (buckets.start_low == buckets.start_high) & (buckets.start_low == value)
    return buckets.at_start & one


ROLLED: Final[dict[str, Callable[[Buckets], _Made]]] = {
    "Minimum": lambda b: _of_extreme(b.lowest, b),
    "Maximum": lambda b: _of_extreme(b.highest, b),
    "Range": lambda b: _of_stored(b.highest - b.lowest),
    "Count": lambda b: _of_stored(b.count.astype(np.float64)),
    "Minimum2": lambda b: _bounded(b.low, b),
    "Maximum2": lambda b: _bounded(b.high, b),
    "TimeAverage2": lambda b: _of_time(b.mean),
    "Total2": lambda b: _of_time(b.mean * (b.width_ns / NS_PER_S)),
    "DurationGood": lambda b: _of_time(b.good_ns / 1e6),
    "DurationBad": lambda b: _of_time((b.width_ns - b.good_ns) / 1e6),
    "PercentGood": lambda b: _of_time(b.good_ns * 100.0 / b.width_ns),
    "PercentBad": lambda b: _of_time((b.width_ns - b.good_ns) * 100.0 / b.width_ns),
}
