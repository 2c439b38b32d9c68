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

from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData, ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from supervisor.hmi.entrance.admission import Admission
from supervisor.hmi.entrance.wire import without_additional_header
from supervisor.hmi.header import Header, header
from supervisor.hmi.history.door import Back, HistoryDoor
from supervisor.hmi.publishing.messages import Response, fault, statuses
from supervisor.hmi.publishing.outbox import Waiting
from supervisor.hmi.services.call import Call, request_type
from supervisor.hmi.session import Session

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine

_log = logging.getLogger(__name__)

# What may be asked without a session; only discovery without security.
_DISCOVERY: Final = frozenset(map(request_type, ("GetEndpoints", "FindServers", "CloseSecureChannel")))
_SESSION: Final = frozenset(map(request_type, ("CreateSession", "ActivateSession")))
# What is neither in the engine's table of services nor above.
_OTHERS: Final = frozenset(map(request_type, ("CloseSession", "Write", "Call", "HistoryRead", "HistoryUpdate")))
_CLOSE_SESSION: Final = request_type("CloseSession")
_WRITE_RESPONSE: Final = Response(ua.WriteResponse())
_EMPTY: Final = struct.pack("<i", 0)
_CALL_RESPONSE: Final = Response(ua.CallResponse())
_HISTORY_RESPONSE: Final = Response(ua.HistoryReadResponse())
_MALFORMED_LOGGED: Final = 3  # of one connection
_UNDER_WAY_MAX: Final = 16  # Write and Call requests of one connection whose answers are outstanding


Handler = Callable[["Header", Any, bytes], Awaitable[bool]]


class Processor(Admission):
    """Serves one connection."""

    def __init__(self, engine: Engine, transport: Any, limits: Any, insecure: bool) -> None:
        super().__init__(engine, transport, limits, insecure)
        self._under_way: set[asyncio.Task[None]] = set()
        self._malformed = 0
        self._history = HistoryDoor(engine, self.peer, Back(self._answer_history, self._fault, self.send_response))
        self._handlers: dict[int, Handler] = {
            request_type("Write"): self._write,
            request_type("Call"): self._call,
            request_type("HistoryRead"): self._history_read,
            request_type("HistoryUpdate"): self._history_update,
            request_type("CreateSession"): self._create_session,
            request_type("ActivateSession"): self._activate_session,
            _CLOSE_SESSION: self._close_session,
        }

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        self._history.close()
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
            if (service := self.engine.services.get(head.type_id)) is not None:
                answer = await service(Call(self.engine, self._active(), head, seqhdr, data))
                if answer is not None:
                    self._reply(seqhdr, answer)
                return True
            if (handler := self._handlers.get(head.type_id)) is not None:
                return await handler(head, seqhdr, data)
            return await self._stock(head, seqhdr, data, body._cur_pos)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            self._fault(head, seqhdr, int(error.code))
        except (NotEnoughData, struct.error, ua.UaError, ValueError, TypeError, RecursionError, UnicodeError) as error:
            return self._not_understood(head, seqhdr, error)
        except Exception:
            # A bug of ours or of asyncua: the client gets a fault, the log the place.
            _log.exception("request %d of %s failed", head.type_id, self.peer)
            self._fault(head, seqhdr, ua.StatusCodes.BadInternalError)
        return True

    def _not_understood(self, head: Header, seqhdr: Any, error: Exception) -> bool:
        """A fault for what cannot be decoded; who sends nothing else is sent away, and fills no log meanwhile."""
        self._malformed += 1
        if self._malformed <= _MALFORMED_LOGGED:
            _log.warning("request %d of %s cannot be decoded: %s", head.type_id, self.peer, error)
        self._fault(head, seqhdr, ua.StatusCodes.BadDecodingError)
        if self._malformed < self.engine.limits.malformed_requests:
            return True
        _log.warning("connection %s closed: %d of its requests cannot be decoded", self.peer, self._malformed)
        return self._reject(ua.StatusCodes.BadDecodingError, "too many requests that cannot be decoded")

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
        if head.type_id not in self.engine.services and head.type_id not in _OTHERS:
            raise ServiceError(codes.BadServiceUnsupported)
        if session is None or head.token != session.token_bytes:
            raise ServiceError(codes.BadSessionIdInvalid)
        if not session.is_activated() and head.type_id != _CLOSE_SESSION:
            raise ServiceError(codes.BadSessionNotActivated)
        session.touch()
        session.requests.total[head.type_id] += 1

    async def _stock(self, head: Header, seqhdr: Any, data: bytes, at: int) -> bool:
        """The way of asyncua."""
        body = without_additional_header(head, data, at)
        type_id = nodeid_from_binary(body)
        return bool(await self._process_message(type_id, struct_from_binary(ua.RequestHeader, body), seqhdr, body))

    # -- publishing ---------------------------------------------------------------------------------------------------

    def answer_publish(self, request: Waiting, message: bytes) -> None:
        """An outlet of `outbox.py`."""
        self._reply(request.seqhdr, message)

    def refuse_publish(self, request: Waiting, code: int) -> None:
        self.engine.tally.codes[code] += 1
        self._reply(request.seqhdr, fault(self.engine.clock.wall_ns(), request.handle, code))

    # -- services that are not in the engine's table -------------------------------------------------------------------

    def _active(self) -> Session:
        """The session; the gate has seen to it that there is one."""
        if self.session is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        return self.session

    async def _write(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        call = Call(self.engine, self._active(), head, seqhdr, data)
        (count,) = call.fields("<i")
        call.check_count(count)
        values = [value async for value in call.each(ua.WriteValue, call.buffer(4), count)]
        self._later(call, _WRITE_RESPONSE, self._written(call, values))
        return True

    async def _written(self, call: Call, values: list[ua.WriteValue]) -> bytes:
        return statuses(await self.engine.writing.write(values, call.session.asker.user, f"opcua {self.peer}"))

    async def _call(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        call = Call(self.engine, self._active(), head, seqhdr, data)
        (count,) = call.fields("<i")
        call.check_count(count)
        methods = [method async for method in call.each(ua.CallMethodRequest, call.buffer(4), count)]
        self._later(call, _CALL_RESPONSE, self._called(call, methods))
        return True

    @staticmethod
    async def _called(call: Call, methods: list[ua.CallMethodRequest]) -> bytes:
        user = call.session.asker.user
        results = await call.session.call(methods)
        for method, result in zip(methods, results, strict=True):
            call.engine.officer.called(user, method, result)
        return struct.pack("<i", len(results)) + b"".join(map(struct_to_binary, results))

    async def _history_read(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        self._history.read(self._active(), head, seqhdr, data)
        return True

    async def _history_update(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        self._history.update(head, seqhdr, data)
        return True

    def _answer_history(self, head: Header, seqhdr: Any, results: list[bytes]) -> None:
        now_ns = self.engine.clock.wall_ns()
        self._reply(seqhdr, _HISTORY_RESPONSE.listed(now_ns, head.handle, len(results), b"".join(results)))

    def _later(self, call: Call, response: Response, results: Coroutine[Any, Any, bytes]) -> None:
        """Answer when verdicts and records are there; meanwhile the connection serves other requests."""
        if len(self._under_way) >= _UNDER_WAY_MAX:
            results.close()
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.create_task(self._answer_later(call, response, results))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer_later(self, call: Call, response: Response, results: Coroutine[Any, Any, bytes]) -> None:
        try:
            done = await results
            self._reply(call.seqhdr, response.wrap(call.now_ns, call.head.handle, done, _EMPTY))
        except Exception:
            # The task has no other caller who could see it.
            _log.exception("request %d of %s failed", call.head.type_id, self.peer)
            self._fault(call.head, call.seqhdr, ua.StatusCodes.BadInternalError)
