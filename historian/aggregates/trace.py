# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""One series as aggregates see it, and its value at any time: interpolated and simple bounding values.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values.
Source: OPC 10000-13, 3.1.7 to 3.1.9 (bounding values), 4.2.1.2 (configuration), 5.3.3 (information bits).

What decides between the two ways: an *interpolated* bound looks past Bad values for the nearest usable ones (and is
Uncertain if it had to), a *simple* bound takes the neighbours as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, UNCERTAIN, StatusCode, Statuses, TimesNs

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

INFO: Final = 0x0400
"""InfoType DataValue: the low bits say how the value was made. Source: OPC 10000-4, 7.38.2."""
CALCULATED: Final = INFO | 0x01
INTERPOLATED: Final = INFO | 0x02
PARTIAL: Final = INFO | 0x04
MULTIPLE: Final = INFO | 0x10
NEVER_NS: Final = int(np.iinfo(np.int64).max)
RESOLUTION_NS: Final = 1_000_000
"""How long a last value counts when nothing says that it still holds [ns]. Source: OPC 10000-13, 5.4.2.4."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """How quality is weighed. Source: OPC 10000-13, 4.2.1.2; the defaults are those of the standard.

    Attributes:
        stepped: a value holds until the next one; else a straight line is drawn between them.
        percent_bad: share of Bad from which a result is Bad, 0..100.
        percent_good: share of Good from which a result is Good, 0..100, at least 100 - percent_bad.
    """

    stepped: bool = True
    treat_uncertain_as_bad: bool = True
    percent_bad: int = 100
    percent_good: int = 100
    sloped_extrapolation: bool = False

    @property
    def valid(self) -> bool:
        bad, good = self.percent_bad, self.percent_good
        return bad <= 100 and good <= 100 and good >= 100 - bad


class Trace:
    """Samples of one series, ascending in time, one per time.

    Args:
        time_ns, value, status: (n,); values of Bad samples count for nothing.
        known_ns: up to when the last value is known to hold [UTC ns]; later means nothing is known.
        begun_ns: where the data are known to begin, if that is before these samples [UTC ns].

    Attributes:
        usable: not Bad, as the configuration sees it.
        uncertain: usable, but Uncertain.
        before: position of the last usable sample at or before each, -1 if none.
        after: position of the first usable sample at or after each, and one more at the end; n if none.
    """

    def __init__(
        self,
        time_ns: TimesNs,
        value: Floats,
        status: Statuses,
        config: Configuration,
        known_ns: int | None = None,
        begun_ns: int = NEVER_NS,
    ) -> None:
        n = len(time_ns)
        self._begun_ns = begun_ns
        self.time_ns, self.value, self.status, self.config = time_ns, value, status, config
        last_ns = int(time_ns[-1]) if n else 0
        self.known_ns = last_ns + RESOLUTION_NS if known_ns is None else max(known_ns, last_ns)
        self.usable: Flags = (status < (UNCERTAIN if config.treat_uncertain_as_bad else BAD)) & ~np.isnan(value)
        self.uncertain: Flags = self.usable & (status >= UNCERTAIN)
        places = np.arange(n)
        self.before: Places = np.maximum.accumulate(np.where(self.usable, places, -1))
        after = np.minimum.accumulate(np.where(self.usable, places, n)[::-1])[::-1]
        self.after: Places = np.append(after, n)

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def first_ns(self) -> int:
        """Where the data begin: the first usable sample; NEVER_NS if there is none."""
        first = int(self.after[0])
        return min(self._begun_ns, int(self.time_ns[first]) if first < len(self) else NEVER_NS)

    def place(self, times: TimesNs) -> Places:
        """Position of the last sample at or before each time, -1 if none."""
        return np.searchsorted(self.time_ns, times, "right") - 1


@dataclass(frozen=True, slots=True)
class Values:
    """Values at times or over intervals, (n,): NaN where the status is Bad."""

    time_ns: TimesNs
    value: Floats
    status: Statuses


def line(trace: Trace, a: Places, b: Places, times: TimesNs) -> Floats:
    """On the straight line through samples a and b (a < b), at each time."""
    span = (trace.time_ns[b] - trace.time_ns[a]).astype(np.float64)
    share = (times - trace.time_ns[a]) / np.where(span == 0, 1.0, span)
    low, high = trace.value[a], trace.value[b]
    return np.where(share <= 0.0, low, low + (high - low) * share)


def extrapolated(trace: Trace, a: Places, times: TimesNs) -> Floats:
    """Beyond the last usable sample a: held, or on the line through it and the one before."""
    held = trace.value[a]
    if trace.config.stepped or not trace.config.sloped_extrapolation:
        return held
    earlier = np.where(a > 0, trace.before[np.maximum(a - 1, 0)], -1)
    sloped = line(trace, np.maximum(earlier, 0), a, times)
    return np.where(earlier >= 0, sloped, held)


def interpolated(trace: Trace, times: TimesNs) -> Values:
    """Interpolated bounding values (3.1.8); where a usable sample has exactly that time, the sample itself."""
    n = len(trace)
    if not n:
        return _nothing(times)
    at = trace.place(times)
    safe = np.maximum(at, 0)
    a, b = np.where(at >= 0, trace.before[safe], -1), trace.after[at + 1]
    exact = (a == at) & (at >= 0) & (trace.time_ns[safe] == times)
    left, right = np.maximum(a, 0), np.minimum(b, n - 1)
    if trace.config.stepped:
        value = trace.value[left]
        doubtful = (a < at) | ((at == n - 1) & (times > trace.known_ns))
    else:
        value = np.where(b < n, line(trace, left, right, times), extrapolated(trace, left, times))
        doubtful = (b - a > 1) | (b == n) | trace.uncertain[right]
    doubtful |= trace.uncertain[left]
    return _told(trace, times, value, exact, left, a < 0, doubtful)


def simple(trace: Trace, times: TimesNs) -> Values:
    """Simple bounding values (3.1.9); where a usable sample has exactly that time, the sample itself."""
    n = len(trace)
    if not n:
        return _nothing(times)
    at = trace.place(times)
    left, right = np.maximum(at, 0), np.minimum(at + 1, n - 1)
    usable = (at >= 0) & trace.usable[left] & ((at < n - 1) | (times < trace.known_ns))
    exact = usable & (trace.time_ns[left] == times)
    doubtful = trace.uncertain[left]
    value = trace.value[left]
    if not trace.config.stepped:
        sloped = (at < n - 1) & trace.usable[right]
        value = np.where(sloped, line(trace, left, right, times), extrapolated(trace, left, times))
        doubtful = doubtful | ~sloped | trace.uncertain[right]
    return _told(trace, times, value, exact, left, ~usable, doubtful)


def _told(
    trace: Trace, times: TimesNs, value: Floats, exact: Flags, place: Places, none: Flags, doubtful: Flags
) -> Values:
    status = np.where(doubtful, np.uint32(StatusCode.UncertainDataSubNormal), np.uint32(StatusCode.Good))
    status = np.where(exact, trace.status[place], status | np.uint32(INTERPOLATED))
    value = np.where(exact, trace.value[place], value)
    return Values(times, np.where(none, np.nan, value), np.where(none, np.uint32(StatusCode.BadNoData), status))


def _nothing(times: TimesNs) -> Values:
    n = len(times)
    return Values(times, np.full(n, np.nan), np.full(n, StatusCode.BadNoData, np.uint32))


def at_times(trace: Trace, times: TimesNs, simple_bounds: bool) -> Values:
    """What ReadAtTime answers: a stored sample of exactly that time, whatever its quality, else the bound.

    Source: OPC 10000-11, 6.5.5.2.
    """
    made = simple(trace, times) if simple_bounds else interpolated(trace, times)
    if not len(trace):
        return made
    at = trace.place(times)
    safe = np.maximum(at, 0)
    stored = (at >= 0) & (trace.time_ns[safe] == times)
    status = np.where(stored, trace.status[safe], made.status)
    value = np.where(stored, np.where(trace.status[safe] < BAD, trace.value[safe], np.nan), made.value)
    return Values(times, value, status)
