# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py
"""The encoding of values: tags, lengths, primitive types. Source: ASHRAE 135, clause 20.2.

Law of this file: bytes in, values out. Whatever the bytes, the only error is `Garbled`; nothing grows with them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

NULL, BOOLEAN, UNSIGNED, SIGNED, REAL, DOUBLE, OCTETS, TEXT, BITS, ENUMERATED, DATE, TIME, OBJECT = range(13)
TAG_NAMES: Final = (
    "Null", "Boolean", "Unsigned", "Integer", "Real", "Double", "OctetString", "CharacterString", "BitString",
    "Enumerated", "Date", "Time", "ObjectIdentifier",
)  # fmt: skip
LENGTH_MAX: Final = 1497  # no value is longer than the longest BACnet/IP message
DEPTH_MAX: Final = 8
SHOWN_MAX: Final = 60  # characters of a value in a message
_OPENING, _CLOSING = 6, 7
_ENCODINGS: Final = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be", 5: "latin-1"}
"""Character sets. Source: clause 20.2.9; 1 (DBCS) and 2 (JIS) are not read."""

Primitive = None | bool | int | float | str | bytes


class Garbled(Exception):
    """Bytes that are no message of the standard; the text says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """One application-tagged value.

    Attributes:
        tag: NULL .. OBJECT.
        value: Null None; BitString: an integer whose bit i is the string's bit i; ObjectIdentifier: the 32 bits.
    """

    tag: int
    value: Primitive


# --- reading


def header(data: bytes, at: int) -> tuple[int, bool, int, int]:
    """The tag at `at`: number, is it context specific, its length/value/type, where its content begins.

    The third is the length of the content; of an application-tagged Boolean the value itself; -1 of an opening and -2
    of a closing tag.

    Raises:
        Garbled.
    """
    try:
        first = data[at]
        at += 1
        number, context, lvt = first >> 4, bool(first & 8), first & 7
        if number == 15:
            number = data[at]
            at += 1
        if context and lvt >= _OPENING:
            return number, context, -1 if lvt == _OPENING else -2, at
        if lvt == 5:
            lvt = data[at]
            at += 1
            if lvt == 254:
                lvt = data[at] << 8 | data[at + 1]
                at += 2
            elif lvt == 255:
                lvt = int.from_bytes(data[at : at + 4], "big")
                at += 4
    except IndexError:
        raise Garbled(f"a tag at byte {at}, the message ends there") from None
    if lvt > LENGTH_MAX:
        raise Garbled(f"a value of {lvt} bytes, expected at most {LENGTH_MAX}")
    if (context or number != BOOLEAN) and at + lvt > len(data):
        raise Garbled(f"a value of {lvt} bytes at byte {at}, the message has {len(data)}")
    return number, context, lvt, at


def skip(data: bytes, at: int) -> int:
    """Behind the element at `at`, whatever it is; a constructed one as a whole.

    Raises:
        Garbled: also one that is nested deeper than DEPTH_MAX.
    """
    depth = 0
    while True:
        number, context, length, at = header(data, at)
        if length == -1:
            depth += 1
            if depth > DEPTH_MAX:
                raise Garbled(f"elements nested deeper than {DEPTH_MAX}")
        elif length == -2:
            depth -= 1
            if depth < 0:
                raise Garbled(f"a closing tag {number} without its opening")
        elif context or number != BOOLEAN:
            at += length
        if depth == 0:
            return at


def value(data: bytes, at: int) -> tuple[Value, int]:
    """The application-tagged value at `at`, and where it ends.

    Raises:
        Garbled: no such value; a tag of clause 20.2.1.4 that is reserved.
    """
    number, context, length, at = header(data, at)
    if context or number > OBJECT:
        raise Garbled(f"expected an application-tagged value, got {'context ' if context else ''}tag {number}")
    if number == BOOLEAN:
        return Value(BOOLEAN, bool(length)), at
    return Value(number, primitive(number, data[at : at + length])), at + length


def primitive(tag: int, content: bytes) -> Primitive:
    """The content of a value of one type, but for Boolean.

    Raises:
        Garbled.
    """
    n = len(content)
    if tag in LENGTHS and n not in LENGTHS[tag]:
        raise Garbled(f"a {TAG_NAMES[tag]} of {n} bytes")
    match tag:
        case 0:
            return None
        case 2 | 9 | 12:
            return int.from_bytes(content, "big")
        case 3:
            return int.from_bytes(content, "big", signed=True)
        case 4:
            (real,) = struct.unpack(">f", content)
            return float(real)
        case 5:
            (real,) = struct.unpack(">d", content)
            return float(real)
        case 7:
            return text(content)
        case 8:
            return bits(content)
        case _:
            return content


LENGTHS: Final[dict[int, range]] = {
    NULL: range(1), UNSIGNED: range(1, 9), SIGNED: range(1, 9), REAL: range(4, 5), DOUBLE: range(8, 9),
    TEXT: range(1, LENGTH_MAX + 1), BITS: range(1, LENGTH_MAX + 1), ENUMERATED: range(1, 5), DATE: range(4, 5),
    TIME: range(4, 5), OBJECT: range(4, 5),
}  # fmt: skip


def text(content: bytes) -> str:
    """A CharacterString's content: the character set and the characters. Source: clause 20.2.9.

    Raises:
        Garbled: an unknown set, or bytes that are none of it.
    """
    encoding = _ENCODINGS.get(content[0]) if content else None
    if encoding is None:
        raise Garbled(f"text in character set {content[:1].hex()}, expected 0, 3, 4 or 5")
    try:
        return content[1:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Garbled(f"text that is no {encoding}: {error.reason}") from None


def bits(content: bytes) -> int:
    """A BitString's content as an integer: bit i of the string is bit i of it. Source: clause 20.2.10.

    Raises:
        Garbled.
    """
    unused, n = content[0], 8 * (len(content) - 1)
    if unused > 7 or unused > n:
        raise Garbled(f"a BitString of {n} bits, {unused} of them unused")
    found = int.from_bytes(content[1:], "big") >> unused
    return int(f"{found:0{n - unused}b}"[::-1], 2) if n > unused else 0


# --- writing


def tag(number: int, context: bool, length: int) -> bytes:
    """A tag and its length."""
    first = (min(number, 15) << 4) | (8 if context else 0)
    extended = bytes((number,)) if number >= 15 else b""
    if length <= 4:
        return bytes((first | length,)) + extended
    if length <= 253:
        return bytes((first | 5,)) + extended + bytes((length,))
    return bytes((first | 5,)) + extended + b"\xfe" + length.to_bytes(2, "big")


def minimal(number: int) -> bytes:
    """An unsigned number in the fewest bytes. Source: clause 20.2.4."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def minimal_signed(number: int) -> bytes:
    """A signed number in the fewest bytes. Source: clause 20.2.5."""
    n = 1
    while not -(1 << (8 * n - 1)) <= number < 1 << (8 * n - 1):
        n += 1
    return number.to_bytes(n, "big", signed=True)


def context(number: int, content: bytes) -> bytes:
    """A context-tagged primitive."""
    return tag(number, True, len(content)) + content


def opening(number: int) -> bytes:
    """The opening tag of a constructed element, number 0..14."""
    return bytes((number << 4 | 8 | _OPENING,))


def closing(number: int) -> bytes:
    """The closing tag, number 0..14."""
    return bytes((number << 4 | 8 | _CLOSING,))


def encode(tag_: int, value_: Primitive) -> bytes:
    """An application-tagged value; text as UTF-8, a number as a BitString of 4 bits (status flags), or its content.

    Raises:
        ValueError: it is no value of this type.
    """
    if tag_ == BOOLEAN:
        return bytes((0x10 | bool(value_),))
    try:
        content = _content(tag_, value_)
        return tag(tag_, False, len(content)) + content
    except (struct.error, OverflowError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a value that is a {TAG_NAMES[tag_]}, got {_short(value_)}: {error}") from None


def _short(value_: Primitive) -> str:
    text_ = repr(value_)
    return text_ if len(text_) <= SHOWN_MAX else f"{text_[:SHOWN_MAX]}..."


def _content(tag_: int, value_: Primitive) -> bytes:
    match tag_:
        case 0:
            return b""
        case 2 | 9:
            return minimal(int(value_))  # type: ignore[arg-type]
        case 3:
            return minimal_signed(int(value_))  # type: ignore[arg-type]
        case 4:
            return struct.pack(">f", value_)
        case 5:
            return struct.pack(">d", value_)
        case 7:
            return b"\x00" + value_.encode()  # type: ignore[union-attr]
        case 8:
            return value_ if isinstance(value_, bytes) else bit_content(int(value_), 4)  # type: ignore[arg-type]
        case 12:
            return int(value_).to_bytes(4, "big")  # type: ignore[arg-type]
        case _:
            return bytes(value_)  # type: ignore[arg-type]


def bit_content(number: int, n: int) -> bytes:
    """A BitString's content of `n` bits, bit i of the integer being bit i of the string."""
    size = (n + 7) // 8
    shown = "".join(str(number >> i & 1) for i in range(n)).ljust(8 * size, "0")
    return bytes((8 * size - n,)) + (int(shown, 2).to_bytes(size, "big") if size else b"")


def object_id(type_: int, instance: int) -> bytes:
    """An object identifier: type of 10 bits, instance of 22. Source: clause 20.2.14."""
    return (type_ << 22 | instance).to_bytes(4, "big")
