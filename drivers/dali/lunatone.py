# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_lunatone.py, tests/kit/test_dali.py
"""One WebSocket to a Lunatone DALI-2 IoT gateway: a frame to the bus, what became of it, what the bus says by itself.

Law of this file: bytes and messages; what a frame means is `line`'s. `websockets` is used without its own I/O, so that
a command leaves at once or not at all.

The gateway tells first whether a frame was sent and then, if one was asked for, the answer; neither bears a number.
So there is one question at a time, and after a silence, or a message that nobody waits for, the connection is dropped:
what comes later could not be told from the next answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from drivers.base import LinkDown
from drivers.dali.frames import QUERY_S, TWICE_S, Frame
from drivers.sockets import stuck

UNSENT_MAX: Final = 65_536  # bytes of ours that a gateway has not taken
MESSAGE_MAX: Final = 65536

SENT: Final = 0
NO_VOLTAGE: Final = 1
BUFFER_FULL: Final = 4
NO_LINE: Final = 5
MACRO: Final = 7
COLLISION: Final = 61
DISTURBED: Final = 62
NOT_FREE: Final = 63
RESULTS: Final = {
    NO_VOLTAGE: "the bus has no voltage",
    BUFFER_FULL: "the gateway's buffer is full",
    NO_LINE: "the gateway has no such line",
    MACRO: "a macro of the gateway holds the bus",
    COLLISION: "collision on the bus",
    DISTURBED: "the bus is disturbed",
    NOT_FREE: "the bus did not become free in time",
}
NOT_SENT: Final = frozenset((NO_VOLTAGE, BUFFER_FULL, NO_LINE, MACRO, NOT_FREE))
"""Results of a frame of which nothing was on the bus. What a disturbed one did, or one with any other, nobody knows."""
ANSWER_NONE: Final = 0
ANSWER_VALUE: Final = 8
ANSWER_GARBLED: Final = 63
NO_ANSWER: Final = 100


class NotSent(LinkDown):
    """Nothing left."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a frame.

    Attributes:
        result: 0 sent; else a key of RESULTS.
        answer: the byte; None: none came.
        collided: several answered at once: a yes of more than one.
    """

    result: int
    answer: int | None = None
    collided: bool = False


@dataclass(slots=True)
class _Asked:
    wants_answer: bool
    reply: asyncio.Future[Reply]
    was_sent: bool = False


class Gateway(asyncio.Protocol):
    """A connection. Made by `asyncio.create_connection`; ready when `opened` is done.

    Args:
        line: number of the bus.
        prepare: sets the options of the socket; says why it is no connection, or ''.
        lost: called once with the connection when it breaks by itself.
        overheard: called with each frame that others put on the bus.
    """

    def __init__(
        self,
        where: str,
        line: int,
        prepare: Callable[[asyncio.Transport], str],
        lost: Callable[[Gateway], None],
        overheard: Callable[[Frame], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = ClientProtocol(parse_uri(f"ws://{where}/"), max_size=MESSAGE_MAX)
        self._line, self._prepare, self._lost, self._overheard = line, prepare, lost, overheard
        self._transport: asyncio.Transport | None = None
        self._asked: _Asked | None = None
        self._text = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.opened.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait any more
        self.down = ""
        self.info: dict[str, Any] = {}
        self._introduced = asyncio.Event()

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if reason := self._prepare(self._transport):
            self._break(reason)
            return
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._greeted()
            elif isinstance(event, WsFrame) and self._transport is not None:
                self._message(event)
        if self._transport is not None:
            self._flush()
        if self._transport is not None and self._protocol.handshake_exc is not None:
            self._break(f"expected a WebSocket at /, got: {self._protocol.handshake_exc}")
        elif self._transport is not None and self._protocol.state is not State.OPEN and self.opened.done():
            self._break(f"the WebSocket has ended: {self._protocol.parser_exc or 'the gateway closed it'}")

    def eof_received(self) -> None:
        self._break("the gateway has closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(str(exc) if exc else "the connection is closed")

    def _greeted(self) -> None:
        if (error := self._protocol.handshake_exc) is not None:
            self._break(f"expected a WebSocket at /, got: {error}")
        elif not self.opened.done():
            self.opened.set_result(None)

    def _flush(self) -> None:
        if self._transport is not None:
            for data in self._protocol.data_to_send():
                if data:
                    self._transport.write(data)
            if self._transport.get_write_buffer_size() > UNSENT_MAX:
                self._break("the gateway asks (ping) and does not take the answers")

    # --- messages

    def _message(self, frame: WsFrame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return  # pings are answered by the library
        self._text += frame.data  # the library bounds the whole of a message that comes in pieces
        if not frame.fin:
            return
        text, self._text = bytes(self._text), bytearray()
        try:
            message = json.loads(text)
            kind, data = message["type"], message["data"]
            if kind in ("daliFrame", "daliAnswer") and data.get("line", 0) == self._line:
                self._told(kind, int(data["result"]), data.get("daliData"))
            elif kind == "daliMonitor" and data.get("line", 0) == self._line:
                self._monitored(data)
            elif kind == "info" and isinstance(data, dict):
                self.info = data
                self._introduced.set()
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            self._break(f"expected a JSON message of the gateway, got {text[:60]!r} ({error})")

    def _monitored(self, data: dict[str, Any]) -> None:
        if data.get("bits") == 16 and not data.get("framingError"):
            first, second = data["data"]
            if not (0 <= int(first) <= 255 and 0 <= int(second) <= 255):
                raise ValueError("expected two bytes")
            self._overheard((int(first), int(second)))

    def _told(self, kind: str, result: int, value: Any) -> None:
        asked = self._asked
        if asked is None or asked.was_sent != (kind == "daliAnswer"):
            self._break(f"the gateway sent a {kind} that nobody waits for")
        elif kind == "daliFrame":
            asked.was_sent = True
            if result == NO_ANSWER:
                self._finish(Reply(SENT))
            elif result != SENT or not asked.wants_answer:
                self._finish(Reply(result))
        elif result == ANSWER_VALUE:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
                raise ValueError(f"expected a byte, got {value!r}")
            self._finish(Reply(SENT, value))
        else:
            self._finish(Reply(SENT, None, result == ANSWER_GARBLED))

    def _finish(self, reply: Reply) -> None:
        asked, self._asked = self._asked, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._idle.set()
        if asked is not None and not asked.reply.done():
            asked.reply.set_result(reply)

    # --- questions

    async def serial(self, timeout_s: float) -> str:
        """Serial number of the gateway; '' if it does not say one within this time [s].

        It greets each connection with it, and a connection leads to the same gateway as long as it stands.

        Raises:
            LinkDown: the connection has ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._introduced.wait()
        if self.down:
            raise LinkDown(self.down)
        device = self.info.get("device")
        return str(device.get("serial", "")).lstrip("0") if isinstance(device, dict) else ""

    async def ask(
        self,
        frame: Frame,
        timeout_s: float,
        answer: bool,
        twice: bool = False,
        may_leave: Callable[[], str] | None = None,
    ) -> Reply:
        """Put one frame on the bus.

        Args:
            timeout_s: longest wait for what became of it [s].
            answer: whether one is waited for.
            twice: sent twice, as some commands must be.
            may_leave: of a command: asked last; says why it may not leave, or ''.

        Raises:
            NotSent: nothing left.
            LinkDown: it left, and nobody knows more.
        """
        while self._asked is not None:
            await self._idle.wait()
        transport = self._transport
        if transport is None:
            raise NotSent(self.down)
        if may_leave is not None:
            if why := stuck(transport) and f"the line does not take bytes: {stuck(transport)}":
                raise NotSent(why)
            if why := may_leave():
                raise NotSent(why)
        asked = self._asked = _Asked(answer, self._loop.create_future())
        self._idle.clear()
        mode = {"priority": 2 if may_leave else 3, "sendTwice": twice, "waitForAnswer": answer}
        data = {"line": self._line, "numberOfBits": 16, "mode": mode, "daliData": list(frame)}
        self._protocol.send_text(json.dumps({"type": "daliFrame", "data": data}).encode())
        self._flush()
        wait_s = timeout_s + (TWICE_S if twice else QUERY_S)
        self._timer = self._loop.call_later(wait_s, self._break, f"no answer from the gateway within {timeout_s:g} s")
        return await asked.reply

    # --- the end

    def end(self, reason: str) -> asyncio.Transport | None:
        """Fail what hangs on it and give the transport back for closing. Idempotent."""
        transport, self._transport = self._transport, None
        if transport is None:
            return None
        self.down = reason
        self._introduced.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asked, self._asked = self._asked, None
        self._idle.set()
        if asked is not None and not asked.reply.done():
            asked.reply.set_exception(LinkDown(reason))
        if not self.opened.done():
            self.opened.set_exception(LinkDown(reason))
        return transport

    def _break(self, reason: str) -> None:
        if (transport := self.end(reason)) is not None:
            transport.abort()
            self._lost(self)
