# SPDX-License-Identifier: Apache-2.0
"""The same attacker on a channel that signs and encrypts: what is garbled arrives as a whole and honest message."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256, encrypt_asymmetric
from asyncua.ua.ua_binary import (
    Primitives,
    header_from_binary,
    nodeid_to_binary,
    struct_from_binary,
    struct_to_binary,
    uatcp_to_binary,
)

from tests.fuzz.opcua import Peer
from tests.system.opcua_kit import PASSWORDS, Site, client_certificate


class SealedPeer(Peer):
    """A client with a certificate, who logs in as an operator."""

    door = 0
    first = 72  # behind the header: a garbled one ends the connection, which is proved without security, and cheaper

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._mine: Any = None
        self._nonce = b""

    async def open(self) -> None:
        """HELLO and a channel by Basic256Sha256."""
        certificate, key = client_certificate(self.site.folder / "client")
        self._policy = SecurityPolicyBasic256Sha256(
            uacrypto.x509_from_der(Path(self.site.server.certificate_path).read_bytes()),
            uacrypto.x509_from_der(certificate.read_bytes()),
            await uacrypto.load_private_key(key),
            ua.MessageSecurityMode.SignAndEncrypt,
        )
        self._mine = SecureConnection(self._policy, TransportLimits())
        await self._hear(uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 65535, 65535, 0, 0, "opc.tcp://x")))
        request = ua.OpenSecureChannelRequest()
        request.Parameters.SecurityMode = ua.MessageSecurityMode.SignAndEncrypt
        request.Parameters.ClientNonce = nonce = os.urandom(self._policy.secure_channel_nonce_length)
        request.Parameters.RequestedLifetime = 3_600_000
        raw = await self._hear(self._sealed(struct_to_binary(request), ua.MessageType.SecureOpen))
        made = struct_from_binary(ua.OpenSecureChannelResponse, self._unsealed(raw)).Parameters
        self._mine.set_channel(made, ua.SecurityTokenRequestType.Issue, nonce)

    async def log_in(self) -> None:
        """By name and password."""
        create = ua.CreateSessionRequest()
        create.Parameters.ClientCertificate = self._policy.host_certificate
        create.Parameters.ClientNonce = os.urandom(32)
        create.Parameters.EndpointUrl = self.site.server.endpoint
        create.Parameters.RequestedSessionTimeout = 600_000
        raw = await self._hear(self.frame(struct_to_binary(create)))
        made = struct_from_binary(ua.CreateSessionResponse, self._unsealed(raw)).Parameters
        self.authentication = nodeid_to_binary(made.AuthenticationToken)
        answer = await self._hear(self.frame(struct_to_binary(self._activation(made))))
        assert self.protocol.processor.session.is_activated(), answer

    def _activation(self, made: Any) -> ua.ActivateSessionRequest:
        request = ua.ActivateSessionRequest()
        request.RequestHeader.AuthenticationToken = made.AuthenticationToken
        challenge = self._policy.peer_certificate + made.ServerNonce
        signature = self._policy.asymmetric_cryptography.signature(challenge)
        request.Parameters.ClientSignature = ua.SignatureData(self._policy.AsymmetricSignatureURI, signature)
        key = uacrypto.x509_from_der(self._policy.peer_certificate).public_key()
        secret = Primitives.Bytes.pack(PASSWORDS["op"].encode() + made.ServerNonce)
        password, algorithm = encrypt_asymmetric(key, secret, self._policy.URI)
        (policy,) = {
            p.PolicyId
            for e in made.ServerEndpoints
            if e.SecurityPolicyUri == self._policy.URI and e.SecurityMode == self._policy.Mode
            for p in e.UserIdentityTokens
            if p.TokenType == ua.UserTokenType.UserName
        }
        request.Parameters.UserIdentityToken = ua.UserNameIdentityToken(policy, "op", password, algorithm)
        return request

    def frame(self, body: bytes) -> bytes:
        return self._sealed(body, ua.MessageType.SecureMessage)

    def _sealed(self, body: bytes, kind: Any) -> bytes:
        self.sequence += 1
        made: bytes = self._mine.message_to_binary(body, message_type=kind, request_id=self.sequence)
        return made

    def _unsealed(self, raw: bytes) -> Buffer:
        buffer = Buffer(raw)
        return self._mine.receive_from_header_and_body(header_from_binary(buffer), buffer).body()

    async def _hear(self, data: bytes) -> bytes:
        """As `say`, for what the server does on a thread: certificates and passwords."""
        before = len(self.wire.written)
        self.protocol.data_received(data)
        async with asyncio.timeout(20):
            while len(self.wire.written) == before and not self.wire.closed:
                await asyncio.sleep(0.001)
        return bytes(self.wire.written[before:])
