# SPDX-License-Identifier: Apache-2.0
"""ServerDiagnostics as a foreign client reads it: live counters, sessions as objects, secrets for one role."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, nodeid_from_binary

from config.model import Role
from supervisor.hmi.events.event import SERVER as SERVER_EVENTS
from supervisor.hmi.events.event import PlainEvent
from supervisor.hmi.model.nodes import Asker
from supervisor.people import User
from tests.system.opcua_kit import Site, in_background, make_client, node_id

IDS = ua.ObjectIds
_D = "Server_ServerDiagnostics"
SESSIONS = f"{_D}_SessionsDiagnosticsSummary_SessionDiagnosticsArray"
OFFICER = Asker(User("officer", Role.SECURITY))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("diagnostics")) as site:
        yield site


async def read(client: Client, name: str) -> object:
    return await client.get_node(ua.NodeId(getattr(IDS, name))).read_value()


class Nothing:
    def datachange_notification(self, *_: object) -> None: ...


def test_the_summary_counts_what_there_is(site: Site) -> None:
    """Source: OPC 10000-5, 12.9."""

    async def main() -> None:
        async with await make_client(site) as client:
            before = await read(client, f"{_D}_ServerDiagnosticsSummary")
            assert (before.CurrentSessionCount, before.CurrentSubscriptionCount) == (1, 0)
            async with await make_client(site, "view") as other:
                await other.create_subscription(200, Nothing())
                after = await read(client, f"{_D}_ServerDiagnosticsSummary")
                assert (after.CurrentSessionCount, after.CurrentSubscriptionCount) == (2, 1)
                assert after.CumulatedSessionCount == before.CumulatedSessionCount + 1
            with pytest.raises(ua.uaerrors.BadNothingToDo):
                await client.uaclient.read(ua.ReadParameters(0, ua.TimestampsToReturn.Both, []))
            rejected = await read(client, f"{_D}_ServerDiagnosticsSummary_RejectedRequestsCount")
            assert rejected == after.RejectedRequestsCount + 1
            assert await read(client, f"{_D}_EnabledFlag") is True

    asyncio.run(main())


def test_a_session_is_an_object_whose_node_id_is_its_session_id(site: Site) -> None:
    """Source: OPC 10000-5, 6.3.5 and 12.12."""

    async def main() -> None:
        async with await make_client(site) as client:
            await client.get_node(node_id("21605/CAB-0001/V1")).read_data_value(raise_on_bad_status=False)
            (told,) = await read(client, f"{_D}_SessionsDiagnosticsSummary_SessionDiagnosticsArray")
            assert told.ReadCount.TotalCount >= 2 and told.ReadCount.ErrorCount == 0
            assert told.TotalRequestCount.TotalCount >= told.ReadCount.TotalCount
            assert told.ClientDescription.ApplicationUri == client.application_uri
            assert told.ClientConnectionTime <= told.ClientLastContactTime
            own = client.get_node(told.SessionId)
            assert await own.read_type_definition() == ua.NodeId(IDS.SessionDiagnosticsObjectType)
            names = {(await child.read_browse_name()).Name for child in await own.get_children()}
            assert names == {"SessionDiagnostics", "SubscriptionDiagnosticsArray"}
            variable = await own.get_child("0:SessionDiagnostics")
            assert (await variable.read_value()).SessionId == told.SessionId
            count = await variable.get_child("0:ReadCount")
            assert (await count.read_value()).TotalCount > told.ReadCount.TotalCount
            summary = client.get_node(ua.NodeId(getattr(IDS, f"{_D}_SessionsDiagnosticsSummary")))
            assert told.SessionId in [child.nodeid for child in await summary.get_children()]

    asyncio.run(main())


def test_how_sessions_secure_themselves_is_told_to_the_security_officer_only(site: Site) -> None:
    """Source: OPC 10000-5, 12.13."""

    async def main() -> None:
        name = f"{_D}_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray"
        async with await make_client(site) as client:
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await read(client, name)
        async with await make_client(site, "officer") as client:
            # asyncua's own class of this structure lacks a field, so the bytes are read as the standard has them.
            found = await asyncio.to_thread(site.read_now, ua.NodeId(getattr(IDS, name)), OFFICER)
            raw = Buffer(found.Value.Value[0].Body)
            assert nodeid_from_binary(raw) == (await read(client, SESSIONS))[0].SessionId
            texts = [Primitives.String.unpack(raw)]
            assert Primitives.Int32.unpack(raw) == 1
            texts += [Primitives.String.unpack(raw) for _ in range(4)]
            assert texts == ["officer", "officer", "UserName", "UA Binary", "opc.tcp"]
            assert Primitives.Int32.unpack(raw) == ua.MessageSecurityMode.SignAndEncrypt
            assert Primitives.String.unpack(raw).endswith("#Basic256Sha256")
            assert Primitives.Bytes.unpack(raw).startswith(b"\x30\x82") and not len(raw), "a certificate, in DER"

    asyncio.run(main())


def test_a_subscription_tells_its_terms_and_its_counters(site: Site) -> None:
    """Source: OPC 10000-5, 12.15."""

    async def main() -> None:
        async with await make_client(site) as client:
            subscription = await client.create_subscription(200, Nothing())
            await subscription.subscribe_data_change(client.get_node(node_id("21605/CAB-0001/V1")))
            (told,) = await read(client, f"{_D}_SubscriptionDiagnosticsArray")
            assert told.SubscriptionId == subscription.subscription_id
            assert (told.PublishingInterval, told.MonitoredItemCount, told.PublishingEnabled) == (200.0, 1, True)
            assert told.MaxKeepAliveCount and told.MaxLifetimeCount

    asyncio.run(main())


def test_what_queues_lose_is_counted_for_their_subscription(site: Site) -> None:
    """Source: OPC 10000-5, 12.15 (MonitoringQueueOverflowCount, EventQueueOverflowCount)."""

    async def main() -> None:
        async with await make_client(site) as client:
            subscription = await client.create_subscription(60_000, Nothing())
            value = client.get_node(node_id("21605/CAB-0001/V1"))
            await subscription.subscribe_data_change(value, queuesize=2, sampling_interval=0)
            for number in range(4):  # the first value is there already
                site.set("21605/CAB-0001/V1", 100.0 + number)
            await subscription.subscribe_events(queuesize=2)
            for number in range(5):
                type_ = (0, ua.ObjectIds.SystemEventType)
                site.emit(PlainEvent(type_, bytes([number]), 1, 100, {"fr": "", "en": ""}, notifiers=(SERVER_EVENTS,)))
            (told,) = await read(client, f"{_D}_SubscriptionDiagnosticsArray")
            assert (told.MonitoringQueueOverflowCount, told.EventQueueOverflowCount) == (3, 3)

    asyncio.run(main())
