# SPDX-License-Identifier: Apache-2.0
"""SetTriggering. Source: OPC 10000-4, 5.13.1.6 (triggering model, numbered as there) and 5.13.5."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from supervisor.hmi.events.event import SERVER as SERVER_EVENTS
from supervisor.hmi.events.event import PlainEvent
from tests.nodeset import clause, event_filter
from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, RawClient, changes, codes, value_id
from tests.system.opcua_kit import Site

CODES = ua.StatusCodes
V1, DOUBLE, INT64 = (CAB + name for name in ("V1", "Double", "Int64"))
DISABLED, SAMPLING, REPORTING = range(3)


def trigger(number: int, triggering: int, add: list[int] | None = None, remove: list[int] | None = None) -> Any:
    request = ua.SetTriggeringRequest()
    request.Parameters = ua.SetTriggeringParameters(number, triggering, add or [], remove or [])
    return request


class Linked:
    """V1 triggers Double (a queue of one) and Int64 (a queue of five), both only sampling."""

    def __init__(self, client: RawClient, site: Site, mode: int = REPORTING, linked: int = SAMPLING) -> None:
        site.put([site.row(V1)], [1.0])
        site.put([site.row(DOUBLE), site.row(INT64)], [1.0, 1])
        self.client = client
        self.number = client.subscribe(RequestedMaxKeepAliveCount=1)
        self.trigger = client.item(self.number, V1, handle=1, mode=mode)
        self.plain = client.item(self.number, DOUBLE, handle=2, mode=linked)
        self.queued = client.item(self.number, INT64, handle=3, mode=linked, queue=5)
        result = client.call(trigger(self.number, self.trigger, [self.plain, self.queued])).Parameters
        assert codes(result.AddResults) == [0, 0] and not result.RemoveResults
        self.settle()

    def settle(self) -> list[int]:
        """Handles of all that is told until nothing more is."""
        told: list[int] = []
        while shown := self.client.notified():
            told += [handle for handle, _, _ in shown]
        return told


def test_2_and_4_sampling_items_are_reported_with_the_reporting_one(client: RawClient, site: Site) -> None:
    linked = Linked(client, site)
    site.put([site.row(DOUBLE), site.row(INT64)], [2.0, 2])
    site.put([site.row(INT64)], [3])
    assert linked.settle() == []
    site.put([site.row(V1)], [2.0])
    told = [(handle, value) for handle, value, _ in client.notified()]
    assert sorted(told) == [(1, 2.0), (2, 2.0), (3, 2), (3, 3)]
    site.put([site.row(INT64)], [4])
    assert linked.settle() == []  # until it fires again


def test_1_a_sampling_item_triggers_and_is_not_reported_itself(client: RawClient, site: Site) -> None:
    linked = Linked(client, site, SAMPLING)
    site.put([site.row(V1), site.row(INT64), site.row(DOUBLE)], [2.0, 2, 2.0])
    assert sorted(linked.settle()) == [2, 3]


def test_3_a_disabled_item_triggers_nothing(client: RawClient, site: Site) -> None:
    linked = Linked(client, site, DISABLED)
    site.put([site.row(V1), site.row(INT64)], [2.0, 2])
    assert linked.settle() == []


def test_5_a_reporting_item_does_not_care(client: RawClient, site: Site) -> None:
    linked = Linked(client, site, linked=REPORTING)
    site.put([site.row(INT64)], [2])
    assert linked.settle() == [3]


def test_6_a_disabled_item_is_not_reported(client: RawClient, site: Site) -> None:
    linked = Linked(client, site, linked=DISABLED)
    site.put([site.row(V1), site.row(INT64), site.row(DOUBLE)], [2.0, 2, 2.0])
    assert linked.settle() == [1]


def test_links_are_removed_before_they_are_added(client: RawClient, site: Site) -> None:
    linked = Linked(client, site)
    both = trigger(linked.number, linked.trigger, [linked.plain], [linked.plain, linked.queued, linked.queued])
    result = client.call(both).Parameters
    assert codes(result.RemoveResults) == [0, 0, CODES.BadMonitoredItemIdInvalid]
    assert codes(result.AddResults) == [0]
    site.put([site.row(V1), site.row(INT64), site.row(DOUBLE)], [2.0, 2, 2.0])
    assert sorted(linked.settle()) == [1, 2]


def test_a_deleted_item_takes_its_links_along(client: RawClient, site: Site) -> None:
    linked = Linked(client, site)
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters = ua.DeleteMonitoredItemsParameters(linked.number, [linked.queued])
    client.call(request)
    gone = trigger(linked.number, linked.trigger, remove=[linked.queued])
    assert codes(client.call(gone).Parameters.RemoveResults) == [CODES.BadMonitoredItemIdInvalid]


def test_a_value_of_the_server_triggers_too(client: RawClient, site: Site) -> None:
    site.put([site.row(INT64)], [1])
    number = client.subscribe(100.0, RequestedMaxKeepAliveCount=1)
    clock = client.item(number, value_id(2258), handle=1, mode=SAMPLING)
    linked = client.item(number, INT64, handle=2, mode=SAMPLING, queue=5)
    client.call(trigger(number, clock, [linked]))
    told: list[int] = []
    while 2 not in told:  # the server's clock ticks once a second
        told += [handle for handle, _, _ in client.notified()]
    assert 1 not in told


SERVER = ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server), ua.AttributeIds.EventNotifier)


def events_item(client: RawClient, number: int, handle: int, mode: int) -> int:
    wanted = event_filter([clause("Message")])
    return client.item(number, SERVER, handle=handle, mode=mode, queue=5, filter_=wanted)


def happen(site: Site, *names: str) -> None:
    type_ = (0, ua.ObjectIds.SystemEventType)
    for name in names:
        site.emit(PlainEvent(type_, name.encode(), 1, 100, {"fr": name, "en": name}, notifiers=(SERVER_EVENTS,)))


def heard(parameters: Any) -> list[tuple[int, str]]:
    """(handle, message) of each event in a PublishResponse."""
    return [
        (fields.ClientHandle, fields.EventFields[0].Value.Text)
        for data in parameters.NotificationMessage.NotificationData
        if isinstance(data, ua.EventNotificationList)
        for fields in data.Events
    ]


def test_events_that_are_sampled_are_reported_with_the_value_that_triggers_them(client: RawClient, site: Site) -> None:
    site.put([site.row(V1)], [1.0])
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    value = client.item(number, V1, handle=1)
    events = events_item(client, number, 2, SAMPLING)
    assert codes(client.call(trigger(number, value, [events])).Parameters.AddResults) == [0]
    client.notified()
    happen(site, "one", "two")
    assert heard(client.published()) == []
    site.put([site.row(V1)], [2.0])
    told = client.published()
    assert [handle for handle, _, _ in changes(told)] == [1] and heard(told) == [(2, "one"), (2, "two")]
    happen(site, "three")
    assert heard(client.published()) == []  # until it fires again


def test_an_event_triggers_a_value_that_is_sampled(client: RawClient, site: Site) -> None:
    site.put([site.row(INT64)], [1])
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    events = events_item(client, number, 1, SAMPLING)
    linked = client.item(number, INT64, handle=2, mode=SAMPLING, queue=5)
    assert codes(client.call(trigger(number, events, [linked])).Parameters.AddResults) == [0]
    assert client.notified() == []
    site.put([site.row(INT64)], [2])
    happen(site, "one")
    assert [(handle, value) for handle, value, _ in client.notified()] == [(2, 1), (2, 2)]
    client.call(trigger(number, events, remove=[linked]))
    site.put([site.row(INT64)], [3])
    happen(site, "two")
    assert client.notified() == []  # no longer linked


@pytest.mark.parametrize("triggering", [0, 4242])
def test_there_is_no_such_item(client: RawClient, triggering: int) -> None:
    number = client.subscribe()
    one = client.item(number, V1)
    assert client.refused(trigger(number, triggering, [one])) == CODES.BadMonitoredItemIdInvalid
    assert codes(client.call(trigger(number, one, [4242])).Parameters.AddResults) == [CODES.BadMonitoredItemIdInvalid]


def test_links_are_bounded(client: RawClient) -> None:
    number = client.subscribe(60_000.0)
    items = [client.item(number, V1) for _ in range(LIMITS.links_per_subscription + 2)]
    results = codes(client.call(trigger(number, items[0], items[1:])).Parameters.AddResults)
    assert results == [0] * LIMITS.links_per_subscription + [CODES.BadTooManyMonitoredItems]
