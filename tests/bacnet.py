# SPDX-License-Identifier: Apache-2.0
"""What the BACnet tests share: points, a device on a simulator, one request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.words import Access, Kind, Permit, value_of
from drivers.bacnet.address import BacnetDevice, BacnetPoint
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.objects import Objects
from drivers.bacnet.plan import plan
from drivers.bacnet.simulator import SimulatedDevice
from drivers.bacnet.tags import REAL
from drivers.base import Point, Request, bind
from tests.sim.loop import clock

FOREVER = Permit(epoch=1, deadline_s=float("inf"))
INSTANCE = 2101


def point(name: str, kind: Kind, access: str = "r", poll: str | None = "p", **address: Any) -> Point:
    return Point(name, kind, Access(access), BacnetPoint.model_validate(address), poll)


def inputs(n: int) -> list[Point]:
    """n analog inputs."""
    return [point(f"AI{i}", Kind.Float, object=f"analog-input {i}") for i in range(n)]


def objects(n: int, instance: int = INSTANCE) -> Objects:
    """A device with n analog inputs that hold their own number."""
    made = Objects(instance, f"BLD-{instance}")
    for i in range(n):
        made.add(f"analog-input {i}", REAL, float(i))
    return made


@dataclass
class Rig:
    peer: SimulatedDevice
    objects: Objects
    device: BacnetDevice
    link: BacnetLink
    driver: BacnetDriver
    points: Sequence[Point]
    requests: list[Request]

    async def read(self) -> list[tuple[float | int | bool, int]]:
        """Value and status of every polled point, in their order."""
        seen: dict[int, tuple[float | int | bool, int]] = {}
        for request in self.requests:
            batch = await self.driver.read(request, 1.0)
            for row, cell, status in zip(batch.rows.tolist(), batch.cells, batch.statuses, strict=True):
                seen[row] = (value_of(self.points[row].kind, int(cell)), int(status))
        return [seen[row] for row in sorted(seen)]


@asynccontextmanager
async def rig(points: Sequence[Point], made: Objects, **settings: Any) -> AsyncIterator[Rig]:
    """A simulated device and an open driver on it, in virtual time."""
    peer = SimulatedDevice("DEV-1", {(0, b""): made})
    await peer.start()
    where = {"host": peer.host, "port": peer.port, "instance": INSTANCE, "local_host": "127.0.0.1"}
    device = BacnetDevice.model_validate({**where, **settings})
    link = BacnetLink(device)
    driver = BacnetDriver("DEV-1", device, points, link, clock())
    rows = np.arange(len(points), dtype=np.int64)
    requests = [bind(exchange, rows, i) for i, exchange in enumerate(plan(device, points))]
    try:
        await link.open()
        await driver.open()
        yield Rig(peer, made, device, link, driver, points, requests)
    finally:
        await link.close()
        await peer.stop()
