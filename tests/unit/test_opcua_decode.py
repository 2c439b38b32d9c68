# SPDX-License-Identifier: Apache-2.0
"""What becomes of a DataValue, case by case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from config.words import Kind, StatusCode, value_of
from drivers.opcua.cells import CannotEncode, columns, variant
from drivers.opcua.layout import Garbled, alike, walk

WHEN = datetime(2026, 1, 5, 12, tzinfo=UTC)
WHEN_NS = round(WHEN.timestamp()) * 10**9
NOW = 77
V = ua.VariantType


def decoded(value: ua.DataValue, kind: Kind, index: int = -1) -> Any:
    data = struct_to_binary(value)
    layout = walk(data, 0, 1, 0, np.array([index]))
    assert layout.size == len(data) and layout.fits(data, 0)
    return columns(data, 0, layout, np.array([kind], np.uint8), NOW)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (ua.Variant(True), Kind.Boolean, True),
        (ua.Variant(-5, V.SByte), Kind.Int32, -5),
        (ua.Variant(250, V.UInt32), Kind.Byte, 250),
        (ua.Variant(300, V.UInt32), Kind.Byte, StatusCode.BadOutOfRange),
        (ua.Variant(-1, V.Int64), Kind.UInt64, StatusCode.BadOutOfRange),
        (ua.Variant(2**64 - 1, V.UInt64), Kind.UInt64, 2**64 - 1),
        (ua.Variant(2**64 - 1, V.UInt64), Kind.Int64, StatusCode.BadOutOfRange),
        (ua.Variant(2**64 - 1, V.UInt64), Kind.Double, 2.0**64),
        (ua.Variant(-7, V.Int16), Kind.Double, -7.0),
        (ua.Variant(1.5, V.Float), Kind.Double, 1.5),
        (ua.Variant(1.5, V.Double), Kind.Int32, StatusCode.BadTypeMismatch),
        (ua.Variant(1, V.Int32), Kind.Boolean, StatusCode.BadTypeMismatch),
        (ua.Variant("1", V.String), Kind.Double, StatusCode.BadTypeMismatch),
        (ua.Variant(ua.LocalizedText("x")), Kind.String, StatusCode.BadTypeMismatch),
        (ua.Variant(3, V.Int32), Kind.Enumeration, 3),
        (ua.Variant(-3, V.Int32), Kind.Enumeration, StatusCode.BadOutOfRange),
        (ua.Variant([1, 2], V.Int32), Kind.Int32, StatusCode.BadTypeMismatch),
        (ua.Variant(), Kind.Double, StatusCode.BadWaitingForInitialData),
        (ua.Variant(WHEN), Kind.DateTime, WHEN_NS),
    ],
)
def test_a_value_becomes_a_cell_of_the_tags_kind_or_says_why_not(value: Any, kind: Kind, expected: Any) -> None:
    found = decoded(ua.DataValue(value), kind)
    if isinstance(expected, StatusCode):
        assert (found.statuses[0], found.cells[0]) == (expected, 0)
    else:
        assert found.statuses[0] == 0 and value_of(kind, int(found.cells[0])) == expected


def test_an_element_of_an_array_is_taken_also_from_a_server_that_sends_all_of_it() -> None:
    whole = ua.DataValue(ua.Variant([10, 11, 12, 13], V.Int16))
    assert decoded(whole, Kind.Int16, 2).cells[0] == 12
    assert decoded(whole, Kind.Int16, 4).statuses[0] == StatusCode.BadTypeMismatch
    assert decoded(ua.DataValue(ua.Variant([12], V.Int16)), Kind.Int16, 2).cells[0] == 12  # OPC 10000-4, 7.27
    texts = ua.DataValue(ua.Variant(["a", "é"], V.String))
    assert decoded(texts, Kind.String, 1).texts == {0: "é"}
    assert decoded(ua.DataValue(ua.Variant(5, V.Int16)), Kind.Int16, 0).statuses[0] == StatusCode.BadTypeMismatch


def test_status_and_times_are_kept_exactly() -> None:
    bad = decoded(ua.DataValue(ua.Variant(5.0), ua.StatusCode(0x80AB0000 | 0x481)), Kind.Double)
    assert (bad.statuses[0], bad.cells[0], bad.source_ns[0]) == (0x80AB0481, 0, NOW)
    uncertain = decoded(ua.DataValue(ua.Variant(5.0), ua.StatusCode(0x40920000), WHEN), Kind.Double)
    assert uncertain.statuses[0] == 0x40920000 and uncertain.source_ns[0] == WHEN_NS and uncertain.cells[0] != 0
    server = decoded(ua.DataValue(ua.Variant(5.0), ua.StatusCode(0), None, WHEN), Kind.Double)
    assert server.source_ns[0] == WHEN_NS, "without a source time the server's counts"


def test_values_that_are_all_alike_are_not_walked() -> None:
    data = b"".join(struct_to_binary(ua.DataValue(ua.Variant(float(i)), ua.StatusCode(0), WHEN)) for i in range(50))
    layout = alike(data, 0, 50, 0)
    assert layout is not None and layout.size == len(data)
    found = columns(data, 0, layout, np.full(50, Kind.Double, np.uint8), NOW)
    assert found.cells.view(float).tolist() == [float(i) for i in range(50)]
    other = data[:-1] + b"\0" + struct_to_binary(ua.DataValue(ua.Variant(True)))
    assert alike(other, 0, 51, 0) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x01", b"\xff" * 9, b"\x01\x8b\xff\xff\xff\x7f", b"\x01\x98\xff\xff\xff\x7f", b"\x01\x0c\xff\xff\xff\x7f",
        b"\x01" + b"\x18" * 60, b"\x01\x3e" + bytes(20),
    ],
)  # fmt: skip
def test_hostile_bytes_are_garbled_at_once(data: bytes) -> None:
    with pytest.raises(Garbled):
        walk(data, 0, 1, 0, np.array([-1]))


def test_a_huge_count_of_values_costs_nothing() -> None:
    with pytest.raises(Garbled, match="2147483647 values in 2 bytes"):
        walk(b"\0\0", 0, 2**31 - 1, 0, np.array([-1]))


@pytest.mark.parametrize(
    ("kind", "type_", "cell", "text"),
    [
        (Kind.Int32, 4, 40_000, "fits built-in type 4"),
        (Kind.Double, 4, int(np.float64(1.5).view(np.int64)), "whole number"),
        (Kind.Boolean, 6, 1, "can hold Boolean"),
        (Kind.Double, 255, 0, "can hold Double"),
    ],
)
def test_what_does_not_fit_is_not_encoded(kind: Kind, type_: int, cell: int, text: str) -> None:
    with pytest.raises(CannotEncode, match=text):
        variant(kind, type_, cell, None, False)
