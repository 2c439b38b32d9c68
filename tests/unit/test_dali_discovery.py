# SPDX-License-Identifier: Apache-2.0
"""Gear on a simulated line: who is there, what kind, which number; the draft of its inventory."""

from __future__ import annotations

import csv
import io

import pytest

from drivers.base import DriverError
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.discovery import gear_on, inventory
from drivers.dali.simulator import SimulatedGateway
from tests.sim.loop import run


def test_gear_says_its_type_gtin_and_serial_number() -> None:
    async def main() -> None:
        gear = [
            Gear(0, gtin=4012345678901, serial=142),
            Gear(7, serial=0),  # it has no bank 0
            Gear(63, gtin=4012345678901, serial=2**63, refused={"device_type"}),
            Gear(9, serial=5),
        ]
        gateway = SimulatedGateway("g", [Bus(gear)])
        await gateway.start()
        gear[3].dead = True
        try:
            found = await gear_on("127.0.0.1", gateway.port, 0)
            assert [(g.short, g.type_text, g.gtin, g.serial) for g in found] == [
                (0, "LED", "4012345678901", "142"),
                (7, "LED", "", ""),
                (63, "not told", "4012345678901", str(2**63)),
            ]
            rows = list(csv.DictReader(io.StringIO(inventory(found, "10.0.0.9", 0, 1, "21605"))))
            assert (
                rows[2]["gear.short_address"] == "63"
                and rows[2]["gear.gateway_serial"] == "4711"
                and rows[2]["gear.port"] == "80"
            )
            assert {row["life"] for row in rows} == {"planned"} and rows[0]["name"] == "LUM-0001"
            with pytest.raises(DriverError, match="line"):
                await gear_on("127.0.0.1", gateway.port, 3)
        finally:
            await gateway.stop()
        with pytest.raises(DriverError):
            await gear_on("127.0.0.1", gateway.port, 0)

    run(main(), debug=False)
