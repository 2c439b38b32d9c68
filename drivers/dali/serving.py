# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_simulator.py, tests/kit/test_dali.py
"""A client of a simulated Lunatone gateway: WebSocket and REST on one port.

Law of this file: messages; what is said to a frame is `simulator`'s. Survives any bytes; bounded per connection.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, Protocol, cast

from websockets.datastructures import Headers
from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from drivers.dali import frames as f
from drivers.owed import Debtor, Owed
from drivers.sockets import reset

MESSAGE_MAX: Final = 65536


class Served(Debtor, Protocol):
    """The gateway, as far as its connections know it."""

    def enter(self, connection: Serving) -> bool: ...

    def leave(self, connection: Serving) -> None: ...

    def do(self, data: dict[str, Any], now_s: float) -> tuple[float, list[dict[str, Any]]]: ...

    def document(self, path: str) -> Any: ...


class Serving(asyncio.Protocol):
    """One client."""

    def __init__(self, gateway: Served) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._protocol = ServerProtocol(max_size=MESSAGE_MAX)
        self._transport: asyncio.Transport | None = None
        self.owed = Owed(gateway)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, WsFrame) and event.opcode is Opcode.TEXT:
                self._message(bytes(event.data))
        self._flush()
        if self._protocol.close_expected() and self._transport is not None and not self.owed.held:
            self._transport.close()

    def _greet(self, request: Request) -> None:
        if "Upgrade" in request.headers:
            self._protocol.send_response(self._protocol.accept(request))
            if self._protocol.state is State.OPEN:
                info = self._gateway.document("/info")
                self._protocol.send_text(json.dumps({"type": "info", "data": info}).encode())
            return
        found = self._gateway.document(request.path)
        body = json.dumps(found if found is not None else {"error": "not found"}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        status = (404, "Not Found") if found is None else (200, "OK")
        self._protocol.send_response(Response(*status, headers, body))

    def _message(self, text: bytes) -> None:
        gateway, now_s = self._gateway, self._loop.time()
        hangs = gateway.faults.lasts("hang")
        try:
            message = json.loads(text)
            if message["type"] != "daliFrame":
                return
            self.owed.asked()
            if hangs and f.is_query(tuple(message["data"]["daliData"])):
                return
            at_s, answers = gateway.do(message["data"], now_s)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            self.abort()
            return
        is_command = not message["data"].get("mode", {}).get("waitForAnswer")
        if is_command and gateway.faults.take_cut():
            self.abort()
        elif not hangs and not self.owed.answer(at_s, lambda: self._answer(answers)):
            self.abort()

    def _answer(self, answers: list[dict[str, Any]]) -> None:
        """Whole, or spoilt as the knobs will have it."""
        self.owed.settled()
        if self._transport is None:
            return
        self._flush()
        for answer in answers:
            self._protocol.send_text(json.dumps(answer).encode())
        self._transport.write(b"".join(self._gateway.faults.spoilt(b"".join(self._protocol.data_to_send()))))

    def tell(self, message: dict[str, Any]) -> None:
        """What the gateway says by itself."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(json.dumps(message).encode())
            self._flush()

    def _flush(self) -> None:
        if self._transport is not None:
            for data in self._protocol.data_to_send():
                if data:
                    self._transport.write(data)

    def abort(self) -> None:
        """Reset this connection."""
        if (transport := self._transport) is not None:
            self._forget()
            reset(transport)

    def _forget(self) -> None:
        self._transport = None
        self.owed.drop()
        self._gateway.leave(self)
