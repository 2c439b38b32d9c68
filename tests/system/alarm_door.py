# SPDX-License-Identifier: Apache-2.0
"""A server with alarms: cabinets whose values a test sets, a real desk and journal, a door, and clients for it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from supervisor.clock import SystemClock
from supervisor.hmi.contract import HmiSettings
from supervisor.hmi.engine import Engine
from supervisor.hmi.server import HmiServer
from tests.desk import Post
from tests.nodeset import clause, event_filter
from tests.system.opcua_kit import Commands, Site, make_client, people

NAMES = ["21605/CAB-0001", "21605/CAB-0002", "21000/CAB-0003"]
SERVER = ua.NodeId(ua.ObjectIds.Server)
TYPE = ua.NodeId(ua.ObjectIds.ConditionType)
FIELDS = ["EventId", "EventType", "", "SourceName", "Time", "Message", "Severity", "Retain", "AckedState/Id",
          "ActiveState/Id", "ConfirmedState/Id", "Comment", "ClientUserId", "2:Recorded", "2:Happening"]  # fmt: skip


@asynccontextmanager
async def alarm_door(
    folder: Path, names: list[str] | None = None, *, confirm: Sequence[str] = ()
) -> AsyncIterator[tuple[Post, Site]]:
    """Post and door, running. `confirm`: rules whose alarms must be confirmed."""
    post = Post(folder / "journal", names=names or NAMES, clock=SystemClock())
    for rule in confirm:
        post.rules[rule] = post.rules[rule].model_copy(update={"confirm_required": True})
    await post.open()
    settings = HmiSettings("127.0.0.1", 0, "test", folder, accept_unknown_certificates=True)
    put = Commands(post.table).put
    server = HmiServer(post.plant, post.table, people(), post.clock, post.offload, settings, put, desk=post.desk)
    await server.start()
    try:
        yield post, Site(server, post.plant, post.table, Commands(post.table), folder)
    finally:
        await server.stop()
        post.disk.slow.set()
        await post.close()
        post.offload.close()


def engine_of(site: Site) -> Engine:
    assert site.server._running is not None
    return site.server._running.engine


class Terminal:
    """A client that listens to alarms: fields by name, as they come."""

    def __init__(self, client: Client, fields: list[str] | None = None) -> None:
        self.client = client
        self.fields = fields or FIELDS
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.number = self.item = 0

    async def listen(
        self, node: ua.NodeId = SERVER, elements: list[Any] | None = None, queue: int = 10_000
    ) -> ua.MonitoredItemCreateResult:
        """One more event item, in one subscription."""
        if not self.number:
            made = await self.client.create_subscription(50, _Nobody())
            made._explode_events = self._take
            self.number = made.subscription_id
        wanted = event_filter([clause(f) for f in self.fields], elements)
        parameters = ua.MonitoringParameters(1, 0.0, wanted, queue, True)
        value = ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.EventNotifier)
        request = ua.MonitoredItemCreateRequest(value, ua.MonitoringMode.Reporting, parameters)
        params = ua.CreateMonitoredItemsParameters(self.number, ua.TimestampsToReturn.Both, [request])
        (result,) = await self.client.uaclient.create_monitored_items(params)
        self.item = result.MonitoredItemId
        return result

    def _take(self, notification: Any) -> list[Any]:
        for fields in notification.Events:
            self.heard.put_nowait(dict(zip(self.fields, [f.Value for f in fields.EventFields], strict=True)))
        return []

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.heard.get()

    async def call(self, object_id: ua.NodeId, method: int, *given: Any) -> ua.CallMethodResult:
        """One call; arguments are Variants."""
        (result,) = await self.call_all([(object_id, method, given)])
        return result

    async def call_all(self, calls: list[tuple[ua.NodeId, int, tuple[Any, ...]]]) -> list[ua.CallMethodResult]:
        requests = [ua.CallMethodRequest(o, ua.NodeId(m), list(given)) for o, m, given in calls]
        answered: list[ua.CallMethodResult] = await self.client.uaclient.call(requests)
        return answered

    async def refresh(self) -> list[dict[str, Any]]:
        """ConditionRefresh; what comes between start and end."""
        result = await self.call(TYPE, ua.ObjectIds.ConditionType_ConditionRefresh, uint(self.number))
        assert result.StatusCode.is_good(), result
        assert (await self.next())["EventType"] == ua.NodeId(ua.ObjectIds.RefreshStartEventType)
        told = []
        while (one := await self.next())["EventType"] != ua.NodeId(ua.ObjectIds.RefreshEndEventType):
            told.append(one)
        return told


class _Nobody:
    """asyncua wants a handler; events are taken before it."""

    def event_notification(self, event: Any) -> None: ...


@asynccontextmanager
async def terminal(site: Site, user: str = "boss", fields: list[str] | None = None) -> AsyncIterator[Terminal]:
    async with await make_client(site, user) as client:
        yield Terminal(client, fields)


def condition(name: str) -> ua.NodeId:
    return ua.NodeId(name, 3)


def uint(number: int) -> ua.Variant:
    return ua.Variant(number, ua.VariantType.UInt32)


def said(words: str | None) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(words), ua.VariantType.LocalizedText)


def raw(event_id: bytes) -> ua.Variant:
    return ua.Variant(event_id, ua.VariantType.ByteString)


def place_of(event_id: bytes) -> tuple[int, int, int]:
    """Post, epoch and sequence of an EventId."""
    post, epoch, sequence = struct.unpack(">IIQ", event_id)
    return post, epoch, sequence
