# SPDX-License-Identifier: Apache-2.0
"""A Write of a tag is a command: what OPC UA refuses by itself, what the command answers, and what takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import Client, ua

from supervisor.hmi.contract import Limits
from tests.system.opcua_kit import Site, in_background, make_client, node_id

CAB = "21605/CAB-0001/"
CODES, TYPE = ua.StatusCodes, ua.VariantType


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), limits=Limits(write_answer_s=0.2)) as site:
        yield site


@pytest.fixture(autouse=True)
def fresh(site: Site) -> None:
    site.commands.asked.clear()
    site.commands.held = False


def written(site: Site, *values: ua.WriteValue, user: str = "op") -> list[int]:
    async def main() -> list[int]:
        async with await make_client(site, user) as client:
            return await write(client, *values)

    return asyncio.run(main())


async def write(client: Client, *values: ua.WriteValue) -> list[int]:
    codes = await client.uaclient.write(ua.WriteParameters(list(values)))
    return [int(c.value) for c in codes]


def value(name: str, what: Any, type_: ua.VariantType, **changes: Any) -> ua.WriteValue:
    data = ua.DataValue(ua.Variant(what, type_))
    return ua.WriteValue(node_id(name), changes.pop("attribute", ua.AttributeIds.Value), Value=data, **changes)


def test_each_kind_reaches_the_command_as_its_python_value(site: Site) -> None:
    moment = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
    given = [
        ("Boolean", True, TYPE.Boolean, True),
        ("Byte", 255, TYPE.Byte, 255),
        ("Int64", -(2**63), TYPE.Int64, -(2**63)),
        ("UInt64", 2**64 - 1, TYPE.UInt64, 2**64 - 1),
        ("Float", 0.5, TYPE.Float, 0.5),
        ("Double", 1e300, TYPE.Double, 1e300),
        ("String", "Été", TYPE.String, "Été"),
        ("DateTime", moment, TYPE.DateTime, 1_774_749_599_123_456_000),
        ("Mode", 2, TYPE.Int32, 2),
    ]
    assert written(site, *(value(CAB + name, what, type_) for name, what, type_, _ in given)) == [0] * len(given)
    assert {row: asked for _, row, asked, _ in site.commands.asked} == {
        site.row(CAB + name): expected for name, _, _, expected in given
    }
    user, _, _, origin = site.commands.asked[0]
    assert user == "op" and origin.startswith("opcua 127.0.0.1:")


def test_what_opc_ua_forbids_never_becomes_a_command(site: Site) -> None:
    array = ua.DataValue(ua.Variant([1.0, 2.0], TYPE.Double))
    bad = ua.DataValue(ua.Variant(1.0, TYPE.Double), ua.StatusCode(ua.UInt32(CODES.Bad)))
    assert written(
        site,
        value(CAB + "Double", 1, TYPE.Int32),
        value(CAB + "Mode", 2, TYPE.UInt32),
        value(CAB + "V1", 1.0, TYPE.Double),
        value(CAB + "Nothing", 1.0, TYPE.Double),
        value(CAB + "Double", 1.0, TYPE.Double, attribute=ua.AttributeIds.DisplayName),
        value(CAB + "Double", 1.0, TYPE.Double, IndexRange="0"),
        ua.WriteValue(node_id(CAB + "Double"), ua.AttributeIds.Value, Value=array),
        ua.WriteValue(node_id(CAB + "Double"), ua.AttributeIds.Value, Value=bad),
        ua.WriteValue(node_id(CAB + "Double"), ua.AttributeIds.Value, Value=ua.DataValue(None)),
        ua.WriteValue(ua.NodeId(2267), ua.AttributeIds.Value, Value=ua.DataValue(ua.Variant(1, TYPE.Byte))),
    ) == [
        CODES.BadTypeMismatch,
        CODES.BadTypeMismatch,
        CODES.BadNotWritable,
        CODES.BadNodeIdUnknown,
        CODES.BadNotWritable,
        CODES.BadWriteNotSupported,
        CODES.BadTypeMismatch,
        CODES.BadWriteNotSupported,
        CODES.BadTypeMismatch,
        CODES.BadNotWritable,
    ]
    assert site.commands.asked == []


def test_asyncuas_own_write_value_is_carried_out_although_it_sends_a_time(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site, "op") as client:
            await client.get_node(node_id(CAB + "Double")).write_value(2.5)

    asyncio.run(main())
    assert [(user, value) for user, _, value, _ in site.commands.asked] == [("op", 2.5)]


def test_the_commands_verdict_is_the_answer(site: Site) -> None:
    """Rights are the command's matter: an operator writes in their own area only, a viewer nowhere."""
    inside, outside = value(CAB + "Double", 1.0, TYPE.Double), value("21000/CAB-0002/Double", 1.0, TYPE.Double)
    assert written(site, inside, outside) == [0, CODES.BadUserAccessDenied]
    assert written(site, inside, user="view") == [CODES.BadUserAccessDenied]


def test_a_write_only_tag_is_written(site: Site) -> None:
    assert written(site, value(CAB + "Pulse", True, TYPE.Boolean)) == [0]


def test_a_command_that_takes_long_goes_on_after_the_answer(site: Site) -> None:
    async def main() -> None:
        async with await make_client(site) as client:
            node = client.get_node(node_id(CAB + "Double"))
            site.set(CAB + "Double", 1.0)
            site.commands.held = True
            pending = asyncio.create_task(write(client, value(CAB + "Double", 42.0, TYPE.Double)))
            await asyncio.sleep(0)
            assert await node.read_value() == 1.0  # the connection serves others while the command runs
            assert await pending == [CODES.GoodCompletesAsynchronously]
            assert await node.read_value() == 1.0
            site.commands.held = False
            async with asyncio.timeout(10):
                while await node.read_value() != 42.0:
                    await asyncio.sleep(0.05)

    asyncio.run(main())


def test_user_access_level_tells_who_may_write(site: Site) -> None:
    async def level(user: str, name: str) -> int:
        async with await make_client(site, user) as client:
            read = await client.get_node(node_id(name)).read_attribute(ua.AttributeIds.UserAccessLevel)
            return int(read.Value.Value)

    assert asyncio.run(level("op", CAB + "Double")) & 3 == 3
    assert asyncio.run(level("view", CAB + "Double")) & 3 == 1
    assert asyncio.run(level("op", "21000/CAB-0002/Double")) & 3 == 1
    assert asyncio.run(level("op", CAB + "V1")) & 3 == 1
