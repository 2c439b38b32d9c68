# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_item_queues.py, tests/property/test_hmi_queues.py
"""Monitored values of tags in one subscription: those that report the table as it is, and those with a queue.

Law of this file: no asyncua, no I/O; ids and positions in, encoded notifications out. Which of the two kinds an item is
follows from its settings alone: a queue, a sampling interval longer than the publishing interval, or items linked to it
need every scan; all others need none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.words import BAD, Clock, Rows, StatusCode, Statuses
from supervisor.hmi.publishing.columns import Ids, Mask, Mode, Trigger
from supervisor.hmi.publishing.items import Items
from supervisor.hmi.publishing.notices import Changes
from supervisor.hmi.publishing.queues import QueuedItems, Samples
from supervisor.hmi.values import Stamps, ValueEncoder
from supervisor.tags.table import TagTable


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client wants of one item, already revised.

    Attributes:
        period_ns: sampling interval, 0: every scan; `queue`: 1 or more.
        band: absolute deadband [unit of the tag], 0 none.
    """

    handle: int
    period_ns: int
    queue: int
    oldest: bool
    trigger: Trigger
    band: float


class TagItems:
    """Both kinds of items of one subscription.

    Args:
        is_float: whether a block's cells are float64, (blocks,).
        interval_ns: publishing interval of the subscription; items sampled more slowly are looked at in scans.
        clock: for the time of a first sample.
        fired: told the ids of items that others are linked to, when they have queued something.
    """

    def __init__(
        self,
        table: TagTable,
        encoder: ValueEncoder,
        is_float: Mask,
        interval_ns: int,
        clock: Clock,
        fired: Callable[[list[int]], None],
    ) -> None:
        self._table = table
        self._encoder = encoder
        self._is_float = is_float
        self._interval_ns = interval_ns
        self._clock = clock
        self._fired = fired
        self.plain = Items()
        self.queued = QueuedItems()
        self._lost: Ids = np.zeros(0, np.uint32)

    def __len__(self) -> int:
        return len(self.plain) + len(self.queued)

    @property
    def disabled(self) -> int:
        """Items that are disabled."""
        return sum(int((items.mode == Mode.DISABLED).sum()) for items in (self.plain, self.queued))

    @property
    def overflows(self) -> int:
        """Samples lost because a queue was full, since the subscription began."""
        return self.queued.overflows

    def handles(self) -> dict[int, int]:
        """ClientHandles by id."""
        found: dict[int, int] = {}
        for items in (self.plain, self.queued):
            found |= zip(items.ids.tolist(), items.handles.tolist(), strict=True)
        return found

    # -- items come and go ------------------------------------------------------------------------------------------

    def add(self, first_id: int, columns: dict[str, Any]) -> Ids:
        """Items with ids first_id, first_id + 1, ...; returns the ids.

        Args:
            columns: rows, handles, mode, stamps, trigger, band, period_ns, size, oldest; arrays (n,).
        """
        n = len(columns["rows"])
        ids = np.arange(first_id, first_id + n, dtype=np.uint32)
        columns = columns | {"ids": ids, "fresh": np.ones(n, np.bool_)}
        queued = (columns["size"] > 1) | (columns["period_ns"] > self._interval_ns)
        if not queued.any():
            self.plain.insert(columns)
        elif queued.all():
            self._queue(columns)
        else:
            self.plain.insert({name: column[~queued] for name, column in columns.items()})
            self._queue({name: column[queued] for name, column in columns.items()})
        return ids

    def _queue(self, columns: dict[str, Any]) -> Rows:
        """Insert into the queued items and take the first sample."""
        now_ns = self._clock.wall_ns()
        at = self.queued.insert(columns | {"due_ns": now_ns + columns["period_ns"]})
        self.sample(now_ns, None)
        return at

    def find(self, ids: Ids) -> Mask:
        """Which of `ids` exist."""
        return self.plain.find(ids)[1] | self.queued.find(ids)[1]

    def row(self, number: int) -> int:
        """Row of an item that exists."""
        items, at = self._place(number)
        return int(items.rows[at])

    def remove(self, ids: Ids) -> None:
        """Forget those of `ids` that exist."""
        for items in (self.plain, self.queued):
            at, found = items.find(ids)
            if found.any():
                items.take_out(at[found])

    def set_mode(self, ids: Ids, mode: Mode) -> None:
        """The mode of those of `ids` that exist."""
        for items in (self.plain, self.queued):
            at, found = items.find(ids)
            items.set_mode(at[found], mode)
        if mode is not Mode.DISABLED:
            self.sample(self._clock.wall_ns(), None)

    def modify(self, number: int, settings: Settings, stamps: int) -> None:
        """New settings of an item that exists; what its queue holds stays as far as it fits."""
        items, at = self._place(number)
        changes = {name: column[0] for name, column in columns_of([settings]).items()} | {"stamps": stamps}
        was_queued = isinstance(items, QueuedItems)
        queued = settings.queue > 1 or settings.period_ns > self._interval_ns or bool(items.triggers[at])
        if was_queued == queued and (not was_queued or self.queued.size[at] == settings.queue):
            for name in items.dtypes.keys() & changes.keys():
                getattr(items, name)[at] = changes[name]
            items.expose()
            return
        if was_queued:
            taken = self.queued.resize(at, settings.queue)
        else:
            taken = self.plain.take_out(np.array([at]))
        self._insert(taken | {name: np.array([value]) for name, value in changes.items()}, queued)

    def _insert(self, columns: dict[str, Any], queued: bool) -> None:
        kept = columns.pop("kept", None)
        if not queued:
            if kept is not None and len(kept.cells):
                columns["fresh"] = np.ones(1, np.bool_)  # what waited in the queue is told by the newest value
            self.plain.insert(columns)
            return
        (at,) = self._queue(columns).tolist()
        if kept is not None:
            self.queued.restore(at, kept)

    def revise(self, interval_ns: int) -> None:
        """The publishing interval has changed; sampling intervals have not. Source: OPC 10000-4, 7.21."""
        self._interval_ns = interval_ns
        at = np.flatnonzero(self.plain.period_ns > interval_ns)
        if len(at):
            n = len(at)
            self._queue(self.plain.take_out(at) | {"size": np.ones(n, np.int64), "oldest": np.ones(n, np.bool_)})

    def _place(self, number: int) -> tuple[Items | QueuedItems, int]:
        wanted = np.array([number], np.uint32)
        at, found = self.plain.find(wanted)
        if found[0]:
            return self.plain, int(at[0])
        return self.queued, int(self.queued.find(wanted)[0][0])

    # -- triggering -------------------------------------------------------------------------------------------------

    def watch(self, number: int, triggers: bool) -> None:
        """Whether others are linked to this item: then it must be looked at in every scan."""
        items, at = self._place(number)
        if triggers and items is self.plain:
            taken = self.plain.take_out(np.array([at]))
            one = {"size": 1, "oldest": True, "period_ns": 0}
            self._queue(taken | {name: np.array([value]) for name, value in one.items()} | {"triggers": np.ones(1)})
        else:
            items.triggers[at] = triggers

    def release(self, ids: Ids) -> None:
        """Items that may report once although they only sample."""
        at, found = self.plain.find(ids)
        self.plain.released[at[found]] = True
        self.plain.backlog = self.plain.backlog[:0]
        at, found = self.queued.find(ids)
        self.queued.released[at[found]] = self.queued.count[at[found]] > 0

    # -- rights -----------------------------------------------------------------------------------------------------

    def hand_over(self, readable: Callable[[Rows], Mask]) -> None:
        """Another user has the session: every item is reported anew, as far as *their* rights go.

        What they may not see is told once as BadUserAccessDenied; not even that it changes is told afterwards.
        Source: OPC 10000-4, 5.7.3.1.
        """
        lost = []
        for items in (self.plain, self.queued):
            barred = ~readable(items.rows)
            lost.append(items.handles[barred & (items.mode == Mode.REPORTING)])
            items.barred[:] = barred
        self._lost = np.concatenate(lost)
        self.queued.count[:] = 0
        self.refresh()

    def _tell_lost(self, limit: int) -> bytes:
        handles, self._lost = self._lost[:limit], self._lost[limit:]
        n = len(handles)
        rows, status = np.full(n, -1, np.int64), np.full(n, StatusCode.BadUserAccessDenied, np.uint32)
        return self._encoder.encode_values(rows, rows.copy(), status, rows, 0, Stamps.NEITHER, handles)

    # -- reporting --------------------------------------------------------------------------------------------------

    def sample(self, now_ns: int, hit: Mask | None) -> None:
        """After a scan. `hit`: rows changed in it, (rows of the table,)."""
        pushed = self.queued.sample(self._table, self._is_float, now_ns, hit)
        if len(pushed) and (fired := self.queued.ids[pushed[self.queued.triggers[pushed]]]).size:
            self._fired(fired.tolist())

    def pending(self) -> bool:
        news = len(self._lost) or len(self.plain.due(self._table, self._is_float)) or self.queued.due().any()
        return bool(news)

    @property
    def left(self) -> bool:
        """Whether the last message could not take everything; nothing is looked at anew."""
        return bool(len(self._lost) or len(self.plain.backlog) or self.queued.due().any())

    def take(self, limit: int, now_ns: int) -> Changes:
        """The news of at most `limit` notifications. Queues first: they can overflow."""
        count = min(len(self._lost), limit)
        parts = [self._tell_lost(count)] if count else []
        items, samples = self.queued, self.queued.take(limit - count)
        self._admit_lost_texts(samples)
        count += len(samples.at)
        for stamps, at in _by_stamps(items.stamps[samples.at]):
            who = samples.at[at]
            values = (samples.cells[at], samples.status[at], samples.source_ns[at], samples.server_ns[at])
            parts.append(self._encode(items, who, values, stamps))
        if count < limit and len(self.plain.due(self._table, self._is_float)):
            span, now = self.plain.take(limit - count, self._table)
            for stamps, at in _by_stamps(self.plain.stamps[span]):
                values = (now.cells[at], now.status[at], now.source_ns[at], now_ns)
                parts.append(self._encode(self.plain, _among(span, at), values, stamps))
            count += len(now.cells)
        return Changes(count, b"".join(parts))

    def _admit_lost_texts(self, samples: Samples) -> None:
        """Of a sample that waited so long that its text had to give way to those of the table, nothing is left."""
        table = self._table
        texts = table.are_strings(self.queued.rows[samples.at]) & (samples.status < BAD)
        for i in np.flatnonzero(texts).tolist():
            if int(samples.cells[i]) not in table.pool:
                samples.status[i] = StatusCode.BadOutOfMemory

    def _encode(
        self, items: Items | QueuedItems, at: Rows | slice, values: tuple[Any, Statuses, Any, Any], stamps: int
    ) -> bytes:
        cells, status, source_ns, server_ns = values
        handles = items.handles[at]
        return self._encoder.encode_values(items.rows[at], cells, status, source_ns, server_ns, Stamps(stamps), handles)

    def refresh(self) -> None:
        """Report everything again."""
        self.plain.refresh()
        self.queued.refresh()
        self.sample(self._clock.wall_ns(), None)


def _by_stamps(stamps: npt.NDArray[np.uint8]) -> Iterator[tuple[int, Any]]:
    """Positions by what they want of TimestampsToReturn; nearly always all want the same."""
    if len(stamps) and (stamps == stamps[0]).all():
        yield int(stamps[0]), slice(None)
        return
    for one in distinct(stamps).tolist():
        yield one, np.flatnonzero(stamps == one)


def _among(span: Rows | slice, at: Rows | slice) -> Rows | slice:
    """The positions `at` of the positions `span`."""
    if isinstance(at, slice):
        return span  # all of them
    return span.start + at if isinstance(span, slice) else span[at]


def columns_of(wanted: list[Settings]) -> dict[str, Any]:
    """Settings as columns."""
    return {
        "handles": np.array([s.handle for s in wanted], np.uint32),
        "trigger": np.array([s.trigger for s in wanted], np.uint8),
        "band": np.array([s.band for s in wanted], np.float64),
        "size": np.array([s.queue for s in wanted], np.int64),
        "oldest": np.array([s.oldest for s in wanted], np.bool_),
        "period_ns": np.array([s.period_ns for s in wanted], np.int64),
    }
