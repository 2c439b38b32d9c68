# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""The writer: what the alarms have to say goes to the journal, in order, and is shown only then.

Law of this file: durable before shown. Batches are written in the order in which they came; the records and rows of a
scan are one transaction (a scan of more than WEIGHT_MAX in several, each whole); the scan itself waits for nothing.

A disk that refuses must not blind the operator. While the journal does not take records, or takes more than LATE_S for
them, batches are shown all the same, marked 'not recorded', `/status` says so, and nobody's action is accepted. What is
owed is kept in memory and written when the disk is back: up to OWED_MAX happenings; beyond, the oldest records are
given up and counted (`lost`), never the state of a condition.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

from historian.base import JournalError, JournalUnwritable, Later, Plain, Position, Record, Row, Run, Sheet
from supervisor.alarms.records import Batch, EventId, Scribe, split, values_of
from supervisor.alarms.shown import STEP, Shown, apply
from supervisor.offload import OffloadFull

log = logging.getLogger(__name__)

WEIGHT_MAX: Final = 80_000
"""Records and rows of one transaction: two storms of 34,000 conditions are two of them."""
OWED_MAX: Final = 200_000
"""Happenings kept while they cannot be written; some 150 MB."""
LATE_S: Final = 2.0
"""How long the operator waits for a disk before seeing what is not recorded [s]."""
RETRY_S: Final = 5.0
"""Pause between attempts to write to a disk that refused [s]."""


class AlarmJournal(Protocol):
    """What the alarms ask of a journal (`historian.base.Journal`)."""

    async def append_with(
        self, records: Sequence[Record | Sheet], rows: Sequence[Row], later: Later | None = None
    ) -> Sequence[Position]: ...

    async def rows(self, table: str) -> list[tuple[bytes, bytes]]: ...


Told = Callable[[Batch, Sequence[Plain], Sequence[EventId] | None], None]
"""(batch, values of its happenings, events). Events: where the record of each happening stands, then of each note;
None: the batch is shown although it is not recorded, and will be told again when it is."""


class NotRecorded(Exception):
    """What was done holds, but its record is not on the disk yet; the sentence says why."""


@dataclass(slots=True)
class _Owed:
    batch: Batch
    stamp: int
    done: asyncio.Future[None] | None = None
    values: list[Plain] | None = None
    shown: bool = False
    under_way: bool = False


class Writer:
    """The only way from the engine to the journal and to the shown list. `start` it, `run` it, `close` it.

    Attributes:
        error: why nothing is recorded at present; empty while all is well.
        lost: records given up since start.
        told: called once a batch is shown; for doors that send events. See `Told`.
    """

    def __init__(self, journal: AlarmJournal, scribe: Scribe, shown: Shown, run: Run, post: int) -> None:
        self._journal = journal
        self._scribe = scribe
        self._shown = shown
        self._run = run
        self._post = post
        self._owed: deque[_Owed] = deque()
        self._happenings = 0
        self._stamp = 0
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.error = ""
        self.lost = 0
        self.told: list[Told] = []

    @property
    def waiting(self) -> int:
        """Happenings not yet durable."""
        return self._happenings

    def put(self, batch: Batch) -> asyncio.Future[None]:
        """Owe a batch to the journal; returns at once.

        Returns: done when all of it is durable; NotRecorded when an attempt failed.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_look_at)
        parts = [batch] if batch.weight <= WEIGHT_MAX else split(batch, WEIGHT_MAX // 2)
        for part in parts:
            self._stamp += 1
            self._owed.append(_Owed(part, self._stamp))
        self._owed[-1].done = future
        self._happenings += len(batch.happenings)
        self._give_up()
        self._work.set()
        return future

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._serve(), name="alarm writer")

    async def run(self) -> None:
        """Ends when the writer does: a bug, unless it was closed. Cancelling this does not stop it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Write what is owed, with one attempt if the disk refuses, and end. Idempotent."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task = None
            if self._owed:
                log.critical("%d alarm records could not be written and are lost: %s", self._happenings, self.error)

    # --- writing

    async def _serve(self) -> None:
        while not self._closing:
            await self._work.wait()
            self._work.clear()
            await self._write_all()

    async def _write_all(self) -> None:
        while self._owed:
            group = self._group()
            try:
                positions = await self._write(group)
            except JournalError as e:
                self._failed(str(e), group)
                if self._closing:
                    return
                await self._pause()
            else:
                await self._written(group, positions)

    async def _pause(self) -> None:
        """RETRY_S; what comes meanwhile is shown."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + RETRY_S
        while (left_s := until_s - loop.time()) > 0 and not self._closing:
            await self._show_unrecorded()
            try:
                async with asyncio.timeout(left_s):
                    await self._work.wait()
            except TimeoutError:
                return
            self._work.clear()

    def _group(self) -> list[_Owed]:
        """The next batches that fit into one transaction."""
        weight, n = 0, 0
        for owed in self._owed:
            weight += owed.batch.weight
            if n and weight > WEIGHT_MAX:
                break
            n += 1
        return list(islice(self._owed, n))

    async def _write(self, group: list[_Owed]) -> Sequence[Position]:
        """Append a group; shows it before it is durable if that takes too long.

        Raises:
            JournalError: nothing was written.
        """
        for owed in group:
            owed.under_way = True
        try:
            task = asyncio.create_task(self._append(group), name="alarms to the journal")
            done, _ = await asyncio.wait({task}, timeout=LATE_S)
            while not done:
                self._say(f"the journal has not answered for more than {LATE_S:g} s")
                await self._show_unrecorded()
                done, _ = await asyncio.wait({task}, timeout=0.1)
            return task.result()
        finally:
            for owed in group:
                owed.under_way = False

    async def _append(self, group: list[_Owed]) -> Sequence[Position]:
        def prepare() -> list[Record | Sheet]:
            for owed in group:
                owed.values = values_of(owed.batch) if owed.values is None else owed.values
            return [r for owed in group for r in self._scribe.records(owed.batch, owed.values or ())]

        def rows(first: Position) -> list[Row]:
            told = ((owed.batch, owed.values or ()) for owed in group)
            return self._scribe.rows(told, EventId(self._post, *first))

        try:
            records = await self._run(prepare)
        except OffloadFull as e:
            raise JournalUnwritable(str(e)) from e
        return await self._journal.append_with(records, (), rows)

    async def _written(self, group: list[_Owed], positions: Sequence[Position]) -> None:
        if self.error:
            log.info("alarms are recorded again")
        self.error = ""
        self._scribe.pages.written()
        start = 0
        for owed in group:
            batch = owed.batch
            end = start + len(batch.happenings) + len(batch.notes)
            events: list[EventId] = []
            for at in range(start, end, STEP):
                events += [EventId(self._post, *p) for p in positions[at : min(at + STEP, end)]]
                await asyncio.sleep(0)
            start = end
            # What was shown already only gets its events: its states may be older than those shown now.
            show = replace(batch, lives={}) if owed.shown else batch
            owed.shown = owed.under_way = True
            for _ in apply(self._shown, show, owed.values or (), owed.stamp, events):
                await asyncio.sleep(0)
            self._shown.durable = owed.stamp
            self._owed.popleft()
            self._happenings -= len(batch.happenings)
            for tell in self.told:
                tell(batch, owed.values or (), events)
            if owed.done is not None and not owed.done.done():
                owed.done.set_result(None)

    # --- a disk that refuses

    def _failed(self, sentence: str, group: list[_Owed]) -> None:
        self._say(sentence)
        for owed in group:
            if owed.done is not None and not owed.done.done():
                owed.done.set_exception(NotRecorded(sentence))

    def _say(self, sentence: str) -> None:
        if not self.error:
            log.error("alarms are shown without being recorded: %s", sentence)
        self.error = f"alarms are shown without being recorded: {sentence}"

    async def _show_unrecorded(self) -> None:
        for owed in list(self._owed):
            if owed.shown:
                continue
            if owed.values is None:
                owed.values = values_of(owed.batch)
            owed.shown = True
            for _ in apply(self._shown, owed.batch, owed.values, owed.stamp, None):
                await asyncio.sleep(0)
            for tell in self.told:
                tell(owed.batch, owed.values, None)

    def _give_up(self) -> None:
        """Beyond the bound the oldest records go, their rows stay: the state of a condition is never lost."""
        for owed in self._owed:
            if self._happenings <= OWED_MAX:
                return
            if not owed.shown or owed.under_way:
                continue
            self.lost += len(owed.batch.happenings)
            self._happenings -= len(owed.batch.happenings)
            owed.batch = replace(owed.batch, happenings=[], values=None)
            owed.values = []


def _look_at(future: asyncio.Future[None]) -> None:
    """A scan's batch has nobody waiting for it; its failure is told by `error`."""
    if not future.cancelled():
        future.exception()
