# SPDX-License-Identifier: Apache-2.0
"""Publish, Republish and Cancel. Source: OPC 10000-4, 5.14.1, 5.14.5, 5.14.6, 5.7.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, Fault, RawClient, changes, codes, farewells
from tests.system.opcua_kit import Site

CODES = ua.StatusCodes


def republish(number: int, sequence: int) -> Any:
    request = ua.RepublishRequest()
    request.Parameters.SubscriptionId, request.Parameters.RetransmitSequenceNumber = number, sequence
    return request


def cancel(handle: int) -> Any:
    request = ua.CancelRequest()
    request.Parameters.RequestHandle = handle
    return request


def fault_of(answer: tuple[int, Any]) -> tuple[int, int]:
    handle, fault = answer
    assert isinstance(fault, Fault), fault
    return handle, fault.code


# -- Publish ----------------------------------------------------------------------------------------------------------


def test_without_a_subscription_there_is_nothing_to_publish(client: RawClient) -> None:
    handle = client.publish()
    assert fault_of(client.next()) == (handle, CODES.BadNoSubscription)


def test_the_first_message_comes_after_the_first_interval_even_without_items(client: RawClient) -> None:
    """5.14.1.2, row 7: so that the client sees that the subscription works."""
    number = client.subscribe(RequestedMaxKeepAliveCount=1000)
    first = client.published()
    assert first.SubscriptionId == number and first.NotificationMessage.NotificationData == []
    assert (first.NotificationMessage.SequenceNumber, first.AvailableSequenceNumbers) == (1, [])


def test_keep_alives_tell_the_next_number_and_use_none(client: RawClient, site: Site) -> None:
    """5.14.1.1: the sequence number of a keep-alive is that of the next notification message."""
    site.set(CAB + "V1", 1.0)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    seen = [client.published().NotificationMessage.SequenceNumber for _ in range(2)]
    client.item(number, CAB + "V1")
    told = client.published()
    while not changes(told):
        seen.append(told.NotificationMessage.SequenceNumber)
        told = client.published()
    assert set(seen) == {1} and told.NotificationMessage.SequenceNumber == 1
    assert client.published().NotificationMessage.SequenceNumber == 2


def test_acknowledged_messages_are_forgotten_others_are_available(client: RawClient, site: Site) -> None:
    number = client.subscribe()
    client.item(number, CAB + "V1")
    for value in (1.0, 2.0):
        site.set(CAB + "V1", value)
        last = client.published()
    assert last.AvailableSequenceNumbers == [1, 2]
    site.set(CAB + "V1", 3.0)
    answer = client.published((number, 1), (number, 1), (number, 9), (424242, 1))
    assert codes(answer.Results) == [
        0,
        CODES.BadSequenceNumberUnknown,
        CODES.BadSequenceNumberUnknown,
        CODES.BadSubscriptionIdInvalid,
    ]
    assert answer.AvailableSequenceNumbers == [2, 3]


def test_too_many_publish_requests_cost_the_oldest(client: RawClient) -> None:
    """The server takes more of them than there are subscriptions."""
    client.subscribe(60_000.0)
    handles = [client.publish() for _ in range(LIMITS.publish_requests + 2)]
    assert fault_of(client.next()) == (handles[0], CODES.BadTooManyPublishRequests)
    client.publish()
    assert fault_of(client.next()) == (handles[1], CODES.BadTooManyPublishRequests)


def test_a_request_whose_time_is_up_is_told_so_at_once(client: RawClient) -> None:
    """Even if no subscription publishes until then."""
    client.subscribe(60_000.0)
    stays = client.publish()
    goes = client.publish(timeout_hint_ms=60)
    assert fault_of(client.next()) == (goes, CODES.BadTimeout)
    client.call(cancel(stays))
    assert fault_of(client.next()) == (stays, CODES.BadRequestCancelledByClient)


def test_a_message_holds_what_was_agreed_and_says_that_there_is_more(client: RawClient, site: Site) -> None:
    number = client.subscribe(MaxNotificationsPerPublish=4)
    site.put([site.row(f"21605/CAB-{i:04d}/V1") for i in range(1, 20, 2)], [float(i) for i in range(10)])
    for i in range(1, 20, 2):
        client.item(number, f"21605/CAB-{i:04d}/V1", handle=i)
    told = [client.published() for _ in range(3)]
    assert [len(changes(t)) for t in told] == [4, 4, 2]
    assert [t.MoreNotifications for t in told] == [True, True, False]
    assert [t.NotificationMessage.SequenceNumber for t in told] == [1, 2, 3]
    assert {handle for t in told for handle, _, _ in changes(t)} == set(range(1, 20, 2))


def test_a_waiting_request_is_used_for_what_is_left_without_another_interval(client: RawClient, site: Site) -> None:
    """5.14.1.4, ReturnNotifications: as long as there are requests and notifications."""
    number = client.subscribe(400.0, MaxNotificationsPerPublish=1)
    for i in (1, 2, 3):
        client.item(number, CAB + ("V1", "Double", "Int64")[i - 1], handle=i)
    handles = [client.publish() for _ in range(3)]
    answers = [client.next() for _ in handles]
    assert [handle for handle, _ in answers] == handles
    assert sorted(changes(answer.Parameters)[0][0] for _, answer in answers) == [1, 2, 3]


@pytest.mark.parametrize("order", [(1, 9), (9, 1)])
def test_the_highest_priority_is_served_first(client: RawClient, site: Site, order: tuple[int, int]) -> None:
    numbers = {priority: client.subscribe(Priority=priority) for priority in order}
    for priority, number in numbers.items():
        client.item(number, CAB + "V1", handle=priority)
    while not all(late(site, number) for number in numbers.values()):
        client.item(numbers[9], CAB + "Int64")  # any request: time passes
    assert client.published().SubscriptionId == numbers[9]


def late(site: Site, number: int) -> bool:
    running = site.server._running
    assert running is not None
    return running.engine.subscription_service.subscriptions[number].cycle.late


def test_of_equals_the_one_that_waited_longest_is_served_first(client: RawClient, site: Site) -> None:
    slow, quick = client.subscribe(150.0), client.subscribe(50.0)
    for number in (slow, quick):
        client.item(number, CAB + "V1")
    while not (late(site, slow) and late(site, quick)):
        client.item(slow, CAB + "Int64")
    assert [client.published().SubscriptionId for _ in range(2)] == [quick, slow]


def test_a_subscription_nobody_asks_for_ends_and_leaves_word(client: RawClient, site: Site) -> None:
    """5.14.1.1: after the lifetime count of cycles without a Publish request; StatusChangeNotification Bad_Timeout."""
    number = client.subscribe(RequestedLifetimeCount=3, RequestedMaxKeepAliveCount=1)
    running = site.server._running
    assert running is not None
    while number in running.engine.subscription_service.subscriptions:
        client.refused(republish(424242, 1))
    last = client.published()
    assert last.SubscriptionId == number and farewells(last) == [CODES.BadTimeout]
    assert client.refused(republish(number, 1)) == CODES.BadSubscriptionIdInvalid


def test_a_service_that_names_it_keeps_a_subscription_alive(client: RawClient, site: Site) -> None:
    number = client.subscribe(RequestedLifetimeCount=4, RequestedMaxKeepAliveCount=1)
    kept = client.subscribe(100.0)
    for _ in range(6):
        client.publish()
        client.next()  # of whichever comes: a cycle passes
        assert client.refused(republish(number, 9)) == CODES.BadMessageNotAvailable
    assert kept


# -- Republish --------------------------------------------------------------------------------------------------------


def test_an_unacknowledged_message_is_repeated_byte_for_byte_until_it_is_acknowledged(
    client: RawClient, site: Site
) -> None:
    site.set(CAB + "V1", 4.5)
    number = client.subscribe(RequestedMaxKeepAliveCount=1)
    client.item(number, CAB + "V1", handle=8)
    message = client.published().NotificationMessage
    for _ in range(2):
        assert client.call(republish(number, 1)).NotificationMessage == message
    client.publish((number, 1))
    client.next()
    assert client.refused(republish(number, 1)) == CODES.BadMessageNotAvailable


def test_only_so_many_messages_are_kept(client: RawClient, site: Site) -> None:
    number = client.subscribe()
    client.item(number, CAB + "V1")
    for i in range(LIMITS.unacknowledged + 2):
        site.set(CAB + "V1", float(i))
        last = client.published()
    assert last.AvailableSequenceNumbers == [3, 4, 5]
    assert client.refused(republish(number, 2)) == CODES.BadMessageNotAvailable
    assert client.call(republish(number, 3)).NotificationMessage.SequenceNumber == 3


def test_keep_alives_and_the_future_cannot_be_repeated(client: RawClient) -> None:
    number = client.subscribe()
    assert client.published().NotificationMessage.SequenceNumber == 1
    for sequence in (0, 1, 2, 2**32 - 1):
        assert client.refused(republish(number, sequence)) == CODES.BadMessageNotAvailable


# -- Cancel, CloseSession ---------------------------------------------------------------------------------------------


def test_cancelled_publish_requests_are_answered_and_counted(client: RawClient) -> None:
    client.subscribe(60_000.0)
    other = client.publish()
    for _ in range(2):
        client.publish(handle=99)
    assert client.call(cancel(99)).Parameters.CancelCount == 2
    assert [fault_of(client.next()) for _ in range(2)] == [(99, CODES.BadRequestCancelledByClient)] * 2
    assert client.call(cancel(99)).Parameters.CancelCount == 0
    assert client.call(cancel(other)).Parameters.CancelCount == 1


def test_a_session_that_closes_answers_what_waits(client: RawClient) -> None:
    client.subscribe(60_000.0)
    handle = client.publish()
    close = ua.CloseSessionRequest()
    close.DeleteSubscriptions = True
    client.call(close)
    answered, fault = client.next()
    assert answered == handle and isinstance(fault, Fault)
    assert fault.code in (CODES.BadSessionClosed, CODES.BadNoSubscription)


def test_subscriptions_left_behind_can_be_taken_over(connect: Callable[[], RawClient], site: Site) -> None:
    """CloseSession with DeleteSubscriptions = false. Source: 5.7.4."""
    old, new = connect(), connect()
    site.set(CAB + "V1", 1.0)
    number = old.subscribe()
    old.item(number, CAB + "V1")
    assert len(changes(old.published())) == 1
    close = ua.CloseSessionRequest()
    close.DeleteSubscriptions = False
    old.call(close)
    transfer = ua.TransferSubscriptionsRequest()
    transfer.Parameters.SubscriptionIds = [number]
    (result,) = new.call(transfer).Parameters.Results
    assert result.StatusCode.is_good() and result.AvailableSequenceNumbers == [1]
    site.set(CAB + "V1", 2.0)
    assert changes(new.published()) == [(1, 2.0, 0)]
