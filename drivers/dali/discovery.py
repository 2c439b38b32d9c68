# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_discovery.py
"""Which gear hangs on a line: short address, device type, GTIN and serial number; and the draft of its inventory.

Law of this file: asks, commands nothing; at most 64 gear. Through a Lunatone gateway only: a register gateway answers
for each of its 64 places, whether somebody is there or not.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from drivers.dali import banks
from drivers.dali import frames as f
from drivers.dali.address import LUNATONE, DaliDevice
from drivers.dali.asking import Asker
from drivers.dali.link import LunatoneLink
from drivers.dali.rest import names
from drivers.dali.schedule import Rank

ASK_S: Final = 5.0
TYPES: Final = {
    0: "fluorescent", 1: "emergency", 2: "discharge", 3: "low-voltage halogen", 4: "incandescent", 5: "0/1-10 V",
    6: "LED", 7: "switch", 8: "colour",
}  # fmt: skip
"""Source: IEC 62386-102:2014, table 17 (parts 201 to 209)."""
SEVERAL: Final = 255
COLUMNS: Final = (
    "name", "area", "life", "title", "gear.host", "gear.port", "gear.line", "gear.gateway_serial", "gear.short_address",
    "gear.gtin", "gear.serial",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gear:
    """One gear as it describes itself, and the gateway before it, which knows its name; what was not said is None or
    ''.
    """

    gateway: str
    short: int
    type: int | None
    gtin: str
    serial: str
    name: str = ""

    @property
    def type_text(self) -> str:
        """Its device type in words."""
        if self.type is None:
            return "not told"
        return "several" if self.type == SEVERAL else TYPES.get(self.type, str(self.type))


async def gear_on(host: str, port: int, line: int) -> list[Gear]:
    """All gear that answers on a line, by short address.

    Raises:
        LinkDown, DeviceSilent, Busy; ValueError: no such line.
    """
    device = DaliDevice.model_validate({"wire": LUNATONE, "host": host, "port": port, "line": line})
    link = LunatoneLink(device)
    await link.open()
    try:
        found, gateway = [], await link.serial(ASK_S)
        named = await names(host, device.port, line, ASK_S)
        for short in range(f.GEAR_MAX + 1):
            target = f.Target(gear=short)
            with link.job(Rank.LEVEL, ASK_S) as job:
                if (await job.query(f.command(target, f.QUERY_PRESENT))).answer is None:
                    continue
                type_ = (await job.query(f.command(target, f.QUERY_DEVICE_TYPE))).answer
            said = await Asker(link, short, device.curve).nameplate(banks.NAMEPLATE, ASK_S)
            found.append(
                Gear(gateway, short, type_, said.get("gtin", ""), said.get("serial", ""), named.get(short, ""))
            )
        return found
    finally:
        await link.close()
        await asyncio.sleep(0)


def inventory(found: Sequence[Gear], host: str, port: int, line: int, area: str) -> str:
    """The inventory of luminaires; planned until somebody says where each of them is."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, gear in enumerate(found, 1):
        title = f"{gear.name or 'no name'}, line {line}, gear {gear.short}, device type {gear.type_text}"
        where = (host, port or 80, line, gear.gateway, gear.short)
        writer.writerow((f"LUM-{number:04}", area, "planned", title, *where, gear.gtin, gear.serial))
    return out.getvalue()
