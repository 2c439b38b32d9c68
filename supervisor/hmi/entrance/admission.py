# SPDX-License-Identifier: Apache-2.0

# Tests: tests/system/test_opcua_security.py
"""Sessions on a connection: made, activated with a user, moved to another connection, closed.

Law of this file: a session belongs to whoever owns the channel it was made on; before login nothing is decoded but
what login needs; a wrong password costs time.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import SessionState
from asyncua.ua.ua_binary import struct_from_binary

from supervisor.hmi.entrance.judge import application_name, parse_chain, uris
from supervisor.hmi.entrance.login import Claim, LoginRefused
from supervisor.hmi.entrance.wire import CarefulBuffer, Wire
from supervisor.hmi.events.audited import Audited
from supervisor.hmi.header import Header, token_type
from supervisor.hmi.session import Session
from supervisor.people import User

_log = logging.getLogger(__name__)

# Identity tokens that may be decoded: null, anonymous, user name, X.509.
_TOKENS: Final = frozenset((0, 321, 324, 327))
_ISSUED: Final = 940  # a token of another authority: known, and not offered here
_NONCE_BYTES_MIN: Final = 32
_LOGIN_PAUSE_S: Final = (0.25, 8.0)  # after the first wrong password of a connection, and at most


class Admission(Wire):
    """A connection that can carry a session."""

    _failed_logins = 0

    async def _create_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        params = struct_from_binary(ua.CreateSessionParameters, CarefulBuffer(data, head.at))
        policy = self._connection.security_policy
        self._check_client(params)
        if not params.RequestedSessionTimeout >= 0:  # NaN, too: a timer that never ends, nor lets others
            params.RequestedSessionTimeout = 0.0
        if self.session is not None:
            await self.session.close_session(True)  # one session per connection
        await self.engine.room_for_session()
        self.session = session = Session(self.engine, self.peer, self)
        session.certificate, session.insecure = policy.peer_certificate, self.insecure
        session.introduction = params
        response = ua.CreateSessionResponse()
        response.Parameters = await session.create_session(params, sockname=self.sockname)
        timeout_ms = response.Parameters.RevisedSessionTimeout
        self.engine.officer.created(self, response.Parameters.SessionId, timeout_ms)
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
        if uri not in uris(parse_chain(peer)[0]):
            if not self.engine.trust.accept_unknown:
                raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)
            _log.warning("client %s calls itself %s; its certificate says otherwise (demo: accepted)", self.peer, uri)

    async def _activate_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        if (kind := token_type(data, head.at)) not in _TOKENS:
            codes = ua.StatusCodes
            raise ServiceError(codes.BadIdentityTokenRejected if kind == _ISSUED else codes.BadIdentityTokenInvalid)
        params = struct_from_binary(ua.ActivateSessionParameters, CarefulBuffer(data, head.at))
        session = self._session_of(head)
        policy = self._connection.security_policy
        signed = (policy.host_certificate or b"") + (session.nonce or b"")
        try:
            policy.asymmetric_cryptography.verify(signed, params.ClientSignature.Signature)
        except Exception as error:
            # `cryptography` raises several kinds; all mean the same.
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from error
        claim = self._claim(params, session.nonce or b"")
        try:
            user = await self.engine.login.identify(claim)
        except LoginRefused as refusal:
            self._tell_refusal(refusal)
            await self._pause_after_failure()
            raise
        if session.state is SessionState.Closed:  # while the password was checked
            raise ServiceError(ua.StatusCodes.BadSessionClosed)
        if session.is_activated() and session.owner is not self and session.asker.user != user:
            raise ServiceError(ua.StatusCodes.BadIdentityChangeNotSupported)
        self._tell_login(session, user)
        session.mechanism = type(claim.token).__name__.removesuffix("IdentityToken")
        self._attach(session)
        self._failed_logins = 0
        response = ua.ActivateSessionResponse()
        response.Parameters.ServerNonce = session.admit(user, params.LocaleIds)
        self.send_response(head.handle, seqhdr, response)
        return True

    def _claim(self, params: ua.ActivateSessionParameters, nonce: bytes) -> Claim:
        policy, token = self._connection.security_policy, params.UserIdentityToken
        if isinstance(token, ua.ExtensionObject) and token.TypeId.is_null():
            token = ua.AnonymousIdentityToken()
        return Claim(
            token=token,
            signature=params.UserTokenSignature,
            nonce=nonce,
            encryption=policy.AsymmetricEncryptionURI,
            signing=policy.AsymmetricSignatureURI,
            server_certificate=policy.host_certificate or b"",
            address=self.peer.rpartition(":")[0],
            insecure=self.insecure,
        )

    def _tell_login(self, session: Session, user: User) -> None:
        if session.is_activated() and session.asker.user == user:
            return  # the same person comes back on a new channel
        text = "logged in at the OPC UA door"
        if session.is_activated():
            text = f"took over the session of {session.asker.user.name}"
        application = application_name(self._connection.security_policy.peer_certificate)
        self.engine.audit.tell(
            user.name, text, Audited.LOGIN, terminal=self.peer, role=user.role.value, application=application
        )

    def _tell_refusal(self, refusal: LoginRefused) -> None:
        text = f"not logged in at the OPC UA door: {refusal.why}"
        self.engine.audit.tell_of_stranger(refusal.who or "unknown", text, terminal=self.peer)

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
        session.outbox.attach(self)

    async def _close_session(self, head: Header, seqhdr: Any, data: bytes) -> bool:
        session, self.session = self.session, None
        if session is not None:
            if session.is_activated():
                self.engine.audit.tell(session.asker.user.name, "logged out at the OPC UA door", terminal=self.peer)
            await session.close_session(data[head.at] != 0)
        self.send_response(head.handle, seqhdr, ua.CloseSessionResponse())
        return True
