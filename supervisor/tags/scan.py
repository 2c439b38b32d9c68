# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_scan.py, tests/unit/test_ground_floor.py, tests/unit/test_texts.py
"""The scan: the one writer of the tag table. Always in this order:

    1 apply batches, scale      2 stale      3 calculated tags      4 watchers (limits, alarms)
    5 server-made tags, visible in the next scan      6 journal records numbered      7 changed rows to their consumers

Law of this file: order and hand-over only. Each step is somebody else's pure or columnar work; nothing here loops over
rows, waits or does I/O. Time is an argument: UTC for stamps, boot time for ages.

Steps 4 and 6 are lists that may be empty: the alarm machine joins at 4 and hands its records to 6. After 7, at most
once a second, texts that nobody holds any more are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from config.words import NS_PER_S, UNCERTAIN, Batch, Cells, Rows, StatusCode, Statuses
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.table import TagTable

_SWEEP_NS: Final = NS_PER_S  # least time between two sweeps of the pool, be it as full as it may


class Program(Protocol):
    """Calculated tags (step 3)."""

    def run(self, table: TagTable, now_ns: int) -> None: ...


class ServerMade(Protocol):
    """Tags made by the server itself (step 5): returns a batch of engineering values, or None."""

    def sample(self, table: TagTable, freshness: Freshness, now_ns: int) -> Batch | None: ...


@dataclass(frozen=True, slots=True)
class Changes:
    """What one scan changed: rows ascending, and the scan's time [UTC ns]."""

    rows: Rows
    now_ns: int


@dataclass(slots=True)
class Scan:
    """One pass after another over one table.

    Attributes:
        watchers: step 4, called with (table, now_ns).
        numberers: step 6, called with now_ns.
        consumers: step 7, called with the changes; each copies what it needs before it returns.
        holders: who keeps cells of String rows for later tells which; their texts come second to the table's.
        values_applied: readings applied since start.
    """

    table: TagTable
    inbox: Inbox
    freshness: Freshness
    program: Program | None = None
    server_made: ServerMade | None = None
    watchers: Sequence[Callable[[TagTable, int], None]] = ()
    numberers: Sequence[Callable[[int], None]] = ()
    consumers: list[Callable[[Changes], None]] = field(default_factory=list)
    holders: list[Callable[[], Cells]] = field(default_factory=list)
    values_applied: int = 0
    _own: Batch | None = None
    _sweep_ns: int = 0

    def run(self, now_ns: int, boot_ns: int) -> Changes:
        """One pass.

        Args:
            now_ns: UTC [ns].
            boot_ns: boot time [ns].
        """
        self._apply(boot_ns)
        self._fall(now_ns, boot_ns)
        if self.program is not None:
            self.program.run(self.table, now_ns)
        for watch in self.watchers:
            watch(self.table, now_ns)
        if self.server_made is not None:
            self._own = self.server_made.sample(self.table, self.freshness, now_ns)
        for number in self.numberers:
            number(now_ns)
        changes = Changes(self.table.changed_rows(), now_ns)
        for consume in self.consumers:
            consume(changes)
        if self.table.pool.crowded and boot_ns >= self._sweep_ns:
            self._forget_texts()
            self._sweep_ns = boot_ns + _SWEEP_NS
        return changes

    def _apply(self, boot_ns: int) -> None:
        if self._own is not None:
            self.table.put(self._own.rows, self._own.cells, self._own.statuses, self._own.source_ns)
        post = self.inbox.drain()
        if post.batches:
            self._put(post.batches)
        if beside := [b.rows for b in post.batches if b.request < 0]:
            self.freshness.beside(np.concatenate(beside), boot_ns)
        for b in post.batches:
            if b.request >= 0:
                self.freshness.seen(b.request, boot_ns)
        if post.missed:
            self.freshness.missed(post.missed)

    def _put(self, batches: Sequence[Batch]) -> None:
        """Readings in order of arrival: of several for a row the last word wins."""
        rows = np.concatenate([b.rows for b in batches])
        cells = np.concatenate([b.cells for b in batches])
        statuses = np.concatenate([b.statuses for b in batches])
        source_ns = np.concatenate([b.source_ns for b in batches])
        self._intern(batches, cells, statuses)
        for at in [slice(None)] if _apart(batches) else _turns(rows):
            self.table.apply(rows[at], cells[at], statuses[at], source_ns[at])
        self.values_applied += len(rows)

    def _intern(self, batches: Sequence[Batch], cells: Cells, statuses: Statuses) -> None:
        start = 0
        for b in batches:
            for at, text in (b.texts or {}).items():
                index = self.table.pool.intern(text)
                if index is None:
                    statuses[start + at] = StatusCode.BadOutOfMemory
                else:
                    cells[start + at] = index
                    if len(text) > self.table.pool.length_max and statuses[start + at] < UNCERTAIN:
                        statuses[start + at] = StatusCode.Uncertain
            start += len(b.rows)

    def _forget_texts(self) -> None:
        """Held is what the table shows, and what the server itself puts into it in the next scan."""
        own = [] if self._own is None else [self._own.cells]
        held = np.concatenate([self.table.cells[self.table.string_rows], *own])
        self.table.pool.keep(held, np.concatenate([np.zeros(0, np.int64), *(tell() for tell in self.holders)]))

    def _fall(self, now_ns: int, boot_ns: int) -> None:
        fallen = self.freshness.judge(boot_ns)
        if len(fallen.uncertain):
            self.table.degrade(fallen.uncertain, StatusCode.UncertainNoCommunicationLastUsableValue, now_ns)
        if len(fallen.bad):
            self.table.degrade(fallen.bad, StatusCode.BadNoCommunication, now_ns)


def _apart(batches: Sequence[Batch]) -> bool:
    """Each the only answer to its request: no two of them have a row in common, and nobody has to look."""
    requests = {b.request for b in batches}
    return len(requests) == len(batches) and min(requests) >= 0


def _turns(rows: Rows) -> Sequence[Rows | slice]:
    """Places in `rows`, in groups within which no row occurs twice: the first of each row, then the second of those
    that have one, and so on. Hundreds of devices that tell each value by itself are one group.
    """
    order = np.argsort(rows, kind="stable")
    begins = np.flatnonzero(np.diff(rows[order], prepend=-1))
    if len(begins) == len(rows):
        return [slice(None)]
    nth = np.arange(len(rows)) - np.repeat(begins, np.diff(begins, append=len(rows)))
    by_turn = np.argsort(nth, kind="stable")
    return np.split(order[by_turn], np.cumsum(np.bincount(nth))[:-1])
