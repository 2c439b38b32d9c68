# SPDX-License-Identifier: Apache-2.0
"""A page for one device of each protocol, from the running plant of Sennecey: well, and with something wrong."""

from __future__ import annotations

import asyncio

from supervisor.cli.probe import is_well, lines
from supervisor.core import Core
from supervisor.demo.field import FieldSimulator
from supervisor.status import probe_document
from tests.sim.loop import clock
from tests.sim.test_core import live

DEVICES = {
    "21605/CAB-0001.controller": ("application CAB-0001", "application CAB-0001", "input 0..25"),
    "21605/BLD-0001.bms": ("instance ", "name 21605/BLD-0001.bms", "analog-input 1"),
    "21605/JCT-0001.gateway": ("application_uri urn:vigie:collector", "urn:vigie:collector", "nodes"),
    "21605/LUM-0001.gear": ("gateway 605001", "gateway 605001, after", "level"),
}


async def page(core: Core, name: str) -> tuple[str, bool]:
    index = [d.name for d in core.plant.devices].index(name)
    document = probe_document(await core.host.probe(index, 3.0), clock().wall_ns())
    return "\n".join(lines(document)), is_well(document)


def test_one_page_for_a_device_of_each_protocol() -> None:
    async def story(core: Core, field: FieldSimulator) -> None:
        await asyncio.sleep(30)
        for name, (declared, said, asked) in DEVICES.items():
            text, well = await page(core, name)
            assert f"  must be     {declared}" in text and said in text and asked in text, text
            assert "  link        up for " in text and " wanted, " in text and "NO ANSWER" not in text
            assert well is ("0 refused" in text)
        field.turn("CAB-0001", "reject input 5")
        field.turn("CAB-0002", "hang")
        await asyncio.sleep(20)
        text, well = await page(core, "21605/CAB-0001.controller")
        assert not well and "at input 5" in text and "exception 2 (illegal data address)" in text, text
        assert "asked again in 10 min" in text, "what is in quarantine, and for how long"
        text, well = await page(core, "21605/CAB-0002.controller")
        assert not well and "says now    nothing: " in text and "NO ANSWER" in text and "asked rarely" in text, text

    live(story, 0.5)


def test_a_device_that_is_asked_for_in_vain_says_why() -> None:
    async def story(core: Core, field: FieldSimulator) -> None:
        await asyncio.sleep(20)
        await field.stop()
        await asyncio.sleep(20)
        for name in DEVICES:
            text, well = await page(core, name)
            assert not well and "says now    nothing: " in text, text

    live(story, 0.5)
