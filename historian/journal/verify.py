# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_chain_property.py, tests/unit/test_journal_outside.py, tests/unit/test_journal_sheets.py
"""Is the journal whole? Reads every record, seals it again and compares.

Law of this file: reads only; never raises for what it finds, however hostile; says the first broken position.

It may run beside the server. Memory is bounded by a page of records and the keys of persons.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from historian.base import Head, Position
from historian.journal import chain, schema, sheets

PAGE: Final = 10_000
# Records and sheets in the order of their chain; a record's size is 0.
_SQL: Final = (
    "SELECT id, epoch, time_ns, kind, person, subject, text, data, imported, peer, seal, 0 FROM records "
    "WHERE id > :after UNION ALL "
    "SELECT id, epoch, time_ns, kind, person, '', shared, lines, '', peer, seal, size FROM sheets "
    "WHERE id > :after ORDER BY id LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        records: whole ones, up to the first broken place.
        heads: of each post's chain as far as it is whole; keep one elsewhere and hand it in next time.
        persons: known by name; `erased`: by key only.
        broken: the first broken position; None if all is whole, or if not a record is what is broken.
        reason: what is wrong there, one sentence; empty if all is whole.
    """

    records: int
    heads: tuple[Head, ...]
    persons: int
    erased: int
    broken: Position | None = None
    reason: str = ""

    @property
    def whole(self) -> bool:
        return not self.reason


class _BrokenError(Exception):
    def __init__(self, position: Position | None, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def verify(path: Path, known: Sequence[Head] = (), progress: Callable[[int], None] | None = None) -> Verification:
    """Verify a journal.

    Args:
        path: the database, or the folder it lies in.
        known: heads noted earlier; the journal must still hold each with that very seal.
        progress: told the number of records read, every 10,000.
    Raises:
        JournalUnwritable: there is no journal, or it cannot be opened.
    """
    path = path / schema.FILE if path.is_dir() else path
    try:
        path.stat()
        db = schema.open_reader(path)
    except (OSError, *schema.ERRORS) as e:
        if schema.is_damage(e):
            return Verification(0, (), 0, 0, Position(0, 1), f"{path}: {e}")
        raise schema.sentence(path.parent, e) from e
    checker = _Checker(db, known, progress)
    try:
        return checker.run()
    finally:
        db.close()


class _Checker:
    def __init__(self, db: sqlite3.Connection, known: Sequence[Head], progress: Callable[[int], None] | None) -> None:
        self._db = db
        self._known = {(head.post, head.sequence): head for head in known}
        self._progress = progress
        self._keys: dict[int, bytes] = {}
        self._heads: dict[int, Head] = {}
        self._places = (0, b"")
        self._last_id = -(2**63)
        self._records = self._persons = self._erased = 0

    def run(self) -> Verification:
        try:
            self._check()
        except _BrokenError as broken:
            return self._result(broken.position, str(broken))
        except (*schema.ERRORS, OverflowError) as e:
            return self._result(self._next(), f"{schema.FILE} cannot be read behind {self._behind()}: {e}")
        return self._result(None, "")

    def _result(self, position: Position | None, reason: str) -> Verification:
        heads = tuple(self._heads[post] for post in sorted(self._heads))
        return Verification(self._records, heads, self._persons, self._erased, position, reason)

    def _check(self) -> None:
        while self._page(PAGE):
            pass
        # While the server writes, records and heads are compared as they stood at one moment.
        self._db.execute("BEGIN")
        while self._page(PAGE):
            pass
        said = self._db.execute("SELECT post, epoch, sequence, seal FROM heads ORDER BY post").fetchall()
        self._db.execute("COMMIT")
        self._compare(said)
        self._check_persons()
        (found,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise _BrokenError(None, f"{schema.FILE}: the records are whole, but an index or a page is not: {found}")

    def _page(self, size: int) -> bool:
        """Read on; False: that was all."""
        until = self._records + size
        for row in self._db.execute(_SQL, {"after": self._last_id, "limit": size}):
            self._row(row)
            self._last_id = row[0]
            if self._records >= until:
                break
        if self._progress is not None and self._records > until - size:
            self._progress(self._records)
        return self._records >= until

    def _row(self, row: tuple[Any, ...]) -> None:
        post, epoch, sequence = row[0] >> schema.POST_SHIFT, row[1], row[0] & chain.SEQUENCE_MAX
        before = self._heads.get(post, Head(post, epoch, 0, chain.FIRST))
        if post < 1 or post > chain.POST_MAX:
            raise _BrokenError(None, f"record {row[0]} belongs to no post; it was put there from outside")
        if sequence != before.sequence + 1:
            missing = Position(before.epoch, before.sequence + 1)
            until = f" to {sequence - 1}" if sequence > missing.sequence + 1 else ""
            raise _BrokenError(missing, f"post {post}: record {missing.sequence}{until} is missing")
        self._heads[post] = self._sound(row, before)
        self._records += self._heads[post].sequence - before.sequence

    def _sound(self, row: tuple[Any, ...], before: Head) -> Head:
        """The head of the chain with this record or sheet."""
        position, size, seal = Position(row[1], before.sequence + 1), row[-1], row[-2]
        what = f"post {before.post}: record {position.epoch}/{position.sequence}"
        if size:
            what += f", or another of the {size} of its sheet,"
        if self._seal(row, before.post, before.digest) != seal:
            raise _BrokenError(position, f"{what} was changed or moved: its seal does not fit")
        if size and not self._is_placed(row[0], row[7]):
            raise _BrokenError(position, f"{what} cannot be found by its subject: the places are not those")
        head = Head(before.post, row[1], before.sequence + (size or 1), seal)
        for sequence in range(position.sequence, head.sequence + 1) if self._known else ():
            if self._known.get((head.post, sequence), head) != head:
                raise _BrokenError(position, f"{what} is not the one noted: it was sealed anew")
        return head

    def _is_placed(self, number: int, lines: str) -> bool:
        """Whether the subjects of a sheet are where `places` says."""
        if not self._places[0] <= number < self._places[0] + len(self._places[1]) // 4:
            sql = "SELECT id, of_each FROM places WHERE id <= ? ORDER BY id DESC LIMIT 1"
            self._places = self._db.execute(sql, (number,)).fetchone() or (0, b"")
        first, places = self._places
        try:
            made = sheets.places(sheets.subjects_of(lines))
            return bool(places[4 * (number - first) :][: len(made)] == made)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return False

    def _seal(self, row: tuple[Any, ...], post: int, previous: bytes) -> bytes | None:
        number, epoch, time_ns, kind, person, subject, text, data, imported, peer, _, size = row
        if (key := self._key(person)) is None:
            return None
        about = post, epoch, number & chain.SEQUENCE_MAX, time_ns
        try:
            if size:
                fields = kind.encode(), key, text.encode(), data.encode(), peer
                return chain.seal_sheet(previous, *about, size, *fields)
            texts = subject.encode(), text.encode(), data.encode(), imported.encode()
            return chain.seal(previous, *about, kind.encode(), key, *texts, peer)
        except (struct.error, UnicodeEncodeError, AttributeError, TypeError):
            return None  # a damaged page gives values of any type, whatever the table says

    def _key(self, person: int) -> bytes | None:
        if person not in self._keys:
            row = self._db.execute("SELECT key FROM persons WHERE id = ?", (person,)).fetchone()
            if row is None:
                return None
            self._keys[person] = row[0]
        return self._keys[person]

    def _compare(self, said: list[tuple[int, int, int, bytes]]) -> None:
        if not all(isinstance(value, int) for row in said for value in row[:3]):
            raise _BrokenError(None, "the head of a chain is damaged")
        for head in (*(Head(*row) for row in said), *self._known.values()):
            last = self._heads.get(head.post, Head(head.post, head.epoch, 0, chain.FIRST))
            if last.sequence < head.sequence:
                raise _BrokenError(
                    Position(last.epoch, last.sequence + 1),
                    f"post {head.post}: records {last.sequence + 1} to {head.sequence} are missing at the end",
                )
        for row in said:
            last = self._heads.get(row[0], Head(row[0], 0, 0, chain.FIRST))
            if last != Head(*row):
                raise _BrokenError(
                    Position(last.epoch, last.sequence),
                    f"post {last.post}: record {last.epoch}/{last.sequence} is not what its head says: "
                    "added or sealed anew from outside",
                )
        if missing := self._heads.keys() - {row[0] for row in said}:
            raise _BrokenError(None, f"post {min(missing)}: the head of its chain was taken away")

    def _check_persons(self) -> None:
        for key, salt, name in self._db.execute("SELECT key, salt, name FROM persons"):
            if name is None:
                self._erased += 1
                continue
            if not self._is_of(key, salt, name):
                shown = chain.shown_as(key) if isinstance(key, bytes) else "of no key"
                raise _BrokenError(None, f"the name beside {shown} is not that of its records")
            self._persons += 1

    def _is_of(self, key: object, salt: object, name: object) -> bool:
        return isinstance(salt, bytes) and isinstance(name, str) and chain.subject_key(salt, name) == key

    def _next(self) -> Position | None:
        if not self._heads:
            return Position(0, 1)
        last = self._heads[max(self._heads)]
        return Position(last.epoch, last.sequence + 1)

    def _behind(self) -> str:
        return f"{self._records} whole records"
