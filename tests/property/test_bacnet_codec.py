# SPDX-License-Identifier: Apache-2.0
"""Our codec beside bacpypes3's: the same bytes, the same values; and whatever the bytes, one typed error."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from bacpypes3.apdu import ReadPropertyMultipleACK, SubscribeCOVRequest, WritePropertyRequest
from bacpypes3.basetypes import (
    ErrorClass,
    ErrorCode,
    ErrorType,
    PropertyIdentifier,
    ReadAccessResult,
    ReadAccessResultElement,
    ReadAccessResultElementChoice,
    StatusFlags,
)
from bacpypes3.constructeddata import Any as BacAny
from bacpypes3.primitivedata import (
    Boolean,
    CharacterString,
    Double,
    Enumerated,
    Integer,
    ObjectIdentifier,
    Real,
    Unsigned,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import Kind, StatusCode, value_of
from drivers.bacnet import cov, frames, serving, tags
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.cells import Decoder
from drivers.bacnet.layout import walk
from drivers.bacnet.objects import Object
from drivers.bacnet.plan import Member, multiple
from drivers.bacnet.serving import Limits
from drivers.bacnet.tags import BOOLEAN, DOUBLE, ENUMERATED, REAL, SIGNED, TEXT, UNSIGNED, Garbled
from drivers.bacnet.writing import highest, question
from drivers.base import WriteItem
from tests.bacnet import objects, point

FLOATS = st.floats(width=32, allow_nan=False)
VALUES: dict[int, Any] = {
    REAL: (Real, FLOATS, Kind.Double),
    DOUBLE: (Double, st.floats(allow_nan=False), Kind.Double),
    UNSIGNED: (Unsigned, st.integers(0, 2**32 - 1), Kind.UInt32),
    SIGNED: (Integer, st.integers(-(2**31), 2**31 - 1), Kind.Int32),
    ENUMERATED: (Enumerated, st.integers(0, 2**31 - 1), Kind.Enumeration),
    BOOLEAN: (Boolean, st.booleans(), Kind.Boolean),
    TEXT: (CharacterString, st.text(st.characters(exclude_categories=["Cs"]), max_size=40), Kind.String),
}
TYPED = st.sampled_from(sorted(VALUES)).flatmap(lambda tag: st.tuples(st.just(tag), VALUES[tag][1]))


def answer_of(results: list[tuple[tuple[int, Any] | None, int]]) -> bytes:
    """A ReadPropertyMultiple answer as bacpypes3 encodes it; None: an error."""
    shown = []
    for i, (typed, flags) in enumerate(results):
        if typed is None:
            error = ErrorType(errorClass=ErrorClass("object"), errorCode=ErrorCode("unknown-object"))
            choice = ReadAccessResultElementChoice(propertyAccessError=error)
        else:
            choice = ReadAccessResultElementChoice(propertyValue=BacAny(VALUES[typed[0]][0](typed[1])))
        said = StatusFlags([flags >> bit & 1 for bit in range(4)])
        elements = [
            ReadAccessResultElement(propertyIdentifier=PropertyIdentifier("present-value"), readResult=choice),
            ReadAccessResultElement(
                propertyIdentifier=PropertyIdentifier("status-flags"),
                readResult=ReadAccessResultElementChoice(propertyValue=BacAny(said)),
            ),
        ]
        oid = ObjectIdentifier(("analog-input", i))
        shown.append(ReadAccessResult(objectIdentifier=oid, listOfResults=elements))
    return bytes(ReadPropertyMultipleACK(listOfReadAccessResults=shown).encode().pduData)


RESULTS = st.lists(st.tuples(st.one_of(st.none(), TYPED), st.integers(0, 15)), min_size=1, max_size=6)


@given(RESULTS)
@settings(max_examples=60, deadline=None)
def test_an_answer_encoded_by_bacpypes3_has_the_same_values(results: list[tuple[tuple[int, Any] | None, int]]) -> None:
    data = answer_of(results)
    members = [
        Member(i, BacnetPoint(object=f"analog-input {i}"), VALUES[typed[0]][2] if typed else Kind.Float, True)
        for i, (typed, _) in enumerate(results)
    ]
    asked = multiple(members, range(len(members)))
    decoder = Decoder(walk(data, asked.pieces), [m.want for m in members], asked.values, asked.flags)
    found = decoder.read(np.frombuffer(data, np.uint8))
    for i, (typed, flags) in enumerate(results):
        assert found.flags[i] == flags
        if typed is None:
            assert found.statuses[i] == StatusCode.BadNodeIdUnknown and found.codes[i] == 1 << 16 | 31
        elif members[i].kind is Kind.String:
            assert found.texts[i] == typed[1]
        else:
            assert found.statuses[i] == 0 and value_of(members[i].kind, int(found.cells[i])) == typed[1]


@given(TYPED)
@settings(max_examples=150, deadline=None)
def test_a_value_is_the_same_bytes(typed: tuple[int, Any]) -> None:
    tag, value = typed
    data = VALUES[tag][0](value).encode().encode()
    assert tags.encode(tag, value) == bytes(data.pduData)
    back, end = tags.value(bytes(data.pduData), 0)
    same = back.value == value or (isinstance(value, float) and math.isnan(value))
    assert back.tag == tag and same and end == len(data.pduData)


@given(FLOATS, st.integers(1, 16), st.integers(0, 4194302))
@settings(max_examples=40, deadline=None)
def test_a_write_is_the_same_bytes(value: float, priority: int, instance: int) -> None:
    cell = struct.unpack("<q", struct.pack("<d", value))[0]
    ours = question(point("SP", Kind.Double, "rw", object=f"analog-output {instance}", priority=priority),
                    WriteItem(0, cell))  # fmt: skip
    other = WritePropertyRequest(
        objectIdentifier=ObjectIdentifier(("analog-output", instance)),
        propertyIdentifier=PropertyIdentifier("present-value"),
        propertyValue=BacAny(Real(value)),
        priority=priority,
    )
    assert ours[1:] == bytes(other.encode().pduData)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(60, 86_400), st.integers(0, 4194302))
@settings(max_examples=40, deadline=None)
def test_a_subscription_is_the_same_bytes(process: int, confirmed: bool, lifetime: int, instance: int) -> None:
    ours = cov.subscribe(BacnetPoint(object=f"binary-input {instance}"), process, confirmed, lifetime)
    other = SubscribeCOVRequest(
        subscriberProcessIdentifier=process,
        monitoredObjectIdentifier=ObjectIdentifier(("binary-input", instance)),
        issueConfirmedNotifications=confirmed,
        lifetime=lifetime,
    )
    assert ours[1:] == bytes(other.encode().pduData)


# --- hostile bytes


def spoilt(data: bytes) -> st.SearchStrategy[bytes]:
    """What is nearly right: some bytes changed, cut or added."""
    edits = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=4)

    def edit(changes: list[tuple[int, int]], cut: int, more: bytes) -> bytes:
        made = bytearray(data)
        for at, byte in changes:
            made[at] = byte
        return bytes(made[: len(made) - cut]) + more

    return st.builds(edit, edits, st.integers(0, 8), st.binary(max_size=4))


ANSWER = answer_of([((REAL, 1.5), 0), ((TEXT, "é"), 8), (None, 0), ((UNSIGNED, 70_000), 2), ((BOOLEAN, True), 0)])
KINDS = [Kind.Float, Kind.String, Kind.Float, Kind.UInt32, Kind.Boolean]
MEMBERS = [Member(i, BacnetPoint(object=f"analog-input {i}"), kind, True) for i, kind in enumerate(KINDS)]
ASKED = multiple(MEMBERS, range(len(MEMBERS)))
NOTICE = bytes.fromhex("0912 1c02000004 2c0000000a 3900 4e 0955 2e 4442820000 2f 096f 2e 820400 2f 4f")


@given(st.one_of(spoilt(ANSWER), st.binary(max_size=200)))
@settings(max_examples=400, deadline=None)
def test_an_answer_is_read_or_garbled(data: bytes) -> None:
    try:
        layout = walk(data, ASKED.pieces)
    except Garbled:
        return
    found = Decoder(layout, [m.want for m in MEMBERS], ASKED.values, ASKED.flags).read(np.frombuffer(data, np.uint8))
    assert len(found.cells) == len(KINDS)


@given(st.one_of(spoilt(NOTICE), st.binary(max_size=100)))
@settings(max_examples=200, deadline=None)
def test_a_notification_is_read_or_garbled(data: bytes) -> None:
    try:
        assert len(cov.notification(data, 0).values) <= cov.PROPERTIES_MAX
    except Garbled:
        pass


WRITE = question(point("a", Kind.Float, "rw", object="analog-output 1"), WriteItem(0, 0))
SUBSCRIBE = cov.subscribe(BacnetPoint(object="analog-input 1"), 1, True, 300)
REQUESTS = (
    frames.confirmed(1, ASKED.tail[0], ASKED.tail[1:]),
    frames.confirmed(
        2, *[(t := question(point("a", Kind.Float, "rw", object="analog-output 1"), WriteItem(0, 0)))[0], t[1:]]
    ),
    frames.confirmed(3, *[(s := cov.subscribe(BacnetPoint(object="analog-input 1"), 1, True, 300))[0], s[1:]]),
)


@given(st.one_of(*(spoilt(frames.envelope(b"\x01\x04", each)) for each in REQUESTS), st.binary(max_size=100)))
@settings(max_examples=300, deadline=None)
def test_a_datagram_is_a_message_or_garbled_and_a_server_answers_each(data: bytes) -> None:
    """Also the parser of answers sees these bytes: a hostile device may send anything."""
    if len(data) >= 4:
        data = b"\x81\x0a" + len(data).to_bytes(2, "big") + data[4:]
    try:
        frame = frames.parse(data)
    except Garbled:
        return
    highest(frame, b"")
    if frame.kind is frames.Pdu.CONFIRMED:
        taken: list[Object] = []
        made = objects(5)
        said = serving.answer(made, frame, Limits(1476, 10, {}), lambda each, who, process: taken.append(each))
        assert 3 <= len(said) <= 1476
