# SPDX-License-Identifier: Apache-2.0
"""Every width and order: one value at a time (codec) and a whole block (decode) say the same, to the last bit."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.words import NS_PER_S, Kind, StatusCode, cell_of, value_of
from drivers.base import Point
from drivers.modbus.address import ModbusDevice
from drivers.modbus.codec import CannotDecode, CannotEncode, decode, encode, encode_cell
from drivers.modbus.place import ModbusPoint, wire_bounds
from drivers.modbus.plan import plan
from tests.modbus import point

KINDS = {
    "int16": [Kind.Int16, Kind.Int32, Kind.Int64, Kind.Float, Kind.Double],
    "uint16": [Kind.UInt16, Kind.Int32, Kind.UInt64, Kind.Double],
    "int32": [Kind.Int32, Kind.Int64, Kind.Double],
    "uint32": [Kind.UInt32, Kind.Int64, Kind.UInt64, Kind.Double],
    "int64": [Kind.Int64],
    "uint64": [Kind.UInt64],
    "bcd16": [Kind.UInt16, Kind.Int16, Kind.Double],
    "bcd32": [Kind.UInt32, Kind.UInt64],
    "float32": [Kind.Float, Kind.Double],
    "float64": [Kind.Double],
    "unix32": [Kind.DateTime],
    "unix64": [Kind.DateTime],
    "unix64_ms": [Kind.DateTime],
    "string": [Kind.String],
}
SHORT = ("int16", "uint16", "bcd16", "string")


def float32(value: float) -> float:
    return struct.unpack(">f", struct.pack(">f", value))[0]  # type: ignore[no-any-return]


def values(type_: str) -> st.SearchStrategy[Any]:
    if (bounds := wire_bounds(type_)) is not None:
        return st.one_of(st.sampled_from([*bounds, 0]), st.integers(*bounds))
    if type_ == "float32":
        return st.floats(width=32)
    if type_ == "float64":
        return st.floats()
    if type_ == "string":
        return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
    unit = 1_000_000 if type_ == "unix64_ms" else NS_PER_S
    most = 2**32 - 1 if type_ == "unix32" else (2**63 - 1) // unit
    return st.integers(0, most).map(lambda n: n * unit)


@st.composite
def typed(draw: st.DrawFn) -> tuple[Kind, dict[str, Any], Any]:
    type_ = draw(st.sampled_from(sorted(KINDS)))
    order = draw(st.sampled_from(["ABCD", "BADC"] if type_ in SHORT else ["ABCD", "CDAB", "BADC", "DCBA"]))
    keys: dict[str, Any] = {"type": type_, "order": order}
    if type_ == "string":
        keys["length"] = 12
    return draw(st.sampled_from(KINDS[type_])), keys, draw(values(type_))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


@given(typed())
def test_one_value_survives_the_wire(case: tuple[Kind, dict[str, Any], Any]) -> None:
    _, keys, value = case
    address = ModbusPoint(table="holding", address=0, **keys)
    data = encode(address, value)
    assert len(data) == 2 * address.width
    assert same(decode(address, data), value)


@given(st.lists(typed(), min_size=1, max_size=12), st.integers(0, 3))
def test_a_block_says_what_each_value_says(cases: list[tuple[Kind, dict[str, Any], Any]], gap: int) -> None:
    points: list[Point] = []
    raw: dict[int, bytes] = {}
    at = 0
    for kind, keys, value in cases:
        points.append(point("P", kind, table="holding", address=at, **keys))
        raw[at] = encode(points[-1].address, value)
        at = points[-1].address.last + 1 + gap
    for exchange in plan(ModbusDevice(host="a"), points):
        body = exchange.body
        data = bytearray(2 * body.quantity)
        for i in exchange.take:
            offset = 2 * (points[int(i)].address.address - body.first)
            data[offset : offset + len(raw[points[int(i)].address.address])] = raw[points[int(i)].address.address]
        cells, statuses, texts = body.decoder.cells(b"\xee" * 2 + bytes(data), 2)
        assert not statuses.any()
        for position, i in enumerate(exchange.take):
            kind, _, value = cases[int(i)]
            if kind is Kind.String:
                assert texts[position] == value
            else:
                found = value_of(kind, int(cells[position]))
                assert same(found, float(value) if kind.is_float else value), (kind, value)


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
@example(0x9999, 0x99999999, 2**63)
@example(0xA000, 0x0000000A, 9_223_372_036)
@example(0, 0, 9_223_372_037)
def test_what_is_no_value_is_bad_in_both_ways(bcd16: int, bcd32: int, unix64: int) -> None:
    points = [
        point("A", Kind.DateTime, table="holding", address=0, type="unix64"),
        point("B", Kind.UInt32, table="holding", address=4, type="bcd32"),
        point("C", Kind.UInt16, table="holding", address=6, type="bcd16"),
    ]
    (exchange,) = plan(ModbusDevice(host="a"), points)
    data = struct.pack(">QIH", unix64, bcd32, bcd16)
    cells, statuses, _ = exchange.body.decoder.cells(data, 0)
    for position, i in enumerate(exchange.take):
        address = points[int(i)].address
        try:
            value = decode(address, data[2 * address.address : 2 * address.address + 2 * address.width])
            assert (int(cells[position]), int(statuses[position])) == (value, StatusCode.Good)
        except CannotDecode:
            assert statuses[position] == StatusCode.BadOutOfRange


@given(st.sampled_from(sorted(KINDS)), st.one_of(st.integers(), st.floats(), st.text()))
def test_a_value_is_encoded_exactly_or_refused(type_: str, value: Any) -> None:
    address = ModbusPoint(table="holding", address=0, type=type_, length=2 if type_ == "string" else None)
    try:
        data = encode(address, value)
    except CannotEncode as error:
        assert "expected" in str(error)
        return
    assert len(data) == 2 * address.width
    back = decode(address, data)
    if type_ == "string":
        assert back == str(value)
    elif type_ == "float32":
        assert same(back, float32(float(value)))
    elif type_ == "float64":
        assert same(back, float(value))
    else:
        assert back == round(value)


@given(st.lists(st.booleans(), min_size=1, max_size=2000))
def test_coils_come_back_as_they_are(bits: list[bool]) -> None:
    points = [point("C", Kind.Boolean, table="coil", address=i) for i in range(len(bits))]
    (exchange,) = plan(ModbusDevice(host="a"), points)
    data = np.packbits(np.array(bits), bitorder="little").tobytes()
    cells, _, _ = exchange.body.decoder.cells(data, 0)
    assert cells.tolist() == [int(b) for b in bits]


@given(st.integers(0, 2**16 - 1))
def test_bits_of_a_register_count_from_the_least(word: int) -> None:
    points = [point("B", Kind.Boolean, table="input", address=5, type="bit", bit=i) for i in range(16)]
    (exchange,) = plan(ModbusDevice(host="a"), points)
    cells, _, _ = exchange.body.decoder.cells(word.to_bytes(2, "big"), 0)
    assert {points[int(i)].address.bit: int(c) for i, c in zip(exchange.take, cells, strict=True)} == {
        i: word >> i & 1 for i in range(16)
    }


def test_orders_as_manuals_print_them() -> None:
    """Source: 123456.789 as float32 is 47 F1 20 65; 0x0123456789ABCDEF as the 64-bit pattern of vendor manuals."""
    for order, wire in {
        "ABCD": "47f12065",
        "CDAB": "206547f1",
        "BADC": "f1476520",
        "DCBA": "6520f147",
    }.items():
        address = ModbusPoint(table="holding", address=0, type="float32", order=order)  # type: ignore[arg-type]
        assert encode(address, 123456.789).hex() == wire
    long = {
        "ABCD": "0123456789abcdef",
        "CDAB": "cdef89ab45670123",
        "BADC": "23016745ab89efcd",
        "DCBA": "efcdab8967452301",
    }
    for order, wire in long.items():
        address = ModbusPoint(table="holding", address=0, type="uint64", order=order)  # type: ignore[arg-type]
        assert encode(address, 0x0123456789ABCDEF).hex() == wire


def test_a_float_cell_is_rounded_into_an_integer_register() -> None:
    address = ModbusPoint(table="holding", address=0, type="int16")
    assert encode_cell(address, Kind.Float, cell_of(Kind.Float, 229.9999), None) == (230).to_bytes(2, "big")
    with pytest.raises(CannotEncode, match=r"expected -32768\.\.32767 for int16, got 40000"):
        encode_cell(address, Kind.Float, cell_of(Kind.Float, 40000.0), None)
    with pytest.raises(CannotEncode, match="got nan"):
        encode_cell(address, Kind.Float, cell_of(Kind.Float, math.nan), None)
