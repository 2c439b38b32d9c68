# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_crash.py, tests/unit/test_store_full.py
"""The index: which files make the history, and the ledger of what became of every sample.

Law of this file: SQLite only (WAL, full sync), blocking, no clock. It is the truth: a file it does not name does not
exist, and each change of the set of files is one transaction together with the change of the ledger.

The ledger, in rows since the store was made:

    offered  = accepted + lost (by cause)                     accepted = durable in the log when `append` returned
    accepted = stored + dropped (by cause) + damaged          stored   = in segments and in the log
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from historian.store.disk import ForeignStore, StoreError, StoreFull, StoreUnwritable
from historian.store.gaps import Loss

FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments
    (path TEXT PRIMARY KEY, class INTEGER NOT NULL, day INTEGER NOT NULL, level INTEGER NOT NULL, rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollups
    (path TEXT PRIMARY KEY, class INTEGER NOT NULL, day INTEGER NOT NULL, width_s INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (name TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS masks (id INTEGER PRIMARY KEY CHECK (id = 0), content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS removals
    (id INTEGER PRIMARY KEY AUTOINCREMENT, class INTEGER NOT NULL, day INTEGER NOT NULL, rows INTEGER NOT NULL,
    cause TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS losses
    (what TEXT, class INTEGER NOT NULL, day INTEGER NOT NULL, low INTEGER, high INTEGER NOT NULL, start_ns INTEGER,
    end_ns INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (what, low, start_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps
    (start_ns INTEGER PRIMARY KEY, end_ns INTEGER NOT NULL, cause TEXT NOT NULL);
"""
SEALED: Final = "sealed_through"
RECORDED: Final = "recorded_ns"
SEGMENT_ROWS: Final = "segment_rows"
DAMAGED: Final = "damaged"


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed Parquet file.

    Attributes:
        path: relative to the store.
        class_id: index into CLASSES.
        day: days since 1970 (UTC) of every sample in it.
        level: 0 as sealed, more after merges, DAY_LEVEL for a whole closed day.
        first, last: sequences it was made from; order among the segments of a day.
        crc: CRC-32 of the whole file: what the checksums of its pages do not cover.
    """

    path: str
    class_id: int
    day: int
    level: int
    rows: int
    bytes: int
    first: int
    last: int
    crc: int


@dataclass(frozen=True, slots=True)
class RollupFile:
    """Roll-ups of one class, day and width."""

    path: str
    class_id: int
    day: int
    width_s: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Samples of one class and day that were removed for good, to be told to the journal.

    Attributes:
        class_id: index into CLASSES; ANY_CLASS for what could not be read and nobody knows.
        cause: 'retention', 'retention, unreadable' or 'disk full'.
        number: grows by one with each; 0 before it is kept.
    """

    class_id: int
    day: int
    rows: int
    cause: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction: files that come, files that go, what the ledger says of it (name -> rows added), what is to be
    told of it, what could not be read and what of that is kept no longer, and, when they changed, the bits that say in
    which classes each series has samples (a byte a series id).
    """

    add: tuple[Segment, ...] = ()
    remove: tuple[Segment, ...] = ()
    add_rollups: tuple[RollupFile, ...] = ()
    remove_rollups: tuple[RollupFile, ...] = ()
    ledger: tuple[tuple[str, int], ...] = ()
    sealed_through: int | None = None
    recorded_ns: int | None = None
    masks: bytes | None = None
    removals: tuple[Removal, ...] = ()
    losses: tuple[Loss, ...] = ()
    remove_losses: tuple[Loss, ...] = ()


class Index:
    """The index of one store. Safe to call from several threads.

    Raises:
        ForeignStore: it was made for another site, or by a later version.
        StoreUnwritable: the file is damaged or cannot be written.
    """

    def __init__(self, path: Path, site: str) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._check("site", site)
            self._check("format", str(FORMAT))
        except sqlite3.Error as error:
            self._db.close()
            raise self._sentence(error) from error
        except ForeignStore:
            self._db.close()
            raise

    def _check(self, key: str, expected: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, expected))
        (got,) = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if got != expected:
            raise ForeignStore(f"history: {self._path}: expected {key} '{expected}', got '{got}'; use another folder")

    def _sentence(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        text = f"history: {self._path}: {error}"
        if code == sqlite3.SQLITE_FULL:
            return StoreFull(f"{text}; make room on this disk")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreUnwritable(f"{text}; move this file away and it is made anew from the segments")
        return StoreUnwritable(f"{text}; check the disk")

    def segments(self) -> list[Segment]:
        """All, by class, day and order of arrival."""
        with self._mutex:
            rows = self._db.execute("SELECT * FROM segments ORDER BY class, day, first, last").fetchall()
        return [Segment(*row) for row in rows]

    def rollups(self) -> list[RollupFile]:
        with self._mutex:
            return [RollupFile(*row) for row in self._db.execute("SELECT * FROM rollups").fetchall()]

    def ledger(self) -> dict[str, int]:
        """Name -> rows; `sealed_through` among them is a sequence, `recorded_ns` a time."""
        with self._mutex:
            return dict(self._db.execute("SELECT name, rows FROM ledger").fetchall())

    def gaps(self) -> list[tuple[int, int, str]]:
        """(start, end, cause) of times in which nothing was recorded, ascending."""
        with self._mutex:
            return self._db.execute("SELECT start_ns, end_ns, cause FROM gaps ORDER BY start_ns").fetchall()

    def losses(self) -> list[Loss]:
        """What was stored and cannot be read, by time."""
        ask = "SELECT what, class, day, low, high, start_ns, end_ns, rows FROM losses ORDER BY start_ns"
        with self._mutex:
            return [Loss(*row) for row in self._db.execute(ask).fetchall()]

    def masks(self) -> bytes:
        """One byte a series id: bit k is set if class k has samples of it."""
        with self._mutex:
            row = self._db.execute("SELECT content FROM masks").fetchone()
        try:
            return zlib.decompress(row[0]) if row else b""
        except zlib.error as error:
            raise self._sentence(sqlite3.DatabaseError(f"masks: {error}")) from error

    def removals(self, most: int) -> list[Removal]:
        """The oldest `most` that nobody was told of yet."""
        ask = "SELECT class, day, rows, cause, id FROM removals ORDER BY id LIMIT ?"
        with self._mutex:
            return [Removal(*row) for row in self._db.execute(ask, (most,)).fetchall()]

    def told(self, number: int) -> None:
        """Removals up to this number are in the journal."""
        self._transact([("DELETE FROM removals WHERE id <= ?", [(number,)])])

    def add_gap(self, start_ns: int, end_ns: int, cause: str) -> None:
        """Durable when it returns."""
        self._transact([("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?)", [(start_ns, end_ns, cause)])])

    def count(self, entries: Iterable[tuple[str, int]]) -> None:
        """Add to the ledger."""
        self._transact([(_ADD, list(entries))])

    def commit(self, change: Change) -> None:
        """All of it, or nothing.

        Raises:
            StoreFull, StoreUnwritable: nothing.
        """
        entries = [(n, k) for n, k in change.ledger if k]
        rows = sum(s.rows for s in change.add) - sum(s.rows for s in change.remove)
        work: list[tuple[str, list[tuple[object, ...]]]] = [
            ("DELETE FROM segments WHERE path = ?", [(s.path,) for s in change.remove]),
            ("DELETE FROM rollups WHERE path = ?", [(r.path,) for r in change.remove_rollups]),
            (
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(s.path, s.class_id, s.day, s.level, s.rows, s.bytes, s.first, s.last, s.crc) for s in change.add],
            ),
            (
                "INSERT OR REPLACE INTO rollups VALUES (?, ?, ?, ?, ?, ?)",
                [(r.path, r.class_id, r.day, r.width_s, r.rows, r.bytes) for r in change.add_rollups],
            ),
            (_ADD, [*entries, (SEGMENT_ROWS, rows)]),
            (
                "INSERT INTO removals (class, day, rows, cause) VALUES (?, ?, ?, ?)",
                [(r.class_id, r.day, r.rows, r.cause) for r in change.removals],
            ),
        ]
        work += [
            (
                "INSERT OR REPLACE INTO losses VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(x.what, x.class_id, x.day, x.low, x.high, x.start_ns, x.end_ns, x.rows) for x in change.losses],
            ),
            (
                "DELETE FROM losses WHERE what = ? AND low = ? AND start_ns = ?",
                [(x.what, x.low, x.start_ns) for x in change.remove_losses],
            ),
        ]
        marks = [(SEALED, change.sealed_through), (RECORDED, change.recorded_ns)]
        work.append(("INSERT OR REPLACE INTO ledger VALUES (?, ?)", [(k, v) for k, v in marks if v is not None]))
        if change.masks is not None:
            work.append(("INSERT OR REPLACE INTO masks VALUES (0, ?)", [(zlib.compress(change.masks, 1),)]))
        self._transact(work)

    def _transact(self, work: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        with self._mutex:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    for statement, rows in work:
                        self._db.executemany(statement, rows)
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._sentence(error) from error

    def close(self) -> None:
        with self._mutex:
            self._db.close()


_ADD: Final = "INSERT INTO ledger VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET rows = rows + excluded.rows"
