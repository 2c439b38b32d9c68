# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_driver.py, tests/kit/test_modbus.py, tests/system/test_libmodbus.py
"""One Modbus device: blocks in, batches out; writes once, with an outcome.

Law of this file: the contract of `drivers.base` and the meaning of exception codes; frames are `wire`'s, layout is
`plan`'s, numbers are `decode`'s. Nothing here sleeps or retries.

What an exception means (source: Modbus Application Protocol V1.1b3, 7):

    1, 2, 3     this function, address or quantity is not there: find out which point, the others stay Good (`split`)
    4, 7, 8     the device failed inside: BadDeviceFailure
    5, 6        it is busy: Busy
    10, 11      the gateway cannot reach it: DeviceSilent; the link and its other devices are fine
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from config.words import Batch, Cells, Clock, Permit, StatusCode, Statuses
from drivers.base import Busy, DeviceSilent, DriverError, LinkDown, Point, Request, WriteItem, WriteOutcome
from drivers.identity import Identity
from drivers.modbus import split
from drivers.modbus.address import ModbusDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.nameplate import Nameplate
from drivers.modbus.plan import Body, bodies, make_body
from drivers.modbus.split import Learned, Part
from drivers.modbus.writing import Writer
from drivers.readback import Answer, in_order, readable

EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge: it needs a long time",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
FUNCTION_REFUSED: Final = 1
BUSY: Final = (5, 6)
GATEWAY: Final = (10, 11)

CONFIGURATION_ERROR: Final = int(StatusCode.BadConfigurationError)
DEVICE_FAILURE: Final = int(StatusCode.BadDeviceFailure)


class ModbusDriver:
    """A `drivers.base.Driver` for one unit on a link.

    Attributes:
        declared: who it must be.
    """

    def __init__(
        self, name: str, device: ModbusDevice, points: Sequence[Point], link: ModbusLink, clock: Clock
    ) -> None:
        self._name, self._device, self._points, self._link, self._clock = name, device, points, link, clock
        self._unit = device.unit_id
        self._writer = Writer(name, device, points, link, clock)
        self._plate = Nameplate(name, device, link)
        self.declared = self._plate.declared

    async def open(self) -> None:
        """Nothing to agree on: Modbus has no session."""

    async def close(self) -> None:
        """Nothing is held beside the link."""

    async def identify(self, timeout_s: float) -> Identity:
        """As `nameplate.Nameplate.ask`."""
        return await self._plate.ask(timeout_s)

    # --- reading

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """Ask a block once (after a refusal, in as many parts as the device needs).

        Raises:
            LinkDown: the link broke.
            DeviceSilent: no proper answer, or the gateway cannot reach the device.
            Busy: the device says so, or the search for a refused address goes on at the next poll.
        """
        body: Body = request.exchange.body
        if request.state is not None:
            return await self._read_parts(request, request.state, timeout_s)
        try:
            answer = await self._link.ask(self._unit, body.question, timeout_s)
        except DriverError as error:
            raise self._named(body, timeout_s, error) from error
        if answer.startswith(body.head) and len(answer) == body.answer_len:
            cells, statuses, texts = body.decoder.cells(answer, 2)
        else:
            code = self._exception(body, answer)
            if code in split.REFUSALS:
                return await self._read_parts(request, _refuse_whole(request, code, self._now_s()), timeout_s)
            cells, statuses, texts = _failed(len(request.rows), DEVICE_FAILURE)
        return self._batch(request, cells, statuses, texts)

    def _batch(self, request: Request, cells: Cells, statuses: Statuses, texts: dict[int, str] | None) -> Batch:
        source_ns = np.empty(len(cells), np.int64)
        source_ns.fill(self._clock.wall_ns())
        return Batch(request.id, request.rows, cells, statuses, source_ns, texts)

    async def _read_parts(self, request: Request, state: Learned, timeout_s: float) -> Batch:
        """Read a block that was refused as a whole, part by part; refused parts are cut further.

        After `timeout_s` of searching the link is left to others until the next poll. Parts that have not answered yet
        are asked first, so that each poll brings the search on, however slow the device.
        """
        body: Body = request.exchange.body
        order = _by_address(body)
        cells, statuses, _ = _failed(len(order), CONFIGURATION_ERROR)
        texts: dict[int, str] = {}
        split.release(state, self._now_s())
        to_ask = split.to_ask(state)
        until_s = self._now_s() + timeout_s
        while to_ask:
            part = to_ask.pop(0)
            if await self._read_part(body, state, part, order, timeout_s, cells, statuses, texts):
                state.proven.add(part)
            else:
                to_ask[:0] = [p for p in state.parts if p not in state.proven and p not in to_ask]
            if self._now_s() >= until_s and not state.proven.issuperset(to_ask):
                raise Busy(f"{self._name}: {body.label}: looking for the refused address, goes on at the next poll")
        split.answered(state)
        if split.is_whole(state):
            request.state = None
        return self._batch(request, cells, statuses, texts or None)

    async def _read_part(
        self,
        body: Body,
        state: Learned,
        part: Part,
        order: Sequence[int],
        timeout_s: float,
        cells: Cells,
        statuses: Statuses,
        texts: dict[int, str],
    ) -> bool:
        """Ask one part and put its cells in place: True; or it was refused, and is cut or quarantined: False."""
        chosen = [order[i] for i in range(*part)]
        if part not in state.prepared:
            state.prepared[part] = self._prepare(body, chosen)
        small, places = state.prepared[part]
        answer = await self._ask(small, timeout_s)
        if answer.startswith(small.head) and len(answer) == small.answer_len:
            found, qualities, some_texts = small.decoder.cells(answer, 2)
            cells[places], statuses[places] = found, qualities
            texts.update({places[i]: text for i, text in (some_texts or {}).items()})
            return True
        code = self._exception(small, answer)
        if code == FUNCTION_REFUSED and len(chosen) == len(order):
            split.function_refused(state, code, self._now_s())
            return False
        if code in split.REFUSALS:
            split.refused(state, part, code, self._now_s())
            return False
        statuses[chosen] = DEVICE_FAILURE
        return True

    def _prepare(self, body: Body, chosen: Sequence[int]) -> tuple[Body, list[int]]:
        """A question for some cells of a block, and where its cells belong."""
        small = make_body(self._points, [body.members[i].position for i in chosen])
        where = {body.members[i].position: i for i in chosen}
        return small, [where[m.position] for m in small.members]

    async def _ask(self, body: Body, timeout_s: float) -> bytes:
        try:
            return await self._link.ask(self._unit, body.question, timeout_s)
        except DriverError as error:
            raise self._named(body, timeout_s, error) from error

    def _named(self, body: Body, timeout_s: float, error: DriverError) -> DriverError:
        """The same error, saying which device and what was asked."""
        if isinstance(error, DeviceSilent):
            return DeviceSilent(f"{self._name}: {body.label}: no answer within {timeout_s:g} s ({error})")
        sort = Busy if isinstance(error, Busy) else LinkDown
        return sort(f"{self._name}: {body.label}: {error}")

    def _exception(self, body: Body, answer: bytes) -> int:
        """The exception code of an answer that is not the expected data.

        Raises:
            DeviceSilent: it is no exception either, or the gateway's; Busy: exception 5 or 6.
        """
        if len(answer) != 2 or answer[0] != body.question[0] | 0x80:
            raise DeviceSilent(
                f"{self._name}: {body.label}: expected {body.answer_len} bytes of function {body.question[0]}, "
                f"got {len(answer)} bytes {answer[:4].hex(' ')}"
            )
        code = answer[1]
        text = f"{self._name}: {body.label}: exception {code} ({EXCEPTIONS.get(code, 'unknown')})"
        if code in BUSY:
            raise Busy(text)
        if code in GATEWAY:
            raise DeviceSilent(text)
        return code

    # --- reading back

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """Read single points now, outside their poll class: the read-back of a command.

        Args:
            points: positions in the device's point list.
            timeout_s: longest wait for each answer [s].

        Returns: for each, in order: cell, StatusCode and (String only) text. A point that cannot be read has
            BadNotReadable, one that the device refuses BadConfigurationError.

        Raises:
            LinkDown, DeviceSilent, Busy: as `read`.
        """
        found: dict[int, Answer] = {}
        device, chosen = self._device.model_copy(update={"gap_max": 0}), readable(self._points, points)
        for body in bodies(device, self._points, chosen):
            found |= await self._read_now(body, timeout_s)
        return in_order(points, found)

    async def _read_now(self, body: Body, timeout_s: float) -> dict[int, tuple[int, int, str | None]]:
        answer = await self._ask(body, timeout_s)
        positions = [m.position for m in body.members]
        if answer.startswith(body.head) and len(answer) == body.answer_len:
            cells, statuses, texts = body.decoder.cells(answer, 2)
            text_at = texts or {}
            return {p: (int(cells[i]), int(statuses[i]), text_at.get(i)) for i, p in enumerate(positions)}
        code = self._exception(body, answer)
        if code in split.REFUSALS and len(positions) > 1:
            found: dict[int, tuple[int, int, str | None]] = {}
            for position in positions:
                found |= await self._read_now(make_body(self._points, [position]), timeout_s)
            return found
        status = CONFIGURATION_ERROR if code in split.REFUSALS else DEVICE_FAILURE
        return dict.fromkeys(positions, (0, status, None))

    # --- writing

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """Write in order; see `writing`. Never raises for what the device or the link says."""
        return [await self._writer.write(item, permit, timeout_s) for item in items]

    # --- for people

    def notes(self, request: Request) -> list[str]:
        """What the device refuses in this block, one sentence for each point; empty if nothing."""
        if request.state is None:
            return []
        body: Body = request.exchange.body
        order = _by_address(body)
        state: Learned = request.state
        sentences = []
        for i, (_, code) in sorted(state.quarantined.items()):
            member = body.members[order[i]]
            sentences.append(
                f"{self._name}: {self._points[member.position].name} at {member.address}: expected a value, the device "
                f"says exception {code} ({EXCEPTIONS[code]}); correct the address, or it is asked again in 10 min"
            )
        return sentences

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _by_address(body: Body) -> list[int]:
    """Cells of a block in the order of their addresses."""
    return sorted(range(len(body.members)), key=lambda i: (body.members[i].offset, body.members[i].position))


def _refuse_whole(request: Request, code: int, now_s: float) -> Learned:
    """Begin to learn: the block as planned was refused."""
    state = split.begin(*_extents(request.exchange.body))
    if code == FUNCTION_REFUSED:
        split.function_refused(state, code, now_s)
    else:
        split.refused(state, state.parts[0], code, now_s)
    request.state = state
    return state


def _extents(body: Body) -> tuple[list[int], list[int]]:
    """First and last address of each point of a block, by address."""
    members = [body.members[i].address for i in _by_address(body)]
    return [address.address for address in members], [address.last for address in members]


def export_state(request: Request) -> dict[str, Any] | None:
    """As `ProtocolSpec.export_state`: the cuts of a block and what is left out of it."""
    return None if request.state is None else split.export(request.state)


def import_state(request: Request, kept: dict[str, Any], now_s: float) -> None:
    """As `ProtocolSpec.import_state`.

    Raises:
        ValueError: it was learned of another block.
    """
    request.state = split.restore(*_extents(request.exchange.body), kept, now_s)


def _failed(n: int, status: int) -> tuple[Cells, Statuses, dict[int, str] | None]:
    return np.zeros(n, np.int64), np.full(n, status, np.uint32), None
