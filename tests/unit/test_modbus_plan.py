# SPDX-License-Identifier: Apache-2.0
"""Which registers are asked together, by example. In general: tests/property/test_modbus_plan.py."""

from __future__ import annotations

import pytest

from config.words import Kind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.plan import plan
from tests.modbus import point, registers


def device(**settings: object) -> ModbusDevice:
    return ModbusDevice.model_validate({"host": "127.0.0.1", **settings})


def labels(*args: object, **settings: object) -> list[str]:
    return [exchange.label for exchange in plan(device(**settings), *args)]  # type: ignore[arg-type]


def test_the_worked_example_of_the_docstring() -> None:
    points = [
        point("A", Kind.UInt16, table="holding", address=0),
        point("B", Kind.Float, table="holding", address=1, type="float32"),
        point("C", Kind.Int16, table="holding", address=10, type="int16"),
        point("D", Kind.UInt32, table="holding", address=40, type="uint32"),
        point("E", Kind.Boolean, table="coil", address=3),
        point("F", Kind.Boolean, table="coil", address=90),
    ]
    assert labels(points) == ["coil 3..90", "holding 0..10", "holding 40..41"]


def test_125_registers_are_one_question_126_are_two() -> None:
    assert labels(registers(125)) == ["holding 0..124"]
    assert labels(registers(126)) == ["holding 0..124", "holding 125"]
    assert labels(registers(40), registers_max=32) == ["holding 0..31", "holding 32..39"]


def test_2000_coils_are_one_question() -> None:
    coils = [point(f"C{i}", Kind.Boolean, table="coil", address=i) for i in range(2001)]
    assert labels(coils) == ["coil 0..1999", "coil 2000"]


def test_a_value_is_never_split() -> None:
    points = [*registers(124), point("X", Kind.Double, table="holding", address=124, type="float64")]
    assert labels(points) == ["holding 0..123", "holding 124..127"]


def test_poll_classes_do_not_mix_and_write_only_points_are_not_read() -> None:
    points = [
        point("A", Kind.UInt16, "r", "fast", table="holding", address=0),
        point("B", Kind.UInt16, "r", "slow", table="holding", address=1),
        point("C", Kind.UInt16, "w", "fast", table="holding", address=2),
        point("D", Kind.UInt16, "rw", None, table="holding", address=3),
    ]
    exchanges = plan(device(), points)
    assert [(e.poll, e.label, e.take.tolist()) for e in exchanges] == [
        ("fast", "holding 0", [0]),
        ("slow", "holding 1", [1]),
    ]


def test_a_forbidden_range_is_not_spanned() -> None:
    forbidden = [{"table": "holding", "first": 3, "last": 4}]
    assert labels([*registers(3), *registers(2, first=5)], forbidden=forbidden) == ["holding 0..2", "holding 5..6"]
    with pytest.raises(ValueError, match=r"R3: holding 3 \(uint16\) lies in a range that"):
        plan(device(forbidden=forbidden), registers(5))


def test_a_text_longer_than_the_device_answers_is_refused() -> None:
    text = point("T", Kind.String, table="holding", address=0, type="string", length=20)
    with pytest.raises(ValueError, match=r"T: expected at most 16 registers"):
        plan(device(registers_max=16), [text])


def test_a_point_inside_another_does_not_shorten_the_block() -> None:
    text = point("T", Kind.String, table="holding", address=0, type="string", length=8)
    inside, after = registers(1, first=2), registers(1, first=8)
    assert labels([text, *inside, *after], gap_max=0) == ["holding 0..8"]


def test_bits_of_one_register_share_it() -> None:
    bits = [point(f"B{i}", Kind.Boolean, table="input", address=7, type="bit", bit=i) for i in range(16)]
    (exchange,) = plan(device(), bits)
    assert exchange.label == "input 7"
    assert sorted(exchange.take.tolist()) == list(range(16))


def test_no_points_no_questions() -> None:
    assert plan(device(), []) == []
