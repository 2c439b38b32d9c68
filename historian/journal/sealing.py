# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py, tests/unit/test_journal_sheets.py, tests/property/test_chain_property.py
"""The sealer: records become rows of the database, each sealed over the one before.

Law of this file: within a transaction that the store opens and ends; no clock, no file. The seals are `chain`'s, the
statements `schema`'s.

Theory of operation. A record of its own is a row. A sheet, which a storm makes, is cut into sheets of the database that
lie within one segment each; what is less than `sheets.SIZE_MIN` is written as records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias

from historian.base import Head, Plain, Position, Record, Sheet
from historian.journal import chain, schema
from historian.journal.persons import SERVER, Persons, hide
from historian.journal.sheets import SIZE_MAX, SIZE_MIN, encode, places

SEGMENT: Final = 1 << schema.SEGMENT_SHIFT
# Records, and where each stood before; a sheet never stood elsewhere.
Items: TypeAlias = Sequence[tuple[Record | Sheet, Position | None]]
# Time, kind, number and key of the person, subject, text, data, imported.
_Fields: TypeAlias = tuple[int, str, int, bytes, str, str, bytes, str]


class Sealer:
    """Writes records of one start of one post."""

    def __init__(self, db: sqlite3.Connection, persons: Persons, epoch: int) -> None:
        self._db = db
        self._persons = persons
        self._epoch = epoch
        self._head = Head(0, 0, 0, chain.FIRST)
        self._peer = b""

    def write(self, items: Items, head: Head, peer: Head | None) -> Head:
        """Seal and insert.

        Args:
            head: of the chain before.
            peer: of the other post; the first record is sealed over it too.
        Returns: the head of the chain behind the last one.
        """
        self._head, self._peer = head, chain.encode_head(peer)
        for large, some in groupby(items, key=lambda item: isinstance(item[0], Sheet) and len(item[0]) >= SIZE_MIN):
            if large:
                self._write_sheets([item for item, _ in some if isinstance(item, Sheet)])
            else:
                schema.insert(self._db, "records", self._sealed(f for item in some for f in self._fields(*item)))
        return self._head

    def _fields(self, item: Record | Sheet, was: Position | None) -> Iterable[_Fields]:
        return self._of_small(item) if isinstance(item, Sheet) else (self._of_record(item, was),)

    def _sealed(self, lines: Iterable[_Fields]) -> Iterator[tuple[Any, ...]]:
        """Rows of `records` as a stream."""
        seal, encode, epoch = chain.seal, str.encode, self._epoch
        for time_ns, kind, number, key, subject, text, data, imported in lines:
            post, _, sequence, previous = self._head
            peer, self._peer = self._peer, b""
            row_id = post << schema.POST_SHIFT | (sequence + 1)
            fields = encode(kind), key, encode(subject), encode(text), data, encode(imported), peer
            made = seal(previous, post, epoch, sequence + 1, time_ns, *fields)
            self._head = Head(post, epoch, sequence + 1, made)
            yield row_id, epoch, time_ns, kind, number, subject, text, data.decode(), imported, peer, made

    def _write_sheets(self, items: Sequence[Sheet]) -> None:
        for sheet in items:
            start = 0
            while start < len(sheet):
                first = self._head.sequence + 1
                end = min(len(sheet), start + SEGMENT - first % SEGMENT)
                schema.insert(self._db, "sheets", self._sheets(sheet, start, end))
                found = places(chain.clean_all(sheet.subjects[start:end]))
                self._db.execute(
                    "INSERT INTO places VALUES (?, ?)", (self._head.post << schema.POST_SHIFT | first, found)
                )
                start = end

    def _sheets(self, sheet: Sheet, start: int, end: int) -> Iterator[tuple[Any, ...]]:
        """Rows of `sheets` as a stream."""
        number, key = self._persons.of(SERVER)
        kind = str.__str__(sheet.kind)
        for at in range(start, end, SIZE_MAX):
            post, _, sequence, previous = self._head
            lines, peer, self._peer = encode(sheet, at, min(end, at + SIZE_MAX)), self._peer, b""
            about = post, self._epoch, sequence + 1, sheet.time_ns, lines.size
            fields = kind.encode(), key, lines.shared.encode(), lines.lines.encode(), peer
            made = chain.seal_sheet(previous, *about, *fields)
            self._head = Head(post, self._epoch, sequence + lines.size, made)
            row_id = post << schema.POST_SHIFT | (sequence + 1)
            same = lines.size, self._epoch, sheet.time_ns, kind, number, peer, made
            yield row_id, *same, lines.shared, lines.lines

    def _of_small(self, sheet: Sheet) -> Iterator[_Fields]:
        number, key = self._persons.of(SERVER)
        texts = chain.clean_all([text for text, _ in sheet.common])
        for i, subject in enumerate(chain.clean_all(sheet.subjects)):
            data = chain.encode_data(sheet.data(i))
            yield sheet.time_ns, str.__str__(sheet.kind), number, key, subject, texts[sheet.which[i]], data, ""

    def _of_record(self, record: Record, was: Position | None) -> _Fields:
        number, key = self._persons.of(record.user)
        text, named = (record.text, record.data) if record.user == SERVER else _without_name(record)
        subject, text, data = chain.clean(record.subject), chain.clean(text), chain.encode_data(named)
        imported = chain.encode_imported(was)
        return record.time_ns, str.__str__(record.kind), number, key, subject, text, data, imported


def _without_name(record: Record) -> tuple[str, Mapping[str, Plain]]:
    """Text and data with marks where they name the person of the record."""
    user = record.user
    data = {key: hide(value, user) if isinstance(value, str) else value for key, value in record.data.items()}
    return hide(record.text, user), data
