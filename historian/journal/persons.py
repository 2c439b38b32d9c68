# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_persons.py
"""Persons: names beside the chain, keys within it.

Law of this file: works within the transaction of its caller; never decides when to commit.

A sentence often names who it is about: 'refused: anne (operator) may not command ...'. Where the text or data of a
record hold the name of its own person as a word, a mark stands in the chain instead, and the name, or what is shown
after it was erased, is put back in its place when the record is read.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

from historian.journal.chain import SALT_LENGTH, clean, shown_as, subject_key

# Names of failed logins come from outside: what is remembered of them is bounded, what is written is in the database.
REMEMBERED_MAX: Final = 4096
SERVER: Final = "vigie"  # stands in the chain like a person, but is none
MARK: Final = "\x1a"  # SUBSTITUTE; one that comes from outside is written as its picture
_PICTURE: Final = "␚"


class Person(NamedTuple):
    """Number in this database and key in the chain."""

    number: int
    key: bytes


def hide(text: str, name: str) -> str:
    """Text with a mark for each word that is this name."""
    text = text.replace(MARK, _PICTURE)
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", MARK, text) if name else text


def reveal(text: str, shown: str, length_max: int) -> str:
    """Text with what is shown for its person where the marks are."""
    return text.replace(MARK, shown)[:length_max] if MARK in text else text


class Persons:
    """The table of persons, seen through the writing connection."""

    def __init__(self, db: sqlite3.Connection, salt: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._db = db
        self._salt = salt
        self._remembered: dict[str, Person] = {}

    def of(self, name: str) -> Person:
        """The person of a name; a new one if it is not known."""
        if (person := self._remembered.get(name)) is None:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[name] = person = self._find(clean(name)) or self._new(clean(name))
        return person

    def _find(self, name: str) -> Person | None:
        row = self._db.execute("SELECT id, key FROM persons WHERE name = ?", (name,)).fetchone()
        return Person(*row) if row else None

    def _new(self, name: str) -> Person:
        salt = self._salt(SALT_LENGTH)
        key = subject_key(salt, name)
        number = self._db.execute("INSERT INTO persons (key, salt, name) VALUES (?, ?, ?)", (key, salt, name)).lastrowid
        return Person(number or 0, key)

    def erase(self, name: str) -> str:
        """Erase a name and the random bytes that tie it to its key; how the person is shown from now on.

        Raises:
            KeyError: no such person.
        """
        person = self._find(clean(name))
        if person is None or name == SERVER:
            raise KeyError(name)
        self._remembered.pop(name, None)
        self._db.execute("UPDATE persons SET name = NULL, salt = NULL WHERE id = ?", (person.number,))
        return shown_as(person.key)

    def forget(self) -> None:
        """After a transaction that was undone: what it had added is not there."""
        self._remembered.clear()


def names(db: sqlite3.Connection, numbers: set[int]) -> dict[int, str]:
    """How persons are shown, by number."""
    found: dict[int, str] = {}
    for number in numbers:
        row = db.execute("SELECT name, key FROM persons WHERE id = ?", (number,)).fetchone()
        found[number] = "unknown person" if row is None else row[0] if row[0] is not None else shown_as(row[1])
    return found


def numbers(db: sqlite3.Connection, name: str) -> list[int]:
    """Persons meant by a name as it is shown: the one with that name, or the erased ones of that short key."""
    rows = db.execute("SELECT id FROM persons WHERE name = ?", (clean(name),)).fetchall()
    key = name.removeprefix(shown_as(b""))
    if not rows and key != name and len(key) == 8:
        sql = "SELECT id FROM persons WHERE name IS NULL AND lower(hex(substr(key, 1, 4))) = ?"
        rows = db.execute(sql, (key,)).fetchall()
    return [number for (number,) in rows]
