# SPDX-License-Identifier: Apache-2.0
"""HistoryReadEvents from a real journal by an asyncua client: original ids and times, filters, pages, rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.common.events import get_filter_from_event_type

from historian.base import Position, Record, RecordKind
from historian.journal.journal import ChainJournal
from supervisor.alarms.records import EventId
from supervisor.hmi.contract import Limits
from supervisor.offload import Offload
from tests.system.opcua_kit import make_client, node_id, running

SECOND = 1_000_000_000
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * SECOND
CAB = "21605/CAB-0001"
CODES = ua.StatusCodes
DURING = (NOON - timedelta(minutes=1), NOON + timedelta(hours=1))


def records() -> list[Record]:
    alarm = {"what": "alarm", "before": "A", "after": "B", "priority": "P2", "announced": True}
    acked = {"what": "acknowledged", "before": "B", "after": "C", "priority": "P2", "comment": "vu"}
    made = [
        Record(NOON_NS, RecordKind.ALARM, "vigie", f"{CAB}/V1", "alarm: over-voltage", alarm),
        Record(NOON_NS + 5 * SECOND, RecordKind.ALARM, "op", f"{CAB}/V1", "acknowledged: over-voltage; vu", acked),
        Record(NOON_NS + 6 * SECOND, RecordKind.LOGIN, "op", "", "login"),
        Record(NOON_NS + 7 * SECOND, RecordKind.COMMAND, "op", "21000/CAB-0002/V1", "put 5"),
    ]
    return made + [Record(NOON_NS + (60 + k) * SECOND, RecordKind.NOTE, "op", CAB, f"note {k}") for k in range(30)]


def past(tmp_path: Path, main: Callable[[Client, list[Position]], Coroutine[Any, Any, None]], user: str = "op") -> None:
    """A server over a journal that has these records, and a client of it."""

    async def run() -> None:
        offload = Offload()
        journal = await ChainJournal.open(tmp_path / "journal", 7, offload.run)
        positions = list(await journal.append(records()))
        try:
            async with running(tmp_path / "opcua", journal=journal, limits=Limits(history_events=12)) as site:
                async with await make_client(site, user) as client:
                    await main(client, positions)
        finally:
            await journal.close()
            offload.close()

    asyncio.run(run())


async def details(client: Client, start: datetime | None, end: datetime | None, most: int = 0) -> ua.ReadEventDetails:
    never = datetime(1601, 1, 1, tzinfo=UTC)
    made = ua.ReadEventDetails(most, start or never, end or never)
    made.Filter = await get_filter_from_event_type([client.get_node(ua.ObjectIds.AlarmConditionType)])
    made.Filter.WhereClause = ua.ContentFilter()
    return made


async def read(client: Client, asked: Any, node: ua.NodeId, point: bytes | None = None) -> ua.HistoryReadResult:
    value = ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point)
    params = ua.HistoryReadParameters(asked, ua.TimestampsToReturn.Both, False, [value])
    (result,) = await client.uaclient.history_read(params)
    return result


def told(asked: Any, result: ua.HistoryReadResult) -> list[dict[str, Any]]:
    names = ["/".join(n.Name for n in c.BrowsePath or []) or "ConditionId" for c in asked.Filter.SelectClauses]
    return [dict(zip(names, (f.Value for f in e.EventFields), strict=True)) for e in result.HistoryData.Events]


def test_events_keep_their_ids_times_and_fields(tmp_path: Path) -> None:
    async def main(client: Client, positions: list[Position]) -> None:
        asked = await details(client, NOON, NOON + timedelta(seconds=30))
        result = await read(client, asked, ua.NodeId(2253))
        first, second = told(asked, result)[:2]
        assert first["EventId"] == bytes(EventId(1, *positions[0]))
        assert (first["Time"], first["Severity"], first["Message"].Text) == (NOON, 750, "alarm: over-voltage")
        assert (first["EventType"], first["ActiveState/Id"]) == (ua.NodeId(ua.ObjectIds.AlarmConditionType), True)
        assert (first["AckedState/Id"], second["AckedState/Id"]) == (False, True)
        assert second["Comment"].Text == "vu" and second["ClientUserId"] == "op"
        assert first["SourceNode"] == node_id(f"{CAB}/V1")
        assert first["ConditionName"] == "V1"

    past(tmp_path, main)


def test_pages_forward_and_backward_tell_every_event_once(tmp_path: Path) -> None:
    async def main(client: Client, positions: list[Position]) -> None:
        for span, step in ((DURING, 1), (DURING[::-1], -1)):
            asked = await details(client, *span)
            seen: list[datetime] = []
            point: bytes | None = None
            for _ in range(30):
                result = await read(client, asked, node_id(CAB), point)
                seen += [e["Time"] for e in told(asked, result)]
                if not (point := result.ContinuationPoint):
                    break
            wanted = [NOON, NOON + timedelta(seconds=5), *(NOON + timedelta(seconds=60 + k) for k in range(30))]
            assert seen == wanted[::step]

    past(tmp_path, main)


def test_each_notifier_tells_of_its_own_and_each_user_of_what_they_may_know(tmp_path: Path) -> None:
    async def messages(client: Client, node: ua.NodeId) -> set[str]:
        asked = await details(client, NOON, NOON + timedelta(seconds=30))
        return {e["Message"].Text for e in told(asked, await read(client, asked, node))}

    async def operator(client: Client, positions: list[Position]) -> None:
        own = {"alarm: over-voltage", "acknowledged: over-voltage; vu"}
        assert await messages(client, node_id(CAB)) == own
        assert await messages(client, node_id("21605")) == own
        assert "login" not in await messages(client, ua.NodeId(2253))

    async def boss(client: Client, positions: list[Position]) -> None:
        assert {"login", "put 5", "alarm: over-voltage"} <= await messages(client, ua.NodeId(2253))
        assert await messages(client, node_id("21000")) == {"put 5"}

    past(tmp_path / "a", operator)
    past(tmp_path / "b", boss, "boss")


def test_the_where_clause_holds_for_the_past(tmp_path: Path) -> None:
    async def main(client: Client, positions: list[Position]) -> None:
        asked = await details(client, *DURING)
        of_type = ua.ContentFilterElement()
        of_type.FilterOperator = ua.FilterOperator.OfType
        of_type.FilterOperands = [ua.LiteralOperand(ua.Variant(ua.NodeId(ua.ObjectIds.ConditionType)))]
        asked.Filter.WhereClause = ua.ContentFilter([of_type])
        result = await read(client, asked, ua.NodeId(2253))
        found = told(asked, result)
        assert {e["EventType"].Identifier for e in found} == {ua.ObjectIds.AlarmConditionType}

    past(tmp_path, main)


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (node_id("21605/Nothing"), CODES.BadNodeIdUnknown),
        (node_id(f"{CAB}/V1"), CODES.BadHistoryOperationUnsupported),
        (ua.NodeId(2258), CODES.BadHistoryOperationUnsupported),
    ],
)
def test_nodes_that_tell_of_no_events(tmp_path: Path, node: ua.NodeId, code: int) -> None:
    async def main(client: Client, positions: list[Position]) -> None:
        assert (await read(client, await details(client, *DURING), node)).StatusCode.value == code

    past(tmp_path, main)


def test_questions_that_make_no_sense_and_an_empty_past(tmp_path: Path) -> None:
    async def main(client: Client, positions: list[Position]) -> None:
        asked = await details(client, None, None, 5)
        result = await read(client, asked, ua.NodeId(2253))
        assert result.StatusCode.value == CODES.BadInvalidTimestampArgument
        empty = ua.ReadEventDetails(0, *DURING)
        assert (await read(client, empty, ua.NodeId(2253))).StatusCode.value == CODES.BadEventFilterInvalid
        long_ago = await details(client, NOON - timedelta(days=9), NOON - timedelta(days=8))
        assert (await read(client, long_ago, ua.NodeId(2253))).StatusCode.value == CODES.GoodNoData

    past(tmp_path, main)
