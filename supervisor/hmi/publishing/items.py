# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_items.py
"""Monitored items with a queue of one: what of them must be reported is seen when it is published.

Law of this file: numpy only; no asyncua, no I/O, no clock. A change is judged against what was last *reported*, never
against the last sample, so that a slow drift within a deadband is reported when it has left it.

A queue of one holds the newest value. The tag table holds it already, therefore these items have no queue at all:
what is reported is what the table has at that moment. Nothing is done for them between two publishings.
"""

from __future__ import annotations

import numpy as np

from config.words import Rows
from supervisor.hmi.publishing.columns import Columns, Mask, Mode, Values
from supervisor.tags.table import TagTable


class Items(Columns):
    """Items of one subscription that report the table as it is.

    Attributes:
        backlog: positions found changed and not yet reported; empty: the next `due` looks at all items.
    """

    def expose(self) -> None:
        super().expose()
        self.backlog: Rows = np.zeros(0, np.int64)

    def set_mode(self, at: Rows, mode: Mode) -> None:
        """Disabled items start anew when enabled; sampling ones report their latest value when reporting."""
        if mode is Mode.DISABLED:
            self.fresh[at] = True
        self.mode[at] = mode
        self.backlog = self.backlog[:0]

    def due(self, table: TagTable, is_float: Mask) -> Rows:
        """Positions that must be reported. A backlog is finished first, so that no item starves behind others.

        Args:
            is_float: whether a block's cells are float64, (blocks,).
        """
        if len(self.backlog) or not len(self):
            return self.backlog
        floats = is_float[table.plant.block_of_row[self.rows]] if len(self._banded) else self.fresh
        rows = self.rows
        source_ns = self.source_ns if self._plain else table.source_ns[rows]  # looked at only by timestamp triggers
        moved = self.changed(slice(None), Values(table.cells[rows], table.status[rows], source_ns), floats)
        moved &= (self.mode == Mode.REPORTING) | (self.released & (self.mode == Mode.SAMPLING))
        self.backlog = np.flatnonzero(moved)
        if not len(self.backlog):
            self.released[:] = False
        return self.backlog

    def take(self, limit: int, table: TagTable) -> tuple[Rows | slice, Values]:
        """The first `limit` positions of the backlog and their present values; they count as reported.

        When all items of a stretch have changed, the stretch is a slice: half the cost of a list of positions.
        """
        at, self.backlog = self.backlog[:limit], self.backlog[limit:]
        span: Rows | slice = at
        if len(at) and at[-1] - at[0] == len(at) - 1:
            span = slice(int(at[0]), int(at[-1]) + 1)
        now = Values.of(table, self.rows[span])
        self.remember(span, now)
        self.released[span] = False
        return span, now

    def refresh(self) -> None:
        """Report all items again (a subscription was transferred with initial values)."""
        self.fresh[:] = True
        self.backlog = self.backlog[:0]
