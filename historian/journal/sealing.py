# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py, tests/property/test_chain_property.py
"""The sealer: records become rows of the database, each sealed over the one before.

Law of this file: within a transaction that the store opens and ends; no clock, no file. The seals are `chain`'s, the
statements `schema`'s.

Theory of operation. A record of its own goes the ordinary way. A sheet, which a storm makes, goes in columns: what its
records share is encoded once and bound once in a statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any, TypeAlias

from historian.base import Head, Plain, Position, Record, Sheet
from historian.journal import chain, schema
from historian.journal.persons import SERVER, Persons, hide

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
        for _, some in groupby(items, key=lambda item: isinstance(item[0], Sheet)):
            self._write(list(some))
        return self._head

    def _write(self, items: Items) -> None:
        singles = (self._of_record(item, was) for item, was in items if isinstance(item, Record))
        schema.insert(self._db, "records", self._sealed(singles))
        for item, _ in items:
            if isinstance(item, Sheet) and item.subjects:
                self._write_sheet(item)

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

    def _write_sheet(self, sheet: Sheet) -> None:
        """The first record as any other, for it may be sealed over the peer's head; the rest in columns."""
        number, key = self._persons.of(SERVER)
        kind, time_ns = str.__str__(sheet.kind), sheet.time_ns
        subjects, texts, data = chain.clean_all(sheet.subjects), chain.clean_all(sheet.texts), sheet.data
        first = time_ns, kind, number, key, subjects[0], texts[0], data[0], ""
        schema.insert(self._db, "records", self._sealed([first]))
        subjects, texts, data = subjects[1:], texts[1:], data[1:]
        post, epoch, sequence, previous = self._head
        lines = zip(map(str.encode, subjects), map(str.encode, texts), data, strict=True)
        seals = list(chain.seal_alike(previous, post, epoch, sequence, time_ns, kind.encode(), key, lines))
        ids = count(post << schema.POST_SHIFT | (sequence + 1))
        rows = zip(ids, subjects, texts, map(bytes.decode, data), seals, strict=False)  # ids never end
        schema.insert_alike(self._db, (epoch, time_ns, kind, number, "", b""), rows)
        if seals:
            self._head = Head(post, epoch, sequence + len(seals), seals[-1])

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
