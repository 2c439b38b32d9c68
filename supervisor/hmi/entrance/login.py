# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_login.py, tests/system/test_opcua_login.py
"""Who is logging in: identity tokens -> users.

Law of this file: name and password, or a certificate that users.yaml names; nothing else. A password is encrypted by
the channel's policy and carries this session's nonce, so that a recorded token is worth nothing. Hashing runs off the
loop, a bounded number at a time; whoever has failed too often waits and costs nothing.
Source: OPC 10000-4, 5.7.3 and 7.41.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from config.model import Role
from config.words import NS_PER_S, Clock
from supervisor.backoff import BackOff
from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.entrance.judge import Untrusted, check_algorithms, check_time
from supervisor.hmi.entrance.trust import fingerprint
from supervisor.offload import Offload, OffloadFull
from supervisor.people import People, User

ANONYMOUS: Final = User("anonymous", Role.VIEWER, frozenset())

BY_NAME, BY_CERTIFICATE, BY_NOBODY = "username", "certificate", "anonymous"  # PolicyIds of our token policies

_DECRYPT: Final = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}
_VERIFY: Final[dict[str, Callable[..., None]]] = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": uacrypto.verify_sha256,
    "http://opcfoundation.org/UA/security/rsa-pss-sha2-256": uacrypto.verify_pss_sha256,
}
_PASSWORD_BYTES_MAX: Final = 4096
_NAME_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody shows, and the circumstances.

    Attributes:
        nonce: the one this session was last given.
        encryption, signing: algorithms that the channel's policy prescribes.
        server_certificate: as the client knows it (DER); a user's signature covers it.
        address: where they come from.
        insecure: the session came in by the loopback endpoint for anonymous viewers.
    """

    token: object
    signature: Any
    nonce: bytes
    encryption: str
    signing: str
    server_certificate: bytes
    address: str
    insecure: bool = False


class LoginRefused(ServiceError):
    """Nobody logged in. `who`: the name that was shown, '' for none; `why`: for the journal, never for the client."""

    def __init__(self, code: int, who: str, why: str) -> None:
        super().__init__(code)
        self.who = who[:_NAME_LENGTH_MAX]
        self.why = why


@dataclass(slots=True)
class Login:
    """The desk where users show who they are.

    Attributes:
        offload: for hashing alone, so that a rush of logins never holds up the disk.
        under_way: passwords being checked.
    """

    people: People
    offload: Offload
    key: rsa.RSAPrivateKey
    limits: Limits
    counters: Counters
    clock: Clock
    back_off: BackOff = field(default_factory=BackOff)
    under_way: int = 0

    async def identify(self, claim: Claim) -> User:
        """The user of an identity token.

        Raises:
            LoginRefused: BadIdentityTokenRejected: of a kind not offered here; BadIdentityTokenInvalid: malformed;
                BadUserSignatureInvalid; BadUserAccessDenied: wrong, unknown, or too many failures before;
                BadTooManyOperations: too many passwords are being checked.
        """
        try:
            user = await self._identify(claim)
        except LoginRefused:
            self.counters.rejected_logins += 1
            raise
        self.counters.logins += 1
        return user

    async def _identify(self, claim: Claim) -> User:
        token = claim.token
        policy_id = getattr(token, "PolicyId", None)
        if claim.insecure:
            if isinstance(token, ua.AnonymousIdentityToken):
                return ANONYMOUS
        elif isinstance(token, ua.UserNameIdentityToken):
            self._check_policy(policy_id, BY_NAME)
            return await self._by_name(token, claim)
        elif isinstance(token, ua.X509IdentityToken):
            self._check_policy(policy_id, BY_CERTIFICATE)
            return self._by_certificate(token, claim)
        raise LoginRefused(ua.StatusCodes.BadIdentityTokenRejected, "", f"{type(token).__name__} is not offered here")

    @staticmethod
    def _check_policy(shown: str | None, offered: str) -> None:
        if shown != offered:
            raise LoginRefused(ua.StatusCodes.BadIdentityTokenInvalid, "", "it names a token policy not offered here")

    # -- name and password ------------------------------------------------------------------------------------------

    async def _by_name(self, token: ua.UserNameIdentityToken, claim: Claim) -> User:
        name, denied = token.UserName or "", ua.StatusCodes.BadUserAccessDenied
        if len(name) > _NAME_LENGTH_MAX:
            raise LoginRefused(ua.StatusCodes.BadIdentityTokenInvalid, name, "a name too long to be one")
        if self.back_off.wait_s(name, claim.address, self.clock.boot_s()):
            self.counters.held_logins += 1
            raise LoginRefused(denied, name, "too many failures before; not looked at")
        if self.under_way >= self.limits.logins:
            raise LoginRefused(ua.StatusCodes.BadTooManyOperations, name, "too many passwords are being checked")
        self.under_way += 1
        try:
            user = await self.offload.run(partial(self._check, name, token, claim))
        except OffloadFull as error:
            code = ua.StatusCodes.BadTooManyOperations
            raise LoginRefused(code, name, "too many passwords are being checked") from error
        finally:
            self.under_way -= 1
        if user is None:
            self.back_off.failed(name, claim.address, self.clock.boot_s())
            raise LoginRefused(denied, name, "wrong name or password")
        self.back_off.succeeded(name, claim.address)
        return user

    def _check(self, name: str, token: ua.UserNameIdentityToken, claim: Claim) -> User | None:
        """Runs in a thread: asymmetric decryption and scrypt."""
        return self.people.authenticate(name, self._password(name, token, claim))

    def _password(self, name: str, token: ua.UserNameIdentityToken, claim: Claim) -> str:
        """Password out of the encrypted secret: length, password, nonce. Source: OPC 10000-4, 7.41.2.2."""
        invalid = ua.StatusCodes.BadIdentityTokenInvalid
        if token.EncryptionAlgorithm != claim.encryption or claim.encryption not in _DECRYPT:
            raise LoginRefused(invalid, name, f"expected a password encrypted by {claim.encryption}")
        try:
            plain = _DECRYPT[claim.encryption](self.key, token.Password or b"")
        except (ValueError, TypeError) as error:
            raise LoginRefused(invalid, name, "the password cannot be decrypted") from error
        length = int.from_bytes(plain[:4], "little")
        body = plain[4 : 4 + length]
        split = len(body) - len(claim.nonce)
        if len(body) != length or not 0 <= split <= _PASSWORD_BYTES_MAX:
            raise LoginRefused(invalid, name, "the password is malformed")
        if not hmac.compare_digest(body[split:], claim.nonce):
            raise LoginRefused(invalid, name, "the password was encrypted for another session")
        try:
            return body[:split].decode()
        except UnicodeDecodeError as error:
            raise LoginRefused(invalid, name, "the password is no UTF-8") from error

    # -- certificate ------------------------------------------------------------------------------------------------

    def _by_certificate(self, token: ua.X509IdentityToken, claim: Claim) -> User:
        """The user whose certificate it is, if they hold its key. Source: OPC 10000-4, 7.41.3."""
        invalid = ua.StatusCodes.BadIdentityTokenInvalid
        try:
            certificate = x509.load_der_x509_certificate(token.CertificateData or b"")
            check_algorithms(certificate)
        except (ValueError, TypeError, Untrusted) as error:
            raise LoginRefused(invalid, "", f"a user's certificate is not usable: {error}") from error
        user = self.people.of_certificate(fingerprint(certificate))
        name = "" if user is None else user.name
        try:
            check_time(certificate, datetime.fromtimestamp(self.clock.wall_ns() / NS_PER_S, UTC))
        except Untrusted as error:
            raise LoginRefused(ua.StatusCodes.BadIdentityTokenRejected, name, str(error)) from error
        signature = claim.signature
        if signature is None or signature.Algorithm != claim.signing or claim.signing not in _VERIFY:
            raise LoginRefused(ua.StatusCodes.BadUserSignatureInvalid, name, f"not signed by {claim.signing}")
        try:
            _VERIFY[claim.signing](certificate, claim.server_certificate + claim.nonce, signature.Signature or b"")
        except (InvalidSignature, ValueError, TypeError) as error:
            code = ua.StatusCodes.BadUserSignatureInvalid
            raise LoginRefused(code, name, "the signature is not of this certificate's key") from error
        if user is None:
            raise LoginRefused(ua.StatusCodes.BadUserAccessDenied, "", "the certificate is no user's")
        return user
