# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_alarm_delays_property.py
"""On-delay and off-delay of every condition, in columns.

Law of this file: arrays in, arrays out; time is an argument; no loop over conditions. Only what differs from its
standing level costs more than a comparison.

Each condition has two *stages* on the side it is on: beyond the first limit (|level| >= 1) and beyond the second
(|level| = 2). A stage is taken over when it has stood for its delay, each by its own time: a value that has been high
for a minute and high high for a second is an alarm HIGH.

Only *watched* time counts. While the inputs are not usable the clock of a condition stands still; so it does for all of
them while the scan stood still or the machine's clock was set (`skew_ns`). A day's on-delay survives a flaky line, and
nobody's correction of a clock raises an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from config.words import Rows, TimesNs

Levels = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Moved:
    """Conditions whose standing level changed, ascending.

    Attributes:
        rise: from normal.
        clear: to normal.
        change: from one level to another.
    """

    rise: Rows
    clear: Rows
    change: Rows


class Delays:
    """Standing levels of n conditions (-2..2, 0 normal).

    Args:
        on_ns, off_ns: on-delay and off-delay [ns], (n,).
    Attributes:
        level: standing level, delays over, (n,) i8.
        raw: level without delays; the last usable one, (n,) i8.
        usable: (n,); False at the start.
    """

    kept: ClassVar[tuple[str, ...]] = ("level", "raw", "usable", "since_1", "since_2", "blind_ns")

    def __init__(self, on_ns: TimesNs, off_ns: TimesNs) -> None:
        n = len(on_ns)
        self._on_ns = on_ns
        self._off_ns = off_ns
        self.level: Levels = np.zeros(n, np.int8)
        self.raw: Levels = np.zeros(n, np.int8)
        self.usable: Mask = np.zeros(n, np.bool_)
        self.since_1: TimesNs = np.zeros(n, np.int64)
        self.since_2: TimesNs = np.zeros(n, np.int64)
        self.blind_ns: TimesNs = np.zeros(n, np.int64)

    def run(self, raw: Levels, usable: Mask, now_ns: int, skew_ns: int = 0) -> Moved:
        """One scan.

        Args:
            raw: level without delays, (n,); not looked at where not usable.
            usable: (n,).
            now_ns: UTC [ns].
            skew_ns: how far the clock moved since the last scan beyond the time that was watched [ns].
        """
        if skew_ns:
            for column in (self.since_1, self.since_2, self.blind_ns):
                column += skew_ns
        self._see(usable, now_ns)
        self._note(raw, now_ns)
        waiting = np.flatnonzero((self.raw != self.level) & usable)
        before = self.level[waiting]
        after = self._due(waiting, before, now_ns)
        moved = after != before
        rows, before, after = waiting[moved], before[moved], after[moved]
        self.level[rows] = after
        return Moved(rows[before == 0], rows[after == 0], rows[(before != 0) & (after != 0)])

    def _see(self, usable: Mask, now_ns: int) -> None:
        switched = np.flatnonzero(usable != self.usable)
        if len(switched):
            sees = usable[switched]
            self.blind_ns[switched[~sees]] = now_ns
            seeing = switched[sees]
            blind = now_ns - self.blind_ns[seeing]
            self.since_1[seeing] += blind
            self.since_2[seeing] += blind
        self.usable = usable

    def _note(self, raw: Levels, now_ns: int) -> None:
        """When did each stage last change?"""
        rows = np.flatnonzero((raw != self.raw) & self.usable)
        if not len(rows):
            return
        old, new = self.raw[rows], raw[rows]
        other_side = np.sign(old) != np.sign(new)
        self.since_1[rows[other_side]] = now_ns
        self.since_2[rows[other_side | ((np.abs(old) == 2) != (np.abs(new) == 2))]] = now_ns
        self.raw[rows] = new

    def _due(self, rows: Rows, level: Levels, now_ns: int) -> Levels:
        """The level that may stand now."""
        raw, on, off = self.raw[rows], self._on_ns[rows], self._off_ns[rows]
        age_1, age_2 = now_ns - self.since_1[rows], now_ns - self.since_2[rows]
        side = np.sign(raw)
        here = side == np.sign(level)  # on the side where it stands already
        first = here | ((age_1 >= on) & (side != 0))
        second = np.where(here & (np.abs(level) == 2), (np.abs(raw) == 2) | (age_2 < off), age_2 >= on)
        second &= (np.abs(raw) == 2) | here & (np.abs(level) == 2)
        risen = np.where(first, np.where(second, side * 2, side), 0).astype(np.int8)
        # Off its side: it stays where it stands until the off-delay is over.
        leaving = ~here & (level != 0) & (age_1 < off)
        return np.where(leaving, level, risen)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The memory itself, by column (not a copy)."""
        return {name: getattr(self, name) for name in self.kept}

    def restore(self, columns: Mapping[str, npt.NDArray[Any]], took: Rows, at: Rows, stopped_ns: int | None) -> None:
        """Continue from saved memory: element `took[i]` of the saved columns becomes element `at[i]`.

        Args:
            stopped_ns: time of the last scan before it was saved [UTC ns], nothing was watched since; None: it did
                not stop, and the next scan follows.
        """
        for name in self.kept:
            getattr(self, name)[at] = columns[name][took]
        if stopped_ns is None:
            return
        saw = at[self.usable[at]]
        self.blind_ns[saw] = stopped_ns
        self.usable[at] = False
