# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_channel.py
"""A secure channel: how it opens, renews its keys and expires.

Law of this file: no I/O; time is handed in. A channel is opened once, by one certificate, in one mode; every renewal
comes from the same. A token is honoured for its lifetime and a quarter more, then it is nobody's.
Source: OPC 10000-4, 5.5.2; OPC 10000-6, 6.7.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone

_BUFFER_BYTES_MIN: Final = 8192  # OPC 10000-6, 7.1.2.3
_FIRST_AFTER_WRAP: Final = 1_024
_LAST_BEFORE_WRAP: Final = 2**32 - 1_024
LIFETIME_MS: Final = (60_000, 3_600_000)  # of a token
GRACE: Final = 1.25
URL_LENGTH_MAX: Final = 4096  # OPC 10000-6, 7.1.2.3


class ChannelLimits(TransportLimits):
    """Sizes agreed in HELLO."""

    def create_acknowledge_and_set_limits(self, msg: ua.Hello) -> ua.Acknowledge:
        """The answer to HELLO.

        Raises:
            ServiceError: BadConnectionRejected: buffers below what the specification demands;
                BadTcpEndpointUrlInvalid: a URL longer than it allows.
        """
        if min(msg.ReceiveBufferSize, msg.SendBufferSize) < _BUFFER_BYTES_MIN:
            raise ServiceError(ua.StatusCodes.BadConnectionRejected)
        if len(msg.EndpointUrl or "") > URL_LENGTH_MAX:
            raise ServiceError(ua.StatusCodes.BadTcpEndpointUrlInvalid)
        return super().create_acknowledge_and_set_limits(msg)


class Channel(SecureConnection):
    """The channel of one connection.

    Attributes:
        expires_s: when the last token ends [s of `now`]; None until it is open.
    """

    def __init__(self, limits: TransportLimits, now: Callable[[], float]) -> None:
        super().__init__(SecurityPolicyNone(), limits)
        self._now = now
        self._ends: dict[int, float] = {}
        self.expires_s: float | None = None

    def select_policy(
        self, uri: str, peer_certificate: bytes | None, mode: ua.MessageSecurityMode | None = None
    ) -> None:
        """Raises ServiceError BadSecurityPolicyRejected or BadSecurityModeRejected: not offered here."""
        offered = [policy for policy in self._policies if policy.matches(uri, None)]
        discovery = uri == SecurityPolicyNone.URI and mode in (None, ua.MessageSecurityMode.None_)
        if not offered and not discovery:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        if not discovery and not any(policy.matches(uri, mode) for policy in offered):
            raise ServiceError(ua.StatusCodes.BadSecurityModeRejected)
        super().select_policy(uri, peer_certificate, mode)

    def open(self, params: Any, server: Any) -> ua.OpenSecureChannelResult:
        """A new token.

        Raises:
            ServiceError: BadRequestTypeInvalid, BadSecurityModeRejected, BadNonceInvalid.
        """
        renew = params.RequestType == ua.SecurityTokenRequestType.Renew
        if renew is not self._open:
            raise ServiceError(ua.StatusCodes.BadRequestTypeInvalid)
        policy = self.security_policy
        if params.SecurityMode != policy.Mode:
            raise ServiceError(ua.StatusCodes.BadSecurityModeRejected)
        nonce, length = params.ClientNonce or b"", policy.secure_channel_nonce_length
        if policy.Mode != ua.MessageSecurityMode.None_ and (len(nonce) != length or nonce == self.remote_nonce):
            raise ServiceError(ua.StatusCodes.BadNonceInvalid)
        low_ms, high_ms = LIFETIME_MS
        params.RequestedLifetime = min(max(params.RequestedLifetime, low_ms), high_ms)
        made = super().open(params, server)
        if not renew:
            made.SecurityToken.TokenId = 1 + secrets.randbelow(2**31)
        self.expires_s = self._now() + GRACE * params.RequestedLifetime / 1000
        # At most the token in use, the one before it and the one to come are honoured.
        self._ends = dict(list(self._ends.items())[-2:])
        self._ends[made.SecurityToken.TokenId] = self.expires_s
        return made

    def _check_sym_header(self, security_hdr: ua.SymmetricAlgorithmHeader) -> None:
        """Raises ServiceError BadSecureChannelTokenUnknown: a token that has expired or never was."""
        end = self._ends.get(security_hdr.TokenId)
        if end is None or self._now() > end:
            raise ServiceError(ua.StatusCodes.BadSecureChannelTokenUnknown)
        super()._check_sym_header(security_hdr)

    def _check_incoming_chunk(self, chunk: Any) -> None:
        """Raises ServiceError BadSequenceNumberInvalid; the connection ends. Source: OPC 10000-6, 6.7.2.4."""
        number, before = chunk.SequenceHeader.SequenceNumber, self._peer_sequence_number
        wrapped = before is not None and before >= _LAST_BEFORE_WRAP and number < _FIRST_AFTER_WRAP
        if before is not None and number != before + 1 and not wrapped:
            raise ServiceError(ua.StatusCodes.BadSequenceNumberInvalid)
        super()._check_incoming_chunk(chunk)
