# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_outside.py
"""The journal's database: its tables, how it is opened, what its errors mean.

Law of this file: SQL and sentences; knows no record.

Theory of operation. The key of a record is `post << 48 | sequence`, so the table is in the order of each post's chain.
All indexes begin with the *segment* of the record (its key without the low 16 bits): a storm of 34,000 records of as
many tags touches the index pages of one or two segments, whatever the size of the journal, instead of one page per tag;
a query looks into one segment after the other, newest first: 77 of them for five million records.

Records of one instant that the server tells in a storm lie in `sheets`, many in a row; the key is that of the first,
and no sheet lies in two segments. `places` tells where their subjects are, a row for each storm and segment, with the
key of its first record (`sheets.py`).

Records are never updated or deleted: triggers say so to whoever tries by mistake, the seals to whoever tries on
purpose.
"""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from config.durable import sync_folder
from historian.base import JournalError, JournalFull, JournalUnwritable

FILE: Final = "journal.sqlite"
POST_SHIFT: Final = 48
SEGMENT_SHIFT: Final = 16
PAGE_SIZE: Final = 4096
LINES: Final = 16  # of one INSERT
APPLICATION_ID: Final = 0x56474A4C  # 'VGJL'
LAYOUT: Final = 2
_CACHE_KIB: Final = 32 * 1024  # a storm of 34,000 records and rows, written once and not twice

_TABLES: Final = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person INTEGER NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    imported TEXT NOT NULL,
    peer BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX by_subject ON records (id >> 16, subject);
CREATE INDEX by_kind ON records (id >> 16, kind, person);
CREATE INDEX by_time ON records (id >> 16, time_ns);
CREATE TABLE sheets (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    person INTEGER NOT NULL,
    peer BLOB NOT NULL,
    seal BLOB NOT NULL,
    shared TEXT NOT NULL,
    lines TEXT NOT NULL
) STRICT;
CREATE TABLE places (id INTEGER PRIMARY KEY, of_each BLOB NOT NULL) STRICT;
CREATE TABLE heads (
    post INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, seal BLOB NOT NULL
) STRICT;
CREATE TABLE persons (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, salt BLOB, name TEXT UNIQUE) STRICT;
CREATE TABLE rows (
    name TEXT NOT NULL, key BLOB NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE imports (
    file TEXT PRIMARY KEY, size INTEGER NOT NULL, last_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER records_stay BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER records_hold BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER sheets_stay BEFORE DELETE ON sheets BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER sheets_hold BEFORE UPDATE ON sheets BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER persons_stay BEFORE DELETE ON persons BEGIN SELECT RAISE(ABORT, 'keys of persons stay'); END;
"""

# Of one post: where its chain begins, and the ends of its records and of its sheets.
_OF_POST: Final = "WHERE id > :low AND id < :high"
FIRST: Final = (
    f"SELECT min(id) FROM (SELECT min(id) AS id FROM records {_OF_POST} "  # noqa: S608 - constants
    f"UNION ALL SELECT min(id) FROM sheets {_OF_POST})"
)
LAST: Final = (
    f"SELECT * FROM (SELECT epoch, id, seal FROM records {_OF_POST} ORDER BY id DESC LIMIT 1) "  # noqa: S608
    f"UNION ALL SELECT * FROM (SELECT epoch, id + size - 1, seal FROM sheets {_OF_POST} ORDER BY id DESC LIMIT 1)"
)

# What `sqlite3` raises: the second where its own message quotes bytes of a damaged file.
ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
# A write that finds no room is SQLITE_FULL for ENOSPC and an I/O error for EFBIG and EDQUOT.
_NO_ROOM: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_FREE_MIN: Final = 1 << 20  # below this the disk is what is full, above it the journal's own bound
_FULL_ERRNO: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def of_post(post: int) -> dict[str, int]:
    """What FIRST and LAST are asked for."""
    return {"low": post << POST_SHIFT, "high": (post + 1) << POST_SHIFT}


def open_writer(path: Path, size_max: int) -> sqlite3.Connection:
    """The one connection that writes; makes the database if it is not there.

    Raises:
        sqlite3.Error, JournalUnwritable: it cannot be used.
    """
    made = not path.exists()
    if made:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # its -wal and -shm take its mode
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")  # an erased name leaves no bytes behind
        db.execute("PRAGMA wal_autocheckpoint = 0")  # at quiet moments, not within somebody's append
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute(f"PRAGMA max_page_count = {size_max // PAGE_SIZE}")
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    if made:
        sync_folder(path.parent)
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    if _is_ours(db, path):
        return
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"
    db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {marks} COMMIT;")


def _is_ours(db: sqlite3.Connection, path: Path) -> bool:
    """Whether it is a journal of this layout; False: it is empty.

    Raises:
        JournalUnwritable: it is something else.
    """
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if (application, layout) == (APPLICATION_ID, LAYOUT):
        return True
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables:
        raise JournalUnwritable(
            f"journal {path}: expected a journal of layout {LAYOUT}, got layout {layout}; "
            "run the version of Vigie that wrote it, or move the file away"
        )
    return False


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, beside the writer or alone.

    Raises:
        sqlite3.Error, JournalUnwritable: it cannot be read.
    """
    still = "&immutable=1" if _lies_still(path) else ""
    uri = f"{path.absolute().as_uri()}?mode=ro{still}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _is_ours(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _lies_still(path: Path) -> bool:
    """On a read-only disk, all of it copied from the log: nobody writes it, and no `-shm` can be made beside it."""
    log = path.with_name(path.name + "-wal")
    copied = path.exists() and (not log.exists() or log.stat().st_size == 0)
    return copied and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def insert(db: sqlite3.Connection, table: str, lines: Iterable[Sequence[Any]], otherwise: str = "") -> None:
    """Insert lines of one width, LINES of them in a statement: a fifth faster than one by one in a storm.

    Args:
        otherwise: what to do about a line whose key is there: 'ON CONFLICT ...'.
    """
    lines, rest = iter(lines), []

    def groups() -> Iterator[list[Any]]:
        while len(group := list(islice(lines, LINES))) == LINES:
            yield list(chain.from_iterable(group))
        rest.extend(group)

    if (first := next(lines, None)) is None:
        return
    line = f"({','.join('?' * len(first))})"
    db.execute(f"INSERT INTO {table} VALUES {line} {otherwise}", first)  # noqa: S608 - constants
    db.executemany(f"INSERT INTO {table} VALUES {','.join([line] * LINES)} {otherwise}", groups())  # noqa: S608
    db.executemany(f"INSERT INTO {table} VALUES {line} {otherwise}", rest)  # noqa: S608


def is_damage(e: BaseException) -> bool:
    """True if the file was read and is no sound database."""
    if isinstance(e, UnicodeDecodeError):
        return True
    return isinstance(e, sqlite3.Error) and getattr(e, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def may_be_full(e: BaseException) -> bool:
    """True if more room on the disk may help."""
    if isinstance(e, OSError):
        return e.errno in _FULL_ERRNO
    return isinstance(e, sqlite3.Error) and getattr(e, "sqlite_errorcode", None) in _NO_ROOM


def sentence(folder: Path, e: Exception) -> JournalError:
    """What an error of the disk or the database means to the person who must mend it."""
    if isinstance(e, JournalError):
        return e
    if isinstance(e, OSError):
        return _os_sentence(folder, e)
    code = getattr(e, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_FULL and _free(folder) > _FREE_MIN:
        return JournalFull(f"journal {folder}: it has reached the size it may hold; move it to the archive")
    if code == sqlite3.SQLITE_FULL or (code in _NO_ROOM and _limited()):
        return JournalFull(f"journal {folder}: no space is left; free space on that disk")
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        return JournalUnwritable(f"journal {folder}: the file system is read-only; remount or replace the disk")
    if is_damage(e):
        return JournalUnwritable(
            f"journal {folder}: {FILE} is damaged ({e}); keep a copy as evidence, then move it away to begin a new one"
        )
    return JournalUnwritable(f"journal {folder}: {e}; check the folder's rights and the disk")


def _os_sentence(folder: Path, e: OSError) -> JournalError:
    if e.errno in _FULL_ERRNO:
        return JournalFull(f"journal {folder}: no space is left ({e.strerror}); free space on that disk")
    if e.errno == errno.EROFS:
        return JournalUnwritable(f"journal {folder}: the file system is read-only; remount or replace the disk")
    return JournalUnwritable(f"journal {folder}: {e.strerror or e}; check the folder's rights and the disk")


def _limited() -> bool:
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY


def _free(folder: Path) -> int:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize
