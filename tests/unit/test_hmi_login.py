# SPDX-License-Identifier: Apache-2.0
"""Identity tokens: which ones give a user, and which ones are worth nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from config.model import Role
from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.login import ANONYMOUS, Login
from supervisor.offload import Offload
from supervisor.people import People, User, hash_password

KEY = rsa.generate_private_key(65537, 2048)
NONCE = bytes(range(32))
OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
OAEP256 = "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256"
RSA15 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
MODE, CODES = ua.MessageSecurityMode, ua.StatusCodes
USER = User("op", Role.OPERATOR)


@pytest.fixture
def login() -> Iterator[Login]:
    people = People()
    people.add(USER, hash_password("mot de passe é"))
    offload = Offload()
    yield Login(people, offload, KEY, Limits(logins=2), Counters())
    offload.close()


def encrypted(password: bytes, nonce: bytes = NONCE, length: int | None = None, hash_: type = hashes.SHA1) -> bytes:
    body = password + nonce
    plain = (len(body) if length is None else length).to_bytes(4, "little") + body
    return KEY.public_key().encrypt(plain, padding.OAEP(padding.MGF1(hash_()), hash_(), None))


def token(password: bytes, algorithm: str | None = None, name: str = "op") -> ua.UserNameIdentityToken:
    return ua.UserNameIdentityToken("username", name, password, algorithm)


def outcome(login: Login, shown: object, mode: ua.MessageSecurityMode = MODE.SignAndEncrypt) -> User | int:
    async def main() -> User | int:
        try:
            return await login.identify(shown, NONCE, mode, False)
        except ServiceError as error:
            return int(error.code)

    return asyncio.run(main())


PASSWORD = "mot de passe é".encode()


def test_the_right_password_in_every_lawful_wrapping(login: Login) -> None:
    assert outcome(login, token(PASSWORD)) == USER
    assert outcome(login, token(encrypted(PASSWORD), OAEP)) == USER
    assert outcome(login, token(encrypted(PASSWORD), OAEP), MODE.Sign) == USER
    assert outcome(login, token(encrypted(PASSWORD, hash_=hashes.SHA256), OAEP256), MODE.Sign) == USER
    assert (login.counters.logins, login.counters.rejected_logins) == (4, 0)


def test_wrong_names_and_passwords_are_told_alike(login: Login) -> None:
    assert outcome(login, token(b"wrong")) == CODES.BadUserAccessDenied
    assert outcome(login, token(PASSWORD, name="nobody")) == CODES.BadUserAccessDenied
    assert outcome(login, token(b"")) == CODES.BadUserAccessDenied
    assert login.counters.rejected_logins == 3


def test_a_recorded_secret_is_worth_nothing_with_another_nonce(login: Login) -> None:
    assert outcome(login, token(encrypted(PASSWORD, b"\0" * 32), OAEP)) == CODES.BadIdentityTokenInvalid
    assert outcome(login, token(encrypted(PASSWORD, b""), OAEP)) == CODES.BadIdentityTokenInvalid


@pytest.mark.parametrize(
    ("secret", "algorithm"),
    [
        (encrypted(PASSWORD, length=5), OAEP),
        (encrypted(PASSWORD, length=2**31), OAEP),
        (b"not encrypted", OAEP),
        (b"", OAEP),
        (encrypted(b"\xff\xfe"), OAEP),
        (b"\xff\xfe", None),
        (b"x" * 5000, None),
    ],
)
def test_malformed_secrets_are_refused_not_raised(login: Login, secret: bytes, algorithm: str | None) -> None:
    assert outcome(login, token(secret, algorithm)) == CODES.BadIdentityTokenInvalid


def test_what_may_not_be_used_at_all(login: Login) -> None:
    assert outcome(login, token(PASSWORD), MODE.Sign) == CODES.BadIdentityTokenInvalid
    assert outcome(login, token(encrypted(PASSWORD), RSA15)) == CODES.BadIdentityTokenRejected
    assert outcome(login, ua.AnonymousIdentityToken()) == CODES.BadIdentityTokenRejected
    assert outcome(login, ua.X509IdentityToken()) == CODES.BadIdentityTokenRejected
    assert login.counters.rejected_logins == 4


def test_the_loopback_door_knows_the_anonymous_viewer_only(login: Login) -> None:
    async def main() -> None:
        user = await login.identify(ua.AnonymousIdentityToken(), NONCE, MODE.None_, True)
        assert user is ANONYMOUS
        assert not user.may_write("21605") and not user.may_read_personal()
        with pytest.raises(ServiceError):
            await login.identify(token(PASSWORD), NONCE, MODE.None_, True)

    asyncio.run(main())


def test_a_flood_of_logins_is_turned_away_at_the_bound(login: Login) -> None:
    async def main() -> list[object]:
        attempts = [login.identify(token(b"wrong"), NONCE, MODE.SignAndEncrypt, False) for _ in range(6)]
        return await asyncio.gather(*attempts, return_exceptions=True)

    codes = [e.code for e in asyncio.run(main()) if isinstance(e, ServiceError)]
    assert codes.count(CODES.BadTooManyOperations) == 4
    assert login.under_way == 0
    assert outcome(login, token(PASSWORD)) == USER
