# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_family.py
"""Staged release: who was let go and waits to be put before the operator, the urgent ones first.

Law of this file: a queue and its pace; it knows nothing of a condition but its number and its priority.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final

from config.model import Priority
from config.words import NS_PER_S

RELEASES_PER_S: Final = 10
"""How many conditions may be annunciated a second after a suppression ended. A page of an alarm list holds about
thirty; three seconds to fill one is what can be followed."""
_GAP_NS: Final = NS_PER_S // RELEASES_PER_S


class Turns:
    """Conditions that wait for their turn; each is in it once for every time it became due.

    Attributes:
        next_ns: when the next one may have its turn; one second is saved up at most [UTC ns].
    """

    def __init__(self) -> None:
        self.next_ns = 0
        self._heap: list[tuple[Priority, int]] = []

    def add(self, priority: Priority, condition: int) -> None:
        heapq.heappush(self._heap, (priority, condition))

    def take(self, now_ns: int, waits: Callable[[int], bool]) -> Iterator[int]:
        """Those whose turn it is; who does not wait any more has none."""
        if self._heap:
            # Never farther ahead than one turn: the clock may have been set back.
            self.next_ns = min(max(self.next_ns, now_ns - NS_PER_S + _GAP_NS), now_ns + _GAP_NS)
        while self._heap and self.next_ns <= now_ns:
            _, condition = heapq.heappop(self._heap)
            if waits(condition):
                self.next_ns += _GAP_NS
                yield condition
