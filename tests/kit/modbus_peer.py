# SPDX-License-Identifier: Apache-2.0
"""The Modbus simulator as the kit's peer: one point of every type, order and table."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from config.words import NS_PER_S, Access, Kind, cell_of, value_of
from drivers.base import Point
from drivers.modbus.address import ModbusDevice
from drivers.modbus.memory import Memory
from drivers.modbus.place import ModbusPoint
from drivers.modbus.simulator import SimulatedDevice
from drivers.peer import Raw, Wide
from tests.kit.simulated_peer import SimulatedPeer

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
KINDS = {
    "int16": Kind.Int16,
    "uint16": Kind.UInt16,
    "bcd16": Kind.UInt16,
    "int32": Kind.Int32,
    "uint32": Kind.UInt32,
    "bcd32": Kind.UInt32,
    "int64": Kind.Int64,
    "uint64": Kind.UInt64,
    "float32": Kind.Float,
    "float64": Kind.Double,
    "unix32": Kind.DateTime,
    "unix64": Kind.DateTime,
    "unix64_ms": Kind.DateTime,
}
NARROW = ("int16", "uint16", "bcd16")
FLOAT_MAX, FLOAT_TINY = struct.unpack(">2f", bytes.fromhex("7f7fffff00000001"))
EXTREMES: dict[str, Sequence[float | int | str]] = {
    "bit": (0, 1),
    "int16": (-(2**15), 2**15 - 1, 0, -1, 258),
    "uint16": (0, 2**16 - 1, 258),
    "bcd16": (0, 9999, 1234),
    "int32": (-(2**31), 2**31 - 1, 0, -1, 0x01020304),
    "uint32": (0, 2**32 - 1, 0x01020304),
    "bcd32": (0, 99_999_999, 12_345_678),
    "int64": (-(2**63), 2**63 - 1, 0, -1, 0x0102030405060708),
    "uint64": (0, 2**64 - 1, 0x0102030405060708),
    "float32": (0.0, FLOAT_MAX, -FLOAT_MAX, FLOAT_TINY, 1.5, float("inf"), float("-inf"), float("nan"), -0.0),
    "float64": (0.0, 1.7976931348623157e308, 5e-324, -1.25, float("inf"), float("-inf"), float("nan")),
    "unix32": (0, (2**32 - 1) * NS_PER_S, 1_767_607_200 * NS_PER_S),
    "unix64": (0, 9_223_372_036 * NS_PER_S, 1_767_607_200 * NS_PER_S),
    "unix64_ms": (0, 9_223_372_036_854 * 10**6, 1_767_607_200_123 * 10**6),
    "utf-8": ("", "Dijon", "é€ł", "0123456789abcdef"),
    "latin-1": ("", "Éclairage"),
}


def one_of_everything() -> tuple[Point, ...]:
    """Holding rw and input r from 100 on with a gap of one register, then bits and texts."""
    points: list[Point] = []
    at = {"holding": 100, "input": 100}

    def add(name: str, kind: Kind, table: str, access: Access, poll: str | None = "kit", **more: Any) -> None:
        address = ModbusPoint(table=table, address=more.pop("address", at.get(table, 0)), **more)  # type: ignore[arg-type]
        points.append(Point(name, kind, access, address, poll))
        if table in at:
            at[table] = address.last + 2

    for table, access in (("holding", Access.RW), ("input", Access.R)):
        for type_, kind in KINDS.items():
            for order in ("ABCD", "BADC") if type_ in NARROW else ORDERS:
                add(f"{table}_{type_}_{order}", kind, table, access, type=type_, order=order)
        add(f"{table}_scaled", Kind.Double, table, access, type="int16")
        add(f"{table}_code", Kind.Enumeration, table, access, type="uint16")
        for encoding in ("utf-8", "latin-1"):
            add(f"{table}_text_{encoding[:3]}", Kind.String, table, access, type="string", length=8, encoding=encoding)
    for bit in (0, 7, 15):
        add(f"holding_bit_{bit}", Kind.Boolean, "holding", Access.RW, type="bit", bit=bit, address=1000)
    for n in range(3):
        add(f"coil_{n}", Kind.Boolean, "coil", Access.RW, address=10 + 7 * n)
        add(f"discrete_{n}", Kind.Boolean, "discrete_input", Access.R, address=20 + 9 * n)
    add("put_only", Kind.UInt16, "holding", Access.W, None, type="uint16", address=2000)
    return tuple(points)


class ModbusPeer(SimulatedPeer):
    """`drivers.peer.Peer` over `SimulatedDevice`, unit 7.

    Args:
        settings: of the device: transport and what belongs to it.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.memory = Memory()
        transport, serial_port = settings.get("transport", "tcp"), settings.get("serial_port", "")
        self.simulated = SimulatedDevice("kit", {7: self.memory}, transport=transport, serial_port=serial_port)
        self._points = one_of_everything()

    def device(self) -> ModbusDevice:
        way = {} if "serial_port" in self.settings else {"host": "127.0.0.1", "port": self.simulated.port}
        return ModbusDevice.model_validate({**way, **self.settings, "unit_id": 7})

    def points(self) -> tuple[Point, ...]:
        return self._points

    def extremes(self, point: int) -> Sequence[Raw]:
        kind, address = self._points[point].kind, self._points[point].address
        if address.type == "string":
            return [str(text) for text in EXTREMES[address.encoding]]
        bounds = kind.bounds or (float("-inf"), float("inf"))
        values = EXTREMES[address.type]
        if kind.is_float:
            return [cell_of(kind, value) for value in values]  # type: ignore[arg-type]
        return [cell_of(kind, value) for value in values if bounds[0] <= value <= bounds[1]]  # type: ignore[operator,arg-type]

    def held(self, point: int) -> Raw:
        address, kind = self._points[point].address, self._points[point].kind
        value = self.memory.get(address)
        return value if isinstance(value, str) else cell_of(kind, value)

    def hold(self, point: int, value: Raw) -> None:
        address, kind = self._points[point].address, self._points[point].kind
        self.memory.put(address, value if isinstance(value, str) else value_of(kind, value))

    def wide(self, n: int) -> Wide:
        points = tuple(
            Point(f"p{i}", Kind.UInt16, Access.R, ModbusPoint(table="holding", address=i), "kit") for i in range(n)
        )
        return Wide(points, requests_max=-(-n // 125))

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        device: dict[str, Any] = {"unit_id": 1, "gap_max": 16, **self.settings}
        if "serial_port" not in self.settings:
            device |= {"host": "10.21.5.3", "port": 502, "connect_timeout": "3 s"}
        return device, {"table": "holding", "address": 104, "type": "float32", "order": "CDAB"}

    def reject(self, point: int) -> None:
        address = self._points[point].address
        for at in range(address.address, address.last + 1):
            self.simulated.reject(address.table, at)

    def shares(self, point: int) -> Sequence[int]:
        address = self._points[point].address
        return [
            i
            for i, other in enumerate(self._points)
            if i != point
            and other.address.table == address.table
            and other.address.address <= address.last
            and address.address <= other.address.last
        ]
