# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_lunatone.py, tests/kit/test_dali.py
"""The way to one line behind a Lunatone gateway: connect, close, abort, frames in their turn.

Law of this file: the life of the connection, and one job's frames; what is asked is `line`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from drivers.base import Busy, DeviceSilent, LinkDown, NoTurn
from drivers.dali import frames as f
from drivers.dali import lunatone
from drivers.dali.address import DaliDevice
from drivers.dali.line import Line
from drivers.dali.lunatone import Gateway, NotSent, Reply
from drivers.dali.schedule import PATIENCE_S, Rank
from drivers.dali.turns import Turns
from drivers.opening import NotOpened, Opening, reason_of
from drivers.sockets import close_in_order, prepare

WINDOW: Final = 2 * (f.GEAR_MAX + 2)
"""Questions that may wait for the bus: one of each gear and of the line, and a command to each."""


class LunatoneLink:
    """A `drivers.base.Link` to one line.

    Attributes:
        line: what is known of it since it came up.
        turns: its bus.
    """

    def __init__(self, device: DaliDevice) -> None:
        self.device = device
        self.turns = Turns(device.poll_share)
        self.line = Line(device.fault_fresh)
        self._gateway: Gateway | None = None
        self._opening: Opening[Gateway] = Opening(_drop)
        self._on_air: f.Frame | None = None
        self._down = "not connected yet"
        self._on_lost: Callable[[str], None] | None = None
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Connect.

        Raises:
            LinkDown: refused, unreachable, timed out, no WebSocket, or closed meanwhile.
        """
        if self.is_up:
            return
        self.line = Line(self.device.fault_fresh)
        try:
            gateway = await self._opening.run(self._connect(), self.device.connect_timeout)
        except (NotOpened, OSError, LinkDown, UnicodeError) as error:
            raise self._cannot(reason_of(error)) from error
        if gateway.down:
            raise self._cannot(gateway.down)
        self._gateway = gateway

    async def _connect(self) -> Gateway:
        where = f"{self.device.host}:{self.device.port}"
        _, gateway = await self._loop.create_connection(
            lambda: Gateway(where, self.device.line, self._prepare, self._lost, self._overheard),
            self.device.host,
            self.device.port,
        )
        try:
            await gateway.opened
        except asyncio.CancelledError:
            if (transport := gateway.end("given up")) is not None:
                transport.abort()
            raise
        return gateway

    def _prepare(self, transport: asyncio.Transport) -> str:
        return prepare(transport, self.device.user_timeout, self.device.keepalive)

    def _cannot(self, reason: str) -> LinkDown:
        self._down = reason
        return LinkDown(f"{self.device.where}: {reason}")

    async def close(self) -> None:
        """Close in order; pending questions fail with LinkDown. Idempotent, also during `open`."""
        if (transport := self._end("closed by us")) is not None:
            close_in_order(transport)

    def abort(self) -> None:
        """Drop the connection at once with a reset. Idempotent."""
        if (transport := self._end("aborted by us")) is not None:
            transport.abort()

    def _end(self, reason: str) -> asyncio.Transport | None:
        self._opening.end()
        gateway, self._gateway = self._gateway, None
        if gateway is None:
            return None
        self._down = reason
        self.turns.fail(NotSent(f"{self.device.where}: {reason}"))
        return gateway.end(f"{self.device.where}: {reason}")

    def _lost(self, gateway: Gateway) -> None:
        if gateway is self._gateway:
            self._gateway = None
            self._down = gateway.down
            self.turns.fail(NotSent(f"{self.device.where}: {gateway.down}"))
            if self._on_lost is not None:
                self._on_lost(f"{self.device.where}: {gateway.down}")

    def _overheard(self, frame: f.Frame) -> None:
        """A frame was on the bus; a gateway may tell ours, too."""
        if frame == self._on_air:
            return
        self.turns.schedule.heard(f.COMMAND_S, self._loop.time())
        self.line.overheard(frame)

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        return self._gateway is not None

    @property
    def window(self) -> int:
        """Questions that may wait for the bus; the bus itself takes one."""
        return WINDOW

    async def serial(self, timeout_s: float) -> str:
        """Serial number of the gateway; '' if it does not say one within this time [s].

        Raises:
            LinkDown.
        """
        if self._gateway is None:
            raise LinkDown(f"{self.device.where}: {self._down}")
        return await self._gateway.serial(timeout_s)

    @property
    def gateway(self) -> Gateway | None:
        """The connection that stands now."""
        return self._gateway

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """Call with the reason each time an open connection breaks (not when we close it). The last one set counts."""
        self._on_lost = callback

    def job(
        self,
        rank: Rank,
        timeout_s: float,
        may_leave: Callable[[], str] | None = None,
        gives_way: bool = False,
    ) -> Job:
        """Frames of one poll or command."""
        return Job(self, rank, timeout_s, may_leave, gives_way)

    async def ask(
        self, frame: f.Frame, timeout_s: float, answer: bool, twice: bool, may_leave: Callable[[], str] | None
    ) -> Reply:
        """As `Gateway.ask`."""
        if self._gateway is None:
            raise NotSent(f"{self.device.where}: {self._down}")
        self._on_air = frame
        return await self._gateway.ask(frame, timeout_s, answer, twice, may_leave)


class Job:
    """The frames of one poll or command, in order. Use it as a context: it lets the bus go at the end.

    Attributes:
        gives_way: its device wants to ask something more urgent if this takes long.
        waited_s: how long its frames have waited for the bus [s].
    """

    def __init__(
        self, link: LunatoneLink, rank: Rank, timeout_s: float, may_leave: Callable[[], str] | None, gives_way: bool
    ) -> None:
        self._link, self._rank, self._timeout_s, self._may_leave = link, rank, timeout_s, may_leave
        self._ticket = link.turns.ticket()
        self.gives_way = gives_way
        self._patience_s = PATIENCE_S if gives_way and rank is Rank.ENERGY else None
        self.waited_s = 0.0

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.turns.leave(self._ticket)

    async def send(
        self, frame: f.Frame, answer: bool = False, holds: bool = False, twice: bool = False, ties: bool = False
    ) -> Reply:
        """One frame, whatever becomes of it.

        Args:
            holds: no other poll's frame before the next of this one.
            ties: no frame at all before it, not even a command's.

        Raises:
            LinkDown; NoTurn: the first of them had none.
        """
        air_s = f.QUERY_S if answer else f.TWICE_S if twice else f.COMMAND_S
        loop, patience_s, self._patience_s = asyncio.get_running_loop(), self._patience_s, None
        begun_s = loop.time()
        try:
            async with self._link.turns.turn(self._ticket, self._rank, air_s, holds, ties, patience_s):
                self.waited_s += loop.time() - begun_s
                return await self._link.ask(frame, self._timeout_s, answer, twice, self._may_leave)
        except NoTurn:
            self.waited_s += loop.time() - begun_s
            raise

    async def tell(self, frame: f.Frame, twice: bool = False, ties: bool = False) -> None:
        """A frame before a question.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        sound(await self.send(frame, holds=True, twice=twice, ties=ties))

    async def query(self, frame: f.Frame, holds: bool = False) -> Reply:
        """A question.

        Raises:
            LinkDown; DeviceSilent: the bus is down; Busy.
        """
        return sound(await self.send(frame, answer=True, holds=holds))


def sound(reply: Reply) -> Reply:
    """The reply to a frame that was sent.

    Raises:
        Busy: the gateway has no room for it now; DeviceSilent: the bus did not take it.
    """
    if reply.result == lunatone.SENT:
        return reply
    text = lunatone.RESULTS.get(reply.result, f"the gateway says {reply.result}")
    raise Busy(text) if reply.result in (lunatone.BUFFER_FULL, lunatone.MACRO) else DeviceSilent(text)


def _drop(gateway: Gateway) -> None:
    if (transport := gateway.end("given up")) is not None:
        transport.abort()
