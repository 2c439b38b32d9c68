# SPDX-License-Identifier: Apache-2.0
"""Conversions of filter operands: OPC 10000-4, 7.7.3, Tables 125 and 126."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.events.conversion import RULE, common, convert, integer
from supervisor.hmi.events.value import Type, Value

T = Type
GUID = uuid.UUID("12345678-1234-5678-1234-567812345678")

IMPLICIT: list[tuple[Type, Any, Type, Any]] = [
    (T.BOOLEAN, True, T.INT32, 1),
    (T.BYTE, 200, T.SBYTE, None),  # allowed, but it does not fit
    (T.UINT16, 600, T.INT32, 600),
    (T.INT32, -1, T.UINT64, None),
    (T.INT64, 2**40, T.DOUBLE, float(2**40)),
    (T.STATUS_CODE, 0x80340000, T.UINT32, 0x80340000),
    (T.UINT16, 0x8034, T.STATUS_CODE, 0x80340000),
    (T.STRING, "12", T.INT32, 12),
    (T.STRING, "2.5", T.DOUBLE, 2.5),
    (T.STRING, "douze", T.INT32, None),
    (T.STRING, "9" * 400, T.INT64, None),
    (T.STRING, "true", T.BOOLEAN, True),
    (T.STRING, "0", T.BOOLEAN, False),
    (T.STRING, "oui", T.BOOLEAN, None),
    (T.STRING, str(GUID), T.GUID, GUID),
    (T.LOCALIZED_TEXT, ("fr", "gel"), T.STRING, "gel"),
    (T.QUALIFIED_NAME, (2, "V1"), T.STRING, "V1"),
    (T.QUALIFIED_NAME, (2, "V1"), T.LOCALIZED_TEXT, ("", "V1")),
    (T.NODE_ID, (2, "21605/CAB-0003"), T.STRING, "ns=2;s=21605/CAB-0003"),
    (T.NODE_ID, (0, 85), T.EXPANDED_NODE_ID, (0, 85)),
]
EXPLICIT: list[tuple[Type, Any, Type, Any]] = [
    (T.DOUBLE, 2.6, T.INT32, 3),
    (T.DOUBLE, 1e30, T.INT32, None),
    (T.DOUBLE, float("nan"), T.INT32, None),
    (T.DOUBLE, 0.1, T.FLOAT, 0.10000000149011612),
    (T.INT32, 5, T.BOOLEAN, True),
    (T.INT32, 300, T.BYTE, None),
    (T.STATUS_CODE, 0x80340000, T.UINT16, 0x8034),
    (T.STRING, "ns=2;s=21605", T.NODE_ID, (2, "21605")),
    (T.STRING, "i=85", T.NODE_ID, (0, 85)),
    (T.STRING, "ns=x;i=85", T.NODE_ID, None),
    (T.STRING, "2026-11-28T00:00:00Z", T.DATE_TIME, 1_795_824_000_000_000_000),
    (T.STRING, "hier", T.DATE_TIME, None),
    (T.DATE_TIME, 0, T.STRING, "1970-01-01T00:00:00Z"),
    (T.GUID, GUID, T.BYTE_STRING, GUID.bytes_le),
    (T.BYTE_STRING, b"short", T.GUID, None),
    (T.STRING, "V1", T.QUALIFIED_NAME, (0, "V1")),
    (T.BOOLEAN, True, T.STRING, "true"),
    (T.INT32, -3, T.STRING, "-3"),
]
NEVER = [(T.DATE_TIME, 5, T.INT64), (T.BYTE_STRING, b"1", T.STRING), (T.STATUS_CODE, 0, T.BOOLEAN)]


@pytest.mark.parametrize(("a", "data", "b", "wanted"), IMPLICIT)
def test_what_is_converted_by_itself(a: Type, data: Any, b: Type, wanted: Any) -> None:
    made = convert(Value(a, data), b, explicit=False)
    assert (None if made is None else made.data) == wanted


@pytest.mark.parametrize(("a", "data", "b", "wanted"), EXPLICIT)
def test_what_is_converted_when_asked_for(a: Type, data: Any, b: Type, wanted: Any) -> None:
    assert convert(Value(a, data), b, explicit=False) is None
    made = convert(Value(a, data), b, explicit=True)
    assert (None if made is None else made.data) == wanted


@pytest.mark.parametrize(("a", "data", "b"), NEVER)
def test_what_is_never_converted(a: Type, data: Any, b: Type) -> None:
    assert convert(Value(a, data), b, explicit=True) is None


def test_arrays_are_not_converted() -> None:
    assert convert(Value(T.INT32, (1,), True), T.INT64, explicit=True) is None


PRECEDENCE = [
    (Value(T.UINT16, 600), Value(T.INT32, 600), T.INT32),
    (Value(T.INT32, 1), Value(T.DOUBLE, 1.0), T.DOUBLE),
    (Value(T.UINT64, 1), Value(T.INT64, 1), T.INT64),
    (Value(T.STRING, "1"), Value(T.BYTE, 1), T.BYTE),
    (Value(T.STRING, "gel"), Value(T.LOCALIZED_TEXT, ("fr", "gel")), T.STRING),
    (Value(T.NODE_ID, (0, 85)), Value(T.STRING, "i=85"), T.STRING),
]


@pytest.mark.parametrize(("a", "b", "wanted"), PRECEDENCE)
def test_the_type_of_higher_precedence_wins(a: Value, b: Value, wanted: Type) -> None:
    for both in (common(a, b), common(b, a)):
        assert both is not None
        assert both[0].type is both[1].type is wanted
        assert both[0].data == both[1].data


def test_without_a_conversion_there_is_nothing_in_common() -> None:
    assert common(Value(T.DATE_TIME, 1), Value(T.INT64, 1)) is None
    assert common(Value(T.GUID, GUID), Value(T.INT64, 1)) is None


@given(st.integers(-(2**63), 2**64 - 1), st.sampled_from([T.SBYTE, T.UINT16, T.INT32, T.UINT64, T.INT64]))
def test_bits_are_cut_to_a_type(number: int, to: Type) -> None:
    bits = {T.SBYTE: 8, T.UINT16: 16, T.INT32: 32, T.UINT64: 64, T.INT64: 64}[to]
    cut = integer(Value(T.INT64, number), to)
    assert (cut - number) % 2**bits == 0
    assert cut.bit_length() <= bits


def test_every_pair_has_a_rule() -> None:
    assert len(RULE) == 20 * 20
    assert set(RULE.values()) == {"I", "E", "X", "-"}
