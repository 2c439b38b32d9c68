# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_decode.py, tests/property/test_opcua_decode.py
"""Where the parts of many DataValues lie in an answer.

Law of this file: bytes and offsets; no protocol library, no I/O. Hostile bytes give `Garbled`, never a wrong offset,
never more memory than the bytes themselves.

Theory. DataValues have no fixed width: a mask says which fields follow, the value says its type. But a server asked the
same question gives an answer of the same *shape* nearly always. So the bytes are walked once, in Python; what is kept
is where each value, status and time lies, and which bytes made it so (masks, types, lengths: the *guards*). The next
answer has the same shape exactly if it has the same guards: one comparison in numpy. A list whose records are all alike
(10,000 floats that changed) is not even walked once.

Source of the encoding: OPC 10000-6, 5.2.2.9 (NodeId), 5.2.2.16 (Variant), 5.2.2.17 (DataValue).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

OTHER: Final = 255  # a value of a shape that no tag has: an array where a scalar was expected, a structure
WIDTHS: Final = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}
STRING: Final = 12
DEPTH_MAX: Final = 8

VALUE, STATUS, SOURCE, SERVER, SOURCE_PS, SERVER_PS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_INT: Final = struct.Struct("<i")
_TAIL: Final = [
    sum(width for bit, width in ((STATUS, 4), (SOURCE, 8), (SOURCE_PS, 2), (SERVER, 8), (SERVER_PS, 2)) if mask & bit)
    for mask in range(64)
]


class Garbled(Exception):
    """These bytes are no list of DataValues; the text says where they cease to be one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets from the first byte of the list; all arrays (n,) but the guards.

    Attributes:
        mask_at: first byte of each DataValue; what stands before it belongs to no DataValue.
        masks: which fields each record has.
        types: built-in type of each value; 0: none, OTHER: none that a tag can have.
        value_at: first byte of the value (of the wanted element of an array; of a text, behind its length).
        lengths: bytes of a text; -1: a null text.
        tail_at: where status and times begin.
        size: bytes of the whole list.
        guard_at, guards: offsets and values of all bytes that make the shape, (m,).
    """

    mask_at: Offsets
    masks: Bytes
    types: Bytes
    value_at: Offsets
    lengths: Offsets
    tail_at: Offsets
    size: int
    guard_at: Offsets
    guards: Bytes

    def fits(self, data: bytes, at: int) -> bool:
        """True if the bytes from `at` on have the same shape."""
        if len(data) - at < self.size:
            return False
        return bool((np.frombuffer(data, np.uint8, self.size, at)[self.guard_at] == self.guards).all())


def alike(data: bytes, at: int, n: int, head: int) -> Layout | None:
    """The layout of n records that all have the shape of the first, a scalar of fixed width; None: they have not.

    Args:
        head: bytes before each record that belong to no DataValue (4: the handle of a notification).
    """
    try:
        mask, type_ = data[at + head], data[at + head + 1]
    except IndexError:
        return None
    if mask >= 64 or not mask & VALUE or (width := WIDTHS.get(type_, 0)) == 0 or type_ > 13:
        return None
    size = head + 2 + width + _TAIL[mask]
    if len(data) - at < n * size:
        return None
    records = np.frombuffer(data, np.uint8, n * size, at).reshape(n, size)
    if not ((records[:, head] == mask).all() and (records[:, head + 1] == type_).all()):
        return None
    starts = np.arange(n, dtype=np.int64) * size + head
    guard_at = np.concatenate((starts, starts + 1))
    guards = np.repeat(np.array([mask, type_], np.uint8), n)
    return Layout(
        mask_at=starts,
        masks=np.full(n, mask, np.uint8),
        types=np.full(n, type_, np.uint8),
        value_at=starts + 2,
        lengths=np.zeros(n, np.int64),
        tail_at=starts + 2 + width,
        size=n * size,
        guard_at=guard_at,
        guards=guards,
    )


def walk(data: bytes, at: int, n: int, head: int, indexes: Offsets) -> Layout:
    """The layout of any n records.

    Args:
        indexes: wanted element of an array for each record, -1: a scalar; with a head: by handle.

    Raises:
        Garbled: they are none, or end too early.
    """
    if n > (len(data) - at) // (head + 1):
        raise Garbled(f"{n} values in {len(data) - at} bytes")
    walker = _Walker(data, at, head, indexes.tolist())
    try:
        for i in range(n):
            walker.record(i)
    except (IndexError, struct.error, RecursionError) as error:
        raise Garbled(f"ends within value {len(walker.masks)} of {n}") from error
    return walker.layout()


class _Walker:
    """One walk over one list."""

    def __init__(self, data: bytes, at: int, head: int, indexes: list[int]) -> None:
        self.data, self.begin, self.at, self.head, self.indexes = data, at, at, head, indexes
        self.mask_at: list[int] = []
        self.masks: list[int] = []
        self.types: list[int] = []
        self.values: list[int] = []
        self.lengths: list[int] = []
        self.tails: list[int] = []
        self.guards: list[int] = []

    def record(self, i: int) -> None:
        data, at = self.data, self.at
        if self.head:
            i = int.from_bytes(data[at : at + 4], "little")
            at += 4
        if i >= len(self.indexes):
            raise Garbled(f"a notification of handle {i}, expected at most {len(self.indexes) - 1}")
        mask = data[at]
        if mask >= 64:
            raise Garbled(f"a DataValue with mask {mask:#x}")
        self.guards.append(at)
        self.mask_at.append(at)
        self.at = at + 1
        type_, value, length = (self.variant(self.indexes[i])) if mask & VALUE else (0, at, 0)
        self.masks.append(mask)
        self.types.append(type_)
        self.values.append(value)
        self.lengths.append(length)
        self.tails.append(self.at)
        self.at += _TAIL[mask]
        if self.at > len(data):
            raise IndexError(self.at)

    def variant(self, index: int) -> tuple[int, int, int]:
        """Step over a Variant; type, offset and (text) length of the value that is meant."""
        encoding = self.data[self.at]
        self.guards.append(self.at)
        self.at += 1
        type_ = encoding & 0x3F
        if encoding & 0x80:
            return self.array(type_, bool(encoding & 0x40), index)
        value, length = self.at, 0
        if type_ == STRING:
            length = self.count()
            value = self.at
            self.at += max(length, 0)
        else:
            self.at = skip(self.data, self.at, type_)
        return (type_ if index < 0 and type_ <= 13 else OTHER), value, length

    def array(self, type_: int, has_shape: bool, index: int) -> tuple[int, int, int]:
        n = self.count()
        element = 0 if n == 1 else index
        found = (OTHER, self.at, 0)
        width = WIDTHS.get(type_)
        if width is not None:
            if 0 <= element < n and type_ <= 13 and index >= 0:
                found = (type_, self.at + element * width, 0)
            self.at += max(n, 0) * width
        else:
            if n > len(self.data) - self.at:
                raise Garbled(f"an array of {n} in {len(self.data) - self.at} bytes")
            for i in range(n):
                if type_ == STRING:
                    length = self.count()
                    if i == element and index >= 0:
                        found = (STRING, self.at, length)
                    self.at += max(length, 0)
                else:
                    self.at = skip(self.data, self.at, type_)
        if has_shape:
            self.at += max(self.count(), 0) * 4
        return found

    def count(self) -> int:
        """An Int32 that shapes what follows."""
        (n,) = _INT.unpack_from(self.data, self.at)
        self.guards += range(self.at, self.at + 4)
        self.at += 4
        return int(n)

    def layout(self) -> Layout:
        begin = self.begin
        guard_at = np.array(self.guards, np.int64)
        return Layout(
            mask_at=np.array(self.mask_at, np.int64) - begin,
            masks=np.array(self.masks, np.uint8),
            types=np.array(self.types, np.uint8),
            value_at=np.array(self.values, np.int64) - begin,
            lengths=np.array(self.lengths, np.int64),
            tail_at=np.array(self.tails, np.int64) - begin,
            size=self.at - begin,
            guard_at=guard_at - begin,
            guards=np.frombuffer(self.data, np.uint8)[guard_at],
        )


def skip(data: bytes, at: int, type_: int, depth: int = 0) -> int:
    """The first byte behind a value of a built-in type that begins at `at`."""
    if depth > DEPTH_MAX:
        raise Garbled(f"a value nested deeper than {DEPTH_MAX}")
    if (width := WIDTHS.get(type_)) is not None:
        at += width
    elif type_ in (STRING, 15, 16):
        at = _skip_text(data, at)
    elif type_ in (17, 18):
        at = skip_node_id(data, at)
    elif type_ == 20:
        at = _skip_text(data, at + 2)
    elif type_ == 21:
        at = _skip_localized(data, at)
    elif type_ == 22:
        at = skip_node_id(data, at)
        at = _skip_text(data, at + 1) if data[at] else at + 1
    elif type_ == 23:
        mask, at = data[at], at + 1
        at = (_skip_variant(data, at, depth + 1) if mask & VALUE else at) + _TAIL[mask & 0x3F]
    elif type_ == 24:
        at = _skip_variant(data, at, depth + 1)
    else:
        raise Garbled(f"a value of type {type_}")
    if at > len(data):
        raise IndexError(at)
    return at


def _skip_variant(data: bytes, at: int, depth: int) -> int:
    encoding, at = data[at], at + 1
    type_ = encoding & 0x3F
    if not encoding & 0x80:
        return skip(data, at, type_, depth)
    (n,) = _INT.unpack_from(data, at)
    at += 4
    if (width := WIDTHS.get(type_)) is not None:
        at += max(n, 0) * width
    else:
        if n > len(data) - at:
            raise Garbled(f"an array of {n} in {len(data) - at} bytes")
        for _ in range(n):
            at = skip(data, at, type_, depth)
    if encoding & 0x40:
        at += 4 + 4 * max(_INT.unpack_from(data, at)[0], 0)
    return at


def _skip_text(data: bytes, at: int) -> int:
    return int(at + 4 + max(_INT.unpack_from(data, at)[0], 0))


def _skip_localized(data: bytes, at: int) -> int:
    mask, at = data[at], at + 1
    for bit in (1, 2):
        if mask & bit:
            at = _skip_text(data, at)
    return at


def skip_node_id(data: bytes, at: int) -> int:
    """The first byte behind a NodeId or ExpandedNodeId."""
    kind: Any = data[at] & 0x0F
    flags = data[at]
    fixed = {0: 2, 1: 4, 2: 7, 4: 19}.get(kind)
    if fixed is not None:
        at += fixed
    elif kind in (3, 5):
        at = _skip_text(data, at + 3)
    else:
        raise Garbled(f"a NodeId of encoding {kind}")
    if flags & 0x80:
        at = _skip_text(data, at)
    return at + 4 if flags & 0x40 else at
