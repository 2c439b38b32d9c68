# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_query.py, tests/unit/test_journal_sheets.py
"""The journal's reader: the last records, queries, rows. Blocking, on a connection of its own.

Law of this file: reads only. Work is bounded: a query looks into at most so many segments a call and says where it
stopped.

Theory of operation. A query walks the segments from the newest to the oldest and uses in each the index of its most
selective condition, in this order: subject, kind and person, time. The others are tested on what that index finds.
Sheets of a segment are told apart by what their records share. Where a subject may be in them is one comparison of
`places`; only the sheets that may hold it are read.
Segments that hold nothing of the time asked for are passed over by one look into the index by time, so a clock that was
set back hides nothing.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from historian.base import (
    DATA_TEXT_LENGTH_MAX,
    QUERY_MAX,
    TEXT_LENGTH_MAX,
    TIME_NS_MAX,
    Entry,
    JournalUnwritable,
    Position,
    Query,
    Record,
    RecordKind,
)
from historian.journal import schema
from historian.journal.chain import SEQUENCE_MAX, clean, decode_imported
from historian.journal.persons import SERVER, names, numbers, reveal
from historian.journal.sheets import may_be, read

T = TypeVar("T")

# One call stays within some 10 ms, so that other work off the loop gets its turn between two.
SEGMENTS_MAX: Final = 64
ROWS_MAX: Final = 400_000  # conditions that are not normal; the largest plant has 350,000 rules
_COLUMNS: Final = "id, epoch, time_ns, kind, person, subject, text, data, imported"
_ORDER: Final = "ORDER BY id DESC LIMIT ?"


class Step(NamedTuple):
    """Part of a query's answer, newest first; `below`: go on with ids lower than this; None: that was all."""

    entries: list[Entry]
    below: int | None


class _Where(NamedTuple):
    by: str  # ' INDEXED BY x' or nothing
    subject: str  # conditions on the subject, which sheets answer in their own way
    subjects: tuple[Any, ...]
    shared: str  # conditions on what all records of a sheet share
    values: tuple[Any, ...]


class ChainReader:
    """Reads the journal of one post beside its writer.

    Raises:
        JournalUnwritable: it cannot be read.
    """

    def __init__(self, path: Path, post: int) -> None:
        self._path = path
        self._post = post
        self._low = post << schema.POST_SHIFT
        self._mutex = threading.Lock()
        try:
            self._db: sqlite3.Connection | None = schema.open_reader(path)
        except schema.ERRORS as e:
            raise schema.sentence(path.parent, e) from e

    def _ask(self, job: Callable[[sqlite3.Connection], T]) -> T:
        with self._mutex:
            if self._db is None:
                raise JournalUnwritable(f"journal {self._path.parent}: closed")
            try:
                return job(self._db)
            except schema.ERRORS as e:
                raise schema.sentence(self._path.parent, e) from e

    def _rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        return self._ask(lambda db: db.execute(sql, values).fetchall())

    def tail(self, n: int) -> list[Entry]:
        """The last `n` records, oldest first.

        Raises:
            JournalError: the database cannot be read.
        """
        return self.find(Query(), None, min(max(n, 0), QUERY_MAX)).entries[::-1]

    def rows(self, table: str) -> list[tuple[bytes, bytes]]:
        """Rows of a table, by key; at most ROWS_MAX."""
        return self._rows("SELECT key, payload FROM rows WHERE name = ? ORDER BY key LIMIT ?", (table, ROWS_MAX))

    def find(self, query: Query, below: int | None, want: int, segments_max: int = SEGMENTS_MAX) -> Step:
        """The newest `want` records that fit among the next segments.

        Args:
            below: as the step before said; None: begin.
        Raises:
            JournalError: the database cannot be read.
        """
        people = self._ask(lambda db: numbers(db, query.person)) if query.person else None
        oldest = self._first()
        if below is None:
            before = SEQUENCE_MAX if query.before is None else max(0, min(query.before, SEQUENCE_MAX))
            below = min(self._low | before, self._last() + 1)
        if oldest is None or people == []:
            return Step([], None)
        where = _where(query, people)
        found: list[Any] = []
        for _ in range(segments_max):
            if below <= oldest or len(found) >= want:
                break
            segment = (below - 1) >> schema.SEGMENT_SHIFT
            missing = want - len(found)
            some = self._in_sheets(where, query.subject, segment, below, missing)
            if self._in_time(query, segment):
                some += self._in_segment(where, segment, below, missing)
            found += heapq.nlargest(missing, some, key=itemgetter(0))
            below = max(segment << schema.SEGMENT_SHIFT, self._low)
        if len(found) >= want:
            below = found[-1][0]
        return Step(self._entries(found), below if below > oldest else None)

    def _first(self) -> int | None:
        first: int | None = self._rows(schema.FIRST, schema.of_post(self._post))[0][0]
        return first

    def _last(self) -> int:
        rows = self._rows(schema.LAST, schema.of_post(self._post))
        return max((row[1] for row in rows), default=self._low)

    def _in_time(self, query: Query, segment: int) -> bool:
        if query.from_ns is None and query.until_ns is None:
            return True
        sql = "SELECT 1 FROM records INDEXED BY by_time WHERE id >> 16 = ? AND time_ns >= ? AND time_ns < ? LIMIT 1"
        return bool(self._rows(sql, (segment, *_span(query))))

    def _in_segment(self, where: _Where, segment: int, below: int, limit: int) -> list[Any]:
        low = segment << schema.SEGMENT_SHIFT
        sql = (
            f"SELECT {_COLUMNS} FROM records{where.by} "  # noqa: S608 - constants and placeholders
            f"WHERE {'id >> 16 = ?' if where.by else 'id >= ?'} AND id < ?{where.subject}{where.shared} {_ORDER}"
        )
        return self._rows(sql, (segment if where.by else low, below, *where.subjects, *where.values, limit))

    def _in_sheets(self, where: _Where, subject: str, segment: int, below: int, limit: int) -> list[Any]:
        """Records of the sheets of a segment, newest first, as `_COLUMNS`."""
        low = segment << schema.SEGMENT_SHIFT
        subject = clean(subject).rstrip("/")

        def find(db: sqlite3.Connection) -> list[Any]:
            wanted = _placed(db, subject, low, below) if subject else _all(db, where, low, below)
            return list(islice(_lines(db, where, subject, wanted), limit))

        return self._ask(find)

    def _entries(self, rows: list[Any]) -> list[Entry]:
        shown = self._ask(lambda db: names(db, {row[4] for row in rows}))
        return [entry(row, shown[row[4]]) for row in rows]

    def close(self) -> None:
        """Idempotent."""
        with self._mutex:
            if self._db is not None:
                self._db.close()
                self._db = None


def _span(query: Query) -> tuple[int, int]:
    return (
        -(2**63) if query.from_ns is None else query.from_ns,
        2**63 - 1 if query.until_ns is None else query.until_ns,
    )


def _where(query: Query, people: list[int] | None) -> _Where:
    """The conditions of a query and the index that serves it best."""
    text, shared, index = "", "", ""
    subjects: list[Any] = []
    values: list[Any] = []
    if query.subject:
        subject = clean(query.subject).rstrip("/")
        # '0' follows '/': from 'a/b' to 'a/b0' lies all that begins with 'a/b/', and 'a/b-1', which is left out.
        text = " AND subject >= ? AND subject < ? AND (subject = ? OR subject >= ?)"
        subjects = [subject, subject + "0", subject, subject + "/"]
        index = " INDEXED BY by_subject"
    if query.kinds or (people is not None and not index):
        # One index serves kinds, and persons through all kinds.
        kinds = sorted(kind.value for kind in query.kinds or RecordKind)
        shared += f" AND kind IN ({','.join('?' * len(kinds))})"
        values += kinds
        index = index or " INDEXED BY by_kind"
    if people is not None:
        shared += f" AND person IN ({','.join('?' * len(people))})"
        values += people
    if query.from_ns is not None or query.until_ns is not None:
        shared += " AND time_ns >= ? AND time_ns < ?"
        values += _span(query)
    return _Where(index, text, tuple(subjects), shared, tuple(values))


def _all(db: sqlite3.Connection, where: _Where, low: int, below: int) -> Iterator[int]:
    """Ids of the records in sheets, newest first."""
    sql = f"SELECT id, size FROM sheets WHERE id >= ? AND id < ?{where.shared} ORDER BY id DESC"  # noqa: S608 - constants
    for first, size in db.execute(sql, (low, below, *where.values)).fetchall():
        yield from range(min(first + size, below) - 1, first - 1, -1)


def _placed(db: sqlite3.Connection, subject: str, low: int, below: int) -> Iterator[int]:
    """Ids of the records in sheets that may be of a subject, newest first."""
    sql = "SELECT id, of_each FROM places WHERE id >= ? AND id < ? ORDER BY id DESC"
    for first, places in db.execute(sql, (low, below)).fetchall():
        if not isinstance(places, bytes) or len(places) % 4:
            raise sqlite3.DatabaseError("places of records that are none")
        yield from (i for i in (first + may_be(places, subject))[::-1].tolist() if i < below)


def _lines(db: sqlite3.Connection, where: _Where, subject: str, wanted: Iterator[int]) -> Iterator[tuple[Any, ...]]:
    """Of the records wanted those that fit, as `_COLUMNS`."""
    sql = (
        f"SELECT 1{where.shared}, id, epoch, time_ns, kind, person, shared, CAST(lines AS BLOB) "  # noqa: S608 - constants
        "FROM sheets WHERE id <= ? ORDER BY id DESC LIMIT 1"
    )
    below = next(wanted, None)
    while below is not None:
        fits, first, *same, shared, lines = db.execute(sql, (*where.values, below)).fetchone()
        numbers = [below - first]
        while (below := next(wanted, None)) is not None and below >= first:
            numbers.append(below - first)
        for number, of, text, data in read(shared, lines, numbers if fits else ()):
            if not subject or of == subject or of.startswith(f"{subject}/"):
                yield first + number, *same, of, text, data, ""


def entry(row: Sequence[Any], user: str) -> Entry:
    """An entry of `_COLUMNS`. What does not fit a record, because somebody changed it, is shown as damaged."""
    number, epoch, time_ns, kind, _, subject, text, data, imported = row
    try:
        read = json.loads(data) if isinstance(data, str) else data
        if user != SERVER:
            text = reveal(text, user, TEXT_LENGTH_MAX)
            read = {k: reveal(v, user, DATA_TEXT_LENGTH_MAX) if isinstance(v, str) else v for k, v in read.items()}
        record = Record(time_ns, RecordKind(kind), user, subject, text, read)
    except (ValueError, TypeError, AttributeError, RecursionError) as e:
        shown = f"damaged: {str(e)[:200]}: {str(kind)[:50]}: {str(text)[:1500]}"
        at = time_ns if isinstance(time_ns, int) and abs(time_ns) <= TIME_NS_MAX else 0
        record = Record(at, RecordKind.SERVER, str(user)[:256], str(subject)[:256], shown)
    was = decode_imported(str(imported))
    return Entry(Position(epoch, number & SEQUENCE_MAX), record, number >> schema.POST_SHIFT, was)
