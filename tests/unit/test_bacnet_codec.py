# SPDX-License-Identifier: Apache-2.0
"""Names, tags, envelopes, layouts and qualities: the standard's tables and its published frames, byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from bacpypes3 import basetypes
from bacpypes3.primitivedata import ObjectType

from config.words import Kind, StatusCode, value_of
from drivers.bacnet import cov, frames, names, quality, tags
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.cells import Decoder, Want, told
from drivers.bacnet.frames import Pdu, Service
from drivers.bacnet.layout import walk
from drivers.bacnet.plan import Member, multiple, property_question
from drivers.bacnet.tags import BITS, ENUMERATED, REAL, SIGNED, TEXT, UNSIGNED, Garbled, Value
from drivers.bacnet.writing import question
from drivers.base import WriteItem
from tests.bacnet import point

INVOKE = "00 05"  # whole answers only, 1476 bytes


def member(kind: Kind = Kind.Float, flags: bool = False, **address: object) -> Member:
    return Member(0, BacnetPoint.model_validate(address), kind, flags)


# --- names


def test_names_have_the_numbers_another_library_gives_them() -> None:
    other = {str(ObjectType(number)): number for number in names.OBJECT_TYPES.values()}
    assert other == names.OBJECT_TYPES
    properties = {str(basetypes.PropertyIdentifier(n)): n for n in names.PROPERTIES.values()}
    assert properties == names.PROPERTIES
    for ours, theirs in (
        (names.ERROR_CLASSES, basetypes.ErrorClass),
        (names.ERROR_CODES, basetypes.ErrorCode),
        (names.RELIABILITIES, basetypes.Reliability),
    ):
        assert {number: str(theirs(number)) for number in ours} == ours


# --- ASHRAE 135 annex F: the published examples


def test_f_3_5_read_property() -> None:
    asked = property_question(BacnetPoint(object="analog-input 5").oid, names.PRESENT_VALUE)
    assert asked.tail.hex(" ") == "0c 0c 00 00 00 05 19 55"
    assert frames.confirmed(1, asked.tail[0], asked.tail[1:])[:4].hex(" ") == f"{INVOKE} 01 0c"
    answer = bytes.fromhex("0c00000005 1955 3e 444290999a 3f")
    assert tags.value(answer, walk(answer, asked.pieces).at[0] - 1)[0] == Value(REAL, pytest.approx(72.3))


def test_f_3_7_read_property_multiple() -> None:
    members = [
        member(object="analog-input 16"),
        member(Kind.Enumeration, object="analog-input 16", property="reliability"),
    ]
    one, two = (multiple(members, [i]).tail for i in (0, 1))
    assert one.hex(" ") == "0e 0c 00 00 00 10 1e 09 55 1f" and two.hex(" ") == "0e 0c 00 00 00 10 1e 09 67 1f"
    answer = bytes.fromhex("0c00000010 1e 2955 4e 444290999a 4f 1f 0c00000010 1e 2967 4e 9100 4f 1f")
    asked = multiple(members, [0, 1])
    layout = walk(answer, asked.pieces)
    read = Decoder(layout, [Want(Kind.Float), Want(Kind.Enumeration)], asked.values, asked.flags)
    found = read.read(np.frombuffer(answer, np.uint8))
    assert value_of(Kind.Float, int(found.cells[0])) == pytest.approx(72.3, rel=1e-6) and found.cells[1] == 0


def test_f_3_9_write_property() -> None:
    written = point("SP", Kind.Float, "rw", object="analog-value 1", cov=False)
    cell = struct.unpack("<q", struct.pack("<d", 180.0))[0]
    asked = question(written, WriteItem(0, cell))
    assert asked[:-2].hex(" ") == "0f 0c 00 80 00 01 19 55 3e 44 43 34 00 00 3f"
    assert asked[-2:].hex(" ") == "49 08", "the example says no priority, we always do"


def test_f_1_10_subscribe_cov() -> None:
    asked = cov.subscribe(BacnetPoint(object="analog-input 10"), 18, True, 0)
    assert asked.hex(" ") == "05 09 12 1c 00 00 00 0a 29 01 39 00"


def test_f_1_2_confirmed_cov_notification() -> None:
    told_ = cov.notification(
        bytes.fromhex("0912 1c02000004 2c0000000a 3900 4e 0955 2e 4442820000 2f 096f 2e 820400 2f 4f"), 0
    )
    assert (told_.process, told_.oid) == (18, 10)
    assert told_.values == {85: tags.encode(REAL, 65.0), 111: tags.encode(BITS, 0)}


# --- tags, clause 20.2


@pytest.mark.parametrize(
    ("encoded", "tag", "value"),
    [
        ("00", tags.NULL, None),
        ("10", tags.BOOLEAN, False),
        ("11", tags.BOOLEAN, True),
        ("21 48", UNSIGNED, 72),
        ("31 48", SIGNED, 72),
        ("31 b8", SIGNED, -72),
        ("44 42 90 00 00", REAL, 72.0),
        ("55 08 40 52 00 00 00 00 00 00", tags.DOUBLE, 72.0),
        ("75 05 00 44 69 6a 6f", TEXT, "Dijo"),
        ("91 00", ENUMERATED, 0),
        ("c4 00 c0 00 0f", tags.OBJECT, 3 << 22 | 15),
    ],
)
def test_a_value_is_read_and_written(encoded: str, tag: int, value: object) -> None:
    data = bytes.fromhex(encoded)
    assert tags.value(data, 0) == (Value(tag, value), len(data))  # type: ignore[arg-type]
    assert tags.encode(tag, value) == data  # type: ignore[arg-type]


def test_texts_of_every_character_set_and_no_other() -> None:
    """Clause 20.2.9."""
    assert tags.text(b"\x00" + "é€".encode()) == "é€"
    assert tags.text(b"\x04" + "é€".encode("utf-16-be")) == "é€"
    assert tags.text(b"\x03" + "é€".encode("utf-32-be")) == "é€"
    assert tags.text(b"\x05\xe9") == "é"
    for wrong in (b"", b"\x01ab", b"\x02ab", b"\x00\xff", b"\x04\xd8"):
        with pytest.raises(Garbled):
            tags.text(wrong)


def test_bits_are_counted_from_the_first() -> None:
    """Clause 20.2.10."""
    assert tags.bits(bytes.fromhex("03 a8")) == 0b10101  # 10101 from bit 0 on
    assert tags.bits(bytes.fromhex("04 10")) == 8  # out-of-service
    assert tags.bits(b"\x00") == 0
    assert tags.bit_content(8, 4).hex() == "0410"
    for wrong in (b"\x08\x00", b"\x01"):
        with pytest.raises(Garbled):
            tags.bits(wrong)


def test_nesting_and_length_are_bounded() -> None:
    with pytest.raises(Garbled, match="nested deeper"):
        tags.skip(b"\x0e" * 20 + b"\x0f" * 20, 0)
    with pytest.raises(Garbled, match="at most"):
        tags.header(bytes.fromhex("75 ff 7f ff ff ff"), 0)
    with pytest.raises(Garbled, match="without its opening"):
        tags.skip(b"\x0f", 0)


# --- envelopes


def test_a_station_behind_a_router_is_addressed_and_known_by_network_and_mac() -> None:
    """Clause 6.2.2."""
    assert frames.npdu_to(3, b"\x0a", True).hex(" ") == "01 24 00 03 01 0a ff"
    frame = frames.parse(frames.envelope(frames.npdu_from(3, b"\x0a"), frames.simple_ack(7, Service.WRITE_PROPERTY)))
    assert (frame.network, frame.mac, frame.kind, frame.id, frame.code) == (3, b"\x0a", Pdu.SIMPLE_ACK, 7, 15)


def test_a_forwarded_message_names_who_sent_it_first() -> None:
    """Annex J.2.5."""
    data = bytes.fromhex("81 04 00 19 0a15 0503 bac0 0120ffff00ff 1000c40200000322040091032163")
    data = data[:2] + len(data).to_bytes(2, "big") + data[4:]
    frame = frames.parse(data)
    assert frame.origin == ("10.21.5.3", 47808) and (frame.kind, frame.code) == (Pdu.UNCONFIRMED, frames.I_AM)


@pytest.mark.parametrize(
    "wrong", ["", "81", "810a0006010", "820a00060100", "810a00070100", "810a0008010030", "8100000600 00"]
)
def test_what_is_no_message_is_garbled(wrong: str) -> None:
    with pytest.raises(Garbled):
        frames.parse(bytes.fromhex(wrong + "0" * (len(wrong.replace(" ", "")) % 2)))


# --- layouts


def answered(*values: bytes, flags: bool = True) -> tuple[bytes, list[Member]]:
    """An answer about analog-inputs 0, 1 ...; each with status flags 0."""
    members = [member(object=f"analog-input {i}", flags=flags) for i in range(len(values))]
    parts = [
        tags.context(0, i.to_bytes(4, "big")) + b"\x1e\x29\x55\x4e" + value + b"\x4f\x29\x6f\x4e\x82\x04\x00\x4f\x1f"
        for i, value in enumerate(values)
    ]
    return b"".join(parts), members


def test_a_layout_fits_what_has_the_same_skeleton_and_nothing_else() -> None:
    data, members = answered(tags.encode(REAL, 1.5), tags.encode(REAL, 2.5))
    layout = walk(data, multiple(members, [0, 1]).pieces)
    other, _ = answered(tags.encode(REAL, -7.0), tags.encode(REAL, 8.0))
    assert layout.fits(np.frombuffer(other, np.uint8))
    shorter, _ = answered(tags.encode(REAL, -7.0), tags.encode(UNSIGNED, 70_000))
    assert not layout.fits(np.frombuffer(shorter, np.uint8))
    for at in (1, 6, 7, 9):
        broken = bytearray(data)
        broken[at] ^= 1
        assert not layout.fits(np.frombuffer(bytes(broken), np.uint8)), f"byte {at} is part of the skeleton"


def test_another_objects_answer_is_not_taken() -> None:
    data, members = answered(tags.encode(REAL, 1.5), tags.encode(REAL, 2.5))
    with pytest.raises(Garbled, match="expected 0c 00 00 00 01"):
        walk(data, multiple(members, [1, 0]).pieces)
    for wrong in (data[:-1], data + b"\x00", b""):
        with pytest.raises(Garbled):
            walk(wrong, multiple(members, [0, 1]).pieces)


@pytest.mark.parametrize(
    ("kind", "value", "status", "cell"),
    [
        (Kind.Float, Value(UNSIGNED, 7), StatusCode.Good, 7.0),
        (Kind.Double, Value(SIGNED, -7), StatusCode.Good, -7.0),
        (Kind.Boolean, Value(ENUMERATED, 1), StatusCode.Good, True),
        (Kind.Boolean, Value(tags.BOOLEAN, True), StatusCode.Good, True),
        (Kind.Boolean, Value(ENUMERATED, 2), StatusCode.BadOutOfRange, False),
        (Kind.UInt16, Value(UNSIGNED, 70_000), StatusCode.BadOutOfRange, 0),
        (Kind.Byte, Value(SIGNED, -1), StatusCode.BadOutOfRange, 0),
        (Kind.Int32, Value(REAL, 1.0), StatusCode.BadTypeMismatch, 0),
        (Kind.Float, Value(REAL, float("nan")), StatusCode.BadNoData, 0.0),
        (Kind.Float, Value(tags.NULL, None), StatusCode.BadNoData, 0.0),
        (Kind.Float, Value(TEXT, "1.0"), StatusCode.BadTypeMismatch, 0.0),
        (Kind.Byte, Value(BITS, 8), StatusCode.Good, 8),
    ],
)
def test_what_may_be_what(kind: Kind, value: Value, status: StatusCode, cell: object) -> None:
    found = told(Want(kind), tags.encode(value.tag, value.value), 0)
    assert found.status == status and value_of(kind, found.cell) == cell


def test_state_1_of_a_multi_state_object_is_the_first_value_of_an_enumeration() -> None:
    """Clause 12.18.4: states count from 1."""
    first = member(Kind.Enumeration, object="multi-state-input 1").want
    assert first.first == 1 and member(Kind.UInt16, object="multi-state-input 1").want.first == 0
    none, one, four = (told(first, tags.encode(UNSIGNED, state), 0) for state in (0, 1, 4))
    assert (one.cell, four.cell, none.status) == (0, 3, StatusCode.BadOutOfRange)


def test_a_long_bit_string_is_told_whole_and_a_bit_it_does_not_have_has_no_value() -> None:
    """Clause 20.2.10: nine bits, all set."""
    nine = tags.tag(BITS, False, 3) + tags.bit_content(0x1FF, 9)
    assert told(Want(Kind.UInt16), nine, 0).cell == 0x1FF
    assert told(Want(Kind.Boolean, bit=8), nine, 0).cell == 1
    assert told(Want(Kind.Boolean, bit=9), nine, 0).status == StatusCode.BadOutOfRange


def test_an_abort_by_a_client_is_none_of_ours() -> None:
    """Clause 20.1.9: the server bit says whose question was given up."""
    ours, theirs = (frames.parse(frames.envelope(b"\x01\x00", bytes((head, 3, 10)))) for head in (0x71, 0x70))
    assert theirs.is_of_a_client and not ours.is_of_a_client


def test_an_array_or_a_construction_is_no_value_of_a_tag() -> None:
    for content in (tags.encode(REAL, 1.0) * 2, b"\x0e\x0f", b""):
        data, members = answered(content)
        asked = multiple(members, [0])
        found = Decoder(walk(data, asked.pieces), [Want(Kind.Float)], asked.values, asked.flags).read(
            np.frombuffer(data, np.uint8)
        )
        assert found.statuses[0] == StatusCode.BadTypeMismatch


# --- quality


@pytest.mark.parametrize(
    ("flags", "reliability", "status"),
    [
        (0, None, StatusCode.Good),
        (quality.IN_ALARM, None, StatusCode.Good),
        (quality.OVERRIDDEN, None, StatusCode.GoodLocalOverride),
        (quality.OUT_OF_SERVICE, None, StatusCode.UncertainSubstituteValue),
        (quality.OUT_OF_SERVICE | quality.OVERRIDDEN, None, StatusCode.UncertainSubstituteValue),
        (quality.FAULT, None, StatusCode.BadDeviceFailure),
        (quality.FAULT, 1, StatusCode.BadSensorFailure),
        (quality.FAULT, 2, StatusCode.UncertainEngineeringUnitsExceeded),
        (quality.FAULT, 5, StatusCode.BadSensorFailure),
        (quality.FAULT, 7, StatusCode.UncertainSensorNotAccurate),
        (quality.FAULT | quality.OUT_OF_SERVICE, 10, StatusCode.BadConfigurationError),
        (quality.FAULT, 12, StatusCode.BadNoCommunication),
        (quality.FAULT, 200, StatusCode.BadDeviceFailure),
    ],
)
def test_flags_and_reliability_are_a_status(flags: int, reliability: int | None, status: StatusCode) -> None:
    """Clauses 12.2.7, 12.2.9, 12.2.10."""
    statuses = np.zeros(1, np.uint32)
    quality.weigh(statuses, np.array([flags], np.uint8), {} if reliability is None else {0: reliability})
    assert statuses[0] == status


def test_a_value_that_is_bad_stays_so() -> None:
    statuses = np.array([StatusCode.BadNoData], np.uint32)
    quality.weigh(statuses, np.array([quality.OVERRIDDEN], np.uint8), {})
    assert statuses[0] == StatusCode.BadNoData


def test_errors_have_a_status_and_a_meaning() -> None:
    assert quality.refused(1 << 16 | 31)[0] is StatusCode.BadNodeIdUnknown
    assert quality.refused(2 << 16 | 27)[0] is StatusCode.BadUserAccessDenied
    assert quality.refused(9 << 16 | 9)[0] is StatusCode.BadDeviceFailure
