# SPDX-License-Identifier: Apache-2.0
"""What the Modbus tests share: points, a device on a simulator, one request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.words import Access, Kind, Permit
from drivers.base import Point, Request, bind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.memory import Memory
from drivers.modbus.place import ModbusPoint
from drivers.modbus.plan import plan
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.loop import clock

FOREVER = Permit(epoch=1, deadline_s=float("inf"))


def point(name: str, kind: Kind, access: str = "r", poll: str | None = "p", **address: Any) -> Point:
    return Point(name, kind, Access(access), ModbusPoint.model_validate(address), poll)


def registers(n: int, first: int = 0, step: int = 1) -> list[Point]:
    """n uint16 holding registers."""
    return [
        point(f"R{i}", Kind.UInt16, "rw", table="holding", address=first + i * step, type="uint16") for i in range(n)
    ]


@dataclass
class Rig:
    peer: SimulatedDevice
    memory: Memory
    device: ModbusDevice
    link: ModbusLink
    driver: ModbusDriver
    points: Sequence[Point]
    requests: list[Request]


@asynccontextmanager
async def rig(points: Sequence[Point], **settings: Any) -> AsyncIterator[Rig]:
    """A simulated device and an open driver on it, in virtual time."""
    memory = Memory()
    peer = SimulatedDevice("DEV-1", {1: memory})
    await peer.start()
    device = ModbusDevice.model_validate({"host": peer.host, "port": peer.port, **settings})
    link = ModbusLink(device)
    driver = ModbusDriver("DEV-1", device, points, link, clock())
    rows = np.arange(len(points), dtype=np.int64)
    requests = [bind(exchange, rows, i) for i, exchange in enumerate(plan(device, points))]
    try:
        await link.open()
        yield Rig(peer, memory, device, link, driver, points, requests)
    finally:
        await link.close()
        await peer.stop()
