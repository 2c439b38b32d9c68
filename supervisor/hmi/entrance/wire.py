# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/system/test_opcua_security.py, tests/system/test_opcua_hostile.py
"""One connection down at the wire: chunks in, answers out, and whose certificate opens a channel.

Law of this file: trust is decided before a channel opens; no bytes, however broken, end in anything but an answer or a
closed connection; a client that does not read is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, uatcp_to_binary

from supervisor.hmi.entrance.channel import Channel
from supervisor.hmi.entrance.doorman import Stage
from supervisor.hmi.entrance.judge import Untrusted
from supervisor.hmi.events.audited import Audited
from supervisor.hmi.header import Header, header
from supervisor.hmi.publishing.messages import fault
from supervisor.hmi.session import Session

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine

_log = logging.getLogger(__name__)

_NULL_ARRAYS: Final = (b"\x80", b"\xc0")  # a Variant's type byte: array of type 0, without and with dimensions
_COUNT_BYTES: Final = 4
_NULL_EXTENSION: Final = b"\0\0\0"
_HANDLE: Final = struct.Struct("<I")
_HANDLE_AT: Final = 12  # behind the type id and the time of a response
_OPEN_CHANNEL: Final = int(ua.ObjectIds.OpenSecureChannelRequest_Encoding_DefaultBinary)


def error_message(code: int, reason: str) -> bytes:
    """The ERR message with which a server ends a connection. Source: OPC 10000-6, 7.1.2.5."""
    message: bytes = uatcp_to_binary(ua.MessageType.Error, ua.ErrorMessage(ua.StatusCode(ua.UInt32(code)), reason))
    return message


class CarefulBuffer(Buffer):
    """A buffer from which asyncua cannot be made to decode more elements than bytes are left.

    An array of nulls is the only thing that has a length and no content: one type byte, then a count that nothing
    bounds. A count larger than what is left of the message is no array at all.
    """

    _null_array = False

    def read(self, size: int) -> bytes:
        read: bytes = super().read(size)
        if self._null_array and size == _COUNT_BYTES and int.from_bytes(read, "little", signed=True) > len(self):
            raise NotEnoughData("an array of nulls is longer than its message")
        self._null_array = size == 1 and read in _NULL_ARRAYS
        return read

    def copy(self, size: int = -1) -> CarefulBuffer:
        part = super().copy(size)
        return CarefulBuffer(part._data, part._cur_pos, len(part))


def without_additional_header(head: Header, data: bytes, at: int) -> CarefulBuffer:
    """The request without its AdditionalHeader: that may hold any structure, and asyncua would decode it for anyone."""
    if head.additional_at + len(_NULL_EXTENSION) == head.at:
        return CarefulBuffer(data, at)
    return CarefulBuffer(data[at : head.additional_at] + _NULL_EXTENSION + data[head.at :])


class Wire(UaProcessor):
    """The lower half of a connection.

    Attributes:
        peer: '127.0.0.1:50312', for the journal and the log.
        insecure: it came in by the loopback port without security.
        session: the one session of this connection; None before CreateSession and after CloseSession.
        sent_certificate: the client's certificate with its issuers, as it came; None without security.
    """

    session: Session | None

    def __init__(self, engine: Engine, transport: Any, limits: Any, insecure: bool) -> None:
        super().__init__(engine, transport, limits)
        self._connection = Channel(self._limits, asyncio.get_running_loop().time)
        self._greeted = False
        self._meant = engine.own_thumbprint  # whom its client must mean, also after the server has renewed
        self.sent_certificate: bytes | None = None
        self.engine = engine
        self.insecure = insecure
        self.peer = "{}:{}".format(*self.name[:2]) if self.name else "?"

    async def process(self, header: Any, body: Buffer) -> bool:
        """One chunk. Returns False when the connection must be closed."""
        try:
            self._bound_early(header)
            self._check_order(header.MessageType)
            if header.MessageType == ua.MessageType.SecureOpen:
                await self._judge_certificate(header, body)
            return bool(await super().process(header, body))
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            return self._reject(int(error.code), str(ua.StatusCode(ua.UInt32(error.code)).name))
        except Exception as error:
            # Anything else is bytes that are no OPC UA, or not from who they claim to be from.
            _log.warning("connection %s closed: %s: %s", self.peer, type(error).__name__, error)
            return self._reject(int(ua.StatusCodes.BadSecurityChecksFailed), "message rejected")

    @property
    def stage(self) -> Stage:
        """How far this connection has come."""
        if self.session is not None and self.session.is_activated():
            return Stage.ACTIVE
        if self._connection.is_open():
            return Stage.OPEN
        return Stage.GREETED if self._greeted else Stage.CONNECTED

    @property
    def channel_ends_s(self) -> float | None:
        """When the secure channel expires [s of the loop]; None without one."""
        ends_s: float | None = self._connection.expires_s
        return ends_s

    def _check_order(self, kind: Any) -> None:
        """HELLO first and once, then the channel, then messages. Source: OPC 10000-6, 7.1.3.

        Raises:
            ServiceError: BadTcpMessageTypeInvalid; BadTcpSecureChannelUnknown: a message before there is a channel.
        """
        if (kind == ua.MessageType.Hello) is self._greeted or kind == ua.MessageType.Error:
            raise ServiceError(ua.StatusCodes.BadTcpMessageTypeInvalid)
        self._greeted = True
        if kind in (ua.MessageType.SecureMessage, ua.MessageType.SecureClose) and not self._connection.is_open():
            raise ServiceError(ua.StatusCodes.BadTcpSecureChannelUnknown)

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
        certificate, channel = security.SenderCertificate, self._connection
        if not certificate or (channel.is_open() and certificate != self.sent_certificate):
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
        if channel.is_open() and header.ChannelId != channel.security_token.ChannelId:
            raise ServiceError(ua.StatusCodes.BadTcpSecureChannelUnknown)
        if security.ReceiverCertificateThumbPrint != self._meant:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)  # it was meant for another server, or a former one
        now_ns = self.engine.clock.wall_ns()
        try:
            known = await self.engine.offload.run(partial(self.engine.trust.check, certificate, now_ns))
        except Untrusted as refusal:
            self.engine.counters.rejected_certificates += 1
            text = f"client certificate refused: {refusal.code}: {refusal}"
            self.engine.audit.tell_of_stranger(
                "unknown", text, Audited.CERTIFICATE, terminal=self.peer, code=refusal.code
            )
            _log.warning("client certificate from %s refused: %s: %s", self.peer, refusal.code, refusal)
            raise ServiceError(getattr(ua.StatusCodes, refusal.public)) from refusal
        if not known and not channel.is_open():
            _log.warning("client certificate from %s is unknown and was accepted (demo)", self.peer)
        self.sent_certificate = certificate

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Buffer) -> None:
        if (head := header(body._data, body._cur_pos)) is None or head.type_id != _OPEN_CHANNEL:
            raise ServiceError(ua.StatusCodes.BadDecodingError)
        renewed = self._connection.is_open()
        super().open_secure_channel(algohdr, seqhdr, without_additional_header(head, body._data, body._cur_pos))
        token = self._connection.security_token
        if self.security_policy.Mode != ua.MessageSecurityMode.None_:  # discovery is everybody's, as often as they like
            self.engine.officer.opened(self, token.ChannelId, token.RevisedLifetime, renewed=renewed)

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
        """A response, or a fault where the client takes no message so long. Source: OPC 10000-4, 5.7.2."""
        most = 0 if self.session is None else self.session.introduction.MaxResponseMessageSize
        if 0 < most < len(message):
            code, (handle,) = int(ua.StatusCodes.BadResponseTooLarge), _HANDLE.unpack_from(message, _HANDLE_AT)
            self.engine.tally.codes[code] += 1
            message = fault(self.engine.clock.wall_ns(), handle, code)
        self._send(self._connection.message_to_binary(message, request_id=seqhdr.RequestId))

    def send_response(
        self, requesthandle: int, seqhdr: Any, response: Any, msgtype: Any = ua.MessageType.SecureMessage
    ) -> None:
        response.ResponseHeader.RequestHandle = requesthandle
        message = struct_to_binary(response)
        self._send(self._connection.message_to_binary(message, message_type=msgtype, request_id=seqhdr.RequestId))

    @property
    def security_policy(self) -> Any:
        """The policy of the channel: URI and Mode."""
        return self._connection.security_policy

    def drop(self) -> None:
        """Close the connection from our side."""
        if not self._transport.is_closing():
            self._transport.close()

    async def close(self) -> None:
        """The connection is gone. A session with subscriptions waits for its client to come back."""
        if self.session is not None:
            self.engine.tally.aborts += 1
            self.session.owner = None
            self.session.outbox.detach(self)
        await super().close()

    def _fault(self, head: Header, seqhdr: Any, code: int) -> None:
        self.engine.tally.fault(head.type_id, code)
        if self.session is not None:
            self.session.requests.fault(head.type_id, code)
        response = ua.ServiceFault()
        response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(code))
        self.send_response(head.handle, seqhdr, response)
