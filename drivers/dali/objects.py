# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_objects.py, tests/kit/test_dali.py
"""DALI behind a BACnet gateway: the common model laid over its objects, asked by the BACnet driver.

Law of this file: translation, and the one map there is. Questions, priorities, permits and outcomes are
`drivers.bacnet`'s. What the gateway does not show is BadNotSupported, never invented: the present-value of its outputs
is the light *asked for*, so that there is a `level_set` and no `level`.

Source: LOYTEC L-DALI user manual 5.2, 8.3.3: analog outputs of ballasts (100 x line + short address), groups (1000 +
100 x line + group) and lines (2000 + 100 x line) in per cent of light; multi-state outputs of lines and groups with the
same numbers, whose states 1 .. 16 recall scenes 0 .. 15; analog inputs 4000 + 100 x line with the health of a line,
proprietary properties 530 and 531 being bit strings with one bit for each short address: ballast and lamp failures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from config.words import Access, Batch, Clock, Kind, Outcome, Permit, StatusCode, value_of
from drivers.bacnet.address import BacnetDevice, BacnetPoint
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.plan import plan as plan_objects
from drivers.base import Exchange, Point, Request, WriteItem, WriteOutcome
from drivers.dali.address import DaliDevice
from drivers.dali.gateway import (
    OUT_OF_RANGE,
    NotOffered,
    answers,
    as_told,
    check,
    declared,
    not_offered,
    notes_of,
    nothing,
)
from drivers.identity import Declared, Identity

LINES: Final = 4
PER_LINE: Final = 100
SCENES: Final = 16
NAME: Final = "LOYTEC L-DALI"
NOWHERE: Final = BacnetPoint(object="analog-output 0")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one value lies.

    Attributes:
        type: of the object.
        first: instance on line 0, of gear 0 or group 0.
        property: its number, or present-value.
        per_gear, per_group: the next gear's or group's object is the next instance.
        bit_of_gear: the bit of the gear's short address is meant.
    """

    type: str
    first: int
    property: int | str = "present-value"
    per_gear: bool = False
    per_group: bool = False
    bit_of_gear: bool = False

    def address(self, line: int, gear: int, group: int) -> BacnetPoint:
        """The object of one gear, group or line."""
        instance = self.first + PER_LINE * line + self.per_gear * gear + self.per_group * group
        bit = gear if self.bit_of_gear else None
        return BacnetPoint(object=f"{self.type} {instance}", property=self.property, bit=bit)


SPOTS: Final[Mapping[str, Spot]] = {
    "level_set": Spot("analog-output", 0, per_gear=True),
    "gear_failure": Spot("analog-input", 4000, property=530, bit_of_gear=True),
    "lamp_failure": Spot("analog-input", 4000, property=531, bit_of_gear=True),
    "group_level": Spot("analog-output", 1000, per_group=True),
    "line_level": Spot("analog-output", 2000),
    "scene": Spot("multi-state-output", 2000),
}


def bacnet_device(device: DaliDevice) -> BacnetDevice:
    """The gateway as a BACnet device."""
    return BacnetDevice(host=device.host, port=device.port, instance=device.instance or 0)


def translate(device: DaliDevice, points: Sequence[Point]) -> list[Point]:
    """The points as properties of objects, position by position; one that lies nowhere is never polled.

    Raises:
        ValueError: a value of a gear on a device that is none, or a line the gateway does not have.
    """
    check(device, points, LINES, NAME)
    found = []
    for point in points:
        if (spot := SPOTS.get(point.address.value)) is None:
            found.append(replace(point, address=NOWHERE, poll=None, access=Access.W))
            continue
        address = spot.address(device.line, device.short_address or 0, point.address.group or 0)
        kind = Kind.Enumeration if point.address.value == "scene" else point.kind
        found.append(replace(point, address=address, kind=kind))
    return found


def plan(device: DaliDevice, points: Sequence[Point]) -> list[Exchange]:
    """Properties that are asked together, and for each poll class what the gateway does not offer.

    Raises:
        ValueError: as `translate`.
    """
    exchanges = plan_objects(bacnet_device(device), translate(device, points))
    return exchanges + not_offered(NAME, points, [point.address.value in SPOTS for point in points])


class ObjectDriver:
    """A `drivers.base.Driver` for one gear, or the line, behind a BACnet gateway.

    Attributes:
        declared: who the gateway must be, by its instance; and the gear, which nobody can tell through such a gateway.
    """

    def __init__(self, name: str, device: DaliDevice, points: Sequence[Point], link: BacnetLink, clock: Clock) -> None:
        self._name, self._points, self._clock = name, points, clock
        self._inner = BacnetDriver(name, bacnet_device(device), translate(device, points), link, clock)
        texts = {**self._inner.declared.texts, **declared(device).texts}
        self.declared = Declared(texts, device.identity_required)

    async def open(self) -> None:
        """As `BacnetDriver.open`."""
        await self._inner.open()

    async def identify(self, timeout_s: float) -> Identity:
        """As `BacnetDriver.identify`, of the gateway; it does not show a gear's memory bank 0."""
        return await self._inner.identify(timeout_s)

    async def close(self) -> None:
        """As `BacnetDriver.close`."""
        await self._inner.close()

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """As `BacnetDriver.read`."""
        if isinstance(request.exchange.body, NotOffered):
            return nothing(request, self._clock)
        return as_told(await self._inner.read(request, timeout_s), request, self._told)

    def _told(self, position: int, cell: int, status: int) -> tuple[int, int]:
        """A state that stores or removes a scene is none that was recalled."""
        if self._points[position].address.value == "scene" and status < StatusCode.Bad and not 0 <= cell < SCENES:
            return 0, OUT_OF_RANGE
        return cell, status

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """As `BacnetDriver.read_points`."""
        found = await self._inner.read_points(points, timeout_s)
        return answers(self._points, [p.address.value in SPOTS for p in self._points], points, found, self._told)

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """As `BacnetDriver.write`, in order, once each; what the model does not allow is refused before."""
        outcomes = []
        for item in items:
            if why := self._refusal(item):
                text = f"{self._name}: {self._points[item.point].name}: {why}; nothing was sent"
                outcomes.append(WriteOutcome(Outcome.REFUSED, text))
            else:
                outcomes += await self._inner.write([item], permit, timeout_s)
        return outcomes

    def _refusal(self, item: WriteItem) -> str:
        """Why a value is not written; '' if it is."""
        point = self._points[item.point]
        if not point.access.writable:
            return "expected a point that may be written, this one is read only"
        if point.address.value not in SPOTS:
            return f"{NAME} offers no {point.address}"
        most, value = (SCENES - 1 if point.address.value == "scene" else 100), value_of(point.kind, item.cell)
        return "" if 0 <= value <= most else f"expected 0..{most}, got {value:g}"

    def notes(self, request: Request) -> list[str]:
        """What the gateway refuses or does not offer, one sentence for each point."""
        if isinstance(request.exchange.body, NotOffered):
            return notes_of(self._name, self._points, request)
        return self._inner.notes(request)
