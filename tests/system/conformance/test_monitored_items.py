# SPDX-License-Identifier: Apache-2.0
"""CreateMonitoredItems, ModifyMonitoredItems, SetMonitoringMode, DeleteMonitoredItems.

Source: OPC 10000-4, 5.13.1 (model), 5.13.2, 5.13.3, 5.13.4, 5.13.6, 7.21, 7.22; OPC 10000-8, 7.2 (PercentDeadband).
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import ua

from config.words import StatusCode
from supervisor.hmi.publishing.queues import OVERFLOW
from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, Fault, RawClient, changes, codes, item, value_id
from tests.system.opcua_kit import Site

CODES = ua.StatusCodes
V1, DOUBLE, INT64, STRING = (CAB + name for name in ("V1", "Double", "Int64", "String"))
CURRENT_TIME, SERVICE_LEVEL, NAMESPACES = 2258, 2267, 2255
STATUS, VALUE, TIMESTAMP = ua.DataChangeTrigger
ABSOLUTE, PERCENT = ua.DeadbandType.Absolute, ua.DeadbandType.Percent
NAME = ua.AttributeIds.DisplayName


def change(trigger: Any = VALUE, type_: Any = ua.DeadbandType.None_, value: float = 0.0) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(trigger, type_, value)


def modify(number: int, *items: Any, stamps: int = 2) -> Any:
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn(stamps)
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(i, ua.MonitoringParameters(*parameters)) for i, *parameters in items
    ]
    return request


def set_mode(number: int, mode: int, *items: int) -> Any:
    request = ua.SetMonitoringModeRequest()
    request.Parameters = ua.SetMonitoringModeParameters(number, ua.MonitoringMode(mode), list(items))
    return request


def delete(number: int, *items: int) -> Any:
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters = ua.DeleteMonitoredItemsParameters(number, list(items))
    return request


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


# -- queues -----------------------------------------------------------------------------------------------------------


def fill(client: RawClient, site: Site, values: list[float], **settings: Any) -> list[tuple[Any, int]]:
    """What an item reports after these values, one a scan."""
    site.set(V1, values[0])
    number = client.subscribe()
    client.item(number, V1, **settings)
    for value in values[1:]:
        site.set(V1, value)
    return [(value, status) for _, value, status in client.notified()]


def test_every_change_of_every_scan_is_queued(client: RawClient, site: Site) -> None:
    assert fill(client, site, [1.0, 2.0, 2.0, 1.0, 3.0], queue=10) == [(1.0, 0), (2.0, 0), (1.0, 0), (3.0, 0)]


def test_a_full_queue_discards_the_oldest_and_marks_the_next(client: RawClient, site: Site) -> None:
    """5.13.1.5, figure 17."""
    assert fill(client, site, [1.0, 2.0, 3.0, 4.0, 5.0], queue=3) == [(3.0, OVERFLOW), (4.0, 0), (5.0, 0)]


def test_a_full_queue_replaces_the_newest_and_marks_it(client: RawClient, site: Site) -> None:
    shown = fill(client, site, [1.0, 2.0, 3.0, 4.0, 5.0], queue=3, oldest=False)
    assert shown == [(1.0, 0), (2.0, 0), (5.0, OVERFLOW)]


@pytest.mark.parametrize("oldest", [True, False])
def test_a_queue_of_one_holds_the_newest_and_is_never_marked(client: RawClient, site: Site, oldest: bool) -> None:
    assert fill(client, site, [1.0, 2.0, 3.0], queue=1, oldest=oldest) == [(3.0, 0)]


def test_queued_values_keep_their_status_and_null(client: RawClient, site: Site) -> None:
    number = client.subscribe()
    site.set(V1, 1.0)
    client.item(number, V1, queue=10)
    site.set(V1, 1.0, StatusCode.UncertainLastUsableValue)
    site.set(V1, 1.0, StatusCode.BadNoCommunication)
    site.set(V1, 1.0)
    uncertain, bad = int(StatusCode.UncertainLastUsableValue), int(StatusCode.BadNoCommunication)
    assert client.notified() == [(1, 1.0, 0), (1, 1.0, uncertain), (1, None, bad), (1, 1.0, 0)]


def test_texts_are_queued_like_numbers(client: RawClient, site: Site) -> None:
    number = client.subscribe()
    site.set(STRING, "un")
    client.item(number, STRING, queue=3)
    site.set(STRING, "deux")
    assert [value for _, value, _ in client.notified()] == ["un", "deux"]


# -- sampling ---------------------------------------------------------------------------------------------------------


def test_a_long_sampling_interval_passes_over_what_is_between(client: RawClient, site: Site) -> None:
    """It is not looked at when it is published, but when its own interval has passed."""
    site.set(V1, 1.0)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    client.item(number, V1, sampling=86_400_000.0)
    assert client.notified() == [(1, 1.0, 0)]
    site.set(V1, 2.0)
    assert client.notified() == [] and client.notified() == []


def test_a_shorter_publishing_interval_does_not_sample_faster(client: RawClient, site: Site) -> None:
    """7.21: the sampling interval is not changed by ModifySubscription."""
    site.set(V1, 1.0)
    number = client.subscribe(86_000_000.0)
    client.item(number, V1, sampling=-1.0)
    request = ua.ModifySubscriptionRequest()
    request.Parameters = ua.ModifySubscriptionParameters(number, 50.0, 100, 1)
    client.call(request)
    assert client.notified() == [(1, 1.0, 0)]
    site.set(V1, 2.0)
    assert client.notified() == []


# -- modes ------------------------------------------------------------------------------------------------------------


def test_a_sampling_item_queues_and_tells_all_when_it_reports(client: RawClient, site: Site) -> None:
    """5.13.1.3; a client of a hot redundant pair lives on this (6.6.2.4.5.4)."""
    site.set(V1, 1.0)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    number_of = client.item(number, V1, queue=10, mode=1)
    site.set(V1, 2.0)
    site.set(V1, 3.0)
    assert client.notified() == []
    assert codes(client.call(set_mode(number, 2, number_of, 4242)).Parameters.Results) == [
        0,
        CODES.BadMonitoredItemIdInvalid,
    ]
    while not (told := client.notified()):
        pass
    assert [value for _, value, _ in told] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("queue", [1, 5])
def test_a_reporting_item_that_samples_again_keeps_what_it_has(client: RawClient, site: Site, queue: int) -> None:
    site.set(V1, 1.0)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    one = client.item(number, V1, queue=queue)
    client.call(set_mode(number, 1, one))
    assert client.notified() == []
    client.call(set_mode(number, 2, one))
    while not (told := client.notified()):
        pass
    assert told == [(1, 1.0, 0)]


@pytest.mark.parametrize("queue", [1, 5])
@pytest.mark.parametrize("wanted", [V1, value_id(V1, NAME)], ids=["tag", "name"])
def test_a_disabled_item_loses_its_queue_and_begins_anew(
    client: RawClient, site: Site, queue: int, wanted: Any
) -> None:
    """5.13.1.3: disabling deletes what is queued; the first sample after enabling is reported."""
    site.set(V1, 1.0)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    one = client.item(number, wanted, queue=queue)
    assert len(client.notified()) == 1
    site.set(V1, 2.0)
    client.call(set_mode(number, 0, one))
    site.set(V1, 3.0)
    assert client.notified() == []
    client.call(set_mode(number, 2, one))
    while not (told := client.notified()):
        pass
    assert len(told) == 1 and (wanted != V1 or told == [(1, 3.0, 0)])


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [1, 20])
def test_a_drift_is_reported_when_it_has_left_the_band_of_the_last_report(
    client: RawClient, site: Site, queue: int
) -> None:
    site.set(V1, 0.0)
    number = client.subscribe()
    client.item(number, V1, queue=queue, filter_=change(VALUE, ABSOLUTE, 1.0))
    shown = [value for _, value, _ in client.notified()]
    for step in range(1, 10):
        site.set(V1, step * 0.5)
        if step * 0.5 - shown[-1] > 1.0:
            shown += [value for _, value, _ in client.notified()]
    assert shown == [0.0, 1.5, 3.0, 4.5]


def test_per_cent_is_of_eu_range(client: RawClient, site: Site) -> None:
    """V1 has 0..500 V: one per cent is 5 V, and exactly 5 V is not more than it."""
    site.set(V1, 100.0)
    number = client.subscribe()
    client.item(number, V1, queue=20, filter_=change(VALUE, PERCENT, 1.0))
    for value in (104.0, 105.0, 105.1, 100.1, 100.0):
        site.set(V1, value)
    assert [value for _, value, _ in client.notified()] == [100.0, 105.1, 100.0]


def test_a_deadband_of_an_integer(client: RawClient, site: Site) -> None:
    site.set(INT64, 0)
    number = client.subscribe()
    client.item(number, INT64, queue=20, filter_=change(VALUE, ABSOLUTE, 2.0))
    for value in (1, 2, 3, 2, 1, 0):
        site.set(INT64, value)
    assert [value for _, value, _ in client.notified()] == [0, 3, 0]


TRIGGERS = [(STATUS, [(1.0, False), (3.0, True)]), (VALUE, [(1.0, False), (2.0, False), (3.0, True)])]


@pytest.mark.parametrize(("trigger", "expected"), TRIGGERS)
def test_triggers(client: RawClient, site: Site, trigger: Any, expected: list[tuple[float, bool]]) -> None:
    site.set(V1, 1.0)
    number = client.subscribe()
    client.item(number, V1, queue=20, filter_=change(trigger))
    site.set(V1, 2.0)
    site.set(V1, 3.0, StatusCode.Uncertain)
    site.set(V1, 3.0, StatusCode.Uncertain)
    assert [(value, status != 0) for _, value, status in client.notified()] == expected


@pytest.mark.parametrize(("band", "reports"), [(0.0, 3), (1.0, 1)])
def test_the_timestamp_trigger_reports_a_value_seen_again_unless_there_is_a_deadband(
    client: RawClient, site: Site, band: float, reports: int
) -> None:
    """7.10, STATUS_VALUE_TIMESTAMP: with a deadband the same as STATUS_VALUE."""
    site.set(V1, 1.0)
    number = client.subscribe()
    type_ = ABSOLUTE if band else ua.DeadbandType.None_
    client.item(number, V1, queue=20, filter_=change(TIMESTAMP, type_, band))
    site.set(V1, 1.0)
    site.set(V1, 1.0)
    assert len(client.notified()) == reports


# -- timestamps, handles, parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamps", range(4))
@pytest.mark.parametrize("queue", [1, 2])
def test_timestamps_to_return_are_kept_with_the_item(client: RawClient, site: Site, stamps: int, queue: int) -> None:
    site.set(V1, 1.0)
    number = client.subscribe()
    client.monitor(number, item(V1, queue=queue), item(value_id(SERVICE_LEVEL), handle=2), stamps=stamps)
    (data,) = client.published().NotificationMessage.NotificationData
    for notification in data.MonitoredItems:
        value = notification.Value
        assert (value.ServerTimestamp is not None) == (stamps in (1, 2))
        assert (value.SourceTimestamp is not None) == (stamps in (0, 2)) or notification.ClientHandle == 2


def test_a_part_of_a_text_is_watched(client: RawClient, site: Site) -> None:
    site.set(STRING, "abcdef")
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    client.item(number, value_id(STRING, range_="1:2"))
    assert client.notified() == [(1, "bc", 0)]
    site.set(STRING, "xbcyyy")
    site.set(STRING, "x")
    while not (told := client.notified()):
        pass
    assert told == [(1, None, int(CODES.BadIndexRangeNoData))]


def test_values_of_the_server_itself_are_watched_by_reading_them(client: RawClient) -> None:
    number = client.subscribe(100.0)
    client.item(number, value_id(CURRENT_TIME), handle=3)
    first, second = client.notified(), client.notified()
    assert first[0][0] == 3 and second[0][1] > first[0][1]


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
