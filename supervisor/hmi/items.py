# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_items.py
"""Monitored items of one subscription as columns, and what of them must be reported.

Law of this file: numpy only; no asyncua, no I/O, no clock. A change is judged against what was last *reported*, never
against the last sample, so that a slow drift within a deadband is reported when it has left it.

Queue size is 1: what is reported is the value the table has at that moment. Items are appended with ascending ids,
therefore `ids` stays sorted and an id is found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, Rows, Statuses
from supervisor.tags.table import TagTable

Ids = npt.NDArray[np.uint32]


class Mode(IntEnum):
    """Monitoring mode. Source: OPC 10000-4, 7.23."""

    DISABLED = 0
    SAMPLING = 1
    REPORTING = 2


class Trigger(IntEnum):
    """What counts as a change. Source: OPC 10000-4, 7.22.2."""

    STATUS = 0
    VALUE = 1
    TIMESTAMP = 2


@dataclass(frozen=True, slots=True)
class NewItems:
    """Items to add; arrays of one length n. `band`: absolute deadband [unit of the tag], 0 none."""

    rows: Rows
    handles: Ids
    modes: npt.NDArray[np.uint8]
    band: npt.NDArray[np.float64]
    triggers: npt.NDArray[np.uint8]
    stamps: int


_COLUMNS: Final = (
    ("ids", np.uint32),
    ("handles", np.uint32),
    ("rows", np.int64),
    ("cells", np.int64),
    ("status", np.uint32),
    ("source_ns", np.int64),
    ("band", np.float64),
    ("mode", np.uint8),
    ("trigger", np.uint8),
    ("stamps", np.uint8),
    ("fresh", np.bool_),
)


class Items:
    """Columns over the items of one subscription, 48 bytes an item.

    Attributes:
        cells, status, source_ns: as last reported; without meaning while `fresh`.
        fresh: nothing was reported yet, or the item was disabled since.
        backlog: positions found changed and not yet reported; empty: the next `changed` looks at all items.
    """

    ids: Ids
    handles: Ids
    rows: Rows
    cells: npt.NDArray[np.int64]
    status: Statuses
    source_ns: npt.NDArray[np.int64]
    band: npt.NDArray[np.float64]
    mode: npt.NDArray[np.uint8]
    trigger: npt.NDArray[np.uint8]
    stamps: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.bool_]

    def __init__(self) -> None:
        self._memory = {name: np.zeros(0, dtype) for name, dtype in _COLUMNS}
        self._count = 0
        self.backlog: Rows = np.zeros(0, np.int64)
        self._expose()

    def __len__(self) -> int:
        return self._count

    def _expose(self) -> None:
        for name, _ in _COLUMNS:
            setattr(self, name, self._memory[name][: self._count])
        self._plain = bool((self.trigger == Trigger.VALUE).all())
        self._banded = np.flatnonzero(self.band > 0)
        self.backlog = np.zeros(0, np.int64)

    def add(self, first_id: int, new: NewItems) -> Ids:
        """Append items with ids first_id, first_id + 1, ...; returns the ids. `first_id` is above all ids here."""
        n, m = self._count, len(new.rows)
        if n + m > len(self._memory["ids"]):
            for name, dtype in _COLUMNS:
                grown = np.zeros(max(2 * n, n + m), dtype)
                grown[:n] = self._memory[name][:n]
                self._memory[name] = grown
        ids = np.arange(first_id, first_id + m, dtype=np.uint32)
        values = (("ids", ids), ("handles", new.handles), ("rows", new.rows), ("band", new.band), ("mode", new.modes))
        for name, column in (*values, ("trigger", new.triggers), ("stamps", new.stamps), ("fresh", True)):
            self._memory[name][n : n + m] = column
        self._count = n + m
        self._expose()
        return ids

    def find(self, ids: Ids) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Positions of `ids` and a mask of those that exist; a position is without meaning where they do not."""
        if not self._count:
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.bool_)
        at = np.minimum(np.searchsorted(self.ids, ids), self._count - 1)
        return at, self.ids[at] == ids

    def remove(self, at: Rows) -> None:
        """Forget the items at these positions."""
        keep = np.ones(self._count, np.bool_)
        keep[at] = False
        left = int(keep.sum())
        for name, _ in _COLUMNS:
            self._memory[name][:left] = self._memory[name][: self._count][keep]
        self._count = left
        self._expose()

    def set_mode(self, at: Rows, mode: Mode) -> None:
        """Disabled items start anew when enabled; sampling ones report their latest value when reporting."""
        if mode is Mode.DISABLED:
            self.fresh[at] = True
        self.mode[at] = mode
        self.backlog = self.backlog[:0]

    def modify(self, at: Rows, handle: int, band: float, trigger: Trigger, stamps: int) -> None:
        """Change the settings of the items at these positions."""
        self.handles[at] = handle
        self.band[at] = band
        self.trigger[at] = trigger
        self.stamps[at] = stamps
        self._expose()

    def changed(self, table: TagTable, is_float: npt.NDArray[np.bool_]) -> Rows:
        """Positions that must be reported. A backlog is finished first, so that no item starves behind others.

        Args:
            is_float: whether a block's cells are float64, (blocks,).
        """
        if len(self.backlog) or not self._count:
            return self.backlog
        cells = table.cells[self.rows]
        status = table.status[self.rows]
        moved = (cells != self.cells) & (status < BAD)
        if len(self._banded):
            moved[self._banded] &= self._left_band(table, cells[self._banded], is_float)
        if not self._plain:
            moved &= self.trigger >= Trigger.VALUE
            moved |= (self.trigger == Trigger.TIMESTAMP) & (table.source_ns[self.rows] != self.source_ns)
        moved |= status != self.status
        moved |= self.fresh
        moved &= self.mode == Mode.REPORTING
        self.backlog = np.flatnonzero(moved)
        return self.backlog

    def _left_band(
        self, table: TagTable, cells: npt.NDArray[np.int64], is_float: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Whether the value of each banded item is further than its deadband from the reported one."""
        at = self._banded
        floats = is_float[table.plant.block_of_row[self.rows[at]]]
        now = np.where(floats, cells.view(np.float64), cells.astype(np.float64))
        then = self.cells[at]
        reported = np.where(floats, then.view(np.float64), then.astype(np.float64))
        with np.errstate(invalid="ignore", over="ignore"):
            near: npt.NDArray[np.bool_] = np.abs(now - reported) <= self.band[at]
        return ~near

    def take(self, limit: int) -> Rows:
        """The first `limit` positions of the backlog; they count as reported by the caller's next `reported`."""
        head, self.backlog = self.backlog[:limit], self.backlog[limit:]
        return head

    def reported(self, at: Rows, table: TagTable) -> None:
        """Remember what the table holds for these positions as the last report."""
        rows = self.rows[at]
        self.cells[at] = table.cells[rows]
        self.status[at] = table.status[rows]
        self.source_ns[at] = table.source_ns[rows]
        self.fresh[at] = False

    def refresh(self) -> None:
        """Report all items again (a subscription was transferred with initial values)."""
        self.fresh[:] = True
        self.backlog = self.backlog[:0]
