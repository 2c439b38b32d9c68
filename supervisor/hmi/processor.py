# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/system/test_opcua_client.py, tests/system/test_opcua_hostile.py
"""What a connection's messages do: the gate, the fast ways, and asyncua's way for the rest.

Law of this file: nobody gets further than the gate allows; a fast way that is in doubt leaves the request to the slow
one; every request gets exactly one answer or one fault.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData, ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from supervisor.hmi.admission import Admission
from supervisor.hmi.request import Header, header
from supervisor.hmi.session import Session
from supervisor.hmi.values import Stamps, ticks
from supervisor.hmi.wire import CarefulBuffer, without_additional_header

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine

_log = logging.getLogger(__name__)

_IDS: Final = ua.ObjectIds


def _type(name: str) -> int:
    return int(getattr(_IDS, f"{name}Request_Encoding_DefaultBinary"))


# What may be asked without a session; only discovery without security.
_DISCOVERY: Final = frozenset(map(_type, ("GetEndpoints", "FindServers", "CloseSecureChannel")))
_SESSION: Final = frozenset(map(_type, ("CreateSession", "ActivateSession")))
_SERVICES: Final = frozenset(
    map(
        _type,
        (
            "CloseSession", "Read", "Write", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds", "RegisterNodes",
            "UnregisterNodes", "CreateSubscription", "ModifySubscription", "DeleteSubscriptions", "SetPublishingMode",
            "TransferSubscriptions", "Publish", "Republish", "CreateMonitoredItems", "ModifyMonitoredItems",
            "DeleteMonitoredItems", "SetMonitoringMode", "Call",
        ),
    )
)  # fmt: skip
_CLOSE_SESSION: Final = _type("CloseSession")
_UNDER_WAY_MAX: Final = 16  # Write and Call requests of one connection whose answers are outstanding


class Envelope:
    """Constant bytes around the results of a response, taken from asyncua's own encoder."""

    def __init__(self, response: Any) -> None:
        raw = struct_to_binary(response)
        # type id 4, timestamp 8, handle 4, result 4, diagnostics and strings and additional header 8, count 4, tail
        self._head, self._middle, self._tail = raw[:4], raw[20:28], raw[32:]

    def wrap(self, now_ns: int, handle: int, count: int, results: bytes) -> bytes:
        """The response with `count` results already encoded."""
        times = struct.pack("<qII", ticks(now_ns), handle, 0)
        return b"".join((self._head, times, self._middle, struct.pack("<i", count), results, self._tail))


_READ_RESPONSE: Final = Envelope(ua.ReadResponse())
_ITEMS_RESPONSE: Final = Envelope(ua.CreateMonitoredItemsResponse())
_BROWSE_RESPONSE: Final = Envelope(ua.BrowseResponse())
_BROWSE_NEXT_RESPONSE: Final = Envelope(ua.BrowseNextResponse())
_ITEM_RESULT: Final = np.dtype(
    [("status", "<u4"), ("id", "<u4"), ("sampling", "<f8"), ("queue", "<u4"), ("filter", "u1", (3,))]
)


Handler = Callable[["Header", Any, bytes], Awaitable[bool]]


class Processor(Admission):
    """Serves one connection."""

    def __init__(self, engine: Engine, transport: Any, limits: Any, insecure: bool) -> None:
        super().__init__(engine, transport, limits, insecure)
        self._under_way: set[asyncio.Task[None]] = set()
        self._handlers: dict[int, Handler] = {
            _type("Read"): self._read,
            _type("CreateMonitoredItems"): self._create_items,
            _type("Write"): self._write,
            _type("Call"): self._call,
            _type("Browse"): self._browse,
            _type("BrowseNext"): self._browse_next,
            _type("RegisterNodes"): self._register_nodes,
            _type("CreateSession"): self._create_session,
            _type("ActivateSession"): self._activate_session,
            _CLOSE_SESSION: self._close_session,
        }

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await super().close()

    # -- the gate -----------------------------------------------------------------------------------------------------

    async def process_message(self, seqhdr: Any, body: Buffer) -> bool:
        """One whole request."""
        data: bytes = body._data
        if (head := header(data, body._cur_pos)) is None:
            raise ServiceError(ua.StatusCodes.BadDecodingError)
        if not self._connection.is_open():
            raise ServiceError(ua.StatusCodes.BadSecureChannelClosed)
        try:
            self._gate(head)
            if (handler := self._handlers.get(head.type_id)) is not None:
                return await handler(head, seqhdr, data)
            return await self._stock(head, seqhdr, data, body._cur_pos)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            self._fault(head, seqhdr, int(error.code))
        except (NotEnoughData, struct.error, ua.UaError, ValueError, TypeError, RecursionError, UnicodeError) as error:
            _log.warning("request %d of %s cannot be decoded: %s", head.type_id, self.peer, error)
            self._fault(head, seqhdr, ua.StatusCodes.BadDecodingError)
        except Exception:
            # A bug of ours or of asyncua: the client gets a fault, the log the place.
            _log.exception("request %d of %s failed", head.type_id, self.peer)
            self._fault(head, seqhdr, ua.StatusCodes.BadInternalError)
        return True

    def _gate(self, head: Header) -> None:
        """Who may ask for this, here and now.

        Raises:
            ServiceError: the code that OPC 10000-4 names for it.
        """
        codes, session = ua.StatusCodes, self.session
        if head.type_id in _DISCOVERY:
            return
        if self._connection.security_policy.Mode == ua.MessageSecurityMode.None_ and not self.insecure:
            raise ServiceError(codes.BadSecurityModeInsufficient)
        if head.type_id in _SESSION:
            return
        if head.type_id not in _SERVICES:
            raise ServiceError(codes.BadServiceUnsupported)
        if session is None or head.token != session.token_bytes:
            raise ServiceError(codes.BadSessionIdInvalid)
        if not session.is_activated() and head.type_id != _CLOSE_SESSION:
            raise ServiceError(codes.BadSessionNotActivated)
        session.touch()

    async def _stock(self, head: Header, seqhdr: Any, data: bytes, at: int) -> bool:
        """The way of asyncua."""
        body = without_additional_header(head, data, at)
        type_id = nodeid_from_binary(body)
        return bool(await self._process_message(type_id, struct_from_binary(ua.RequestHeader, body), seqhdr, body))

    # -- the fast ways ------------------------------------------------------------------------------------------------

    def _active(self) -> Session:
        """The session; the gate has seen to it that there is one."""
        if self.session is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        return self.session

    async def _read(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        engine = self.engine
        request = engine.decoder.read(data, head.at, engine.limits.nodes_per_call)
        if request is None:
            return await self._read_slowly(head, seqhdr, data)
        now_ns = engine.clock.wall_ns()
        user = self._active().asker.user
        rows, status = engine.space.readable(request.rows, engine.table.status[request.rows], user)
        values = engine.encoder.encode(rows, status, Stamps(request.stamps), now_ns)
        self._reply(seqhdr, _READ_RESPONSE.wrap(now_ns, head.handle, len(rows), values))
        engine.counters.reads += len(rows)
        return True

    async def _read_slowly(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        age, stamps, count = struct.unpack_from("<dii", data, head.at)
        if not age >= 0:
            raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
        self._check_list(stamps, count)
        response = ua.ReadResponse()
        response.Results = await self._active().read(
            struct_from_binary(ua.ReadParameters, CarefulBuffer(data, head.at))
        )
        self.send_response(head.handle, seqhdr, response)
        return True

    def _check_list(self, stamps: int, count: int) -> None:
        if not 0 <= stamps <= 3:
            raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
        if count <= 0:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if count > self.engine.limits.nodes_per_call:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    async def _create_items(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        engine, session = self.engine, self._active()
        number, stamps, count = struct.unpack_from("<Iii", data, head.at)
        subscription = session.own(number)
        self._check_list(stamps, count)
        request = engine.decoder.items(data, head.at, engine.limits.nodes_per_call)
        if request is None or not engine.space.all_open(request.rows, session.asker.user):
            params = struct_from_binary(ua.CreateMonitoredItemsParameters, CarefulBuffer(data, head.at))
            response = ua.CreateMonitoredItemsResponse()
            response.Results = await session.create_monitored_items(params)
            self.send_response(head.handle, seqhdr, response)
            return True
        results = np.zeros(count, _ITEM_RESULT)
        results["id"] = engine.subscription_service.add(subscription, request)
        results["sampling"] = subscription.data.RevisedPublishingInterval
        results["queue"] = 1
        now_ns = engine.clock.wall_ns()
        self._reply(seqhdr, _ITEMS_RESPONSE.wrap(now_ns, head.handle, count, results.tobytes()))
        return True

    async def _write(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.WriteParameters, CarefulBuffer(data, head.at))
        self._check_list(0, len(params.NodesToWrite))
        self._later(head, seqhdr, ua.WriteResponse(), self._active().write(params))
        return True

    async def _call(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.CallParameters, CarefulBuffer(data, head.at))
        self._check_list(0, len(params.MethodsToCall))
        self._later(head, seqhdr, ua.CallResponse(), self._active().call(params.MethodsToCall))
        return True

    def _later(self, head: Header, seqhdr: Any, response: Any, results: Coroutine[Any, Any, list[Any]]) -> None:
        """Answer when verdicts and records are there; meanwhile the connection serves other requests."""
        if len(self._under_way) >= _UNDER_WAY_MAX:
            results.close()
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.create_task(self._answer_later(head, seqhdr, response, results))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer_later(
        self, head: Header, seqhdr: Any, response: Any, results: Coroutine[Any, Any, list[Any]]
    ) -> None:
        try:
            response.Results = await results
            self.send_response(head.handle, seqhdr, response)
        except Exception:
            # The task has no other caller who could see it.
            _log.exception("request %d of %s failed", head.type_id, self.peer)
            self._fault(head, seqhdr, ua.StatusCodes.BadInternalError)

    async def _browse(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.BrowseParameters, CarefulBuffer(data, head.at))
        self._check_list(0, len(params.NodesToBrowse))
        results = self._active().encoded_browse(params)
        self._reply_with(seqhdr, head, _BROWSE_RESPONSE, results)
        return True

    async def _browse_next(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.BrowseNextParameters, CarefulBuffer(data, head.at))
        self._check_list(0, len(params.ContinuationPoints))
        results = self._active().encoded_browse_next(params)
        self._reply_with(seqhdr, head, _BROWSE_NEXT_RESPONSE, results)
        return True

    def _reply_with(self, seqhdr: Any, head: Header, envelope: Envelope, results: list[bytes]) -> None:
        """Answer with results that are encoded already."""
        now_ns = self.engine.clock.wall_ns()
        self._reply(seqhdr, envelope.wrap(now_ns, head.handle, len(results), b"".join(results)))

    async def _register_nodes(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.RegisterNodesParameters, CarefulBuffer(data, head.at))
        self._check_list(0, len(params.NodesToRegister))
        response = ua.RegisterNodesResponse()
        response.Parameters.RegisteredNodeIds = await self._active().register_nodes(params.NodesToRegister)
        self.send_response(head.handle, seqhdr, response)
        return True
