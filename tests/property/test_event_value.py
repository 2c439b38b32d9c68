# SPDX-License-Identifier: Apache-2.0
"""Fields of events as bytes: exactly what asyncua's own encoder makes of the same Variant (OPC 10000-6, 5.2.2.16)."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.events.operand import literal
from supervisor.hmi.events.value import Type, Value, pack, pack_all, text, time

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BITS = {
    Type.SBYTE: (-(2**7), 2**7 - 1),
    Type.BYTE: (0, 2**8 - 1),
    Type.INT16: (-(2**15), 2**15 - 1),
    Type.UINT16: (0, 2**16 - 1),
    Type.INT32: (-(2**31), 2**31 - 1),
    Type.UINT32: (0, 2**32 - 1),
    Type.INT64: (-(2**63), 2**63 - 1),
    Type.UINT64: (0, 2**64 - 1),
}
IDS = st.one_of(
    st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1)),
    st.tuples(st.integers(0, 65535), TEXT),
    st.tuples(st.integers(0, 65535), st.binary(max_size=8)),
    st.tuples(st.integers(0, 65535), st.uuids()),
)
MICROS = st.integers(0, 4_000_000_000_000_000)

DATA: dict[Type, st.SearchStrategy[Any]] = {
    Type.BOOLEAN: st.booleans(),
    **{type_: st.integers(*bounds) for type_, bounds in BITS.items()},
    Type.FLOAT: st.floats(width=32, allow_nan=False),
    Type.DOUBLE: st.floats(allow_nan=False),
    Type.STRING: TEXT,
    Type.DATE_TIME: MICROS.map(lambda us: us * 1000),
    Type.GUID: st.uuids(),
    Type.BYTE_STRING: st.binary(max_size=20),
    Type.NODE_ID: IDS,
    Type.STATUS_CODE: st.integers(0, 2**32 - 1),
    Type.QUALIFIED_NAME: st.tuples(st.integers(0, 65535), TEXT),
    Type.LOCALIZED_TEXT: st.tuples(TEXT.filter(bool), TEXT),
}
VALUES = st.sampled_from(sorted(DATA)).flatmap(
    lambda t: st.one_of(
        DATA[t].map(lambda d: Value(t, d)), st.lists(DATA[t], max_size=4).map(lambda d: Value(t, tuple(d), True))
    )
)


def stock(type_: Type, data: Any) -> Any:
    """The same as asyncua holds it."""
    if type_ is Type.NODE_ID:
        namespace, identifier = data
        kinds = {str: ua.NodeIdType.String, bytes: ua.NodeIdType.ByteString, uuid.UUID: ua.NodeIdType.Guid}
        kind = kinds.get(type(identifier))
        return ua.NodeId(identifier, namespace) if kind is None else ua.NodeId(identifier, namespace, kind)
    if type_ is Type.DATE_TIME:
        return datetime.fromtimestamp(0, UTC).replace(tzinfo=None) + timedelta(microseconds=data // 1000)
    if type_ is Type.STATUS_CODE:
        return ua.StatusCode(ua.UInt32(data))
    if type_ is Type.QUALIFIED_NAME:
        return ua.QualifiedName(data[1], data[0])
    return ua.LocalizedText(data[1], data[0]) if type_ is Type.LOCALIZED_TEXT else data


def variant(value: Value) -> ua.Variant:
    data = [stock(value.type, d) for d in value.data] if value.is_array else stock(value.type, value.data)
    return ua.Variant(data, ua.VariantType(value.type.value), is_array=value.is_array)


@given(VALUES)
def test_the_bytes_are_those_of_asyncua(value: Value) -> None:
    assert pack(value) == variant_to_binary(variant(value))


@given(VALUES)
def test_a_literal_is_read_back_as_the_same_value(value: Value) -> None:
    assert literal(variant(value)) == value


def test_null_and_lists() -> None:
    assert pack(None) == variant_to_binary(ua.Variant())
    assert pack_all([None, text("gel", "fr")]) == struct.pack("<i", 2) + b"\0" + pack(text("gel", "fr"))
    assert pack_all([]) == struct.pack("<i", 0)


def test_never_is_null() -> None:
    assert time(0) is None
    assert time(5) == Value(Type.DATE_TIME, 5)
