# SPDX-License-Identifier: Apache-2.0
"""What the door tells the journal: bounded, and nothing lost without being counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from config.model import Role
from config.words import NS_PER_S
from historian.base import JournalError, Record, RecordKind
from supervisor.hmi.contract import Counters
from supervisor.hmi.entrance.audit import STRANGERS_PER_MINUTE, WAITING_MAX, Audit
from supervisor.hmi.entrance.officer import ARGUMENTS_MAX, Officer
from supervisor.hmi.events.audited import AuditEvent, may_hear_all
from supervisor.hmi.events.value import Type, Value, pack
from supervisor.people import User
from tests.plants import TypeSpec, make_plant, tag

PLANT = make_plant({"CAB": TypeSpec({"V": tag("Float")})}, {"CAB": ["21605/CAB-0001"]})


class Post:
    """A journal that can refuse, a clock that stands, and the audit between them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refuses = False
        self.now_ns = 0
        self.counters = Counters()
        self.audit = Audit(self, self.append, self.counters)

    async def append(self, records: Sequence[Record]) -> None:
        if self.refuses:
            raise JournalError("the disk is full")
        self.records += records

    def wall_ns(self) -> int:
        return self.now_ns

    def boot_s(self) -> float:
        return self.now_ns / NS_PER_S


def test_a_login_is_a_record_with_its_terminal() -> None:
    async def main() -> None:
        post = Post()
        post.audit.tell("anne", "logged in", terminal="10.0.0.7:50000", role="operator")
        await post.audit.close()
        (record,) = post.records
        assert (record.kind, record.user, record.data["terminal"]) == (RecordKind.LOGIN, "anne", "10.0.0.7:50000")

    asyncio.run(main())


def test_strangers_cannot_fill_the_journal_and_are_summed_up() -> None:
    async def main() -> None:
        post = Post()
        for n in range(1000):
            post.audit.tell_of_stranger(f"guess {n}", "wrong password")
        post.audit.tell("anne", "logged in")  # people are never left out for them
        post.now_ns += 60 * NS_PER_S
        post.audit.tell_of_stranger("later", "wrong password")
        await post.audit.close()
        assert len(post.records) == STRANGERS_PER_MINUTE + 3
        assert post.records[-2].data == {"refusals": 1000 - STRANGERS_PER_MINUTE}
        assert post.counters.audit_summarised == 1000 - STRANGERS_PER_MINUTE

    asyncio.run(main())


def test_what_finds_no_room_or_no_disk_is_counted() -> None:
    async def main() -> None:
        post = Post()
        for _ in range(WAITING_MAX + 5):
            post.audit.tell("anne", "logged in")
        assert post.counters.audit_lost == 5
        post.refuses = True
        await post.audit.close()
        assert post.counters.audit_lost == WAITING_MAX + 5 and not post.records

    asyncio.run(main())


def test_texts_from_outside_are_cut_to_what_a_record_holds() -> None:
    async def main() -> None:
        post = Post()
        post.audit.tell("x" * 1000, "y" * 5000, terminal="z" * 5000)
        await post.audit.close()
        assert len(post.records[0].text) == 500 and len(str(post.records[0].data["terminal"])) == 200

    asyncio.run(main())


def test_it_is_written_by_itself_as_it_comes() -> None:
    async def main() -> None:
        post = Post()
        task = asyncio.create_task(post.audit.run())
        post.audit.tell("anne", "logged in")
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(post.records) == 1
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_an_event_is_told_once_its_record_is_durable() -> None:
    async def main() -> None:
        post = Post()
        heard: list[int] = []
        post.audit.emit = lambda _event: heard.append(len(post.records))
        post.audit.tell("anne", "logged in")
        assert not heard, "the record waits, and so does the event"
        await post.audit.close()
        assert heard == [1]
        post.refuses = True
        post.audit.tell("anne", "logged out")
        await post.audit.close()
        assert heard == [1], "what could not be written down is not told"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "type_", "name"),
    [
        ("AcknowledgeableConditionType_Acknowledge", "AuditConditionAcknowledge", "Method/Acknowledge"),
        ("AcknowledgeableConditionType_Confirm", "AuditConditionConfirm", "Method/Confirm"),
        ("ConditionType_AddComment", "AuditConditionComment", "Method/AddComment"),
        ("ConditionType_Disable", "AuditConditionEnable", "Method/Disable"),
        ("AlarmConditionType_ShelvingState_TimedShelve2", "AuditConditionShelving", "Method/TimedShelve"),
        ("AlarmConditionType_Silence", "AuditConditionSilence", "Method/Silence"),
        ("AlarmConditionType_Reset", "AuditConditionReset", "Method/Reset"),
        ("AlarmConditionType_PlaceInService", "AuditConditionOutOfService", "Method/PlaceInService"),
        ("Server_ResendData", "AuditUpdateMethod", "Attribute/Call"),
    ],
)
@pytest.mark.parametrize("code", [0, 0x801F0000])
def test_a_call_is_an_event_of_its_own_type_for_officers_who_see_the_equipment(
    method: str, type_: str, name: str, code: int
) -> None:
    """OPC 10000-9, 5.10."""
    heard: list[AuditEvent] = []
    officer = Officer(Post(), PLANT, 2)
    officer.emit = heard.append
    request = ua.CallMethodRequest(ua.NodeId("21605/CAB-0001/V", 3), ua.NodeId(getattr(ua.ObjectIds, method)))
    officer.called(User("anne", Role.OPERATOR), request, ua.CallMethodResult(ua.StatusCode(ua.UInt32(code))))
    (event,) = heard
    assert event.type == (0, getattr(ua.ObjectIds, f"{type_}EventType")) and event.source_name == name
    assert event.more["Status"].data is (code == 0) and event.more["ClientUserId"].data == "anne"
    assert may_hear_all(User("o", Role.SECURITY), event)
    assert not may_hear_all(User("o", Role.SECURITY, sees=frozenset({"21000"})), event)
    assert not may_hear_all(User("b", Role.SUPERVISOR), event)


TEXT, BYTES, NUMBER = ua.VariantType.LocalizedText, ua.VariantType.ByteString, ua.VariantType.Double
SAID = ua.Variant(ua.LocalizedText("vu", "fr"), TEXT)
ARGUMENTS = [
    ("AcknowledgeableConditionType_Acknowledge", [ua.Variant(b"id", BYTES), SAID], {"ConditionEventId": b"id"}),
    ("ConditionType_AddComment", [ua.Variant(b"id", BYTES), SAID], {"ConditionEventId": b"id"}),
    ("AlarmConditionType_ShelvingState_TimedShelve2", [ua.Variant(60e3, NUMBER), SAID], {"ShelvingTime": 60e3}),
]


@pytest.mark.parametrize(("method", "given", "expected"), ARGUMENTS)
def test_what_was_said_to_a_condition_stands_in_the_event(method: str, given: list[Any], expected: dict) -> None:
    """OPC 10000-9, 5.10.4 to 5.10.7."""
    heard: list[AuditEvent] = []
    officer = Officer(Post(), PLANT, 2)
    officer.emit = heard.append
    for arguments in (given, given[:1]):
        method_id = ua.NodeId(getattr(ua.ObjectIds, method))
        request = ua.CallMethodRequest(ua.NodeId("21605/CAB-0001/V", 3), method_id, arguments)
        officer.called(User("anne", Role.OPERATOR), request, ua.CallMethodResult())
    told, senseless = (e.more for e in heard)
    assert {name: told[name].data for name in expected} == expected and told["Comment"].data == ("", "vu")
    assert "Comment" not in senseless, "nothing of arguments that make no sense"
    assert len(told["InputArguments"].data) == 2 and len(senseless["InputArguments"].data) == 1, (
        "but as they were given"
    )


def test_arguments_are_told_as_given_and_bounded() -> None:
    """OPC 10000-5, 6.4.27 (AuditUpdateMethodEventType). Whoever calls may send anything."""
    heard: list[AuditEvent] = []
    officer = Officer(Post(), PLANT, 2)
    officer.emit = heard.append
    given = [
        ua.Variant(7, ua.VariantType.UInt32),
        ua.Variant([1.5, 2.5], ua.VariantType.Double),
        ua.Variant(b"x" * 5000, BYTES),
        ua.Variant(ua.Argument("a"), ua.VariantType.ExtensionObject),
        *[ua.Variant()] * 5000,
    ]
    request = ua.CallMethodRequest(ua.NodeId(ua.ObjectIds.Server), ua.NodeId(ua.ObjectIds.Server_ResendData), given)
    officer.called(User("anne", Role.OPERATOR), request, ua.CallMethodResult())
    told = heard[0].more["InputArguments"]
    assert told.data[:4] == (Value(Type.UINT32, 7), Value(Type.DOUBLE, (1.5, 2.5), True), None, None)
    assert len(told.data) == ARGUMENTS_MAX
    stock = ua.Variant([*given[:2], *[ua.Variant()] * (ARGUMENTS_MAX - 2)], ua.VariantType.Variant, is_array=True)
    assert pack(told) == variant_to_binary(stock), "the bytes that asyncua would send"
