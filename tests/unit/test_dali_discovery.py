# SPDX-License-Identifier: Apache-2.0
"""Gear on a simulated line: who is there, what kind, which number; the draft of its inventory."""

from __future__ import annotations

import csv
import io

import pytest

from drivers.base import DriverError
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.discovery import gear_on, inventory
from drivers.dali.rest import names
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
            assert [g.name for g in found] == ["DALI LED 0", "DALI LED 7", "DALI LED 63"]
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
            assert rows[1]["title"] == "DALI LED 7, line 1, gear 7, device type LED"
            with pytest.raises(DriverError, match="line"):
                await gear_on("127.0.0.1", gateway.port, 3)
        finally:
            await gateway.stop()
        with pytest.raises(DriverError):
            await gear_on("127.0.0.1", gateway.port, 0)

    run(main(), debug=False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, {}),
        ([], {}),
        ({"devices": 5}, {}),
        ({"devices": [7, {"line": 0}, {"address": "3", "name": "x"}, {"address": 4, "name": None}]}, {}),
        ({"devices": [{"address": 4, "line": 0, "name": " Place\n du  Marché "}]}, {4: "Place du Marché"}),
        (
            {"devices": [{"address": 4, "line": 1, "name": "elsewhere"}, {"address": 5, "name": "x" * 500}]},
            {5: "x" * 100},
        ),
        ("x" * 2**20, {}),
    ],
)
def test_whatever_rest_says_is_names_or_none(told: object, expected: dict[int, str]) -> None:
    async def main() -> None:
        gateway = SimulatedGateway("g", [Bus([])])
        gateway.document = lambda path: told if path == "/devices" else None  # type: ignore[method-assign]
        await gateway.start()
        assert await names("127.0.0.1", gateway.port, 0, 5.0) == expected
        await gateway.stop()
        assert await names("127.0.0.1", gateway.port, 0, 5.0) == {}

    run(main(), debug=False)
