# SPDX-License-Identifier: Apache-2.0
"""NumericRange and DataEncoding by the examples and codes of the standard."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from supervisor.hmi.ranges import check_encoding, parse_range, part_of

CODES, TYPE = ua.StatusCodes, ua.VariantType


def code_of(error: Any) -> int:
    return int(error.value.code)


@pytest.mark.parametrize(
    "text",
    ["", "6,", ",6", "3.2", "7:5", "5:5", "-1", "1:", ":1", " 1", "1 ", "a", "1:2:3", "٣", "1:2,", "99999999999",
     "1,1,1,1,1,1,1,1,1"],
)  # fmt: skip
def test_what_is_badly_written(text: str) -> None:
    """OPC 10000-4, 7.27: "7:5" and "5:5" are not valid, nor is anything but digits, one colon and commas."""
    with pytest.raises(ServiceError) as error:
        parse_range(text)
    assert code_of(error) == CODES.BadIndexRangeInvalid


PARTS = [
    ([1, 2, 3, 4], TYPE.Int32, "0", [1]),
    ([1, 2, 3, 4], TYPE.Int32, "1:2", [2, 3]),
    ([1, 2, 3, 4], TYPE.Int32, "2:9", [3, 4]),  # an upper bound beyond the end: what there is
    ("Sennecey", TYPE.String, "0", "S"),
    ("Sennecey", TYPE.String, "3:99", "necey"),
    (b"\x01\x02\x03", TYPE.ByteString, "1:2", b"\x02\x03"),
    (["ab", "cdef"], TYPE.String, "0:1,1", ["b", "d"]),
]


@pytest.mark.parametrize(("value", "type_", "text", "part"), PARTS)
def test_parts_of_arrays_and_texts(value: Any, type_: ua.VariantType, text: str, part: Any) -> None:
    found = part_of(ua.Variant(value, type_), parse_range(text))
    assert found.Value == part and found.VariantType is type_ and found.is_array == isinstance(value, list)


NOTHING = [
    (1.5, TYPE.Double, "0"),  # a value without parts
    ([1, 2], TYPE.Int32, "2"),
    ([1, 2], TYPE.Int32, "0,0"),  # elements without parts
    ([1, 2], TYPE.Int32, "0:1,0:1,0"),
    ("abc", TYPE.String, "3"),
    ("abc", TYPE.String, "0,0"),
    (["a", "bcd"], TYPE.String, "0:1,1"),  # one element is too short
    ([], TYPE.Int32, "0"),
    ([[1, 2], [3, 4]], TYPE.Int32, "0:1,0"),  # no matrices here
]


@pytest.mark.parametrize(("value", "type_", "text"), NOTHING)
def test_a_range_that_gives_nothing(value: Any, type_: ua.VariantType, text: str) -> None:
    with pytest.raises(ServiceError) as error:
        part_of(ua.Variant(value, type_), parse_range(text))
    assert code_of(error) == CODES.BadIndexRangeNoData


STRUCTURE = ua.Variant(ua.Range(0.0, 1.0), TYPE.ExtensionObject)
ENCODINGS = [
    (STRUCTURE, "Default Binary", 0, 13, 0),
    (STRUCTURE, "Default XML", 0, 13, CODES.BadDataEncodingUnsupported),
    (STRUCTURE, "Default JSON", 0, 13, CODES.BadDataEncodingUnsupported),
    (STRUCTURE, "Else", 0, 13, CODES.BadDataEncodingInvalid),
    (STRUCTURE, "Default Binary", 1, 13, CODES.BadDataEncodingInvalid),
    (ua.Variant(1.0), "Default Binary", 0, 13, CODES.BadDataEncodingInvalid),  # only structures have encodings
    (STRUCTURE, "Default Binary", 0, 3, CODES.BadDataEncodingInvalid),  # only the attribute Value has one
    (ua.Variant(1.0), "", 0, 13, 0),
    (None, "", 0, 13, 0),
]


@pytest.mark.parametrize(("value", "name", "namespace", "attribute", "code"), ENCODINGS)
def test_encodings(value: Any, name: str, namespace: int, attribute: int, code: int) -> None:
    if not code:
        check_encoding(ua.QualifiedName(name, namespace), attribute, value)
        return
    with pytest.raises(ServiceError) as error:
        check_encoding(ua.QualifiedName(name, namespace), attribute, value)
    assert code_of(error) == code
