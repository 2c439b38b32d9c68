# SPDX-License-Identifier: Apache-2.0
"""The living line in virtual time: Sennecey's simulated cabinets on real loopback sockets, polled into the table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import numpy as np

from config.model import Site
from config.words import StatusCode
from drivers.base import DeviceSpec, Point
from supervisor.core import Core
from supervisor.demo.field import FieldSimulator
from supervisor.plant.plant import Plant
from tests.sim.loop import clock, run
from tests.sites import PROTOCOLS, compiled, lighting, paced, sennecey

NIGHT = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
CABINET = "21605/CAB-0001"
DEVICE = f"{CABINET}.controller"


def at_endpoints(plant: Plant, field: FieldSimulator) -> Plant:
    """The plant with the addresses at which the simulated devices really listen."""
    devices = tuple(
        replace(d, device=d.device.model_copy(update=dict(zip(("host", "port"), field.endpoints[d.name], strict=True))))
        for d in plant.devices
    )
    return replace(plant, devices=devices)


def live(
    story: Callable[[Core, FieldSimulator], Awaitable[None]], scan_s: float = 0.1, site: Site | None = None
) -> None:
    """Run field and core together and tell them a story; `site`: another one than all of Sennecey."""
    site = paced(site or sennecey(), scan_s)

    async def main() -> None:
        field = FieldSimulator(site, clock(), ports="os", seed=1)
        await field.start()
        plant = at_endpoints(compiled(site), field)
        core = Core.build(site, plant, PROTOCOLS, clock(), Random(1), lambda: {"post.up": 1, "post.role": 0})
        beats = 0

        def beat() -> None:
            nonlocal beats
            beats += 1

        running = asyncio.create_task(core.run(beat))
        try:
            await story(core, field)
            assert beats > 0
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await field.stop()

    run(main(), start=NIGHT, debug=False)


def status(core: Core, name: str) -> int:
    row = core.plant.row(name)
    assert row is not None, name
    return int(core.table.status[row])


def value(core: Core, name: str) -> object:
    row = core.plant.row(name)
    assert row is not None, name
    return core.table.value(row)


def is_comparable(device: DeviceSpec, point: Point) -> bool:
    """Not what a bus tells of itself, nor what it asks for so rarely that it was not asked again yet."""
    itself = getattr(point.address, "value", "") in ("bus_load", "cycle_time", "scene")
    return not itself and (point.poll is None or device.polls[point.poll].period_s <= 60)


def test_every_tag_that_has_a_source_becomes_good_and_equals_the_device() -> None:
    async def story(core: Core, field: FieldSimulator) -> None:
        await asyncio.sleep(420)  # the bus has carried every memory bank once, beside what is more urgent
        field.freeze(True)
        await asyncio.sleep(125)  # every poll class has asked again
        wrong = {
            core.plant.name(row): hex(core.table.status[row])
            for row in np.flatnonzero(core.plant.supported & (core.table.status != StatusCode.Good)).tolist()
        }
        unmeasured = {
            f"21605/SYS-0001/{tag}" for tag in ("CPU", "Mem", "Disk", "NTP", "HistQ", "HistOK", "AlmRate", "CertDays")
        }
        unmeasured |= {f"21605/ALM-0001/{tag}" for tag in ("Active", "Unacked", "Shelved", "Suppressed", "Unevaluable")}
        young = {f"21605/BLD-{i:04}/EPC_kWhm2" for i in range(1, 4)}  # they tell of seven days, none has passed yet
        untold = {"21605/DLI-0001/Scene"}  # a line cannot be asked which scene was told to all
        assert set(wrong) == unmeasured | young | untold, wrong
        compared = 0
        for device in core.plant.devices:
            for point, row in zip(device.points, device.rows.tolist(), strict=True):
                if not is_comparable(device, point):
                    continue
                told = field.engineering(device.name, point.name)
                got = core.table.value(row)
                if isinstance(told, float):
                    untold = getattr(point.address, "deadband", 0.0)  # a change up to it is not worth telling
                    near = 1e-6 * max(1.0, abs(told)) + untold
                    assert got is not None and abs(float(got) - told) <= near, point.name
                else:
                    assert got == told, f"{device.name} {point.name}"
                compared += 1
        assert compared > 800
        assert core.statistics.missed == 0
        missed = {d.name: d.missed_slots for d in core.host.status() if d.missed_slots}
        assert missed == {}, "every slot is kept; a DALI bus carries what fits, and says so by its CycleTime"
        assert 20 <= float(value(core, "21605/DLI-0001/CycleTime")) < 120  # type: ignore[arg-type]

    live(story, scan_s=0.5)


def test_calculated_tags_of_the_cabinet_work() -> None:
    async def story(core: Core, field: FieldSimulator) -> None:
        await asyncio.sleep(130)
        assert value(core, f"{CABINET}/K1_Fb") is True, "18:00 UTC in January is night"
        expected = float(value(core, f"{CABINET}/P_exp"))  # type: ignore[arg-type]
        assert 1.0 < expected < 3.0
        assert abs(float(value(core, f"{CABINET}/P_dev"))) < 15  # type: ignore[arg-type]
        states = core.plant.types["CAB"].blocks["State"].info.values
        assert states[int(value(core, f"{CABINET}/State"))] in ("on", "dim")  # type: ignore[call-overload]
        before = float(value(core, f"{CABINET}/RunH"))  # type: ignore[arg-type]
        await asyncio.sleep(360)
        assert abs(float(value(core, f"{CABINET}/RunH")) - before - 0.1) <= 0.003  # type: ignore[arg-type]

    live(story, scan_s=0.5, site=lighting(sennecey()))


def test_a_dead_device_turns_uncertain_then_null_and_comes_back_and_others_do_not_notice() -> None:
    async def story(core: Core, field: FieldSimulator) -> None:
        await asyncio.sleep(70)
        assert status(core, f"{CABINET}/K1_Fb") == StatusCode.Good
        others = core.plant.rows_of("21605/CAB-0002")
        field.turn(DEVICE, "hang 600 s")
        await asyncio.sleep(3.4)  # one poll of 2 s, its timeout of 0.8 s, one scan
        assert status(core, f"{CABINET}/K1_Fb") == StatusCode.UncertainNoCommunicationLastUsableValue
        assert value(core, f"{CABINET}/K1_Fb") is True
        await asyncio.sleep(200)
        assert status(core, f"{CABINET}/K1_Fb") == StatusCode.BadNoCommunication
        assert value(core, f"{CABINET}/K1_Fb") is None
        assert value(core, f"{CABINET}/V1") is None
        assert status(core, f"{CABINET}/P_dev") == StatusCode.BadNoCommunication, (
            "what is calculated from it is null too"
        )
        assert (value(core, f"{CABINET}/Comm"), status(core, f"{CABINET}/Comm")) == (False, StatusCode.Good)
        supported = core.plant.supported[others]
        assert (core.table.status[others][supported] == StatusCode.Good).all()
        await asyncio.sleep(420)
        assert status(core, f"{CABINET}/K1_Fb") == StatusCode.Good, "good again without help"
        await asyncio.sleep(65)
        assert (value(core, f"{CABINET}/Comm"), status(core, f"{CABINET}/FW")) == (True, StatusCode.Good)

    live(story, scan_s=0.5, site=lighting(sennecey()))
