# SPDX-License-Identifier: Apache-2.0
"""Event items over the wire, with a foreign client: OPC 10000-4, 5.13 for the attribute EventNotifier, and 7.22.3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from supervisor.hmi.events.event import PlainEvent, notifiers_of
from tests.nodeset import clause, element, event_filter
from tests.system.opcua_kit import Site, in_background, make_client, node_id

CODES = ua.StatusCodes
SERVER = ua.NodeId(ua.ObjectIds.Server)
FIELDS = [clause("EventId"), clause("Message"), clause("Severity")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua")) as site:
        yield site


def with_client(site: Site, body: Callable[[Client], Awaitable[None]], user: str = "op") -> None:
    async def main() -> None:
        async with await make_client(site, user) as client:
            await body(client)

    asyncio.run(main())


def listening(site: Site) -> int:
    """Event items of the server."""
    assert site.server._running is not None
    return len(site.server._running.engine.notifier)


def event(name: str, severity: int = 100) -> PlainEvent:
    message = {"fr": f"{name} fr", "en": f"{name} en"}
    notifiers = notifiers_of("21605/CAB-0001")
    return PlainEvent((0, ua.ObjectIds.SystemEventType), name.encode(), 1, severity, message, notifiers=notifiers)


class Heard:
    """Collects the events of one subscription, as fields by client handle."""

    def __init__(self) -> None:
        self.lists: asyncio.Queue[tuple[int, list[Any]]] = asyncio.Queue()

    async def next(self) -> tuple[int, list[Any]]:
        async with asyncio.timeout(10):
            return await self.lists.get()


async def subscribe(client: Client, heard: Heard) -> Any:
    made = await client.create_subscription(50, heard)

    def take(notification: Any) -> list[Any]:
        for fields in notification.Events:
            heard.lists.put_nowait((fields.ClientHandle, [f.Value for f in fields.EventFields]))
        return []

    made._explode_events = take
    return made


async def create(
    subscription: Any, node: ua.NodeId, wanted: Any = None, *, handle: int = 1, queue: int = 10, **more: Any
) -> ua.MonitoredItemCreateResult:
    """One event item; answers the server's result."""
    item = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle,
            Filter=event_filter(FIELDS) if wanted is None else wanted,
            QueueSize=queue,
            DiscardOldest=more.get("discard_oldest", True),
        ),
    )
    params = ua.CreateMonitoredItemsParameters(subscription.subscription_id, ua.TimestampsToReturn.Both, [item])
    (result,) = await subscription.server.create_monitored_items(params)
    return result


def test_an_event_is_heard_at_every_level_and_by_who_wants_it(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, heard := Heard())
        above = element(ua.FilterOperator.GreaterThan, "Severity", ua.Variant(500, ua.VariantType.UInt16))
        for handle, node in enumerate([SERVER, node_id("Plant"), node_id("21605"), node_id("21605/CAB-0001")]):
            assert (await create(subscription, node, handle=handle)).StatusCode.is_good()
        await create(subscription, SERVER, event_filter(FIELDS, [above]), handle=8)
        await create(subscription, node_id("21000"), handle=9)
        site.emit(event("a"))
        assert sorted([(await heard.next())[0] for _ in range(4)]) == [0, 1, 2, 3]
        site.emit(event("b", 900))
        got = [await heard.next() for _ in range(5)]
        assert sorted(handle for handle, _ in got) == [0, 1, 2, 3, 8]
        assert got[0][1] == [b"b", ua.LocalizedText("b en", "en"), 900]

    with_client(site, body)


def test_what_is_wrong_with_a_filter_is_told_clause_by_clause(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, heard := Heard())
        made = await create(subscription, SERVER, event_filter([clause("NoSuch"), clause("Severity")]))
        assert made.StatusCode.is_good()
        assert [c.value for c in made.FilterResult.SelectClauseResults] == [CODES.BadNodeIdUnknown, CODES.Good]
        site.emit(event("a"))
        assert (await heard.next())[1] == [None, 100]

        bad = element(ua.FilterOperator.InView, ua.Variant(SERVER, ua.VariantType.NodeId))
        refused = await create(subscription, SERVER, event_filter(FIELDS, [bad]))
        assert refused.StatusCode.value == CODES.BadEventFilterInvalid
        (row,) = refused.FilterResult.WhereClauseResult.ElementResults
        assert row.StatusCode.value == CODES.BadFilterOperatorUnsupported

    with_client(site, body)


@pytest.mark.parametrize(
    ("node", "wanted", "code"),
    [
        (node_id("21605/CAB-0001/V1"), None, CODES.BadAttributeIdInvalid),
        (ua.NodeId(ua.ObjectIds.ObjectsFolder), None, CODES.BadNotSupported),
        (node_id("21605/CAB-9999"), None, CODES.BadNodeIdUnknown),
        (SERVER, ua.DataChangeFilter(), CODES.BadFilterNotAllowed),
        (SERVER, event_filter([]), CODES.BadEventFilterInvalid),
    ],
)
def test_items_that_cannot_be(site: Site, node: ua.NodeId, wanted: Any, code: int) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, Heard())
        assert (await create(subscription, node, wanted)).StatusCode.value == code
        assert listening(site) == 0

    with_client(site, body)


def test_an_item_is_modified_silenced_and_deleted(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, heard := Heard())
        number = (await create(subscription, SERVER, queue=0)).MonitoredItemId
        above = element(ua.FilterOperator.GreaterThan, "Severity", ua.Variant(500, ua.VariantType.UInt16))
        wanted = ua.MonitoringParameters(7, 0, event_filter(FIELDS, [above]), 2**32 - 1, True)
        change = ua.ModifyMonitoredItemsParameters(
            subscription.subscription_id, ua.TimestampsToReturn.Both, [ua.MonitoredItemModifyRequest(number, wanted)]
        )
        (result,) = await subscription.server.modify_monitored_items(change)
        assert (result.StatusCode.is_good(), result.RevisedQueueSize) == (True, 10_000)
        site.emit(event("a"))
        site.emit(event("b", 900))
        assert await heard.next() == (7, [b"b", ua.LocalizedText("b en", "en"), 900])

        mode = ua.SetMonitoringModeParameters(subscription.subscription_id, ua.MonitoringMode.Disabled, [number])
        assert (await client.uaclient.set_monitoring_mode(mode))[0].is_good()
        site.emit(event("c", 900))
        mode.MonitoringMode = ua.MonitoringMode.Reporting
        await client.uaclient.set_monitoring_mode(mode)
        site.emit(event("d", 900))
        assert (await heard.next())[1][0] == b"d"

        gone = ua.DeleteMonitoredItemsParameters(subscription.subscription_id, [number, number])
        codes = [c.value for c in await subscription.server.delete_monitored_items(gone)]
        assert codes == [CODES.Good, CODES.BadMonitoredItemIdInvalid]
        assert listening(site) == 0

    with_client(site, body)


def test_more_events_than_the_queue_holds_end_in_an_overflow_event(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, heard := Heard())
        await create(subscription, SERVER, event_filter([clause("EventId"), clause("EventType")]), queue=5)
        for i in range(20):
            site.emit(event(str(i)))
        first = (await heard.next())[1]
        assert first[1] == ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType)
        assert [(await heard.next())[1][0] for _ in range(5)] == [b"15", b"16", b"17", b"18", b"19"]

    with_client(site, body)


def test_many_events_come_in_several_messages_in_order(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, heard := Heard())
        await create(subscription, SERVER, queue=2000)
        for i in range(1000):
            site.emit(event(str(i)))
        assert [(await heard.next())[1][0] for _ in range(1000)] == [str(i).encode() for i in range(1000)]

    with_client(site, body)


def test_items_end_with_their_subscription(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await subscribe(client, Heard())
        await create(subscription, SERVER)
        assert listening(site) == 1
        await subscription.delete()
        assert listening(site) == 0

    with_client(site, body)
