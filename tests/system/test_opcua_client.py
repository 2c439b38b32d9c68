# SPDX-License-Identifier: Apache-2.0
"""An unmodified asyncua client, over an encrypted channel: browse, read, translate, aliases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)

from config.words import StatusCode
from tests.system.opcua_kit import Site, in_background, make_client, node_id

MODE = ua.MessageSecurityMode


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua")) as site:
        yield site


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        (SecurityPolicyBasic256Sha256, MODE.SignAndEncrypt),
        (SecurityPolicyBasic256Sha256, MODE.Sign),
        (SecurityPolicyAes128Sha256RsaOaep, MODE.SignAndEncrypt),
        (SecurityPolicyAes256Sha256RsaPss, MODE.SignAndEncrypt),
    ],
)
def test_every_policy_reads_a_value(site: Site, policy: type, mode: ua.MessageSecurityMode) -> None:
    async def main() -> None:
        site.set("21605/CAB-0001/V1", 230.5)
        async with await make_client(site, policy=policy, mode=mode) as client:
            value = await client.get_node(node_id("21605/CAB-0001/V1")).read_data_value()
            assert value.Value.Value == 230.5
            assert value.Value.VariantType is ua.VariantType.Double

    asyncio.run(main())


def test_the_plant_is_browsed_from_objects_to_a_property(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            tag = await client.nodes.objects.get_child(["2:Plant", "2:21605", "2:CAB-0001", "2:V1"])
            assert tag.nodeid == node_id("21605/CAB-0001/V1")
            equipment = await tag.get_parent()
            assert await equipment.get_path(as_string=True) == [
                "0:Root", "0:Objects", "2:Plant", "2:21605", "2:CAB-0001",
            ]  # fmt: skip
            names = {(await child.read_browse_name()).Name for child in await equipment.get_children()}
            assert {"V1", "Mode", "String", "UInt64", "Never"} <= names
            limits = await (await tag.get_child("0:EURange")).read_value()
            assert (limits.Low, limits.High) == (0.0, 500.0)
            unit = await (await tag.get_child("0:EngineeringUnits")).read_value()
            assert (unit.DisplayName.Text, unit.UnitId) == ("V", 5655636)  # "VLT"
            mode = await equipment.get_child("2:Mode")
            texts = await (await mode.get_child("0:EnumStrings")).read_value()
            assert [t.Text for t in texts] == ["Arrêt", "Marche", "Auto"]

    asyncio.run(main())


def test_old_names_and_aliases_lead_to_the_same_tag(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            site.set("21605/CAB-0001/V1", 1.25)
            assert await client.get_node(node_id("21999/CAB-0001/V1")).read_value() == 1.25
            (alias,) = await client.uaclient.register_nodes([node_id("21605/CAB-0001/V1")])
            assert alias.Identifier == site.plant.series[site.row("21605/CAB-0001/V1")]
            assert await client.get_node(alias).read_value() == 1.25
            assert (await client.get_node(alias).read_attribute(ua.AttributeIds.NodeId)).Value.Value == node_id(
                "21605/CAB-0001/V1"
            )

    asyncio.run(main())


def test_a_bad_value_is_null_on_the_wire_and_reasons_are_told(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            site.set("21605/CAB-0001/V1", 230.5)
            site.set("21605/CAB-0001/V1", 230.5, StatusCode.BadNoCommunication)
            wanted = {
                "21605/CAB-0001/V1": ua.StatusCodes.BadNoCommunication,
                "21605/CAB-0001/Never": ua.StatusCodes.BadNotSupported,
                "21605/CAB-0001/Pulse": ua.StatusCodes.BadNotReadable,
                "21605/CAB-0001/Nothing": ua.StatusCodes.BadNodeIdUnknown,
                "21605/CAM-0001/Plate": ua.StatusCodes.BadNodeIdUnknown,
            }
            for name, code in wanted.items():
                value = await client.get_node(node_id(name)).read_data_value(raise_on_bad_status=False)
                assert (value.Value.Value, value.StatusCode.value) == (None, code), name

    asyncio.run(main())


def test_many_nodes_at_once_say_the_same_as_one_by_one(site: Site) -> None:
    """In one list: values, nulls, what does not exist, and what this user may not see."""
    names = ["V1", "Nothing", "Pulse", "Never", "Double"]
    wanted = [node_id(f"21605/CAB-0001/{n}") for n in names] + [node_id("21605/CAM-0001/Plate"), node_id("x")]

    async def main(user: str) -> None:
        site.set("21605/CAB-0001/V1", 230.5)
        site.set("21605/CAM-0001/Plate", "AB-123-CD")
        async with await make_client(site, user) as client:

            async def read(ids: list[ua.NodeId]) -> list[tuple[object, int]]:
                nodes = [ua.ReadValueId(i, ua.AttributeIds.Value) for i in ids]
                values = await client.uaclient.read(ua.ReadParameters(0, ua.TimestampsToReturn.Both, nodes))
                return [(v.Value.Value, v.StatusCode.value) for v in values]

            together = await read(wanted)
            assert together == [one for i in wanted for one in await read([i])]
            assert together == (await read([*wanted, ua.NodeId(2258)]))[:-1]  # the slow way, for the last one's sake
            assert (together[5][0] == "AB-123-CD") == (user == "boss")

    for user in ("op", "boss"):
        asyncio.run(main(user))


def test_personal_data_is_seen_by_its_role_only(site: Site) -> None:
    async def main() -> None:
        site.set("21605/CAM-0001/Plate", "AB-123-CD")
        camera = node_id("21605/CAM-0001")
        async with await make_client(site, "boss") as client:
            assert await client.get_node(node_id("21605/CAM-0001/Plate")).read_value() == "AB-123-CD"
            assert len(await client.get_node(camera).get_children()) == 1
        async with await make_client(site, "view") as client:
            assert await client.get_node(camera).get_children() == []

    asyncio.run(main())


def test_browse_pages_and_releases(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            wanted = ua.BrowseParameters(
                RequestedMaxReferencesPerNode=5,
                NodesToBrowse=[
                    ua.BrowseDescription(
                        NodeId=node_id("21605/CAB-0001"),
                        BrowseDirection=ua.BrowseDirection.Forward,
                        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
                        IncludeSubtypes=True,
                        NodeClassMask=0,
                        ResultMask=63,
                    )
                ],
            )
            (page,) = await client.uaclient.browse(wanted)
            seen = [r.BrowseName.Name for r in page.References]
            assert len(seen) == 5
            while page.ContinuationPoint:
                token = page.ContinuationPoint
                (page,) = await client.uaclient.browse_next(
                    ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[token])
                )
                seen += [r.BrowseName.Name for r in page.References]
            assert seen == list(site.plant.types["CAB"].blocks)
            (gone,) = await client.uaclient.browse_next(
                ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[token])
            )
            assert gone.StatusCode.value == ua.StatusCodes.BadContinuationPointInvalid

    asyncio.run(main())


def test_the_server_tells_its_own_bounds(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            ids, limits = ua.ObjectIds, site.server.limits
            for number, value in (
                (ids.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead, limits.nodes_per_call),
                (ids.Server_ServerCapabilities_MinSupportedSampleRate, 100.0),  # nothing is sampled between two scans
                (ids.Server_ServerCapabilities_MaxBrowseContinuationPoints, limits.continuation_points),
                (ids.Server_ServerCapabilities_LocaleIdArray, ["fr", "en"]),
            ):
                assert await client.get_node(ua.NodeId(number)).read_value() == value
            assert (await client.get_namespace_array())[2] == "urn:vigie:test"

    asyncio.run(main())


def test_only_the_timestamps_asked_for_come_back(site: Site) -> None:
    """From the columns and from the slow way alike."""

    async def main() -> None:
        site.set("21605/CAB-0001/V1", 1.0)
        async with await make_client(site) as client:
            for stamps in ua.TimestampsToReturn:
                if stamps == ua.TimestampsToReturn.Invalid:
                    continue
                tag = ua.ReadValueId(node_id("21605/CAB-0001/V1"), ua.AttributeIds.Value)
                other = ua.ReadValueId(ua.NodeId(2258), ua.AttributeIds.Value)
                for nodes in ([tag], [tag, other]):
                    params = ua.ReadParameters(0, stamps, nodes)
                    value = (await client.uaclient.read(params))[0]
                    assert (value.SourceTimestamp is not None) == (stamps in (0, 2))
                    assert (value.ServerTimestamp is not None) == (stamps in (1, 2))

    asyncio.run(main())


def test_services_say_what_is_wrong_with_a_request(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            read = client.uaclient.read
            node = ua.ReadValueId(node_id("21605/CAB-0001/V1"), ua.AttributeIds.Value)
            with pytest.raises(ua.uaerrors.BadNothingToDo):
                await read(ua.ReadParameters(0, ua.TimestampsToReturn.Both, []))
            with pytest.raises(ua.uaerrors.BadMaxAgeInvalid):
                await read(ua.ReadParameters(-1, ua.TimestampsToReturn.Both, [node]))
            with pytest.raises(ua.uaerrors.BadTimestampsToReturnInvalid):
                await read(ua.ReadParameters(0, ua.TimestampsToReturn.Invalid, [node]))
            with pytest.raises(ua.uaerrors.BadTooManyOperations):
                await read(ua.ReadParameters(0, ua.TimestampsToReturn.Both, [node] * 10_001))
            for request in (ua.AddNodesRequest(), ua.QueryFirstRequest(), ua.RegisterServerRequest()):
                with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                    await client.uaclient.protocol.send_request(request)

    asyncio.run(main())
