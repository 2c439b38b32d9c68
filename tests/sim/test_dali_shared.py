# SPDX-License-Identifier: Apache-2.0
"""One bus, two masters: a Lunatone and an Intesis gateway on the same wires, each asked by its own driver."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, cell_of, value_of
from drivers.base import Busy, DeviceSilent, Driver, Link, Point, WriteItem, bind
from drivers.dali import curve
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.link import LunatoneLink
from drivers.dali.maps import INTESIS
from drivers.dali.mirror import GatewayRegisters
from drivers.dali.plan import plan
from drivers.dali.protocol import PROTOCOL
from drivers.dali.simulator import SimulatedGateway
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.loop import clock, run

LASTING = Permit(1, math.inf)


def point(value: str, kind: Kind, access: Access = Access.R) -> Point:
    return Point(value, kind, access, DaliPoint(value=value), "p")


LEVEL, SET = point("level", Kind.Double), point("level_set", Kind.Double, Access.RW)
LAMP, POWER = point("lamp_failure", Kind.Boolean), point("active_power", Kind.Double)
LOAD, FAULT = point("bus_load", Kind.Double), point("bus_fault", Kind.Boolean)


class Way:
    """One gateway, and the way through it."""

    def __init__(self, wire: str, port: int) -> None:
        self._wire, self._port = wire, port
        self.link: Link = PROTOCOL.make_link(self._device(None), clock())

    def _device(self, gear: int | None) -> DaliDevice:
        where: dict[str, Any] = {"wire": self._wire, "host": "127.0.0.1", "port": self._port, "short_address": gear}
        return DaliDevice.model_validate({**where, "fault_fresh": "0 s"})

    def _driver(self, gear: int | None, asked: Point) -> Driver:
        return PROTOCOL.make_driver(f"{self._wire} {gear}", self._device(gear), [asked], self.link, clock())

    async def read(self, gear: int | None, asked: Point) -> float | str:
        """A value; the name of its status if it is not Good."""
        [exchange] = plan(self._device(gear), [asked])
        batch = await self._driver(gear, asked).read(bind(exchange, np.arange(1), 0), 2.0)
        status = StatusCode(int(batch.statuses[0]))
        return float(value_of(asked.kind, int(batch.cells[0]))) if status is StatusCode.Good else status.name

    async def put(self, gear: int, value: float) -> Outcome:
        """A level asked for."""
        item = WriteItem(0, cell_of(Kind.Double, value))
        [outcome] = await self._driver(gear, SET).write([item], LASTING, 2.0)
        return outcome.outcome


class Shared:
    """Six gears on one bus, and what the two gateways do with it."""

    def __init__(self) -> None:
        self.bus = Bus([Gear(i, level=254, numbers={"active_power": 40.0 + i}) for i in range(6)])
        loop = asyncio.get_running_loop()
        self.lunatone = SimulatedGateway("lunatone", [self.bus])
        self.registers = GatewayRegisters(INTESIS, [self.bus], loop.time)
        self.intesis = SimulatedDevice("intesis", {1: self.registers.memory})

    async def ask_all_day(self) -> None:
        """The register gateway's own polls: one gear after another, half of the bus's time."""
        loop = asyncio.get_running_loop()
        while True:
            took_s = self.registers.ask_next() - loop.time()
            await asyncio.sleep(2 * took_s)


@asynccontextmanager
async def shared() -> AsyncIterator[tuple[Shared, Way, Way]]:
    made = Shared()
    await made.lunatone.start()
    await made.intesis.start()
    frames, registers = Way("lunatone", made.lunatone.port), Way("intesis", made.intesis.port)
    asking = asyncio.ensure_future(made.ask_all_day())
    try:
        await frames.link.open()
        await registers.link.open()
        yield made, frames, registers
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await frames.link.close()
        await registers.link.close()
        await made.lunatone.stop()
        await made.intesis.stop()


def test_what_one_gateway_commands_the_other_knows() -> None:
    async def main() -> None:
        async with shared() as (made, frames, registers):
            assert await registers.put(3, 10.0) is Outcome.ACCEPTED
            assert made.bus.gear[3].level == 170
            await asyncio.sleep(0.1)
            link = frames.link
            assert isinstance(link, LunatoneLink) and link.line.targets[3] == 170, "overheard"
            assert await frames.read(3, LEVEL) == pytest.approx(curve.percent(170))
            assert await frames.put(3, 100.0) is Outcome.ACCEPTED
            await asyncio.sleep(2.0)  # a round of the other's polls
            assert await registers.read(3, LEVEL) == 100.0

    run(main(), debug=False)


def test_two_masters_share_the_time_of_one_bus() -> None:
    async def main() -> None:
        async with shared() as (made, frames, _):
            loop = asyncio.get_running_loop()
            begun_s, before = loop.time(), made.bus.frames
            for _round in range(20):
                for gear in range(6):
                    await frames.read(gear, LEVEL)
            took_s, sent = loop.time() - begun_s, made.bus.frames - before
            assert sent <= took_s / f.QUERY_S + 3, "no two frames at once"
            assert sent > 120 + 60, "each of them has its turns"
            load = await frames.read(None, LOAD)
            assert isinstance(load, float) and load > 100 * 120 * f.QUERY_S / 60, "the other's frames are load as well"

    run(main(), debug=False)


def test_a_failed_lamp_is_told_by_both_and_two_collide_and_are_found() -> None:
    async def main() -> None:
        async with shared() as (made, frames, registers):
            for failed in ({4}, {1, 4}):
                for gear in failed:
                    made.bus.gear[gear].lamp_failed = True
                await asyncio.sleep(2.0)
                for way in (frames, registers):
                    assert {gear for gear in range(6) if await way.read(gear, LAMP)} == failed

    run(main(), debug=False)


def test_a_short_stops_the_frames_of_both() -> None:
    async def main() -> None:
        async with shared() as (made, frames, registers):
            made.bus.shorted = True
            await asyncio.sleep(0.1)
            before = made.bus.frames
            with pytest.raises(DeviceSilent):
                await frames.read(3, LEVEL)
            assert await frames.read(None, FAULT) == 1.0
            assert await frames.put(3, 10.0) is not Outcome.ACCEPTED
            await registers.put(3, 10.0)
            assert (made.bus.frames, made.bus.gear[3].level) == (before, 254), "nothing gets through a short"
            made.bus.shorted = False
            await asyncio.sleep(1.0)
            assert await frames.read(3, LEVEL) == 100.0 and made.bus.frames > before

    run(main(), debug=False)


def test_a_number_that_another_master_came_between_is_not_believed() -> None:
    """A bank is read by registers of the gear that every master of the bus can change (IEC 62386-102, 9.10)."""

    async def main() -> None:
        async with shared() as (made, frames, _):
            assert await frames.read(2, POWER) == 42.0
            reading = asyncio.ensure_future(frames.read(2, POWER))
            await asyncio.sleep(0.4)
            assert not reading.done()
            made.bus.send((f.DTR1, 205))
            with pytest.raises(Busy, match="another master's frame"):
                await reading
            assert await frames.read(2, POWER) == 42.0

    run(main(), debug=False)


def test_a_gateway_that_tells_our_own_frames_too_is_not_another_master() -> None:
    async def main() -> None:
        async with shared() as (made, frames, _):
            made.bus.masters["echo"] = made.bus.masters[made.lunatone]
            assert await frames.read(2, POWER) == 42.0
            assert await frames.put(3, 10.0) is Outcome.ACCEPTED and await frames.read(3, POWER) == 43.0

    run(main(), debug=False)
