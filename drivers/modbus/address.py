# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_address.py
"""A Modbus device as an engineer writes it: the way to it, how it may be asked, who it must be.

Law of this file: shapes and ranges only; imports nothing but `config` and `place`. No bytes, no sockets, no planning.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from config.model import Duration, Model
from drivers.modbus.place import BIT_TABLES, BITS_MAX, REGISTERS_MAX, ModbusPoint, Table, wire_bounds


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
        if at is not None and (at.table in BIT_TABLES or (at.type != "string" and wire_bounds(at.type) is None)):
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
