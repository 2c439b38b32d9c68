# SPDX-License-Identifier: Apache-2.0
"""Logging in over real sockets: what endpoints offer, certificates of people, guessing, and the journal of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from cryptography.hazmat.primitives import serialization

from config.model import Role
from historian.base import Record, RecordKind
from supervisor.hmi.entrance.trust import fingerprint
from supervisor.people import User, hash_password
from tests.certificates import Made, key, make
from tests.system.opcua_kit import Site, in_background, make_client, node_id, people

CODES = ua.StatusCodes
NOW = datetime.now(UTC)
CARD = make("Ines", NOW, own=key(1), uri=None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    users = people()
    users.add(User("ines", Role.ENGINEER), None, certificates=[fingerprint(CARD.certificate)])
    users.add(User("samir", Role.SECURITY), hash_password("samir-pass"))
    with in_background(tmp_path_factory.mktemp("opcua"), users=users) as site:
        yield site


async def outcome(client: Client) -> str:
    try:
        await client.connect()
    except ua.uaerrors.UaStatusCodeError as error:
        return type(error).__name__
    await client.disconnect()
    return "connected"


def told(site: Site, user: str, part: str) -> Record:
    """The last record of a user that begins with `part`; the server writes it a moment later."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for record in reversed(site.records):
            if record.user == user and record.text.startswith(part):
                return record
        time.sleep(0.02)
    raise AssertionError([(r.user, r.text) for r in site.records])


def test_every_endpoint_says_how_one_may_log_in(site: Site) -> None:
    """OPC 10000-4, 7.42: name or certificate, by the endpoint's own policy; never as nobody."""

    async def main() -> None:
        client = Client(site.server.endpoint, timeout=10)
        endpoints = await client.connect_and_get_server_endpoints()
        assert len(endpoints) == 6
        for endpoint in endpoints:
            kinds = {(t.PolicyId, t.TokenType) for t in endpoint.UserIdentityTokens}
            assert kinds == {("username", ua.UserTokenType.UserName), ("certificate", ua.UserTokenType.Certificate)}
            assert {t.SecurityPolicyUri for t in endpoint.UserIdentityTokens} == {endpoint.SecurityPolicyUri}

    asyncio.run(main())


async def with_card(site: Site, folder: Path, made: Made) -> Client:
    client = await make_client(site)
    client._username = client._password = None
    (folder / "card.der").write_bytes(made.der)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "card.pem").write_bytes(made.key.private_bytes(*pem))
    await client.load_client_certificate(str(folder / "card.der"))
    await client.load_private_key(str(folder / "card.pem"))
    return client


def test_a_person_logs_in_with_their_certificate(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        assert await outcome(await with_card(site, tmp_path, CARD)) == "connected"
        stolen = replace(CARD, key=key(2))  # the certificate is public; its key is not
        assert await outcome(await with_card(site, tmp_path, stolen)) == "BadUserSignatureInvalid"
        stranger = make("stranger", NOW, own=key(2))
        assert await outcome(await with_card(site, tmp_path, stranger)) == "BadUserAccessDenied"

    asyncio.run(main())
    assert told(site, "ines", "logged in").data["role"] == "engineer"
    assert "key" in told(site, "ines", "not logged in").text  # whose certificate was shown is known
    assert "no user's" in told(site, "unknown", "not logged in").text


def test_tokens_of_other_authorities_are_refused(site: Site) -> None:
    async def main() -> None:
        client = await make_client(site)
        await client.connect_socket()
        try:
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            request = ua.ActivateSessionRequest()
            request.Parameters.UserIdentityToken = ua.IssuedIdentityToken("issued", b"token")
            with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
                await client.uaclient.protocol.send_request(request)
        finally:
            client.disconnect_socket()

    asyncio.run(main())


def test_the_journal_names_who_came_from_where_and_who_was_turned_away(site: Site) -> None:
    async def main() -> None:
        assert await outcome(await make_client(site, "op")) == "connected"
        assert await outcome(await make_client(site, "view", "wrong")) == "BadUserAccessDenied"

    asyncio.run(main())
    came, left = told(site, "op", "logged in"), told(site, "op", "logged out")
    assert came.kind is left.kind is RecordKind.LOGIN
    assert str(came.data["terminal"]).startswith("127.0.0.1:") and came.data["application"] == "urn:vigie:test:client"
    refused = told(site, "view", "not logged in")
    assert "wrong name or password" in refused.text and str(refused.data["terminal"]).startswith("127.0.0.1:")


def test_guessing_is_held_back_and_costs_the_server_nothing(site: Site) -> None:
    async def main() -> None:
        client = await make_client(site, "boss", "wrong")
        held = site.server.counters.held_logins
        attempts: list[Any] = [await outcome(await make_client(site, "boss", "wrong")) for _ in range(4)]
        assert attempts == ["BadUserAccessDenied"] * 4
        assert site.server.counters.held_logins > held
        assert await outcome(client) == "BadUserAccessDenied"
        assert await outcome(await make_client(site, "guest")) == "connected"  # others log in all the while

    asyncio.run(main())


class _Heard:
    """Events of a subscription."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.events.append(event)


def test_the_security_officer_hears_of_it_at_once_and_nobody_else_does(site: Site) -> None:
    """OPC 10000-5, 6.4.3: audit events on the Server object."""

    async def main() -> None:
        async with await make_client(site, "samir", "samir-pass") as officer, await make_client(site, "op") as operator:
            heard, deaf = _Heard(), _Heard()
            kind = officer.get_node(ua.NodeId(ua.ObjectIds.AuditEventType))
            for client, handler in ((officer, heard), (operator, deaf)):
                subscription = await client.create_subscription(50, handler)
                await subscription.subscribe_events(ua.NodeId(ua.ObjectIds.Server), kind)
            assert await outcome(await make_client(site, "view", "wrong again")) == "BadUserAccessDenied"
            async with asyncio.timeout(20):
                while not any(e.ClientUserId == "view" for e in heard.events):
                    await asyncio.sleep(0.05)
            refused = next(e for e in heard.events if e.ClientUserId == "view")
            assert refused.Status is False and "wrong name or password" in refused.Message.Text
            assert refused.EventType == ua.NodeId(ua.ObjectIds.AuditActivateSessionEventType)
            assert not deaf.events

    asyncio.run(main())


def test_the_officer_hears_what_those_inside_do(site: Site) -> None:
    """OPC 10000-5, 6.4: channels, sessions, writes, calls and cancelled requests; what is refused too."""

    async def main() -> None:
        async with await make_client(site, "samir", "samir-pass") as officer:
            heard = _Heard()
            subscription = await officer.create_subscription(50, heard)
            kinds = [
                officer.get_node(ua.NodeId(getattr(ua.ObjectIds, f"Audit{name}EventType")))
                for name in ("OpenSecureChannel", "CreateSession", "WriteUpdate", "UpdateMethod", "Cancel")
            ]
            await subscription.subscribe_events(ua.NodeId(ua.ObjectIds.Server), kinds)
            async with await make_client(site, "op") as operator:
                await operator.get_node(node_id("21605/CAB-0001/Int16")).write_value(
                    ua.DataValue(ua.Variant(7, ua.VariantType.Int16))
                )
                resend = ua.NodeId(ua.ObjectIds.Server_ResendData)
                with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
                    await operator.nodes.server.call_method(resend, ua.Variant(1, ua.VariantType.UInt32))
                await operator.uaclient.protocol.send_request(ua.CancelRequest(Parameters=ua.CancelParameters(99)))
            async with asyncio.timeout(20):
                while not any(e.EventType == ua.NodeId(ua.ObjectIds.AuditCancelEventType) for e in heard.events):
                    await asyncio.sleep(0.05)
            of = {e.EventType.Identifier: e for e in heard.events}
            ids = ua.ObjectIds
            channel, session = of[ids.AuditOpenSecureChannelEventType], of[ids.AuditCreateSessionEventType]
            assert len(channel.ClientCertificateThumbprint) == 40 and channel.SecurityMode == 3
            assert channel.SecurityPolicyUri.endswith("Basic256Sha256") and channel.SecureChannelId.isdigit()
            assert session.SourceName == "Session/CreateSession" and session.RevisedSessionTimeout > 0
            write = of[ids.AuditWriteUpdateEventType]
            assert (write.ClientUserId, write.Status, write.NewValue, write.AttributeId) == ("op", True, 7, 13)
            assert write.SourceNode == node_id("21605/CAB-0001/Int16") and write.SourceName == "Attribute/Write"
            method = of[ids.AuditUpdateMethodEventType]
            assert method.Status is False and method.MethodId == ua.NodeId(ids.Server_ResendData)
            assert of[ids.AuditCancelEventType].RequestHandle == 99

    asyncio.run(main())
