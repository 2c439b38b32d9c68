# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py
"""Values of an answer as cells of the tags' kinds, by columns.

Law of this file: values of one tag and length are decoded at once; what the columns are is worked out once per layout.

What may be what: a Float takes any number; an integer or an Enumeration takes Unsigned, Integer, Enumerated and a bit
string; a Boolean takes Boolean and 0 or 1 of Enumerated and Unsigned; a String takes CharacterString. Anything else is
BadTypeMismatch; a number that does not fit is BadOutOfRange, as is a bit that the string does not have; Null and NaN
are BadNoData: there is no value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from config.words import Cells, Kind, StatusCode, Statuses
from drivers.bacnet import tags
from drivers.bacnet.layout import ERROR, Bytes, Layout, Places
from drivers.bacnet.quality import refused
from drivers.bacnet.tags import BITS, BOOLEAN, DOUBLE, ENUMERATED, NULL, REAL, SIGNED, TEXT, UNSIGNED, Garbled

NO_FLAGS: Final = 0
_FLAGS_SHAPE: Final = (BITS, 2)
_NUMBERS: Final = (UNSIGNED, SIGNED, REAL, DOUBLE, ENUMERATED)
_WHOLE: Final = (UNSIGNED, SIGNED, ENUMERATED)
_FLOAT, _INTEGER, _BOOLEAN = range(3)


@dataclass(frozen=True, slots=True)
class Found:
    """Values of a question's points, before flags and reliability are weighed.

    Attributes:
        flags: status flags of each, bit 0 in-alarm .. bit 3 out-of-service, (n,).
        codes: error class << 16 | code of those the device refuses, 0: none, (n,).
        texts: of String points, by place.
    """

    cells: Cells
    statuses: Statuses
    flags: Bytes
    codes: Places
    texts: dict[int, str]


class Want(NamedTuple):
    """What a point is to be.

    Attributes:
        bit: of a bit string, the one meant.
        first: what the device says for code 0.
    """

    kind: Kind
    bit: int | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class _Column:
    """Values that are decoded together."""

    tag: int
    index: npt.NDArray[np.int64]
    places: Places
    target: int
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    first: Places


class Decoder:
    """Reads answers of one layout.

    Args:
        wants: of each point, n.
        values: which property of the layout each point's value is, (n,).
        flags: which its status flags are, -1: none, (n,).
    """

    def __init__(self, layout: Layout, wants: Sequence[Want], values: Places, flags: Places) -> None:
        self.layout = layout
        n = len(wants)
        self._statuses = np.zeros(n, np.uint32)
        self._codes = np.zeros(n, np.int64)
        self._texts: list[tuple[int, int, int]] = []
        self._odd: list[tuple[int, int, int, Kind, int | None]] = []
        groups: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
        for i, want in enumerate(wants):
            self._sort(i, int(values[i]), want.kind, want.bit, groups)
        self._columns = [self._column(key, places, wants, values) for key, places in groups.items()]
        good = [i for i in range(n) if flags[i] >= 0 and self._is_flags(int(flags[i]))]
        self._flag_places = np.array(good, np.int64)
        self._flag_at = layout.at[flags[good]] + 1 if good else np.zeros(0, np.int64)

    def _is_flags(self, slot: int) -> bool:
        return (int(self.layout.tag[slot]), int(self.layout.length[slot])) == _FLAGS_SHAPE

    def _sort(
        self, i: int, slot: int, kind: Kind, bit: int | None, groups: dict[tuple[int, int, int], list[int]]
    ) -> None:
        """Into which column a point belongs, or what its status always is."""
        tag, length = int(self.layout.tag[slot]), int(self.layout.length[slot])
        if tag == ERROR:
            self._codes[i] = self.layout.code[slot]
            self._statuses[i] = refused(int(self._codes[i]))[0]
        elif tag == NULL:
            self._statuses[i] = StatusCode.BadNoData
        elif tag == BITS and kind is not Kind.String and not kind.is_float:
            self._odd.append((i, int(self.layout.at[slot]), length, kind, bit))
        elif kind is Kind.String and tag == TEXT:
            self._texts.append((i, int(self.layout.at[slot]), length))
        elif kind.is_float and tag in _NUMBERS:
            groups[tag, length, _FLOAT].append(i)
        elif kind.is_integer and tag in _WHOLE:
            groups[tag, length, _INTEGER].append(i)
        elif kind is Kind.Boolean and tag in (BOOLEAN, *_WHOLE) and bit is None:
            groups[tag, length, _BOOLEAN].append(i)
        else:
            self._statuses[i] = StatusCode.BadTypeMismatch

    def _column(self, key: tuple[int, int, int], places: list[int], wants: Sequence[Want], values: Places) -> _Column:
        tag, length, target = key
        bounds = [wants[i].kind.bounds or (0, 0) for i in places]
        return _Column(
            tag,
            self.layout.at[values[places]][:, None] + np.arange(length),
            np.array(places, np.int64),
            target,
            np.array([low for low, _ in bounds], np.float64),
            np.array([high for _, high in bounds], np.float64),
            np.array([wants[i].first for i in places], np.int64),
        )

    def read(self, raw: Bytes) -> Found:
        """The values of an answer that has this layout."""
        n = len(self._statuses)
        cells, statuses = np.zeros(n, np.int64), self._statuses.copy()
        for column in self._columns:
            found, bad = _decode(column, raw)
            cells[column.places] = found
            if bad is not None:
                statuses[column.places[bad[0]]] = bad[1]
                cells[column.places[bad[0]]] = 0
        flags = np.zeros(n, np.uint8)
        if len(self._flag_places):
            flags[self._flag_places] = _REVERSED[raw[self._flag_at] >> 4]
        texts: dict[int, str] = {}
        if self._texts or self._odd:
            self._read_odd(raw.tobytes(), cells, statuses, texts)
        return Found(cells, statuses, flags, self._codes, texts)

    def _read_odd(self, data: bytes, cells: Cells, statuses: Statuses, texts: dict[int, str]) -> None:
        """Texts and bit strings, one by one."""
        for i, at, length in self._texts:
            try:
                texts[i] = tags.text(data[at : at + length])
            except Garbled:
                statuses[i] = StatusCode.BadTypeMismatch
        for i, at, length, kind, bit in self._odd:
            try:
                number = tags.bits(data[at : at + length])
            except Garbled:
                statuses[i] = StatusCode.BadTypeMismatch
                continue
            if bit is not None:
                if bit >= 8 * (length - 1) - data[at]:
                    statuses[i] = StatusCode.BadOutOfRange
                    continue
                number = number >> bit & 1
            low, high = kind.bounds or (0, 1)
            if low <= number <= high:
                cells[i] = number if number < 2**63 else number - 2**64
            else:
                statuses[i] = StatusCode.BadOutOfRange


_REVERSED: Final = np.array([int(f"{i:04b}"[::-1], 2) for i in range(16)], np.uint8)
"""Bit 0 of a bit string is the most significant bit of its first byte. Source: clause 20.2.10."""


def _decode(column: _Column, raw: Bytes) -> tuple[Cells, tuple[npt.NDArray[np.bool_], int] | None]:
    """Cells of a column, and which of them have no value, with their status."""
    content = raw[column.index]
    if column.tag in (REAL, DOUBLE):
        numbers = content.view(">f4" if column.tag == REAL else ">f8")[:, 0].astype(np.float64)
        nothing = np.isnan(numbers)
        return numbers.view(np.int64), (nothing, int(StatusCode.BadNoData)) if nothing.any() else None
    whole = _whole(column.tag, content)
    if column.target == _FLOAT:
        return whole.astype(np.float64).view(np.int64), None
    as_float = whole.astype(np.float64) - column.first
    low, high = (0.0, 1.0) if column.target == _BOOLEAN else (column.low, column.high)
    out = (as_float < low) | (as_float > high)
    if column.tag != SIGNED and column.index.shape[1] == 8 and column.target == _INTEGER:
        out |= (column.high < 2.0**64) & (whole > np.uint64(2**63 - 1))
    return whole.view(np.int64) - column.first, (out, int(StatusCode.BadOutOfRange)) if out.any() else None


def _whole(tag: int, content: Any) -> Any:
    """Integers of 1..8 bytes, big end first."""
    if tag == BOOLEAN:
        return (content[:, 0] & 1).astype(np.uint64)
    k, length = content.shape
    wide = np.zeros((k, 8), np.uint8)
    if tag == SIGNED:
        wide[:] = np.where(content[:, :1] & 0x80, 0xFF, 0)
    wide[:, 8 - length :] = content
    return wide.view(">i8" if tag == SIGNED else ">u8")[:, 0].astype(np.int64 if tag == SIGNED else np.uint64)


@dataclass(frozen=True, slots=True)
class Told:
    """One value by itself, as a notification tells it."""

    cell: int
    status: int
    flags: int
    text: str | None


def told(want: Want, data: bytes, flags: int) -> Told:
    """A primitive value, with its tag, as a cell; by the same rules as a column."""
    number, _, length, at = tags.header(data, 0)
    at = 0 if number == BOOLEAN else at
    shape = [np.array([x], np.int64) for x in (at, 1 if number == BOOLEAN else length, 0)]
    raw = np.frombuffer(data, np.uint8)
    layout = Layout(raw, raw, np.array([number], np.uint8), *shape)
    place, none = np.zeros(1, np.int64), np.full(1, -1, np.int64)
    found = Decoder(layout, [want], place, none).read(raw)
    return Told(int(found.cells[0]), int(found.statuses[0]), flags, found.texts.get(0))
