# SPDX-License-Identifier: Apache-2.0
"""Identity tokens: which ones give a user, and which ones are worth nothing. Source: OPC 10000-4, 7.41."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from config.model import Role
from config.words import NS_PER_S
from supervisor.backoff import FREE_PAIR
from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.entrance.login import ANONYMOUS, BY_CERTIFICATE, BY_NAME, Claim, Login, LoginRefused
from supervisor.hmi.entrance.trust import fingerprint
from supervisor.offload import Offload
from supervisor.people import People, User, hash_password
from tests.certificates import Made, key, make

NOW = datetime(2026, 7, 1, tzinfo=UTC)
KEY = key(0)
NONCE = bytes(range(32))
OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
OAEP256 = "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256"
RSA15 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
SIGN = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
PSS = "http://opcfoundation.org/UA/security/rsa-pss-sha2-256"
SERVER = b"the server's certificate"
CODES = ua.StatusCodes
USER, CARD_HOLDER = User("op", Role.OPERATOR), User("ines", Role.ENGINEER)
CARD = make("Inès", NOW, own=key(1), uri=None)
PASSWORD = "mot de passe é".encode()
HASH = hash_password(PASSWORD.decode())


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now_s: float = 0.0

    def boot_s(self) -> float:
        return self.now_s

    def wall_ns(self) -> int:
        return int((NOW.timestamp() + self.now_s) * NS_PER_S)


@pytest.fixture
def login() -> Iterator[Login]:
    people = People()
    people.add(USER, HASH)
    people.add(CARD_HOLDER, None, certificates=[fingerprint(CARD.certificate)])
    offload = Offload()
    yield Login(people, offload, KEY, Limits(logins=2), Counters(), Clock())
    offload.close()


def encrypted(password: bytes, nonce: bytes = NONCE, length: int | None = None, hash_: type = hashes.SHA1) -> bytes:
    body = password + nonce
    plain = (len(body) if length is None else length).to_bytes(4, "little") + body
    return KEY.public_key().encrypt(plain, padding.OAEP(padding.MGF1(hash_()), hash_(), None))


def token(secret: bytes, algorithm: str | None = OAEP, name: str = "op") -> ua.UserNameIdentityToken:
    return ua.UserNameIdentityToken(BY_NAME, name, secret, algorithm)


def claim(shown: object, signature: Any = None, **circumstances: Any) -> Claim:
    usual = {"nonce": NONCE, "encryption": OAEP, "signing": SIGN, "server_certificate": SERVER, "address": "desk"}
    return Claim(shown, signature, **{**usual, **circumstances})


def outcome(login: Login, shown: object, signature: Any = None, **circumstances: Any) -> User | int:
    async def main() -> User | int:
        try:
            return await login.identify(claim(shown, signature, **circumstances))
        except ServiceError as error:
            return int(error.code)

    return asyncio.run(main())


def test_the_right_password_in_the_wrapping_of_the_channel_s_policy(login: Login) -> None:
    assert outcome(login, token(encrypted(PASSWORD))) == USER
    assert outcome(login, token(encrypted(PASSWORD, hash_=hashes.SHA256), OAEP256), encryption=OAEP256) == USER
    assert (login.counters.logins, login.counters.rejected_logins) == (2, 0)


@pytest.mark.parametrize("algorithm", [None, "", RSA15, OAEP256])
def test_another_wrapping_than_the_policy_s_is_refused(login: Login, algorithm: str | None) -> None:
    assert outcome(login, token(PASSWORD, algorithm)) == CODES.BadIdentityTokenInvalid
    assert outcome(login, token(PASSWORD, algorithm), encryption=algorithm or "") == CODES.BadIdentityTokenInvalid


def test_wrong_names_and_passwords_are_told_alike(login: Login) -> None:
    assert outcome(login, token(encrypted(b"wrong"))) == CODES.BadUserAccessDenied
    assert outcome(login, token(encrypted(PASSWORD), name="nobody")) == CODES.BadUserAccessDenied
    assert outcome(login, token(encrypted(b""))) == CODES.BadUserAccessDenied
    assert outcome(login, token(encrypted(PASSWORD), name="ines")) == CODES.BadUserAccessDenied  # she has no password
    assert login.counters.rejected_logins == 4


def test_a_recorded_secret_is_worth_nothing_with_another_nonce(login: Login) -> None:
    assert outcome(login, token(encrypted(PASSWORD, b"\0" * 32))) == CODES.BadIdentityTokenInvalid
    assert outcome(login, token(encrypted(PASSWORD, b""))) == CODES.BadIdentityTokenInvalid


@pytest.mark.parametrize(
    "secret",
    [
        encrypted(PASSWORD, length=5),
        encrypted(PASSWORD, length=2**31),
        encrypted(b"\xff\xfe"),
        b"not encrypted",
        b"",
        b"x" * 5000,
        None,
    ],
)
def test_malformed_secrets_are_refused_not_raised(login: Login, secret: bytes) -> None:
    assert outcome(login, token(secret)) == CODES.BadIdentityTokenInvalid


def test_what_may_not_be_used_at_all(login: Login) -> None:
    assert outcome(login, ua.AnonymousIdentityToken()) == CODES.BadIdentityTokenRejected
    assert outcome(login, ua.IssuedIdentityToken()) == CODES.BadIdentityTokenRejected
    assert outcome(login, None) == CODES.BadIdentityTokenRejected
    strange = ua.UserNameIdentityToken("another policy", "op", encrypted(PASSWORD), OAEP)
    assert outcome(login, strange) == CODES.BadIdentityTokenInvalid
    assert outcome(login, token(encrypted(PASSWORD), name="x" * 65)) == CODES.BadIdentityTokenInvalid


def test_the_loopback_door_knows_the_anonymous_viewer_only(login: Login) -> None:
    assert outcome(login, ua.AnonymousIdentityToken(), insecure=True) is ANONYMOUS
    assert not ANONYMOUS.may_write("21605") and not ANONYMOUS.may_read_personal()
    assert outcome(login, token(encrypted(PASSWORD)), insecure=True) == CODES.BadIdentityTokenRejected


# --- guessing ---------------------------------------------------------------------------------------------------------


def test_who_fails_too_often_is_not_even_looked_at(login: Login) -> None:
    for _ in range(FREE_PAIR):
        assert outcome(login, token(encrypted(b"wrong"))) == CODES.BadUserAccessDenied
    assert outcome(login, token(encrypted(PASSWORD))) == CODES.BadUserAccessDenied
    assert login.counters.held_logins == 1
    assert outcome(login, token(encrypted(PASSWORD)), address="another desk") == USER
    login.clock.now_s += 1.0  # type: ignore[attr-defined]
    assert outcome(login, token(encrypted(PASSWORD))) == USER


def test_a_flood_of_logins_is_turned_away_at_the_bound(login: Login) -> None:
    async def main() -> list[object]:
        attempts = [login.identify(claim(token(encrypted(b"wrong")), address=f"desk {n}")) for n in range(6)]
        return await asyncio.gather(*attempts, return_exceptions=True)

    codes = [e.code for e in asyncio.run(main()) if isinstance(e, ServiceError)]
    assert codes.count(CODES.BadTooManyOperations) == 4
    assert login.under_way == 0
    assert outcome(login, token(encrypted(PASSWORD))) == USER


def test_the_reason_is_for_the_journal_alone(login: Login) -> None:
    async def main() -> None:
        with pytest.raises(LoginRefused) as refusal:
            await login.identify(claim(token(encrypted(b"wrong"))))
        assert (refusal.value.who, refusal.value.why) == ("op", "wrong name or password")

    asyncio.run(main())


# --- certificates of people -------------------------------------------------------------------------------------------


def signed(made: Made, algorithm: str = SIGN, data: bytes = SERVER + NONCE) -> ua.SignatureData:
    pad: Any = padding.PKCS1v15()
    if algorithm == PSS:
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return ua.SignatureData(algorithm, made.key.sign(data, pad, hashes.SHA256()))


def card(made: Made = CARD) -> ua.X509IdentityToken:
    return ua.X509IdentityToken(BY_CERTIFICATE, made.der)


def test_a_certificate_that_users_yaml_names_logs_its_holder_in(login: Login) -> None:
    assert outcome(login, card(), signed(CARD)) == CARD_HOLDER
    assert outcome(login, card(), signed(CARD, PSS), signing=PSS) == CARD_HOLDER


def test_the_certificate_alone_is_not_enough(login: Login) -> None:
    other = Made(CARD.certificate, key(2))
    for signature in (None, ua.SignatureData(SIGN, b""), ua.SignatureData(SIGN, None), signed(other)):
        assert outcome(login, card(), signature) == CODES.BadUserSignatureInvalid
    for data in (NONCE, SERVER + bytes(32), b"another server" + NONCE):
        assert outcome(login, card(), signed(CARD, data=data)) == CODES.BadUserSignatureInvalid
    assert outcome(login, card(), signed(CARD, PSS)) == CODES.BadUserSignatureInvalid  # not the channel's algorithm


def test_whose_certificate_is_nobody_s_or_no_longer_good(login: Login) -> None:
    stranger = make("stranger", NOW, own=key(2))
    assert outcome(login, card(stranger), signed(stranger)) == CODES.BadUserAccessDenied
    weak = make("weak", NOW, own=key(9, 1024))
    assert outcome(login, card(weak), signed(weak)) == CODES.BadIdentityTokenInvalid
    assert outcome(login, ua.X509IdentityToken(BY_CERTIFICATE, b"x"), signed(CARD)) == CODES.BadIdentityTokenInvalid
    login.clock.now_s += 40 * 86_400  # type: ignore[attr-defined]
    assert outcome(login, card(), signed(CARD)) == CODES.BadIdentityTokenRejected
