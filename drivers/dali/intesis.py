# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_registers.py, tests/kit/test_dali.py
"""A simulated Modbus gateway: the registers of a map, filled from a simulated bus, obeyed by it.

Law of this file: pure but for the memory it fills; the Modbus simulator serves it. The gateway polls its bus by itself
and answers from memory: `mirror` is one round of its polls.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.dali import curve
from drivers.dali import frames as f
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.maps import INTESIS, Place
from drivers.modbus.address import Table
from drivers.modbus.memory import Memory


class IntesisRegisters:
    """Registers of an Intesis gateway.

    Attributes:
        memory: what the Modbus simulator serves.
        buses: its lines.
    """

    def __init__(self, buses: list[Bus]) -> None:
        self.buses = buses
        self.memory = Memory(on_write=self._written)
        self.mirror()

    def mirror(self) -> None:
        """Ask all gear and note what it says."""
        for line, bus in enumerate(self.buses):
            base = line * INTESIS.per_line
            for gear in bus.gear.values():
                if not gear.dead and bus.is_well:
                    self._note(base, gear)

    def _note(self, base: int, gear: Gear) -> None:
        numbers: Mapping[str, int] = {
            "level": round(curve.percent(gear.level)),
            "level_set": round(curve.percent(gear.level)),
            **{name: gear.status >> bit & 1 for name, bit in f.STATUS_BITS.items()},
            **{name: gear.failure_bits >> bit & 1 for name, bit in f.FAILURE_BITS.items()},
        }
        for name, number in numbers.items():
            self._put(INTESIS.places[name], base, gear.short, number)

    def _put(self, place: Place, base: int, gear: int, number: int) -> None:
        at = place.address(base, gear, 0)
        if place.bit is None:
            self.memory.holding[at] = number
        else:
            kept = int(self.memory.holding[at]) & ~(1 << place.bit)
            self.memory.holding[at] = kept | number << place.bit

    def _written(self, table: Table, first: int, count: int) -> None:
        """A client wrote: tell the bus, then look at it again."""
        for at in range(first, first + count):
            line, offset = divmod(at, INTESIS.per_line)
            if table == "holding" and line < len(self.buses):
                self._obey(self.buses[line], offset, int(self.memory.holding[at]))
        self.mirror()

    def _obey(self, bus: Bus, offset: int, value: int) -> None:
        if offset < 6400 and offset % 100 == 15:
            bus.send(f.direct_level(f.Target(gear=offset // 100), curve.level(min(value, 100))))
        elif 6400 <= offset < 6720 and (offset - 6400) % 20 == 0:
            bus.send(f.direct_level(f.Target(group=(offset - 6400) // 20), curve.level(min(value, 100))))
        elif offset == 6800:
            bus.send(f.direct_level(f.ALL, curve.level(min(value, 100))))
        elif offset == 6805 and value < 16:
            bus.send(f.command(f.ALL, f.GO_TO_SCENE + value))
