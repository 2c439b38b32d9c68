# SPDX-License-Identifier: Apache-2.0
"""CreateMonitoredItems, ModifyMonitoredItems, DeleteMonitoredItems: what is refused, revised and changed.

Source: OPC 10000-4, 5.13.2, 5.13.3, 5.13.6, 7.21, 7.22.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import ua

from supervisor.hmi.publishing.queues import OVERFLOW
from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.monitoring import (
    ABSOLUTE,
    CODES,
    DOUBLE,
    INT64,
    NAME,
    NAMESPACES,
    PERCENT,
    SERVICE_LEVEL,
    STRING,
    V1,
    VALUE,
    change,
    delete,
    modify,
    set_mode,
)
from tests.system.conformance.raw import CAB, Fault, RawClient, changes, codes, item, value_id
from tests.system.opcua_kit import Site

# -- what is refused, item by item ------------------------------------------------------------------------------------

AVERAGE = ua.AggregateFilter(AggregateType=ua.NodeId(2342), ProcessingInterval=1000.0)
REFUSED = [
    (item(CAB + "Nothing"), CODES.BadNodeIdUnknown),
    (item(value_id(999_999)), CODES.BadNodeIdUnknown),
    (item("21605/CAM-0001/Plate"), CODES.BadNodeIdUnknown),  # personal data: not there for this user
    (item(CAB + "Pulse"), CODES.BadNotReadable),
    (item(value_id("21605/CAB-0001")), CODES.BadAttributeIdInvalid),  # an object has no Value
    (item(value_id(V1, ua.AttributeIds.IsAbstract)), CODES.BadAttributeIdInvalid),
    (item(value_id(V1, 99)), CODES.BadAttributeIdInvalid),
    (item(value_id(V1, range_="x")), CODES.BadIndexRangeInvalid),
    (item(value_id(V1, range_="0")), CODES.BadIndexRangeNoData),
    (item(value_id(STRING, range_="3:1")), CODES.BadIndexRangeInvalid),
    (item(value_id(NAMESPACES, range_="99")), CODES.BadIndexRangeNoData),
    (item(value_id(V1, encoding="Default Binary")), CODES.BadDataEncodingInvalid),
    (item(V1, filter_=AVERAGE), CODES.BadMonitoredItemFilterUnsupported),
    (item(V1, filter_=ua.EventFilter()), CODES.BadFilterNotAllowed),
    (item(value_id(V1, NAME), filter_=change()), CODES.BadFilterNotAllowed),
    (item(value_id(V1, NAME), filter_=AVERAGE), CODES.BadFilterNotAllowed),
    (item(STRING, filter_=change(VALUE, ABSOLUTE, 1.0)), CODES.BadFilterNotAllowed),
    (item(CAB + "Boolean", filter_=change(VALUE, ABSOLUTE, 1.0)), CODES.BadFilterNotAllowed),
    (item(V1, filter_=change(VALUE, ABSOLUTE, -1.0)), CODES.BadDeadbandFilterInvalid),
    (item(V1, filter_=change(VALUE, ABSOLUTE, float("nan"))), CODES.BadDeadbandFilterInvalid),
    (item(V1, filter_=change(VALUE, PERCENT, 100.1)), CODES.BadDeadbandFilterInvalid),
    (item(V1, filter_=change(VALUE, PERCENT, -0.1)), CODES.BadDeadbandFilterInvalid),
    (item(DOUBLE, filter_=change(VALUE, PERCENT, 10.0)), CODES.BadDeadbandFilterInvalid),  # it has no EURange
    (item(value_id(2253, ua.AttributeIds.EventNotifier)), CODES.BadEventFilterInvalid),
    (item(value_id(2258), filter_=change(VALUE, ABSOLUTE, 1.0)), CODES.BadFilterNotAllowed),  # a time is no number
    (item(value_id(NAMESPACES), filter_=change(VALUE, PERCENT, 1.0)), CODES.BadFilterNotAllowed),
    (item(value_id(2992), filter_=change(VALUE, PERCENT, 1.0)), CODES.BadDeadbandFilterInvalid),  # without EURange
    (item(CAB + "Nothing", filter_=change(VALUE, PERCENT, 1.0)), CODES.BadNodeIdUnknown),
]


@pytest.mark.parametrize(("wanted", "code"), REFUSED, ids=range(len(REFUSED)))
def test_an_item_is_refused_and_the_others_are_made(client: RawClient, wanted: Any, code: int) -> None:
    number = client.subscribe(60_000.0)
    assert codes(client.monitor(number, item(V1), wanted, item(INT64))) == [0, code, 0]


def test_a_mode_that_does_not_exist(client: RawClient) -> None:
    number = client.subscribe(60_000.0)
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.ItemsToCreate = [item(V1, handle=77)]
    body = bytearray(client.encode(request))
    at = body.index(struct.pack("<iI", 2, 77))
    struct.pack_into("<i", body, at, 3)
    assert codes(client.say(bytes(body)).Results) == [CODES.BadMonitoringModeInvalid]
    mode = bytearray(client.encode(set_mode(number, 2, 4242)))
    at = mode.index(struct.pack("<iiI", 2, 1, 4242))
    struct.pack_into("<i", mode, at, -1)
    answer = client.say(bytes(mode))
    assert isinstance(answer, Fault) and answer.code == CODES.BadMonitoringModeInvalid


def test_attributes_are_watched_up_to_a_bound(client: RawClient) -> None:
    number = client.subscribe(60_000.0)
    wanted = [item(value_id(V1, NAME))] * (LIMITS.node_items + 1)
    assert codes(client.monitor(number, *wanted)) == [0] * LIMITS.node_items + [CODES.BadTooManyMonitoredItems]
    client.call(delete(number, 1))
    assert codes(client.monitor(number, item(value_id(V1, NAME)), item(V1))) == [0, 0]


# -- what is revised --------------------------------------------------------------------------------------------------

SCAN_MS = LIMITS.sampling_ms_min
SAMPLING = [
    (0.0, SCAN_MS),  # the fastest there is
    (-1.0, 700.0),  # the publishing interval
    (-5.0, 700.0),
    (float("nan"), 700.0),
    (1.0, SCAN_MS),
    (250.0, 250.0),
    (5000.0, 5000.0),
    (1e300, 86_400_000.0),
]


@pytest.mark.parametrize(("asked", "given"), SAMPLING)
@pytest.mark.parametrize("wanted", [V1, value_id(V1, NAME), value_id(SERVICE_LEVEL)], ids=["tag", "name", "server"])
def test_the_sampling_interval_is_revised(client: RawClient, wanted: Any, asked: float, given: float) -> None:
    """7.21, and the same by Modify."""
    number = client.subscribe(700.0)
    plain, filtered = client.monitor(number, item(wanted, sampling=asked), item(wanted, sampling=asked, queue=2))
    assert plain.RevisedSamplingInterval == filtered.RevisedSamplingInterval == given
    (again,) = client.call(modify(number, (plain.MonitoredItemId, 1, asked, None, 1, True))).Results
    assert again.RevisedSamplingInterval == given


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (7, 7), (2**32 - 1, LIMITS.queue_len_max)])
def test_the_queue_size_is_revised(client: RawClient, asked: int, given: int) -> None:
    """7.21: 0 and 1 are the default of a value, 1; the largest number asks for the largest queue."""
    number = client.subscribe(60_000.0)
    fast, slow = client.monitor(number, item(V1, queue=asked)) + client.monitor(
        number, item(V1, queue=asked, filter_=change(VALUE, ABSOLUTE, 0.0))
    )
    assert fast.RevisedQueueSize == slow.RevisedQueueSize == given
    (again,) = client.call(modify(number, (fast.MonitoredItemId, 1, 0.0, None, asked, True))).Results
    assert again.RevisedQueueSize == given


def test_all_queues_together_are_bounded(client: RawClient, site: Site) -> None:
    """What there is no room for has a queue of one."""
    number = client.subscribe(60_000.0)
    results = client.monitor(number, *[item(V1, queue=50)] * 6)
    assert [r.RevisedQueueSize for r in results] == [50, 50, 50, 50, 1, 1]
    client.call(delete(number, *[r.MonitoredItemId for r in results]))
    assert client.monitor(number, item(V1, queue=50))[0].RevisedQueueSize == 50


# -- Modify, Delete ---------------------------------------------------------------------------------------------------


def test_what_is_queued_survives_a_modification_as_far_as_it_fits(client: RawClient, site: Site) -> None:
    """5.13.3.1."""
    number = client.subscribe()
    site.set(V1, 1.0)
    one = client.item(number, V1, queue=5)
    for value in (2.0, 3.0, 4.0):
        site.set(V1, value)
    results = client.call(modify(number, (one, 99, 0.0, None, 2, True), (4242, 1, 0.0, None, 1, True))).Results
    assert codes(results) == [0, CODES.BadMonitoredItemIdInvalid]
    assert client.notified() == [(99, 3.0, OVERFLOW), (99, 4.0, 0)]


@pytest.mark.parametrize(("before", "after"), [(1, 5), (5, 1), (5, 5), (1, 1)])
def test_an_item_changes_its_kind_and_goes_on(client: RawClient, site: Site, before: int, after: int) -> None:
    site.set(V1, 1.0)
    number = client.subscribe()
    one = client.item(number, V1, queue=before)
    other = client.item(number, INT64)
    assert len(client.notified()) == 2
    filter_ = change(VALUE, ABSOLUTE, 1.0)
    (result,) = client.call(modify(number, (one, 5, 0.0, filter_, after, True), stamps=3)).Results
    assert result.RevisedQueueSize == after
    site.set(V1, 1.5)
    site.set(V1, 2.6)
    (data,) = client.published().NotificationMessage.NotificationData
    (told,) = data.MonitoredItems
    assert (told.ClientHandle, told.Value.Value.Value, told.Value.ServerTimestamp) == (5, 2.6, None)
    assert codes(client.call(delete(number, other, one, one)).Results) == [0, 0, CODES.BadMonitoredItemIdInvalid]


def test_a_modification_that_is_refused_changes_nothing(client: RawClient, site: Site) -> None:
    site.set(V1, 1.0)
    number = client.subscribe()
    one, name = client.item(number, V1, handle=4), client.item(number, value_id(V1, NAME), handle=5)
    results = client.call(
        modify(
            number,
            (one, 9, 0.0, change(VALUE, ABSOLUTE, -1.0), 1, True),
            (one, 9, 0.0, AVERAGE, 1, True),
            (name, 9, 0.0, change(), 1, True),
        )
    ).Results
    assert codes(results) == [
        CODES.BadDeadbandFilterInvalid,
        CODES.BadMonitoredItemFilterUnsupported,
        CODES.BadFilterNotAllowed,
    ]
    assert sorted(handle for handle, _, _ in client.notified()) == [4, 5]


def test_a_watched_attribute_is_modified_and_deleted(client: RawClient) -> None:
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    one = client.item(number, value_id(V1, NAME), handle=4)
    assert codes(client.call(modify(number, (one, 6, 0.0, None, 3, True))).Results) == [0]
    assert [handle for handle, _, _ in client.notified()] == [6]
    assert codes(client.call(delete(number, one, one)).Results) == [0, CODES.BadMonitoredItemIdInvalid]
    assert changes(client.published()) == []
