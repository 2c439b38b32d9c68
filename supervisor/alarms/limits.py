# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_ground_floor.py, tests/property/test_limits.py
"""Limit comparison: which side of its four limits is each value on? One vector pass over all rules.

Law of this file: arrays in, arrays out. No delay, no acknowledgement: those are the alarm machine's.

Level: -2 low low, -1 low, 0 normal, 1 high, 2 high high. A rule leaves a level only past its deadband, so that a value
that trembles on a limit does not change sides. A value that is not usable (Bad) has no level: the last one is kept and
the rule is not evaluable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from config.words import BAD, Rows
from supervisor.tags.table import TagTable

Limits = npt.NDArray[np.float64]
_LINE = np.array([0, 2, 3, 0, 1])  # line of a level among the limits; -1 and -2 count from the end


class LimitBank:
    """Rules of kind limit, in columns.

    Args:
        rows: row each rule looks at (Float or Double), (n,); not looked at by `judge`.
        limits: low low, low, high, high high [unit]; NaN where a rule has none, (4, n), rising.
        deadband: [unit], >= 0, (n,).
    Attributes:
        level: (n,) i8, see above.
        evaluable: (n,) False while the input is not usable.
    """

    def __init__(self, rows: Rows, limits: Limits, deadband: npt.NDArray[np.float64]) -> None:
        low_low, low, high, high_high = limits
        self.rows = rows
        self.level: npt.NDArray[np.int8] = np.zeros(limits.shape[1], np.int8)
        self.evaluable = np.zeros(limits.shape[1], np.bool_)
        # An absent limit never trips.
        self._enter = np.array([_or(low_low, -np.inf), _or(low, -np.inf), _or(high, np.inf), _or(high_high, np.inf)])
        back = np.array([deadband, deadband, -deadband, -deadband])
        self._leave = self._enter + back

    def compare(self, table: TagTable) -> npt.NDArray[np.int64]:
        """Compare all rules with the table as it stands.

        Returns: rules whose level or evaluability changed, ascending.
        """
        before, sighted = self.level, self.evaluable
        self.judge(table.floats[self.rows], table.status[self.rows] < BAD)
        return np.flatnonzero((self.level != before) | (self.evaluable != sighted))

    def judge(self, value: npt.NDArray[np.float64], usable: npt.NDArray[np.bool_]) -> None:
        """Compare all rules with values from elsewhere (integers, differences, changes), both (n,)."""
        level = _level(value, self._enter)
        # Only a rule that stands off normal can be held there by its deadband: look at those few once more.
        off = np.flatnonzero(self.level)
        if len(off):
            level[off] = self._held(value[off], off)
        if not usable.all():
            np.copyto(level, self.level, where=~usable)
        self.level = level
        self.evaluable = usable

    def beyond(self, rules: Rows, level: npt.NDArray[np.int8]) -> Limits:
        """The limit [unit] beyond which each of some rules is at a level, (k,); not finite: it has none, or the level
        is normal.
        """
        return np.where(level == 0, np.nan, self._enter[_LINE[level], rules])

    def _held(self, value: npt.NDArray[np.float64], off: Rows) -> npt.NDArray[np.int8]:
        before = self.level[off]
        held = np.array([before <= -2, before <= -1, before >= 1, before >= 2])
        return _level(value, np.where(held, self._leave[:, off], self._enter[:, off]))


def _level(value: npt.NDArray[np.float64], limits: Limits) -> npt.NDArray[np.int8]:
    low_low, low, high, high_high = limits
    level: npt.NDArray[np.int8] = (value > high).view(np.int8) + (value > high_high).view(np.int8)
    level -= (value < low).view(np.int8)
    level -= (value < low_low).view(np.int8)
    return level


def _or(limits: Limits, absent: float) -> Limits:
    return np.where(np.isnan(limits), absent, limits)
