# SPDX-License-Identifier: Apache-2.0
"""The objects of a simulated LOYTEC L-DALI as the kit's peer: gear 5 and group 3 of its second line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.words import Access, Kind, cell_of, value_of
from drivers.bacnet.objects import Object, Objects
from drivers.bacnet.simulator import SimulatedDevice
from drivers.bacnet.tags import BITS, REAL, UNSIGNED, bit_content
from drivers.base import Point
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.objects import SPOTS
from drivers.peer import Raw, Wide
from tests.kit.simulated_peer import SimulatedPeer

INSTANCE, LINE, GEAR, GROUP = 4711, 1, 5, 3


def _point(value: str, kind: Kind, access: Access, group: int | None = None) -> Point:
    poll = "kit" if access.readable else None
    return Point(value, kind, access, DaliPoint(value=value, group=group), poll)


class LoytecPeer(SimulatedPeer):
    """`drivers.peer.Peer` over the BACnet simulator."""

    def __init__(self) -> None:
        self._points = (
            _point("lamp_failure", Kind.Boolean, Access.R),
            _point("gear_failure", Kind.Boolean, Access.R),
            _point("level_set", Kind.Double, Access.RW),
            _point("group_level", Kind.Float, Access.RW, GROUP),
            _point("scene", Kind.Int32, Access.RW),
            _point("line_level", Kind.Double, Access.W),
        )
        self.objects = Objects(INSTANCE, "L-DALI")
        for instance in (100 * LINE + GEAR, 1000 + 100 * LINE + GROUP, 2000 + 100 * LINE):
            self.objects.add(f"analog-output {instance}", REAL, 0.0, commanded=True)
        self.objects.add(f"multi-state-output {2000 + 100 * LINE}", UNSIGNED, 1, commanded=True)
        self.health = self.objects.add(f"analog-input {4000 + 100 * LINE}", REAL, 100.0)
        self.failed = {530: 0, 531: 0}
        self._note()
        self.bacnet = self.simulated = SimulatedDevice("kit", {(0, b""): self.objects})

    def _note(self) -> None:
        self.health.more = {number: (BITS, bit_content(bits, 64)) for number, bits in self.failed.items()}

    def device(self) -> DaliDevice:
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self.simulated.port, "instance": INSTANCE}
        return DaliDevice.model_validate({"wire": "loytec", **where, "line": LINE, "short_address": GEAR})

    def points(self) -> tuple[Point, ...]:
        return self._points

    def _object(self, point: int) -> Object:
        address = self._points[point].address
        return self.objects.of(SPOTS[address.value].address(LINE, GEAR, address.group or 0))

    def _failures(self, point: int) -> int:
        """Number of the property with one bit for each gear; 0: it is none."""
        spot = SPOTS[self._points[point].address.value]
        return int(spot.property) if spot.bit_of_gear else 0

    def extremes(self, point: int) -> Sequence[Raw]:
        kind = self._points[point].kind
        values = {Kind.Boolean: (0, 1), Kind.Int32: (0, 15, 7)}.get(kind, (0.0, 0.125, 50.5, 99.5, 100.0))
        return [cell_of(kind, v) for v in values]

    def held(self, point: int) -> Raw:
        kind, value = self._points[point].kind, self._object(point).value
        if number := self._failures(point):
            return self.failed[number] >> GEAR & 1
        return cell_of(kind, value - 1 if kind is Kind.Int32 else value)  # type: ignore[operator,arg-type]

    def hold(self, point: int, value: Raw) -> None:
        each, kind = self._object(point), self._points[point].kind
        new = value_of(kind, int(value))
        if number := self._failures(point):
            self.failed[number] = self.failed[number] & ~(1 << GEAR) | int(new) << GEAR
            self._note()
            return
        each.priorities = [None] * 16
        self.objects.hold(each, int(new) + 1 if kind is Kind.Int32 else float(new))

    def wide(self, n: int) -> Wide:
        points = tuple(_point(("level_set", "lamp_failure")[i % 2], Kind.Double, Access.R) for i in range(n))
        return Wide(points, requests_max=-(-n // 40))

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        where = {"wire": "loytec", "host": "10.21.7.1", "instance": 4711, "line": 1, "short_address": 5}
        return where, {"value": "level_set"}

    def reject(self, point: int) -> None:
        self.bacnet.reject(self._object(point).name)

    def shares(self, point: int) -> Sequence[int]:
        each = self._object(point)
        return [i for i in range(len(self._points)) if i != point and self._object(i) is each]
