# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/unit/test_hmi_processor.py, tests/system/test_opcua_security.py, tests/system/test_opcua_hostile.py
"""What a connection's messages do: the gate, the fast ways, and asyncua's way for the rest.

Law of this file: nobody gets further than the gate allows; before login nothing is decoded but what login needs; no
message, however broken, ends in anything but an answer, a fault or a closed connection.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from supervisor.hmi.pki import Untrusted, application_uris
from supervisor.hmi.request import Header, header, token_type
from supervisor.hmi.session import Session
from supervisor.hmi.transport import Channel, error_message
from supervisor.hmi.values import Stamps, ticks

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.subscription import Subscription

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
_OPEN_CHANNEL: Final = _type("OpenSecureChannel")
# Identity tokens that may be decoded: null, anonymous, user name, X.509.
_TOKENS: Final = frozenset((0, 321, 324, 327))
_NULL_EXTENSION: Final = b"\0\0\0"
_NONCE_BYTES_MIN: Final = 32
_WRITES_MAX: Final = 16  # Write requests of one connection whose answers are outstanding
_LOGIN_PAUSE_S: Final = (0.25, 8.0)  # after the first wrong password of a connection, and at most


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
_ITEM_RESULT: Final = np.dtype(
    [("status", "<u4"), ("id", "<u4"), ("sampling", "<f8"), ("queue", "<u4"), ("filter", "u1", (3,))]
)


def _without_additional_header(head: Header, data: bytes, at: int) -> Buffer:
    """The request without its AdditionalHeader: that may hold any structure, and asyncua would decode it for anyone."""
    if head.additional_at + len(_NULL_EXTENSION) == head.at:
        return Buffer(data, at)
    return Buffer(data[at : head.additional_at] + _NULL_EXTENSION + data[head.at :])


Handler = Callable[["Header", Any, bytes], Awaitable[bool]]


class Processor(UaProcessor):
    """Serves one connection.

    Attributes:
        peer: '127.0.0.1:50312', for the journal and the log.
        insecure: it came in by the loopback port without security.
    """

    session: Session | None

    def __init__(self, engine: Engine, transport: Any, limits: Any, insecure: bool) -> None:
        super().__init__(engine, transport, limits)
        self._connection = Channel(SecurityPolicyNone(), self._limits)
        self.engine = engine
        self.insecure = insecure
        self.peer = "{}:{}".format(*self.name[:2]) if self.name else "?"
        self._writes: set[asyncio.Task[None]] = set()
        self._failed_logins = 0
        self._handlers: dict[int, Handler] = {
            _type("Read"): self._read,
            _type("CreateMonitoredItems"): self._create_items,
            _type("Write"): self._write,
            _type("BrowseNext"): self._browse_next,
            _type("RegisterNodes"): self._register_nodes,
            _type("CreateSession"): self._create_session,
            _type("ActivateSession"): self._activate_session,
            _CLOSE_SESSION: self._close_session,
        }

    # -- the wire -----------------------------------------------------------------------------------------------------

    async def process(self, header: Any, body: Buffer) -> bool:
        """One chunk. Returns False when the connection must be closed."""
        try:
            self._bound_early(header)
            if header.MessageType == ua.MessageType.SecureOpen:
                await self._judge_certificate(header, body)
            return bool(await super().process(header, body))
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            return self._reject(int(error.code), str(ua.StatusCode(ua.UInt32(error.code)).name))
        except Exception as error:
            # Anything else is bytes that are no OPC UA, or not from who they claim to be from.
            _log.warning("connection %s closed: %s: %s", self.peer, type(error).__name__, error)
            return self._reject(int(ua.StatusCodes.BadSecurityChecksFailed), "message rejected")

    def _bound_early(self, header: Any) -> None:
        """Before login a message may not grow to the size that is allowed afterwards."""
        if self.session is None or not self.session.is_activated():
            if self._connection._incoming_size + header.body_size > self.engine.limits.message_bytes_early:
                raise ServiceError(ua.StatusCodes.BadTcpMessageTooLarge)

    async def _judge_certificate(self, header: Any, body: Buffer) -> None:
        """Trust is decided before the channel opens: nothing a client says later can go around it."""
        security = struct_from_binary(ua.AsymmetricAlgorithmHeader, body.copy(header.body_size))
        if security.SecurityPolicyURI == SecurityPolicyNone.URI:
            return
        certificate = security.SenderCertificate
        if not certificate:
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
        now_ns = self.engine.clock.wall_ns()
        try:
            known = await self.engine.offload.run(partial(self.engine.trust.check, certificate, now_ns))
        except Untrusted as refusal:
            self.engine.counters.rejected_certificates += 1
            _log.warning("client certificate from %s refused: %s", self.peer, refusal)
            raise ServiceError(getattr(ua.StatusCodes, refusal.code)) from refusal
        if not known and not self._connection.is_open():
            _log.warning("client certificate from %s is unknown and was accepted (demo)", self.peer)

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Buffer) -> None:
        if (head := header(body._data, body._cur_pos)) is None or head.type_id != _OPEN_CHANNEL:
            raise ServiceError(ua.StatusCodes.BadDecodingError)
        super().open_secure_channel(algohdr, seqhdr, _without_additional_header(head, body._data, body._cur_pos))

    def _reject(self, code: int, reason: str) -> bool:
        self.engine.counters.rejected_messages += 1
        self._send(error_message(code, reason))
        return False

    def _send(self, data: bytes) -> None:
        """Write, unless the client leaves too much unread: then it is cut off."""
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self.engine.limits.write_buffer_bytes:
            self.engine.counters.slow_clients += 1
            _log.warning("client %s does not read its answers; connection aborted", self.peer)
            self._transport.abort()

    def _reply(self, seqhdr: Any, message: bytes) -> None:
        self._send(self._connection.message_to_binary(message, request_id=seqhdr.RequestId))

    def send_response(
        self, requesthandle: int, seqhdr: Any, response: Any, msgtype: Any = ua.MessageType.SecureMessage
    ) -> None:
        response.ResponseHeader.RequestHandle = requesthandle
        message = struct_to_binary(response)
        self._send(self._connection.message_to_binary(message, message_type=msgtype, request_id=seqhdr.RequestId))

    def drop(self) -> None:
        """Close the connection from our side."""
        if not self._transport.is_closing():
            self._transport.close()

    async def close(self) -> None:
        """The connection is gone. A session with subscriptions waits for its client to come back."""
        self._publish_requests.clear()  # nobody could be answered by them any more
        for task in self._writes:
            task.cancel()
        if self.session is not None:
            self.session.owner = None
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
        body = _without_additional_header(head, data, at)
        type_id = nodeid_from_binary(body)
        return bool(await self._process_message(type_id, struct_from_binary(ua.RequestHeader, body), seqhdr, body))

    def _fault(self, head: Header, seqhdr: Any, code: int) -> None:
        response = ua.ServiceFault()
        response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(code))
        self.send_response(head.handle, seqhdr, response)

    # -- sessions -----------------------------------------------------------------------------------------------------

    async def _create_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.CreateSessionParameters, Buffer(data, head.at))
        policy = self._connection.security_policy
        self._check_client(params)
        if self.session is not None:
            await self.session.close_session(True)  # one session per connection
        self.engine.room_for_session()
        self.session = session = Session(self.engine, self.peer, self)
        session.certificate, session.insecure = policy.peer_certificate, self.insecure
        response = ua.CreateSessionResponse()
        response.Parameters = await session.create_session(params, sockname=self.sockname)
        response.Parameters.MaxRequestMessageSize = self.engine.limits.message_bytes
        response.Parameters.ServerCertificate = policy.host_certificate
        signed = (policy.peer_certificate or b"") + (params.ClientNonce or b"")
        response.Parameters.ServerSignature.Signature = policy.asymmetric_cryptography.signature(signed)
        response.Parameters.ServerSignature.Algorithm = policy.AsymmetricSignatureURI
        self.send_response(head.handle, seqhdr, response)
        return True

    def _check_client(self, params: ua.CreateSessionParameters) -> None:
        """The session must be made by whoever owns the channel."""
        policy = self._connection.security_policy
        if policy.Mode == ua.MessageSecurityMode.None_:
            return
        peer = policy.peer_certificate
        if not (params.ClientCertificate or b"").startswith(peer):
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        if len(params.ClientNonce or b"") < _NONCE_BYTES_MIN:
            raise ServiceError(ua.StatusCodes.BadNonceInvalid)
        uri = params.ClientDescription.ApplicationUri
        if uri not in application_uris(peer):
            if not self.engine.trust.accept_unknown:
                raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)
            _log.warning("client %s calls itself %s; its certificate says otherwise (demo: accepted)", self.peer, uri)

    async def _activate_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        if token_type(data, head.at) not in _TOKENS:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        params = struct_from_binary(ua.ActivateSessionParameters, Buffer(data, head.at))
        session = self._session_of(head)
        policy = self._connection.security_policy
        signed = (policy.host_certificate or b"") + (session.nonce or b"")
        try:
            policy.asymmetric_cryptography.verify(signed, params.ClientSignature.Signature)
        except Exception as error:
            # `cryptography` raises several kinds; all mean the same.
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from error
        token = params.UserIdentityToken
        if isinstance(token, ua.ExtensionObject) and token.TypeId.is_null():
            token = ua.AnonymousIdentityToken()
        try:
            user = await self.engine.login.identify(token, session.nonce or b"", policy.Mode, self.insecure)
        except ServiceError:
            await self._pause_after_failure()
            raise
        if session.is_activated() and session.owner is not self and session.asker.user != user:
            raise ServiceError(ua.StatusCodes.BadIdentityChangeNotSupported)
        self._attach(session)
        self._failed_logins = 0
        response = ua.ActivateSessionResponse()
        response.Parameters.ServerNonce = session.admit(user, params.LocaleIds)
        self.send_response(head.handle, seqhdr, response)
        return True

    async def _pause_after_failure(self) -> None:
        """Guessing passwords on one connection gets slower with each attempt."""
        first_s, most_s = _LOGIN_PAUSE_S
        pause_s = min(first_s * 2.0**self._failed_logins, most_s)
        self._failed_logins = min(self._failed_logins + 1, 16)
        await asyncio.sleep(pause_s)

    def _session_of(self, head: Header) -> Session:
        """The session that a request's token names, if this channel may have it."""
        if self.session is not None and head.token == self.session.token_bytes:
            return self.session
        for session in self.engine.sessions:
            if session.token_bytes == head.token:
                same = session.certificate == self._connection.security_policy.peer_certificate
                if not same or session.insecure is not self.insecure or not session.is_activated():
                    raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
                return session
        raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)

    def _attach(self, session: Session) -> None:
        """The session lives on this connection from now on, with its subscriptions."""
        if session.owner is not self and session.owner is not None:
            session.owner.session = None
        self.session, session.owner = session, self
        for subscription in self.engine.subscription_service.subscriptions.values():
            if subscription.session_id == session.session_id:
                self.publish_here(subscription)

    def publish_here(self, subscription: Subscription) -> None:
        """Notifications of a subscription leave by this connection."""
        subscription.pub_result_callback = self.forward_publish_response
        subscription.pub_request_callback = self.get_publish_request

    async def _close_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        session, self.session = self.session, None
        if session is not None:
            await session.close_session(data[head.at] != 0)
        self.send_response(head.handle, seqhdr, ua.CloseSessionResponse())
        return True

    # -- the fast ways ------------------------------------------------------------------------------------------------

    def _active(self) -> Session:
        """The session; the gate has seen to it that there is one."""
        if self.session is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        return self.session

    async def _read(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        engine = self.engine
        request = engine.decoder.read(data, head.at, engine.limits.nodes_per_call)
        if request is None or not engine.space.all_open(request.rows):
            return await self._read_slowly(head, seqhdr, data)
        now_ns = engine.clock.wall_ns()
        rows = request.rows
        values = engine.encoder.encode(rows, engine.table.status[rows], Stamps(request.stamps), now_ns)
        self._reply(seqhdr, _READ_RESPONSE.wrap(now_ns, head.handle, len(rows), values))
        engine.counters.reads += len(rows)
        return True

    async def _read_slowly(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        age, stamps, count = struct.unpack_from("<dii", data, head.at)
        if not age >= 0:
            raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
        self._check_list(stamps, count)
        response = ua.ReadResponse()
        response.Results = await self._active().read(struct_from_binary(ua.ReadParameters, Buffer(data, head.at)))
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
        if request is None or not engine.space.all_open(request.rows):
            params = struct_from_binary(ua.CreateMonitoredItemsParameters, Buffer(data, head.at))
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
        """Answered when the commands have their verdicts; meanwhile the connection serves other requests."""
        params = struct_from_binary(ua.WriteParameters, Buffer(data, head.at))
        self._check_list(0, len(params.NodesToWrite))
        if len(self._writes) >= _WRITES_MAX:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.create_task(self._write_and_answer(head, seqhdr, params, self._active()))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return True

    async def _write_and_answer(self, head: Header, seqhdr: Any, params: ua.WriteParameters, session: Session) -> None:
        try:
            response = ua.WriteResponse()
            response.Results = await session.write(params)
            self.send_response(head.handle, seqhdr, response)
        except Exception:
            # The task has no other caller who could see it.
            _log.exception("a Write of %s failed", self.peer)
            self._fault(head, seqhdr, ua.StatusCodes.BadInternalError)

    async def _browse_next(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.BrowseNextParameters, Buffer(data, head.at))
        self._check_list(0, len(params.ContinuationPoints))
        response = ua.BrowseNextResponse()
        response.Parameters.Results = await self._active().browse_next(params)
        self.send_response(head.handle, seqhdr, response)
        return True

    async def _register_nodes(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.RegisterNodesParameters, Buffer(data, head.at))
        self._check_list(0, len(params.NodesToRegister))
        response = ua.RegisterNodesResponse()
        response.Parameters.RegisteredNodeIds = await self._active().register_nodes(params.NodesToRegister)
        self.send_response(head.handle, seqhdr, response)
        return True
