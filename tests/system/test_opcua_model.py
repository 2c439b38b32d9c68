# SPDX-License-Identifier: Apache-2.0
"""What a foreign client finds of the server itself: types, devices, redundancy, namespaces, status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from asyncua import Node, ua

from config.words import StatusCode
from supervisor.hmi.health import Health
from supervisor.hmi.model.outlook import Outlook
from tests.system.opcua_kit import Site, in_background, make_client, node_id, small_plant
from tests.unit.test_hmi_devices import SPEC, STATUS
from tests.unit.test_hmi_redundancy import PEER

IDS = ua.ObjectIds
HEALTH = {"now": Health(devices=4, reachable=4)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    outlook = Outlook(lambda: HEALTH["now"], lambda _: STATUS, lambda: (PEER,), "9.9")
    plant = replace(small_plant(), devices=(SPEC,))
    with in_background(tmp_path_factory.mktemp("model"), plant=plant, outlook=outlook) as site:
        yield site


def test_equipment_is_of_its_type_and_the_type_is_walked_like_it(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            cabinet = client.get_node(node_id("21605/CAB-0001"))
            type_ = client.get_node(await cabinet.read_type_definition())
            assert type_.nodeid == node_id("type/CAB")
            assert (await type_.get_parent()).nodeid == ua.NodeId(IDS.BaseObjectType)
            declared = {(await child.read_browse_name()).Name for child in await type_.get_children()}
            here = {(await child.read_browse_name()).Name for child in await cabinet.get_children()}
            assert declared == here - {"Devices"}
            rules = await client.get_node(node_id("type/CAB/V1")).get_referenced_nodes(IDS.HasModellingRule)
            assert [r.nodeid for r in rules] == [ua.NodeId(IDS.ModellingRule_Mandatory)]

    asyncio.run(main())


def test_notifiers_lead_from_the_server_down_to_the_equipment(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            node, way = client.nodes.server, []
            while below := await node.get_referenced_nodes(IDS.HasNotifier, ua.BrowseDirection.Forward):
                node = below[0]
                way.append(node.nodeid.Identifier)
                assert ua.EventNotifier.SubscribeToEvents in await node.read_event_notifier()
            assert way == ["Plant", "21605", "21605/CAB-0001"]

    asyncio.run(main())


def test_a_device_is_an_object_with_live_numbers(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            path = ["2:Plant", "2:21605", "2:CAB-0001", "2:Devices", "2:controller"]
            device = await client.nodes.objects.get_child(path)
            period = await device.get_child("2:AchievedPeriod")
            assert await period.read_value() == pytest.approx(2010.0)
            assert await period.read_data_type() == ua.NodeId(IDS.Duration)
            assert (await period.get_parent()).nodeid == device.nodeid
        async with await make_client(site, "guest") as client:
            with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
                await client.get_node(period.nodeid).read_value()

    asyncio.run(main())


def test_the_server_can_be_chosen_among_its_peers(site: Site) -> None:
    """Source: OPC 10000-4, 6.6.2.4: ServiceLevel, ServerUriArray, and FindServers to resolve it."""

    async def main() -> None:
        async with await make_client(site) as client:
            level = client.get_node(ua.NodeId(IDS.Server_ServiceLevel))
            assert await level.read_value() == 255
            HEALTH["now"] = Health(devices=4, reachable=0)
            assert await level.read_value() == 1
            HEALTH["now"] = Health(devices=4, reachable=4)
            redundancy = client.get_node(ua.NodeId(IDS.Server_ServerRedundancy))
            assert await redundancy.read_type_definition() == ua.NodeId(IDS.NonTransparentRedundancyType)
            uris = await (await redundancy.get_child("0:ServerUriArray")).read_value()
            assert uris[0] == (await client.get_node(ua.NodeId(IDS.Server_ServerArray)).read_value())[0]
            found = await client.find_servers()
            assert [s.ApplicationUri for s in found] == uris == [uris[0], PEER.uri]
            assert found[0].DiscoveryUrls and found[1].DiscoveryUrls == list(PEER.urls)

    asyncio.run(main())


def test_computed_values_are_monitored_like_any_other(site: Site) -> None:
    """ServiceLevel, a device's numbers, and the last usable value of a tag that has none now."""
    tag_name = "21605/CAB-0001/V1"
    last, level = node_id(f"{tag_name}/LastUsableValue"), ua.NodeId(IDS.Server_ServiceLevel)
    device = node_id("21605/CAB-0001/Devices/controller/RequestedPeriod")

    async def main() -> None:
        seen: asyncio.Queue[tuple[object, object]] = asyncio.Queue()

        class Heard:
            def datachange_notification(self, node: Node, value: object, _data: object) -> None:
                seen.put_nowait((node.nodeid, value))

        async def until(*wanted: tuple[object, object]) -> None:
            missing = set(wanted)
            while missing:
                missing.discard(await asyncio.wait_for(seen.get(), 20))

        site.set(tag_name, 230.5)
        async with await make_client(site) as client:
            subscription = await client.create_subscription(100, Heard())
            await subscription.subscribe_data_change([client.get_node(n) for n in (last, level, device)])
            await until((last, 230.5), (level, 255), (device, 2000.0))
            HEALTH["now"] = Health(devices=4, reachable=0)
            site.set(tag_name, 231.5)
            await until((last, 231.5), (level, 1))
            HEALTH["now"] = Health(devices=4, reachable=4)
            site.set(tag_name, 0.0, StatusCode.BadNoCommunication)
            await until((last, 231.5), (level, 255))

    asyncio.run(main())


def test_the_namespace_of_the_site_is_described(site: Site) -> None:
    """Source: OPC 10000-5, 6.3.13 and 6.3.14."""

    async def main() -> None:
        async with await make_client(site) as client:
            spaces = client.get_node(ua.NodeId(IDS.Server_Namespaces))
            ours = await spaces.get_child("2:urn:vigie:test")
            assert await ours.read_type_definition() == ua.NodeId(IDS.NamespaceMetadataType)
            told = {(await p.read_browse_name()).Name: await p.read_value() for p in await ours.get_properties()}
            assert told["NamespaceUri"] == "urn:vigie:test" and told["IsNamespaceSubset"] is False
            assert told["NamespaceVersion"] == site.plant.digest.hex()
            assert told["StaticNodeIdTypes"] == [0, 1]
            standard = await spaces.get_child([ua.QualifiedName("http://opcfoundation.org/UA/", 0)])
            assert await (await standard.get_child("0:NamespaceUri")).read_value() == "http://opcfoundation.org/UA/"

    asyncio.run(main())


def test_status_and_build_are_true(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            status = await client.get_node(ua.NodeId(IDS.Server_ServerStatus)).read_value()
            assert status.State is ua.ServerState.Running
            assert status.BuildInfo.SoftwareVersion == "9.9" and status.BuildInfo.ProductName == "Vigie"
            assert status.StartTime <= status.CurrentTime
            later = await client.get_node(ua.NodeId(IDS.Server_ServerStatus_CurrentTime)).read_value()
            assert later >= status.CurrentTime
            assert await client.get_node(ua.NodeId(IDS.Server_NamespaceArray)).read_value() == [
                "http://opcfoundation.org/UA/",
                (await client.get_node(ua.NodeId(IDS.Server_ServerArray)).read_value())[0],
                "urn:vigie:test",
            ]

    asyncio.run(main())
