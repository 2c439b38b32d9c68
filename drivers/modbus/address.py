# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_address.py
"""Modbus as an engineer writes it: where a device is, where a value lies in it and how it is coded.

Law of this file: shapes and ranges only; imports nothing but `config`. No bytes, no sockets, no planning.

Addresses are those of the wire, counted from 0 (a manual's "40001" is holding 0). Bits of a register are counted from
the least significant, 0..15. `order` names the bytes of a value as they lie on the wire, A being the most significant
of a 32-bit value; for 64 bits the same rule goes on over four registers:

    ABCD  big-endian throughout (the standard)        CDAB  registers in reverse, bytes in a register straight
    BADC  registers straight, bytes swapped           DCBA  little-endian throughout
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from config.model import Duration, Model
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


class AddressRange(Model):
    """Addresses first..last of one table."""

    table: Table
    first: int = Field(ge=0, le=65535)
    last: int = Field(ge=0, le=65535)

    @model_validator(mode="after")
    def _order(self) -> AddressRange:
        if self.last < self.first:
            raise ValueError(f"expected first <= last, got {self.first}..{self.last}")
        return self


class ModbusDevice(Model):
    """One Modbus server, or one unit behind a gateway or on a serial line.

    Devices with the same way (`link`) share one connection; the settings of the connection (`window`, the timeouts, the
    line) are those of the first of them.

    Attributes:
        transport: tcp: Modbus/TCP. rtu_tcp: RTU frames through a TCP connection, as device servers offer it. serial:
            RTU on a serial port of this machine.
        host, port: of tcp and rtu_tcp.
        serial_port: path of the port: '/dev/serial/by-id/...'. RTU has eight data bits always.
        baud_rate, parity, stop_bits: of serial. Source of the defaults: Modbus over Serial Line V1.02, 2.5.1 and 3.2.
        turnaround: silence kept on an RTU line before the next question; by default 3.5 characters on serial (at least
            1.75 ms), none on rtu_tcp. Longer for devices that are slow to listen again.
        unit_id: 0..255; 1 for most devices that are their own server, the serial address behind a gateway. On an RTU
            line 1..255: 0 is for all and is never answered.
        registers_max: registers in one read, for devices that refuse 125.
        bits_max: coils or discrete inputs in one read.
        gap_max: registers (bits: 16 times as many) that may be read in vain to save a request.
        forbidden: addresses never read, not even within a block; for maps with holes or reads that have effects.
        window: requests in flight on the connection, 1..16. Many gateways take one only, RTU has one. Source: Modbus
            Messaging on TCP/IP Implementation Guide V1.0b, 4.4.1.2 (NumberMaxOfServerTransaction).
        write_multiple: write with FC15/16 also where one value is meant, for devices without FC5/6.
        connect_timeout: longest wait for the connection [s].
        user_timeout: how long sent bytes may stay unacknowledged before the system drops the connection [s].
        keepalive: silence after which the system probes the connection [s].
        serial, serial_at: the serial number it must have, and the registers that hold it (an integer or a text).
        vendor_name, product_code, application_name: what it must answer to Read Device Identification (43/14, objects
            0, 1 and 6); on transport tcp only. Empty: not compared.
        identity_required: a device that does not say who it is counts as another one.
    """

    transport: Literal["tcp", "rtu_tcp", "serial"] = "tcp"
    host: str = Field(default="", min_length=1, max_length=253)
    port: int = Field(default=502, ge=1, le=65535)
    serial_port: str = Field(default="", min_length=1, max_length=253)
    baud_rate: int = Field(default=19200, ge=300, le=1_000_000)
    parity: Literal["none", "even", "odd"] = "even"
    stop_bits: Literal[1, 2] = 1
    turnaround: Duration | None = Field(default=None, ge=0, le=1)
    unit_id: int = Field(default=1, ge=0, le=255)
    registers_max: int = Field(default=REGISTERS_MAX, ge=4, le=REGISTERS_MAX)
    bits_max: int = Field(default=BITS_MAX, ge=1, le=BITS_MAX)
    gap_max: int = Field(default=16, ge=0, le=REGISTERS_MAX)
    forbidden: list[AddressRange] = Field(default_factory=list)
    window: int = Field(default=1, ge=1, le=16)
    write_multiple: bool = False
    connect_timeout: Duration = Field(default=3.0, ge=0.1, le=60)
    user_timeout: Duration = Field(default=5.0, ge=0.5, le=60)
    keepalive: Duration = Field(default=30.0, ge=1, le=7200)
    serial: str = Field(default="", max_length=100)
    serial_at: ModbusPoint | None = None
    vendor_name: str = Field(default="", max_length=240)
    product_code: str = Field(default="", max_length=240)
    application_name: str = Field(default="", max_length=240)
    identity_required: bool = False

    @field_validator("serial_at")
    @classmethod
    def _is_a_number_or_a_text(cls, at: ModbusPoint | None) -> ModbusPoint | None:
        if at is not None and (at.table in BIT_TABLES or (at.type != "string" and at.type not in _BOUNDS)):
            raise ValueError(f"expected registers with an integer or a text, got {at}")
        return at

    @model_validator(mode="wrap")
    @classmethod
    def _keys_of_the_transport(cls, data: Any, handler: ModelWrapValidatorHandler[ModbusDevice]) -> ModbusDevice:
        """Each transport needs its own keys and knows no others; each complaint at its key, all at once."""
        found = _misplaced(data, data.get("transport", "tcp")) if isinstance(data, dict) else []
        if not found:
            return handler(data)
        try:
            handler(data)
        except ValidationError as refusal:
            for error in refusal.errors(include_url=False):
                more = InitErrorDetails(type=error["type"], loc=error["loc"], input=error["input"])
                found.append({**more, "ctx": error["ctx"]} if "ctx" in error else more)
        raise ValidationError.from_exception_data(cls.__name__, found)

    @classmethod
    def keys_needed(cls, given: Mapping[str, Any]) -> list[str]:
        """What must be written beside the given keys: the way to it, which depends on the transport.

        Args:
            given: key -> value; a transport of None is each device's own.
        """
        transport = given.get("transport", "tcp")
        if transport is None:
            return []
        key = "serial_port" if transport == "serial" else "host"
        return [] if key in given else [key]

    @property
    def is_rtu(self) -> bool:
        """True for frames without transaction ids: one question at a time."""
        return self.transport != "tcp"

    @property
    def link(self) -> tuple[Hashable, ...]:
        """The way to it; devices with an equal one share a connection."""
        if self.transport == "serial":
            return self.transport, self.serial_port
        return self.transport, self.host, self.port

    @property
    def line(self) -> tuple[Hashable, ...]:
        """Settings that all devices of a serial line must agree in."""
        return self.baud_rate, self.parity, self.stop_bits

    @property
    def where(self) -> str:
        """The way to it, for people: '10.21.5.3:502', '/dev/ttyS0'."""
        return self.serial_port if self.transport == "serial" else f"{self.host}:{self.port}"

    @property
    def identity(self) -> tuple[str, int, int]:
        """What makes two devices the same one, whatever else is set; a port speaks one protocol, so none is named."""
        if self.transport == "serial":
            return self.serial_port, 0, self.unit_id
        return self.host, self.port, self.unit_id


_NETWORK_KEYS: Final = ("host", "port", "connect_timeout", "user_timeout", "keepalive")
_SERIAL_KEYS: Final = ("serial_port", "baud_rate", "parity", "stop_bits")
_IDENTIFICATION_KEYS: Final = ("vendor_name", "product_code", "application_name")


def _misplaced(data: dict[str, Any], transport: object) -> list[InitErrorDetails]:
    """What is missing for a transport, and what does not belong to it."""
    if transport not in ("tcp", "rtu_tcp", "serial"):
        return []  # the field itself says so
    found: list[InitErrorDetails] = []
    serial = transport == "serial"
    needed = "serial_port" if serial else "host"
    if needed not in data:
        found.append(InitErrorDetails(type="missing", loc=(needed,), input=data))

    def wrong(key: str, sentence: str) -> None:
        error = ValueError(sentence)
        kind = PydanticCustomError("value_error", "{error}", {"error": error})
        found.append(InitErrorDetails(type=kind, loc=(key,), input=data[key]))

    for key in _NETWORK_KEYS if serial else _SERIAL_KEYS:
        if key in data:
            belongs = "tcp and rtu_tcp" if serial else "serial"
            wrong(key, f"expected no {key} for transport {transport}; it belongs to {belongs}")
    if transport == "tcp" and "turnaround" in data:
        wrong("turnaround", "expected no turnaround for transport tcp; it belongs to rtu_tcp and serial")
    for key in _IDENTIFICATION_KEYS if transport != "tcp" else ():
        if key in data:
            wrong(key, f"expected no {key} for transport {transport}: 43/14 is asked through tcp; use serial_at")
    if data.get("serial") and "serial_at" not in data:
        wrong("serial", "expected serial_at beside serial: the registers that hold the serial number")
    if transport != "tcp" and data.get("window", 1) != 1:
        wrong("window", f"expected window 1 for transport {transport}: an RTU line takes one question at a time")
    if transport != "tcp" and data.get("unit_id", 1) == 0:
        wrong("unit_id", f"expected unit_id 1..255 for transport {transport}: 0 is for all and is never answered")
    return found


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
