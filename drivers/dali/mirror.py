# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_registers.py, tests/kit/test_dali.py
"""A simulated Modbus gateway: the registers of a map, filled from a simulated bus, obeyed by it.

Law of this file: pure but for the memory it fills; the Modbus simulator serves it. Which gateway it is stands in its
map alone. It polls its bus by itself and answers from memory: `ask_next` is one step of its round, `mirror` all of it
at once, in no time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.dali import curve
from drivers.dali import frames as f
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.maps import Counted, Place, RegisterMap
from drivers.modbus.memory import Memory
from drivers.modbus.place import Table

ORDERS: Final = ("level_set", "group_level", "line_level", "scene")


class GatewayRegisters:
    """Registers of a gateway.

    Attributes:
        memory: what the Modbus simulator serves.
        buses: its lines.
    """

    def __init__(self, map_: RegisterMap, buses: list[Bus], now_s: Callable[[], float] = lambda: 0.0) -> None:
        """Look at all gear.

        Args:
            now_s: the clock of the buses [s]; where a gateway is alone on its bus, nobody asks for the time.
        """
        self.buses, self._map, self._now_s = buses, map_, now_s
        self._next = [0] * len(buses)
        self.memory = Memory(on_write=self._written)
        self._orders = {} if map_.counted else {o: map_.places[o] for o in ORDERS if o in map_.places}
        self._counts: dict[int, int] = {}
        self.mirror()

    def mirror(self) -> None:
        """Ask all gear and note what it says."""
        for line, bus in enumerate(self.buses):
            for gear in bus.gear.values():
                if not gear.dead and bus.is_well:
                    self._note(line * self._map.per_line, gear)

    def ask_next(self) -> float:
        """Ask the next gear of each line for its status and level; when the last answer is there [s]."""
        done_s = self._now_s()
        for line, bus in enumerate(self.buses):
            short = next((s for s in sorted(bus.gear) if s >= self._next[line]), min(bus.gear, default=0))
            self._next[line] = short + 1
            for code in (f.QUERY_STATUS, f.QUERY_ACTUAL_LEVEL):
                said = self._put_on(bus, f.command(f.Target(gear=short), code), f.QUERY_S)
                done_s = max(done_s, bus.free_s)
                if said == "value":
                    self._note(line * self._map.per_line, bus.gear[short])
        return done_s

    def _put_on(self, bus: Bus, frame: f.Frame, air_s: float) -> str:
        """A frame on a bus, if it takes one; what is heard."""
        if not bus.is_well:
            return "nothing"
        bus.take(self._now_s(), air_s)
        return bus.send(frame, self)[0]

    def _note(self, base: int, gear: Gear) -> None:
        bits = {name: gear.status >> bit & 1 for name, bit in f.STATUS_BITS.items()}
        bits |= {name: gear.failure_bits >> bit & 1 for name, bit in f.FAILURE_BITS.items()}
        for name, place in self._map.places.items():
            if place.per_gear:
                self._put(place, place.address(base, gear.short, 0), bits.get(name, gear.level))

    def _put(self, place: Place, at: int, number: int) -> None:
        registers = self.memory.table(place.table)
        if place.bit is not None:
            registers[at] = int(registers[at]) & ~(1 << place.bit) | number << place.bit
        elif place.unit == "arc":
            registers[at] = int(registers[at]) & 0xFF00 | number
        else:
            registers[at] = round(curve.percent(number))

    # --- commands

    def _written(self, table: Table, first: int, count: int) -> None:
        """A client wrote: tell the bus, then look at it again."""
        if table != "holding":
            return
        if self._map.counted is not None:
            self._counted(self._map.counted)
        else:
            for at in range(first, first + count):
                line, offset = divmod(at, self._map.per_line)
                if line < len(self.buses):
                    self._obey(self.buses[line], offset, int(self.memory.holding[at]))
        self.mirror()

    def _obey(self, bus: Bus, offset: int, value: int) -> None:
        """A number was written to where a value lies."""
        for order, place in self._orders.items():
            step = place.per_gear or place.per_group or 1
            index, rest = divmod(offset - place.first, step)
            last = f.GEAR_MAX if place.per_gear else f.GROUP_MAX if place.per_group else 0
            if rest == 0 and 0 <= index <= last and value <= place.most:
                target = f.Target(gear=index) if place.per_gear else f.Target(group=index) if place.per_group else f.ALL
                is_scene = order == "scene"
                frame = _frame(target, value if is_scene else curve.level(value), is_scene)
                self._put_on(bus, frame, f.COMMAND_S)
                return

    def _counted(self, pairs: Counted) -> None:
        """A pair whose count has changed is a command."""
        for at in (pairs.level, pairs.scene):
            head, value = (int(word) for word in self.memory.holding[at : at + 2])
            if head >> 8 == self._counts.get(at, 0):
                continue
            self._counts[at] = head >> 8
            who = head & 0xFF
            target = f.ALL if who == 127 else f.Target(gear=who) if who < 64 else f.Target(group=who - 64)
            number = value - f.GO_TO_SCENE if at == pairs.scene else min(value, curve.LEVEL_MAX)
            self._put_on(self.buses[0], _frame(target, number, at == pairs.scene), f.COMMAND_S)


def _frame(target: f.Target, number: int, is_scene: bool) -> f.Frame:
    return f.command(target, f.GO_TO_SCENE + number) if is_scene else f.direct_level(target, number)
