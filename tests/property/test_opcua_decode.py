# SPDX-License-Identifier: Apache-2.0
"""Any list of DataValues: our columns say what asyncua's decoder says; any bytes: columns or Garbled, nothing else."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import Kind, value_of
from drivers.opcua import codec
from drivers.opcua.cells import EPOCH_TICKS, WIRE_TYPE, columns, variant
from drivers.opcua.layout import Garbled, alike, walk

INTEGERS = [k for k in Kind if k.is_integer and k is not Kind.Enumeration]
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 7 * 10**15).map(lambda us: BEGIN + timedelta(microseconds=us))


def of(kind: Kind) -> st.SearchStrategy[Any]:
    if kind is Kind.Boolean:
        return st.booleans()
    if kind is Kind.String:
        return st.text("aé€ł😀 z", max_size=20)
    if kind is Kind.DateTime:
        return TIMES
    if kind.is_float:
        return st.floats(width=32 if kind is Kind.Float else 64)
    return st.integers(*(kind.bounds or (0, 0)))


KINDS = [k for k in Kind if k is not Kind.Enumeration]
TYPED = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), of(kind)))
CODES = st.sampled_from([None, 0, 0x40920000, 0x80AB0000])
VALUES = st.tuples(TYPED, CODES, st.none() | TIMES, st.none() | TIMES)


def data_value(kind: Kind, value: Any, code: int | None, source: Any, server: Any) -> ua.DataValue:
    status = None if code is None else ua.StatusCode(code)
    return ua.DataValue(ua.Variant(value, ua.VariantType(int(kind))), status, source, server)


def ns(when: datetime) -> int:
    return (ua.datetime_to_win_epoch(when) - EPOCH_TICKS) * 100


@given(st.lists(VALUES, min_size=1, max_size=12), st.binary(max_size=9))
@settings(max_examples=300)
def test_columns_say_what_asyncua_says(values: list[Any], before: bytes) -> None:
    made = [data_value(kind, value, code, source, server) for (kind, value), code, source, server in values]
    data = before + b"".join(struct_to_binary(each) for each in made)
    n, at = len(made), len(before)
    kinds = np.array([kind for (kind, _), *_ in values], np.uint8)
    layouts = [walk(data, at, n, 0, np.full(n, -1))]
    if (same := alike(data, at, n, 0)) is not None:
        layouts.append(same)
    for layout in layouts:
        assert layout.size == len(data) - at
        found = columns(data, at, layout, kinds, 5)
        for i, ((kind, value), code, source, server) in enumerate(values):
            assert found.statuses[i] == (code or 0)
            assert found.source_ns[i] == (ns(source) if source else ns(server) if server else 5)
            if (code or 0) >= 0x80000000:
                assert found.cells[i] == 0 and i not in found.texts
            elif kind is Kind.String:
                assert found.texts[i] == value
            elif kind is Kind.DateTime:
                assert found.cells[i] == ns(value)
            else:
                got = value_of(kind, int(found.cells[i]))
                assert got == value or (math.isnan(got) and math.isnan(value))


@given(st.binary(max_size=200), st.integers(0, 20), st.sampled_from([0, 4]))
@settings(max_examples=500)
def test_any_bytes_are_columns_or_garbled(data: bytes, n: int, head: int) -> None:
    try:
        layout = walk(data, 0, n, head, np.full(20, -1))
    except Garbled:
        return
    columns(data, 0, layout, np.full(n, Kind.Double, np.uint8), 0)


@given(st.binary(max_size=120), st.integers(0, 5))
@settings(max_examples=500)
def test_any_response_is_understood_or_garbled(data: bytes, n: int) -> None:
    for type_id, rest in ((codec.READ_ANSWER, codec.statuses), (codec.CREATE_ITEMS_ANSWER, codec.item_results)):
        for whole in (data, b"\x01\x00" + type_id.to_bytes(2, "little") + bytes(21) + data):
            try:
                rest(whole, codec.answer(whole, type_id), n)
            except (Garbled, codec.ServiceFault):
                pass
    try:
        codec.published(data, 0)
    except Garbled:
        pass


@given(TYPED, st.booleans())
@settings(max_examples=300)
def test_what_is_written_is_what_asyncua_would_write(typed: tuple[Kind, Any], in_array: bool) -> None:
    kind, value = typed
    text = value if kind is Kind.String else None
    if kind is Kind.DateTime:
        cell = ns(value)
    elif kind is Kind.String:
        cell = 0
    elif kind.is_float:
        cell = int(np.float64(value).view(np.int64))
    else:
        cell = int(np.uint64(value).view(np.int64)) if kind is Kind.UInt64 else int(value)
    expected = ua.Variant([value] if in_array else value, ua.VariantType(int(kind)), is_array=in_array)
    got = variant(kind, WIRE_TYPE[kind.name], cell, text, in_array)
    if kind.is_float and math.isnan(value):
        return
    assert got == ua.ua_binary.variant_to_binary(expected)
