# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py, tests/unit/test_journal_flushes.py
"""The journal: a chained database behind the `Journal` interface, many appends sharing one transaction.

Law of this file: order and waiting only; bytes are `chain`'s, the database is `store`'s. One job at a time writes off
the loop, and one at a time reads for a query.

Appends that arrive while a flush is under way wait together for the next one, so 1,000 commands in a storm cost a few
flushes, not 1,000. At most `waiting_max` records and rows wait; the next append is refused at once. When a shared flush
fails every append in it is refused: nobody may believe in a record that is not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from historian.base import (
    Entry,
    Erasure,
    Found,
    JournalError,
    JournalStatus,
    JournalUnwritable,
    Later,
    Position,
    Query,
    Record,
    Row,
    Run,
    Sheet,
    count,
)
from historian.journal.importing import import_files, originals
from historian.journal.reading import ChainReader, Step
from historian.journal.reserve import RESERVE_SIZE
from historian.journal.store import CHECKPOINT_PAGES, SIZE_MAX, ChainStore

log = logging.getLogger(__name__)
T = TypeVar("T")

# Four storms of 34,000 conditions, record and row each; some 150 MB at the length such records have.
WAITING_MAX: Final = 2**18
# One transaction takes no more than the budget of a storm; who waits behind it waits no longer.
GROUP_MAX: Final = 2**16
REFILL_S: Final = 10.0
_BUSY_PAGES: Final = 8 * CHECKPOINT_PAGES


@dataclass(slots=True)
class _Waiting:
    records: Sequence[Record | Sheet]
    rows: Sequence[Row]
    later: Later | None
    done: asyncio.Future[Sequence[Position]]
    count: int  # of records

    @property
    def weight(self) -> int:
        return self.count + len(self.rows)


class ChainJournal:
    """`historian.base.Journal` over a chained database. Use `await ChainJournal.open(...)`."""

    def __init__(self, store: ChainStore, reader: ChainReader, run: Run, waiting_max: int = WAITING_MAX) -> None:
        self._store = store
        self._reader = reader
        self._run = run
        self._waiting_max = waiting_max
        self._waiting: list[_Waiting] = []
        self._in_flush = 0
        self._drain_task: asyncio.Task[None] | None = None
        self._refill_task: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()  # one query at a time, so that appends always find a thread
        self._records = 0
        self._refused = 0
        self._size = store.size
        self._error: str | None = None
        self._error_since_s: float | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        folder: Path,
        epoch: int,
        run: Run,
        post: int = 1,
        size_max: int = SIZE_MAX,
        reserve_size: int = RESERVE_SIZE,
        waiting_max: int = WAITING_MAX,
    ) -> ChainJournal:
        """Open the journal in `folder`, taking over the records of a journal of files that lies there.

        Args:
            run: leads off the loop.
            post: number of this post, 1..255.
        Raises:
            JournalUnwritable, JournalFull.
        """

        def blocking() -> tuple[ChainStore, ChainReader]:
            store = ChainStore(folder, epoch, post, size_max, reserve_size)
            try:
                taken = import_files(store)
                store.repair = "; ".join(filter(None, (store.repair, taken)))
                return store, ChainReader(store.path, post)
            except BaseException:
                store.close()
                raise

        store, reader = await run(blocking)
        journal = cls(store, reader, run, waiting_max)
        journal._keep_reserve()
        return journal

    # --- appending

    async def append(self, records: Sequence[Record]) -> Sequence[Position]:
        """As `Journal.append`. A caller that is cancelled leaves its records to be written all the same."""
        return await self.append_with(records, ())

    async def append_with(
        self, records: Sequence[Record | Sheet], rows: Sequence[Row], later: Later | None = None
    ) -> Sequence[Position]:
        """As `Journal.append_with`."""
        if self._closed:
            raise JournalUnwritable("journal: closed; the server is stopping")
        if not records and not rows and later is None:
            return []
        waiting = _Waiting(records, rows, later, asyncio.get_running_loop().create_future(), count(records))
        if self._count_waiting() + waiting.weight > self._waiting_max:
            self._refused += waiting.count
            raise JournalUnwritable(f"journal: {self._waiting_max} records wait for the disk; none may be added")
        self._waiting.append(waiting)
        if self._drain_task is None or self._drain_task.done():
            self._drain_task = asyncio.create_task(self._drain(), name="journal flush")
        return await waiting.done

    async def _drain(self) -> None:
        while self._waiting:
            group = self._next_group()
            records = [r for w in group for r in w.records]
            rows = [r for w in group for r in w.rows]
            later = _later(group)
            self._in_flush = sum(w.weight for w in group)
            try:
                positions = await self._run(lambda r=records, w=rows, m=later: self._store.append(r, w, m))  # type: ignore[misc]
            except Exception as e:  # whatever it was, every waiting caller must hear of it
                self._failed(e, group)
            else:
                self._written(positions, group)
            self._in_flush = 0
            await self._tidy()

    def _next_group(self) -> list[_Waiting]:
        weight = n = 0
        for waiting in self._waiting:
            weight += waiting.weight
            if n and weight > GROUP_MAX:
                break
            n += 1
        group, self._waiting = self._waiting[:n], self._waiting[n:]
        return group

    def _written(self, positions: list[Position], group: list[_Waiting]) -> None:
        self._error = self._error_since_s = None
        self._records += len(positions)
        start = 0
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_result(positions[start : start + waiting.count])
            start += waiting.count

    def _failed(self, e: Exception, group: list[_Waiting]) -> None:
        sentence = str(e) if isinstance(e, JournalError) else f"journal: {type(e).__name__}: {e}"
        if self._error is None:
            self._error_since_s = asyncio.get_running_loop().time()
        self._error = sentence
        for waiting in group:
            self._refused += waiting.count
            if not waiting.done.done():
                waiting.done.set_exception(e if isinstance(e, JournalError) else JournalUnwritable(sentence))

    async def _tidy(self) -> None:
        """Between two flushes: the log is copied when nobody waits, or when it has grown long all the same."""
        at = _BUSY_PAGES if self._waiting else CHECKPOINT_PAGES

        def blocking() -> int:
            self._store.checkpoint(at)
            return self._store.size

        try:
            self._size = await self._run(blocking)
        except Exception as e:  # no room off the loop just now; the next flush tidies up
            log.warning("journal: not tidied: %s", e)
        self._keep_reserve()

    def _keep_reserve(self) -> None:
        running = self._refill_task is not None and not self._refill_task.done()
        if self._store.reserve is not None and not running and not self._closed:
            self._refill_task = asyncio.create_task(self._refill(), name="journal reserve")

    async def _refill(self) -> None:
        whole = False
        while not whole:
            try:
                whole = await self._run(self._store.refill)
            except Exception as e:  # no room off the loop just now; `reserve` goes on saying that it is not whole
                log.warning("journal: reserve: %s", e)
            if not whole:
                await asyncio.sleep(REFILL_S)

    def _count_waiting(self) -> int:
        return self._in_flush + sum(w.weight for w in self._waiting)

    # --- reading

    async def _read(self, job: Callable[[], T]) -> T:
        try:
            return await self._run(job)
        except JournalError:
            raise
        except Exception as e:  # no room off the loop: one sentence, as for any other reason
            raise JournalError(f"journal: cannot be read now: {e}") from e

    async def rows(self, table: str) -> list[tuple[bytes, bytes]]:
        """As `Journal.rows`."""
        return await self._read(lambda: self._reader.rows(table))

    async def tail(self, n: int) -> list[Entry]:
        """As `Journal.tail`."""
        return await self._read(lambda: self._reader.tail(n))

    async def query(self, query: Query) -> Found:
        """As `Journal.query`. Long ones are done in parts."""
        entries: list[Entry] = []
        below: int | None = None
        async with self._asking:
            while True:
                want = query.limit + 1 - len(entries)
                step: Step = await self._read(lambda b=below, w=want: self._reader.find(query, b, w))  # type: ignore[misc]
                entries += step.entries
                below = step.below
                if below is None or len(entries) > query.limit:
                    break
        return Found(entries[: query.limit][::-1], len(entries) > query.limit)

    async def erase(self, name: str, by: Record) -> Erasure:
        """As `Journal.erase`."""
        if self._closed:
            raise JournalUnwritable("journal: closed; the server is stopping")
        async with self._asking:  # a reader's old view would keep the name in the log
            shown, kept = await self._run(lambda: (self._store.erase(name, by), originals(self._store.folder)))
            self._records += 1
        return Erasure(shown, tuple(path.name for path in kept))

    # --- the rest

    def status(self) -> JournalStatus:
        head = self._store.head
        return JournalStatus(
            error=self._error,
            error_since_s=self._error_since_s,
            repair=self._store.repair,
            records=self._records,
            refused=self._refused,
            waiting=self._count_waiting(),
            waiting_max=self._waiting_max,
            size=self._size,
            size_max=self._store.size_max,
            reserve=self._store.reserve,
            head="" if head is None else str(head),
        )

    async def close(self) -> None:
        """As `Journal.close`."""
        if self._closed:
            return
        self._closed = True
        if self._drain_task is not None:
            await self._drain_task
        if self._refill_task is not None:
            self._refill_task.cancel()
            await asyncio.wait([self._refill_task])
        await self._run(self._reader.close)
        await self._run(self._store.close)


def _later(group: list[_Waiting]) -> list[tuple[int, Later]]:
    """Who makes rows of where its records stand, and how many records stand before them."""
    made, before = [], 0
    for waiting in group:
        if waiting.later is not None:
            made.append((before, waiting.later))
        before += waiting.count
    return made
