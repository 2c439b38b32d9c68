# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_chatter.py
"""Chatter: a condition that comes and goes faster than anybody can acknowledge it.

Law of this file: pure; bounded: what chatters and what may is at most MEMORY_MAX conditions, the oldest go first.

A condition that rises CHATTER times within CHATTER_NS without having been acknowledged chatters, until it has not risen
for QUIET_NS. While it does, and still awaits its acknowledgement, it is not announced again: it stands in the list
already, marked, and shelving it is offered. Every rise and return stays in the journal. What is protected (P1, safety,
latching) is announced each time.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from config.words import NS_PER_S

CHATTER: Final = 3
CHATTER_NS: Final = 60 * NS_PER_S
"""Three times within a minute. Source: ISA-18.2 (IEC 62682, clause 16)."""
QUIET_NS: Final = 600 * NS_PER_S
MEMORY_MAX: Final = 10_000


class Chatter:
    """Who chatters."""

    def __init__(self) -> None:
        self._rises: dict[int, deque[int]] = {}
        self._last_ns: dict[int, int] = {}

    def rises(self, condition: int, now_ns: int) -> bool:
        """A condition rises that was not acknowledged since it last did [UTC ns]. True: it chatters."""
        times = self._rises.pop(condition, None) or deque(maxlen=CHATTER - 1)  # the first rise was from rest
        times.append(now_ns)
        self._rises[condition] = times
        if len(self._rises) > MEMORY_MAX:
            self._forget(next(iter(self._rises)))
        quick = len(times) == CHATTER - 1 and 0 <= now_ns - times[0] < CHATTER_NS
        if quick or self.flagged(condition, now_ns):
            self._last_ns[condition] = now_ns
            return True
        return False

    def flagged(self, condition: int, now_ns: int) -> bool:
        """Whether it chatters, or did less than QUIET_NS ago; a clock that was set back ends it."""
        last_ns = self._last_ns.get(condition)
        return last_ns is not None and 0 <= now_ns - last_ns < QUIET_NS

    def _forget(self, condition: int) -> None:
        self._rises.pop(condition, None)
        self._last_ns.pop(condition, None)
