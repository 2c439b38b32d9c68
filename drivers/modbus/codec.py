# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_modbus_codec.py
"""One value to its registers and back, for writes, the simulator and people. Whole blocks: `decode`.

Law of this file: pure; one value at a time; every width and order of `address`. Registers are bytes as they lie on
the wire, two each. A value that the wire type cannot carry is an error before a byte leaves, never a wrapped number.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from config.words import NS_PER_S, Kind, value_of
from drivers.modbus.place import ModbusPoint, wire_bounds

_FORMATS: Final[dict[str, str]] = {
    "int16": ">h",
    "uint16": ">H",
    "bcd16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "bcd32": ">I",
    "unix32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "unix64": ">Q",
    "unix64_ms": ">Q",
    "float32": ">f",
    "float64": ">d",
}
_NS_PER_UNIT: Final = {"unix32": NS_PER_S, "unix64": NS_PER_S, "unix64_ms": 1_000_000}
INT64_MAX: Final = 2**63 - 1


class CannotEncode(ValueError):
    """The value does not fit its wire type; the text says what was expected."""


class CannotDecode(ValueError):
    """The bytes are no value of their wire type."""


def reorder(data: bytes, order: str) -> bytes:
    """Bytes between big-endian and `order`; its own inverse.

    Args:
        data: whole registers, 2 x n bytes.
        order: ABCD, CDAB (registers in reverse), BADC (bytes swapped in each register) or DCBA (both).
    """
    if order == "ABCD":
        return data
    if order == "DCBA":
        return data[::-1]
    pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order == "CDAB":
        return b"".join(reversed(pairs))
    return b"".join(pair[::-1] for pair in pairs)


def encode(address: ModbusPoint, value: bool | int | float | str) -> bytes:
    """A value as the registers of its wire type, 2 x width bytes. Not for bits.

    Args:
        address: where and how; its type decides.
        value: raw value; a float is rounded to the nearest integer for integer types; unix types take UTC ns.

    Raises:
        CannotEncode: outside the bounds of the type, not finite for an integer type, or a text that is too long.
    """
    type_ = address.type
    if type_ == "string":
        return reorder(_encode_text(address, str(value)), address.order)
    if isinstance(value, str):
        raise CannotEncode(f"expected a number for {type_}, got a text")
    if type_ in ("float32", "float64"):
        return reorder(_encode_float(type_, float(value)), address.order)
    if not math.isfinite(value):
        raise CannotEncode(f"expected a number for {type_}, got {value}")
    number = round(value)
    if type_ in _NS_PER_UNIT:
        number = _whole_units(type_, number)
    low, high = wire_bounds(type_) or (0, 2**32 - 1 if type_ == "unix32" else INT64_MAX)
    if not low <= number <= high:
        raise CannotEncode(f"expected {low}..{high} for {type_}, got {number}")
    if type_ in ("bcd16", "bcd32"):
        number = int(str(number), 16)
    return reorder(struct.pack(_FORMATS[type_], number), address.order)


def decode(address: ModbusPoint, data: bytes) -> int | float | str:
    """Registers of one value back to the value; unix types give UTC ns. Not for bits.

    Raises:
        CannotDecode: a BCD digit above 9, a time beyond int64 nanoseconds, bytes that are no text.
    """
    type_ = address.type
    data = reorder(data, address.order)
    if type_ == "string":
        return decode_text(address, data)
    number = struct.unpack(_FORMATS[type_], data)[0]
    if type_ in ("bcd16", "bcd32"):
        digits = f"{number:x}"
        if not digits.isdecimal():
            raise CannotDecode(f"expected digits 0..9 in {type_}, got 0x{digits}")
        return int(digits)
    if type_ in _NS_PER_UNIT:
        ns: int = number * _NS_PER_UNIT[type_]
        if ns > INT64_MAX:
            raise CannotDecode(f"expected a time before the year 2262, got {number} in {type_}")
        return ns
    return number  # type: ignore[no-any-return]


def decode_text(address: ModbusPoint, data: bytes) -> str:
    """Text up to the first zero byte, in the point's encoding; `data` in straight order."""
    try:
        return data.split(b"\0", 1)[0].decode(address.encoding)
    except UnicodeDecodeError as error:
        raise CannotDecode(f"expected {address.encoding} text, got {data!r}") from error


def encode_cell(address: ModbusPoint, kind: Kind, cell: int, text: str | None) -> bytes:
    """A cell of `kind` as registers.

    Raises:
        CannotEncode: as `encode`, or a String without text.
    """
    if kind is not Kind.String:
        return encode(address, value_of(kind, cell))
    if text is None:
        raise CannotEncode("expected a text")
    return encode(address, text)


def _encode_text(address: ModbusPoint, text: str) -> bytes:
    room = address.width * 2
    try:
        data = text.encode(address.encoding)
    except UnicodeEncodeError as error:
        raise CannotEncode(f"expected a text that {address.encoding} can say, got {text!r}") from error
    if "\0" in text:
        raise CannotEncode("expected a text without zero characters: the device ends it there")
    if len(data) > room:
        raise CannotEncode(f"expected at most {room} bytes of {address.encoding}, got {len(data)}")
    return data.ljust(room, b"\0")


def _encode_float(type_: str, value: float) -> bytes:
    try:
        return struct.pack(_FORMATS[type_], value)
    except OverflowError as error:
        raise CannotEncode(f"expected a number within float32 (3.4e38), got {value}") from error


def _whole_units(type_: str, ns: int) -> int:
    units, rest = divmod(ns, _NS_PER_UNIT[type_])
    if rest:
        raise CannotEncode(f"expected a time in whole {'ms' if type_ == 'unix64_ms' else 's'} for {type_}")
    return units
