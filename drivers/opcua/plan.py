# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_driver.py, tests/kit/test_opcua.py
"""Points to questions: which nodes are asked together.

Law of this file: pure; runs once per type and generation. Every readable polled point lies in exactly one exchange.
Nodes need no order and have no gaps: a poll class is cut into pieces of `nodes_max`. What the server itself allows is
known when the session stands; a piece that is too long for it is then asked in several requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.words import Cells, Rows
from drivers.base import Exchange, Point
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.cells import WIRE_TYPE


@dataclass(frozen=True, slots=True)
class Body:
    """What an exchange asks for.

    Attributes:
        positions: in the device's point list, (n,).
        addresses: of each.
        kinds: `Kind` of each, (n,) u1.
        indexes: element of the array, -1: scalar, (n,).
        label: for people.
    """

    positions: Rows
    addresses: tuple[OpcuaPoint, ...]
    kinds: np.ndarray[tuple[int], np.dtype[np.uint8]]
    indexes: Cells
    label: str


def plan(device: OpcuaDevice, points: Sequence[Point]) -> list[Exchange]:
    """Exchanges that read all readable polled points of a device, in order of poll class and point."""
    exchanges = []
    for poll in dict.fromkeys(p.poll for p in points if p.poll is not None):
        chosen = [i for i, p in enumerate(points) if p.poll == poll and p.access.readable]
        for at in range(0, len(chosen), device.nodes_max):
            body = make_body(points, chosen[at : at + device.nodes_max])
            exchanges.append(Exchange(take=body.positions, poll=poll, label=body.label, body=body))
    return exchanges


def make_body(points: Sequence[Point], chosen: Sequence[int]) -> Body:
    """The points at these positions, asked together."""
    addresses = tuple(points[i].address for i in chosen)
    first, last = points[chosen[0]].name, points[chosen[-1]].name
    return Body(
        positions=np.array(chosen, np.int64),
        addresses=addresses,
        kinds=np.array([points[i].kind for i in chosen], np.uint8),
        indexes=np.array([-1 if a.index is None else a.index for a in addresses], np.int64),
        label=f"node {first}" if len(chosen) == 1 else f"{len(chosen)} nodes {first}..{last}",
    )


def wire_type(point: Point) -> int:
    """Built-in type a point is written as while the server has not answered: its own `type`, or its kind's."""
    address: OpcuaPoint = point.address
    return WIRE_TYPE[address.type or point.kind.name]
