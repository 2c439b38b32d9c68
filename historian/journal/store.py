# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py, tests/unit/test_journal_disk.py, tests/unit/test_journal_kill.py
"""The journal's writer: blocking, one for each post, all or nothing.

Law of this file: blocking I/O, no asyncio, no clock. What `append` returned is on the disk; what it raised for is not.

Theory of operation. One append is one transaction: new persons, records, rows, the head of the chain. The head is kept
in memory too and moves only after the commit. A transaction that finds the disk full is undone and repeated
in room that the reserve gives.

After a failed flush SQLite undoes the transaction in its index of the log; the pages stay in the log until the next
transaction overwrites them. If the machine dies just then, the refused record may stand in the journal after all: one
record too many on a disk that is failing, never one too few.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Final, TypeVar

from historian.base import Head, JournalError, JournalUnwritable, Later, Position, Record, Row, Sheet
from historian.journal import chain, schema
from historian.journal.persons import Persons
from historian.journal.reserve import RESERVE_SIZE, SLICE, Reserve
from historian.journal.sealing import Items, Sealer

T = TypeVar("T")

# 64 GiB: at 500 bytes a record 130 million; the city's thirteen years are estimated at 20 million.
SIZE_MAX: Final = 64 * 2**30
# The log begins anew once so many pages were copied into the database: 8 MiB.
CHECKPOINT_PAGES: Final = 2048
_REPLACE: Final = "ON CONFLICT DO UPDATE SET payload = excluded.payload"
_DELETE: Final = "DELETE FROM rows WHERE name = ? AND key = ?"
_HEAD: Final = (
    "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "epoch = excluded.epoch, sequence = excluded.sequence, seal = excluded.seal"
)


class ChainStore:
    """The database of one post's journal.

    Args:
        folder: made with mode 0700 if it is missing.
        epoch: of this start.
        post: number of this post, 1..255.
        reserve_size: bytes kept for a full disk; 0: none.

    Attributes:
        repair: what was found when it was opened; empty if nothing.
        peer: last seen head of the other post; the first record of each append is sealed over it too.
        path: of the database.
    Raises:
        JournalUnwritable, JournalFull: the folder or the database cannot be used.
    """

    def __init__(
        self, folder: Path, epoch: int, post: int = 1, size_max: int = SIZE_MAX, reserve_size: int = RESERVE_SIZE
    ) -> None:
        if not 1 <= post <= chain.POST_MAX:
            raise ValueError(f"post: expected 1..{chain.POST_MAX}, got {post}")
        self.folder = folder
        self.path = folder / schema.FILE
        self.post = post
        self.size_max = size_max
        self.repair = ""
        self.peer: Head | None = None
        self._epoch = epoch
        self._mutex = threading.Lock()
        self._pages = 0
        self._lock_fd = -1
        self._db: sqlite3.Connection | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock()
            self._reserve = Reserve(folder, reserve_size)
            self._db = self._with_reserve(lambda: schema.open_writer(self.path, size_max))
            self._persons = Persons(self._db)
            self._sealer = Sealer(self._db, self._persons, epoch)
            self._head = self._find_head()
            self._with_reserve(self._try_to_write)
            self._copy_log()
        except (OSError, *schema.ERRORS, JournalError) as e:
            self.close()
            raise schema.sentence(folder, e) from e
        self.refill()

    def _lock(self) -> None:
        self._lock_fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise JournalUnwritable(
                f"journal {self.folder}: another process writes it; stop that server or choose another state folder"
            ) from e

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            raise JournalUnwritable(f"journal {self.folder}: closed")
        return self._db

    def _try_to_write(self) -> None:
        """Find out at start, not at the first command, that nothing can be written."""
        db = self._open()
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")

    def _copy_log(self) -> None:
        """A long log that a crash left is copied now: who dies again and again before a quiet moment would read it at
        every start, and it would grow for ever.
        """
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size >= CHECKPOINT_PAGES * schema.PAGE_SIZE:
            with suppress(sqlite3.Error):  # nothing is lost: the log holds everything
                self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _find_head(self) -> Head:
        db, post = self._open(), self.post
        row = db.execute("SELECT post, epoch, sequence, seal FROM heads WHERE post = ?", (post,)).fetchone()
        said = Head(*row) if row else Head(post, 0, 0, chain.FIRST)
        rows = db.execute(schema.LAST, schema.of_post(post)).fetchall()
        ends = (Head(post, epoch, row_id & chain.SEQUENCE_MAX, seal) for epoch, row_id, seal in rows)
        last = max(ends, key=lambda head: head.sequence, default=Head(post, 0, 0, chain.FIRST))
        if last == said:
            return said
        # Somebody was at it. Numbers are never given twice: what is missing stays visible for ever.
        self.repair = (
            f"journal {self.folder}: its head says {said.epoch}/{said.sequence}, its last record is "
            f"{last.epoch}/{last.sequence}: it was changed from outside; run 'vigie verify journal'"
        )
        return max(said, last, key=lambda head: head.sequence)

    @property
    def head(self) -> Head | None:
        """The last record; None while there is none."""
        return self._head if self._head.sequence else None

    @property
    def reserve(self) -> str | None:
        """Why the reserve is not whole; None while it is."""
        return self._reserve.sentence

    @property
    def size(self) -> int:
        """Bytes in the database and its log."""
        size = 0
        for suffix in ("", "-wal"):
            with suppress(OSError):
                size += self.path.with_name(self.path.name + suffix).stat().st_size
        return size

    # --- writing

    def append(
        self, records: Sequence[Record | Sheet], rows: Sequence[Row] = (), later: Sequence[tuple[int, Later]] = ()
    ) -> list[Position]:
        """Write records and rows in one transaction and flush; all or none.

        Args:
            later: makes more rows, each from the position of the record at its place.
        Raises:
            JournalFull, JournalUnwritable.
        """
        return self.write([(record, None) for record in records], rows, later=later)

    def write(
        self,
        items: Items,
        rows: Sequence[Row] = (),
        also: Callable[[sqlite3.Connection], object] | None = None,
        later: Sequence[tuple[int, Later]] = (),
    ) -> list[Position]:
        """As `append`, for records of which some stood elsewhere before.

        Args:
            also: does more within the transaction.
        """
        with self._mutex:
            try:
                return self._with_reserve(lambda: self._write(items, rows, also, later))
            except (OSError, *schema.ERRORS) as e:
                raise schema.sentence(self.folder, e) from e

    def _with_reserve(self, job: Callable[[], T]) -> T:
        size = SLICE
        while True:  # at most until the reserve is used up
            try:
                return job()
            except (OSError, *schema.ERRORS) as e:
                if not schema.may_be_full(e) or not self._reserve.release(size):
                    raise
            size *= 2

    def _write(
        self,
        items: Items,
        rows: Sequence[Row],
        also: Callable[[sqlite3.Connection], object] | None,
        later: Sequence[tuple[int, Later]],
    ) -> list[Position]:
        db = self._open()
        first = self._head.sequence + 1
        db.execute("BEGIN IMMEDIATE")
        try:
            if also is not None:
                also(db)
            head = self._head
            if items:
                head = self._sealer.write(items, head, self.peer)
                db.execute(_HEAD, head)
            made = [row for place, make in later for row in make(Position(self._epoch, first + place))]
            self._write_rows(db, [*rows, *made])
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                with suppress(sqlite3.Error):  # what made it fail is already on its way to the caller
                    db.execute("ROLLBACK")
            self._persons.forget()
            raise
        self._head = head
        written = range(first, head.sequence + 1)
        self._pages += 8 + len(items) // 8 + len(written) // 64 + len(rows) + len(made)
        return list(map(Position, repeat(self._epoch), written))

    def _write_rows(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """The last state of each row; in the order of their keys, which is twice as fast as in any other."""
        last = {(row.table, row.key): row.payload for row in rows}
        schema.insert(db, "rows", ((*key, last[key]) for key in sorted(last) if last[key] is not None), _REPLACE)
        db.executemany(_DELETE, (key for key in sorted(last) if last[key] is None))

    def erase(self, name: str, by: Record) -> str:
        """Erase a name for ever, with the record of it; how the person is shown from now on.

        Raises:
            KeyError: no record is of that person.
            ValueError: the record holds the name.
            JournalFull, JournalUnwritable.
        """
        if any(name in text for text in (by.user, by.subject, by.text, *map(str, by.data.values()))):
            raise ValueError("the record of an erasure must not hold the name")
        shown = ""

        def rub_out(_db: sqlite3.Connection) -> None:
            nonlocal shown
            shown = self._persons.erase(name)

        self.write([(by, None)], also=rub_out)
        with self._mutex:
            try:
                # The log still holds pages with the name: they are copied and the log is cut to nothing.
                (busy, _, _) = self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except schema.ERRORS as e:
                raise schema.sentence(self.folder, e) from e
        if busy:
            raise JournalUnwritable(
                f"journal {self.folder}: the name is erased, but a reader keeps old pages in the log; "
                "they go when the server stops"
            )
        return shown

    # --- keeping in order

    def checkpoint(self, at: int = CHECKPOINT_PAGES) -> bool:
        """Copy the log into the database if it has grown by `at` pages. False if that failed; try again later."""
        with self._mutex:
            if self._db is None or self._pages < at:
                return True
            try:
                (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error:
                return False  # nothing is lost: the log holds everything, and appends say when it cannot grow
            self._pages = 0
            return not busy

    def refill(self) -> bool:
        """Take the reserve again if there is room. True if it is whole."""
        with self._mutex:
            return self._db is None or self._reserve.refill()

    def close(self) -> None:
        """Close and give up the lock. Idempotent."""
        with self._mutex:
            if self._db is not None:
                self._db.close()  # the last one out copies the log and removes it
                self._db = None
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1
