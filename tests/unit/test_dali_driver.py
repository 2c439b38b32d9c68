# SPDX-License-Identifier: Apache-2.0
"""A line and its gear through the simulated gateway: few questions, honest silences, commands."""

from __future__ import annotations

import asyncio
import itertools
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, cell_of, value_of
from drivers.base import Busy, DeviceSilent, Driver, Point, WriteItem, bind
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.link import LunatoneLink
from drivers.dali.lunatone import Reply
from drivers.dali.plan import plan
from drivers.dali.protocol import PROTOCOL
from drivers.dali.simulator import SimulatedGateway
from drivers.testbench import answered
from tests.sim.loop import clock, run

LASTING = Permit(1, math.inf)


def point(value: str, kind: Kind = Kind.Double, access: Access = Access.R, group: int | None = None) -> Point:
    return Point(value, kind, access, DaliPoint(value=value, group=group), "p" if access.readable else None)


class Site:
    """One line of 36 gear, and its drivers."""

    def __init__(self) -> None:
        self.bus = Bus([Gear(i, groups=1 << i % 4, level=254) for i in range(36)])
        self.gateway = SimulatedGateway("g", [self.bus])

    async def open(self) -> None:
        await self.gateway.start()
        self.link = LunatoneLink(self.device())
        await self.link.open()

    def device(self, gear: int | None = None) -> DaliDevice:
        where = {"wire": "lunatone", "host": "127.0.0.1", "port": self.gateway.port, "short_address": gear}
        return DaliDevice.model_validate({**where, "fault_fresh": "5 s"})

    def driver(self, points: list[Point], gear: int | None = None) -> Driver:
        return PROTOCOL.make_driver(f"L.{gear}", self.device(gear), points, self.link, clock())

    async def read(self, points: list[Point], gear: int | None = None) -> dict[str, object]:
        driver, found = self.driver(points, gear), dict[str, object]()
        for exchange in plan(self.device(gear), points):
            batch = await answered(driver, bind(exchange, np.arange(len(points)), 0), 1.0)
            for row, cell, status in zip(batch.rows, batch.cells, batch.statuses, strict=True):
                asked, good = points[int(row)], status < StatusCode.Uncertain
                found[asked.name] = value_of(asked.kind, int(cell)) if good else StatusCode(int(status)).name
        return found

    async def put(self, asked: Point, value: float, gear: int | None = None) -> Outcome:
        cell = cell_of(asked.kind, float(value) if asked.kind.is_float else int(value))
        [outcome] = await self.driver([asked], gear).write([WriteItem(0, cell)], LASTING, 1.0)
        return outcome.outcome


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.open()
    try:
        yield made
    finally:
        await made.link.close()
        await made.gateway.stop()


FAULTS = [point("lamp_failure", Kind.Boolean), point("gear_failure", Kind.Boolean)]


def test_two_frames_tell_that_36_lamps_are_well() -> None:
    async def main() -> None:
        async with site() as made:
            for gear in range(36):
                made.link.line.answered(gear, asyncio.get_running_loop().time())
            before = made.gateway.requests
            answers = await asyncio.gather(*(made.read(FAULTS, gear) for gear in range(36)))
            assert answers == [{"lamp_failure": False, "gear_failure": False}] * 36
            assert made.gateway.requests - before <= 2 * 36
            before = made.gateway.requests
            await asyncio.gather(*(made.read(FAULTS, gear) for gear in range(36)))
            assert made.gateway.requests == before

    run(main(), debug=False)


def test_one_failed_lamp_is_found_through_its_group() -> None:
    async def main() -> None:
        async with site() as made:
            await made.read([point("found", Kind.Int32)])
            made.gateway.turn("lamp 6")
            before = made.gateway.requests
            seen = {gear: (await made.read(FAULTS, gear))["lamp_failure"] for gear in range(36)}
            assert [gear for gear, failed in seen.items() if failed] == [6]
            assert made.gateway.requests - before < 2 * 5 + 9 + 8  # all, four groups, the nine of one group

    run(main(), debug=False)


def test_dead_gear_is_silent_and_says_so() -> None:
    async def main() -> None:
        async with site() as made:
            made.gateway.turn("dead 6")
            for points in ([point("level")], FAULTS, [point("active_power")]):
                with pytest.raises(DeviceSilent, match=r"L\.6: .*: gear 6 does not answer on the bus"):
                    await made.read(points, 6)

    run(main(), debug=False)


def test_a_short_silences_the_gear_and_is_told_by_the_line() -> None:
    line = [point("bus_fault", Kind.Boolean), point("power_supply", Kind.Boolean)]

    async def main() -> None:
        async with site() as made:
            assert await made.read(line) == {"bus_fault": False, "power_supply": True}
            made.gateway.turn("short")
            assert await made.read(line) == {"bus_fault": True, "power_supply": True}
            with pytest.raises(DeviceSilent, match="disturbed"):
                await made.read([point("level")], 1)
            made.gateway.turn("unpowered")
            assert await made.read(line) == {"bus_fault": True, "power_supply": False}

    run(main(), debug=False)


def test_a_group_command_is_one_frame_and_its_members_levels_are_computed() -> None:
    group, level_set = point("group_level", access=Access.RW, group=2), point("level_set", access=Access.RW)

    async def main() -> None:
        async with site() as made:
            assert (await made.read([point("found", Kind.Int32)]))["found"] == 36
            before = made.gateway.requests
            assert await made.put(group, 10.0) is Outcome.ACCEPTED
            assert made.gateway.requests == before + 1
            assert {g for g, step in made.link.line.targets.items() if step == 170} == {2 + 4 * i for i in range(9)}
            made.bus.gear[6].level = 0  # it does not obey
            seen = await made.read([point("level"), level_set], 6)
            assert seen["level"] == 0.0
            assert seen["level_set"] == pytest.approx(10.0, rel=0.01)
            assert (await made.read([group]))["group_level"] == pytest.approx(10.0, rel=0.01)

    run(main(), debug=False)


def test_a_command_passes_a_line_full_of_polls() -> None:
    banks = [point("active_power"), point("supply_voltage"), point("lamp_starts")]

    async def main() -> None:
        async with site() as made:
            loop = asyncio.get_running_loop()
            for gear in made.bus.gear.values():
                gear.numbers = {"active_power": 50.0, "supply_voltage": 230.0, "lamp_starts": 7.0}
            polls = [asyncio.ensure_future(made.read(banks, gear)) for gear in range(36)]
            await asyncio.sleep(3)
            begun_s = loop.time()
            assert await made.put(point("line_level", access=Access.W), 100.0) is Outcome.ACCEPTED
            assert loop.time() - begun_s < 0.2
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)

    run(main(), debug=False)


def test_what_is_out_of_range_or_unknown_is_said() -> None:
    async def main() -> None:
        async with site() as made:
            assert await made.put(point("level_set", access=Access.RW), 100.5, 1) is Outcome.REFUSED
            assert await made.put(point("scene", Kind.Int32, Access.RW), 16) is Outcome.REFUSED
            seen = await made.read([point("scene", Kind.Int32), point("cycle_time"), point("bus_load")])
            assert (seen["scene"], seen["cycle_time"]) == ("BadNoData", "BadNoData")
            assert float(seen["bus_load"]) > 0  # type: ignore[arg-type]
            assert await made.put(point("scene", Kind.Int32, Access.RW), 4) is Outcome.ACCEPTED
            assert (await made.read([point("scene", Kind.Int32)]))["scene"] == 4
            assert (await made.read([point("power_factor")], 1))["power_factor"] == "BadNoData"

    run(main(), debug=False)


def test_a_command_never_comes_between_two_frames_of_which_the_first_enables_the_second() -> None:
    """IEC 62386-102, 9 and 11: a scene between them, and the gear would not answer the failure status."""

    async def main() -> None:
        async with site() as made:
            frames: list[f.Frame] = []
            made.bus.masters["test"] = frames.append
            made.bus.gear[3].numbers["active_power"] = 12.5

            async def orders() -> None:
                for _ in range(40):
                    await made.put(point("scene", Kind.Int32, Access.W), 3)
                    await asyncio.sleep(0.02)

            asked = [point("short_circuit", Kind.Boolean), point("active_power")]
            found, _ = await asyncio.gather(made.read(asked, 3), orders())
            assert found == {"short_circuit": False, "active_power": 12.5}
            pairs = list(itertools.pairwise(frames))
            assert ((f.ENABLE_DEVICE_TYPE, f.LED), (7, f.LED_FAILURE_STATUS)) in pairs
            assert ((7, f.ENABLE_WRITE), (f.WRITE_MEMORY, f.LATCH)) in pairs

    run(main(), debug=False)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [(1, Outcome.REFUSED), (4, Outcome.REFUSED), (61, Outcome.UNKNOWN), (62, Outcome.UNKNOWN), (99, Outcome.UNKNOWN)],
)
def test_what_became_of_a_disturbed_frame_nobody_knows(result: int, outcome: Outcome) -> None:
    async def main() -> None:
        async with site() as made:

            async def ask(*_: object) -> Reply:
                return Reply(result)

            made.link.ask = ask  # type: ignore[method-assign]
            assert await made.put(point("line_level", access=Access.W), 50.0) is outcome

    run(main(), debug=False)


@pytest.mark.parametrize(("result", "error"), [(4, Busy), (7, Busy), (63, DeviceSilent), (5, DeviceSilent)])
def test_a_gateway_that_did_not_send_says_nothing_of_the_bus(result: int, error: type[Exception]) -> None:
    """A full buffer is no proof of a sound power supply."""

    async def main() -> None:
        async with site() as made:

            async def ask(*_: object) -> Reply:
                return Reply(result)

            made.link.ask = ask  # type: ignore[method-assign]
            with pytest.raises(error):
                await made.read([point("power_supply", Kind.Boolean)])

    run(main(), debug=False)


def test_a_number_that_the_kind_cannot_hold_is_out_of_range_and_alone() -> None:
    async def main() -> None:
        async with site() as made:
            made.bus.gear[3].numbers |= {"gear_starts": 100_000, "gear_on_time": 3600}
            found = await made.read([point("gear_starts", Kind.Int16), point("gear_on_time")], 3)
            assert found == {"gear_starts": "BadOutOfRange", "gear_on_time": 3600.0}
            assert await made.read([point("arc_level", Kind.SByte)], 3) == {"arc_level": "BadOutOfRange"}

    run(main(), debug=False)


def test_a_gateway_that_floods_with_pings_and_takes_no_answer_is_left() -> None:
    async def main() -> None:
        async with site() as made:
            [serving] = made.gateway._connections
            gateway = made.link.gateway
            assert gateway is not None and gateway._transport is not None
            gateway._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            serving._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            serving._transport.pause_reading()
            for _ in range(200):
                for _ in range(100):
                    serving._protocol.send_ping(bytes(125))
                serving._flush()
                await asyncio.sleep(0.01)
                if not made.link.is_up:
                    break
            assert "does not take the answers" in gateway.down

    run(main(), debug=False)
