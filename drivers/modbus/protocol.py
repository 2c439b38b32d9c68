# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit/test_modbus.py, tests/kit/test_modbus_rtu.py, tests/unit/test_modbus_serial.py
"""What the registry holds for Modbus."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from config.words import Clock
from drivers.base import Driver, Link, Point, ProtocolSpec, own_link
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver, export_state, import_state
from drivers.modbus.link import ModbusLink
from drivers.modbus.place import ModbusPoint, check
from drivers.modbus.plan import plan


def _link_key(device: ModbusDevice) -> Hashable:
    return device.link


def _plan_key(device: ModbusDevice) -> Hashable:
    forbidden = tuple((r.table, r.first, r.last) for r in device.forbidden)
    return (device.registers_max, device.bits_max, device.gap_max, forbidden)


def _make_link(device: ModbusDevice, clock: Clock) -> Link:
    return ModbusLink(device)


def _make_driver(name: str, device: ModbusDevice, points: Sequence[Point], link: Link, clock: Clock) -> Driver:
    way = own_link(name, link, ModbusLink)
    if device.transport == "serial" and device.line != way.device.line:
        baud_rate, parity, stop_bits = way.device.line
        raise ValueError(
            f"{name}: expected {baud_rate} baud, {parity} parity, {stop_bits} stop bits as the other devices on "
            f"{device.serial_port}, got {device.baud_rate}, {device.parity}, {device.stop_bits}"
        )
    return ModbusDriver(name, device, points, way, clock)


PROTOCOL: Final = ProtocolSpec(
    name="modbus",
    device_model=ModbusDevice,
    point_model=ModbusPoint,
    plan=plan,
    check=check,
    link_key=_link_key,
    make_link=_make_link,
    make_driver=_make_driver,
    plan_key=_plan_key,
    export_state=export_state,
    import_state=import_state,
)
