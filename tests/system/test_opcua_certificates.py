# SPDX-License-Identifier: Apache-2.0
"""Whose certificate opens a channel, over real sockets: what strangers learn, authorities, and trust that ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asyncua import Client, ua
from cryptography.hazmat.primitives import serialization

from config.words import NS_PER_S
from supervisor.clock import SystemClock
from supervisor.hmi.entrance.certificates import renew
from tests.certificates import URI, Made, authority, key, make, revocation_list
from tests.system.opcua_kit import Site, in_background, make_client, node_id, running

NOW = datetime.now(UTC)
CITY = authority("City", NOW)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), accept_unknown=False) as site:
        yield site


def files(folder: Path, made: Made, *issuers: Made) -> tuple[Path, Path]:
    """Certificate (with its issuers) and key as files."""
    paths = folder / "client.der", folder / "client.pem"
    paths[0].write_bytes(b"".join(m.der for m in (made, *issuers)))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(made.key.private_bytes(*pem))
    return paths


async def outcome(client: Client) -> str:
    """'connected', or the name of the error."""
    try:
        await client.connect()
    except (ua.uaerrors.UaStatusCodeError, TimeoutError, ConnectionError) as error:
        return f"{type(error).__name__}: {error}"
    await client.disconnect()
    return "connected"


def test_a_stranger_learns_nothing_whatever_is_wrong_with_it(site: Site, tmp_path: Path) -> None:
    """OPC 10000-4, 6.1.3: before the trust list is passed every refusal is BadSecurityChecksFailed."""

    async def main() -> None:
        for made in (make("stranger", NOW), make("old", NOW, days=(-9, -1)), make("weak", NOW, own=key(9, 1024))):
            before = site.server.counters.rejected_certificates
            said = await outcome(await make_client(site, files=files(tmp_path, made)))
            assert said != "connected" and "Untrusted" not in said and "TimeInvalid" not in said, said
            assert site.server.counters.rejected_certificates == before + 1

    asyncio.run(main())


def test_who_is_trusted_is_told_what_is_wrong(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        old = make("known but old", NOW, days=(-9, -1))
        (site.folder / "pki" / "trusted" / "old.der").write_bytes(old.der)
        said = await outcome(await make_client(site, files=files(tmp_path, old)))
        assert "BadCertificateTimeInvalid" in said, said

    asyncio.run(main())


def test_an_authority_admits_its_own_until_its_list_says_otherwise_and_then_they_go(site: Site, tmp_path: Path) -> None:
    """The trust list is read while the server runs; a session of somebody no longer trusted ends within seconds."""

    async def main() -> None:
        trusted = site.folder / "pki" / "trusted"
        leaf = make("issued", NOW, issuer=CITY, own=key(4))
        client = await make_client(site, files=files(tmp_path, leaf))
        (trusted / "city.der").write_bytes(CITY.der)
        assert "RevocationUnknown" in await outcome(client)
        (trusted / "city.crl").write_bytes(revocation_list(CITY, NOW))
        async with await make_client(site, files=files(tmp_path, leaf)) as inside:
            assert await inside.get_node(ua.NodeId(2258)).read_value() is not None
            assert site.server.sessions == 1
            (trusted / "city.crl").write_bytes(revocation_list(CITY, NOW, leaf))
            async with asyncio.timeout(20):
                while site.server.sessions:
                    await asyncio.sleep(0.05)
            with pytest.raises((ConnectionError, TimeoutError, ua.UaError)):
                await inside.get_node(ua.NodeId(2258)).read_value()
        assert "BadCertificateRevoked" in await outcome(await make_client(site, files=files(tmp_path, leaf)))

    asyncio.run(main())


def test_a_session_survives_the_renewal_of_its_channel_with_the_same_certificate(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        made = make("renewing", NOW)
        assert URI in str(made.certificate.extensions)
        (site.folder / "pki" / "trusted" / "renewing.der").write_bytes(made.der)
        site.set("21605/CAB-0001/Double", 2.5)
        async with await make_client(site, files=files(tmp_path, made)) as client:
            for _ in range(3):
                await client.open_secure_channel(renew=True)
                assert await client.get_node(node_id("21605/CAB-0001/Double")).read_value() == 2.5

    asyncio.run(main())


def test_a_certificate_that_expires_while_its_session_stands_is_refused_at_the_next_renewal(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        made = make("expiring", NOW)
        (site.folder / "pki" / "trusted" / "expiring.der").write_bytes(made.der)
        running = site.server._running
        assert running is not None
        client = await make_client(site, files=files(tmp_path, made))
        await client.connect()
        monkeypatch.setattr(running.engine, "clock", _Later())
        before = site.server.counters.rejected_certificates
        with pytest.raises((ConnectionError, TimeoutError, ua.UaError)):
            await client.open_secure_channel(renew=True)
        assert site.server.counters.rejected_certificates == before + 1
        with contextlib.suppress(ConnectionError, TimeoutError, ua.UaError):
            await client.disconnect()
        async with asyncio.timeout(20):
            while site.server.sessions:
                await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_renewed_certificate_is_taken_up_and_a_new_key_ends_what_is_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as site:
            pki, path = site.server._settings.state_dir / "pki", Path(site.server.certificate_path)
            inside = await make_client(site, "op")
            await inside.connect()
            for new_key in (False, True):
                former = path.read_bytes()
                renew(pki, time.time_ns(), with_new_key=new_key)
                await site.server.renew_identity(new_key)
                assert path.read_bytes() != former
                if not new_key:
                    await inside.get_node(ua.NodeId(2258)).read_value()  # who is inside goes on
                async with await make_client(site, "op") as late:
                    (first, *_) = await late.get_endpoints()
                    assert first.ServerCertificate == path.read_bytes()
            with pytest.raises((ConnectionError, TimeoutError, ua.UaError)):
                await inside.get_node(ua.NodeId(2258)).read_value()
            with contextlib.suppress(ConnectionError, TimeoutError, ua.UaError):
                await inside.disconnect()

    asyncio.run(main())


def test_an_expired_certificate_of_the_server_is_said_in_one_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as site:
            assert site.server.errors() == [] and (site.server.certificate_days() or 0) > 1_800
            site.server._clock = _Later()
            (said,) = site.server.errors()
            assert said.startswith("the server's own OPC UA certificate expired on ") and "vigie certs renew" in said
            assert site.server.certificate_days() == 0

    asyncio.run(main())


class _Later(SystemClock):
    """Six years from now."""

    def wall_ns(self) -> int:
        return super().wall_ns() + 6 * 366 * 86_400 * NS_PER_S
