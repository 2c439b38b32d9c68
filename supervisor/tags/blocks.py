# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_blocks.py, tests/property/test_blocks_property.py
"""Function blocks: functions with memory, one array element per instance.

Law of this file: arrays in, arrays out, no loop over instances, time from the `Tick` only. What must survive a restart
is listed in `kept`; everything else begins afresh.

One rule of time for all blocks. `Tick.elapsed_ns` is the time since the run before, and it is 0 when nobody can vouch
for it: at the first run, after a pause longer than GAP_S, and when the clock stepped back. So a stopped server or a
corrected clock adds nothing to an integral and makes nothing "held".

One rule of quality: a block learns only from inputs that are Good. While its input is not Good it holds, and the
result carries the input's status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, Rows, StatusCode, Statuses, TimesNs

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

GAP_S: Final = 60.0
"""Longest pause between two scans that still counts as watched time [s]. A scan takes 0.1 s."""
SHOWN_EVERY_NS: Final = 10 * NS_PER_S
"""How often the total of `integrate` moves, spread over the instances: 850 running hour counters would otherwise be
8,500 changed rows a second for a thousandth of an hour. The sum itself is kept at every scan."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One run.

    Attributes:
        now_ns: UTC [ns].
        elapsed_ns: watched time since the run before [ns], 0..GAP_S.
    """

    now_ns: int
    elapsed_ns: int


def tick(before_ns: int | None, now_ns: int) -> Tick:
    """The run at `now_ns` after one at `before_ns` (None: the first)."""
    elapsed = 0 if before_ns is None else now_ns - before_ns
    return Tick(now_ns, elapsed if 0 < elapsed <= GAP_S * NS_PER_S else 0)


@dataclass(frozen=True, slots=True)
class Input:
    """What a block watches, all (n,).

    Attributes:
        good: where the value may be learned from.
        source_ns: newest time of the tags behind the value; only `delta` looks at it.
    """

    values: Floats
    good: Mask
    source_ns: TimesNs


class FunctionBlock:
    """Base: columns of memory over n instances.

    Attributes:
        kept: names of the columns that survive a restart.
        running: further columns that survive a change of plant, in which no time passes unwatched.
        counts_time: True if time itself is an input, so that the result is as new as the scan.
    """

    kept: ClassVar[tuple[str, ...]] = ()
    running: ClassVar[tuple[str, ...]] = ()
    counts_time: ClassVar[bool] = True

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], Statuses | None]:
        """Result and, where the block itself has something to say of its quality, a status (else None), both (n,)."""
        raise TypeError(f"{type(self).__name__} computes nothing")

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The memory itself, by column (not a copy)."""
        return {name: getattr(self, name) for name in self.kept}

    def restore(self, columns: Mapping[str, npt.NDArray[Any]], took: Rows, at: Rows) -> None:
        """Continue from saved memory: element `took[i]` of the saved columns becomes element `at[i]`."""
        for name in self.kept:
            getattr(self, name)[at] = columns[name][took]

    def adopt(self, former: FunctionBlock, took: Rows, at: Rows) -> None:
        """Continue from the same block of the plant before, as if nothing had happened; indices as in `restore`."""
        for name in self.kept + self.running:
            getattr(self, name)[at] = getattr(former, name)[took]


class HeldFor(FunctionBlock):
    """True when a condition has been true for a time; false as soon as it is false.

    Args:
        duration_s: how long [s].
    """

    kept = ("held_ns",)
    running = ("_open",)

    def __init__(self, n: int, duration_s: float) -> None:
        self._needed_ns = round(duration_s * NS_PER_S)
        self.held_ns: TimesNs = np.zeros(n, np.int64)
        self._open: Mask = np.zeros(n, np.bool_)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], None]:
        true = x.good & (x.values != 0)
        grown = np.minimum(self.held_ns + now.elapsed_ns, self._needed_ns)
        self.held_ns = np.where(true & self._open, grown, self.held_ns)
        self.held_ns[x.good & ~true] = 0
        self._open = true
        return self.held_ns >= self._needed_ns, None


class UnchangedFor(FunctionBlock):
    """True when a value has stayed exactly the same for a time.

    Args:
        duration_s: how long [s].
    """

    kept = ("held_ns", "last", "seen")
    running = ("_open",)

    def __init__(self, n: int, duration_s: float) -> None:
        self._needed_ns = round(duration_s * NS_PER_S)
        self.held_ns: TimesNs = np.zeros(n, np.int64)
        self.last: Floats = np.zeros(n)
        self.seen: Mask = np.zeros(n, np.bool_)
        self._open: Mask = np.zeros(n, np.bool_)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], None]:
        same = x.good & self.seen & (x.values == self.last)
        grown = np.minimum(self.held_ns + now.elapsed_ns, self._needed_ns)
        self.held_ns = np.where(same & self._open, grown, self.held_ns)
        self.held_ns[x.good & ~same] = 0
        self.last = np.where(x.good, x.values, self.last)
        self.seen |= x.good
        self._open = x.good
        return self.held_ns >= self._needed_ns, None


class Integrate(FunctionBlock):
    """Sum of value x time: hours run, kWh from kW. The value that stood when an interval began counts for all of it.

    Args:
        unit_s: unit of time of the result [s]: 3600 gives hours.
    """

    kept = ("total",)
    running = ("shown", "_last", "_open")

    def __init__(self, n: int, unit_s: float) -> None:
        self._unit_ns = unit_s * NS_PER_S
        self.total: Floats = np.zeros(n)
        self.shown: Floats = np.zeros(n)
        self._last: Floats = np.zeros(n)
        self._open: Mask = np.zeros(n, np.bool_)
        self._phase_ns: TimesNs = np.arange(n) * SHOWN_EVERY_NS // max(n, 1)
        self._slot: TimesNs = np.full(n, -1, np.int64)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], None]:
        self.total += np.where(self._open, self._last, 0.0) * (now.elapsed_ns / self._unit_ns)
        self._open = x.good
        self._last = np.where(x.good, x.values, self._last)
        slot = (now.now_ns + self._phase_ns) // SHOWN_EVERY_NS
        self.shown = np.where(slot != self._slot, self.total, self.shown)
        self._slot = slot
        return self.shown, None


class Delta(FunctionBlock):
    """Change since the Good sample before. A sample is new when its source time is; an equal value gives 0.

    Before the second sample there is no change to tell: BadWaitingForInitialData.
    """

    kept = ("last", "last_source_ns", "seen", "change", "known")
    counts_time = False

    def __init__(self, n: int) -> None:
        self.last: Floats = np.zeros(n)
        self.last_source_ns: TimesNs = np.zeros(n, np.int64)
        self.seen: Mask = np.zeros(n, np.bool_)
        self.change: Floats = np.zeros(n)
        self.known: Mask = np.zeros(n, np.bool_)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], Statuses | None]:
        new = x.good & (~self.seen | (x.source_ns != self.last_source_ns))
        second = new & self.seen
        self.change = np.where(second, x.values - self.last, self.change)
        self.known |= second
        self.last = np.where(new, x.values, self.last)
        self.last_source_ns = np.where(new, x.source_ns, self.last_source_ns)
        self.seen |= new
        return self.change, _where(~self.known, StatusCode.BadWaitingForInitialData)


class Counter(FunctionBlock):
    """Total of a raw counter that rolls over, never falling. It begins at the counter's own first reading.

    An advance (through the modulus, if the raw value fell) of at most `advance` counts. Anything else is a counter that
    was reset or replaced: the total goes on from where it was, the event is counted in `resets`, and the result is
    UncertainSubNormal until the new counter has moved on. A reading outside 0..modulus is BadOutOfRange.
    What was counted while the server was stopped is not lost: the last raw value is kept.

    Args:
        modulus: raw values are 0..modulus-1 (below modulus, for counters with decimals).
        advance: greatest plausible advance between two samples.
    """

    kept = ("last", "total", "seen", "resets", "marked")
    counts_time = False

    def __init__(self, n: int, modulus: float, advance: float) -> None:
        self._modulus, self._advance = modulus, advance
        self.last: Floats = np.zeros(n)
        self.total: Floats = np.zeros(n)
        self.seen: Mask = np.zeros(n, np.bool_)
        self.resets: npt.NDArray[np.int64] = np.zeros(n, np.int64)
        self.marked: Mask = np.zeros(n, np.bool_)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], Statuses | None]:
        inside = (x.values >= 0) & (x.values < self._modulus)
        usable = x.good & inside
        moved = usable & self.seen & (x.values != self.last)
        advance = x.values - self.last
        advance = np.where(advance < 0, advance + self._modulus, advance)
        plausible = moved & (advance <= self._advance)
        first = usable & ~self.seen
        self.total = np.where(plausible, self.total + advance, np.where(first, x.values, self.total))
        self.marked = np.where(moved, ~plausible, self.marked)
        self.resets += moved & ~plausible
        self.last = np.where(usable, x.values, self.last)
        self.seen |= usable
        status = _where(self.marked, StatusCode.UncertainSubNormal)
        outside = x.good & ~inside
        if outside.any():
            status = np.zeros(len(outside), np.uint32) if status is None else status
            status[outside] = StatusCode.BadOutOfRange
        return self.total, status


def _where(mask: Mask, status: StatusCode) -> Statuses | None:
    return np.where(mask, np.uint32(status), np.uint32(0)) if mask.any() else None
