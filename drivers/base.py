# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit (every driver), drivers/testkit.py (the claims)
"""The driver contract: what every protocol offers, and nothing more.

Law of this file: words only. A driver knows addresses and wires; it knows no tag names, alarms, history or schedule.
Reconnection, back-off, slots, in-flight limits and demotion belong to `drivers.host`; a driver that sleeps is a bug.

Theory of operation. A *type* of equipment has points; all its instances have the same ones. `plan` groups the points
of one device into *exchanges* (one question and its answer on the wire) once per type, and the host binds each
exchange to the rows of each instance. So 850 cabinets share one plan and differ by one row array.

    plan(device, points) -> exchanges        pure, once per generation
    link.open() -> driver.open()             once per connection, then per device
    driver.read(request) -> Batch            a bad point is a bad status; only a broken link raises
    driver.write(items, permit) -> outcomes  returns when the device has answered each; never retried
    driver.close(), link.close()             idempotent
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from pydantic import BaseModel

from config.words import Access, Batch, Clock, Kind, Outcome, Permit, Rows
from drivers.identity import Declared, Identity


class DriverError(Exception):
    """Base of all errors a driver may let out. Anything else that leaves a driver is a bug in it."""


class LinkDown(DriverError):
    """The connection is broken or cannot be made; every request on it is lost. The host will reconnect."""


class DeviceSilent(DriverError):
    """The link stands but this device did not answer in time, or the gateway says it is not there."""


class Busy(DriverError):
    """The device asked to be left alone for a moment; the same question may be put again later."""


class NoTurn(DriverError):
    """Nothing was asked: a slow bus had no room for the question beside more urgent ones. It may be put again at once;
    what the same device is to be asked more often goes first.
    """


@dataclass(frozen=True, slots=True)
class PollClass:
    """How often and how patiently a group of points is asked.

    Attributes:
        name: as in the type's YAML.
        period_s: one slot per period [s].
        timeout_s: longest wait for one answer [s], < period_s.
        retries: further attempts within the same slot after a silence, 0..5. Reads only; a write is never repeated.
        bad_after_s: time since the last answer after which values are Bad and null [s], >= period_s.
    """

    name: str
    period_s: float
    timeout_s: float
    retries: int
    bad_after_s: float


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a device, as its driver sees it.

    Attributes:
        name: for messages only: 'V1'.
        address: the protocol's own `point_model`.
        poll: name of its poll class; None: never polled (write-only).
    """

    name: str
    kind: Kind
    access: Access
    address: Any
    poll: str | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer on the wire, shared by all instances of a type.

    Attributes:
        take: positions in the device's point list, in the order of the answer's cells, (n,).
        poll: name of the poll class.
        label: for people: 'holding 100..124'.
        body: the driver's own prepared question and decoder; opaque to the host, never changed.
    """

    take: Rows
    poll: str
    label: str
    body: Any


@dataclass(slots=True)
class Request:
    """An exchange bound to the rows of one device. The host owns it; the driver may keep its own notes in `state`.

    Attributes:
        id: number of the request, dense, 0..; staleness is judged by it.
        rows: row of each cell of the answer, (n,).
        state: what the driver learned (quarantined addresses, splits); None at first.
    """

    id: int
    exchange: Exchange
    rows: Rows
    state: Any = None


@dataclass(frozen=True, slots=True)
class WriteItem:
    """One value to write.

    Attributes:
        point: position in the device's point list.
        cell: raw value (already unscaled) as the bits of a cell of the point's kind; unused for String.
        text: the value of a String point.
    """

    point: int
    cell: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What the device said of one item.

    Attributes:
        outcome: accepted: it said yes; refused: it said no, or no byte left; unknown: the byte left, no answer came.
        reason: one sentence for people: device, point, address, what was expected; empty if accepted.
    """

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One addressable partner of the field.

    Attributes:
        name: 'CAB-0003.controller' within its area path; unique in the site.
        protocol: key of the registry.
        device: the protocol's own `device_model` (host, port, unit ...).
        points: shared by all devices of the same type and role.
        rows: row of each point, (len(points),).
        polls: name -> poll class.
        comm_rows: rows of the server-made `Comm` tags of this device.
    """

    name: str
    protocol: str
    device: Any
    points: tuple[Point, ...]
    rows: Rows
    polls: dict[str, PollClass]
    comm_rows: Rows


class Link(Protocol):
    """One connection. Several devices may share it."""

    async def open(self) -> None:
        """Connect.

        Raises:
            LinkDown: refused, unreachable or timed out, with the address and the reason.
        """
        ...

    async def close(self) -> None:
        """Close in order; pending requests fail with LinkDown. Idempotent, also during `open`."""
        ...

    def abort(self) -> None:
        """Drop the connection at once (RST); nothing unsent may still leave. Idempotent."""
        ...

    @property
    def is_up(self) -> bool: ...

    @property
    def window(self) -> int:
        """How many questions may be open at once, >= 1; the host waits for a turn, writes first."""
        ...

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """Call with the reason each time an open connection breaks (not when we close it). The last one set counts."""
        ...


class Driver(Protocol):
    """One device on a link."""

    async def open(self) -> None:
        """Called each time the link has come up, before the first read."""
        ...

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """Ask once.

        Returns: a batch of len(request.rows); a point the device refuses has a Bad status.
        Raises:
            LinkDown, DeviceSilent, Busy; NoTurn: `Budgeted` drivers only.
        """
        ...

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> Sequence[WriteOutcome]:
        """Write in order, one outcome per item; never raises for a device's answer, never repeats a write."""
        ...

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """Read single points now, outside their poll class: the read-back of a command.

        Args:
            points: positions in the device's point list.
            timeout_s: longest wait for each answer [s].

        Returns: for each, in order: raw cell, StatusCode, and the text of a String point. A point that cannot be read
            (access w) has BadNotReadable.
        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        ...

    def notes(self, request: Request) -> Sequence[str]:
        """What the device refuses of this request, one sentence for each point; empty if nothing."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


@runtime_checkable
class Watching(Protocol):
    """What a driver offers beside `Driver` where its protocol tells changes by itself.

    `read` stays the proof: the host goes on calling it in each slot, and it answers what was told so far only if the
    device has shown in this slot that it is there; if it is not, `read` raises as always. What is told is no proof, so
    its batches have request -1.
    """

    def watch(self, push: Callable[[Batch], None]) -> None:
        """Called after each `open`: hand each change on to `push`, on the loop, as soon as it comes."""
        ...


@runtime_checkable
class Budgeted(Protocol):
    """What a driver offers beside `Driver` where a slow bus with a budget of its own lies behind the link.

    Slots that pass while a question waits for the bus are not missed by anybody: the bus carries what fits, and how
    long a round takes is a value of its own (a DALI line's `cycle_time`). A read that would keep its
    device from being asked something more urgent raises NoTurn.

    Attributes:
        waited_s: how long its reads have waited for the bus so far [s].
    """

    @property
    def waited_s(self) -> float: ...


@runtime_checkable
class Identified(Protocol):
    """What a driver offers beside `Driver` where a device can say who it is. The host asks, compares and acts."""

    @property
    def declared(self) -> Declared:
        """What the device must answer, as the engineer wrote it."""
        ...

    async def identify(self, timeout_s: float) -> Identity:
        """Ask the device who it is: what was declared of it, or, if nothing was, what it can say at all.

        Returns: name -> text, the names as in `declared`; empty if the device does not offer it.
        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        ...


def is_watching(driver: object) -> TypeGuard[Watching]:
    """Whether a driver offers `Watching`."""
    return _offers(driver, Watching)


def is_budgeted(driver: object) -> TypeGuard[Budgeted]:
    """Whether a driver offers `Budgeted`."""
    return _offers(driver, Budgeted)


def is_identified(driver: object) -> TypeGuard[Identified]:
    """Whether a driver offers `Identified`."""
    return _offers(driver, Identified)


_OFFERED: Final[dict[tuple[type, type], bool]] = {}  # as many as there are classes of drivers, times three


def _offers(driver: object, what: type) -> bool:
    """A class is asked once: a city has thousands of drivers of four classes, and Python looks through all attributes
    of a protocol each time (25 us).
    """
    key = type(driver), what
    if (known := _OFFERED.get(key)) is None:
        known = _OFFERED[key] = isinstance(driver, what)
    return known


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """What the registry holds for each protocol: its schemas and its makers, nothing hidden.

    Attributes:
        name: 'modbus'.
        device_model: pydantic model of the link settings and unit of one device.
        point_model: pydantic model of one address.
        plan: points of one device -> exchanges; pure; raises ValueError with a sentence for people.
        check: problems of one point that need its kind and access: (kind, access, address) -> sentences.
        link_key: devices with an equal key share one link.
        make_link: (device, clock) -> Link.
        make_driver: (name, device, points, link, clock) -> Driver.
        plan_key: device -> what of its settings `plan` depends on; devices with the same point tuple and an equal key
            share one plan. None: every device is planned by itself.
        export_state: what was learned of a request (`Request.state`) as plain data, for a file: bounded by the request,
            the same while nothing new is learned, without times; None: nothing worth keeping. None: nothing is kept.
        import_state: (request, plain data, loop.time() [s]) the other way, before the first read of a new run on the
            same plan; raises ValueError if the data does not fit, and changes nothing then.
        certificate_days: (devices, UTC now [ns]) -> days until the first certificate of their connections expires, 0:
            it has; None: they have none. Blocking; raises OSError. None: the protocol knows no certificates.
    """

    name: str
    device_model: type[BaseModel]
    point_model: type[BaseModel]
    plan: Callable[[Any, Sequence[Point]], list[Exchange]]
    check: Callable[[Kind, Access, Any], list[str]]
    link_key: Callable[[Any], Hashable]
    make_link: Callable[[Any, Clock], Link]
    make_driver: Callable[[str, Any, Sequence[Point], Link, Clock], Driver]
    plan_key: Callable[[Any], Hashable] | None = None
    export_state: Callable[[Request], dict[str, Any] | None] | None = None
    import_state: Callable[[Request, dict[str, Any], float], None] | None = None
    certificate_days: Callable[[Sequence[Any], int], int | None] | None = None


L = TypeVar("L")


def own_link(name: str, link: Link, kind: type[L]) -> L:
    """The link as its own protocol's.

    Raises:
        TypeError: it is another's: a bug of who put them together.
    """
    if not isinstance(link, kind):
        raise TypeError(f"{name}: expected a {kind.__name__}, got a {type(link).__name__}")
    return link


def bind(exchange: Exchange, rows: Rows, id: int) -> Request:
    """The exchange for one device whose points lie at `rows`."""
    return Request(id=id, exchange=exchange, rows=np.ascontiguousarray(rows[exchange.take]))
