# SPDX-License-Identifier: Apache-2.0
"""Rights at every service: what a user may not see is not there for them, whichever way they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from tests.system.opcua_kit import PASSWORDS, Site, in_background, make_client, node_id

CODES = ua.StatusCodes
UNKNOWN = CODES.BadNodeIdUnknown
HIDDEN = {"guest": "21605/CAB-0001/Double", "op": "21605/CAM-0001/Plate"}  # another commune; personal data
PLATE, SEEN = "21605/CAM-0001/Plate", "21000/CAB-0002/Double"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua")) as site:
        site.set(PLATE, "AB-123-CD")
        site.set(SEEN, 1.0)
        site.set("21605/CAB-0001/Double", 2.0)
        yield site


def read(*names: str, attribute: int = ua.AttributeIds.Value) -> ua.ReadParameters:
    return ua.ReadParameters(NodesToRead=[ua.ReadValueId(node_id(name), attribute) for name in names])


@pytest.mark.parametrize("user", ["guest", "op"])
def test_read_answers_as_if_the_node_were_not_there(site: Site, user: str) -> None:
    async def main() -> None:
        async with await make_client(site, user) as client:
            hidden = HIDDEN[user]
            for attribute in (ua.AttributeIds.Value, ua.AttributeIds.DisplayName, ua.AttributeIds.UserAccessLevel):
                shown, unknown = await client.uaclient.read(read(SEEN, hidden, attribute=attribute))
                assert shown.StatusCode.is_good() and unknown.StatusCode.value == UNKNOWN
                assert unknown.Value.Value is None

    asyncio.run(main())


@pytest.mark.parametrize("user", ["guest", "op"])
def test_browse_and_paths_do_not_lead_there(site: Site, user: str) -> None:
    async def main() -> None:
        async with await make_client(site, user) as client:
            hidden = HIDDEN[user]
            equipment, _, tag = hidden.rpartition("/")
            areas = {r.NodeId.Identifier for r in await client.get_node(node_id("Plant")).get_children_descriptions()}
            assert areas >= ({"21000"} if user == "guest" else {"21000", "21605"})
            assert ("21605" in areas) is (user == "op")
            results = await client.uaclient.browse(_browse(hidden))
            assert [r.StatusCode.value for r in results] == [UNKNOWN]
            results = await client.uaclient.browse(_browse(equipment))
            if user == "guest":
                assert results[0].StatusCode.value == UNKNOWN
            else:
                assert tag not in {r.BrowseName.Name for r in results[0].References}
            start = "Plant" if user == "guest" else equipment
            steps = hidden.split("/") if user == "guest" else [tag]
            elements = [ua.RelativePathElement(TargetName=ua.QualifiedName(s, 2), IncludeSubtypes=True) for s in steps]
            path = ua.BrowsePath(node_id(start), ua.RelativePath(elements))
            (found,) = await client.uaclient.translate_browsepaths_to_nodeids([path])
            assert found.StatusCode.value == CODES.BadNoMatch and not found.Targets

    asyncio.run(main())


def _browse(name: str) -> ua.BrowseParameters:
    wanted = ua.BrowseDescription(NodeId=node_id(name), IncludeSubtypes=True, ResultMask=63)
    return ua.BrowseParameters(NodesToBrowse=[wanted])


@pytest.mark.parametrize("user", ["guest", "op"])
def test_register_write_and_monitor_answer_the_same(site: Site, user: str) -> None:
    async def main() -> None:
        async with await make_client(site, user) as client:
            hidden = node_id(HIDDEN[user])
            assert await client.uaclient.register_nodes([hidden]) == [hidden]  # no alias tells that it exists
            value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Double))
            write = ua.WriteParameters([ua.WriteValue(hidden, ua.AttributeIds.Value, Value=value)])
            (code,) = await client.uaclient.write(write)
            assert code.value == UNKNOWN and not site.commands.asked
            subscription = await client.create_subscription(100, _Values())
            for attribute in (ua.AttributeIds.Value, ua.AttributeIds.DisplayName):
                one = ua.MonitoredItemCreateRequest(ua.ReadValueId(hidden, attribute))
                (code,) = await subscription.create_monitored_items([one])
                assert code.value == UNKNOWN
            await subscription.delete()

    asyncio.run(main())


class _Values:
    """What arrived, by name."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, int]] = []
        self.arrived = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        status = data.monitored_item.Value.StatusCode.value
        self.seen.append((node.nodeid.Identifier, value, status))
        self.arrived.set()

    async def until(self, n: int) -> None:
        while len(self.seen) < n:
            self.arrived.clear()
            await self.arrived.wait()


def test_another_user_on_the_same_session_sees_what_they_may_and_no_more(site: Site) -> None:
    """OPC 10000-4, 5.7.3: with another user the rights of everything the session has are judged again."""

    async def main() -> None:
        async with await make_client(site, "boss") as client:
            values = _Values()
            subscription = await client.create_subscription(50, values)
            nodes = [client.get_node(node_id(name)) for name in (PLATE, SEEN)]
            await subscription.subscribe_data_change(nodes, queuesize=1)
            async with asyncio.timeout(20):
                await values.until(2)
                assert sorted(values.seen) == [(SEEN, 1.0, 0), (PLATE, "AB-123-CD", 0)]
                await _log_in_again(client, "op")
                await values.until(4)
                assert sorted(values.seen[2:]) == [(SEEN, 1.0, 0), (PLATE, None, CODES.BadUserAccessDenied)]
                site.set(PLATE, "EF-456-GH")
                site.set(SEEN, 3.0)
                await values.until(5)
                assert values.seen[4:] == [(SEEN, 3.0, 0)]  # not even that the other has changed
                await _log_in_again(client, "boss")
                await values.until(7)
                assert (PLATE, "EF-456-GH", 0) in values.seen[5:]
            site.set(PLATE, "AB-123-CD")
            site.set(SEEN, 1.0)
            await subscription.delete()

    asyncio.run(main())


async def _log_in_again(client: Client, user: str) -> None:
    await client.activate_session(username=user, password=PASSWORDS[user])
