# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py
"""What a journal offers, whoever keeps it: the file of this release or the chained database that follows it.

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

# One record stays below 32 KiB whatever is in it, so that a reader can bound its memory. The longest thing anyone
# has a reason to write is a note of the logbook.
TEXT_LENGTH_MAX: Final = 2000
NAME_LENGTH_MAX: Final = 256
DATA_LENGTH_MAX: Final = 24
DATA_TEXT_LENGTH_MAX: Final = 512


class JournalError(Exception):
    """The record was not written; the sentence says why and what to do."""


class JournalUnwritable(JournalError):
    """The disk or its file system refuses: read-only, failing, no rights, too many records waiting."""


class JournalFull(JournalError):
    """No space is left, on the disk or within the journal's own bound."""


class RecordKind(StrEnum):
    """What a record is about."""

    COMMAND = "command"
    VERDICT = "verdict"
    LOGIN = "login"
    NOTE = "note"
    ROLE = "role"
    CONFIG = "config"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened.

    Attributes:
        time_ns: UTC [ns since 1970].
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


class Position(NamedTuple):
    """Where a record stands: unique on this post for ever. The sequence grows by one with each record."""

    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A record read back."""

    position: Position
    record: Record


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


class Journal(Protocol):
    """Append-only record of what was done."""

    async def append(self, records: Sequence[Record]) -> Sequence[Position]:
        """Write records in order; returns once all of them are on the disk (fdatasync).

        Raises:
            JournalFull, JournalUnwritable: none of them is written.
        """
        ...

    async def tail(self, n: int) -> list[Entry]:
        """The last `n` readable records, oldest first; n is cut to 10,000."""
        ...

    def status(self) -> JournalStatus: ...

    async def close(self) -> None:
        """Wait for what is under way and close. Idempotent."""
        ...


class Run(Protocol):
    """The way off the event loop, handed in (`supervisor.offload.Offload.run`)."""

    def __call__(self, job: Callable[[], T]) -> Awaitable[T]: ...
