# SPDX-License-Identifier: Apache-2.0
"""Who gets in: passwords, certificates, tokens, and what a channel without security may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from supervisor.hmi.contract import Limits
from supervisor.hmi.entrance.login import Login
from tests.system.opcua_kit import Site, client_certificate, in_background, make_client, node_id

CODES = ua.StatusCodes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """As `run` does it: unknown client certificates are rejected."""
    limits = Limits(sessions=8, unactivated=3)
    folder = tmp_path_factory.mktemp("opcua")
    with in_background(folder, insecure=True, accept_unknown=False, limits=limits) as site:
        trust(site, client_certificate(folder / "client")[0])
        yield site


def trust(site: Site, certificate: Path) -> None:
    (site.folder / "pki" / "trusted" / certificate.name).write_bytes(certificate.read_bytes())


async def refused(client: Client) -> str:
    """Name of the error a connection ends with."""
    try:
        await client.connect()
    except ua.uaerrors.UaStatusCodeError as error:
        return type(error).__name__
    except (TimeoutError, ConnectionError) as error:
        return type(error).__name__
    await client.disconnect()
    return "connected"


def test_name_and_password_open_the_door_and_nothing_else_does(site: Site) -> None:
    async def main() -> None:
        assert await refused(await make_client(site, "op")) == "connected"
        before = site.server.counters.rejected_logins
        assert await refused(await make_client(site, "op", "wrong")) == "BadUserAccessDenied"
        assert await refused(await make_client(site, "nobody", "x")) == "BadUserAccessDenied"
        assert await refused(await make_client(site, "op", "")) == "BadIdentityTokenInvalid"  # not even encrypted
        anonymous = await make_client(site, "op")
        anonymous._username = anonymous._password = None
        assert await refused(anonymous) != "connected"
        assert site.server.counters.rejected_logins >= before + 3

    asyncio.run(main())


def test_a_sign_only_channel_carries_no_password_in_the_clear(site: Site) -> None:
    async def main() -> None:
        client = await make_client(site, "op", mode=ua.MessageSecurityMode.Sign)
        assert await refused(client) == "connected"  # it was encrypted with the server's key
        clear = await make_client(site, "op", mode=ua.MessageSecurityMode.Sign)
        clear._encrypt_password = lambda password, policy: (password.encode(), "")
        assert await refused(clear) == "BadIdentityTokenInvalid"

    asyncio.run(main())


def test_an_unknown_certificate_is_kept_for_the_engineer_and_refused(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        files = client_certificate(tmp_path, name="stranger")
        before = site.server.counters.rejected_certificates
        assert await refused(await make_client(site, files=files)) != "connected"
        assert site.server.counters.rejected_certificates > before
        kept = [p for p in (site.folder / "pki" / "rejected").glob("*.der") if p.read_bytes() == files[0].read_bytes()]
        assert len(kept) == 1
        kept[0].rename(site.folder / "pki" / "trusted" / kept[0].name)
        assert await refused(await make_client(site, files=files)) == "connected"

    asyncio.run(main())


def test_leaving_the_certificate_out_of_createsession_goes_round_nothing(site: Site, tmp_path: Path) -> None:
    """The bypass of asyncua's own server: trust asked only when CreateSession names a certificate."""

    async def main() -> None:
        files = client_certificate(tmp_path, name="evil")
        evil = await make_client(site, files=files)
        strip_certificate(evil)
        assert await refused(evil) != "connected"
        known = await make_client(site)
        strip_certificate(known)
        assert await refused(known) == "BadCertificateInvalid"

    asyncio.run(main())


def strip_certificate(client: Client) -> None:
    send = client.uaclient.create_session

    async def stripped(params: ua.CreateSessionParameters) -> Any:
        params.ClientCertificate = None
        return await send(params)

    client.uaclient.create_session = stripped  # type: ignore[method-assign]


def test_a_client_must_be_who_its_certificate_says(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        files = client_certificate(tmp_path, uri="urn:someone:else", name="else")
        trust(site, files[0])
        assert await refused(await make_client(site, files=files)) == "BadCertificateUriInvalid"

    asyncio.run(main())


def test_without_security_only_discovery_answers(site: Site) -> None:
    async def main() -> None:
        client = Client(site.server.endpoint, timeout=5)
        endpoints = await client.connect_and_get_server_endpoints()
        assert {e.SecurityMode for e in endpoints} == {
            ua.MessageSecurityMode.Sign,
            ua.MessageSecurityMode.SignAndEncrypt,
        }
        assert {t.TokenType for e in endpoints for t in e.UserIdentityTokens} == {
            ua.UserTokenType.UserName,
            ua.UserTokenType.Certificate,
        }
        assert all(e.EndpointUrl == site.server.endpoint for e in endpoints)
        await client.connect_sessionless()
        try:
            for make in (ua.CreateSessionRequest, ua.ReadRequest, ua.RegisterServerRequest):
                with pytest.raises(ua.uaerrors.BadSecurityModeInsufficient):
                    await client.uaclient.protocol.send_request(make())
        finally:
            await client.disconnect_sessionless()

    asyncio.run(main())


def test_the_loopback_door_lets_an_anonymous_viewer_look_but_not_touch(site: Site) -> None:
    async def main() -> None:
        assert site.server.insecure_endpoint is not None
        async with Client(site.server.insecure_endpoint) as client:
            site.set("21605/CAB-0001/Double", 1.5)
            node = client.get_node(node_id("21605/CAB-0001/Double"))
            assert await node.read_value() == 1.5
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await node.write_value(ua.DataValue(ua.Variant(2.0, ua.VariantType.Double)))
            with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                await client.get_node(node_id("21605/CAM-0001/Plate")).read_value()
        named = Client(site.server.insecure_endpoint)
        named.set_user("op")
        named.set_password("op-pass")
        assert await refused(named) != "connected"

    asyncio.run(main())


def test_tokens_are_random_and_another_connections_session_is_not_served(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site, "op") as victim, await make_client(site, "view") as thief:
            tokens = [c.uaclient.protocol.authentication_token for c in (victim, thief)]
            assert all(t.NodeIdType is ua.NodeIdType.ByteString and len(t.Identifier) == 32 for t in tokens)
            thief.uaclient.protocol.authentication_token = tokens[0]
            with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
                await thief.get_node(ua.NodeId(2258)).read_value()
            thief.uaclient.protocol.authentication_token = tokens[1]

    asyncio.run(main())


def test_a_session_cannot_be_taken_to_a_channel_of_another_certificate(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        files = client_certificate(tmp_path, name="second")
        trust(site, files[0])
        async with await make_client(site, "op") as victim:
            thief = await make_client(site, "op", files=files)
            await thief.connect_socket()
            await thief.send_hello()
            await thief.open_secure_channel()
            thief.uaclient.protocol.authentication_token = victim.uaclient.protocol.authentication_token
            with pytest.raises(ua.uaerrors.BadSecurityChecksFailed):
                await thief.uaclient.protocol.send_request(ua.ActivateSessionRequest())
            await thief.close_secure_channel()
            thief.disconnect_socket()
            assert await victim.get_node(ua.NodeId(2258)).read_value() is not None

    asyncio.run(main())


def test_a_session_that_ends_while_its_user_is_checked_stays_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would live on beside all bounds: counted by nobody, ended by nothing."""

    async def main() -> None:
        running = site.server._running
        assert running is not None
        engine, identify = running.engine, Login.identify

        async def slowly(self: Login, claim: Any) -> Any:
            for session in engine.sessions:
                await session.close_session(True)
            return await identify(self, claim)

        monkeypatch.setattr(Login, "identify", slowly)
        assert await refused(await make_client(site, "op")) == "BadSessionClosed"
        monkeypatch.undo()
        assert site.server.sessions == 0
        assert await refused(await make_client(site, "op")) == "connected"

    asyncio.run(main())


def test_sessions_that_never_log_in_are_bounded_and_leave_nothing(site: Site) -> None:
    """The oldest gives way, so that nobody is kept out by who only waits. Source: OPC 10000-4, 5.6.2.2."""

    async def main() -> None:
        idle = []
        for _ in range(3):
            client = await make_client(site)
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            await client.create_session()  # a second one on the same connection replaces the first
            idle.append(client)
        assert site.server.sessions == 3
        assert await refused(await make_client(site)) == "connected"
        assert (site.server.sessions, site.server.counters.dropped_sessions) == (2, 1)
        for client in idle:
            client.disconnect_socket()
        async with asyncio.timeout(5):
            while site.server.sessions:
                await asyncio.sleep(0.05)
        assert await refused(await make_client(site)) == "connected"

    asyncio.run(main())


def test_reconnecting_with_the_same_certificate_gets_session_and_subscription_back(site: Site) -> None:
    async def main() -> None:
        site.set("21605/CAB-0001/Double", 1.0)
        values: list[float] = []
        arrived = asyncio.Event()

        class Handler:
            def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
                values.append(value)
                arrived.set()

        client = await make_client(site)
        await client.connect(auto_reconnect=True)
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_data_change(client.get_node(node_id("21605/CAB-0001/Double")), queuesize=1)
        async with asyncio.timeout(20):
            await arrived.wait()
            client.uaclient.protocol.transport.abort()
            site.set("21605/CAB-0001/Double", 2.0)
            while 2.0 not in values:
                arrived.clear()
                await arrived.wait()
        assert site.server.sessions == 1  # the old session was taken up again, not replaced
        await client.disconnect()
        assert site.server.subscriptions == 0

    asyncio.run(main())
