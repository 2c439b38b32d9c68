# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_import.py
r"""How a record lies in the journal of files, the first release's: one line a record, `<length> <crc32> <json>`.

Law of this file: bytes in, entries out; no I/O.

    0000007b 1c291ca3 {"n":17,"e":3,"t":1766300000000000000,"k":"command","u":"anne",...}

Length and CRC-32 (zlib) are 8 hex digits over the JSON alone. JSON escapes line feeds, so a line is always one record:
damage costs that one record, and whatever stands whole behind it is read. A person can read it with `less`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from historian.base import Entry, Position, Record, RecordKind

_PREFIX_LENGTH: Final = 18


def decode(line: bytes) -> Entry | None:
    """The entry of a line without its line feed; None if anything about it is wrong."""
    body = line[_PREFIX_LENGTH:]
    if line[:_PREFIX_LENGTH] != b"%08x %08x " % (len(body), crc32(body)):
        return None
    try:
        raw = json.loads(body)
        record = Record(raw["t"], RecordKind(raw["k"]), raw["u"], raw["s"], raw["x"], raw["d"])
        return Entry(Position(raw["e"], raw["n"]), record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # a right checksum over a wrong record: written by something else; as unreadable as damage


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    Attributes:
        entries: readable records in file order.
        good_length: bytes up to the end of the last readable record; what follows is a torn tail.
        damaged: lines before that point that cannot be read.
    """

    entries: list[Entry]
    good_length: int
    damaged: int


def scan(content: bytes) -> Scan:
    """Read a whole file; never raises whatever the bytes."""
    entries: list[Entry] = []
    good_length = damaged = pending = start = 0
    while (end := content.find(b"\n", start)) >= 0:
        if (entry := decode(content[start:end])) is None:
            pending += 1
        else:
            entries.append(entry)
            damaged += pending
            pending = 0
            good_length = end + 1
        start = end + 1
    return Scan(entries, good_length, damaged)
