# SPDX-License-Identifier: Apache-2.0
"""A client that says exactly what it is told to say, and shows exactly what it is answered."""

from __future__ import annotations

import struct
from collections import deque
from contextlib import suppress
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from tests.bench.opcua_client import LoadClient
from tests.system.opcua_kit import Site, node_id

CAB = "21605/CAB-0001/"
VALUE = ua.AttributeIds.Value


class Fault(Exception):
    """A ServiceFault, or a code among results."""

    def __init__(self, code: int) -> None:
        super().__init__(ua.StatusCode(ua.UInt32(code)).name)
        self.code = code


class RawClient(LoadClient):
    """One connection with one anonymous session, request by request.

    Attributes:
        answers: of requests that were sent and not called, in the order in which they came: (handle, answer).
    """

    def __init__(self, site: Site, *, session: bool = True) -> None:
        super().__init__(site.server.insecure_endpoint or "")
        self.answers: deque[tuple[int, Any]] = deque()
        self._handle = 0
        if session:
            self.open_session()

    def ask(self, request: Any, *, handle: int | None = None, timeout_hint_ms: int = 0) -> int:
        """Send a request; returns its handle."""
        self._handle += 1
        request.RequestHeader.RequestHandle = self._handle if handle is None else handle
        body = bytearray(self.encode(request))
        if (
            timeout_hint_ms
        ):  # the load client always sends 0: it stands after token, time, handle, diagnostics, audit id
            at = body.index(struct.pack("<I", request.RequestHeader.RequestHandle)) + 4 + 4
            at += 4 + max(struct.unpack_from("<i", body, at)[0], 0)
            struct.pack_into("<I", body, at, timeout_hint_ms)
        self.send(bytes(body))
        return int(request.RequestHeader.RequestHandle)

    def say(self, body: bytes) -> Any:
        """Send bytes as they are; returns the next answer, whatever it answers."""
        self.send(body)
        return self._receive()[1]

    def _receive(self) -> tuple[int, Any]:
        raw = self._message()
        type_id = struct.unpack_from("<H", raw, 2)[0] if raw[0] == 1 else raw[1]
        answer = struct_from_binary(_RESPONSES[type_id], Buffer(raw))
        code = int(answer.ResponseHeader.ServiceResult.value)
        return int(answer.ResponseHeader.RequestHandle), Fault(code) if code >= 2**31 else answer

    def next(self) -> tuple[int, Any]:
        """The next answer to a request that was sent by `ask`."""
        return self.answers.popleft() if self.answers else self._receive()

    def call(self, request: Any, response: Any = None) -> Any:
        """Send a request and wait for its answer; raises Fault."""
        if self._authentication == b"\0\0":
            return super().call(request, response)
        handle = self.ask(request)
        while True:
            answered, answer = self._receive()
            if answered == handle:
                break
            self.answers.append((answered, answer))
        if isinstance(answer, Fault):
            raise answer
        return answer

    def refused(self, request: Any) -> int:
        """The code by which a whole request is refused; fails if it is not."""
        with pytest.raises(Fault) as fault:
            self.call(request)
        return fault.value.code

    def close(self) -> None:
        """Say goodbye, so that nothing is left behind for the next test."""
        with suppress(ConnectionError, Fault):
            request = ua.CloseSessionRequest()
            request.DeleteSubscriptions = True
            self.call(request)
        super().close()

    # -- what most tests begin with -----------------------------------------------------------------------------------

    def subscribe(self, interval_ms: float = 50.0, **fields: Any) -> int:
        """A subscription; returns its number."""
        return int(self.call(create_subscription(interval_ms, **fields)).Parameters.SubscriptionId)

    def monitor(self, number: int, *items: Any, stamps: int = 2) -> list[Any]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = number
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn(stamps)
        request.Parameters.ItemsToCreate = list(items)
        results: list[Any] = self.call(request).Results
        return results

    def item(self, number: int, wanted: Any, **settings: Any) -> int:
        """One item that is not refused; returns its id."""
        (result,) = self.monitor(number, item(wanted, **settings))
        assert result.StatusCode.is_good(), result
        return int(result.MonitoredItemId)

    def publish(self, *acknowledged: tuple[int, int], **how: Any) -> int:
        """Send a Publish; returns its handle."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(*a) for a in acknowledged]
        return self.ask(request, **how)

    def published(self, *acknowledged: tuple[int, int]) -> Any:
        """Publish, and the parameters of the answer; raises Fault."""
        self.publish(*acknowledged)
        _, answer = self.next()
        if isinstance(answer, Fault):
            raise answer
        return answer.Parameters

    def notified(self) -> list[tuple[int, Any, int]]:
        """Publish, and (handle, value, status) of each change in the answer."""
        return changes(self.published())


def changes(parameters: Any) -> list[tuple[int, Any, int]]:
    """(handle, value, status) of each data change in a PublishResponse."""
    return [
        (n.ClientHandle, n.Value.Value.Value if n.Value.Value is not None else None, n.Value.StatusCode.value)
        for data in parameters.NotificationMessage.NotificationData
        if isinstance(data, ua.DataChangeNotification)
        for n in data.MonitoredItems
    ]


def farewells(parameters: Any) -> list[int]:
    """Status of each StatusChangeNotification in a PublishResponse."""
    data = parameters.NotificationMessage.NotificationData
    return [int(n.Status.value) for n in data if isinstance(n, ua.StatusChangeNotification)]


def create_subscription(interval_ms: float = 50.0, **fields: Any) -> Any:
    request = ua.CreateSubscriptionRequest()
    defaults = {"RequestedLifetimeCount": 1000, "RequestedMaxKeepAliveCount": 100, "PublishingEnabled": True}
    for name, value in {"RequestedPublishingInterval": interval_ms, **defaults, **fields}.items():
        setattr(request.Parameters, name, value)
    return request


def item(
    wanted: Any,
    *,
    handle: int = 1,
    sampling: float = 0.0,
    queue: int = 1,
    oldest: bool = True,
    mode: int = 2,
    filter_: Any = None,
) -> Any:
    """A MonitoredItemCreateRequest; `wanted`: a ReadValueId or the name of a tag."""
    value = wanted if isinstance(wanted, ua.ReadValueId) else ua.ReadValueId(node_id(wanted), VALUE)
    parameters = ua.MonitoringParameters(handle, sampling, filter_, queue, oldest)
    return ua.MonitoredItemCreateRequest(value, ua.MonitoringMode(mode), parameters)


def value_id(name: str | int, attribute: int = VALUE, range_: str | None = None, encoding: str = "") -> ua.ReadValueId:
    """`name`: of one of our nodes, or the number of one in namespace 0."""
    node = ua.NodeId(name) if isinstance(name, int) else node_id(name)
    return ua.ReadValueId(node, attribute, range_, ua.QualifiedName(encoding) if encoding else ua.QualifiedName())


def codes(results: Any) -> list[int]:
    """Status codes of results."""
    return [int((r if isinstance(r, ua.StatusCode) else r.StatusCode).value) for r in results]


def _responses() -> dict[int, Any]:
    suffix = "_Encoding_DefaultBinary"
    found = {}
    for name in dir(ua.ObjectIds):
        if name.endswith(f"Response{suffix}") or name == f"ServiceFault{suffix}":
            found[int(getattr(ua.ObjectIds, name))] = getattr(ua, name.removesuffix(suffix), None)
    return found


_RESPONSES = _responses()
