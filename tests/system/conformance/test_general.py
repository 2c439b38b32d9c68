# SPDX-License-Identifier: Apache-2.0
"""What holds for every service: OPC 10000-4, 5.3 (requests), 7.32 and 7.33 (headers), 7.38 (common status codes)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from asyncua import ua

from tests.bench.opcua_client import LoadClient
from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, Fault, RawClient, item, value_id
from tests.system.opcua_kit import Site

CODES = ua.StatusCodes


def lists(number: int, n: int) -> list[Any]:
    """Every service that works on a list, with a list of n."""
    read, write, browse, more = ua.ReadRequest(), ua.WriteRequest(), ua.BrowseRequest(), ua.BrowseNextRequest()
    read.Parameters.NodesToRead = [value_id(CAB + "V1")] * n
    write.Parameters.NodesToWrite = [ua.WriteValue(ua.NodeId(2267), 13, Value=ua.DataValue(ua.Variant(1)))] * n
    browse.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=ua.NodeId(84))] * n
    more.Parameters.ContinuationPoints = [b"x"] * n
    paths, register = ua.TranslateBrowsePathsToNodeIdsRequest(), ua.RegisterNodesRequest()
    paths.Parameters.BrowsePaths = [ua.BrowsePath(ua.NodeId(84), ua.RelativePath())] * n
    register.Parameters.NodesToRegister = [ua.NodeId(84)] * n
    create, modify = ua.CreateMonitoredItemsRequest(), ua.ModifyMonitoredItemsRequest()
    create.Parameters.SubscriptionId = modify.Parameters.SubscriptionId = number
    create.Parameters.ItemsToCreate = [item("nothing")] * n
    modify.Parameters.ItemsToModify = [ua.MonitoredItemModifyRequest(0)] * n
    delete, mode, trigger = ua.DeleteMonitoredItemsRequest(), ua.SetMonitoringModeRequest(), ua.SetTriggeringRequest()
    delete.Parameters.SubscriptionId = mode.Parameters.SubscriptionId = trigger.Parameters.SubscriptionId = number
    delete.Parameters.MonitoredItemIds = mode.Parameters.MonitoredItemIds = trigger.Parameters.LinksToAdd = [0] * n
    publishing, transfer, end = (
        ua.SetPublishingModeRequest(),
        ua.TransferSubscriptionsRequest(),
        ua.DeleteSubscriptionsRequest(),
    )
    for request in (publishing, transfer, end):
        request.Parameters.SubscriptionIds = [0] * n
    items = [create, modify, delete, mode, trigger]
    return [read, write, browse, more, paths, register, *items, publishing, transfer, end]


@pytest.mark.parametrize("which", range(14))
def test_nothing_to_do_and_too_much_to_do(client: RawClient, which: int) -> None:
    """7.38.2: Bad_NothingToDo and Bad_TooManyOperations are the answers of every service that takes a list."""
    number = client.subscribe()
    assert client.refused(lists(number, 0)[which]) == CODES.BadNothingToDo
    assert client.refused(lists(number, LIMITS.nodes_per_call + 1)[which]) == CODES.BadTooManyOperations


def on_subscription(number: int) -> list[Any]:
    """Every service that names one subscription."""
    requests = lists(number, 1)[6:11]
    modify, republish = ua.ModifySubscriptionRequest(), ua.RepublishRequest()
    modify.Parameters.SubscriptionId = republish.Parameters.SubscriptionId = number
    return [*requests, modify, republish]


@pytest.mark.parametrize("which", range(7))
def test_a_subscription_of_nobody_and_one_of_somebody_else(connect: Callable[[], RawClient], which: int) -> None:
    """7.38.2, Bad_SubscriptionIdInvalid: another session's subscription is as unknown as one that never was."""
    mine, other = connect(), connect()
    assert mine.refused(on_subscription(424242)[which]) == CODES.BadSubscriptionIdInvalid
    assert mine.refused(on_subscription(other.subscribe())[which]) == CODES.BadSubscriptionIdInvalid


@pytest.mark.parametrize("which", [0, 6, 7])
def test_timestamps_to_return_beyond_its_values(client: RawClient, which: int) -> None:
    """7.38.2, Bad_TimestampsToReturnInvalid: Read, CreateMonitoredItems, ModifyMonitoredItems."""
    request = lists(client.subscribe(), 1)[which]
    body = bytearray(client.encode(request))
    at = body.index(struct.pack("<ii", 0, 1), len(body) // 4)  # Source, and one operation
    struct.pack_into("<i", body, at, 4)
    answer = client.say(bytes(body))
    assert isinstance(answer, Fault) and answer.code == CODES.BadTimestampsToReturnInvalid


def test_a_service_that_is_not_offered(client: RawClient) -> None:
    for request in (ua.QueryFirstRequest(), ua.AddNodesRequest(), ua.DeleteNodesRequest()):
        assert client.refused(request) == CODES.BadServiceUnsupported


def test_a_session_that_is_not_the_channels(client: RawClient) -> None:
    body = bytearray(client.encode(lists(0, 1)[0]))
    at = body.index(client._authentication)
    body[at + 10] ^= 1
    answer = client.say(bytes(body))
    assert isinstance(answer, Fault) and answer.code == CODES.BadSessionIdInvalid


@pytest.mark.parametrize("which", range(14))
def test_a_request_that_ends_too_early(client: RawClient, which: int) -> None:
    """7.38.2, Bad_DecodingError; and the connection goes on."""
    body = client.encode(lists(client.subscribe(), 2)[which])
    answer = client.say(body[:-3])
    assert isinstance(answer, Fault) and answer.code == CODES.BadDecodingError
    assert client.subscribe()


def test_a_response_longer_than_the_client_takes_is_a_fault(site: Site) -> None:
    """5.7.2 (maxResponseMessageSize) and 7.38.2, Bad_ResponseTooLarge; what fits is answered as ever."""
    with closing(RawClient(site, session=False)) as client:
        client.open_session(response_bytes=1_000)
        browse = ua.BrowseRequest()
        browse.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=ua.NodeId(2253), ResultMask=63)]
        assert client.refused(browse) == CODES.BadResponseTooLarge
        assert len(client.call(lists(0, 1)[0]).Results) == 1


@pytest.mark.parametrize(
    ("wanted_ms", "revised_ms"),
    [(math.nan, 5_000.0), (-1.0, 5_000.0), (0.0, 5_000.0), (90_000.0, 90_000.0), (math.inf, 600_000.0)],
)
def test_the_session_timeout_is_revised(site: Site, wanted_ms: float, revised_ms: float) -> None:
    """5.7.2. A timeout that is no number would be a timer that no loop can keep."""
    with closing(LoadClient(site.server.insecure_endpoint or "")) as client:
        request = ua.CreateSessionRequest()
        request.Parameters.RequestedSessionTimeout = wanted_ms
        made = client.call(request, ua.CreateSessionResponse).Parameters
        assert made.RevisedSessionTimeout == revised_ms


def test_the_handle_comes_back_and_the_time_is_the_servers(client: RawClient) -> None:
    for handle in (0, 1, 2**32 - 1):
        client.ask(lists(0, 1)[0], handle=handle)
        answered, answer = client.next()
        assert answered == handle and answer.ResponseHeader.Timestamp.year >= 2026
