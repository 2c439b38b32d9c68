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


def scan(content: bytes) -> list[Entry]:
    """Every readable record of a file, in file order; never raises whatever the bytes."""
    return [entry for line in content.split(b"\n")[:-1] if (entry := decode(line)) is not None]
