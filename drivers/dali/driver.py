# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_driver.py, tests/kit/test_dali.py
"""One gear, or the line itself, behind a Lunatone gateway: questions in, batches out; commands once, with an outcome.

Law of this file: the contract of `drivers.base`; frames are `asking`'s. A command frame has no answer in DALI:
*accepted* means that the gateway has put it on the bus; the level that follows is the proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from config.words import Batch, Clock, Outcome, Permit, StatusCode
from drivers.base import Busy, DeviceSilent, DriverError, LinkDown, NoTurn, Point, Request, WriteItem, WriteOutcome
from drivers.dali import banks, lunatone
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice
from drivers.dali.asking import Asker
from drivers.dali.gateway import as_cell, declared
from drivers.dali.link import LunatoneLink
from drivers.dali.lunatone import NotSent
from drivers.dali.plan import Question, questions
from drivers.dali.registers import target, wire_number
from drivers.dali.schedule import Rank
from drivers.identity import Identity
from drivers.readback import Answer, in_order, readable

GATEWAY: Final = "gateway"
GOOD: Final = int(StatusCode.Good)
NO_DATA: Final = int(StatusCode.BadNoData)


class DaliDriver:
    """A `drivers.base.Driver` for one gear, or the line, on a link.

    Attributes:
        declared: who the gear must be.
    """

    def __init__(
        self, name: str, device: DaliDevice, points: Sequence[Point], link: LunatoneLink, clock: Clock
    ) -> None:
        self._name, self._device, self._points, self._link, self._clock = name, device, points, link, clock
        self._asker = Asker(link, device.short_address, device.curve)
        self.declared = declared(device)

    async def open(self) -> None:
        """Nothing to agree on: a bus has no session."""

    async def close(self) -> None:
        """Nothing is held beside the link."""

    @property
    def waited_s(self) -> float:
        """How long its questions have waited for the bus (`drivers.base.Budgeted`) [s]."""
        return self._asker.waited_s

    async def identify(self, timeout_s: float) -> Identity:
        """Serial number of the gateway, GTIN and serial number of the gear: those that were declared, or all.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        wanted = tuple(self.declared.texts) or (GATEWAY, *banks.NAMEPLATE)
        said: dict[str, str] = {}
        try:
            if GATEWAY in wanted and (serial := await self._link.serial(timeout_s)):
                said[GATEWAY] = serial
            if self._device.short_address is not None:
                said |= await self._asker.nameplate([n for n in wanted if n != GATEWAY], timeout_s)
        except DriverError as error:
            raise self._named("identity", timeout_s, error) from error
        return said

    # --- reading

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """Ask once.

        Raises:
            LinkDown: the connection to the gateway broke.
            DeviceSilent: the gear does not live, or the bus does not.
            Busy: the gateway says so.
            NoTurn: the bus is full of what is more urgent.
        """
        question: Question = request.exchange.body
        told = await self._told(question, timeout_s, gives_way=True)
        n = len(request.rows)
        cells, statuses = np.zeros(n, np.int64), np.zeros(n, np.uint32)
        for i, position in enumerate(question.positions):
            cells[i], statuses[i] = told[position]
        missing = {name for name in question.values if name in self._asker.why}
        request.state = {name: self._asker.why[name] for name in sorted(missing)} or None
        return Batch(request.id, request.rows, cells, statuses, np.full(n, self._clock.wall_ns(), np.int64))

    async def _told(self, question: Question, timeout_s: float, gives_way: bool = False) -> dict[int, tuple[int, int]]:
        """Position -> cell and status."""
        try:
            values = await self._asker.ask(question, timeout_s, gives_way)
        except DriverError as error:
            raise self._named(question.label, timeout_s, error) from error
        found = {}
        for position, name in zip(question.positions, question.values, strict=True):
            value, kind = values[name], self._points[position].kind
            if value is None:
                found[position] = 0, NO_DATA
            else:
                found[position] = as_cell(kind, value, GOOD)
        return found

    def _named(self, label: str, timeout_s: float, error: DriverError) -> DriverError:
        """The same error, saying which device and what was asked."""
        if isinstance(error, LinkDown):
            return LinkDown(f"{self._name}: {label}: {error} (asked for at most {timeout_s:g} s)")
        sort = next((s for s in (Busy, NoTurn) if isinstance(error, s)), DeviceSilent)
        return sort(f"{self._name}: {label}: {error}")

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """Read single points now, outside their poll class: the read-back of a command.

        Raises:
            LinkDown, DeviceSilent, Busy: as `read`.
        """
        found: dict[int, Answer] = {}
        for question in questions(self._points, readable(self._points, points)):
            told = await self._told(question, timeout_s)
            found |= {position: (*answer, None) for position, answer in told.items()}
        return in_order(points, found)

    # --- writing

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """Write in order, once each. Never raises for what the gateway or the link says."""
        return [await self._write(item, permit, timeout_s) for item in items]

    async def _write(self, item: WriteItem, permit: Permit, timeout_s: float) -> WriteOutcome:
        point = self._points[item.point]
        where = f"{self._name}: {point.name}"
        if not point.access.writable:
            return WriteOutcome(
                Outcome.REFUSED, f"{where}: expected a point that may be written, this one is read only"
            )
        try:
            number = wire_number(point, "arc", item.cell, self._device.curve)
        except ValueError as error:
            return WriteOutcome(Outcome.REFUSED, f"{where}: {error}; nothing was sent")
        whom = target(self._device, point.address)
        if point.address.value == "scene":
            frame = f.command(whom, f.GO_TO_SCENE + number)
        else:
            frame = f.direct_level(whom, number)
        return await self._command(f"{where} at {whom}", frame, permit, timeout_s)

    async def _command(self, where: str, frame: f.Frame, permit: Permit, timeout_s: float) -> WriteOutcome:
        def may_leave() -> str:
            return "" if permit.valid(self._clock.boot_s()) else "the permit to write has ended"

        try:
            with self._link.job(Rank.COMMAND, timeout_s, may_leave) as job:
                reply = await job.send(frame)
        except NotSent as error:
            return WriteOutcome(Outcome.REFUSED, f"{where}: {error}; nothing was sent")
        except LinkDown as error:
            text = f"{where}: sent, then the link broke ({error}); it may or may not have been done"
            return WriteOutcome(Outcome.UNKNOWN, text)
        if reply.result != lunatone.SENT:
            said = lunatone.RESULTS.get(reply.result, f"the gateway says {reply.result}")
            if reply.result in lunatone.NOT_SENT:
                return WriteOutcome(Outcome.REFUSED, f"{where}: {said}")
            return WriteOutcome(Outcome.UNKNOWN, f"{where}: {said}; it may or may not have been done")
        self._link.line.heard(frame)
        return WriteOutcome(Outcome.ACCEPTED)

    # --- for people

    def notes(self, request: Request) -> list[str]:
        """What the gear does not answer of this request, one sentence for each point; empty if nothing."""
        question: Question = request.exchange.body
        return [
            f"{self._name}: {self._points[position].name}: expected {name}, got none: {request.state[name]}"
            for position, name in zip(question.positions, question.values, strict=True)
            if request.state and name in request.state
        ]
