# SPDX-License-Identifier: Apache-2.0
"""What monitored items report: deadbands, triggers, timestamps, parts of values.

Source: OPC 10000-4, 5.13.2, 7.22.2 (DataChangeFilter), 7.27 (NumericRange); OPC 10000-8, 7.2 (PercentDeadband).
"""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from config.words import StatusCode
from tests.system.conformance.monitoring import (
    ABSOLUTE,
    CODES,
    CURRENT_TIME,
    INT64,
    PERCENT,
    SERVICE_LEVEL,
    STATUS,
    STRING,
    TIMESTAMP,
    V1,
    VALUE,
    change,
)
from tests.system.conformance.raw import RawClient, item, value_id
from tests.system.opcua_kit import Site

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
