# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_registers.py, tests/unit/test_dali_objects.py, tests/kit/test_dali.py
"""What all gateways have in common, above all those that answer for their lines by a map of registers or objects.

Law of this file: no protocol below the model. What a map lacks is BadNotSupported, never invented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from config.words import Batch, Clock, Kind, StatusCode, cell_of
from drivers.base import Exchange, Point, Request
from drivers.dali.address import DaliDevice
from drivers.identity import Declared

NOT_SUPPORTED: Final = int(StatusCode.BadNotSupported)
OUT_OF_RANGE: Final = int(StatusCode.BadOutOfRange)

Answer = tuple[int, int, str | None]
"""(cell, status, text), as `drivers.base.Driver.read_points` returns it."""
Told = Callable[[int, int, int], tuple[int, int]]
"""(position of the point, cell, status) as the wire says them -> cell and status as the model does."""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """Body of an exchange that leads to nothing the gateway has."""

    gateway: str


def check(device: DaliDevice, points: Sequence[Point], lines: int, gateway: str) -> None:
    """Whether a device can have these points behind a gateway of so many lines.

    Raises:
        ValueError: a value of a gear on a device that is none, or a line the gateway does not have.
    """
    if device.line >= lines:
        raise ValueError(f"expected line 0..{lines - 1} of {gateway}, got {device.line}")
    check_gear(device, points)


def check_gear(device: DaliDevice, points: Sequence[Point]) -> None:
    """Whether a device with values of a gear is one.

    Raises:
        ValueError: it is none.
    """
    for point in points:
        if point.address.is_of_gear and device.short_address is None:
            raise ValueError(
                f"{point.name}: expected a short_address on a device with {point.address}, a value of gear"
            )


def not_offered(gateway: str, points: Sequence[Point], offered: Sequence[bool]) -> list[Exchange]:
    """For each poll class what a gateway does not offer, position by position."""
    exchanges = []
    for poll in dict.fromkeys(p.poll for p in points if p.poll is not None):
        missing = [i for i, p in enumerate(points) if p.poll == poll and p.access.readable and not offered[i]]
        if missing:
            exchanges.append(Exchange(np.array(missing, np.int64), poll, "not offered", NotOffered(gateway)))
    return exchanges


def nothing(request: Request, clock: Clock) -> Batch:
    """The answer to what is not offered."""
    n = len(request.rows)
    statuses, now_ns = np.full(n, NOT_SUPPORTED, np.uint32), np.full(n, clock.wall_ns(), np.int64)
    return Batch(request.id, request.rows, np.zeros(n, np.int64), statuses, now_ns)


def notes_of(name: str, points: Sequence[Point], request: Request) -> list[str]:
    """What is not offered, one sentence for each point."""
    chosen = [points[i] for i in request.exchange.take.tolist()]
    gateway = request.exchange.body.gateway
    return [f"{name}: {point.name}: {gateway} offers no {point.address}" for point in chosen]


def as_cell(kind: Kind, number: float, status: int) -> tuple[int, int]:
    """A number as a cell of its kind, with its status; BadOutOfRange if it does not fit."""
    try:
        return cell_of(kind, number if kind.is_float else int(number)), status
    except OverflowError:
        return 0, OUT_OF_RANGE


def as_told(batch: Batch, request: Request, told: Told) -> Batch:
    """A batch of the wire in the model's units."""
    cells, statuses = batch.cells.copy(), batch.statuses.copy()
    for i, position in enumerate(request.exchange.take.tolist()):
        cells[i], statuses[i] = told(position, int(cells[i]), int(statuses[i]))
    return replace(batch, cells=cells, statuses=statuses)


def answers(
    points: Sequence[Point], offered: Sequence[bool], asked: Sequence[int], found: Sequence[Answer], told: Told
) -> list[Answer]:
    """Answers of the wire to `read_points` in the model's units, position by position of `asked`."""
    said: list[Answer] = []
    for position, (cell, status, text) in zip(asked, found, strict=True):
        if not offered[position]:
            readable = points[position].access.readable
            said.append((0, NOT_SUPPORTED if readable else int(StatusCode.BadNotReadable), None))
        else:
            said.append((*told(position, cell, status), text))
    return said


def declared(device: DaliDevice) -> Declared:
    """Who a gear and the gateway before it must be; numbers without leading zeros."""
    return Declared.of(
        device.identity_required,
        gateway=device.gateway_serial.lstrip("0"),
        gtin=device.gtin.lstrip("0"),
        serial=device.serial.lstrip("0"),
    )
