# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_query.py
"""The journal's reader: the last records, queries, rows. Blocking, on a connection of its own.

Law of this file: reads only. Work is bounded: a query looks into at most so many segments a call and says where it
stopped.

Theory of operation. A query walks the segments from the newest to the oldest and uses in each the index of its most
selective condition, in this order: subject, kind and person, time. The others are tested on what that index finds.
Segments that hold nothing of the time asked for are passed over by one look into the index by time, so a clock that was
set back hides nothing.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
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
    text: str
    values: tuple[Any, ...]


class ChainReader:
    """Reads the journal of one post beside its writer.

    Raises:
        JournalUnwritable: it cannot be read.
    """

    def __init__(self, path: Path, post: int) -> None:
        self._path = path
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

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self._ask(lambda db: db.execute(sql, values).fetchall())

    def tail(self, n: int) -> list[Entry]:
        """The last `n` records, oldest first.

        Raises:
            JournalError: the database cannot be read.
        """
        sql = f"SELECT {_COLUMNS} FROM records WHERE id > ? AND id <= ? {_ORDER}"  # noqa: S608 - constants
        rows = self._rows(sql, (self._low, self._low | SEQUENCE_MAX, min(max(n, 0), QUERY_MAX)))
        return self._entries(rows)[::-1]

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
        oldest = self._rows("SELECT id FROM records WHERE id > ? ORDER BY id LIMIT 1", (self._low,))
        if below is None:
            before = SEQUENCE_MAX if query.before is None else max(0, min(query.before, SEQUENCE_MAX))
            below = min(self._low | before, self._newest() + 1)
        if not oldest or people == []:
            return Step([], None)
        where = _where(query, people)
        found: list[Any] = []
        for _ in range(segments_max):
            if below <= oldest[0][0] or len(found) >= want:
                break
            segment = (below - 1) >> schema.SEGMENT_SHIFT
            if self._in_time(query, segment):
                found += self._in_segment(where, segment, below, want - len(found))
            below = max(segment << schema.SEGMENT_SHIFT, self._low)
        if len(found) >= want:
            below = found[-1][0]
        return Step(self._entries(found), below if below > oldest[0][0] else None)

    def _newest(self) -> int:
        sql = "SELECT id FROM records WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT 1"
        rows = self._rows(sql, (self._low, self._low | SEQUENCE_MAX))
        return rows[0][0] if rows else self._low

    def _in_time(self, query: Query, segment: int) -> bool:
        if query.from_ns is None and query.until_ns is None:
            return True
        sql = "SELECT 1 FROM records INDEXED BY by_time WHERE id >> 16 = ? AND time_ns >= ? AND time_ns < ? LIMIT 1"
        return bool(self._rows(sql, (segment, *_span(query))))

    def _in_segment(self, where: _Where, segment: int, below: int, limit: int) -> list[Any]:
        low = segment << schema.SEGMENT_SHIFT
        sql = (
            f"SELECT {_COLUMNS} FROM records{where.by} "  # noqa: S608 - constants and placeholders
            f"WHERE {'id >> 16 = ?' if where.by else 'id >= ?'} AND id < ?{where.text} {_ORDER}"
        )
        return self._rows(sql, (segment if where.by else low, below, *where.values, limit))

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
    text, index = "", ""
    values: list[Any] = []
    if query.subject:
        subject = clean(query.subject).rstrip("/")
        # '0' follows '/': from 'a/b' to 'a/b0' lies all that begins with 'a/b/', and 'a/b-1', which is left out.
        text += " AND subject >= ? AND subject < ? AND (subject = ? OR subject >= ?)"
        values += [subject, subject + "0", subject, subject + "/"]
        index = " INDEXED BY by_subject"
    if query.kinds or (people is not None and not index):
        # One index serves kinds, and persons through all kinds.
        kinds = sorted(kind.value for kind in query.kinds or RecordKind)
        text += f" AND kind IN ({','.join('?' * len(kinds))})"
        values += kinds
        index = index or " INDEXED BY by_kind"
    if people is not None:
        text += f" AND person IN ({','.join('?' * len(people))})"
        values += people
    if query.from_ns is not None or query.until_ns is not None:
        text += " AND time_ns >= ? AND time_ns < ?"
        values += _span(query)
    return _Where(index, text, tuple(values))


def entry(row: Sequence[Any], user: str) -> Entry:
    """An entry of `_COLUMNS`. What does not fit a record, because somebody changed it, is shown as damaged."""
    number, epoch, time_ns, kind, _, subject, text, data, imported = row
    try:
        read = json.loads(data)
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
