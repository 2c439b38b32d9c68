# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_address.py
"""Where a value lies in a Modbus device and how it is coded, as an engineer writes it.

Law of this file: shapes and ranges only; imports nothing but `config`. No bytes, no sockets, no planning.

Addresses are those of the wire, counted from 0 (a manual's "40001" is holding 0). Bits of a register are counted from
the least significant, 0..15. `order` names the bytes of a value as they lie on the wire, A being the most significant
of a 32-bit value; for 64 bits the same rule goes on over four registers:

    ABCD  big-endian throughout (the standard)        CDAB  registers in reverse, bytes in a register straight
    BADC  registers straight, bytes swapped           DCBA  little-endian throughout
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from config.model import Model
from config.words import Access, Kind

Table = Literal["coil", "discrete_input", "holding", "input"]
WireType = Literal[
    "bit",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
    "unix32",
    "unix64",
    "unix64_ms",
    "string",
]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

BIT_TABLES: Final = ("coil", "discrete_input")
READ_ONLY_TABLES: Final = ("discrete_input", "input")

# Source: Modbus Application Protocol V1.1b3, 6.1 to 6.4 (quantities), 6.11 and 6.12 (123 registers in a write).
REGISTERS_MAX: Final = 125
BITS_MAX: Final = 2000
WRITE_REGISTERS_MAX: Final = 123

_WIDTHS: Final[dict[str, int]] = {
    "bit": 1,
    "int16": 1,
    "uint16": 1,
    "bcd16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "bcd32": 2,
    "unix32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
    "unix64": 4,
    "unix64_ms": 4,
}
_BOUNDS: Final[dict[str, tuple[int, int]]] = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
    "bcd16": (0, 9_999),
    "bcd32": (0, 99_999_999),
}
_FLOATS: Final = ("float32", "float64")
_TIMES: Final = ("unix32", "unix64", "unix64_ms")
_SMALL_KINDS: Final = (Kind.SByte, Kind.Byte, Kind.Enumeration)


class ModbusPoint(Model):
    """Where a value lies in a device, and how.

    Attributes:
        type: how it is coded; `bit` in a register needs `bit`. unix32/unix64: seconds, unix64_ms: milliseconds since
            1970, both UTC. bcd: four or eight decimal digits.
        length: registers of a string (two bytes each), ended by a zero byte or the last register.
        write_table, write_address: where it is written, if elsewhere than where it is read back.
        owns_register: nobody else writes the other bits of this register, so that a bit may be written by reading the
            register and writing it whole. Without it a bit is written with FC22, which the device does in one step.
    """

    table: Table
    address: int = Field(ge=0, le=65535)
    type: WireType = "uint16"
    order: Order = "ABCD"
    bit: int | None = Field(default=None, ge=0, le=15)
    length: int | None = Field(default=None, ge=1, le=REGISTERS_MAX)
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    write_table: Literal["coil", "holding"] | None = None
    write_address: int | None = Field(default=None, ge=0, le=65535)
    owns_register: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bits_are_bits(cls, data: object) -> object:
        """A coil is a bit; nobody should have to say so."""
        if isinstance(data, dict) and data.get("table") in BIT_TABLES and "type" not in data:
            return {**data, "type": "bit"}
        return data

    @property
    def width(self) -> int:
        """Registers (in a bit table: bits) it takes."""
        return self.length or 1 if self.type == "string" else _WIDTHS[self.type]

    @property
    def last(self) -> int:
        """Last address it takes."""
        return self.address + self.width - 1

    @property
    def extent(self) -> tuple[str, int, int]:
        """(space, first, last) of what it takes; two points that overlap in one space are the same place twice.

        Bits of a register are a space of their own: a status word may be read whole and by its bits.
        """
        if self.bit is None:
            return self.table, self.address, self.last
        number = self.address * 16 + self.bit
        return f"{self.table} bits", number, number

    @property
    def put_table(self) -> Table:
        """Table it is written to."""
        return self.write_table or self.table

    @property
    def put_address(self) -> int:
        """Address it is written to."""
        return self.address if self.write_address is None else self.write_address

    def __str__(self) -> str:
        bit = "" if self.bit is None else f".{self.bit}"
        end = "" if self.width == 1 else f"..{self.last}"
        return f"{self.table} {self.address}{bit}{end} ({self.type})"


def wire_bounds(type_: str) -> tuple[int, int] | None:
    """Smallest and largest integer an integer type can carry; None for the others."""
    return _BOUNDS.get(type_)


def needs_range_check(kind: Kind, type_: str) -> bool:
    """True if the wire can say an integer that `kind` cannot hold."""
    wire, cell = _BOUNDS.get(type_), kind.bounds
    return wire is not None and cell is not None and not (cell[0] <= wire[0] and wire[1] <= cell[1])


def check(kind: Kind, access: Access, address: ModbusPoint) -> list[str]:
    """What does not fit together, one sentence each; empty if all is well."""
    return [*_check_shape(address), *_check_kind(kind, address), *_check_write(access, address)]


def _check_shape(address: ModbusPoint) -> list[str]:
    found = []
    in_bits = address.table in BIT_TABLES
    if in_bits and address.type != "bit":
        found.append(f"expected type bit in table {address.table}, got {address.type}")
    if in_bits and address.bit is not None:
        found.append(f"expected no bit number in table {address.table}: each address is one bit")
    if not in_bits and address.type == "bit" and address.bit is None:
        found.append(f"expected a bit number 0..15 for a bit in table {address.table}")
    if address.type != "bit" and address.bit is not None:
        found.append(f"expected no bit number for type {address.type}; a single bit has type bit")
    if (address.type == "string") != (address.length is not None):
        found.append(
            "expected a length (registers) for type string"
            if address.type == "string"
            else f"expected no length for type {address.type}"
        )
    if address.last > 65535:
        found.append(f"expected the last register of {address.type} to be <= 65535, got {address.last}")
    if address.order in ("CDAB", "DCBA") and address.type != "bit" and (address.width == 1 or address.type == "string"):
        found.append(f"expected order ABCD or BADC (bytes swapped) for this {address.type}, got {address.order}")
    if address.type == "bit" and address.order != "ABCD":
        found.append("expected no order for a bit; count the bit number in the register as it is on the wire")
    return found


def _check_kind(kind: Kind, address: ModbusPoint) -> list[str]:
    type_ = address.type
    if kind is Kind.Boolean or type_ == "bit":
        fits = kind is Kind.Boolean and type_ == "bit"
    elif kind is Kind.String or type_ == "string":
        fits = kind is Kind.String and type_ == "string"
    elif kind is Kind.DateTime or type_ in _TIMES:
        fits = kind is Kind.DateTime and type_ in _TIMES
    elif type_ in _FLOATS:
        fits = kind is Kind.Double or (kind is Kind.Float and type_ == "float32")
    elif kind.is_float:
        fits = True
    else:
        fits = not needs_range_check(kind, type_) or (kind in _SMALL_KINDS and _WIDTHS[type_] == 1)
    return [] if fits else [f"expected a type that fits into {kind.name}, got {type_}"]


def _check_write(access: Access, address: ModbusPoint) -> list[str]:
    elsewhere = address.write_table is not None or address.write_address is not None
    if not access.writable:
        return ["expected no write_table, write_address or owns_register: access is r"] * (
            elsewhere or address.owns_register
        )
    found = []
    table = address.put_table
    if table in READ_ONLY_TABLES:
        found.append(f"expected a table that can be written (coil, holding), got {table}")
    elif (table == "coil") != (address.table in BIT_TABLES):
        found.append(f"expected write_table to hold the same sort of value as {address.table}, got {table}")
    if (last := address.put_address + address.width - 1) > 65535:
        found.append(f"expected the last written register to be <= 65535, got {last}")
    if address.width > WRITE_REGISTERS_MAX:
        found.append(f"expected at most {WRITE_REGISTERS_MAX} registers in one write, got {address.width}")
    if address.owns_register and (address.type != "bit" or table != "holding"):
        found.append("expected owns_register only for a bit in a holding register")
    return found
