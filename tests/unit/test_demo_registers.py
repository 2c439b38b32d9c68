# SPDX-License-Identifier: Apache-2.0
"""The vectorised register encoder of the demo says what the scalar codec says, for every wire type and order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.model import HistoryRule, TagModel, Text
from config.words import Kind
from drivers.modbus.codec import encode
from drivers.modbus.place import ModbusPoint, WireType, wire_bounds
from supervisor.demo.registers import Bank, parse

INTEGERS = ("int16", "uint16", "int32", "uint32", "int64", "uint64", "bcd16", "bcd32")
ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")


def tag(kind: Kind, **more: Any) -> TagModel:
    return TagModel.model_validate(
        {
            "title": Text(fr="é", en="e"),
            "kind": kind.name,
            "history": HistoryRule.model_validate({"class": "N"}),
            "access": "rw",
            **more,
        }
    )


def bank(kind: Kind, point: ModbusPoint, count: int = 2, **more: Any) -> Bank:
    return Bank({"T": tag(kind, **more)}, {"T": point}, count)


def words(made: Bank, point: ModbusPoint, instance: int) -> bytes:
    return made.tables[point.table][instance, point.address : point.last + 1].astype(">u2").tobytes()


@given(type_=st.sampled_from(INTEGERS), order=st.sampled_from(ORDERS), data=st.data())
def test_integers_are_encoded_as_the_codec_does(type_: WireType, order: Any, data: st.DataObject) -> None:
    low, high = wire_bounds(type_) or (0, 0)
    values = data.draw(st.lists(st.integers(low, high), min_size=2, max_size=2))
    point = ModbusPoint(table="holding", address=3, type=type_, order=order)
    made = bank(Kind.UInt64 if type_ == "uint64" else Kind.Int64, point)
    made.put("T", np.array(values, np.uint64 if type_ == "uint64" else np.int64))
    for i, value in enumerate(values):
        assert words(made, point, i) == encode(point, value)
        assert made.value("T", i) == value
    assert made.get("T").tolist() == values


@given(
    type_=st.sampled_from(("float32", "float64")),
    order=st.sampled_from(ORDERS),
    values=st.lists(st.floats(width=32), min_size=2, max_size=2),
)
def test_floats_are_encoded_as_the_codec_does(type_: WireType, order: Any, values: list[float]) -> None:
    point = ModbusPoint(table="input", address=0, type=type_, order=order)
    made = bank(Kind.Double, point)
    made.put("T", np.array(values))
    for i, value in enumerate(values):
        assert words(made, point, i) == encode(point, value) or np.isnan(value)
    np.testing.assert_array_equal(made.get("T"), values)


@given(type_=st.sampled_from(("unix32", "unix64", "unix64_ms")), seconds=st.integers(0, 2**32 - 1))
def test_times_are_encoded_as_the_codec_does(type_: WireType, seconds: int) -> None:
    point = ModbusPoint(table="holding", address=1, type=type_)
    made = bank(Kind.DateTime, point, count=1)
    made.put("T", np.array([seconds * 10**9]))
    assert words(made, point, 0) == encode(point, seconds * 10**9)
    assert made.get("T").tolist() == [seconds * 10**9]


@given(values=st.lists(st.floats(-3000, 3000), min_size=2, max_size=2))
def test_scaling_is_undone_to_half_a_step(values: list[float]) -> None:
    point = ModbusPoint(table="input", address=0, type="int16")
    made = bank(Kind.Float, point, scale=0.1, offset=5.0)
    made.put("T", np.array(values))
    np.testing.assert_allclose(made.get("T"), values, atol=0.0501)
    assert [made.value("T", i) for i in range(2)] == made.get("T").tolist()


@pytest.mark.parametrize(
    ("type_", "value", "held"),
    [("int16", 1e6, 32767), ("int16", -1e6, -32768), ("uint16", -5.0, 0), ("bcd16", 12345.0, 9999)],
)
def test_what_does_not_fit_saturates(type_: WireType, value: float, held: int) -> None:
    point = ModbusPoint(table="input", address=0, type=type_)
    made = bank(Kind.Float, point, count=1)
    made.put("T", np.array([value]))
    assert made.value("T", 0) == held


@pytest.mark.parametrize("type_", ["int64", "uint64"])
@pytest.mark.parametrize("value", [-1e300, 1e300])
def test_a_huge_number_saturates_within_64_bits(type_: WireType, value: float) -> None:
    point = ModbusPoint(table="input", address=0, type=type_)
    made = bank(Kind.Double, point, count=1)
    made.put("T", np.array([value]))
    low, high = wire_bounds(type_) or (0, 0)
    assert made.value("T", 0) == pytest.approx(low if value < 0 else high)


def test_bits_of_one_register_do_not_disturb_each_other() -> None:
    points = {n: ModbusPoint(table="input", address=2, type="bit", bit=b) for n, b in (("A", 0), ("B", 5), ("C", 15))}
    made = Bank({n: tag(Kind.Boolean, access="r") for n in points}, points, 2)
    made.put("A", np.array([True, False]))
    made.put("B", np.array([True, True]))
    made.put("C", np.array([False, True]))
    made.put("A", np.array([False, False]))
    assert made.tables["input"][:, 2].tolist() == [1 << 5, 1 << 5 | 1 << 15]
    assert [made.get(n).tolist() for n in points] == [[False, False], [True, True], [False, True]]
    assert made.value("C", 1) is True


def test_coils_are_bits_of_their_own_table() -> None:
    point = ModbusPoint.model_validate({"table": "coil", "address": 4})
    made = bank(Kind.Boolean, point)
    made.put("T", np.array([True, False]))
    assert made.tables["coil"].dtype == np.bool_
    assert (made.tables["coil"][:, 4].tolist(), made.get("T").tolist()) == ([True, False], [True, False])


def test_text_is_encoded_per_instance() -> None:
    point = ModbusPoint(table="input", address=0, type="string", length=4, order="BADC")
    made = bank(Kind.String, point)
    made.put_text("T", 1, "é 2.7")
    assert (made.value("T", 0), made.value("T", 1)) == ("", "é 2.7")


def test_a_row_of_the_bank_is_the_memory_of_a_device() -> None:
    """What a client writes into the view is what the plant reads; no copy lies between."""
    point = ModbusPoint(table="holding", address=0, type="uint16")
    made = bank(Kind.Int32, point)
    view = made.tables["holding"][1]
    view[0] = 77
    assert made.get("T").tolist() == [0, 77]


def test_writing_elsewhere_is_refused_in_words() -> None:
    point = ModbusPoint(table="holding", address=0, write_address=9)
    with pytest.raises(ValueError, match="tag T: the simulated devices know no write_table"):
        bank(Kind.Int32, point)


@pytest.mark.parametrize(
    ("model", "text", "value"),
    [
        (tag(Kind.Boolean), "true", True),
        (tag(Kind.Boolean), "0", False),
        (tag(Kind.Float), "180.5", 180.5),
        (tag(Kind.Int32), "-3", -3),
        (tag(Kind.Enumeration, values=["dry", "ice"]), "ice", 1),
        (tag(Kind.String), "2.7", "2.7"),
    ],
)
def test_a_typed_value_is_understood(model: TagModel, text: str, value: object) -> None:
    assert parse(model, text) == value


@pytest.mark.parametrize(
    ("model", "text", "words"),
    [
        (tag(Kind.Boolean), "on", "expected true or false, got 'on'"),
        (tag(Kind.Float), "high", "expected a number"),
        (tag(Kind.Enumeration, values=["dry", "ice"]), "snow", "expected one of dry, ice"),
    ],
)
def test_a_mistyped_value_is_explained(model: TagModel, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(model, text)
