# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_recorder.py, tests/sim/test_recording.py
"""The recorder: what the scan changed, sieved by the class rules, into the store.

Law of this file: the scan hands over columns and goes on; it never waits for a disk. One writer, off the loop, about
once a second; at once when an event (class E) is among the samples. What waits is bounded by `WAITING_MAX`, and

    offered = accepted + waiting + lost          accepted: durable; lost: by cause, in the store's own ledger too

A disk that refuses stops nothing: the writer tries again, samples wait, and `error` says so. If the queue overflows in
the meantime, the newest samples are lost and counted; when the disk takes again, the loss becomes a gap of the history
(no value holds into it) and everything that is stored at all is said again, so that no curve goes on from before.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, Protocol

import numpy as np

from config.arrays import distinct
from config.model import HistoryClass, HistoryRule
from config.words import BAD, NS_PER_S, Clock, Rows
from historian.base import Run
from historian.store.disk import StoreError
from historian.store.rules import RuledBlock, rules_of
from historian.store.samples import CLASSES, Samples, concat
from historian.store.sieve import Sieve
from supervisor.plant.plant import Plant
from supervisor.recording.joined import marked
from supervisor.tags.scan import Changes
from supervisor.tags.table import TagTable

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0
"""How often samples are written, and how soon a refused write is tried again [s]."""
WAITING_MAX: Final = 1_000_000
"""Most samples that wait for the disk, about 45 MB; further ones are lost and counted."""
BATCH_MAX: Final = 250_000
"""Most samples of one write."""
FIRST_MAX: Final = 20_000
"""Most rows that are stored in one scan at the beginning although they did not change."""
RESTATE_NS: Final = 10 * NS_PER_S
"""How long it takes to say everything again after a loss [ns]."""
_FRESH_MAX: Final = 100
"""Scans whose samples lie apart before they are joined."""
_SMALL: Final = 1000
"""Samples of a scan that are joined with their neighbours on the loop, at most 2 ms of work; more are joined by the
writer, off it."""
QUEUE_FULL: Final = "queue full"
NOT_WRITTEN: Final = "not written at stop"
_EVENTS: Final = np.array([name in ("E", "E13") for name in CLASSES])
"""By class: written at once."""


class Target(Protocol):
    """Where samples go: `historian.store.store.Store`. Everything blocks; called from one thread at a time."""

    def append(self, samples: Samples, now_ns: int, epoch: int, digest: bytes, *, keeps: bool) -> int: ...

    def count_lost(self, rows: int, cause: str) -> None: ...

    def record_gap(self, start_ns: int, end_ns: int, cause: str) -> None: ...


def ruled_blocks(plant: Plant) -> Iterator[RuledBlock]:
    """What the types say about history, block by block."""
    for block in plant.blocks:
        info = block.info
        rule = HistoryRule(class_=HistoryClass(info.history_class)) if info.model is None else info.model.history
        yield RuledBlock(block.start, block.count, info.kind, rule, info.low, info.high)


class Recorder:
    """Records one table into one store.

    Args:
        run: the way to the one thread that writes.
        accepted: sequence of the store's last row.
    Attributes:
        offered, accepted, waiting: samples since start; `accepted` are durable.
        lost: by cause, since start.
        error: why samples wait; None while they are taken.
    Raises:
        ValueError: a dead band in per cent of a range that is not declared.
    """

    def __init__(
        self,
        table: TagTable,
        store: Target,
        clock: Clock,
        run: Run,
        epoch: int,
        accepted: int = 0,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._table = table
        self._store = store
        self._clock = clock
        self._run = run
        self._epoch = epoch
        self._waiting_max = waiting_max
        self._sieve = Sieve(rules_of(table.plant.series, ruled_blocks(table.plant)), clock.wall_ns())
        self._unsaid: Rows | None = None
        self._fresh: list[Samples] = []
        self._parts: deque[Samples] = deque()
        self._urgent = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None
        self._sequence = accepted
        self._lost_since_ns: int | None = None
        self._unconfessed = 0
        self.offered = self.accepted = self.waiting = 0
        self.lost: dict[str, int] = {}
        self.error: str | None = None

    # ------------------------------------------------------------------------------------------------------- the scan

    def take(self, changes: Changes) -> None:
        """Consumer of the scan: choose what is stored and put it into the queue. At the beginning every usable value
        counts as changed, FIRST_MAX a scan, for nothing is recorded yet of what is just so.
        """
        table, rows = self._table, changes.rows
        if self._unsaid is None:
            self._unsaid = np.flatnonzero(table.status < BAD)
        if len(self._unsaid):
            rows = distinct(np.concatenate((rows, self._unsaid[:FIRST_MAX])))
            self._unsaid = self._unsaid[FIRST_MAX:]
        samples = self._sieve.step(rows, table.cells, table.status, table.source_ns, changes.now_ns, self._text)
        if len(samples):
            self._offer(marked(samples, table), changes.now_ns)

    def _text(self, index: int) -> str:
        """A text as it can be stored: half of a surrogate pair, which a device may send, is no Unicode."""
        return self._table.pool[index].encode("utf-8", "replace").decode()

    def _offer(self, samples: Samples, now_ns: int) -> None:
        self.offered += len(samples)
        room = self._waiting_max - self.waiting
        if len(samples) > room:
            self._lose(len(samples) - room, QUEUE_FULL)
            self._unconfessed += len(samples) - room
            self._lost_since_ns = now_ns if self._lost_since_ns is None else self._lost_since_ns
            samples = samples.take(slice(0, room))
        self.waiting += len(samples)
        self._fresh.append(samples)
        if len(self._fresh) >= _FRESH_MAX:
            self._join_fresh()
        if _EVENTS[samples.class_id].any():
            self._urgent.set()

    def _lose(self, rows: int, cause: str) -> None:
        self.lost[cause] = self.lost.get(cause, 0) + rows

    def _join_fresh(self) -> None:
        for small, parts in itertools.groupby(self._fresh, lambda part: len(part) < _SMALL):
            for part in [concat(list(parts))] if small else parts:
                self._parts.extend(_sliced(part))
        self._fresh = []

    # ----------------------------------------------------------------------------------------------------- the writer

    def start(self) -> None:
        """Begin to write. Called on the loop."""
        self._writer = asyncio.create_task(self._write_on())

    async def run(self) -> None:
        """Return or raise when the writer ends: after `close`, or by a bug."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def close(self) -> None:
        """Write what waits and end the writer. What the disk refuses now is lost, and counted. Idempotent."""
        self._closing = True
        self._urgent.set()
        if (writer := self._writer) is None:
            return
        self._writer = None
        if not writer.done():  # one that has ended by itself told `run` why
            await writer

    async def _write_on(self) -> None:
        while not self._closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_S):
                    await self._urgent.wait()
            self._urgent.clear()
            await self._write()
            if self.error is not None and not self._closing:
                await asyncio.sleep(PERIOD_S)  # events must not hammer a disk that refuses
        await self._write()
        if self.waiting:
            rows, self.waiting = self.waiting, 0
            self._lose(rows, NOT_WRITTEN)
            log.error("%d samples of the history were not written: %s", rows, self.error)
            await self._run(lambda: self._store.count_lost(rows, NOT_WRITTEN))

    async def _write(self) -> None:
        """All that waits, batch by batch, until the disk refuses."""
        while self._fresh or self._parts:
            parts = self._next_batch()
            rows = sum(map(len, parts))
            try:
                sequence = await self._run(lambda parts=parts: self._append(parts))  # type: ignore[misc]
            except StoreError as error:
                self._parts.extendleft(reversed(parts))
                self._refused(error)
                return
            taken = sequence - self._sequence
            self._sequence = sequence
            self.waiting -= rows
            self.accepted += taken
            if taken < rows:
                self._lose(rows - taken, "out of time")
        if self._lost_since_ns is not None and not await self._confess(self._lost_since_ns):
            return
        if self.error is not None:
            log.info("the history is being written again")
            self.error = None

    def _append(self, parts: list[Samples]) -> int:
        """Runs off the loop. What the disk refuses stays joined."""
        parts[:] = [batch := concat(parts)]
        digest = self._table.plant.digest
        return self._store.append(batch, self._clock.wall_ns(), self._epoch, digest, keeps=True)

    async def _confess(self, since_ns: int) -> bool:
        """Make a loss a gap of the history. False if the disk refuses that too."""
        rows, now_ns = self._unconfessed, self._clock.wall_ns()

        def tell() -> None:
            self._store.record_gap(since_ns, max(now_ns, since_ns + 1), f"{rows} samples found no room before the disk")
            self._store.count_lost(rows, QUEUE_FULL)

        try:
            await self._run(tell)
        except StoreError as error:
            self._refused(error)
            return False
        self._unconfessed -= rows
        self._lost_since_ns = now_ns if self._unconfessed else None
        self._sieve.restate(RESTATE_NS)
        return True

    def _next_batch(self) -> list[Samples]:
        if self._fresh:
            self._join_fresh()
        parts = [self._parts.popleft()]
        rows = len(parts[0])
        while self._parts and rows + len(self._parts[0]) <= BATCH_MAX:
            rows += len(self._parts[0])
            parts.append(self._parts.popleft())
        return parts

    def _refused(self, error: StoreError) -> None:
        if self.error is None:
            log.error("the history is not being written: %s", error)
        self.error = str(error)


def _sliced(samples: Samples) -> Iterable[Samples]:
    """Parts of at most BATCH_MAX rows."""
    if len(samples) <= BATCH_MAX:
        return [samples]
    return [samples.take(slice(at, at + BATCH_MAX)) for at in range(0, len(samples), BATCH_MAX)]
