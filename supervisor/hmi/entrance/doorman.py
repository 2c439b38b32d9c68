# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_doorman.py, tests/system/test_opcua_bounds.py
"""Who may stand at the door, how many, and how long at each step.

Law of this file: no I/O, no clock of its own; asked with the time, it answers whom to turn away and why.

Whoever has logged in keeps their place. Those who have not are strangers and stand in line: when it is full the one who
has stood longest goes, so that somebody who holds connections open cannot keep the operators out.
Source: OPC 10000-4, 5.6.2 (the oldest session that is not activated gives way).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from supervisor.hmi.contract import Counters, Limits


class Stage(IntEnum):
    """How far a connection has come."""

    CONNECTED = 0
    GREETED = 1  # HELLO was answered
    OPEN = 2  # it has a secure channel
    ACTIVE = 3  # somebody has logged in


@dataclass(slots=True, eq=False)
class Visit:
    """One connection as the doorman sees it.

    Attributes:
        address: where it comes from, without the port.
        since_s: when it came to its present stage.
        partial_since_s: since when a chunk has been incomplete; None if none is.
        channel_ends_s: when its channel expires; None without one.
        refresh: brings stage, partial_since_s and channel_ends_s up to date; handed the visit and the time.
        drop: ends the connection.
    """

    address: str
    since_s: float
    refresh: Callable[[Visit, float], None]
    drop: Callable[[str], None]
    stage: Stage = Stage.CONNECTED
    partial_since_s: float | None = None
    channel_ends_s: float | None = None

    def reach(self, stage: Stage, now_s: float) -> None:
        """Note the stage it is at now."""
        if stage != self.stage:
            self.stage, self.since_s = stage, now_s


def overdue(visit: Visit, limits: Limits, now_s: float) -> str:
    """Why a connection must go now; '' if it may stay."""
    stays = {Stage.CONNECTED: limits.hello_s, Stage.GREETED: limits.channel_s, Stage.OPEN: limits.login_s}
    allowed = stays.get(visit.stage)
    if allowed is not None and now_s - visit.since_s >= allowed:
        return f"no further than {visit.stage.name.lower()} for {allowed:g} s"
    if visit.partial_since_s is not None and now_s - visit.partial_since_s >= limits.chunk_s:
        return f"a chunk is incomplete for {limits.chunk_s:g} s"
    if visit.channel_ends_s is not None and now_s > visit.channel_ends_s:
        return "its secure channel has expired"
    return ""


class Doorman:
    """Counts the connections of all listeners.

    Attributes:
        visits: those inside, in the order they came.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self.visits: dict[Visit, None] = {}
        self._of_address: Counter[str] = Counter()

    def admit(self, visit: Visit, now_s: float) -> bool:
        """Let a connection in, or not. The oldest stranger may have to make room for it."""
        limits = self._limits
        if self._of_address[visit.address] >= limits.connections_per_address:
            self._counters.rejected_connections += 1
            return False
        strangers = self._strangers()
        if len(self.visits) >= limits.connections or len(strangers) >= limits.strangers:
            self._refresh(now_s)
            strangers = self._strangers()
        if len(self.visits) >= limits.connections or len(strangers) >= limits.strangers:
            if not strangers:
                self._counters.rejected_connections += 1
                return False
            self._turn_away(strangers[0], "others wait and it has not logged in")
        self.visits[visit] = None
        self._of_address[visit.address] += 1
        return True

    def leave(self, visit: Visit) -> None:
        """A connection has ended. Idempotent."""
        if visit not in self.visits:
            return
        del self.visits[visit]
        self._of_address[visit.address] -= 1
        if not self._of_address[visit.address]:
            del self._of_address[visit.address]

    def _strangers(self) -> list[Visit]:
        return [v for v in self.visits if v.stage is not Stage.ACTIVE]

    def _refresh(self, now_s: float) -> None:
        for visit in self.visits:
            visit.refresh(visit, now_s)

    def look(self, now_s: float) -> None:
        """Turn away whoever is overdue."""
        self._refresh(now_s)
        for visit in list(self.visits):
            if reason := overdue(visit, self._limits, now_s):
                self._turn_away(visit, reason)

    def _turn_away(self, visit: Visit, reason: str) -> None:
        self._counters.dropped_connections += 1
        self.leave(visit)
        visit.drop(reason)
