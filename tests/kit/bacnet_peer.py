# SPDX-License-Identifier: Apache-2.0
"""The BACnet simulator as the kit's peer: one object of every type that carries values."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from config.words import Access, Kind, cell_of, value_of
from drivers.bacnet.address import BacnetDevice, BacnetPoint
from drivers.bacnet.names import PROPERTIES
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice
from drivers.bacnet.tags import BITS, BOOLEAN, DOUBLE, ENUMERATED, REAL, SIGNED, TEXT, UNSIGNED
from drivers.base import Point
from drivers.peer import Raw, Wide
from tests.kit.simulated_peer import SimulatedPeer

INSTANCE = 21_001
FLOAT_MAX = 3.4028234663852886e38
REALS = (0.0, 1.5, -0.0, float("inf"), float("-inf"), FLOAT_MAX, -FLOAT_MAX, 1e-45)
EXTREMES: dict[int, Sequence[float | int | str]] = {
    REAL: [struct.unpack(">f", struct.pack(">f", x))[0] for x in REALS],
    DOUBLE: (*REALS[:5], 1.7976931348623157e308, 5e-324, -1.25),
    UNSIGNED: (0, 1, 255, 256, 65_536, 2**32 - 1),
    SIGNED: (0, -1, 127, -129, 2**31 - 1, -(2**31)),
    ENUMERATED: (0, 1),
    BOOLEAN: (0, 1),
    TEXT: ("", "Dijon", "é€ł", "x" * 30),
    BITS: (0, 1, 8, 15),
}
EVERYTHING: tuple[tuple[str, str, int, Kind, str], ...] = (
    ("ai", "analog-input 1", REAL, Kind.Float, "r"),
    ("ao", "analog-output 1", REAL, Kind.Float, "rw"),
    ("av", "analog-value 1", REAL, Kind.Double, "rw"),
    ("bi", "binary-input 1", ENUMERATED, Kind.Boolean, "r"),
    ("bo", "binary-output 1", ENUMERATED, Kind.Boolean, "rw"),
    ("bv", "binary-value 1", ENUMERATED, Kind.Enumeration, "rw"),
    ("msi", "multi-state-input 1", UNSIGNED, Kind.Enumeration, "r"),
    ("mso", "multi-state-output 1", UNSIGNED, Kind.UInt32, "rw"),
    ("msv", "multi-state-value 1", UNSIGNED, Kind.UInt16, "rw"),
    ("acc", "accumulator 1", UNSIGNED, Kind.Double, "r"),
    ("acc64", "accumulator 2", UNSIGNED, Kind.UInt64, "r"),
    ("iv", "integer-value 1", SIGNED, Kind.Int32, "rw"),
    ("iv16", "integer-value 2", SIGNED, Kind.Int16, "rw"),
    ("piv", "positive-integer-value 1", UNSIGNED, Kind.UInt32, "rw"),
    ("lav", "large-analog-value 1", DOUBLE, Kind.Double, "rw"),
    ("csv", "characterstring-value 1", TEXT, Kind.String, "rw"),
    ("ai2", "analog-input 2", REAL, Kind.Double, "r"),
    ("put_only", "analog-output 2", REAL, Kind.Float, "w"),
)


class BacnetPeer(SimulatedPeer):
    """`drivers.peer.Peer` over `SimulatedDevice`.

    Args:
        settings: of the device.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = {"apdu": 206, **settings}
        self.objects = Objects(INSTANCE, "kit")
        points = []
        for name, text, tag, kind, access in EVERYTHING:
            first = EXTREMES[tag][0]
            self.objects.add(text, tag, first if text[:5] != "multi" else 1, commanded=access != "r")
            points.append(Point(name, kind, Access(access), BacnetPoint(object=text), None if access == "w" else "kit"))
        self.tags = [tag for _, _, tag, _, _ in EVERYTHING]
        loop = self.objects.add("loop 1", REAL, 0.0, writable=True)
        loop.more = {
            PROPERTIES["out-of-service"]: (BOOLEAN, False),
            PROPERTIES["setpoint"]: (REAL, 0.0),
            PROPERTIES["event-state"]: (BITS, 0),
        }
        for property_, tag, kind, access in (
            ("out-of-service", BOOLEAN, Kind.Boolean, "rw"),
            ("setpoint", REAL, Kind.Float, "rw"),
            ("event-state", BITS, Kind.Byte, "r"),
        ):
            address = BacnetPoint(object="loop 1", property=property_)
            points.append(Point(property_, kind, Access(access), address, "kit"))
            self.tags.append(tag)
        self._points = tuple(points)
        self.simulated = SimulatedDevice("kit", {(0, b""): self.objects})

    def device(self) -> BacnetDevice:
        where = {"host": "127.0.0.1", "port": self.simulated.port, "instance": INSTANCE, "local_host": "127.0.0.1"}
        return BacnetDevice.model_validate({**where, **self.settings})

    def points(self) -> tuple[Point, ...]:
        return self._points

    def extremes(self, point: int) -> Sequence[Raw]:
        kind, tag = self._points[point].kind, self.tags[point]
        low, high = kind.bounds or (float("-inf"), float("inf"))
        values = EXTREMES[tag] if not kind.is_integer else [v for v in EXTREMES[tag] if low <= v <= high]  # type: ignore[operator]
        return [value if isinstance(value, str) else cell_of(kind, value) for value in values]

    def held(self, point: int) -> Raw:
        of = self._points[point]
        each = self.objects.of(of.address)
        value: Any = each.value if of.address.is_present_value else each.more[of.address.pid][1]
        return value if isinstance(value, str) else cell_of(of.kind, value - of.address.first(of.kind))

    def hold(self, point: int, value: Raw) -> None:
        of = self._points[point]
        each, tag = self.objects.of(of.address), self.tags[point]
        new: Any = value if isinstance(value, str) else value_of(of.kind, value)
        if tag not in (REAL, DOUBLE, TEXT):
            new = bool(new) if tag == BOOLEAN else int(new) + of.address.first(of.kind)
        if not of.address.is_present_value:
            each.more[of.address.pid] = (tag, new)
            return
        if each.priorities is not None:
            each.priorities = [None] * 16
        self.objects.hold(each, new)

    def wide(self, n: int) -> Wide:
        points = tuple(
            Point(f"p{i}", Kind.Float, Access.R, BacnetPoint(object=f"analog-input {i}"), "kit") for i in range(n)
        )
        return Wide(points, requests_max=-(-n // 8))

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        device = {"host": "10.21.7.2", "instance": 2101, "network": 3, "mac": "0a", **self.settings}
        return device, {"object": "analog-output 3", "priority": 8}

    def reject(self, point: int) -> None:
        self.simulated.reject(self._points[point].address.object)

    def shares(self, point: int) -> Sequence[int]:
        text = self._points[point].address.object
        return [i for i, other in enumerate(self._points) if i != point and other.address.object == text]
