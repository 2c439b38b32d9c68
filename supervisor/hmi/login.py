# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_login.py, tests/system/test_opcua_security.py
"""Who is logging in: identity tokens -> users.

Law of this file: name and password only; a password in the clear only inside an encrypted channel; an encrypted one
must carry this session's nonce, so that a recorded token is worth nothing. Hashing runs off the loop, a bounded number
at a time.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import partial
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from cryptography.hazmat.primitives.asymmetric import rsa

from config.model import Role
from supervisor.hmi.contract import Counters, Limits
from supervisor.offload import Offload, OffloadFull
from supervisor.people import People, User

ANONYMOUS: Final = User("anonymous", Role.VIEWER, frozenset())

_DECRYPT: Final = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}
_PASSWORD_BYTES_MAX: Final = 4096


@dataclass(slots=True)
class Login:
    """The desk where users show who they are."""

    people: People
    offload: Offload
    key: rsa.RSAPrivateKey
    limits: Limits
    counters: Counters
    under_way: int = 0

    async def identify(self, token: object, nonce: bytes, mode: ua.MessageSecurityMode, insecure: bool) -> User:
        """The user of an identity token.

        Args:
            nonce: the nonce this session was last given.
            insecure: the session came in by the loopback endpoint for anonymous viewers.
        Raises:
            ServiceError: BadIdentityTokenRejected, BadIdentityTokenInvalid, BadUserAccessDenied,
                BadTooManyOperations (too many passwords are being checked; try again).
        """
        if insecure:
            if isinstance(token, ua.AnonymousIdentityToken):
                self.counters.logins += 1
                return ANONYMOUS
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        if not isinstance(token, ua.UserNameIdentityToken):
            self.counters.rejected_logins += 1
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        if self.under_way >= self.limits.logins:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        self.under_way += 1
        try:
            user = await self.offload.run(partial(self._check, token, nonce, mode))
        except OffloadFull as error:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations) from error
        except ServiceError:
            self.counters.rejected_logins += 1
            raise
        finally:
            self.under_way -= 1
        if user is None:
            self.counters.rejected_logins += 1
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        self.counters.logins += 1
        return user

    def _check(self, token: ua.UserNameIdentityToken, nonce: bytes, mode: ua.MessageSecurityMode) -> User | None:
        """Runs in a thread: asymmetric decryption and scrypt."""
        return self.people.authenticate(token.UserName or "", self._password(token, nonce, mode))

    def _password(self, token: ua.UserNameIdentityToken, nonce: bytes, mode: ua.MessageSecurityMode) -> str:
        secret = token.Password or b""
        if isinstance(secret, str):
            secret = secret.encode()
        if token.EncryptionAlgorithm:
            secret = self._decrypted(token.EncryptionAlgorithm, secret, nonce)
        elif mode != ua.MessageSecurityMode.SignAndEncrypt:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        if len(secret) > _PASSWORD_BYTES_MAX:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        try:
            return secret.decode()
        except UnicodeDecodeError as error:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from error

    def _decrypted(self, algorithm: str, secret: bytes, nonce: bytes) -> bytes:
        """Password out of the encrypted secret: length, password, nonce. Source: OPC 10000-4, 7.41.2.2."""
        if (decrypt := _DECRYPT.get(algorithm)) is None:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        try:
            plain = decrypt(self.key, secret)
        except ValueError as error:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from error
        length = int.from_bytes(plain[:4], "little")
        body = plain[4 : 4 + length]
        split = len(body) - len(nonce)
        if len(body) != length or split < 0 or not hmac.compare_digest(body[split:], nonce):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        return body[:split]
