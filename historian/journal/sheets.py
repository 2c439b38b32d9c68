# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_sheets.py, tests/property/test_chain_property.py
r"""How many records of one instant lie in the database as one row, a *sheet*, and how one of them is found in it.

Law of this file: pure; columns in, texts out and back; no I/O.

Theory of operation. A storm of 34,000 alarms is 34,000 records that differ in a name and a number or two. As rows with
their indexes and a seal each they cost ten times what they hold; as sheets of SIZE_MAX records a row, an index entry
and a seal are shared by all of a sheet. Both texts of a sheet are JSON that a person can read:

    shared  {"own":["value","limit"],"common":[["alarm: Voltage (HIGH)",{"what":"alarm","priority":"P3"}]]}
    lines   [["21605/CAB-0003/V_limits",0,255.0,253.0],
            ["21605/CAB-0004/V_limits",0,254.1,253.0]]

A line is a record: its subject, its place in `common`, then its own data as `own` names them; null: it has none of it.
JSON escapes line feeds, so line i can be read without the others.

Where is a subject? Its *place* is 4 bytes, little-endian: the low 8 bits of the CRC-32 of its first name (the area), 14
of its second (the equipment), 10 of its third (the tag). The places of all records of a storm lie in one row; comparing
them leaves few lines to be read, in few sheets; what does not fit after all is dropped then. Places are no part of the
seal, for they follow from the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from historian.base import Plain, Sheet
from historian.journal.chain import clean_all, encode_data

SIZE_MIN: Final = 64
"""Below this records are worth a row each: found by the indexes alone."""
SIZE_MAX: Final = 256
"""A record is read with all of its sheet, some 10 kB; four times as many are written no faster."""
_LINE_FEED: Final = 10
_AREA_SHIFT: Final = 24
_EQUIPMENT_SHIFT: Final = 10


class Lines(NamedTuple):
    """A sheet, or a part of one, as it lies in the database."""

    size: int
    shared: str
    lines: str


class Line(NamedTuple):
    """One record of a sheet; `number`: which; no data: it is damaged."""

    number: int
    subject: str
    text: str
    data: dict[str, Plain] | None


def encode(sheet: Sheet, start: int, end: int) -> Lines:
    """Records start..end-1 of a sheet."""
    part = slice(start, end)
    subjects = clean_all(sheet.subjects[part])
    own = {name: column[part] for name, column in sheet.own.items()}
    own = {name: column for name, column in own.items() if any(value is not None for value in column)}
    which = sheet.which[part]
    used = sorted(set(which))
    place = {at: i for i, at in enumerate(used)}
    if len(used) < len(sheet.common):
        which = [place[at] for at in which]
    texts = clean_all([sheet.common[at][0] for at in used])
    common = [[text, dict(sheet.common[at][1])] for text, at in zip(texts, used, strict=True)]
    shared = encode_data({"own": list(own), "common": common})
    rows = list(zip(subjects, which, *own.values(), strict=True))
    return Lines(end - start, shared.decode(), _lines(rows))


def _lines(rows: Sequence[tuple[Plain, ...]]) -> str:
    """A JSON array, a line for each row."""
    try:
        text = to_json(rows).decode()
    except ValueError:  # a lone surrogate in a value
        text = ""
    # All at once is four times as fast as one by one; a text that holds '],[' shows in the count.
    split = text.replace("],[", "],\n[")
    if text and split.count("\n") == len(rows) - 1:
        return split
    return "[" + ",\n".join(encode_data(row).decode() for row in rows) + "]"


def places(subjects: Sequence[str]) -> bytes:
    """The place of each, 4 bytes."""
    known: dict[str, int] = {"": 0}  # few areas and tags, many times
    made = []
    for subject in subjects:
        area, _, rest = subject.partition("/")
        equipment, _, tag = rest.partition("/")
        tag = tag.partition("/")[0]
        for name in (area, tag):
            if name not in known:
                known[name] = crc32(name.encode())
        made.append(_place(known[area], crc32(equipment.encode()), known[tag]))
    return np.array(made, "<u4").tobytes()


def _place(area: int, equipment: int, tag: int) -> int:
    return (area & 0xFF) << _AREA_SHIFT | (equipment & 0x3FFF) << _EQUIPMENT_SHIFT | tag & 0x3FF


def may_be(places: bytes, subject: str) -> npt.NDArray[np.int64]:
    """Numbers of the records that may be of a subject, or of what lies below it ('area', 'area/equipment', a tag)."""
    names = subject.split("/")[:3]
    place = _place(*(crc32(name.encode()) for name in [*names, "", ""][:3]))
    shift = (_AREA_SHIFT, _EQUIPMENT_SHIFT, 0)[len(names) - 1]
    return np.flatnonzero(np.frombuffer(places, "<u4") >> shift == place >> shift)


def subjects_of(lines: str) -> list[str]:
    """Subjects of a sheet.

    Raises:
        ValueError, TypeError, LookupError, RecursionError: it is damaged.
    """
    return [row[0] for row in json.loads(lines)]


def read(shared: str, lines: bytes, wanted: Iterable[int]) -> Iterator[Line]:
    """Records of a sheet by their numbers. What somebody damaged has no data: it is shown as damaged."""
    ends = np.append(np.flatnonzero(np.frombuffer(lines, np.uint8) == _LINE_FEED), len(lines))
    try:
        named = json.loads(shared)
        own, common = list(named["own"]), list(named["common"])
    except (ValueError, TypeError, KeyError, RecursionError):
        own, common = [], []
    for number in wanted:
        line = lines[ends[number - 1] + 1 if number else 0 : ends[number]] if number < len(ends) else b""
        try:
            yield _line(number, line, own, common)
        except (ValueError, TypeError, IndexError, RecursionError):
            yield Line(number, "", line.decode("utf-8", "replace"), None)


def _line(number: int, line: bytes, own: list[str], common: list[Any]) -> Line:
    subject, which, *values = json.loads(b"[%b]" % line.strip(b"[],"))
    text, data = common[which]
    if not isinstance(subject, str):
        raise TypeError("expected a subject")
    return Line(number, subject, text, {**data, **{n: v for n, v in zip(own, values, strict=True) if v is not None}})
