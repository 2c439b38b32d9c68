# SPDX-License-Identifier: Apache-2.0
"""Queues, sampling intervals and monitoring modes of monitored items.

Source: OPC 10000-4, 5.13.1 (model), 5.13.4 (SetMonitoringMode), 7.21 (MonitoringParameters).
"""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from config.words import StatusCode
from supervisor.hmi.publishing.queues import OVERFLOW
from tests.system.conformance.monitoring import (
    CODES,
    NAME,
    STRING,
    V1,
    set_mode,
)
from tests.system.conformance.raw import RawClient, codes, value_id
from tests.system.opcua_kit import Site

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
