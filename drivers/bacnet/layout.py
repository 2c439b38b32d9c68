# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py, tests/bench/bench_bacnet.py
"""Where the values stand in an answer: found once by walking, proved by one comparison from then on.

Law of this file: the hot path; no Python object per property. Any bytes give `Garbled` or a layout, nothing else.

Theory of operation. A device answers the same question with the same skeleton (tags, object and property numbers,
lengths); only the contents of the values change. The first answer is *walked*: each step must find the object and
property that was asked for. The walk leaves a mask of the bytes that may change. The next answer of the same length
whose other bytes are equal has the same layout, so its values are gathered by columns; if not, it is walked again.

    0C 00000003 1E 29 55 4E 44 ........ 4F 29 6F 4E 82 04 .. 4F 1F     analog-input 3: present-value, status-flags
       object         85      real          111    bits
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from drivers.bacnet import tags
from drivers.bacnet.tags import BOOLEAN, Garbled

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

ERROR: Final = 255
"""In the place of a tag: the device answers an error for this property."""
COMPLEX: Final = 254
"""In the place of a tag: not one primitive value (an array, a list, a construction)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One property of an answer.

    Attributes:
        before: the bytes that must stand before its value: object and property.
        after: those behind it: the end of the object.
        number: of the tag around the value: 4 (ReadPropertyMultiple), 3 (ReadProperty).
    """

    before: bytes
    after: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Of one answer, from the byte on at which it began.

    Attributes:
        tag: application tag of each property's value, ERROR or COMPLEX, (n,).
        at: where its content begins (of a Boolean: the tag itself), (n,).
        length: of its content [bytes], (n,).
        code: error class << 16 | error code, of errors, (n,).
    """

    skeleton: Bytes
    mask: Bytes
    tag: Bytes
    at: Places
    length: Places
    code: Places

    def fits(self, raw: Bytes) -> bool:
        """True if an answer has this layout."""
        return len(raw) == len(self.mask) and bool(((raw & self.mask) == self.skeleton).all())


def walk(data: bytes, pieces: Sequence[Piece]) -> Layout:
    """The layout of an answer to a question for `pieces`.

    Args:
        data: the answer's parameters, nothing before and nothing behind.

    Raises:
        Garbled: it does not answer this question.
    """
    n = len(pieces)
    tag, code = np.zeros(n, np.uint8), np.zeros(n, np.int64)
    at, length = np.zeros(n, np.int64), np.zeros(n, np.int64)
    mask = np.full(len(data), 0xFF, np.uint8)
    where = 0
    for i, piece in enumerate(pieces):
        if not data.startswith(piece.before, where):
            raise Garbled(f"property {i}: expected {piece.before.hex(' ')}, got {data[where : where + 8].hex(' ')}")
        where += len(piece.before)
        number, is_context, kind, inside = tags.header(data, where)
        if not is_context or kind != -1 or number not in (piece.number, 5):
            raise Garbled(f"property {i}: expected a value or an error, got {data[where : where + 2].hex(' ')}")
        if number == piece.number:
            tag[i], at[i], length[i], where = _value(data, inside, number)
            if tag[i] != COMPLEX:
                mask[at[i] : at[i] + length[i]] = 0xFE if tag[i] == BOOLEAN else 0
        else:
            tag[i] = ERROR
            code[i], where = _error(data, inside)
        if not data.startswith(piece.after, where):
            raise Garbled(f"property {i}: expected the end of the object, got {data[where : where + 4].hex(' ')}")
        where += len(piece.after)
    if where != len(data):
        raise Garbled(f"{len(data) - where} bytes behind the last property")
    raw = np.frombuffer(data, np.uint8)
    return Layout(raw & mask, mask, tag, at, length, code)


def _value(data: bytes, at: int, number: int) -> tuple[int, int, int, int]:
    """Tag, content, its length, and what follows the closing tag."""
    found, is_context, length, content = tags.header(data, at)
    close = tags.closing(number)
    if not is_context and found <= tags.OBJECT:
        if found == BOOLEAN:
            if data.startswith(close, content) and length <= 1:
                return BOOLEAN, at, 1, content + 1
        elif data.startswith(close, content + length) and length <= 0xFFFF:
            if length not in tags.LENGTHS.get(found, range(tags.LENGTH_MAX + 1)):
                raise Garbled(f"a {tags.TAG_NAMES[found]} of {length} bytes")
            return found, content, length, content + length + 1
    where = at
    while not data.startswith(close, where):
        where = tags.skip(data, where)
    return COMPLEX, at, where - at, where + 1


def _error(data: bytes, at: int) -> tuple[int, int]:
    """Class and code of a property's error, and what follows it. Source: clause 21, Error."""
    class_, at = tags.value(data, at)
    code, at = tags.value(data, at)
    if class_.tag != tags.ENUMERATED or code.tag != tags.ENUMERATED or not data.startswith(b"\x5f", at):
        raise Garbled("an error without class and code")
    return packed(class_.value, code.value), at + 1


def packed(class_: tags.Primitive, code: tags.Primitive) -> int:
    """Class and code of an error as one number."""
    return min(int(class_ or 0), 0xFFFF) << 16 | min(int(code or 0), 0xFFFF)
