# SPDX-License-Identifier: Apache-2.0
"""A protocol of three lines, to test the host and not a driver: real sockets, a real peer, faults by name.

    question  'R <unit> <block>\\n'  or  'W <unit> <value>\\n'      answer  'A <number>\\n'

The server holds one number per unit. `silent` units are heard and not answered; `resets` units get their connection
reset. The driver's own faults are switched by `TallyDevice.fault`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, cast

import numpy as np
from pydantic import BaseModel

from config.words import Access, Batch, Clock, Kind, LinkState, Outcome, Permit, StatusCode
from drivers.base import (
    Busy,
    DeviceSilent,
    DeviceSpec,
    Exchange,
    LinkDown,
    Point,
    PollClass,
    ProtocolSpec,
    Request,
    WriteItem,
    WriteOutcome,
)


class TallyServer(asyncio.Protocol):
    """The shared state is in `field`; one protocol object per connection."""

    def __init__(self, field: TallyField) -> None:
        self.field = field

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one
        self.field.open.add(self.transport)
        self.field.connections += 1
        if self.field.refusing:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.field.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            verb, unit_text, value = line.split()
            unit = int(unit_text)
            self.field.heard.append((verb, unit, value))
            if unit in self.field.resets:
                self.transport.abort()
                return
            if verb == "W":
                self.field.values[unit] = int(value)
            if unit in self.field.silent or (verb == "R" and unit in self.field.silent_reads):
                continue
            answer = b"B\n" if unit in self.field.busy else f"A {self.field.values.get(unit, unit)}\n".encode()
            loop = asyncio.get_running_loop()
            loop.call_later(self.field.delay_s, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


class TallyField:
    """One listening socket that stands for any number of devices."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.silent: set[int] = set()
        self.silent_reads: set[int] = set()
        self.resets: set[int] = set()
        self.busy: set[int] = set()
        self.refusing = False
        self.delay_s = 0.002
        self.heard: list[tuple[str, int, str]] = []
        self.open: set[asyncio.Transport] = set()
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: TallyServer(self), "127.0.0.1", self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in list(self.open):
                transport.abort()
            await self._server.wait_closed()
            self._server = None
            await asyncio.sleep(0.01)


class TallyDevice(BaseModel):
    """Settings. `line`: devices with the same one share a link."""

    model_config = {"extra": "forbid"}
    port: int
    unit: int
    line: int
    window: int = 1
    fault: str = ""


class TallyLink(asyncio.Protocol):
    def __init__(self, device: TallyDevice) -> None:
        self.device = device
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[asyncio.Future[bytes]] = deque()
        self.tell: Callable[[str], None] = lambda reason: None

    @property
    def is_up(self) -> bool:
        return self.transport is not None

    @property
    def window(self) -> int:
        return self.device.window

    def on_lost(self, callback: Callable[[str], None]) -> None:
        self.tell = callback

    async def open(self) -> None:
        if self.device.fault == "open raises":
            raise ZeroDivisionError("bug in open")
        if self.device.fault == "open cancels":
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self.device.port)
        except OSError as error:
            raise LinkDown(f"127.0.0.1:{self.device.port}: {error.strerror}") from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self._end("closed by the device")
            self.tell("closed by the device")

    def _end(self, reason: str) -> None:
        transport, self.transport = self.transport, None
        for answer in self.waiting:
            if not answer.done():
                answer.set_exception(LinkDown(reason))
        self.waiting.clear()
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        for line in data.splitlines():
            answer = self.waiting.popleft()
            if not answer.done():
                answer.set_result(line)

    async def ask(self, question: str, timeout_s: float) -> int:
        if self.transport is None:
            raise LinkDown("not connected")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        self.transport.write(question.encode())
        try:
            async with asyncio.timeout(timeout_s):
                said = await answer
        except TimeoutError:
            self.waiting.remove(answer)
            raise DeviceSilent(f"no reply within {timeout_s:g} s") from None
        if said == b"B":
            raise Busy("the device is busy")
        return int(said[2:])

    async def close(self) -> None:
        self._end("closed by us")

    def abort(self) -> None:
        self._end("aborted by us")


class TallyDriver:
    def __init__(self, name: str, device: TallyDevice, link: TallyLink, clock: Clock) -> None:
        self.name, self.device, self.link, self.clock = name, device, link, clock
        self.closed = 0

    async def open(self) -> None:
        if self.device.fault == "identity":
            raise DeviceSilent(f"{self.name}: answers as somebody else")

    async def read(self, request: Request, timeout_s: float) -> Batch:
        if self.device.fault == "read raises":
            raise ZeroDivisionError("bug in read")
        if self.device.fault == "read raises beyond Exception":
            raise GeneratorExit("bug from a library")
        if self.device.fault == "read cancels":
            raise asyncio.CancelledError
        if self.device.fault == f"deaf to {request.exchange.label}":
            await asyncio.sleep(timeout_s)
            raise DeviceSilent(f"{self.name}: {request.exchange.label}: no reply within {timeout_s:g} s")
        n = await self.link.ask(f"R {self.device.unit} {request.exchange.label}\n", timeout_s)
        size = 0 if self.device.fault == "short batch" else len(request.rows)
        return Batch(
            request.id,
            request.rows,
            np.full(size, n, np.int64),
            np.zeros(size, np.uint32),
            np.full(size, self.clock.wall_ns(), np.int64),
        )

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        n = await self.link.ask(f"R {self.device.unit} back\n", timeout_s)
        return [(n, int(StatusCode.Good), None) for _ in points]

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        if self.device.fault == "write raises":
            raise ZeroDivisionError("bug in write")
        if self.device.fault == "write raises beyond Exception":
            raise GeneratorExit("bug from a library")
        if self.device.fault == "write cancels":
            raise asyncio.CancelledError
        try:
            for item in items:
                await self.link.ask(f"W {self.device.unit} {item.cell}\n", timeout_s)
        except (LinkDown, DeviceSilent) as error:
            return [WriteOutcome(Outcome.UNKNOWN, f"{self.name}: {error}")] * len(items)
        return [WriteOutcome(Outcome.ACCEPTED)] * len(items)

    def notes(self, request: Request) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        self.closed += 1


class TallyPoint(BaseModel):
    block: str


def plan(device: TallyDevice, points: Sequence[Point]) -> list[Exchange]:
    return [
        Exchange(np.array([i]), point.poll, point.address.block, None)
        for i, point in enumerate(points)
        if point.poll is not None
    ]


def _link_key(device: TallyDevice) -> Hashable:
    return (device.port, device.line)


TALLY = ProtocolSpec(
    name="tally",
    device_model=TallyDevice,
    point_model=TallyPoint,
    plan=plan,
    check=lambda kind, access, address: [],
    link_key=_link_key,
    make_link=lambda device, clock: TallyLink(device),
    make_driver=lambda name, device, points, link, clock: TallyDriver(name, device, link, clock),
    plan_key=lambda device: None,
)


FAST = PollClass("fast", period_s=1.0, timeout_s=0.4, retries=1, bad_after_s=5.0)
SLOW = PollClass("slow", period_s=10.0, timeout_s=0.4, retries=1, bad_after_s=30.0)
POINTS = (Point("N", Kind.Int64, Access.RW, TallyPoint(block="n"), "fast"),)


def device(unit: int, port: int, points: tuple[Point, ...] = POINTS, polls: Any = None, **settings: Any) -> DeviceSpec:
    """A device with `len(points)` rows from `unit * 10` on; on a line of its own unless told otherwise."""
    return DeviceSpec(
        name=f"CAB-{unit:04d}.controller",
        protocol="tally",
        device=TallyDevice(port=port, unit=unit, line=settings.pop("line", unit), **settings),
        points=points,
        rows=np.arange(len(points)) + unit * 10,
        polls=polls or {"fast": FAST},
        comm_rows=np.array([], np.int64),
    )


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.misses: list[tuple[float, tuple[int, ...], StatusCode, str]] = []
        self.links: list[tuple[float, int, LinkState, str]] = []
        self._now = asyncio.get_running_loop().time

    def batch(self, batch: Batch) -> None:
        self.batches.append(batch)

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        self.misses.append((self._now(), tuple(requests), status, reason))

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        self.links.append((self._now(), device, state, reason))

    def states(self, device: int) -> list[LinkState]:
        return [state for _, who, state, _ in self.links if who == device]
