# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_lights.py
"""Engineering values of simulated luminaires -> gear on a simulated bus, and back: `registers.Bank` for DALI.

Law of this file: what a tag means is the type's own YAML. Levels are moved by frames on the bus, as a panel on site
would move them; what a bus or a server finds out by itself (members, load, a round's time) nobody can put.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.model import TagModel
from drivers.dali import curve
from drivers.dali import frames as f
from drivers.dali.address import DaliPoint
from drivers.dali.banks import FIELDS
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.simulator import SimulatedGateway

Values = npt.NDArray[Any]

GROUPS: Final = 4
"""Simulated gear is in one of the groups 1..4."""
OWN: Final = ("bus_load", "cycle_time")
"""What only a server on the line can know."""


class _Numbers(MutableMapping[str, float]):
    """Numbers of one gear's memory banks, its elements of the bank's columns: a step costs no loop over gear."""

    def __init__(self, columns: dict[str, Values], i: int) -> None:
        self._columns, self._i = columns, i

    def __getitem__(self, name: str) -> float:
        return float(self._columns[name][self._i])

    def __setitem__(self, name: str, number: float) -> None:
        self._columns[name][self._i] = number

    def __delitem__(self, name: str) -> None:
        raise TypeError("every gear of a type has the same memory banks")

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class GearBank:
    """Gear, or lines, of all instances of one device role of a type.

    Args:
        tags: the type's tags that have a point on this role's device.
        points: address of each of them.
        count: instances.
    """

    def __init__(self, tags: Mapping[str, TagModel], points: Mapping[str, DaliPoint], count: int) -> None:
        self._tags, self.count = dict(tags), count
        self._points = {name: points[name] for name in tags if points[name].value not in OWN}
        self._columns = {str(p.value): np.zeros(count) for p in self._points.values() if p.value in FIELDS}
        self._gear = [Gear(0, numbers=_Numbers(self._columns, i)) for i in range(count)]
        self._bus = [Bus([]) for _ in range(count)]
        self._gateway: list[tuple[SimulatedGateway, int] | None] = [None] * count
        self._last: dict[str, Values] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Tags that lie in this bank."""
        return tuple(self._points)

    def place(self, instance: int, gateway: SimulatedGateway, line: int, short: int | None) -> None:
        """Hang one instance on a line: gear by its short address, or the line itself.

        Raises:
            ValueError: the address is taken.
        """
        while len(gateway.buses) <= line:
            gateway.buses.append(Bus([]))
        bus = self._bus[instance] = gateway.buses[line]
        self._gateway[instance] = gateway, line
        if short is not None:
            if short in bus.gear:
                raise ValueError(f"gear {short} on line {line} of {gateway.host} exists already")
            gear = self._gear[instance]
            gear.short, gear.groups = short, 1 << short % GROUPS + 1
            bus.gear[short] = gear

    # --- values

    def put(self, tag: str, values: Values) -> None:
        """Engineering values of one tag of all instances, (count,); what has not changed is left to the bus."""
        last, self._last[tag] = self._last.get(tag), values.copy()
        if tag not in self._points:
            return
        value, model = str(self._points[tag].value), self._tags[tag]
        if value in FIELDS:  # read where they stand, see `_Numbers`
            self._columns[value][:] = (values - model.offset) / model.scale
            return
        changed = np.arange(self.count) if last is None else np.flatnonzero(last != values)
        if value == "level_set" and len(changed) == self.count and (values == values[0]).all():
            self._all_go(curve.level(min(max(float(values[0]), 0.0), 100.0)))
            return
        for i in changed.tolist():
            self._put(value, i, float(values[i]))

    def _put(self, value: str, i: int, number: float) -> None:
        gear = self._gear[i]
        if value == "level_set":
            self._go(i, curve.level(min(max(number, 0.0), 100.0)))
        elif value in ("lamp_failure", "gear_failure"):
            setattr(gear, "lamp_failed" if value == "lamp_failure" else "gear_failed", bool(number))
        elif value in f.FAILURE_BITS:
            bit = 1 << f.FAILURE_BITS[value]
            gear.failure_bits = gear.failure_bits & ~bit | bit * bool(number)

    def _all_go(self, level: int) -> None:
        """One frame to all on each line: the local program."""
        lines = {(id(placed[0]), placed[1]): placed for placed in self._gateway if placed is not None}
        for gateway, line in lines.values():
            gateway.buses[line].send(f.direct_level(f.ALL, level))
        for gear, placed in zip(self._gear, self._gateway, strict=True):
            if placed is None:
                gear.go(level)

    def _go(self, i: int, level: int) -> None:
        gear, placed = self._gear[i], self._gateway[i]
        if gear.level == level:
            return
        if placed is None:
            gear.go(level)
        else:
            placed[0].buses[placed[1]].send(f.direct_level(f.Target(gear=gear.short), level))

    def put_text(self, tag: str, instance: int, text: str) -> None:
        """Gear has no texts."""

    def get(self, tag: str) -> Values:
        """Engineering values of one tag as gear and bus now say them, (count,)."""
        if self._points[tag].value == "level_set":
            levels: Values = curve.PERCENT["logarithmic"][np.array([gear.level for gear in self._gear])]
            return levels
        return np.array([self.value(tag, i) for i in range(self.count)])

    def value(self, tag: str, instance: int) -> bool | int | float | str:
        """What a server must read for one tag of one instance."""
        point, model = self._points[tag], self._tags[tag]
        number = self._number(str(point.value), point.group or 0, instance)
        return number * model.scale + model.offset if model.kind.is_float else type(number)(number)

    def _number(self, value: str, group: int, i: int) -> bool | int | float:
        gear, bus = self._gear[i], self._bus[i]
        if value in f.STATUS_BITS:
            return bool(gear.status >> f.STATUS_BITS[value] & 1)
        if value in f.FAILURE_BITS:
            return bool(gear.failure_bits >> f.FAILURE_BITS[value] & 1)
        if value in FIELDS:
            number = gear.number(value)
            return int(number) if value.endswith("_starts") else number
        if value in ("level", "level_set"):
            return curve.percent(gear.level)
        return self._of_line(value, group, bus)

    def _of_line(self, value: str, group: int, bus: Bus) -> bool | int | float:
        members = bus.members(f.Target(group=group))
        of_line: dict[str, bool | int | float] = {
            "bus_fault": not bus.is_well,
            "power_supply": bus.powered,
            "found": len(bus.members(f.ALL)),
            "group_level": curve.percent(members[0].level) if members else 0.0,
            "scene": bus.scene or 0,
        }
        return of_line[value]
