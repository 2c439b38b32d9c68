# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_decode.py, tests/property/test_opcua_decode.py
"""DataValues -> cells, statuses and source times; and one cell -> the bytes of a Variant.

Law of this file: numpy and bytes; no Python object per value but for texts. Status and source time stay exactly what
the server said; only what cannot be a value of the tag's kind gets a status of ours:

    another type than the kind can hold     BadTypeMismatch        an array where a scalar was meant, too
    a number outside the kind               BadOutOfRange
    Good, but no value                      BadWaitingForInitialData

A whole number is also a Float or Double, a number of any width an integer of any width that holds it; nothing else is
converted. An Enumeration travels as Int32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.words import BAD, Cells, Kind, StatusCode, Statuses, TimesNs, value_of
from drivers.opcua.layout import OTHER, SERVER, SOURCE, SOURCE_PS, STATUS, STRING, Bytes, Layout

EPOCH_TICKS: Final = 116_444_736_000_000_000  # 1601 to 1970 [100 ns]. Source: OPC 10000-6, 5.2.2.5
TICKS_MIN: Final = EPOCH_TICKS - 2**63 // 100
TICKS_MAX: Final = EPOCH_TICKS + (2**63 - 1) // 100
BAD_ENCODING: Final = 0x80380000  # BadDataEncodingInvalid

WIRE_TYPE: Final = {
    "Boolean": 1, "SByte": 2, "Byte": 3, "Int16": 4, "UInt16": 5, "Int32": 6, "UInt32": 7, "Int64": 8, "UInt64": 9,
    "Float": 10, "Double": 11, "String": 12, "DateTime": 13, "Enumeration": 6,
}  # fmt: skip
_FORMATS: Final = {
    1: "<?", 2: "<b", 3: "<B", 4: "<h", 5: "<H", 6: "<i", 7: "<I", 8: "<q", 9: "<Q", 10: "<f", 11: "<d", 13: "<q",
}  # fmt: skip
_BITS: Final = np.array([0, 1, 8, 8, 16, 16, 32, 32, 64, 64, 32, 64, 0, 64], np.int64)
_SIGNED: Final = (2, 4, 6, 8)


def _holds() -> npt.NDArray[np.bool_]:
    """[kind, wire type]: whether a value of that type can be one of that kind."""
    table = np.zeros((30, 256), np.bool_)
    integers = list(range(2, 10))
    for kind in Kind:
        if kind.is_integer:
            table[kind, integers] = True
        elif kind.is_float:
            table[kind, [*integers, 10, 11]] = True
        else:
            table[kind, WIRE_TYPE[kind.name]] = True
    return table


_HOLDS: Final = _holds()
_IS_FLOAT: Final = np.isin(np.arange(30), (Kind.Float, Kind.Double))


@dataclass(slots=True)
class Columns:
    """Values as a batch has them, and the built-in type each came as."""

    cells: Cells
    statuses: Statuses
    source_ns: TimesNs
    texts: dict[int, str]
    types: Bytes

    def some(self, chosen: Cells) -> Columns:
        """The values at these places."""
        texts = {k: self.texts[i] for k, i in enumerate(chosen.tolist()) if i in self.texts} if self.texts else {}
        return Columns(self.cells[chosen], self.statuses[chosen], self.source_ns[chosen], texts, self.types[chosen])


def columns(data: bytes, at: int, layout: Layout, kinds: Bytes, now_ns: int) -> Columns:
    """The values of a list that begins at `at`.

    Args:
        kinds: `Kind` of each, (n,).
        now_ns: time of a value that the server gave none.
    """
    raw = np.frombuffer(data + bytes(8), np.uint8)
    value_at, tail_at = layout.value_at + at, layout.tail_at + at
    masks, types = layout.masks, layout.types
    statuses = _field(raw, tail_at, (masks & STATUS) != 0, "<u4").astype(np.uint32)
    source_ns = _times(raw, tail_at, masks, now_ns)
    bits = _gather(raw, value_at, "<u8")
    cells = np.zeros(len(types), np.int64)
    for type_ in np.flatnonzero(np.bincount(types, minlength=256)[:14]).tolist():
        if type_ not in (0, STRING):
            chosen = types == type_
            cells[chosen] = _cells_of(type_, bits[chosen])
    _judge(cells, statuses, types, kinds)
    texts = _texts(data, at, layout, statuses)
    return Columns(cells, statuses, source_ns, texts, types)


def _gather(raw: Bytes, at: npt.NDArray[np.int64], dtype: str) -> npt.NDArray[np.int64]:
    width = np.dtype(dtype).itemsize
    found: npt.NDArray[np.int64] = raw[at[:, None] + np.arange(width)].view(dtype)[:, 0]
    return found


def _field(raw: Bytes, at: npt.NDArray[np.int64], there: npt.NDArray[np.bool_], dtype: str) -> npt.NDArray[np.int64]:
    """A field where the mask says it is there, 0 elsewhere."""
    if there.all():
        return _gather(raw, at, dtype)
    return np.where(there, _gather(raw, np.where(there, at, 0), dtype), 0)


def _times(raw: Bytes, tail_at: npt.NDArray[np.int64], masks: Bytes, now_ns: int) -> TimesNs:
    """Source time, else the server's, else now."""
    source_at = tail_at + 4 * ((masks & STATUS) != 0)
    has_source = (masks & SOURCE) != 0
    server_at = source_at + 8 * has_source + 2 * ((masks & SOURCE_PS) != 0)
    has_server = (masks & SERVER) != 0
    there = has_source | has_server
    ticks = _field(raw, np.where(has_source, source_at, server_at), there, "<i8")
    known = there & (ticks > 0)
    ns = (np.clip(ticks, TICKS_MIN, TICKS_MAX) - EPOCH_TICKS) * 100
    return np.where(known, ns, now_ns).astype(np.int64)


def _cells_of(type_: int, bits: npt.NDArray[np.int64]) -> Cells:
    """The low bytes of a value of one type as a cell of its own kind."""
    width = int(_BITS[type_])
    if type_ == 1:
        return np.asarray(bits & np.uint64(0xFF) != 0, np.int64)
    if type_ == 10:
        single = (bits & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
        return single.astype(np.float64).view(np.int64)
    signed = bits.astype(np.uint64).view(np.int64)
    if type_ == 13:
        ns: Cells = (np.clip(signed, TICKS_MIN, TICKS_MAX) - EPOCH_TICKS) * 100
        return ns
    if width == 64:
        return signed
    if type_ in _SIGNED:
        extended: Cells = (signed << (64 - width)) >> (64 - width)
        return extended
    low: Cells = signed & ((1 << width) - 1)
    return low


def _judge(cells: Cells, statuses: Statuses, types: Bytes, kinds: Bytes) -> None:
    """Convert to the kinds wanted, in place, and give what cannot be converted its status."""
    good = statuses < BAD
    floats = _IS_FLOAT[kinds]
    whole = floats & (types >= 2) & (types <= 9)
    if whole.any():
        unsigned = types[whole] == WIRE_TYPE["UInt64"]
        numbers = cells[whole]
        cells[whole] = np.where(unsigned, numbers.view(np.uint64).astype(np.float64), numbers).view(np.int64)
    statuses[good & (types == 0)] = StatusCode.BadWaitingForInitialData
    statuses[good & (types != 0) & ~_HOLDS[kinds, types]] = StatusCode.BadTypeMismatch
    narrow = good & (types != kinds) & _HOLDS[kinds, types] & ~floats & (types >= 2) & (types <= 9)
    for kind in distinct(kinds[narrow]).tolist():
        _bound(Kind(kind), narrow & (kinds == kind), cells, statuses, types)
    cells[statuses >= BAD] = 0


def _bound(kind: Kind, chosen: npt.NDArray[np.bool_], cells: Cells, statuses: Statuses, types: Bytes) -> None:
    low, high = kind.bounds or (0, 0)
    numbers = cells[chosen]
    huge = (types[chosen] == WIRE_TYPE["UInt64"]) & (numbers < 0)  # 2**63 and above, seen as signed
    if kind is Kind.UInt64:
        outside = (numbers < 0) & ~huge
    else:
        outside = huge | (numbers < low) | (numbers > high)
    statuses[np.flatnonzero(chosen)[outside]] = StatusCode.BadOutOfRange


def _texts(data: bytes, at: int, layout: Layout, statuses: Statuses) -> dict[int, str]:
    found: dict[int, str] = {}
    for i in np.flatnonzero((layout.types == STRING) & (statuses < BAD)).tolist():
        begin, length = at + int(layout.value_at[i]), max(int(layout.lengths[i]), 0)
        try:
            found[i] = data[begin : begin + length].decode()
        except UnicodeDecodeError:
            statuses[i] = BAD_ENCODING
    return found


class CannotEncode(Exception):
    """A value does not fit the type it must be written as."""


def variant(kind: Kind, type_: int, cell: int, text: str | None, in_array: bool) -> bytes:
    """One value as a Variant.

    Args:
        type_: built-in type the server has there.
        in_array: as an array of one element: one element of an array is written (OPC 10000-4, 5.11.4).

    Raises:
        CannotEncode: with what was expected.
    """
    if type_ == OTHER or not _HOLDS[kind, type_]:
        raise CannotEncode(f"expected a node that can hold {kind.name}, the server has built-in type {type_} there")
    if type_ == STRING:
        data = (text or "").encode()
        value = struct.pack("<i", len(data)) + data
    else:
        number = value_of(kind, cell)
        if kind is Kind.DateTime:
            number = int(number) // 100 + EPOCH_TICKS
        elif kind.is_float and type_ < 10:
            if number != number or number != int(number):
                raise CannotEncode(f"expected a whole number, the server has an integer there; got {number!r}")
            number = int(number)
        try:
            value = struct.pack(_FORMATS[type_], number)
        except (struct.error, OverflowError) as error:
            raise CannotEncode(f"expected a value that fits built-in type {type_}, got {number!r}") from error
    if in_array:
        return bytes((type_ | 0x80,)) + struct.pack("<i", 1) + value
    return bytes((type_,)) + value
