# SPDX-License-Identifier: Apache-2.0
"""A secure channel opens once, renews with fresh nonces, and its tokens expire. Source: OPC 10000-4, 5.5.2."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256, SecurityPolicyFactory

from supervisor.hmi.entrance.channel import GRACE, LIFETIME_MS, Channel, ChannelLimits
from tests.certificates import key, make

CODES = ua.StatusCodes
MODE = ua.MessageSecurityMode
ISSUE, RENEW = ua.SecurityTokenRequestType.Issue, ua.SecurityTokenRequestType.Renew
NOW = datetime(2026, 7, 1, tzinfo=UTC)
SERVER, CLIENT = make("server", NOW), make("client", NOW, own=key(1))
URI = SecurityPolicyBasic256Sha256.URI


class Server:
    """Gives channel numbers."""

    number = 0

    def get_new_channel_id(self) -> int:
        self.number += 1
        return self.number


class Post:
    """A channel of a server that offers one policy in one mode, and a clock."""

    def __init__(self, mode: MODE = MODE.SignAndEncrypt) -> None:
        self.now_s = 1000.0
        self.server = Server()
        self.channel = Channel(ChannelLimits(), lambda: self.now_s)
        factory = SecurityPolicyFactory(SecurityPolicyBasic256Sha256, mode, SERVER.certificate, SERVER.key)
        self.channel.set_policy_factories([factory])
        self.channel.select_policy(URI, CLIENT.der, mode)
        self.nonces = 0

    def ask(self, kind: Any = ISSUE, mode: Any = MODE.SignAndEncrypt, life_ms: int = 600_000, **more: Any) -> Any:
        self.nonces += 1
        params = ua.OpenSecureChannelParameters(0, kind, mode, more.get("nonce", bytes([self.nonces]) * 32), life_ms)
        return self.channel.open(params, self.server).SecurityToken

    def use(self, token: int) -> None:
        self.channel._check_sym_header(ua.SymmetricAlgorithmHeader(token))


def code(call: Any, *arguments: Any, **more: Any) -> int:
    with pytest.raises(ServiceError) as refusal:
        call(*arguments, **more)
    return int(refusal.value.code)


@pytest.mark.parametrize(("asked", "given"), [(0, LIFETIME_MS[0]), (600_000, 600_000), (2**32 - 1, LIFETIME_MS[1])])
def test_the_lifetime_is_clamped(asked: int, given: int) -> None:
    post = Post()
    assert post.ask(life_ms=asked).RevisedLifetime == given
    assert post.channel.expires_s == 1000 + GRACE * given / 1000


def test_tokens_are_not_guessed_from_one_channel_to_the_next() -> None:
    assert len({Post().ask().TokenId for _ in range(8)}) == 8


def test_a_channel_opens_once_and_renews_only_when_it_is_open() -> None:
    post = Post()
    assert code(post.ask, RENEW) == CODES.BadRequestTypeInvalid
    first = post.ask()
    assert code(post.ask, ISSUE) == CODES.BadRequestTypeInvalid
    second = post.ask(RENEW)
    assert (second.ChannelId, second.TokenId) == (first.ChannelId, first.TokenId + 1)


def test_the_mode_stays_what_it_was() -> None:
    post = Post()
    assert code(post.ask, mode=MODE.Sign) == CODES.BadSecurityModeRejected
    post.ask()
    assert code(post.ask, RENEW, mode=MODE.None_) == CODES.BadSecurityModeRejected


@pytest.mark.parametrize("nonce", [None, b"", b"x" * 31, b"x" * 33])
def test_a_nonce_has_the_length_of_its_policy(nonce: bytes | None) -> None:
    assert code(Post().ask, nonce=nonce) == CODES.BadNonceInvalid


def test_a_nonce_is_used_once() -> None:
    post = Post()
    post.ask(nonce=b"n" * 32)
    assert code(post.ask, RENEW, nonce=b"n" * 32) == CODES.BadNonceInvalid


def test_a_token_ends_a_quarter_after_its_lifetime_and_a_renewal_lengthens_the_channel() -> None:
    post = Post()
    first = post.ask(life_ms=60_000).TokenId
    post.now_s += 50
    second = post.ask(RENEW, life_ms=60_000).TokenId
    post.use(first)  # the client goes on with the old one until it has the answer
    post.now_s += 25
    post.use(first)
    post.now_s += 0.1
    assert code(post.use, first) == CODES.BadSecureChannelTokenUnknown
    post.use(second)
    assert post.channel.expires_s == 1050 + 75
    post.now_s = 1125.1
    assert code(post.use, second) == CODES.BadSecureChannelTokenUnknown


def test_tokens_that_never_were_and_those_long_replaced_are_unknown() -> None:
    post = Post()
    first = post.ask().TokenId
    assert code(post.use, first + 1) == CODES.BadSecureChannelTokenUnknown
    for _ in range(3):
        post.use(post.ask(RENEW).TokenId)
    assert code(post.use, first) == CODES.BadSecureChannelTokenUnknown


def test_what_is_not_offered_is_refused_with_its_own_code() -> None:
    post = Post(MODE.SignAndEncrypt)
    other = "http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15"
    assert code(post.channel.select_policy, other, CLIENT.der) == CODES.BadSecurityPolicyRejected
    assert code(post.channel.select_policy, URI, CLIENT.der, MODE.Sign) == CODES.BadSecurityModeRejected


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        (ua.Hello(0, 8191, 65535, 0, 0, "x"), CODES.BadConnectionRejected),
        (ua.Hello(0, 65535, 0, 0, 0, "x"), CODES.BadConnectionRejected),
        (ua.Hello(0, 65535, 65535, 0, 0, "x" * 4097), CODES.BadTcpEndpointUrlInvalid),
    ],
)
def test_hello_has_its_bounds(hello: ua.Hello, expected: int) -> None:
    assert code(ChannelLimits().create_acknowledge_and_set_limits, hello) == expected
