# SPDX-License-Identifier: Apache-2.0
"""Nesting: a hundred levels are decoded, one more is refused by name; arrays that lie; types that cannot be read."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import get_args

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import ua_binary
from asyncua.ua.ua_binary import (
    get_safe_type_hints,
    nodeid_to_binary,
    struct_from_binary,
    struct_to_binary,
)

from supervisor.hmi.entrance.decoder import DEPTH_MAX, harden_decoder
from supervisor.hmi.entrance.wire import CarefulBuffer

harden_decoder()
_LITERAL, _FILTER = struct.pack("<BBH", 1, 0, 597), struct.pack("<BBH", 1, 0, 727)


def variants(levels: int) -> bytes:
    return b"\x01" + b"\x18" * (levels - 1) + b"\x01\x01"


def arrays(levels: int) -> bytes:
    return b"\x01" + (b"\x98" + struct.pack("<i", 1)) * (levels - 1) + b"\x01\x01"


def values(levels: int) -> bytes:
    return b"\x01" + b"\x17\x01" * (levels - 1) + b"\x01\x01"


def extension(type_id: bytes, body: bytes) -> bytes:
    return type_id + b"\x01" + struct.pack("<i", len(body)) + body


def literals(levels: int) -> bytes:
    """Each is two levels: an ExtensionObject in a Variant, and the Variant of the LiteralOperand."""
    made = b"\x01\x01"
    for _ in range(levels // 2 - 1):
        made = b"\x16" + extension(_LITERAL, made)
    return b"\x01" + b"\x18" * (levels % 2 + 1) + made


def filters(levels: int) -> bytes:
    """An EventFilter whose only operand is an EventFilter ...: the longest way from one level to the next."""
    made = extension(_LITERAL, b"\x01\x01")
    for _ in range(levels - 3):
        where = struct.pack("<iIi", 1, 0, 1) + made
        made = extension(_FILTER, struct.pack("<i", 0) + where)
    return b"\x01\x16" + made


@pytest.mark.parametrize("nested", [variants, arrays, values, literals, filters], ids=lambda f: f.__name__)
def test_a_hundred_levels_and_no_more(nested: Callable[[int], bytes]) -> None:
    def decode(levels: int) -> None:
        struct_from_binary(ua.DataValue, CarefulBuffer(nested(levels)))

    for _ in range(2):  # a refusal leaves nothing behind
        decode(DEPTH_MAX)
        with pytest.raises(ServiceError) as refused:
            decode(DEPTH_MAX + 1)
        assert refused.value.code == ua.StatusCodes.BadEncodingLimitsExceeded


def test_the_bound_is_met_before_python_s_own() -> None:
    """Three thousand frames to spare change nothing: it is our count that refuses."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 3_000)
    try:
        with pytest.raises(ServiceError):
            struct_from_binary(ua.DataValue, CarefulBuffer(variants(5_000)))
    finally:
        sys.setrecursionlimit(before)


def test_a_body_without_a_length_is_a_level_like_any_other() -> None:
    """asyncua reads an ExtensionObject of length -1 from the same buffer; that is no way around."""
    endless = _LITERAL + b"\x01" + struct.pack("<i", -1) + b"\x16"
    with pytest.raises(ServiceError):
        struct_from_binary(ua.DataValue, CarefulBuffer(b"\x01\x16" + endless * 200))


def test_no_structure_holds_its_own_kind_by_another_way() -> None:
    """What the theory rests on: whatever comes around again comes through a Variant or an ExtensionObject."""
    shapes = {t: _parts(t) for t in vars(ua).values() if isinstance(t, type) and is_dataclass(t) and t not in _APART}

    def walk(kind: type, above: tuple[type, ...]) -> None:
        assert kind not in above, [t.__name__ for t in (*above, kind)]
        for part in shapes.get(kind, ()):
            walk(part, (*above, kind))

    for kind in shapes:
        walk(kind, ())


# Where counting happens, and the two that asyncua cannot decode at all.
_APART = (ua.Variant, ua.ExtensionObject, ua.AliasUpdateDataType, ua.AliasCategoryUpdateDataType)


def _parts(kind: type) -> set[type]:
    """Types of the fields of a structure, those apart that are counted."""
    found, rest = set(), list(get_safe_type_hints(kind, {"ua": ua}).values())
    while rest:
        hint = rest.pop()
        rest += get_args(hint)
        if isinstance(hint, type) and hint not in _APART:
            found.add(hint)
    return found


def test_siblings_are_not_levels() -> None:
    many = ua.DataValue(ua.Variant([ua.Variant(i) for i in range(1_000)], ua.VariantType.Variant))
    found = struct_from_binary(ua.DataValue, CarefulBuffer(struct_to_binary(many)))
    assert len(found.Value.Value) == 1_000
    assert ua_binary.extensionobject_from_binary(CarefulBuffer(b"\0\0\0")) == ua.ExtensionObject()


@pytest.mark.parametrize("dimensions", [[1_000_000], [2, -3], [0], [7], [2**31 - 1, 2**31 - 1], [3, 3]])
def test_an_array_is_as_large_as_its_elements(dimensions: list[int]) -> None:
    """Two elements that call themselves a million must not become a million. Source: OPC 10000-6, 5.2.2.16."""
    head = b"\x01\xc1" + struct.pack("<i2B", 2, 1, 1)
    raw = head + struct.pack(f"<i{len(dimensions)}i", len(dimensions), *dimensions)
    with pytest.raises(ua.UaError, match="do not fit"):
        struct_from_binary(ua.DataValue, CarefulBuffer(raw))


@pytest.mark.parametrize(("flat", "dimensions", "expected"), [([1, 2, 3, 4], [2, 2], [[1, 2], [3, 4]]), ([], [0], [])])
def test_an_array_that_tells_the_truth_has_its_shape(flat: list[int], dimensions: list[int], expected: object) -> None:
    raw = struct_to_binary(ua.DataValue(ua.Variant(flat, ua.VariantType.Int32, dimensions, is_array=True)))
    assert struct_from_binary(ua.DataValue, CarefulBuffer(raw)).Value.Value == expected


def test_every_structure_that_is_known_by_name_is_decoded_or_refused() -> None:
    """asyncua knows types that it cannot read; whoever sends one must not look like a bug of ours in the log."""
    chance = random.Random(4)
    for type_id in ua.extension_objects_by_typeid:
        for body in (bytes(300), b"\xff" * 200, bytes(chance.choice((0, 0, 0, 1, 2, 255)) for _ in range(200))):
            try:
                ua_binary.extensionobject_from_binary(CarefulBuffer(extension(nodeid_to_binary(type_id), body)))
            except (ua.UaError, struct.error, ValueError, TypeError):
                continue
