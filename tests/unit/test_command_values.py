# SPDX-License-Identifier: Apache-2.0
"""What someone asks for, as the device gets it, and whether what it reads back is that."""

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import Kind
from supervisor.commands import values
from tests.plants import tag

ENUM = tag("Enumeration", values=("none", "on", "off"))


@pytest.mark.parametrize(
    ("info", "asked", "value"),
    [
        (tag("Boolean"), True, True),
        (tag("Boolean"), " False ", False),
        (tag("Int16"), "-12", -12),
        (tag("UInt16"), "0xFF", 255),
        (tag("UInt64"), 2**64 - 1, 2**64 - 1),
        (tag("Float", span=(0, 100)), "12.5", 12.5),
        (tag("Double"), 3, 3.0),
        (ENUM, "off", 2),
        (ENUM, "1", 1),
        (ENUM, 0, 0),
        (tag("String"), "n° 7", "n° 7"),
        (tag("DateTime"), "2026-03-01T18:30:00Z", 1772389800_000_000_000),
        (tag("DateTime"), "2026-03-01T19:30:00+01:00", 1772389800_000_000_000),
        (tag("DateTime"), datetime(2026, 3, 1, 18, 30, tzinfo=UTC), 1772389800_000_000_000),
        (tag("DateTime"), datetime(2026, 3, 1, 18, 30, 0, 1), 1772389800_000_001_000),  # noqa: DTZ001
    ],
)
def test_a_value_is_understood(info: Any, asked: values.Asked, value: values.Value) -> None:
    got = values.engineering(info, asked)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("info", "asked", "error", "sentence"),
    [
        (tag("Boolean"), 1, values.WrongType, "expected true or false, got 1"),
        (tag("Boolean"), "on", values.WrongType, "expected true or false"),
        (tag("Int16"), True, values.WrongType, "expected a whole number, got True"),
        (tag("Int16"), 1.0, values.WrongType, "expected a whole number"),
        (tag("Int16"), "1.5", values.WrongType, "expected a whole number"),
        (tag("Int16"), 40000, values.OutOfRange, "expected Int16 -32768..32767, got 40000"),
        (tag("Int64"), 2**70, values.OutOfRange, "expected Int64"),
        (tag("Float", span=(0, 100), unit="%"), 100.5, values.OutOfRange, r"expected 0..100 %, got 100.5 %"),
        (tag("Float"), "nan", values.OutOfRange, "expected a finite Float"),
        (tag("Float"), 1e39, values.OutOfRange, "expected a finite Float"),
        (tag("Double"), 10**400, values.OutOfRange, "expected a finite Double"),
        (tag("Float"), "fast", values.WrongType, "expected a number, got 'fast'"),
        (tag("Float"), True, values.WrongType, "expected a number"),
        (ENUM, "dim", values.WrongType, "expected one of 0 none, 1 on, 2 off; got 'dim'"),
        (ENUM, 3, values.OutOfRange, "expected one of 0 none, 1 on, 2 off; got 3"),
        (tag("String"), 5, values.WrongType, "expected a text"),
        (tag("String"), "x" * 251, values.OutOfRange, "expected at most 250 characters"),
        (tag("DateTime"), "tomorrow", values.WrongType, "expected a time such as"),
        (tag("DateTime"), "2026-03-01T18:30:00", values.WrongType, "expected a time with its zone"),
        (tag("DateTime"), "1960-01-01T00:00:00Z", values.OutOfRange, "between 1970 and 2262"),
        (tag("DateTime"), 5, values.WrongType, "expected a time"),
    ],
)
def test_a_value_that_does_not_fit_says_what_was_expected(
    info: Any, asked: values.Asked, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        values.engineering(info, asked)


def test_a_device_holds_what_a_wire_can_carry_and_no_more() -> None:
    scaled = dataclasses.replace(tag("Float"), scale=0.1)
    assert values.holds(scaled, 50.04, 50.0)
    assert not values.holds(scaled, 50.06, 50.0)
    assert not values.holds(scaled, 50.04, 50.012), "not a whole count: a float wire, which could have carried it"
    plain = tag("Float")
    assert values.holds(plain, 21.6, float(np.float32(21.6)))
    assert not values.holds(plain, 21.6, 22.0)
    assert values.holds(tag("DateTime"), 5_900_000_000, 5_000_000_000)
    assert not values.holds(tag("DateTime"), 7_000_000_000, 5_000_000_000)
    assert not values.holds(tag("Int16"), 5, 6)


def test_an_effect_is_seen_by_name_by_number_or_within_one_per_cent() -> None:
    other = tag("Enumeration", values=("off", "on"))
    assert values.follows(ENUM, 1, other, 1)
    assert not values.follows(ENUM, 0, other, 0), "none is not off"
    assert values.follows(ENUM, 2, other, 0)
    measured = tag("Float", span=(0.0, 100.0))
    assert values.follows(measured, 70.0, measured, 70.9)
    assert not values.follows(measured, 70.0, measured, 71.1)


@given(st.sampled_from([k for k in Kind if k is not Kind.String]), st.data())
def test_what_goes_down_the_wire_comes_back(kind: Kind, data: st.DataObject) -> None:
    if kind.is_float:
        value: values.Value = data.draw(st.floats(-1e9, 1e9))
        info = dataclasses.replace(tag(kind.name), scale=0.01, offset=-40.0)
    else:
        low, high = kind.bounds or (0, 2**63 - 1)
        value = data.draw(st.integers(low, high))
        info = tag(kind.name)
    cell, text = values.wire(info, bool(value) if kind is Kind.Boolean else value)
    assert text is None
    assert values.holds(info, value, values.from_wire(info, cell, None))


@pytest.mark.parametrize("read", [math.inf, -math.inf, math.nan])
def test_a_device_that_reads_back_no_number_holds_nothing(read: float) -> None:
    for info in (tag("Float"), tag("Double"), dataclasses.replace(tag("Float"), scale=0.1)):
        assert not values.holds(info, 50.0, read)
