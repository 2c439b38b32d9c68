# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_ranges.py
"""Parts of values: the NumericRange of an IndexRange, and the DataEncoding of a value.

Law of this file: pure. A range that is badly written is BadIndexRangeInvalid; every other range that gives nothing is
BadIndexRangeNoData. Source: OPC 10000-4, 7.27 (NumericRange), 5.11.2 (DataEncoding).
"""

from __future__ import annotations

import re
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError

_DIMENSION: Final = re.compile(r"(\d{1,10})(?::(\d{1,10}))?", re.ASCII)
_DIMENSIONS_MAX: Final = 8
_ENCODINGS: Final = frozenset(("Default XML", "Default JSON"))


def parse_range(text: str) -> list[slice]:
    """A NumericRange, a slice for each dimension.

    Raises:
        ServiceError: BadIndexRangeInvalid.
    """
    parts = text.split(",", _DIMENSIONS_MAX)
    made = []
    for part in parts:
        found = _DIMENSION.fullmatch(part)
        first = int(found[1]) if found else 0
        last = int(found[2]) if found and found[2] else first
        if found is None or len(parts) > _DIMENSIONS_MAX or (found[2] and last <= first):
            raise ServiceError(ua.StatusCodes.BadIndexRangeInvalid)
        made.append(slice(first, last + 1))
    return made


def part_of(variant: ua.Variant, ranges: list[slice]) -> ua.Variant:
    """The part of a value: elements of an array, characters of a text or bytes; both with a second range.

    Raises:
        ServiceError: BadIndexRangeNoData.
    """
    value = variant.Value
    inner = ranges[1:] if variant.is_array else ranges
    if (variant.is_array and variant.Dimensions is None) or not variant.is_array:
        try:
            cut: Any = _cut_array(value, ranges[0], inner) if variant.is_array else _cut_text(value, inner)
        except (TypeError, IndexError):
            cut = None
        if cut:
            return ua.Variant(cut, variant.VariantType, is_array=variant.is_array)
    raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)


def _cut_array(value: list[Any], wanted: slice, inner: list[slice]) -> list[Any] | None:
    chosen = value[wanted]
    return [_cut_text(element, inner) for element in chosen] if inner else chosen


def _cut_text(value: Any, ranges: list[slice]) -> Any:
    """Raises TypeError where there is nothing to cut, or IndexError beyond its end."""
    if len(ranges) != 1 or not isinstance(value, str | bytes):
        raise TypeError
    if not (cut := value[ranges[0]]):
        raise IndexError
    return cut


def check_encoding(encoding: ua.QualifiedName | None, attribute: int, value: ua.Variant | None) -> None:
    """Whether a value can be sent in the encoding asked for: ours is Default Binary, and only structures have any.

    Raises:
        ServiceError: BadDataEncodingInvalid, BadDataEncodingUnsupported.
    """
    if encoding is None or not encoding.Name:
        return
    structure = value is not None and value.VariantType is ua.VariantType.ExtensionObject
    if attribute != ua.AttributeIds.Value or not structure or encoding.NamespaceIndex:
        raise ServiceError(ua.StatusCodes.BadDataEncodingInvalid)
    if encoding.Name in _ENCODINGS:
        raise ServiceError(ua.StatusCodes.BadDataEncodingUnsupported)
    if encoding.Name != "Default Binary":
        raise ServiceError(ua.StatusCodes.BadDataEncodingInvalid)
