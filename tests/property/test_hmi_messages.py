# SPDX-License-Identifier: Apache-2.0
"""Responses put together from parts are the bytes of asyncua's own encoder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.publishing.messages import (
    Response,
    data_change,
    fault,
    notification_message,
    publish_response,
    republish_response,
    status_change,
    statuses,
)

u32 = st.integers(0, 2**32 - 1)
times_ns = st.integers(0, 4_000_000_000_000_000).map(lambda us: us * 1000)


def moment(ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


def stamped(response: Any, now_ns: int, handle: int, code: int = 0) -> bytes:
    response.ResponseHeader.Timestamp = moment(now_ns)
    response.ResponseHeader.RequestHandle = handle
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(code))
    return bytes(struct_to_binary(response))


def message_of(
    sequence: int, now_ns: int, handles: list[int], code: int | None
) -> tuple[ua.NotificationMessage, bytes]:
    """The same message twice: asyncua's object, and our bytes."""
    message = ua.NotificationMessage(sequence, moment(now_ns))
    notices = []
    if handles:
        items = [ua.MonitoredItemNotification(h, ua.DataValue(ua.Variant(h, ua.VariantType.UInt32))) for h in handles]
        message.NotificationData.append(ua.DataChangeNotification(items))
        notices.append(data_change(len(items), b"".join(map(struct_to_binary, items))))
    if code is not None:
        message.NotificationData.append(ua.StatusChangeNotification(ua.StatusCode(ua.UInt32(code))))
        notices.append(status_change(code))
    return message, notification_message(sequence, now_ns, notices)


@given(times_ns, u32, u32, st.lists(u32, max_size=5), st.booleans(), st.lists(u32, max_size=4), st.none() | u32, u32)
def test_publish_and_republish(
    now_ns: int,
    handle: int,
    number: int,
    available: list[int],
    more: bool,
    handles: list[int],
    code: int | None,
    sequence: int,
) -> None:
    theirs, ours = message_of(sequence, now_ns, handles, code)
    results = [0, int(ua.StatusCodes.BadSequenceNumberUnknown)]
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = number
    response.Parameters.AvailableSequenceNumbers = available
    response.Parameters.MoreNotifications = more
    response.Parameters.NotificationMessage = theirs
    response.Parameters.Results = [ua.StatusCode(ua.UInt32(c)) for c in results]
    assert publish_response(now_ns, handle, number, available, more, ours, statuses(results)) == stamped(
        response, now_ns, handle
    )
    again = ua.RepublishResponse()
    again.NotificationMessage = theirs
    assert republish_response(now_ns, handle, ours) == stamped(again, now_ns, handle)


@given(times_ns, u32, u32)
def test_a_fault(now_ns: int, handle: int, code: int) -> None:
    assert fault(now_ns, handle, code) == stamped(ua.ServiceFault(), now_ns, handle, code)


@pytest.mark.parametrize(
    "made", [ua.ReadResponse(), ua.CreateMonitoredItemsResponse(), ua.ModifyMonitoredItemsResponse()]
)
def test_a_response_that_is_a_list_and_no_diagnostics(made: Any) -> None:
    assert Response(made).listed(1_000_000, 7, 0, b"") == stamped(made, 1_000_000, 7)
