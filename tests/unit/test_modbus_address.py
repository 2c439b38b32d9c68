# SPDX-License-Identifier: Apache-2.0
"""What an engineer may write about a Modbus address, and what the check says of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.words import Access, Kind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.place import ModbusPoint, check, needs_range_check


def point(**keys: Any) -> ModbusPoint:
    return ModbusPoint.model_validate(keys)


def test_the_least_an_engineer_must_write() -> None:
    device = ModbusDevice.model_validate({"host": "127.0.0.1"})
    assert (device.port, device.unit_id, device.window, device.gap_max, device.registers_max) == (502, 1, 1, 16, 125)
    assert point(table="holding", address=3).type == "uint16"
    assert point(table="coil", address=3).type == "bit"


def test_durations_are_written_with_their_unit() -> None:
    assert ModbusDevice.model_validate({"host": "a", "connect_timeout": "500 ms"}).connect_timeout == 0.5
    with pytest.raises(ValidationError, match="expected a duration"):
        ModbusDevice.model_validate({"host": "a", "connect_timeout": 3})


@pytest.mark.parametrize(
    "bad",
    [
        {"table": "holding", "address": 65536},
        {"table": "holding", "address": -1},
        {"table": "registers", "address": 0},
        {"table": "holding", "address": 0, "type": "float23"},
        {"table": "holding", "address": 0, "order": "ACBD"},
        {"table": "holding", "address": 0, "type": "bit", "bit": 16},
        {"table": "holding", "address": "0"},
        {"table": "holding", "address": 0, "adress": 1},
        {"table": "holding", "address": 0, "write_table": "input"},
        {"table": "holding"},
    ],
)
def test_a_wrong_shape_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModbusPoint.model_validate(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"host": ""},
        {"host": "a", "unit_id": 256},
        {"host": "a", "window": 17},
        {"host": "a", "registers_max": 126},
        {"host": "a", "port": 0},
        {"host": "a", "forbidden": [{"table": "holding", "first": 9, "last": 3}]},
    ],
)
def test_a_wrong_device_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModbusDevice.model_validate(bad)


H = {"table": "holding", "address": 10}


@pytest.mark.parametrize(
    ("kind", "access", "address", "text"),
    [
        (Kind.Boolean, "r", {**H, "type": "float32"}, "fits into Boolean, got float32"),
        (Kind.Boolean, "r", H, "fits into Boolean, got uint16"),
        (Kind.UInt16, "r", {"table": "coil", "address": 1}, "fits into UInt16, got bit"),
        (Kind.Int16, "r", H, "fits into Int16, got uint16"),
        (Kind.UInt16, "r", {**H, "type": "int16"}, "fits into UInt16, got int16"),
        (Kind.Byte, "r", {**H, "type": "uint32"}, "fits into Byte, got uint32"),
        (Kind.Float, "r", {**H, "type": "float64"}, "fits into Float, got float64"),
        (Kind.Int32, "r", {**H, "type": "float32"}, "fits into Int32, got float32"),
        (Kind.String, "r", H, "fits into String, got uint16"),
        (Kind.Double, "r", {**H, "type": "unix32"}, "fits into Double, got unix32"),
        (Kind.DateTime, "r", {**H, "type": "uint32"}, "fits into DateTime, got uint32"),
        (Kind.Float, "rw", {"table": "input", "address": 1}, "table that can be written"),
        (Kind.Boolean, "w", {"table": "discrete_input", "address": 1}, "table that can be written"),
        (Kind.Boolean, "rw", {"table": "coil", "address": 1, "write_table": "holding"}, "same sort of value"),
        (Kind.UInt16, "r", {**H, "write_address": 3}, "access is r"),
        (Kind.UInt16, "rw", {**H, "owns_register": True}, "owns_register only for a bit"),
        (Kind.Boolean, "r", {**H, "type": "bit"}, "bit number 0..15"),
        (Kind.Boolean, "r", {"table": "coil", "address": 1, "bit": 2}, "no bit number in table coil"),
        (Kind.UInt16, "r", {**H, "bit": 2}, "no bit number for type uint16"),
        (Kind.UInt16, "r", {"table": "coil", "address": 1, "type": "uint16"}, "expected type bit in table coil"),
        (Kind.String, "r", {**H, "type": "string"}, "expected a length"),
        (Kind.UInt16, "r", {**H, "length": 2}, "expected no length"),
        (Kind.Float, "r", {"table": "holding", "address": 65535, "type": "float32"}, "<= 65535, got 65536"),
        (Kind.Float, "rw", {**H, "type": "float32", "write_address": 65535}, "last written register"),
        (Kind.String, "rw", {**H, "type": "string", "length": 124}, "at most 123 registers in one write"),
        (Kind.UInt16, "r", {**H, "order": "CDAB"}, "ABCD or BADC"),
        (Kind.String, "r", {**H, "type": "string", "length": 4, "order": "DCBA"}, "ABCD or BADC"),
        (Kind.Boolean, "r", {**H, "type": "bit", "bit": 1, "order": "BADC"}, "no order for a bit"),
    ],
)
def test_what_does_not_fit_is_said(kind: Kind, access: str, address: dict[str, Any], text: str) -> None:
    found = check(kind, Access(access), point(**address))
    assert any(text in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("kind", "access", "address"),
    [
        (Kind.Boolean, "rw", {"table": "coil", "address": 0}),
        (Kind.Boolean, "rw", {**H, "type": "bit", "bit": 15, "owns_register": True}),
        (Kind.Boolean, "rw", {"table": "discrete_input", "address": 0, "write_table": "coil", "write_address": 5}),
        (Kind.Float, "rw", {**H, "type": "int16"}),
        (Kind.Double, "r", {**H, "type": "uint64", "order": "CDAB"}),
        (Kind.Byte, "r", H),
        (Kind.Enumeration, "rw", H),
        (Kind.Int32, "r", {**H, "type": "uint16"}),
        (Kind.UInt64, "rw", {**H, "type": "uint64"}),
        (Kind.DateTime, "rw", {**H, "type": "unix64_ms"}),
        (Kind.String, "rw", {**H, "type": "string", "length": 8, "order": "BADC"}),
        (Kind.UInt16, "rw", {"table": "input", "address": 4, "write_table": "holding"}),
        (Kind.Float, "r", {"table": "holding", "address": 65534, "type": "float32"}),
    ],
)
def test_what_fits_is_silent(kind: Kind, access: str, address: dict[str, Any]) -> None:
    assert check(kind, Access(access), point(**address)) == []


def test_a_narrow_kind_over_a_register_is_watched_when_read() -> None:
    assert needs_range_check(Kind.Byte, "uint16")
    assert needs_range_check(Kind.Enumeration, "int16")
    assert not needs_range_check(Kind.Int32, "uint16")
    assert not needs_range_check(Kind.Double, "uint64")


def test_it_names_itself_for_people() -> None:
    assert str(point(table="holding", address=100, type="float32")) == "holding 100..101 (float32)"
    assert str(point(table="holding", address=3, type="bit", bit=4)) == "holding 3.4 (bit)"
