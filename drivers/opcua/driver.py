# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_driver.py, tests/kit/test_opcua.py, tests/system/test_opcua_server_node.py
"""One piece of equipment behind an OPC UA server: nodes in, batches out; writes once, with an outcome.

Law of this file: the contract of `drivers.base` and the meaning of the server's refusals. Nothing here sleeps or
retries, and no other error than the contract's leaves.

What a refusal of a whole request means (source: OPC 10000-4, 7.38):

    the session or the channel is not there     LinkDown: the host makes them anew
    too many nodes, too long an answer          asked in smaller pieces from the next poll on; Busy
    the server is busy, out of resources        Busy
    anything else                               DeviceSilent, with the code

What a server says of one node is the status of that node alone, exactly as it says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from config.words import Batch, Clock, Permit, StatusCode, Statuses
from drivers.base import (
    Busy,
    DeviceSilent,
    DriverError,
    Exchange,
    LinkDown,
    Point,
    Request,
    WriteItem,
    WriteOutcome,
)
from drivers.identity import Declared, Identity
from drivers.opcua import codec
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.asked import Asked, Push
from drivers.opcua.codec import ServiceFault
from drivers.opcua.layout import Bytes, Garbled
from drivers.opcua.link import OpcuaLink
from drivers.opcua.plan import make_body
from drivers.opcua.subscription import SESSION_GONE, TOO_MUCH
from drivers.opcua.writing import Writer
from drivers.readback import in_order, readable, unpacked

BUSY: Final = (0x80030000, 0x80040000, 0x807D0000, 0x80EE0000)
# What will not mend by itself: the node, the rights or the type are not as configured.
REFUSALS: Final = {
    0x801F0000: "the user may not read it",
    0x80330000: "it is no NodeId of this server",
    0x80340000: "the server has no such node",
    0x80350000: "the node has no value",
    0x80360000: "it is no array, or the index is not written as one",
    0x80370000: "the array is shorter",
    0x80380000: "the text is no UTF-8",
    0x803A0000: "the node cannot be read",
    0x803C0000: "the number does not fit the tag's kind",
    0x80740000: "the node has another type",
}
_REFUSAL_CODES: Final = np.array(sorted(REFUSALS), np.uint32)


class OpcuaDriver:
    """A `drivers.base.Driver` for one piece of equipment on a link.

    Attributes:
        declared: who its server must be.
    """

    def __init__(self, name: str, device: OpcuaDevice, points: Sequence[Point], link: OpcuaLink, clock: Clock) -> None:
        self._name, self._device, self._points, self._link = name, device, points, link
        self._types: Bytes = np.zeros(len(points), np.uint8)
        self._writer = Writer(name, device, points, link, clock, self._types)
        self._asked: dict[int, Asked] = {}
        self._size_max = 0
        self._push: Push | None = None
        self.declared = Declared.of(device.identity_required, application_uri=device.application_uri)

    async def open(self) -> None:
        """A session has been made; what was learned in the one before is void."""
        self._asked.clear()

    async def identify(self, timeout_s: float) -> Identity:
        """The server's ApplicationUri, asked now; empty if it tells none.

        Raises:
            LinkDown, DeviceSilent.
        """
        question = codec.read_parameters([codec.read_id(codec.node_id(codec.SERVER_ARRAY, "", ()), -1)])
        try:
            data = await self._link.wire.ask(codec.READ, question, timeout_s)
            said = codec.first_text(data, codec.answer(data, codec.READ_ANSWER)) or self._link.server.application_uri
        except (DriverError, ServiceFault, Garbled) as error:
            raise self._named("identity", timeout_s, error) from error
        return {"application_uri": said} if said else {}

    async def close(self) -> None:
        """Nothing is held beside the link."""

    # --- reading

    def watch(self, push: Push) -> None:
        """From now on values are told when they change; see `drivers.base.Watching`."""
        if self._device.subscribe:
            self._push = push

    async def read(self, request: Request, timeout_s: float) -> Batch:
        """Read the nodes of a request; of one whose changes are told, prove that what was told stands.

        Raises:
            LinkDown: the link broke, or the session has ended.
            DeviceSilent: no proper answer.
            Busy: the server says so, or the request was too large and is cut at the next poll.
        """
        label = request.exchange.label
        try:
            asked = self._asked_of(request)
            if asked.is_watched:
                await asked.prove(timeout_s)
            elif self._push is None or not await asked.watch(self._push, timeout_s):
                await asked.read(timeout_s)
        except (DriverError, ServiceFault, Garbled) as error:
            raise self._named(label, timeout_s, error) from error
        batch = asked.batch()
        told = asked.types != 0
        self._types[request.exchange.body.positions[told]] = asked.types[told]
        request.state = _refused(batch.statuses)
        return batch

    def _asked_of(self, request: Request) -> Asked:
        asked = self._asked.get(request.id)
        if asked is None or asked.generation != self._link.generation:
            asked = self._asked[request.id] = Asked(request, self._link, self._device.root, self._size_max)
        return asked

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        """Read single points now, outside their poll class: the read-back of a command.

        Args:
            points: positions in the device's point list.
            timeout_s: longest wait for each answer [s].

        Returns: for each, in order: cell, StatusCode and (String only) text; BadNotReadable for what cannot be read.

        Raises:
            LinkDown, DeviceSilent, Busy: as `read`.
        """
        chosen = readable(self._points, points)
        if not chosen:
            return in_order(points, {})
        body = make_body(self._points, chosen)
        request = Request(-1, Exchange(body.positions, "", body.label, body), body.positions)
        try:
            asked = Asked(request, self._link, self._device.root, self._size_max)
            await asked.read(timeout_s)
        except (DriverError, ServiceFault, Garbled) as error:
            raise self._named(body.label, timeout_s, error) from error
        return in_order(points, unpacked(asked.batch(), chosen))

    def _named(self, label: str, timeout_s: float, error: Exception) -> DriverError:
        """The same error in the contract's words, saying which device and what was asked."""
        where = f"{self._name}: {label}"
        if isinstance(error, LinkDown):
            return LinkDown(f"{where}: {error}")
        if isinstance(error, DriverError):
            return DeviceSilent(f"{where}: no answer within {timeout_s:g} s ({error})")
        if isinstance(error, Garbled):
            return LinkDown(f"{where}: {self._link.fail(f'an answer that cannot be read: {error}')}")
        code = error.code if isinstance(error, ServiceFault) else 0
        if code in SESSION_GONE:
            return LinkDown(f"{where}: {self._link.fail(f'the session has ended: {error}')}")
        if code in TOO_MUCH:
            self._size_max = max(1, (self._size_max or self._device.nodes_max) // 2)
            for asked in self._asked.values():
                asked.cut(self._size_max)
            return Busy(f"{where}: {error}: asked {self._size_max} at a time from now on")
        if code in BUSY:
            return Busy(f"{where}: the server says {error}")
        return DeviceSilent(f"{where}: the server says {error}")

    # --- writing

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        """Write in order; see `writing`. Never raises for what the server or the link says."""
        return [await self._writer.write(item, permit, timeout_s) for item in items]

    # --- for people

    def notes(self, request: Request) -> list[str]:
        """What the server refuses of this request, one sentence for each point; empty if nothing."""
        state: dict[int, int] | None = request.state
        body: Any = request.exchange.body
        return [
            f"{self._name}: {self._points[int(body.positions[i])].name} at {body.addresses[i].node}: expected a value, "
            f"got {codec.status_name(code)}: {REFUSALS[code]}; correct the address"
            for i, code in sorted((state or {}).items())
        ]


def _refused(statuses: Statuses) -> dict[int, int] | None:
    """Place and code of what will not mend by itself; None: nothing."""
    if not (statuses >= StatusCode.Bad).any():
        return None
    codes = statuses & 0xFFFF0000
    return {int(i): int(codes[i]) for i in np.flatnonzero(np.isin(codes, _REFUSAL_CODES))} or None
