# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""Intervals of a processed read, and what lies in each: samples, and time by quality with the area under the curve.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values or intervals.
Source: OPC 10000-13, 5.4.2.2 (intervals), 5.4.3.2 (regions).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, UNCERTAIN, TimesNs
from historian.aggregates.trace import Flags, Floats, Places, Trace, extrapolated, line


@dataclass(frozen=True, slots=True)
class Request:
    """The intervals a client asks for: from start to end, in either direction, in steps of `width_ns`.

    A width of 0, or one as wide as the range, is one interval. The last interval holds what remains.

    Raises:
        ValueError: start and end are the same time, or the width is negative.
    """

    start_ns: int
    end_ns: int
    width_ns: int

    def __post_init__(self) -> None:
        if self.start_ns == self.end_ns or self.width_ns < 0:
            raise ValueError("intervals: expected two times and a width of at least 0")

    @property
    def step_ns(self) -> int:
        range_ns = abs(self.end_ns - self.start_ns)
        return range_ns if not self.width_ns else min(self.width_ns, range_ns)

    def __len__(self) -> int:
        return -(-abs(self.end_ns - self.start_ns) // self.step_ns)

    def intervals(self, first: int, n: int) -> Intervals:
        """Intervals first..first+n, those that there are."""
        sign = 1 if self.end_ns > self.start_ns else -1
        n = max(0, min(n, len(self) - first))
        edges = self.start_ns + sign * self.step_ns * np.arange(first, first + n + 1, dtype=np.int64)
        if n and first + n == len(self):
            edges[-1] = self.end_ns
        return Intervals(edges[::sign].copy(), self.step_ns, sign < 0)


@dataclass(frozen=True)
class Intervals:
    """Intervals that touch, ascending: number k is edges_ns[k]..edges_ns[k + 1].

    Attributes:
        edges_ns: (n + 1,).
        width_ns: of a complete one.
        reverse: time flows backward: the later edge belongs to an interval, the earlier does not; it starts at the
            later one. Results are turned round by `in_order`.
    """

    edges_ns: TimesNs
    width_ns: int
    reverse: bool = False

    def __len__(self) -> int:
        return len(self.edges_ns) - 1

    @cached_property
    def low_ns(self) -> TimesNs:
        return self.edges_ns[:-1]

    @cached_property
    def high_ns(self) -> TimesNs:
        return self.edges_ns[1:]

    @property
    def start_ns(self) -> TimesNs:
        """Time stamp of each: where it starts in the direction of the request."""
        return self.high_ns if self.reverse else self.low_ns

    def cut(self, first: int, stop: int) -> Intervals:
        """Number first..stop, ascending."""
        return Intervals(self.edges_ns[first : stop + 1], self.width_ns, self.reverse)


@dataclass(frozen=True, slots=True)
class Slices:
    """Which samples lie in each interval: positions first..stop, (n,)."""

    first: Places
    stop: Places

    @property
    def count(self) -> npt.NDArray[np.int64]:
        return (self.stop - self.first).astype(np.int64)

    @property
    def filled(self) -> Places:
        """The intervals that hold any."""
        return np.flatnonzero(self.stop > self.first)


def slices(time_ns: TimesNs, intervals: Intervals) -> Slices:
    """Samples of each interval: [low, high), or (low, high] when time flows backward."""
    at = np.searchsorted(time_ns, intervals.edges_ns, "right" if intervals.reverse else "left")
    return Slices(at[:-1], at[1:])


@dataclass(frozen=True, slots=True)
class Regions:
    """Time of each interval by quality [ns], (n,), and what it adds up to.

    Attributes:
        good_ns, uncertain_ns, bad_ns: together the width of the interval.
        area: integral over good and uncertain time [unit x s].
    """

    good_ns: npt.NDArray[np.int64]
    uncertain_ns: npt.NDArray[np.int64]
    bad_ns: npt.NDArray[np.int64]
    area: Floats

    @property
    def mean(self) -> Floats:
        """Weighted by time; NaN where all is Bad."""
        seconds = (self.good_ns + self.uncertain_ns) / NS_PER_S
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(seconds > 0, self.area / seconds, np.nan)


@dataclass(frozen=True, slots=True)
class _Strips:
    """The intervals cut at every sample, (m,): nothing changes within a strip but along one line."""

    owner: Places
    begin: TimesNs
    end: TimesNs
    place: Places


def _strips(trace: Trace, intervals: Intervals) -> _Strips:
    edges = intervals.edges_ns
    inside = trace.time_ns[np.searchsorted(trace.time_ns, edges[0]) : np.searchsorted(trace.time_ns, edges[-1])]
    points = np.concatenate([edges, inside, np.clip([trace.known_ns], edges[0], edges[-1])])
    points.sort(kind="stable")
    keep = np.flatnonzero(np.diff(points) > 0)
    begin, end = points[keep], points[keep + 1]
    return _Strips(np.searchsorted(edges, begin, "right") - 1, begin, end, trace.place(begin))


def _sum(strips: _Strips, amounts: npt.NDArray[np.float64], n: int) -> Floats:
    return np.bincount(strips.owner, amounts, n).astype(np.float64)


def _regions(strips: _Strips, n: int, usable: Flags, doubtful: Flags, mean: Floats) -> Regions:
    dt = (strips.end - strips.begin).astype(np.float64)
    area = _sum(strips, np.where(usable, mean, 0.0) * (dt / NS_PER_S), n)
    parts = [_sum(strips, np.where(m, dt, 0.0), n).astype(np.int64) for m in (usable & ~doubtful, usable & doubtful)]
    return Regions(parts[0], parts[1], _sum(strips, np.where(usable, 0.0, dt), n).astype(np.int64), area)


def simple_regions(trace: Trace, intervals: Intervals) -> Regions:
    """Regions between simple bounds: a Bad sample begins a Bad region; a slope that would end in one is held."""
    strips, n = _strips(trace, intervals), len(intervals)
    if not len(trace):
        return _regions(strips, n, *_void(strips))
    last = len(trace) - 1
    a, b = np.maximum(strips.place, 0), np.minimum(strips.place + 1, last)
    usable = (strips.place >= 0) & trace.usable[a] & ((strips.place < last) | (strips.begin < trace.known_ns))
    doubtful, mean = trace.uncertain[a], trace.value[a]
    if not trace.config.stepped:
        sloped = (strips.place < last) & trace.usable[b]
        ends = line(trace, a, b, strips.begin), line(trace, a, b, strips.end)
        beyond = extrapolated(trace, a, strips.begin), extrapolated(trace, a, strips.end)
        mean = np.where(sloped, ends[0] + ends[1], beyond[0] + beyond[1]) / 2
        doubtful = doubtful | ~sloped | trace.uncertain[b]
    return _regions(strips, n, usable, doubtful, mean)


def sloped_regions(trace: Trace, intervals: Intervals) -> Regions:
    """Regions between interpolated bounds, always on straight lines, past Bad samples. Source: 5.4.3.6."""
    strips, n = _strips(trace, intervals), len(intervals)
    if not len(trace):
        return _regions(strips, n, *_void(strips))
    end = len(trace)
    before, b = trace.before[np.maximum(strips.place, 0)], trace.after[strips.place + 1]
    usable = (strips.place >= 0) & (before >= 0)
    a, right = np.maximum(before, 0), np.minimum(b, end - 1)
    ends = line(trace, a, right, strips.begin), line(trace, a, right, strips.end)
    beyond = extrapolated(trace, a, strips.begin), extrapolated(trace, a, strips.end)
    mean = np.where(b < end, ends[0] + ends[1], beyond[0] + beyond[1]) / 2
    doubtful = (b - before > 1) | (b == end) | trace.uncertain[a] | trace.uncertain[right]
    return _regions(strips, n, usable, doubtful, mean)


def quality_regions(trace: Trace, intervals: Intervals) -> tuple[Regions, TimesNs]:
    """Time by the quality each sample begins, up to where anything is known; and up to where that is, (n,).

    Good here is Good; `uncertain` what is neither Good nor Bad in the eyes of the configuration. Source: 5.4.3.31.
    """
    strips, n = _strips(trace, intervals), len(intervals)
    end_ns = np.clip(trace.known_ns, intervals.low_ns, intervals.high_ns)
    known = strips.begin < trace.known_ns
    if not len(trace):
        none = np.zeros(len(strips.begin), np.bool_)
        return _within(_regions(strips, n, none, none, np.zeros(len(none))), intervals, end_ns), end_ns
    a = np.maximum(strips.place, 0)
    usable = (strips.place >= 0) & trace.usable[a] & known
    found = _regions(strips, n, usable, trace.status[a] >= UNCERTAIN, np.zeros(len(a)))
    return _within(found, intervals, end_ns), end_ns


def _within(found: Regions, intervals: Intervals, end_ns: TimesNs) -> Regions:
    """Without the time of which nothing is known yet."""
    return Regions(found.good_ns, found.uncertain_ns, found.bad_ns - (intervals.high_ns - end_ns), found.area)


def _void(strips: _Strips) -> tuple[Flags, Flags, Floats]:
    none = np.zeros(len(strips.begin), np.bool_)
    return none, none, np.zeros(len(none))
