# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_queues.py
"""Monitored items with queues: every change that a scan makes is kept until it is published.

Law of this file: numpy only; no asyncua, no I/O, no clock. A change is judged against the value queued last.

Theory. Each item owns a stretch of slots in one arena, `offset` to `offset + size`, used as a ring that begins at
`head` and holds `count` samples. After each scan all items whose rows have changed and whose sampling interval has
passed are judged and pushed at once. A full ring loses its oldest or its newest sample, as the client wished, and
marks the loss. Source: OPC 10000-4, 5.13.1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from config.words import Cells, Rows, Statuses, TimesNs
from supervisor.hmi.publishing.columns import SHARED, Columns, Mask, Mode, Trigger, Values
from supervisor.tags.table import TagTable

# InfoType DataValue and the Overflow bit. Source: OPC 10000-4, 7.38.1, tables 176 and 177.
OVERFLOW: Final = 0x0480
SLOT_BYTES: Final = 28
_SLOT: Final = (("cells", np.int64), ("status", np.uint32), ("source_ns", np.int64), ("server_ns", np.int64))


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples taken out of queues. Arrays (n,); `at`: positions of their items, those of an item oldest first."""

    at: Rows
    cells: Cells
    status: Statuses
    source_ns: TimesNs
    server_ns: TimesNs


class QueuedItems(Columns):
    """Items of one subscription that queue their samples.

    Attributes:
        due_ns: when the next sample may be taken.
        dirty: the row has changed since the last sample.
        oldest: DiscardOldest.
        overflows: samples lost since the subscription began.
    """

    dtypes: ClassVar[dict[str, Any]] = {
        **SHARED,
        "due_ns": np.int64,
        "dirty": np.bool_,
        "oldest": np.bool_,
        "offset": np.int64,
        "size": np.int64,
        "head": np.int64,
        "count": np.int64,
    }

    due_ns: TimesNs
    dirty: Mask
    oldest: Mask
    offset: Rows
    size: Rows
    head: Rows
    count: Rows

    def __init__(self) -> None:
        self._slots = {name: np.zeros(0, dtype) for name, dtype in _SLOT}
        self._used = 0
        self._cursor = 0
        self.overflows = 0
        super().__init__()

    @property
    def slots(self) -> int:
        """Slots that items own."""
        return int(self.size.sum())

    def expose(self) -> None:
        super().expose()
        self._timed = np.flatnonzero(self.trigger == Trigger.TIMESTAMP)
        self._slow = bool((self.period_ns > 0).any())
        self._cursor = 0

    def insert(self, new: dict[str, Any]) -> Rows:
        """Add items; `new['size']` of each is its queue size, 1 or more."""
        m, sizes = len(new["ids"]), np.asarray(new["size"], np.int64)
        if self._used > 2 * (self.slots + int(sizes.sum())):
            self._compact()
        offsets = self._used + np.cumsum(sizes) - sizes
        self._used += int(sizes.sum())
        self._reserve(self._used)
        return super().insert(new | {"offset": offsets, "head": np.zeros(m, np.int64), "count": np.zeros(m, np.int64)})

    def _reserve(self, n: int) -> None:
        held = len(self._slots["cells"])
        if n > held:
            for name, memory in self._slots.items():
                grown = np.zeros(max(n, held + held // 2), memory.dtype)
                grown[:held] = memory
                self._slots[name] = grown

    def _compact(self) -> None:
        """Close the gaps that removed items have left."""
        sizes = self.size
        offsets = np.cumsum(sizes) - sizes
        source = np.repeat(self.offset - offsets, sizes) + np.arange(int(sizes.sum()))
        for name, memory in self._slots.items():
            self._slots[name] = memory[source]
        self._used = len(source)
        self.offset[:] = offsets

    def set_mode(self, at: Rows, mode: Mode) -> None:
        """A disabled item loses its queue and starts anew when enabled."""
        if mode is Mode.DISABLED:
            self.count[at] = 0
            self.fresh[at] = True
        self.mode[at] = mode

    # -- samples in -------------------------------------------------------------------------------------------------

    def sample(self, table: TagTable, is_float: Mask, now_ns: int, hit: Mask | None) -> Rows:
        """Queue what has changed; returns the positions of items that queued something.

        Args:
            is_float: whether a block's cells are float64, (blocks,).
            hit: rows changed in this scan, (rows of the table,); None: none, look only at items never sampled yet
                and those whose interval has passed now.
        """
        if not len(self):
            return np.zeros(0, np.int64)
        looked = self.dirty
        if hit is not None:
            looked |= hit[self.rows]
        if self._timed.size:
            looked[self._timed] = True
        due = looked | self.fresh
        due &= self.mode != Mode.DISABLED
        if self._slow:
            due &= self._in_time(now_ns) | self.fresh
        at = np.flatnonzero(due)
        if not len(at):
            return at
        looked[at] = False
        rows = self.rows[at]
        now = Values.of(table, rows)
        floats = is_float[table.plant.block_of_row[rows]] if self._banded.size else looked
        moved = self.changed(at, now, floats)
        at = at[moved]
        self._push(at, Values(now.cells[moved], now.status[moved], now.source_ns[moved]), now_ns)
        return at

    def _in_time(self, now_ns: int) -> Mask:
        """Items whose sampling interval has passed; it begins anew, without making up for missed ones.

        One that would have to wait for longer than its interval waits for a clock that was set back.
        """
        passed: Mask = (self.due_ns <= now_ns) | (self.due_ns > now_ns + self.period_ns)
        slow = np.flatnonzero(passed & (self.period_ns > 0))
        late = now_ns - self.due_ns[slow]
        self.due_ns[slow] += (late // self.period_ns[slow] + 1) * self.period_ns[slow]
        return passed

    def _push(self, at: Rows, now: Values, now_ns: int) -> None:
        size, head, count = self.size[at], self.head[at], self.count[at]
        full = count == size
        lost = full & (size > 1)
        drop_oldest = full & self.oldest[at]
        head = np.where(drop_oldest, (head + 1) % size, head)
        place = (head + np.where(full, size - 1, count)) % size
        slot = self.offset[at] + place
        status = now.status
        if lost.any():
            self.overflows += int(lost.sum())
            newest = lost & ~drop_oldest
            status = np.where(newest, status | np.uint32(OVERFLOW), status)
        self.head[at], self.count[at] = head, np.where(full, count, count + 1)
        for name, values in (("cells", now.cells), ("status", status), ("source_ns", now.source_ns)):
            self._slots[name][slot] = values
        self._slots["server_ns"][slot] = now_ns
        first = (lost & drop_oldest).nonzero()[0]
        self._slots["status"][self.offset[at[first]] + head[first]] |= np.uint32(OVERFLOW)
        self.remember(at, now)

    # -- samples out ------------------------------------------------------------------------------------------------

    def due(self) -> Mask:
        """Items that have something to report, (n,)."""
        waiting: Mask = self.count > 0
        waiting &= (self.mode == Mode.REPORTING) | (self.released & (self.mode == Mode.SAMPLING))
        return waiting

    def take(self, limit: int) -> Samples:
        """At most `limit` samples that are due, taken out. Who was not reached is first the next time."""
        at = np.flatnonzero(self.due())
        at = np.roll(at, -int(np.searchsorted(at, self._cursor)))
        ends = np.cumsum(self.count[at])
        at = at[: int(np.searchsorted(ends, limit)) + 1]
        ends = ends[: len(at)]
        if not len(at) or limit <= 0:
            return self._samples(at[:0], at[:0])
        counts = self.count[at].copy()
        counts[-1] -= max(int(ends[-1]) - limit, 0)
        taken = self._samples(at, counts)
        self.head[at] = (self.head[at] + counts) % self.size[at]
        self.count[at] -= counts
        self.released[at] &= self.count[at] > 0
        self._cursor = int(at[-1]) + 1
        return taken

    def _samples(self, at: Rows, counts: Rows) -> Samples:
        """The first `counts` samples of the queues at these positions."""
        items = np.repeat(at, counts)
        nth = np.arange(len(items)) - np.repeat(np.cumsum(counts) - counts, counts)
        slot = self.offset[items] + (self.head[items] + nth) % self.size[items]
        slots = self._slots
        return Samples(
            items, slots["cells"][slot], slots["status"][slot], slots["source_ns"][slot], slots["server_ns"][slot]
        )

    def texts(self, table: TagTable) -> Cells:
        """Cells of all samples that wait, of items on String rows."""
        at = np.flatnonzero(table.are_strings(self.rows))
        return self._samples(at, self.count[at]).cells

    def resize(self, position: int, size: int) -> dict[str, Any]:
        """Take one item out to be inserted with another queue size: its columns, and with them `kept`, the samples
        that still fit, by the item's own policy. Source: OPC 10000-4, 5.13.3.1.
        """
        at = np.array([position])
        held = self._samples(at, self.count[at])
        n, oldest = len(held.at), bool(self.oldest[position])
        kept: npt.NDArray[np.int64] = np.arange(n)[max(n - size, 0) :] if oldest else np.arange(min(n, size))
        samples = Samples(held.at[kept], *(a[kept] for a in (held.cells, held.status, held.source_ns, held.server_ns)))
        if n > size > 1:
            samples.status[0 if oldest else -1] |= np.uint32(OVERFLOW)
        return self.take_out(at) | {"size": np.array([size]), "kept": samples}

    def restore(self, position: int, kept: Samples) -> None:
        """Put samples into the empty queue of an item."""
        n, start = len(kept.cells), int(self.offset[position])
        values = (kept.cells, kept.status, kept.source_ns, kept.server_ns)
        for memory, column in zip(self._slots.values(), values, strict=True):
            memory[start : start + n] = column
        self.count[position] = n

    def refresh(self) -> None:
        """Report all items again (a subscription was transferred with initial values)."""
        self.fresh[:] = True
