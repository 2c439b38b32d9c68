# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py
"""What a journal offers, whoever keeps it.

Law of this file: words only; no I/O.

A record says who did what to which tag, when. It is *written* when `append` returns: then, and not before, it has
reached the disk. Whoever cannot write a record must not do what the record would have said.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Plain = str | int | float | bool | None
_PLAIN: Final = {str, int, float, bool, type(None)}

# One record stays below 32 KiB whatever is in it, so that a reader can bound its memory. The longest thing anyone
# has a reason to write is a note of the logbook.
TEXT_LENGTH_MAX: Final = 2000
NAME_LENGTH_MAX: Final = 256
DATA_LENGTH_MAX: Final = 24
DATA_TEXT_LENGTH_MAX: Final = 512
QUERY_MAX: Final = 10_000
TIME_NS_MAX: Final = 2**63 - 1


class JournalError(Exception):
    """The record was not written; the sentence says why and what to do."""


class JournalUnwritable(JournalError):
    """The disk or its file system refuses: read-only, failing, no rights, too many records waiting."""


class JournalFull(JournalError):
    """No space is left, on the disk or within the journal's own bound."""


class RecordKind(StrEnum):
    """What a record is about. A kind is never renamed or removed: journals are read for years."""

    COMMAND = "command"
    VERDICT = "verdict"
    LOGIN = "login"
    NOTE = "note"
    ROLE = "role"
    CONFIG = "config"
    SERVER = "server"
    ALARM = "alarm"
    LOCK = "lock"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened.

    Attributes:
        time_ns: UTC [ns since 1970], within 64 bits.
        user: who, as named in the site; 'vigie' for the server itself.
        subject: name of the tag or equipment, empty if none.
        text: one sentence for people, at most 2,000 characters.
        data: at most 24 named plain values for machines; texts at most 512 characters, numbers finite.
    Raises:
        ValueError: a bound is exceeded; the sentence names it.
    """

    time_ns: int
    kind: RecordKind
    user: str
    subject: str = ""
    text: str = ""
    data: Mapping[str, Plain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not -TIME_NS_MAX <= self.time_ns <= TIME_NS_MAX:
            raise ValueError(f"journal record: time_ns: expected nanoseconds within 64 bits, got {self.time_ns}")
        for name, text, most in (
            ("user", self.user, NAME_LENGTH_MAX),
            ("subject", self.subject, NAME_LENGTH_MAX),
            ("text", self.text, TEXT_LENGTH_MAX),
        ):
            if len(text) > most:
                raise ValueError(f"journal record: {name}: expected at most {most} characters, got {len(text)}")
        if len(self.data) > DATA_LENGTH_MAX:
            raise ValueError(f"journal record: data: expected at most {DATA_LENGTH_MAX} keys, got {len(self.data)}")
        for key, value in self.data.items():
            if len(key) > 64:
                raise ValueError(f"journal record: data: expected keys of at most 64 characters, got {len(key)}")
            if isinstance(value, str) and len(value) > DATA_TEXT_LENGTH_MAX:
                raise ValueError(f"journal record: data.{key}: expected at most 512 characters, got {len(value)}")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"journal record: data.{key}: expected a finite number, got {value}")
            if value is not None and not isinstance(value, str | int | float):
                raise ValueError(f"journal record: data.{key}: expected a plain value, got a {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the server itself tells of many subjects at one instant, in columns: a storm makes no object for a record.

    Text and data that many have in common are there once; the data of a record are the common ones and its own.

    Attributes:
        time_ns: UTC [ns since 1970], within 64 bits.
        subjects: as in `Record`, (n,).
        common: texts and data as in `Record`, (m,).
        which: place in `common` of each, (n,).
        own: data that differ from record to record, by name; None: this record has none of it, (n,) each.
    Raises:
        ValueError: a bound is exceeded; the sentence names it.
    """

    time_ns: int
    kind: RecordKind
    subjects: Sequence[str]
    common: Sequence[tuple[str, Mapping[str, Plain]]]
    which: Sequence[int]
    own: Mapping[str, Sequence[Plain]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(len(column) != len(self.subjects) for column in (self.which, *self.own.values())):
            raise ValueError("journal sheet: expected columns of one length")
        if self.subjects and not 0 <= min(self.which) <= max(self.which) < len(self.common):
            raise ValueError(f"journal sheet: which: expected places 0..{len(self.common) - 1}")
        if (longest := max(map(len, self.subjects), default=0)) > NAME_LENGTH_MAX:
            raise ValueError(f"journal sheet: subject: expected at most {NAME_LENGTH_MAX} characters, got {longest}")
        for text, data in self.common:  # what a record may not hold, a sheet may not either
            Record(self.time_ns, self.kind, "", "", text, {**data, **dict.fromkeys(self.own)})
        for name, column in self.own.items():
            _check_column(name, column)

    def __len__(self) -> int:
        return len(self.subjects)

    def data(self, i: int) -> dict[str, Plain]:
        """Data of the record at place i."""
        own = {name: column[i] for name, column in self.own.items() if column[i] is not None}
        return {**self.common[self.which[i]][1], **own}


def _check_column(name: str, column: Sequence[Plain]) -> None:
    types = set(map(type, column))
    if not types <= _PLAIN:
        raise ValueError(f"journal sheet: {name}: expected plain values, got {types - _PLAIN}")
    if float in types and not all(map(math.isfinite, [value for value in column if type(value) is float])):
        raise ValueError(f"journal sheet: {name}: expected finite numbers")
    if str in types and max(len(value) for value in column if type(value) is str) > DATA_TEXT_LENGTH_MAX:
        raise ValueError(f"journal sheet: {name}: expected texts of at most {DATA_TEXT_LENGTH_MAX} characters")


def count(items: Sequence[Record | Sheet]) -> int:
    """How many records these are."""
    return sum(len(item) if isinstance(item, Sheet) else 1 for item in items)


class Position(NamedTuple):
    """Where a record stands: unique on this post for ever. The sequence grows by one with each record."""

    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A record read back.

    Attributes:
        post: number of the post whose chain it stands in. (post, epoch, sequence) names an event for ever.
        imported: where it stood in the journal of files it was taken over from; None for a record of the chain itself.
    """

    position: Position
    record: Record
    post: int = 1
    imported: Position | None = None


class Head(NamedTuple):
    """The last record of a chain and its seal: whoever keeps one can prove later that nothing before it has changed."""

    post: int
    epoch: int
    sequence: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.post}/{self.epoch}/{self.sequence}:{self.digest.hex()}"


class Row(NamedTuple):
    """A row of a named table of live state, written together with the records that tell of it. `payload` None: gone."""

    table: str
    key: bytes
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Query:
    """Which records are wanted; everything given must fit. The newest are found first.

    Attributes:
        from_ns, until_ns: UTC [ns], `until_ns` not included.
        kinds: empty: all.
        subject: a name or the beginning of one up to a '/': area, area/equipment, area/equipment/tag.
        person: name as in the site, or 'erased person <8 hex digits>'.
        before: only records of a lower sequence, to turn pages.
        limit: 1..10,000.
    """

    from_ns: int | None = None
    until_ns: int | None = None
    kinds: frozenset[RecordKind] = frozenset()
    subject: str = ""
    person: str = ""
    before: int | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= QUERY_MAX:
            raise ValueError(f"limit: expected 1..{QUERY_MAX}, got {self.limit}")
        for name, text in (("subject", self.subject), ("person", self.person)):
            if len(text) > NAME_LENGTH_MAX:
                raise ValueError(f"{name}: expected at most {NAME_LENGTH_MAX} characters, got {len(text)}")
        for name, number in (("from", self.from_ns), ("until", self.until_ns), ("before", self.before)):
            if number is not None and abs(number) > TIME_NS_MAX:
                raise ValueError(f"{name}: expected a number within 64 bits, got {number}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found, oldest first; `more`: older ones fit too (`before` the first one's sequence)."""

    entries: list[Entry]
    more: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person whose name is gone.

    Attributes:
        shown: how the person appears from now on: 'erased person 1a2b3c4d'.
        originals: files of an older journal that were kept and may still hold the name; a person must see to them.
    """

    shown: str
    originals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """State of a journal for `/status` and the journal's tags.

    Attributes:
        error: why the last append failed; None while appends succeed.
        error_since_s: age of that error [s of the loop's clock at which it began]; None without error.
        repair: what was found and mended when it was opened; empty if nothing.
        records: appended since start.
        refused: records that could not be written since start.
        waiting: records handed over and not yet durable; `waiting_max` is their bound.
        size: bytes held of at most `size_max`.
        reserve: why the reserve for a full disk is not whole, one sentence; None while it is.
        head: the last record and its seal, to be kept elsewhere ('1/5/1234:<64 hex digits>'); empty if there is none.
    """

    error: str | None
    error_since_s: float | None
    repair: str
    records: int
    refused: int
    waiting: int
    waiting_max: int
    size: int
    size_max: int
    reserve: str | None = None
    head: str = ""


Later = Callable[[Position], Sequence[Row]]
"""Makes rows from the position of the first of its records; called off the loop, within their transaction."""


class Journal(Protocol):
    """Append-only record of what was done."""

    async def append(self, records: Sequence[Record]) -> Sequence[Position]:
        """Write records in order; returns once all of them are on the disk.

        Raises:
            JournalFull, JournalUnwritable: none of them is written.
        """
        ...

    async def append_with(
        self, records: Sequence[Record | Sheet], rows: Sequence[Row], later: Later | None = None
    ) -> Sequence[Position]:
        """Write records and rows in one transaction: after whatever happens both are there or neither is.

        Args:
            later: makes the rows that tell where the records stand; asked again if the disk was full.
        Returns: a position for each record, those of a sheet one after the other.
        Raises:
            JournalFull, JournalUnwritable: nothing of it is written.
        """
        ...

    async def rows(self, table: str) -> list[tuple[bytes, bytes]]:
        """All rows (key, payload) of a table, by key."""
        ...

    async def tail(self, n: int) -> list[Entry]:
        """The last `n` readable records, oldest first; n is cut to 10,000."""
        ...

    async def query(self, query: Query) -> Found:
        """The newest records that fit."""
        ...

    async def erase(self, name: str, by: Record) -> Erasure:
        """Erase a person's name for ever; the records stay and show 'erased person <key>'.

        Args:
            by: the record of this act, which must not hold the name; written in the same transaction.
        Raises:
            KeyError: no record is of that person.
            JournalFull, JournalUnwritable: nothing was erased.
        """
        ...

    def status(self) -> JournalStatus: ...

    async def close(self) -> None:
        """Wait for what is under way and close. Idempotent."""
        ...


class Run(Protocol):
    """The way off the event loop, handed in (`supervisor.offload.Offload.run`)."""

    def __call__(self, job: Callable[[], T]) -> Awaitable[T]: ...
