# SPDX-License-Identifier: Apache-2.0
"""Register maps of Modbus gateways: addresses against the manuals, units, commands that are counted."""

from __future__ import annotations

import asyncio
import math

import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, cell_of, value_of
from drivers.base import Point, bind
from drivers.dali import curve
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.maps import ADFWEB, INTESIS
from drivers.dali.mirror import GatewayRegisters
from drivers.dali.plan import plan
from drivers.dali.protocol import PROTOCOL
from drivers.dali.registers import translate
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.loop import clock, run

LASTING = Permit(1, math.inf)


def point(value: str, kind: Kind = Kind.Double, access: Access = Access.R, group: int | None = None) -> Point:
    poll = "p" if access.readable else None
    return Point(value, kind, access, DaliPoint(value=value, group=group), poll)


@pytest.mark.parametrize(
    ("wire", "value", "group", "register"),
    [
        ("intesis", "lamp_failure", None, "holding 7505.1 (bit)"),
        ("intesis", "level", None, "holding 7506 (uint16)"),
        ("intesis", "level_set", None, "holding 7515 (uint16)"),
        ("intesis", "open_circuit", None, "holding 7580.1 (bit)"),
        ("intesis", "group_level", 3, "holding 13460 (uint16)"),
        ("intesis", "line_level", None, "holding 13800 (uint16)"),
        ("intesis", "scene", None, "holding 13805 (uint16)"),
        ("adfweb", "level", None, "input 20 (uint16)"),
        ("adfweb", "lamp_failure", None, "input 20.9 (bit)"),
    ],
)
def test_registers_are_those_of_the_manual(wire: str, value: str, group: int | None, register: str) -> None:
    line = 1 if wire == "intesis" else 0
    device = DaliDevice.model_validate({"wire": wire, "host": "h", "line": line, "short_address": 5})
    assert str(translate(device, [point(value, group=group)])[0].address) == register


def test_a_line_that_the_gateway_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected line 0\.\.0 of ADFweb HD67845, got 1"):
        plan(DaliDevice(wire="adfweb", host="h", line=1, short_address=0), [point("level")])


class Bench:
    """A gateway's registers and a driver on them."""

    def __init__(self, wire: str, memory: Memory, points: list[Point]) -> None:
        self.wire, self.points = wire, points
        self.simulated = SimulatedDevice("gateway", {1: memory})

    async def __aenter__(self) -> Bench:
        await self.simulated.start()
        where = {"wire": self.wire, "host": "127.0.0.1", "port": self.simulated.port, "short_address": 5}
        device = DaliDevice.model_validate(where)
        self.link = PROTOCOL.make_link(device, clock())
        self.driver = PROTOCOL.make_driver("L", device, self.points, self.link, clock())
        self.exchanges = plan(device, self.points)
        await self.link.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()
        await self.simulated.stop()

    async def read(self) -> dict[str, object]:
        import numpy as np

        found: dict[str, object] = {}
        for i, exchange in enumerate(self.exchanges):
            request = bind(exchange, np.arange(len(self.points)), i)
            batch = await self.driver.read(request, 1.0)
            for row, cell, status in zip(batch.rows, batch.cells, batch.statuses, strict=True):
                asked = self.points[int(row)]
                good = status < StatusCode.Uncertain
                found[asked.name] = value_of(asked.kind, int(cell)) if good else StatusCode(int(status)).name
        return found

    async def write(self, name: str, value: float) -> Outcome:
        from drivers.base import WriteItem

        at = [p.name for p in self.points].index(name)
        kind = self.points[at].kind
        cell = cell_of(kind, float(value) if kind.is_float else int(value))
        [outcome] = await self.driver.write([WriteItem(at, cell)], LASTING, 1.0)
        return outcome.outcome


def test_adfweb_tells_status_and_level_in_one_register_and_takes_counted_commands() -> None:
    points = [
        point("level"),
        point("arc_level", Kind.Byte),
        point("lamp_failure", Kind.Boolean),
        point("level_set", access=Access.RW),
        point("group_level", access=Access.RW, group=3),
        point("scene", Kind.Int32, Access.W),
        point("bus_load"),
    ]

    async def main() -> None:
        memory = Memory()
        memory.input[20] = 0x02_00 | 170
        memory.holding[0] = 0xFF_00  # the count stands at its end
        async with Bench("adfweb", memory, points) as made:
            seen = await made.read()
            assert seen["level"] == pytest.approx(10.0, rel=0.01)
            assert (seen["arc_level"], seen["lamp_failure"]) == (170, True)
            assert (seen["bus_load"], seen["group_level"]) == ("BadNotSupported", "BadNotSupported")
            assert "offers no bus_load" in " ".join(made.driver.notes(bind(made.exchanges[-1], range_(7), 0)))
            assert await made.write("level_set", 100.0) is Outcome.ACCEPTED
            assert memory.holding[:2].tolist() == [0x00_05, 254]
            assert await made.write("group_level", 10.0) is Outcome.ACCEPTED
            assert memory.holding[:2].tolist() == [0x01_43, 170]
            assert await made.write("scene", 4) is Outcome.ACCEPTED
            assert memory.holding[64:66].tolist() == [0x02_7F, 0x14]
            assert await made.write("scene", 16) is Outcome.REFUSED

    run(main(), debug=False)


def range_(n: int):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.arange(n)


def test_intesis_tells_the_bus_it_polls_and_passes_commands_on() -> None:
    points = [
        point("level"),
        point("lamp_failure", Kind.Boolean),
        point("open_circuit", Kind.Boolean),
        point("level_set", access=Access.RW),
        point("group_level", access=Access.RW, group=3),
    ]
    gear = Gear(5, groups=1 << 3, level=170, lamp_failed=True, failure_bits=2)

    async def main() -> None:
        registers = GatewayRegisters(INTESIS, [Bus([gear])])
        async with Bench("intesis", registers.memory, points) as made:
            seen = await made.read()
            assert (seen["level"], seen["lamp_failure"], seen["open_circuit"]) == (10.0, True, True)
            assert await made.write("level_set", 1.0) is Outcome.ACCEPTED
            assert gear.level == curve.level(1.0)
            assert await made.write("group_level", 100.0) is Outcome.ACCEPTED
            assert gear.level == 254
            assert (await made.read())["level"] == 100.0

    run(main(), debug=False)


def test_adfweb_obeys_a_command_once_for_each_count_and_tells_what_came_of_it() -> None:
    points = [point("level"), point("level_set", access=Access.RW), point("scene", Kind.Int32, Access.W)]
    gear = Gear(5, groups=1 << 3, level=170)

    async def main() -> None:
        bus = Bus([gear])
        registers = GatewayRegisters(ADFWEB, [bus])
        async with Bench("adfweb", registers.memory, points) as made:
            assert (await made.read())["level"] == pytest.approx(10.0, rel=0.01)
            assert await made.write("level_set", 100.0) is Outcome.ACCEPTED
            assert (gear.level, bus.frames) == (254, 1)
            assert await made.write("level_set", 100.0) is Outcome.ACCEPTED
            assert bus.frames == 2, "the same level again is another command"
            assert await made.write("scene", 4) is Outcome.ACCEPTED
            assert (bus.scene, bus.frames) == (4, 3)

    run(main(), debug=False)


def test_a_permit_that_has_ended_asks_nothing_of_the_gateway() -> None:
    async def main() -> None:
        from drivers.base import WriteItem

        async with Bench("adfweb", Memory(), [point("level_set", access=Access.RW)]) as made:
            ended = Permit(1, clock().boot_s())
            [outcome] = await made.driver.write([WriteItem(0, cell_of(Kind.Double, 5.0))], ended, 1.0)
            assert outcome.outcome is Outcome.REFUSED and "permit" in outcome.reason
            assert made.simulated.requests == 0

    run(main(), debug=False)


def test_a_register_outside_its_range_is_no_value() -> None:
    async def main() -> None:
        memory = Memory()
        memory.holding[506] = 255
        async with Bench("intesis", memory, [point("level")]) as made:
            assert (await made.read())["level"] == "BadOutOfRange"

    run(main(), debug=False)


def test_two_commands_at_once_and_the_two_pairs_of_adfweb_are_each_counted_for_themselves() -> None:
    """MN67845: the gateway acts when the count of that pair has changed; an equal one is obeyed by nobody."""
    points = [point("level_set", access=Access.RW), point("scene", Kind.Int32, Access.W)]

    async def main() -> None:
        bus = Bus([Gear(5)])
        registers = GatewayRegisters(ADFWEB, [bus])
        registers.memory.holding[ADFWEB.counted.scene] = 3 << 8 | 5  # type: ignore[union-attr]
        registers._written("holding", 64, 1)  # the last scene was the third command
        before = bus.frames
        async with Bench("adfweb", registers.memory, points) as made:
            both = await asyncio.gather(made.write("level_set", 10.0), made.write("level_set", 100.0))
            assert both == [Outcome.ACCEPTED] * 2 and bus.frames - before == 2
            assert await made.write("scene", 4) is Outcome.ACCEPTED and bus.frames - before == 3
            assert await made.write("level_set", 50.0) is Outcome.ACCEPTED and bus.frames - before == 4

    run(main(), debug=False)


def test_a_count_that_cannot_be_read_is_not_guessed() -> None:
    """A guess might be the count of the last command: the gateway would say yes, and do nothing."""

    async def main() -> None:
        from drivers.base import WriteItem

        registers = GatewayRegisters(ADFWEB, [bus := Bus([Gear(5)])])
        async with Bench("adfweb", registers.memory, [point("level_set", access=Access.RW)]) as made:
            made.simulated.reject("holding", 0)
            item = WriteItem(0, cell_of(Kind.Double, 100.0))
            [outcome] = await made.driver.write([item], LASTING, 1.0)
            assert outcome.outcome is Outcome.REFUSED and bus.frames == 0
            for part in ("cannot read the count of commands", "holding 0..1 (uint32)", "nothing was sent"):
                assert part in outcome.reason

    run(main(), debug=False)


def test_a_level_that_the_kind_cannot_hold_is_out_of_range() -> None:
    async def main() -> None:
        memory = Memory()
        memory.input[20] = 254
        async with Bench(
            "adfweb", memory, [point("arc_level", Kind.SByte), point("lamp_failure", Kind.Boolean)]
        ) as made:
            assert await made.read() == {"arc_level": "BadOutOfRange", "lamp_failure": False}

    run(main(), debug=False)
