# SPDX-License-Identifier: Apache-2.0
"""The OPC UA simulator as the kit's peer: one node of every built-in type, scalar and in an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.words import Access, Kind, cell_of, value_of
from drivers.base import Point
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.cells import EPOCH_TICKS
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from drivers.peer import Raw, Wide
from tests.kit.simulated_peer import SimulatedPeer
from tests.sim.loop import clock

URI = "urn:vigie:kit"
FLOATS = (0.0, 1.5, -0.0, float("inf"), float("-inf"), float("nan"))
FLOAT_MAX = 3.4028234663852886e38
EXTREMES: dict[str, Sequence[float | int | str]] = {
    "Boolean": (0, 1),
    **{k.name: (*(k.bounds or ()), 1) for k in Kind if k.is_integer and k is not Kind.Enumeration},
    "Float": (*FLOATS, FLOAT_MAX, -FLOAT_MAX),
    "Double": (*FLOATS, 1.7976931348623157e308, 5e-324, -1.25),
    "String": ("", "Dijon", "é€ł", "x" * 500),
    "DateTime": (0, 1_767_607_200_123_456_000, -(2**61) // 1000 * 1000),
}
ARRAY = 5


def one_of_everything() -> tuple[Point, ...]:
    """Scalars rw and r of each built-in type, elements of arrays, an enumeration, a number read as Double."""
    points: list[Point] = []

    def add(name: str, kind: Kind, access: Access, poll: str | None = "kit", **more: Any) -> None:
        node = more.pop("node", f"ns=2;s={name}")
        points.append(Point(name, kind, access, OpcuaPoint(node=node, **more), poll))

    for kind in Kind:
        if kind is not Kind.Enumeration:
            add(f"rw_{kind.name}", kind, Access.RW)
            add(f"r_{kind.name}", kind, Access.R, node=f"nsu={URI};s=r_{kind.name}")
    for kind in (Kind.Int16, Kind.Double, Kind.String, Kind.Boolean):
        for index in (0, 3):
            add(f"array_{kind.name}_{index}", kind, Access.RW, node=f"ns=2;s=array_{kind.name}", index=index)
    add("code", Kind.Enumeration, Access.RW)
    add("number", Kind.Double, Access.RW, type="Int16", deadband=0.5)
    add("numeric_id", Kind.Double, Access.R, node="ns=2;i=70000")
    add("guid", Kind.Double, Access.R, node="ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a")
    add("put_only", Kind.UInt16, Access.W, None)
    return tuple(points)


def wire(point: Point) -> str:
    """The built-in type a point's node has in the simulator."""
    if point.address.type:
        return str(point.address.type)
    return "Int32" if point.kind is Kind.Enumeration else point.kind.name


class OpcuaPeer(SimulatedPeer):
    """`drivers.peer.Peer` over `SimulatedServer`.

    Args:
        settings: of the device.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = {"publishing": "1 s", "keep_alive": "1 s", "nodes_max": 20, **settings}
        self.nodes = Nodes(clock(), URI, ["urn:vigie:plant"])
        self.nodes["i=2255"].value = ["http://opcfoundation.org/UA/", "urn:vigie:other", URI]
        self._points = one_of_everything()
        for i, point in enumerate(self._points):
            first = self._value(i, self.extremes(i)[0])
            if point.address.index is None:
                self.nodes.add(self._node(point), wire(point), first, point.access.writable)
            elif point.address.index == 0:
                self.nodes.add(self._node(point), wire(point), [first] * ARRAY, True)
        self.simulated = SimulatedServer(self.nodes, URI)

    def _node(self, point: Point) -> str:
        return str(point.address.node).replace(f"nsu={URI}", "ns=2")

    def _value(self, i: int, raw: Raw) -> Any:
        point = self._points[i]
        if isinstance(raw, str):
            return raw
        value = value_of(point.kind, raw)
        if point.kind is Kind.DateTime:
            return int(value) // 100 + EPOCH_TICKS
        return value if wire(point) in ("Double", "Float", "Boolean") else int(value)

    def device(self) -> OpcuaDevice:
        where = {"host": "127.0.0.1", "port": self.simulated.port, "application_uri": URI}
        return OpcuaDevice.model_validate({**where, **self.settings})

    def points(self) -> tuple[Point, ...]:
        return self._points

    def extremes(self, point: int) -> Sequence[Raw]:
        kind, type_ = self._points[point].kind, wire(self._points[point])
        values = (0, 3, 2**31 - 1) if kind is Kind.Enumeration else EXTREMES[type_]
        return [value if isinstance(value, str) else cell_of(kind, value) for value in values]

    def held(self, point: int) -> Raw:
        of = self._points[point]
        value: Any = self.nodes[self._node(of)].value
        if of.address.index is not None:
            value = value[of.address.index]
        if isinstance(value, str):
            return value
        return cell_of(of.kind, (value - EPOCH_TICKS) * 100 if of.kind is Kind.DateTime else value)

    def hold(self, point: int, value: Raw) -> None:
        of = self._points[point]
        node, new = self.nodes[self._node(of)], self._value(point, value)
        if of.address.index is not None:
            new = [new if i == of.address.index else old for i, old in enumerate(node.value)]
        node.set(new, self.nodes.now_ns())

    def wide(self, n: int) -> Wide:
        points = tuple(Point(f"p{i}", Kind.Double, Access.R, OpcuaPoint(node=f"ns=2;i={i}"), "kit") for i in range(n))
        return Wide(points, requests_max=-(-n // 20))

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        device = {
            "host": "10.21.7.2",
            "root": "JCT-0001",
            "security": "Basic256Sha256",
            "mode": "Sign",
            **self.settings,
        }
        return device, {"node": "nsu=urn:city:collector;s={root}/D1_Flow", "deadband": 2}

    def reject(self, point: int) -> None:
        self.simulated.reject(self._node(self._points[point]))

    def shares(self, point: int) -> Sequence[int]:
        node = self._node(self._points[point])
        return [i for i, other in enumerate(self._points) if i != point and self._node(other) == node]
