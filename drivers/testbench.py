# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit
"""The driver kit's bench: a peer, a link, a driver and their requests, put together as the host does it.

Law of this file: no claims; only what claims need to say what they say. Time is the loop's, normally virtual.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

import numpy as np

from config.words import Batch, Clock, Kind, LinkState, Permit, StatusCode, value_of
from drivers.base import DeviceSpec as Spec
from drivers.base import Driver, DriverError, Link, NoTurn, Point, PollClass, ProtocolSpec, Request, bind
from drivers.host import Host, HostLimits
from drivers.link import Backoff
from drivers.peer import Peer, Raw

NAME: Final = "KIT-0001.device"
TIMEOUT_S: Final = 1.0
SETTLE_S: Final = 0.01  # for what both ends still have to tell their loops
POLL: Final = PollClass("kit", period_s=2.5, timeout_s=TIMEOUT_S, retries=1, bad_after_s=10.0)
LIMITS: Final = HostLimits(backoff=Backoff(1.0, 30.0), demote_after=3, probe_s=5.0)
LASTING: Final = Permit(epoch=1, deadline_s=math.inf)


async def answered(driver: Driver, request: Request, timeout_s: float) -> Batch:
    """What a driver reads, when its bus has a turn for it: as the host asks."""
    while True:
        try:
            return await driver.read(request, timeout_s)
        except NoTurn:
            continue


class Broken(AssertionError):
    """A claim does not hold; the text says what was expected and what was seen."""


def expect(held: bool, text: str) -> None:
    """A claim holds, or is broken with this sentence."""
    if not held:
        raise Broken(text)


def same(kind: Kind, one: Raw, other: Raw) -> bool:
    """Equal as values of a kind: texts as texts, cells bit by bit, but any NaN like any other."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if kind.is_float:
        a, b = float(value_of(kind, one)), float(value_of(kind, other))
        return a == b or (math.isnan(a) and math.isnan(b))
    return one == other


@dataclass(slots=True)
class Seen:
    """A sink that remembers, and when."""

    now: Callable[[], float]
    batches: list[tuple[float, Batch]] = field(default_factory=list)
    misses: list[tuple[float, tuple[int, ...], StatusCode, str]] = field(default_factory=list)
    links: list[tuple[float, LinkState, str]] = field(default_factory=list)

    def batch(self, batch: Batch) -> None:
        """As `Sink.batch`."""
        self.batches.append((self.now(), batch))

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        """As `Sink.missed`."""
        self.misses.append((self.now(), tuple(requests), status, reason))

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        """As `Sink.link`."""
        self.links.append((self.now(), state, reason))

    def good_after(self, at_s: float) -> set[int]:
        """Requests that had an answer with a Good value after an instant."""
        answers = ((t, b) for t, b in self.batches if b.request >= 0)
        return {b.request for t, b in answers if t > at_s and bool((b.statuses < StatusCode.Uncertain).any())}


class Bench:
    """One device of one protocol, opened and ready.

    Attributes:
        requests: the planned exchanges bound to rows 0..n-1, so that a row is a position in `points`.
    """

    def __init__(self, spec: ProtocolSpec, peer: Peer, clock: Clock) -> None:
        self.spec, self.peer, self.clock = spec, peer, clock
        self.device = peer.device()
        self.points: tuple[Point, ...] = peer.points()
        self.link: Link = spec.make_link(self.device, clock)
        self.driver: Driver = spec.make_driver(NAME, self.device, self.points, self.link, clock)
        self.requests: list[Request] = [
            bind(exchange, np.arange(len(self.points)), i)
            for i, exchange in enumerate(spec.plan(self.device, self.points))
        ]

    async def open(self) -> None:
        """Open what is not open; what the host does after a loss."""
        if not self.link.is_up:
            await self.link.close()
            await self.link.open()
            await self.driver.open()

    async def close(self) -> None:
        """Close driver and link, as the host does."""
        await self.driver.close()
        await self.link.close()

    async def read(self) -> dict[int, tuple[Raw, int]]:
        """Every polled point once: position -> (cell or text, status)."""
        seen: dict[int, tuple[Raw, int]] = {}
        for request in self.requests:
            batch = await answered(self.driver, request, TIMEOUT_S)
            seen.update(unpack(self.points, batch))
        return seen

    async def read_patiently(self, attempts: int = 8) -> dict[int, tuple[Raw, int]]:
        """As `read`, again after a typed error and with the link made anew: what the host would reach soon."""
        for attempt in range(attempts):
            try:
                await self.open()
                return await self.read()
            except DriverError:
                if attempt + 1 == attempts:
                    raise
                await asyncio.sleep(TIMEOUT_S)
        raise Broken(f"expected an answer within {attempts} attempts")

    def polled(self) -> list[int]:
        """Positions of the points that are read."""
        return [int(i) for request in self.requests for i in request.rows]

    def writable(self) -> list[int]:
        """Positions of the points that may be written."""
        return [i for i, point in enumerate(self.points) if point.access.writable]

    def distinct(self, round_: int = 0) -> dict[int, Raw]:
        """Make the device hold one of each point's extremes and say which."""
        held: dict[int, Raw] = {}
        for i in range(len(self.points)):
            values = self.peer.extremes(i)
            self.peer.hold(i, values[round_ % len(values)])
        for i in self.polled():
            held[i] = self.peer.held(i)
        return held

    def host(self, seen: Seen, polls: PollClass = POLL) -> Host:
        """A host with this device alone; it makes its own link and driver."""
        rows = np.arange(len(self.points))
        spec = Spec(NAME, self.spec.name, self.device, self.points, rows, {"kit": polls}, np.array([], np.int64))
        return Host([spec], {self.spec.name: self.spec}, self.clock, seen, Random(1), LIMITS)


def unpack(points: Sequence[Point], batch: Batch) -> dict[int, tuple[Raw, int]]:
    """A batch whose rows are positions in `points`, as values."""
    texts = batch.texts or {}
    seen: dict[int, tuple[Raw, int]] = {}
    for k, (row, cell, status) in enumerate(zip(batch.rows, batch.cells, batch.statuses, strict=True)):
        value: Raw = texts.get(k, "") if points[int(row)].kind is Kind.String else int(cell)
        seen[int(row)] = (value, int(status))
    return seen


@asynccontextmanager
async def bench(spec: ProtocolSpec, make_peer: Callable[[], Peer], clock: Clock) -> AsyncIterator[Bench]:
    """A bench with everything open, and everything closed again."""
    peer = make_peer()
    await peer.start()
    made = Bench(spec, peer, clock)
    try:
        await made.open()
        yield made
    finally:
        try:
            await made.close()
        finally:
            made.link.abort()
            await peer.stop()
            await asyncio.sleep(SETTLE_S)


@asynccontextmanager
async def hosted(made: Bench, polls: PollClass = POLL) -> AsyncIterator[tuple[Host, Seen]]:
    """A running host on a bench whose own link is closed."""
    await made.close()
    seen = Seen(asyncio.get_running_loop().time)
    host = made.host(seen, polls)
    await host.start()
    try:
        yield host, seen
    finally:
        await host.stop()
