# SPDX-License-Identifier: Apache-2.0
"""Subscriptions as clients see them: first values, changes, deadbands, modes, paging, ownership, Republish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua

from config.words import StatusCode
from tests.system.opcua_kit import Site, fill, in_background, make_client, node_id, small_plant

V1 = "21605/CAB-0001/V1"
CODES = ua.StatusCodes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), plant=small_plant(400)) as site:
        yield site


class Seen:
    """Collects notifications; `wait` until a condition holds."""

    def __init__(self) -> None:
        self.values: list[tuple[Any, Any, int]] = []
        self._arrived = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.values.append((node.nodeid.Identifier, value, data.monitored_item.Value.StatusCode.value))
        self._arrived.set()

    async def wait(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():
                self._arrived.clear()
                await self._arrived.wait()

    async def count(self, n: int) -> list[tuple[Any, Any, int]]:
        await self.wait(lambda: len(self.values) >= n)
        taken, self.values = self.values[:n], self.values[n:]
        return taken


async def republish(client: Client, params: ua.RepublishParameters) -> Any:
    """The client keeps Republish to its session object."""
    return await client.uaclient.session.republish(params.SubscriptionId, params.RetransmitSequenceNumber)


def with_client(site: Site, body: Callable[[Client], Awaitable[None]], user: str = "op") -> None:
    async def main() -> None:
        async with await make_client(site, user) as client:
            await body(client)

    asyncio.run(main())


def test_first_value_then_changes_of_value_and_of_status(site: Site) -> None:
    async def body(client: Client) -> None:
        site.set(V1, 1.0)
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        await subscription.subscribe_data_change(client.get_node(node_id(V1)), queuesize=1)
        assert await seen.count(1) == [(V1, 1.0, 0)]
        site.set(V1, 2.0)
        assert await seen.count(1) == [(V1, 2.0, 0)]
        site.set(V1, 2.0, StatusCode.UncertainLastUsableValue)
        assert await seen.count(1) == [(V1, 2.0, CODES.UncertainLastUsableValue)]
        site.set(V1, 2.0, StatusCode.BadNoCommunication)
        assert await seen.count(1) == [(V1, None, CODES.BadNoCommunication)]
        site.set(V1, 2.0)
        assert await seen.count(1) == [(V1, 2.0, 0)]
        await subscription.delete()

    with_client(site, body)


def test_an_absolute_deadband_is_against_the_last_reported_value(site: Site) -> None:
    """A drift in steps smaller than the deadband is reported when it has left the band, again and again."""

    async def body(client: Client) -> None:
        site.set(V1, 0.0)
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        filter_ = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.DeadbandType.Absolute, 1.0)
        (item,) = await subscription.create_monitored_items([_wanted(V1, filter_=filter_)])
        assert not isinstance(item, ua.StatusCode)
        await seen.count(1)
        shown = 0.0
        for step in range(1, 13):
            site.set(V1, step * 0.5)
            if step * 0.5 - shown > 1.0:
                ((_, shown, _),) = await seen.count(1)
                assert shown == step * 0.5
        assert shown == 6.0
        site.set(V1, 5.9)  # within the band of 6.0: only the status is news
        site.set(V1, 5.9, StatusCode.Uncertain)
        assert await seen.count(1) == [(V1, 5.9, CODES.Uncertain)]
        await subscription.delete()

    with_client(site, body)


def test_filters_that_make_no_sense_are_refused_one_by_one(site: Site) -> None:
    async def body(client: Client) -> None:
        subscription = await client.create_subscription(500, Seen())
        kind, percent = ua.DeadbandType.Absolute, ua.DeadbandType.Percent
        trigger = ua.DataChangeTrigger.StatusValue
        wanted = [
            _wanted("21605/CAB-0001/String", filter_=ua.DataChangeFilter(trigger, kind, 1.0)),
            _wanted(V1, filter_=ua.DataChangeFilter(trigger, kind, -1.0)),
            _wanted("21605/CAB-0001/Double", filter_=ua.DataChangeFilter(trigger, percent, 1.0)),
            _wanted(V1, filter_=ua.DataChangeFilter(trigger, percent, 1.0)),
            _wanted("21605/CAB-0001/Nothing"),
            _wanted("21605/CAM-0001/Plate"),
            _wanted("21605/CAB-0001/Pulse"),
            _wanted(V1, filter_=ua.EventFilter()),
        ]
        results = await subscription.create_monitored_items(wanted)
        assert [r.value if isinstance(r, ua.StatusCode) else 0 for r in results] == [
            CODES.BadFilterNotAllowed,
            CODES.BadDeadbandFilterInvalid,
            CODES.BadDeadbandFilterInvalid,
            0,
            CODES.BadNodeIdUnknown,
            CODES.BadNodeIdUnknown,
            CODES.BadNotReadable,
            CODES.BadFilterNotAllowed,
        ]
        await subscription.delete()

    with_client(site, body)


def _wanted(name: str, *, filter_: Any = None, handle: int = 0, mode: int = 2) -> ua.MonitoredItemCreateRequest:
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor = ua.ReadValueId(node_id(name), ua.AttributeIds.Value)
    item.MonitoringMode = ua.MonitoringMode(mode)
    _wanted.handles += 1  # type: ignore[attr-defined]
    item.RequestedParameters = ua.MonitoringParameters(handle or _wanted.handles, 50.0, filter_, 1, True)  # type: ignore[attr-defined]
    return item


_wanted.handles = 1000  # type: ignore[attr-defined]


def test_disabled_items_are_silent_and_start_anew(site: Site) -> None:
    async def body(client: Client) -> None:
        site.set(V1, 1.0)
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        item = await subscription.subscribe_data_change(client.get_node(node_id(V1)), queuesize=1)
        other = "21605/CAB-0001/Int64"

        async def set_mode(mode: ua.MonitoringMode) -> list[ua.StatusCode]:
            params = ua.SetMonitoringModeParameters(subscription.subscription_id, mode, [item])
            return await client.uaclient.set_monitoring_mode(params)

        await subscription.subscribe_data_change(client.get_node(node_id(other)), queuesize=1)
        await seen.count(2)
        (code,) = await set_mode(ua.MonitoringMode.Disabled)
        assert code.is_good()
        site.set(V1, 2.0)
        site.set(other, 2**63 - 1)
        assert await seen.count(1) == [(other, 2**63 - 1, 0)]
        await set_mode(ua.MonitoringMode.Reporting)
        assert await seen.count(1) == [(V1, 2.0, 0)]
        await subscription.delete()

    with_client(site, body)


def test_items_are_modified_and_deleted_by_id(site: Site) -> None:
    async def body(client: Client) -> None:
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        item = await subscription.subscribe_data_change(client.get_node(node_id(V1)), queuesize=1)
        params = ua.ModifyMonitoredItemsParameters()
        params.SubscriptionId = subscription.subscription_id
        params.ItemsToModify = [
            ua.MonitoredItemModifyRequest(i, ua.MonitoringParameters(4711, 50.0, None, 5, True))
            for i in (item, 999_999)
        ]
        results = await client.uaclient.modify_monitored_items(params)
        assert [r.StatusCode.value for r in results] == [0, CODES.BadMonitoredItemIdInvalid]
        assert results[0].RevisedQueueSize == 5
        delete = ua.DeleteMonitoredItemsParameters(subscription.subscription_id, [item, item, 999_999])
        codes = await client.uaclient.delete_monitored_items(delete)
        assert [c.value for c in codes] == [0, CODES.BadMonitoredItemIdInvalid, CODES.BadMonitoredItemIdInvalid]
        assert site.server.monitored_items == 0
        await subscription.delete()

    with_client(site, body)


def test_many_changes_come_in_pages_and_none_is_lost(site: Site) -> None:
    async def body(client: Client) -> None:
        seen = Seen()
        params = ua.CreateSubscriptionParameters(50.0, 1000, 20, 70, True, 0)
        subscription = await client.create_subscription(params, seen)
        names = [n for n in site.plant.names() if n.endswith("/Double")]
        rows = np.array([site.row(n) for n in names])
        fill(site.table, rows, [float(i) for i in range(len(rows))])
        await subscription.subscribe_data_change([client.get_node(node_id(n)) for n in names], queuesize=1)
        first = await seen.count(len(names))
        assert {(n, v) for n, v, _ in first} == {(n, float(i)) for i, n in enumerate(names)}
        fill(site.table, rows, [float(-i) for i in range(len(rows))])
        second = await seen.count(len(names) - 1)  # row 0 stays 0.0 in all but its sign
        assert {n for n, _, _ in second} >= set(names[1:-1])
        await subscription.delete()

    with_client(site, body)


def test_the_server_never_publishes_faster_than_its_bound(site: Site) -> None:
    async def body(client: Client) -> None:
        for asked, revised in ((0.001, 50.0), (0.0, 50.0), (-5.0, 50.0), (float("nan"), 50.0), (1e12, 86_400_000.0)):
            params = ua.CreateSubscriptionParameters(asked, 1000, 20, 0, True, 0)
            result = await client.uaclient.create_subscription(params, lambda _: None)
            assert result.RevisedPublishingInterval == revised
            modify = ua.ModifySubscriptionParameters(result.SubscriptionId, 750.0, 90, 30, 0, 0)
            changed = await client.uaclient.update_subscription(modify)
            assert changed.RevisedPublishingInterval == 750.0
            await client.uaclient.delete_subscriptions([result.SubscriptionId])

    with_client(site, body)


def test_another_sessions_subscription_is_as_unknown_as_none(site: Site) -> None:
    async def body(mine: Client) -> None:
        seen = Seen()
        subscription = await mine.create_subscription(50, seen)
        number = subscription.subscription_id
        async with await make_client(site, "view") as other:
            (code,) = await other.uaclient.delete_subscriptions([number])
            assert code.value == CODES.BadSubscriptionIdInvalid
            for params, call in (
                (ua.RepublishParameters(number, 1), partial(republish, other)),
                (ua.DeleteMonitoredItemsParameters(number, [112]), other.uaclient.delete_monitored_items),
                (
                    ua.SetMonitoringModeParameters(number, ua.MonitoringMode.Disabled, [112]),
                    other.uaclient.set_monitoring_mode,
                ),
            ):
                with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
                    await call(params)
            transfer = ua.TransferSubscriptionsParameters([number], True)
            (result,) = await other.uaclient.transfer_subscriptions(transfer)
            assert result.StatusCode.value == CODES.BadUserAccessDenied
        await subscription.subscribe_data_change(mine.get_node(node_id(V1)), queuesize=1)
        await seen.count(1)
        await subscription.delete()

    with_client(site, body)


def test_republish_says_what_is_not_there(site: Site) -> None:
    """A Good and empty answer makes asyncua's and node-opcua's clients ask for ever."""

    async def body(client: Client) -> None:
        subscription = await client.create_subscription(50, Seen())
        with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
            await republish(client, ua.RepublishParameters(subscription.subscription_id, 12345))
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await republish(client, ua.RepublishParameters(424242, 1))
        await subscription.delete()

    with_client(site, body)


def test_a_subscription_is_transferred_to_a_new_session_of_the_same_user_and_lives(site: Site) -> None:
    async def main() -> None:
        site.set(V1, 10.0)
        first, second = await make_client(site), await make_client(site)
        await first.connect()
        params = ua.CreateSubscriptionParameters(50.0, 1000, 20, 0, True, 0)
        made = await first.uaclient.create_subscription(params, lambda _: None)
        items = ua.CreateMonitoredItemsParameters(made.SubscriptionId, ua.TimestampsToReturn.Both, [_wanted(V1)])
        await first.uaclient.create_monitored_items(items)
        await second.connect()
        published: asyncio.Queue[Any] = asyncio.Queue()
        second.uaclient._subscription_callbacks[made.SubscriptionId] = published.put_nowait
        (result,) = await second.uaclient.transfer_subscriptions(
            ua.TransferSubscriptionsParameters([made.SubscriptionId], True)
        )
        assert result.StatusCode.is_good()
        acks: list[Any] = []
        response = await second.uaclient.publish(acks)
        values = [
            i.Value.Value.Value
            for n in response.Parameters.NotificationMessage.NotificationData
            for i in n.MonitoredItems
        ]
        assert values == [10.0]
        await first.disconnect()
        site.set(V1, 11.0)
        response = await second.uaclient.publish(acks)
        assert response.Parameters.SubscriptionId == made.SubscriptionId
        await second.disconnect()

    asyncio.run(main())


def test_a_fixed_attribute_and_a_node_of_the_server_can_be_watched(site: Site) -> None:
    async def body(client: Client) -> None:
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        node = client.get_node(node_id(V1))
        await subscription.subscribe_data_change(node, attr=ua.AttributeIds.DisplayName)
        await subscription.subscribe_data_change(client.get_node(ua.ObjectIds.Server_ServiceLevel))
        found = {name: value for name, value, _ in await seen.count(2)}
        assert found[V1].Text in ("Tension L1", "Voltage L1")
        assert found[ua.ObjectIds.Server_ServiceLevel] == 255
        await subscription.delete()

    with_client(site, body)
