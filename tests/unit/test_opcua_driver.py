# SPDX-License-Identifier: Apache-2.0
"""The driver beside the kit: limits, refusals, identity, namespaces, roots."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, cell_of
from drivers.base import Busy, DeviceSilent, Identified, Point, Watching, WriteItem
from drivers.opcua import codec
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.nodes import Nodes
from drivers.opcua.plan import plan
from drivers.opcua.simulator import SimulatedServer
from tests.opcua import URI, Plant, doubles, plant
from tests.sim.loop import clock, run


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


def test_a_question_whose_time_is_up_is_a_question_still() -> None:
    """Source: OPC UA Part 4, RequestHeader: a timeoutHint of 0 would mean no timeout at all."""
    for timeout_s, hint_ms in ((-0.5, 1), (0.0, 1), (2.5, 2500), (1e9, 2**31)):
        body = codec.request(631, b"", 7, 0, timeout_s, b"")
        assert struct.unpack_from("<I", body, 4 + 20) == (hint_ms,)


def test_points_are_cut_by_poll_class_and_size() -> None:
    points = [Point(f"p{i}", Kind.Double, Access.R, OpcuaPoint(node=f"i={i}"), "ab"[i % 2]) for i in range(10)]
    points.append(Point("w", Kind.Double, Access.W, OpcuaPoint(node="i=99"), None))
    exchanges = plan(OpcuaDevice(host="h", nodes_max=3), points)
    assert [(e.poll, e.take.tolist()) for e in exchanges] == [
        ("a", [0, 2, 4]), ("a", [6, 8]), ("b", [1, 3, 5]), ("b", [7, 9])
    ]  # fmt: skip
    assert exchanges[0].label == "3 nodes p0..p4"


def test_the_servers_limit_is_kept_and_one_it_did_not_tell_is_found_out() -> None:
    async def main() -> None:
        async with plant(doubles(10), {"read": 3}) as made:
            before = made.server.requests
            assert (await made.values())[9] == 9.0 and made.server.requests - before == 4
        async with plant(doubles(10)) as made:
            made.server.nodes["i=11705"].value = 3
            for size in (500, 250, 125, 62, 31, 15, 7, 3):
                with pytest.raises(Busy, match=f"BadTooManyOperations: asked {size} at a time"):
                    await made.read()
            assert (await made.values())[9] == 9.0

    virtual(main())


def test_a_server_says_who_it_is() -> None:
    async def main() -> None:
        async with plant(doubles(2), application_uri="urn:the:right:one") as made:
            assert isinstance(made.driver, Identified) and isinstance(made.driver, Watching)
            assert made.driver.declared.texts == {"application_uri": "urn:the:right:one"}
            assert await made.driver.identify(1.0) == {"application_uri": URI}

    virtual(main())


def test_namespaces_go_by_their_name_and_roots_by_the_device() -> None:
    async def main() -> None:
        named = OpcuaPoint(node="nsu=urn:plant;s={root}/Plan")
        points = [
            Point("Plan", Kind.Double, Access.RW, named, "kit"),
            Point("Lost", Kind.Double, Access.RW, OpcuaPoint(node="nsu=urn:gone;s=x"), "kit"),
        ]
        async with plant(doubles(1), root="JCT-0001") as made:
            made.nodes.add("ns=2;s=JCT-0001/Plan", "Double", 3.5, True)
            made.driver._points = points
            [exchange] = plan(made.device, points)
            made.requests[0].exchange, made.requests[0].rows = exchange, np.arange(2)
            seen = await made.read()
            assert seen.cells.view(float)[0] == 3.5
            assert seen.statuses.tolist() == [0, StatusCode.BadNodeIdUnknown]

    virtual(main())


def test_a_busy_server_is_busy_and_any_other_refusal_names_its_code() -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            made.server.turn("busy")
            with pytest.raises(Busy, match=r"T-1\.plc: node p0: the server says BadServerTooBusy"):
                await made.read()
            made.server.turn("hang 2 s")
            with pytest.raises(DeviceSilent, match=r"T-1\.plc: node p0: no answer within 1 s \(no reply\)"):
                await made.read()
            await asyncio.sleep(2)
            assert await made.values() == [0.0]

    virtual(main())


def test_a_namespace_that_has_another_index_after_a_restart_is_found_by_its_name() -> None:
    """OPC 10000-5, 6.3.1: the table of a server may change whenever it starts; an index is good for a session."""

    async def main() -> None:
        points = tuple(
            Point(f"p{i}", Kind.Double, Access.RW, OpcuaPoint(node=f"nsu=urn:plant;i={i}"), "kit") for i in range(2)
        )
        nodes = Nodes(clock(), URI, ["urn:plant"])
        for i in range(2):
            nodes.add(f"ns=2;i={i}", "Double", float(i), True)
        server = SimulatedServer(nodes, URI)
        await server.start()
        made = Plant(points, server, {})
        try:
            await made.open(watch=True)
            assert await made.values() == [0.0, 1.0]
            nodes["i=2255"].value = ["http://opcfoundation.org/UA/", URI, "urn:other", "urn:plant"]
            for i in range(2):
                nodes.add(f"ns=3;i={i}", "Double", 100.0 + i, True)
            await server.restart()
            await asyncio.sleep(0.1)
            await made.open(watch=True)
            assert await made.values() == [100.0, 101.0]
            [outcome] = await made.driver.write([WriteItem(1, cell_of(Kind.Double, 7.0))], Permit(1, math.inf), 1.0)
            assert (outcome.outcome, nodes["ns=3;i=1"].value, nodes["ns=2;i=1"].value) == (Outcome.ACCEPTED, 7.0, 1.0)
        finally:
            await made.link.close()
            await server.stop()

    virtual(main())
