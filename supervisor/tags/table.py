# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_table.py
"""The tag table: the live state of the plant in a few numpy columns, one row per tag.

Law of this file: one writer (the scan); arrays in, arrays out; no loop over rows; no I/O, no clock.

Columns (31 bytes a row): `cells` 8 (value, viewed by kind), `status` 4, `source_ns` 8, `last_usable_ns` 8,
`block_of_row` 2 (in the plant), `changed` 1. A row whose status is Bad has a null value for every reader; its
cell keeps the last usable value, and `last_usable_ns` says from when, so that both can be shown *beside* the null.

A row is **changed** when its cell or its status differs; a newer time alone is not a change. A value that is Bad both
before and after is changed only if the status differs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from config.words import BAD, Cells, Kind, Rows, StatusCode, Statuses, TimesNs
from supervisor.plant.plant import Plant, TagInfo
from supervisor.tags.pool import StringPool
from supervisor.tags.splices import Splices


class TagTable:
    """Columns over the rows of one plant.

    Attributes:
        cells: (rows,) int64 bits; `floats` and `uints` are views of the same memory.
        status: (rows,) StatusCode.
        source_ns: (rows,) UTC time of the value at its source; of a Bad row, of the instant it was found so [ns].
        splices: what is added to the readings of replaced counters.
        string_rows: rows whose cells are indices into the pool, ascending.
        last_usable_ns: (rows,) time of the value kept in the cell while the row is Bad [ns].
    """

    def __init__(self, plant: Plant, pool: StringPool, now_ns: int) -> None:
        n = plant.rows
        self.plant = plant
        self.pool = pool
        self.cells: Cells = np.zeros(n, np.int64)
        self.floats: npt.NDArray[np.float64] = self.cells.view(np.float64)
        self.uints: npt.NDArray[np.uint64] = self.cells.view(np.uint64)
        self.status: Statuses = np.full(n, StatusCode.BadWaitingForInitialData, np.uint32)
        for t in plant.types.values():
            resting = np.array([life in ("planned", "retired") for life in t.life], np.bool_)
            for block in t.blocks.values():
                self.status[block.rows][resting] = StatusCode.BadOutOfService
        self.status[~plant.supported] = StatusCode.BadNotSupported
        self.source_ns: TimesNs = np.full(n, now_ns, np.int64)
        self.last_usable_ns: TimesNs = np.zeros(n, np.int64)
        self._changed = np.zeros(n, np.bool_)
        self._written = np.zeros(len(plant.blocks), np.bool_)
        self.splices = Splices(n)
        infos = [b.info for b in plant.blocks]
        self._scale = np.array([i.scale for i in infos])
        self._offset = np.array([i.offset for i in infos])
        spans = np.array([_span(i) for i in infos], np.float64).reshape(-1, 2)
        self._low, self._high = spans[:, 0].copy(), spans[:, 1].copy()
        self._is_float = np.array([i.kind.is_float for i in infos], np.bool_)
        self._scaled = self._is_float & ((self._scale != 1.0) | (self._offset != 0.0))
        self._ranged_int = np.array([i.kind.is_integer for i in infos], np.bool_) & ~np.isnan(self._low)
        self._is_string = np.array([i.kind is Kind.String for i in infos], np.bool_)
        self.string_rows: Rows = np.flatnonzero(self.are_strings(slice(None)))
        self._is_uint64 = np.array([i.kind is Kind.UInt64 for i in infos], np.bool_)

    def apply(self, rows: Rows, raw: Cells, status: Statuses, source_ns: TimesNs) -> None:
        """Scale raw readings and put them into the table. All arrays (n,); rows without duplicates.

        A Float or Double that is NaN becomes BadSensorFailure; a value outside its declared range becomes
        UncertainEngineeringUnitsExceeded if it was Good.
        """
        block = self.plant.block_of_row[rows]
        cells = raw.copy()
        floats = cells.view(np.float64)
        status = status.copy()
        is_float = self._is_float[block]
        if (scaled := self._scaled[block]).any():
            with np.errstate(invalid="ignore", over="ignore"):
                engineering = floats * self._scale[block] + self._offset[block]
            np.copyto(floats, engineering, where=scaled)
        self.splices.join(rows, floats)
        usable = status < BAD
        nan = is_float & np.isnan(floats)
        with np.errstate(invalid="ignore"):
            outside = is_float & ((floats < self._low[block]) | (floats > self._high[block]))
            if (counted := self._ranged_int[block]).any():
                whole = np.where(self._is_uint64[block], cells.view(np.uint64), cells)
                outside |= counted & ((whole < self._low[block]) | (whole > self._high[block]))
        status[outside & (status < 0x40000000)] = StatusCode.UncertainEngineeringUnitsExceeded
        status[nan & usable] = StatusCode.BadSensorFailure
        self.put(rows, cells, status, source_ns)

    def put(self, rows: Rows | slice, cells: Cells, status: Statuses, source_ns: TimesNs | int) -> None:
        """Set engineering values; a Bad status keeps the cell that is there."""
        old_status = self.status[rows]
        old_cells = self.cells[rows]
        bad = status >= BAD
        new_cells = np.where(bad, old_cells, cells)
        changed = (old_status != status) | (new_cells != old_cells)
        falls = bad & (old_status < BAD)
        if falls.any():
            self.last_usable_ns[rows] = np.where(falls, self.source_ns[rows], self.last_usable_ns[rows])
        self.cells[rows] = new_cells
        self.status[rows] = status
        self.source_ns[rows] = source_ns
        self._changed[rows] |= changed
        self._written[self.plant.block_of_row[rows]] = True

    def degrade(self, rows: Rows, status: StatusCode, now_ns: int) -> None:
        """Give rows a worse status, value kept. Rows that are already Bad stay as they are unless `status` is Bad;
        BadNotSupported and BadConfigurationError are never overwritten by a communication status.

        An Uncertain value keeps its source time: it is the last one that was read, and as old as that.
        Source: OPC 10000-4, 7.11.3 (the source time of a value never changes).
        """
        old = self.status[rows]
        hit = old != int(status)
        hit &= (old != StatusCode.BadNotSupported) & (old != StatusCode.BadConfigurationError)
        if int(status) < BAD:
            hit &= old < BAD
        rows = rows[hit]
        if len(rows):
            since_ns = now_ns if int(status) >= BAD else self.source_ns[rows]
            self.put(rows, self.cells[rows], np.full(len(rows), status, np.uint32), since_ns)

    def changed_rows(self) -> Rows:
        """Rows changed since the last call, ascending; forgets them."""
        rows = np.flatnonzero(self._changed)
        self._changed[rows] = False
        return rows

    @property
    def written_blocks(self) -> npt.NDArray[np.bool_]:
        """Which blocks were put anything, be it what was there: their times are newer. (blocks,), the flags themselves;
        the calculated tags look at them in each scan, and take them back.
        """
        return self._written

    def changed_blocks(self) -> npt.NDArray[np.bool_]:
        """Which blocks have rows changed since the last `changed_rows`, (blocks,)."""
        found = np.zeros(len(self._written), np.bool_)
        found[self.plant.block_of_row[self._changed]] = True
        return found

    def mark_changed(self, rows: Rows | slice) -> None:
        """Treat rows as changed in this scan (after a restore or a new generation)."""
        self._changed[rows] = True
        self._written[self.plant.block_of_row[rows]] = True

    def are_strings(self, rows: Rows | slice) -> npt.NDArray[np.bool_]:
        """Which of these rows hold indices into the pool, (n,)."""
        return self._is_string[self.plant.block_of_row[rows]]

    def value(self, row: int) -> bool | int | float | str | None:
        """One value for people; None when the status is Bad. Not for hot paths."""
        return None if self.status[row] >= BAD else self.last_value(row)

    def last_value(self, row: int) -> bool | int | float | str | None:
        """The last usable value, whatever the status now."""
        kind = self.plant.block(row).info.kind
        if kind.is_float:
            return float(self.floats[row])
        if kind is Kind.String:
            return self.pool[int(self.cells[row])]
        if kind is Kind.Boolean:
            return bool(self.cells[row])
        return int(self.uints[row]) if kind is Kind.UInt64 else int(self.cells[row])

    @property
    def bytes_per_row(self) -> float:
        """Live state per tag [B], the plant's per-row columns included."""
        arrays = (self.cells, self.status, self.source_ns, self.last_usable_ns, self._changed)
        plant = (self.plant.series, self.plant.block_of_row, self.plant.supported)
        return sum(a.nbytes for a in arrays + plant) / max(1, self.plant.rows)


def _span(info: TagInfo) -> tuple[float, float]:
    """Declared range; of an enumeration, the numbers that have a name. NaN: none."""
    if info.kind is Kind.Enumeration and info.values:
        return 0.0, len(info.values) - 1.0
    return info.low, info.high
