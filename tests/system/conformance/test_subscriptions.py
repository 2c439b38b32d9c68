# SPDX-License-Identifier: Apache-2.0
"""CreateSubscription, ModifySubscription, SetPublishingMode, TransferSubscriptions, DeleteSubscriptions.

Source: OPC 10000-4, 5.14.2, 5.14.3, 5.14.4, 5.14.7, 5.14.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, Fault, RawClient, changes, codes, create_subscription, farewells
from tests.system.opcua_kit import Site

CODES = ua.StatusCodes


def transfer(numbers: list[int], *, initial: bool = False) -> Any:
    request = ua.TransferSubscriptionsRequest()
    request.Parameters.SubscriptionIds, request.Parameters.SendInitialValues = numbers, initial
    return request


def delete(*numbers: int) -> Any:
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = list(numbers)
    return request


def set_publishing(enabled: bool, *numbers: int) -> Any:
    request = ua.SetPublishingModeRequest()
    request.Parameters.PublishingEnabled, request.Parameters.SubscriptionIds = enabled, list(numbers)
    return request


REVISED = [
    # asked: interval, lifetime, keep-alive -> given
    ((1000.0, 300, 60), (1000.0, 300, 60)),
    ((0.0, 300, 60), (LIMITS.publishing_ms_min, 300, 60)),
    ((-1.0, 300, 60), (LIMITS.publishing_ms_min, 300, 60)),
    ((float("nan"), 300, 60), (LIMITS.publishing_ms_min, 300, 60)),
    ((1e300, 300, 60), (86_400_000.0, 300, 60)),
    ((1000.0, 0, 60), (1000.0, 180, 60)),  # at least three keep-alives
    ((1000.0, 100, 60), (1000.0, 180, 60)),
    ((1000.0, 0, 0), (1000.0, 3 * LIMITS.keep_alive_count, LIMITS.keep_alive_count)),
    ((1000.0, 2**32 - 1, 2**32 - 1), (1000.0, LIMITS.lifetime_count_max, LIMITS.keep_alive_count_max)),
]


@pytest.mark.parametrize(("asked", "given"), REVISED)
def test_create_and_modify_revise_alike(
    client: RawClient, asked: tuple[float, int, int], given: tuple[float, int, int]
) -> None:
    interval, lifetime, keep_alive = asked
    fields = {"RequestedLifetimeCount": lifetime, "RequestedMaxKeepAliveCount": keep_alive}
    made = client.call(create_subscription(interval, **fields)).Parameters
    modify = ua.ModifySubscriptionRequest()
    modify.Parameters = ua.ModifySubscriptionParameters(client.subscribe(700.0), interval, lifetime, keep_alive)
    for result in (made, client.call(modify).Parameters):
        shown = result.RevisedPublishingInterval, result.RevisedLifetimeCount, result.RevisedMaxKeepAliveCount
        assert shown == given


def test_too_many_subscriptions(client: RawClient) -> None:
    numbers = [client.subscribe() for _ in range(LIMITS.subscriptions_per_session)]
    assert client.refused(create_subscription()) == CODES.BadTooManySubscriptions
    client.call(delete(numbers[0]))
    assert client.subscribe() not in numbers


def test_a_modified_interval_counts_from_now_on(client: RawClient, site: Site) -> None:
    """A subscription that publishes once a day publishes at once when it is told to be faster."""
    number = client.subscribe(86_400_000.0)
    client.item(number, CAB + "V1")
    client.publish()
    modify = ua.ModifySubscriptionRequest()
    modify.Parameters = ua.ModifySubscriptionParameters(number, 50.0, 100, 10)
    client.call(modify)
    _, answer = client.next()
    assert len(changes(answer.Parameters)) == 1


def test_publishing_that_is_off_keeps_alive_and_tells_all_afterwards(client: RawClient, site: Site) -> None:
    number = client.subscribe(PublishingEnabled=False, RequestedMaxKeepAliveCount=1)
    site.set(CAB + "V1", 1.0)
    client.item(number, CAB + "V1", queue=10)
    site.set(CAB + "V1", 2.0)
    for _ in range(2):
        assert client.published().NotificationMessage.NotificationData == []
    assert codes(client.call(set_publishing(True, number, 424242)).Parameters.Results) == [
        0,
        CODES.BadSubscriptionIdInvalid,
    ]
    while not (told := client.notified()):
        pass
    assert [value for _, value, _ in told] == [1.0, 2.0]
    client.call(set_publishing(False, number))
    site.set(CAB + "V1", 3.0)
    assert client.notified() == []


def test_deleted_subscriptions_are_gone_with_their_items(client: RawClient, site: Site) -> None:
    before = site.server.monitored_items
    number = client.subscribe()
    client.item(number, CAB + "V1", queue=10)
    assert site.server.monitored_items == before + 1
    assert codes(client.call(delete(number, number, 424242)).Results) == [
        0,
        CODES.BadSubscriptionIdInvalid,
        CODES.BadSubscriptionIdInvalid,
    ]
    assert site.server.monitored_items == before


def test_publish_requests_end_with_the_last_subscription(client: RawClient) -> None:
    """5.14.1.2, row 25: DeleteClientPublReqQueue."""
    first, second = client.subscribe(5000.0), client.subscribe(5000.0)
    handles = [client.publish(), client.publish()]
    client.call(delete(first))
    client.call(delete(second))
    for handle in handles:
        answered, fault = client.next()
        assert answered == handle and isinstance(fault, Fault) and fault.code == CODES.BadNoSubscription


# -- TransferSubscriptions ------------------------------------------------------------------------------------------


def test_the_new_session_gets_what_follows_and_the_old_one_is_told(
    connect: Callable[[], RawClient], site: Site
) -> None:
    old, new = connect(), connect()
    site.set(CAB + "V1", 1.0)
    number = old.subscribe()
    old.item(number, CAB + "V1")
    first = old.published()
    assert [v for _, v, _ in changes(first)] == [1.0]
    (result,) = new.call(transfer([number])).Parameters.Results
    assert result.StatusCode.is_good() and result.AvailableSequenceNumbers == [1]
    last = old.published()
    assert last.SubscriptionId == number and farewells(last) == [CODES.GoodSubscriptionTransferred]
    with pytest.raises(Fault) as fault:
        old.published()
    assert fault.value.code == CODES.BadNoSubscription
    republish = ua.RepublishRequest()
    republish.Parameters.SubscriptionId, republish.Parameters.RetransmitSequenceNumber = number, 1
    again = new.call(republish).NotificationMessage
    assert again.SequenceNumber == 1 and len(again.NotificationData) == 1
    site.set(CAB + "V1", 2.0)
    following = new.published((number, 1))
    assert changes(following) == [(1, 2.0, 0)] and following.NotificationMessage.SequenceNumber == 2


def test_a_waiting_publish_of_the_old_session_carries_the_farewell(connect: Callable[[], RawClient]) -> None:
    old, new = connect(), connect()
    number = old.subscribe(60_000.0)
    handles = [old.publish(), old.publish()]
    new.call(transfer([number]))
    answered, answer = old.next()
    assert answered == handles[0] and farewells(answer.Parameters) == [CODES.GoodSubscriptionTransferred]
    answered, fault = old.next()
    assert answered == handles[1] and isinstance(fault, Fault) and fault.code == CODES.BadNoSubscription


@pytest.mark.parametrize("initial", [True, False])
def test_initial_values_are_sent_when_asked_for(connect: Callable[[], RawClient], site: Site, initial: bool) -> None:
    old, new = connect(), connect()
    site.set(CAB + "V1", 7.0)
    number = old.subscribe(RequestedMaxKeepAliveCount=1)
    old.item(number, CAB + "V1", handle=5)
    old.item(number, CAB + "Double", handle=6, queue=5)
    assert len(changes(old.published())) == 2
    new.call(transfer([number], initial=initial))
    told = sorted(handle for handle, _, _ in new.notified())
    assert told == ([5, 6] if initial else [])


def test_what_cannot_be_transferred(client: RawClient) -> None:
    """A subscription of another user: tests/system/test_opcua_subscribe.py. One's own: nothing changes."""
    number = client.subscribe()
    results = client.call(transfer([424242, number])).Parameters.Results
    assert codes(results) == [CODES.BadSubscriptionIdInvalid, 0]
