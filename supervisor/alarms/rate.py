# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""How many alarms were put before the operators in the last ten minutes.

Law of this file: pure; bounded: one entry a second at most.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from config.words import NS_PER_S

WINDOW_NS: Final = 600 * NS_PER_S
"""Ten minutes: the measure of ISA-18.2 and EEMUA 191 for what a person can follow (one is good, ten is a flood)."""


class Rate:
    """Annunciations of the last ten minutes."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._total = 0

    def count(self, n: int, time_ns: int) -> None:
        """`n` more at a time [UTC ns]; times may step back with the clock, then they count for that second."""
        if not n:
            return
        second = time_ns // NS_PER_S
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1][1] += n
        else:
            self._seconds.append([second, n])
        self._total += n

    def seconds(self) -> list[tuple[int, int]]:
        """Seconds with annunciations, (second, how many) each, to go on from."""
        return [(second, n) for second, n in self._seconds]

    def last(self, now_ns: int) -> int:
        """Those not older than the window."""
        oldest = (now_ns - WINDOW_NS) // NS_PER_S
        while self._seconds and self._seconds[0][0] <= oldest:
            self._total -= self._seconds.popleft()[1]
        # A clock set back by hours must not keep what happened before for hours.
        while self._seconds and self._seconds[-1][0] > now_ns // NS_PER_S + WINDOW_NS // NS_PER_S:
            self._total -= self._seconds.pop()[1]
        return self._total
