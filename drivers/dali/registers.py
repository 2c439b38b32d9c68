# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_registers.py, tests/kit/test_dali.py
"""DALI behind a Modbus gateway: the common model laid over a register map, asked by the Modbus driver.

Law of this file: translation. Blocks, quarantine, permits and outcomes are `drivers.modbus`'s. Such a gateway polls its
bus by itself and answers from memory; it tells neither the bus's load nor what it has not asked for: those values are
BadNotSupported, never invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from config.words import Access, Batch, Clock, Kind, Outcome, Permit, StatusCode, value_of
from drivers.base import DeviceSilent, DriverError, Exchange, Point, Request, WriteItem, WriteOutcome
from drivers.dali import curve
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.frames import Target
from drivers.dali.gateway import (
    OUT_OF_RANGE,
    NotOffered,
    answers,
    as_cell,
    as_told,
    check,
    declared,
    not_offered,
    notes_of,
    nothing,
)
from drivers.dali.maps import MAPS, Place, RegisterMap
from drivers.identity import Identity
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.place import ModbusPoint
from drivers.modbus.plan import plan as plan_registers

NOWHERE: Final = ModbusPoint(table="holding", address=0)


class GatewayLink(ModbusLink):
    """The connection to a gateway, and the counts of its commands (`maps.Counted`).

    Attributes:
        count: of the last command.
        seen: pair -> the count that the gateway last saw there.
    """

    def __init__(self, device: DaliDevice) -> None:
        super().__init__(modbus_device(device))
        self.count = 0
        self.seen: dict[str, int] = {}

    async def open(self) -> None:
        """As `ModbusLink.open`; the counts are the gateway's again."""
        self.count = 0
        self.seen.clear()
        await super().open()

    def saw(self, pair: str, count: int) -> None:
        """What stands in a pair, unless another device's command was put there while it was read."""
        if pair not in self.seen:
            self.count = self.count if self.seen else count
            self.seen[pair] = count

    def next_count(self, pair: str) -> int:
        """One more than the last command's, and another one than the pair has seen last."""
        self.count = self.count + 1 & 0xFF
        if self.count == self.seen[pair]:
            self.count = self.count + 1 & 0xFF
        self.seen[pair] = self.count
        return self.count


def modbus_device(device: DaliDevice) -> ModbusDevice:
    """The gateway as a Modbus device."""
    times = {name: f"{getattr(device, name):g} s" for name in ("connect_timeout", "user_timeout", "keepalive")}
    return ModbusDevice.model_validate({"host": device.host, "port": device.port, "unit_id": device.unit_id, **times})


def places(device: DaliDevice, points: Sequence[Point]) -> list[Place | None]:
    """Where each point lies; None: the map has no such value.

    Raises:
        ValueError: a value of a gear on a device that is none, or a line the gateway does not have.
    """
    found = MAPS[device.wire]
    check(device, points, found.lines, found.name)
    return [found.places.get(point.address.value) for point in points]


def translate(device: DaliDevice, points: Sequence[Point]) -> list[Point]:
    """The points as registers, position by position; one that lies nowhere is never polled."""
    base = MAPS[device.wire].per_line * device.line
    found = []
    for point, place in zip(points, places(device, points), strict=True):
        if place is None:
            found.append(replace(point, address=NOWHERE, poll=None, access=Access.W))
            continue
        at = place.address(base, device.short_address or 0, point.address.group or 0)
        bit = {"type": "bit", "bit": place.bit} if place.bit is not None else {"type": "uint16"}
        address = ModbusPoint(table=place.table, address=at, **bit)
        kind = Kind.Boolean if place.bit is not None else Kind.UInt16
        found.append(replace(point, address=address, kind=kind))
    return found


def plan(device: DaliDevice, points: Sequence[Point]) -> list[Exchange]:
    """Blocks of registers, and for each poll class what the gateway does not offer.

    Raises:
        ValueError: as `places`.
    """
    exchanges = plan_registers(modbus_device(device), translate(device, points))
    return exchanges + not_offered(MAPS[device.wire].name, points, [p is not None for p in places(device, points)])


class RegisterDriver:
    """A `drivers.base.Driver` for one gear, or the line, behind a Modbus gateway.

    Attributes:
        declared: who the gear must be; nobody can tell through such a gateway.
    """

    def __init__(self, name: str, device: DaliDevice, points: Sequence[Point], link: GatewayLink, clock: Clock) -> None:
        self._name, self._device, self._points, self._link, self._clock = name, device, points, link, clock
        self.declared = declared(device)
        self._map: RegisterMap = MAPS[device.wire]
        self._places = places(device, points)
        self._registers = translate(device, points)
        self._commands: dict[str, int] = {}
        if self._map.counted is not None:
            for value, at in (("level", self._map.counted.level), ("scene", self._map.counted.scene)):
                address = ModbusPoint(table="holding", address=at, type="uint32")
                self._commands[value] = len(self._registers)
                self._registers.append(Point(f"{value} command", Kind.UInt32, Access.RW, address, None))
        self._inner = ModbusDriver(name, modbus_device(device), self._registers, link, clock)

    async def open(self) -> None:
        """Nothing to agree on."""

    async def identify(self, timeout_s: float) -> Identity:
        """Nothing: no map of such a gateway shows a gear's memory bank 0."""
        return {}

    async def close(self) -> None:
        """Nothing is held beside the link."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """As `ModbusDriver.read`, in the model's units."""
        if isinstance(request.exchange.body, NotOffered):
            return nothing(request, self._clock)
        return as_told(await self._inner.read(request, timeout_s), request, self._told)

    def _told(self, position: int, cell: int, status: int) -> tuple[int, int]:
        """A register as the model says it; what lies outside its range is no value."""
        place, kind = self._places[position], self._points[position].kind
        if place is None or place.bit is not None or status >= StatusCode.Uncertain:
            return cell, status
        number = cell & 0xFF if place.unit == "arc" else cell
        if number > place.most:
            return 0, OUT_OF_RANGE
        if place.unit == "arc" and kind.is_float:
            return as_cell(kind, curve.percent(number, self._device.curve), status)
        return as_cell(kind, number, status)

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """As `ModbusDriver.read_points`, in the model's units."""
        found = await self._inner.read_points(points, timeout_s)
        return answers(self._points, [p is not None for p in self._places], points, found, self._told)

    # --- writing

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """Write in order, once each."""
        return [await self._write(item, permit, timeout_s) for item in items]

    async def _write(self, item: WriteItem, permit: Permit, timeout_s: float) -> WriteOutcome:
        point, place = self._points[item.point], self._places[item.point]
        where = f"{self._name}: {point.name}"
        if not point.access.writable:
            return WriteOutcome(
                Outcome.REFUSED, f"{where}: expected a point that may be written, this one is read only"
            )
        counted = self._map.counted
        if place is None and (counted is None or point.address.value not in ("group_level", "line_level", "scene")):
            return WriteOutcome(
                Outcome.REFUSED, f"{where}: {self._map.name} offers no {point.address}; nothing was sent"
            )
        try:
            number = wire_number(point, place.unit if place else "arc", item.cell, self._device.curve)
        except ValueError as error:
            return WriteOutcome(Outcome.REFUSED, f"{where}: {error}; nothing was sent")
        if counted is None:
            return (await self._inner.write([WriteItem(item.point, number)], permit, timeout_s))[0]
        return await self._command(where, point.address, number, permit, timeout_s)

    async def _command(
        self, where: str, address: DaliPoint, number: int, permit: Permit, timeout_s: float
    ) -> WriteOutcome:
        """Put a command with a count that the gateway has not seen last."""
        counted = self._map.counted
        assert counted is not None  # noqa: S101 - asked by the only caller
        if not permit.valid(self._clock.boot_s()):
            return WriteOutcome(Outcome.REFUSED, f"{where}: the permit to write has ended; nothing was sent")
        value = "scene" if address.value == "scene" else "level"
        at = self._commands[value]
        if value not in self._link.seen:
            try:
                self._link.saw(value, await self._count(at, timeout_s))
            except DriverError as error:
                return WriteOutcome(
                    Outcome.REFUSED, f"{where}: cannot read the count of commands: {error}; nothing was sent"
                )
        words = counted.words(value, target(self._device, address), self._link.next_count(value), number)
        [outcome] = await self._inner.write([WriteItem(at, words)], permit, timeout_s)
        return replace(outcome, reason=outcome.reason and f"{where}: {outcome.reason}")

    async def _count(self, at: int, timeout_s: float) -> int:
        """The count that stands in a pair.

        Raises:
            DriverError: nobody says it; a guess might be the count of the last command, which is obeyed by nobody.
        """
        [(cell, status, _)] = await self._inner.read_points([at], timeout_s)
        if status >= StatusCode.Uncertain:
            address = self._registers[at].address
            raise DeviceSilent(f"expected a number in {address}, got {StatusCode(status).name}")
        return cell >> 24

    def notes(self, request: Request) -> list[str]:
        """What the gateway refuses or does not offer, one sentence for each point."""
        if isinstance(request.exchange.body, NotOffered):
            return notes_of(self._name, self._points, request)
        return self._inner.notes(request)


def target(device: DaliDevice, address: DaliPoint) -> Target:
    """Whom a value concerns."""
    if address.is_of_gear:
        return Target(gear=device.short_address)
    return Target(group=address.group)


def wire_number(point: Point, unit: str, cell: int, dimming: curve.Curve) -> int:
    """What is put for a cell.

    Raises:
        ValueError: outside the range of the value.
    """
    value = value_of(point.kind, cell)
    if point.address.value == "scene":
        return _within(value, 15)
    if point.address.value == "arc_level_set":
        return _within(value, curve.LEVEL_MAX)
    step = curve.level(float(value), dimming)
    if unit != "percent":
        return step
    return max(1, round(float(value))) if value else 0


def _within(value: Any, most: int) -> int:
    if not 0 <= value <= most:
        raise ValueError(f"expected 0..{most}, got {value}")
    return int(value)
