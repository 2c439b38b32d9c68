# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_event_value.py
"""Values of event fields and of filters: a built-in type and what is in it, as in a Variant, and its bytes.

Law of this file: pure, no asyncua; the bytes are exactly those of asyncua's own encoder. `None` is the null value.

    NodeId, ExpandedNodeId   (namespace, identifier): an int, str, bytes or UUID
    QualifiedName            (namespace, name)
    LocalizedText            (locale, text)
    DateTime                 UTC [ns since 1970]
    arrays                   a tuple of these, `is_array`
    Variant                  a Value or None; only arrays of them are sent

Source: OPC 10000-6, 5.1.2 and 5.2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from supervisor.hmi.values import ticks

Id: TypeAlias = tuple[int, int | str | bytes | UUID]
"""A NodeId: namespace and identifier."""


class Type(IntEnum):
    """Built-in types that a field of an event can have. Source: OPC 10000-6, Table 1."""

    BOOLEAN = 1
    SBYTE = 2
    BYTE = 3
    INT16 = 4
    UINT16 = 5
    INT32 = 6
    UINT32 = 7
    INT64 = 8
    UINT64 = 9
    FLOAT = 10
    DOUBLE = 11
    STRING = 12
    DATE_TIME = 13
    GUID = 14
    BYTE_STRING = 15
    NODE_ID = 17
    EXPANDED_NODE_ID = 18
    STATUS_CODE = 19
    QUALIFIED_NAME = 20
    LOCALIZED_TEXT = 21
    VARIANT = 24


class Value(NamedTuple):
    """A value that is not null."""

    type: Type
    data: Any
    is_array: bool = False


TRUE: Final = Value(Type.BOOLEAN, True)
FALSE: Final = Value(Type.BOOLEAN, False)


def boolean(data: bool) -> Value:
    return TRUE if data else FALSE


def string(data: str) -> Value:
    return Value(Type.STRING, data)


def text(data: str, locale: str) -> Value:
    return Value(Type.LOCALIZED_TEXT, (locale, data))


def time(ns: int) -> Value | None:
    """A DateTime; 0, 'never', is null."""
    return Value(Type.DATE_TIME, ns) if ns else None


def node_id(namespace: int, identifier: int | str) -> Value:
    return Value(Type.NODE_ID, (namespace, identifier))


# --- bytes ----------------------------------------------------------------------------------------------------------

NULL_BYTES: Final = b"\0"
_ARRAY: Final = 0x80


def _bytes(data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + data


def _text(data: str) -> bytes:
    raw = data.encode("utf-8", "replace")
    return struct.pack("<i", len(raw)) + raw


def _id(data: Id) -> bytes:
    namespace, identifier = data
    if isinstance(identifier, str):  # names of conditions and equipment: too many to be remembered
        return struct.pack("<BH", 3, namespace) + _text(identifier)
    return _known_id(data)


@lru_cache(4096)
def _known_id(data: Id) -> bytes:
    namespace, identifier = data
    if isinstance(identifier, int):
        if namespace == 0 and identifier < 256:
            return struct.pack("<BB", 0, identifier)
        if namespace < 256 and identifier < 65536:
            return struct.pack("<BBH", 1, namespace, identifier)
        return struct.pack("<BHI", 2, namespace, identifier)
    if isinstance(identifier, UUID):
        return struct.pack("<BH", 4, namespace) + identifier.bytes_le
    if isinstance(identifier, bytes):
        return struct.pack("<BH", 5, namespace) + _bytes(identifier)
    raise TypeError(f"expected the identifier of a NodeId, got {identifier!r}")


def _localized(data: tuple[str, str]) -> bytes:
    locale, words = data
    if not locale:
        return b"\x02" + _text(words)
    return b"\x03" + _text(locale) + _text(words)


def _qualified(data: tuple[int, str]) -> bytes:
    return struct.pack("<H", data[0]) + _text(data[1])


def _number(form: str) -> Callable[[Any], bytes]:
    return struct.Struct(form).pack


_PACK: Final[dict[Type, Callable[[Any], bytes]]] = {
    Type.BOOLEAN: _number("<?"),
    Type.SBYTE: _number("<b"),
    Type.BYTE: _number("<B"),
    Type.INT16: _number("<h"),
    Type.UINT16: _number("<H"),
    Type.INT32: _number("<i"),
    Type.UINT32: _number("<I"),
    Type.INT64: _number("<q"),
    Type.UINT64: _number("<Q"),
    Type.FLOAT: _number("<f"),
    Type.DOUBLE: _number("<d"),
    Type.STRING: _text,
    Type.DATE_TIME: lambda ns: struct.pack("<q", ticks(ns)),
    Type.GUID: lambda data: data.bytes_le,
    Type.BYTE_STRING: _bytes,
    Type.NODE_ID: _id,
    Type.EXPANDED_NODE_ID: _id,
    Type.STATUS_CODE: _number("<I"),
    Type.QUALIFIED_NAME: _qualified,
    Type.LOCALIZED_TEXT: _localized,
}


def pack(value: Value | None) -> bytes:
    """A value as a Variant."""
    if value is None:
        return NULL_BYTES
    type_, data, is_array = value
    if not is_array:
        return bytes((type_,)) + _PACK[type_](data)
    return b"".join((struct.pack("<Bi", type_ | _ARRAY, len(data)), *map(_PACK[type_], data)))


_PACK[Type.VARIANT] = pack


def pack_all(values: Iterable[Value | None]) -> bytes:
    """An array of Variants: count, then one after the other (EventFields)."""
    packed = [pack(v) for v in values]
    return struct.pack("<i", len(packed)) + b"".join(packed)
