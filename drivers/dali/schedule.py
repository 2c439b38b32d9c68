# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_schedule.py, tests/property/test_dali_schedule.py
"""Who may use the bus next: commands at once, polls by rank and within a share of the time.

Law of this file: no I/O, no asyncio, no clock; instants are arguments.

Theory. A bus carries 21 questions a second, whoever asks. So polls have a purse: it fills by `share` seconds a second
up to `PURSE_MAX_S`, each frame of a poll is paid from it, and a poll waits while it is empty. Over any time T polls
take at most share x T + PURSE_MAX_S + two frames. Commands do not look into the purse and pass every poll, also between
two frames of one. Among polls: fault before level before energy; but after `RANKED` frames by rank the one that has
waited longest, `AGE_S` at least, is served whatever its rank, so that everyone's turn comes.

A poll of many frames *holds* the bus against other polls from its first frame to its last: they would change the
registers (DTR) it reads by. A frame that is *tied* to the next one holds it against commands, too, and the next does
not wait for the purse: ENABLE DEVICE TYPE and ENABLE WRITE MEMORY are void once another command has passed. Source:
IEC 62386-102, 9 and 11 (memory banks; application extended commands).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

PURSE_MAX_S: Final = 1.0
AGE_S: Final = 10.0
RANKED: Final = 4
PATIENCE_S: Final = 15.0
"""How long an energy poll waits for its first frame before its gear is asked for what is more urgent; above AGE_S, so
that age comes to its right."""
LOAD_WINDOW_S: Final = 60.0
MOMENT_S: Final = 0.03
"""A bus carries one frame in it [s]; a gateway may tell of any number."""


class Rank(IntEnum):
    """What is more urgent is smaller."""

    COMMAND = 0
    FAULT = 1
    LEVEL = 2
    ENERGY = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """One who waits to send a frame."""

    ticket: int
    rank: Rank
    since_s: float


@dataclass(slots=True)
class Schedule:
    """Who waits, what was spent.

    Attributes:
        share: of the time, for polls, 0..1.
        purse_s: what polls may spend now; below 0 after a frame that was not covered [s].
        holder: ticket of the poll that holds the bus; 0: none.
        tied: ticket whose next frame must follow at once; 0: none.
    """

    share: float
    now_s: float = 0.0
    purse_s: float = PURSE_MAX_S
    holder: int = 0
    tied: int = 0
    waiting: dict[int, Waiting] = field(default_factory=dict)
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    _spent_s: float = 0.0
    _aged: int = 0  # ticket that was chosen for its age
    _owed: int = 0  # frames by rank before age counts again

    def enter(self, ticket: int, rank: Rank, now_s: float) -> None:
        """Someone has a frame to send. A ticket waits for one frame at a time."""
        self.waiting[ticket] = Waiting(ticket, rank, now_s)

    def leave(self, ticket: int) -> None:
        """It has no more frames, or gave up. Harmless for a ticket that is not known."""
        self.waiting.pop(ticket, None)
        if self.holder == ticket:
            self.holder = 0
        if self.tied == ticket:
            self.tied = 0

    def choose(self, now_s: float) -> tuple[int, float]:
        """The ticket whose frame goes next, 0 for none now; and when it is worth asking again [s]; inf: at a change."""
        self._fill(now_s)
        if self.tied:
            return (self.tied, now_s) if self.tied in self.waiting else (0, float("inf"))
        commands = [w for w in self.waiting.values() if w.rank is Rank.COMMAND]
        if commands:
            return min(commands, key=lambda w: (w.since_s, w.ticket)).ticket, now_s
        polls = [w for w in self.waiting.values() if self.holder in (0, w.ticket)]
        if not polls:
            return 0, float("inf")
        if self.purse_s <= 0:
            return 0, now_s + (1e-3 - self.purse_s) / self.share
        aged = [w for w in polls if now_s - w.since_s >= AGE_S] if self._owed <= 0 else []
        if aged:
            self._aged = min(aged, key=lambda w: (w.since_s, w.ticket)).ticket
            return self._aged, now_s
        return min(polls, key=lambda w: (w.rank, w.since_s, w.ticket)).ticket, now_s

    def sent(self, ticket: int, air_s: float, now_s: float, holds: bool, ties: bool = False) -> None:
        """Its frame goes out and takes `air_s` of the bus.

        Args:
            holds: more frames of this poll follow.
            ties: the next of them at once.
        """
        self._fill(now_s)
        self.tied = ticket if ties else 0
        waiting = self.waiting.pop(ticket)
        if waiting.rank is not Rank.COMMAND:
            self.purse_s -= air_s
            self.holder = ticket if holds else 0
            self._owed = max(0, self._owed + (RANKED if ticket == self._aged else -1))
        self.heard(air_s, now_s)

    def heard(self, air_s: float, now_s: float) -> None:
        """A frame, ours or another's, was on the bus. Those of one moment are one entry, so that a flood is bounded."""
        if self.spent and now_s - self.spent[-1][0] < MOMENT_S:
            now_s, before_s = self.spent.pop()
            self.spent.append((now_s, before_s + air_s))
        else:
            self.spent.append((now_s, air_s))
        self._spent_s += air_s
        self._forget(now_s)

    def load(self, now_s: float) -> float:
        """Share of the last minute in which the bus was in use, 0..100 [%]."""
        self._forget(now_s)
        return min(100.0, 100 * self._spent_s / LOAD_WINDOW_S)

    def _forget(self, now_s: float) -> None:
        while self.spent and self.spent[0][0] <= now_s - LOAD_WINDOW_S:
            self._spent_s -= self.spent.popleft()[1]
        if not self.spent:
            self._spent_s = 0.0

    def _fill(self, now_s: float) -> None:
        self.purse_s = min(PURSE_MAX_S, self.purse_s + self.share * max(0.0, now_s - self.now_s))
        self.now_s = max(self.now_s, now_s)
