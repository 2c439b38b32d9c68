# SPDX-License-Identifier: Apache-2.0
"""A simulated OPC UA server, a link and a driver to it, for tests of the driver beside the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from config.words import Access, Batch, Kind
from drivers.base import Point, Request, bind
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.driver import OpcuaDriver
from drivers.opcua.link import OpcuaLink
from drivers.opcua.nodes import Nodes
from drivers.opcua.plan import plan
from drivers.opcua.simulator import SimulatedServer
from tests.sim.loop import clock

URI = "urn:vigie:test"


def doubles(n: int, access: Access = Access.RW, **more: Any) -> tuple[Point, ...]:
    """n Doubles `ns=2;i=0` and so on."""
    return tuple(Point(f"p{i}", Kind.Double, access, OpcuaPoint(node=f"ns=2;i={i}", **more), "kit") for i in range(n))


class Plant:
    """Server, link, driver, requests, and what was told."""

    def __init__(self, points: Sequence[Point], server: SimulatedServer, settings: dict[str, Any]) -> None:
        where = {"host": "127.0.0.1", "port": server.port, "publishing": "1 s", "keep_alive": "2 s"}
        self.server, self.nodes, self.points = server, server.nodes, points
        self.device = OpcuaDevice.model_validate({**where, **settings})
        self.link = OpcuaLink(self.device, clock())
        self.driver = OpcuaDriver("T-1.plc", self.device, points, self.link, clock())
        rows = np.arange(len(points))
        self.requests: list[Request] = [bind(e, rows, i) for i, e in enumerate(plan(self.device, points))]
        self.told: list[Batch] = []

    async def open(self, watch: bool = False) -> None:
        await self.link.open()
        await self.driver.open()
        if watch:
            self.driver.watch(self.told.append)

    async def read(self) -> Batch:
        return await self.driver.read(self.requests[0], 1.0)

    async def values(self) -> list[float]:
        return (await self.read()).cells.view(float).tolist()


@asynccontextmanager
async def plant(
    points: Sequence[Point], limits: dict[str, int] | None = None, watch: bool = False, **settings: Any
) -> AsyncIterator[Plant]:
    """A plant whose nodes hold 0.0, 1.0 and so on."""
    nodes = Nodes(clock(), URI, ["urn:plant"], limits)
    for i, node in enumerate(dict.fromkeys(point.address.node for point in points)):
        nodes.add(node, "Double", float(i), True)
    server = SimulatedServer(nodes, URI)
    await server.start()
    made = Plant(points, server, settings)
    try:
        await made.open(watch)
        yield made
    finally:
        await made.link.close()
        await server.stop()
