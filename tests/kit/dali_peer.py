# SPDX-License-Identifier: Apache-2.0
"""The simulated DALI gateways as the kit's peers: gear 5 with one of everything it can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.words import Access, Kind, cell_of, value_of
from drivers.base import Point
from drivers.dali import curve
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.banks import FIELDS
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.frames import FAILURE_BITS, STATUS_BITS
from drivers.dali.maps import ADFWEB, MAPS
from drivers.dali.mirror import GatewayRegisters
from drivers.dali.registers import translate
from drivers.dali.simulator import SimulatedGateway
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import SimulatedDevice
from drivers.peer import Raw, Wide
from tests.kit.modbus_peer import ModbusPeer
from tests.kit.simulated_peer import SimulatedPeer

GEAR, GROUP = 5, 3
NUMBERS: dict[str, Sequence[float]] = {
    "active_power": (0.0, 55.125, 4_000_000.0),
    "power_factor": (0.0, 0.97, 1.0),
    "gear_temperature": (-60.0, 41.0, 193.0),
    "lamp_starts": (0.0, 2.0**24 - 3),
}
PERCENTS = [curve.percent(level) for level in (0, 1, 85, 170, 229, 254)]


def _point(value: str, kind: Kind, access: Access = Access.R, group: int | None = None) -> Point:
    poll = "kit" if access.readable else None
    return Point(
        value if group is None else f"{value}_{group}", kind, access, DaliPoint(value=value, group=group), poll
    )


def points_of_gear() -> tuple[Point, ...]:
    """Levels both ways, all bits, numbers of three banks, what a line takes."""
    bits = [*(name for name in STATUS_BITS if name not in ("lamp_failure", "gear_failure")), *FAILURE_BITS]
    return (
        _point("level", Kind.Double),
        _point("arc_level", Kind.Byte),
        _point("level_set", Kind.Double, Access.RW),
        _point("arc_level_set", Kind.Byte, Access.RW),
        _point("lamp_failure", Kind.Boolean),
        _point("gear_failure", Kind.Boolean),
        *(_point(name, Kind.Boolean) for name in bits),
        _point("group_level", Kind.Double, Access.RW, GROUP),
        _point("scene", Kind.Int32, Access.W),
        _point("line_level", Kind.Double, Access.W),
        _point("found", Kind.Int32),
        *(_point(name, Kind.Double) for name in NUMBERS),
    )


class GearPeer(SimulatedPeer):
    """What every gateway's peer has: gear 5 on a bus, which holds what its points are."""

    def __init__(self, points: tuple[Point, ...]) -> None:
        self.gear = Gear(GEAR, groups=1 << GROUP)
        self.bus = Bus([Gear(2, groups=1 << 1), self.gear])
        self._points = points

    def panel(self, frame: f.Frame) -> None:
        """A panel on the wall puts a frame on the bus."""
        self.bus.send(frame)

    def points(self) -> tuple[Point, ...]:
        return self._points

    def _value(self, point: int) -> str:
        return str(self._points[point].address.value)

    def extremes(self, point: int) -> Sequence[Raw]:
        kind, value = self._points[point].kind, self._value(point)
        if value in NUMBERS:
            values: Sequence[float] = NUMBERS[value]
        elif kind is Kind.Boolean:
            values = (0, 1)
        elif value in ("scene", "found"):
            values = (15, 0)
        else:
            values = PERCENTS if kind.is_float else (0, 1, 254)
        return [cell_of(kind, v if kind.is_float else int(v)) for v in values]

    def held(self, point: int) -> Raw:
        kind, value, gear = self._points[point].kind, self._value(point), self.gear
        if value in NUMBERS:
            number: float = gear.numbers[value]
        elif value in STATUS_BITS:
            number = gear.status >> STATUS_BITS[value] & 1
        elif value in FAILURE_BITS:
            number = gear.failure_bits >> FAILURE_BITS[value] & 1
        elif value == "found":
            number = len(self.bus.gear)
        elif value == "scene":
            number = self.bus.scene or 0
        else:
            number = curve.percent(gear.level) if kind.is_float else gear.level
        return cell_of(kind, number if kind.is_float else int(number))

    def hold(self, point: int, value: Raw) -> None:
        """Levels are moved by a panel on the wall: a frame on the bus."""
        name, gear, number = self._value(point), self.gear, value_of(self._points[point].kind, int(value))
        if name in NUMBERS:
            gear.numbers[name] = float(number)
        elif name in ("lamp_failure", "gear_failure", "power_cycle"):
            setattr(gear, {"lamp_failure": "lamp_failed", "gear_failure": "gear_failed"}.get(name, name), bool(number))
        elif name in STATUS_BITS:
            bit = 1 << STATUS_BITS[name]
            gear.status_extra = gear.status_extra & ~bit | bit * int(number)
        elif name in FAILURE_BITS:
            bit = 1 << FAILURE_BITS[name]
            gear.failure_bits = gear.failure_bits & ~bit | bit * int(number)
        elif name == "scene":
            self.bus.scene = int(number)
        elif name != "found":
            level = curve.level(float(number)) if self._points[point].kind.is_float else int(number)
            self.panel(f.direct_level(f.Target(gear=GEAR), level))


class LunatonePeer(GearPeer):
    """`drivers.peer.Peer` over `SimulatedGateway`, line 0."""

    def __init__(self) -> None:
        super().__init__(points_of_gear())
        self.gateway = self.simulated = SimulatedGateway("kit", [self.bus])
        for i in range(len(self._points)):
            self.hold(i, self.extremes(i)[0])

    def device(self) -> DaliDevice:
        return DaliDevice(
            wire="lunatone",
            host="127.0.0.1",
            port=self.simulated.port,
            short_address=GEAR,
            gear_max=7,
            poll_share=0.3,
            fault_fresh="0 s",
        )

    def wide(self, n: int) -> Wide:
        points = tuple(_point(("level", "lamp_on", "short_circuit")[i % 3], Kind.Double) for i in range(n))
        return Wide(points, requests_max=3)

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"wire": "lunatone", "host": "10.21.7.1", "line": 0, "short_address": 5}, {"value": "level"}

    def _family(self, value: str) -> str:
        if value in NUMBERS or value in ("found", "scene"):
            return value
        if value in FAILURE_BITS:
            return "failures"
        return "status" if value in STATUS_BITS else "level"

    def reject(self, point: int) -> None:
        family = self._family(self._value(point))
        self.gear.refused.add(family)
        if family == "level":
            self.gateway.refused |= {f.Target(gear=GEAR), f.Target(group=GROUP)}

    def shares(self, point: int) -> Sequence[int]:
        family = self._family(self._value(point))
        return [i for i in range(len(self._points)) if i != point and self._family(self._value(i)) == family]

    def heal(self) -> None:
        failed = self.gear.lamp_failed, self.gear.gear_failed
        self.simulated.heal()
        self.gear.lamp_failed, self.gear.gear_failed = failed
        self.gear.refused.clear()


class IntesisPeer(ModbusPeer):
    """`drivers.peer.Peer` over the registers of an Intesis gateway: gear 5 of line 1."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.simulated = SimulatedDevice("kit", {1: self.memory})
        self._model = tuple(p for p in points_of_gear() if p.address.value in MAPS["intesis"].places)
        place = DaliDevice(wire="intesis", host="127.0.0.1", line=1, short_address=GEAR)
        self._points = tuple(translate(place, self._model))

    def device(self) -> Any:
        return DaliDevice(wire="intesis", host="127.0.0.1", port=self.simulated.port, line=1, short_address=GEAR)

    def points(self) -> tuple[Point, ...]:
        return self._model

    def extremes(self, point: int) -> Sequence[Raw]:
        kind = self._model[point].kind
        values = (0, 1) if kind is Kind.Boolean else (0, 15, 7) if kind is Kind.Int32 else (0, 1, 50, 99, 100)
        return [cell_of(kind, float(v) if kind.is_float else v) for v in values]

    def held(self, point: int) -> Raw:
        return cell_of(self._model[point].kind, self.memory.get(self._points[point].address))  # type: ignore[arg-type]

    def hold(self, point: int, value: Raw) -> None:
        self.memory.put(self._points[point].address, int(value_of(self._model[point].kind, int(value))))

    def wide(self, n: int) -> Wide:
        points = tuple(_point(("level", "level_set", "short_circuit")[i % 3], Kind.Double) for i in range(n))
        return Wide(points, requests_max=2)

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"wire": "intesis", "host": "10.21.7.1", "line": 1, "short_address": 5}, {"value": "level"}


class AdfwebPeer(GearPeer):
    """`drivers.peer.Peer` over the registers of an ADFweb gateway: all of a gear in one register, commands counted."""

    def __init__(self) -> None:
        status = (_point(name, Kind.Boolean) for name in STATUS_BITS)
        super().__init__(
            (
                _point("level", Kind.Double),
                _point("arc_level", Kind.Byte),
                _point("level_set", Kind.Double, Access.RW),
                _point("arc_level_set", Kind.Byte, Access.RW),
                *status,
                _point("group_level", Kind.Double, Access.W, GROUP),
                _point("scene", Kind.Int32, Access.W),
                _point("line_level", Kind.Double, Access.W),
            )
        )
        self.registers = GatewayRegisters(ADFWEB, [self.bus])
        self.modbus = self.simulated = SimulatedDevice("kit", {1: self.registers.memory})

    def device(self) -> DaliDevice:
        return DaliDevice(wire="adfweb", host="127.0.0.1", port=self.simulated.port, short_address=GEAR)

    def hold(self, point: int, value: Raw) -> None:
        super().hold(point, value)
        self.registers.mirror()

    def wide(self, n: int) -> Wide:
        points = tuple(_point(("level", "arc_level", "lamp_on")[i % 3], Kind.Double) for i in range(n))
        return Wide(points, requests_max=1)

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"wire": "adfweb", "host": "10.21.7.1", "short_address": 5}, {"value": "level"}

    def reject(self, point: int) -> None:
        self.modbus.reject("input", 4 * GEAR)
        if self._points[point].access.writable:
            for at in (0, 1, 64, 65):
                self.modbus.reject("holding", at)

    def shares(self, point: int) -> Sequence[int]:
        return [i for i in range(len(self._points)) if i != point]


assert set(NUMBERS) <= set(FIELDS)
