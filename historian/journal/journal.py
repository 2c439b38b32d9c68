# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py
"""The journal of this release: files behind the `Journal` interface, many appends sharing one flush.

Law of this file: order and waiting only; bytes are `frame`'s, files are `files`'s. One job at a time is off the loop.

Appends that arrive while a flush is under way wait together for the next one, so 1,000 commands in a storm cost a few
flushes, not 1,000. At most `waiting_max` records wait; the next append is refused at once. When a shared flush fails
because the records do not fit, every append in it is refused: nobody may believe in a record that is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from historian.base import Entry, JournalError, JournalStatus, JournalUnwritable, Position, Record, Run
from historian.journal.files import FILE_SIZE_MAX, FILES_MAX, JournalFiles

WAITING_MAX: Final = 4096
TAIL_MAX: Final = 10_000


class FileJournal:
    """`historian.base.Journal` over files. Use `await FileJournal.open(...)`."""

    def __init__(self, files: JournalFiles, run: Run, waiting_max: int = WAITING_MAX) -> None:
        self._files = files
        self._run = run
        self._waiting_max = waiting_max
        self._waiting: list[tuple[Sequence[Record], asyncio.Future[Sequence[Position]]]] = []
        self._count = 0  # records handed over and not yet durable
        self._drain_task: asyncio.Task[None] | None = None
        self._records = 0
        self._refused = 0
        self._error: str | None = None
        self._error_since_s: float | None = None
        self._closed = False

    @classmethod
    async def open(
        cls, folder: Path, epoch: int, run: Run, file_size_max: int = FILE_SIZE_MAX, files_max: int = FILES_MAX
    ) -> FileJournal:
        """Open and mend the files in `folder`. `run` leads off the loop.

        Raises:
            JournalUnwritable, JournalFull.
        """
        return cls(await run(lambda: JournalFiles(folder, epoch, file_size_max, files_max)), run)

    async def append(self, records: Sequence[Record]) -> Sequence[Position]:
        """As `Journal.append`. A caller that is cancelled leaves its records to be written all the same."""
        if self._closed:
            raise JournalUnwritable("journal: closed; the server is stopping")
        if not records:
            return []
        if self._count + len(records) > self._waiting_max:
            self._refused += len(records)
            raise JournalUnwritable(f"journal: {self._waiting_max} records wait for the disk; none may be added")
        done: asyncio.Future[Sequence[Position]] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        self._count += len(records)
        if self._drain_task is None or self._drain_task.done():
            self._drain_task = asyncio.create_task(self._drain(), name="journal flush")
        return await done

    async def _drain(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            everything = [r for records, _ in group for r in records]
            try:
                positions = await self._run(lambda records=everything: self._files.append(records))  # type: ignore[misc]
            except Exception as e:  # whatever it was, every waiting caller must hear of it
                self._failed(e, group)
            else:
                self._written(positions, group)
            self._count -= len(everything)

    def _written(
        self, positions: list[Position], group: list[tuple[Sequence[Record], asyncio.Future[Sequence[Position]]]]
    ) -> None:
        self._error = self._error_since_s = None
        self._records += len(positions)
        start = 0
        for records, done in group:
            if not done.done():
                done.set_result(positions[start : start + len(records)])
            start += len(records)

    def _failed(self, e: Exception, group: list[tuple[Sequence[Record], asyncio.Future[Sequence[Position]]]]) -> None:
        sentence = str(e) if isinstance(e, JournalError) else f"journal: {type(e).__name__}: {e}"
        if self._error is None:
            self._error_since_s = asyncio.get_running_loop().time()
        self._error = sentence
        for records, done in group:
            self._refused += len(records)
            if not done.done():
                done.set_exception(e if isinstance(e, JournalError) else JournalUnwritable(sentence))

    async def tail(self, n: int) -> list[Entry]:
        """As `Journal.tail`."""
        return await self._run(lambda: self._files.tail(min(n, TAIL_MAX)))

    def status(self) -> JournalStatus:
        return JournalStatus(
            error=self._error,
            error_since_s=self._error_since_s,
            repair=self._files.repair,
            records=self._records,
            refused=self._refused,
            waiting=self._count,
            waiting_max=self._waiting_max,
            size=self._files.size,
            size_max=self._files.size_max,
        )

    async def close(self) -> None:
        """As `Journal.close`."""
        if self._closed:
            return
        self._closed = True
        if self._drain_task is not None:
            await self._drain_task
        await self._run(self._files.close)
