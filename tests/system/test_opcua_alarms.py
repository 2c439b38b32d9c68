# SPDX-License-Identifier: Apache-2.0
"""Alarms & Conditions over the wire: OPC 10000-9, with a foreign client on a real server, desk and journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from historian.base import Query, RecordKind
from supervisor.alarms import writer as writer_module
from supervisor.alarms.events import Acknowledge
from tests.desk import ANNE, Post
from tests.nodeset import element
from tests.system.alarm_door import (
    SERVER,
    TYPE,
    alarm_door,
    condition,
    engine_of,
    place_of,
    raw,
    said,
    terminal,
    uint,
)
from tests.system.opcua_kit import Site

CODES, IDS = ua.StatusCodes, ua.ObjectIds
V1, V2, V3 = (f"{name}/V" for name in ("21605/CAB-0001", "21605/CAB-0002", "21000/CAB-0003"))
ACK, CONFIRM = IDS.AcknowledgeableConditionType_Acknowledge, IDS.AcknowledgeableConditionType_Confirm
COMMENT = IDS.ConditionType_AddComment
REFRESH, REFRESH_2 = IDS.ConditionType_ConditionRefresh, IDS.ConditionType_ConditionRefresh2


def code(result: ua.CallMethodResult) -> str:
    return str(ua.StatusCode(result.StatusCode.value).name)


async def a_day_at_the_desk(post: Post, site: Site) -> None:
    """An alarm comes, is commented, acknowledged and goes; every step is an event with the id of its record."""
    async with terminal(site) as desk:
        await desk.listen()
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        rose = await desk.next()
        assert rose[""] == condition(V1)
        assert rose["EventType"] == ua.NodeId(IDS.ExclusiveLevelAlarmType)
        assert rose["Message"] == ua.LocalizedText("Voltage (high)", "en")
        flags = ("Retain", "ActiveState/Id", "AckedState/Id", "2:Recorded")
        assert ([rose[f] for f in flags], rose["Severity"]) == ([True, True, False, True], 600)
        (line,) = (await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM})))).entries
        assert place_of(rose["EventId"]) == (line.post, *line.position)

        assert code(await desk.call(condition(V1), COMMENT, raw(rose["EventId"]), said("équipe en route"))) == "Good"
        noted = await desk.next()
        assert (noted["2:Happening"], noted["ClientUserId"], noted["Retain"]) == ("comment", "boss", True)
        assert noted["Comment"].Text == "équipe en route"

        # Any EventId of the occurrence will do: that of the rise as well as that of the comment.
        assert code(await desk.call(condition(V1), ACK, raw(rose["EventId"]), said(None))) == "Good"
        acked = await desk.next()
        assert [acked[f] for f in flags] == [True, True, True, True]
        assert (acked["Comment"].Text, acked["ClientUserId"]) == ("équipe en route", "boss")
        again = await desk.call(condition(V1), ACK, raw(acked["EventId"]), said(""))
        assert code(again) == "BadConditionBranchAlreadyAcked"

        post.set("CAB-0001/V", 230)
        await post.scan(0.01)
        gone = await desk.next()
        assert [gone[f] for f in flags] == [False, False, True, True]
        assert code(await desk.call(condition(V1), ACK, raw(rose["EventId"]), said(""))) == "BadEventIdUnknown"
        records = (await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM})))).entries
        assert [e.record.data["what"] for e in records] == ["alarm", "comment", "acknowledged", "returned"]
        assert records[2].record.user == "boss"
        assert str(records[2].record.data["terminal"]).startswith("opcua 127.0.0.1:")


async def refreshing(post: Post, site: Site) -> None:
    """OPC 10000-9, 5.5.7: start and end past the filter; each retained condition as it was told first."""
    async with terminal(site) as desk:
        post.set("V", 255)
        await post.scan(0.01)
        alarms = element(ua.FilterOperator.OfType, ua.Variant(ua.NodeId(IDS.AlarmConditionType), ua.VariantType.NodeId))
        assert code(await desk.call(TYPE, REFRESH, uint(4711))) == "BadSubscriptionIdInvalid"
        await desk.listen(SERVER, [alarms])
        first = await desk.refresh()
        assert [one[""].Identifier for one in first] == [V1, V2, V3]
        post.set("CAB-0002/V", 230)
        await post.scan(0.01)
        await desk.call(condition(V2), ACK, raw((await desk.next())["EventId"]), said(""))
        assert (await desk.next())["Retain"] is False
        second = await desk.refresh()
        assert second == [first[0], first[2]]  # the same EventIds and Times; what is not retained is left out

        # Refresh2 is for one item; another session's subscription is not there; one refresh at a time.
        assert code(await desk.call(TYPE, REFRESH_2, uint(desk.number), uint(9))) == "BadMonitoredItemIdInvalid"
        both = await desk.call_all([(TYPE, REFRESH_2, (uint(desk.number), uint(desk.item)))] * 2)
        assert [code(r) for r in both] == ["Good", "BadRefreshInProgress"]
        got = [await desk.next() for _ in range(4)]
        assert [one["EventType"].Identifier for one in got][::3] == [
            IDS.RefreshStartEventType,
            IDS.RefreshEndEventType,
        ]
        async with terminal(site) as other:
            assert code(await other.call(TYPE, REFRESH, uint(desk.number))) == "BadSubscriptionIdInvalid"
            await other.listen()
            gone = ua.DeleteMonitoredItemsParameters(other.number, [other.item])
            await other.client.uaclient.delete_monitored_items(gone)
            assert code(await other.call(TYPE, REFRESH, uint(other.number))) == "BadNothingToDo"


async def calls_that_are_refused(post: Post, site: Site) -> None:
    """Status codes of OPC 10000-4, 5.12.2 and OPC 10000-9, 5.5 to 5.8."""
    async with terminal(site) as desk:
        await desk.listen()
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        event = raw((await desk.next())["EventId"])
        shelve = IDS.AlarmConditionType_ShelvingState_TimedShelve
        far, text = ua.Variant(1e11, ua.VariantType.Double), ua.Variant("vu", ua.VariantType.String)
        table: list[tuple[ua.NodeId, int, tuple[Any, ...], str]] = [
            (condition("21605/CAB-9999/V"), ACK, (event, said("")), "BadNodeIdUnknown"),
            (condition(V2), ACK, (event, said("")), "BadEventIdUnknown"),
            (condition(V1), ACK, (raw(b"no such id"), said("")), "BadEventIdUnknown"),
            (condition(V1), ACK, (event,), "BadArgumentsMissing"),
            (condition(V1), ACK, (event, said(""), said("")), "BadTooManyArguments"),
            (condition(V1), ACK, (event, text), "BadInvalidArgument"),
            (condition(V1), CONFIRM, (event, said("")), "BadConditionBranchAlreadyConfirmed"),
            (condition(V1), COMMENT, (event, said("")), "BadInvalidArgument"),
            (condition(V1), IDS.Server_GetMonitoredItems, (), "BadMethodInvalid"),
            (condition(V1), IDS.AlarmConditionType_Suppress, (), "BadMethodInvalid"),
            (condition(V1), IDS.ConditionType_Enable, (), "BadUserAccessDenied"),
            (condition(V1), IDS.AlarmConditionType_Reset, (), "BadInvalidState"),
            (condition(V1), IDS.AlarmConditionType_ShelvingState_Unshelve, (), "BadConditionNotShelved"),
            (condition(V1), shelve, (far,), "BadShelvingTimeOutOfRange"),
            (TYPE, ACK, (event, said("")), "BadNodeIdInvalid"),
            (TYPE, IDS.Server_GetMonitoredItems, (), "BadMethodInvalid"),
            (SERVER, ACK, (event, said("")), "BadNotExecutable"),
            (SERVER, IDS.BaseEventType, (), "BadMethodInvalid"),
            (ua.NodeId(999_999), ACK, (event, said("")), "BadNodeIdUnknown"),
            (SERVER, IDS.Server_GetMonitoredItems, (uint(4711),), "BadSubscriptionIdInvalid"),
        ]
        answers = await desk.call_all([(o, m, given) for o, m, given, _ in table])
        assert [code(r) for r in answers] == [wanted for *_, wanted in table]
        assert [c.value for c in answers[5].InputArgumentResults] == [CODES.Good, CODES.BadTypeMismatch]
        async with terminal(site, "view") as viewer:
            refused = await viewer.call(condition(V1), ACK, event, said(""))
            assert code(refused) == "BadUserAccessDenied"


async def many_at_once(post: Post, site: Site) -> None:
    """All calls of a request are one transaction; the connection goes on serving while the disk is slow."""
    async with terminal(site) as desk:
        await desk.listen()
        post.set("V", 255)
        await post.scan(0.01)
        ids = {one[""].Identifier: one["EventId"] for one in [await desk.next() for _ in range(3)]}
        before = len(post.disk.appends)
        post.disk.slow.clear()
        calls = [(condition(name), ACK, (raw(ids[name]), said("vu"))) for name in (V1, V2, V3)]
        answered = asyncio.create_task(desk.call_all(calls))
        value = await desk.client.get_node("ns=2;s=21605/CAB-0001/V").read_value()
        assert value == 255 and not answered.done()
        post.disk.slow.set()
        assert [code(r) for r in await answered] == ["Good"] * 3
        assert post.disk.appends[before:] == [3]

        numbers = await desk.call(SERVER, IDS.Server_GetMonitoredItems, uint(desk.number))
        assert [v.Value for v in numbers.OutputArguments] == [[desk.item], [1]]
        assert code(await desk.call(SERVER, IDS.Server_ResendData, uint(desk.number))) == "Good"


async def shelving(post: Post, site: Site) -> None:
    """What falls out cheaply: shelves, with what is left of them told at a refresh."""
    fields = ["EventType", "ShelvingState/CurrentState/Id", "ShelvingState/UnshelveTime", "SuppressedOrShelved"]
    async with terminal(site, fields=fields) as desk:
        await desk.listen()
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        await desk.next()
        hour = ua.Variant(3_600_000.0, ua.VariantType.Double)
        shelve = IDS.AlarmConditionType_ShelvingState_TimedShelve2
        assert code(await desk.call(condition(V1), shelve, hour, said("essai"))) == "Good"
        _, state, left, hidden = (await desk.next()).values()
        assert (state.Identifier, hidden) == (IDS.ShelvedStateMachineType_TimedShelved, True)
        assert left == 3_600_000.0
        (still,) = await desk.refresh()
        assert 3_500_000.0 < still["ShelvingState/UnshelveTime"] < 3_600_000.0
        unshelve = IDS.ShelvedStateMachineType_Unshelve
        assert code(await desk.call(condition(V1), unshelve)) == "Good"
        assert (await desk.next())["SuppressedOrShelved"] is False


async def a_disk_that_refuses(post: Post, site: Site) -> None:
    """Shown all the same, marked; nobody's action is accepted; then once more under the id of its record."""
    async with terminal(site) as desk:
        await desk.listen()
        post.disk.refuses = True
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        unrecorded = await desk.next()
        assert (unrecorded["2:Recorded"], unrecorded["Retain"], place_of(unrecorded["EventId"])[0]) == (False, True, 0)
        refused = await desk.call(condition(V1), ACK, raw(unrecorded["EventId"]), said(""))
        assert code(refused) == "BadResourceUnavailable"
        post.disk.refuses = False
        recorded = await desk.next()
        assert (recorded["2:Recorded"], place_of(recorded["EventId"])[0]) == (True, 1)
        assert code(await desk.call(condition(V1), ACK, raw(recorded["EventId"]), said(""))) == "Good"


async def rights(post: Post, site: Site) -> None:
    """An operator of one commune hears what they see, and acknowledges where they may."""
    async with terminal(site, "op") as desk:
        await desk.listen()
        post.set("V", 255)
        await post.scan(0.01)
        ids = {one[""].Identifier: one["EventId"] for one in [await desk.next() for _ in range(3)]}
        assert code(await desk.call(condition(V1), ACK, raw(ids[V1]), said(""))) == "Good"
        assert code(await desk.call(condition(V3), ACK, raw(ids[V3]), said(""))) == "BadUserAccessDenied"


async def what_is_confirmed(post: Post, site: Site) -> None:
    """OPC 10000-9, 5.7.4: acknowledged, then confirmed, by an id of the same occurrence; each an audit event."""
    fields = ["EventType", "SourceNode", "ClientUserId", "ConditionEventId", "Comment", "Status"]
    types = [IDS.AuditConditionAcknowledgeEventType, IDS.AuditConditionConfirmEventType]
    async with terminal(site) as desk, terminal(site, "officer", fields) as officer:
        await desk.listen()
        await officer.listen()
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        rose = await desk.next()
        post.set("CAB-0001/V", 230)
        await post.scan(0.01)
        await desk.next()
        early = await desk.call(condition(V1), CONFIRM, raw(rose["EventId"]), said("réparé"))
        assert code(early) == "BadInvalidState"
        for method in (ACK, CONFIRM):
            assert code(await desk.call(condition(V1), method, raw(rose["EventId"]), said("réparé"))) == "Good"
        acked, confirmed = await desk.next(), await desk.next()
        told = [(e["AckedState/Id"], e["ConfirmedState/Id"], e["Retain"]) for e in (acked, confirmed)]
        assert told == [(True, False, True), (True, True, False)]
        assert (confirmed["2:Happening"], confirmed["ClientUserId"]) == ("confirmed", "boss")
        heard = [one for one in [await officer.next() for _ in range(7)] if one["ConditionEventId"]]
        assert [one["EventType"].Identifier for one in heard] == [types[1], *types]
        assert [one["Status"] for one in heard] == [False, True, True]
        for one in heard:
            assert one["ConditionEventId"] == rose["EventId"] and one["SourceNode"] == condition(V1)
            assert (one["ClientUserId"], one["Comment"].Text) == ("boss", "réparé")


async def after_a_restart(folder: Path) -> None:
    """What stood is told by a refresh, under the id its record has, and can be acknowledged by it, or a later one."""
    async with alarm_door(folder) as (post, site), terminal(site) as desk:
        await desk.listen()
        post.set("V", 255)
        await post.scan(0.01)
        before, _, _ = [await desk.next() for _ in range(3)]
        post.set("CAB-0002/V", 230)
        post.set("CAB-0003/V", 230)
        await post.scan(0.01)
        later = [await desk.next() for _ in range(2)]
    async with alarm_door(folder) as (post, site), terminal(site) as desk:
        await desk.listen()
        after = (await desk.refresh())[0]
        assert (after["EventId"], after["Time"], after[""]) == (before["EventId"], before["Time"], before[""])
        for one in later:  # told after the first, which had told of the rise
            assert one["2:Happening"] == "returned" and one["Retain"] is True
            assert code(await desk.call(one[""], ACK, raw(one["EventId"]), said(""))) == "Good"
            await desk.next()
        engine_of(site).alarms.board.require_refresh()
        assert (await desk.next())["EventType"] == ua.NodeId(IDS.RefreshRequiredEventType)
        assert code(await desk.call(condition(V1), ACK, raw(after["EventId"]), said(""))) == "Good"


async def a_thousand_calls_and_more(post: Post, site: Site) -> None:
    """Each is answered for itself; nothing is lost where one request makes several batches."""
    async with terminal(site) as desk:
        await desk.listen()
        post.set("CAB-0001/V", 255)
        await post.scan(0.01)
        event = raw((await desk.next())["EventId"])
        answers = await desk.call_all([(condition(V1), ACK, (event, said("")))] * 2500)
        assert [code(r) for r in answers] == ["Good", *["BadConditionBranchAlreadyAcked"] * 2499]


async def what_can_be_called_is_said(post: Post, site: Site) -> None:
    async with terminal(site) as desk:
        for number, wanted in ((ACK, True), (REFRESH, True), (IDS.AlarmConditionType_Suppress, False)):
            node = desk.client.get_node(ua.NodeId(number))
            for attribute in (ua.AttributeIds.Executable, ua.AttributeIds.UserExecutable):
                assert (await node.read_attribute(attribute)).Value.Value is wanted
        bounds = (
            (IDS.Server_ServerCapabilities_MaxSelectClauseParameters, 500),
            (
                IDS.Server_ServerCapabilities_MaxWhereClauseParameters,
                100,
            ),
        )
        for number, bound in bounds:
            assert await desk.client.get_node(ua.NodeId(number)).read_value() == bound


async def the_first_certificate_to_expire_is_known(post: Post, site: Site) -> None:
    """Nobody is trusted by name here: it is the server's own."""
    assert engine_of(site).first_to_expire().der == Path(site.server.certificate_path).read_bytes()


STORIES = [
    a_day_at_the_desk, refreshing, calls_that_are_refused, many_at_once, shelving, a_disk_that_refuses, rights,
    a_thousand_calls_and_more,
    what_can_be_called_is_said, the_first_certificate_to_expire_is_known,
]  # fmt: skip


async def calm(post: Post) -> None:
    """Nothing is before the operator any more."""
    post.set("V", 230)
    await post.scan(0.01)
    for _, entry in list(post.desk.shown):
        occurrence_ns = entry.live.state.occurrence_ns
        names = [post.desk.book.name(c) for c, e in post.desk.shown if e is entry]
        await post.desk.act(names[0], Acknowledge(occurrence_ns), ANNE)
    assert not post.desk.shown.entries


@pytest.mark.timeout(180)
def test_alarms_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stories on one server: it takes longer to start than all of them together."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.3)

    async def main() -> None:
        async with alarm_door(tmp_path) as (post, site):
            for story in STORIES:
                try:
                    await story(post, site)
                    await calm(post)
                except BaseException as error:
                    error.add_note(f"in the story '{story.__name__}'")
                    raise

    asyncio.run(main())


def test_alarms_that_must_be_confirmed(tmp_path: Path) -> None:
    async def main() -> None:
        async with alarm_door(tmp_path, confirm=["V"]) as (post, site):
            await what_is_confirmed(post, site)

    asyncio.run(main())


def test_alarms_after_a_restart(tmp_path: Path) -> None:
    asyncio.run(after_a_restart(tmp_path))
