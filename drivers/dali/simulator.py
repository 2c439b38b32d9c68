# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_simulator.py, tests/kit/test_dali.py
"""A simulated Lunatone DALI-2 IoT gateway: WebSocket and REST on one port, simulated buses behind it, fault knobs.

Law of this file: messages and knobs; what gear does is `busmodel`'s. Time is `loop.time()`: a frame takes the time that
it takes on a bus. Survives any bytes; bounded per connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from websockets.datastructures import Headers
from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from drivers.dali import frames as f
from drivers.dali import lunatone
from drivers.dali.busmodel import Bus
from drivers.dali.knobs import parse
from drivers.knobs import Knob
from drivers.sockets import RESET_ON_CLOSE

MESSAGE_MAX: Final = 65536
HELD_MAX: Final = 256
NOISE: Final = 0xA5


class SimulatedGateway:
    """One gateway.

    Args:
        buses: its lines, by number.
        port: 0 the first time: the system's choice, kept afterwards.

    Attributes:
        buses: its lines, by number.
        requests: frames that clients sent.
        pending, pending_max: frames that wait for an answer, and the most that ever did.
        refused: targets whose level frames the bus disturbs (tests).
    """

    def __init__(self, name: str, buses: Sequence[Bus], host: str = "127.0.0.1", port: int = 0) -> None:
        self.name, self.buses, self.host, self.port = name, list(buses), host, port
        self.requests = self.pending = self.pending_max = 0
        self.refused: set[f.Target] = set()
        self._server: asyncio.Server | None = None
        self._connections: set[_Serving] = set()
        self._restarting: asyncio.Task[None] | None = None
        self.heal()

    # --- life

    async def start(self) -> None:
        """Listen. Idempotent."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Serving(self), self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door and reset all connections. Idempotent."""
        restarting = self._restarting
        if restarting is not None and restarting is not asyncio.current_task():
            self._restarting = None
            await asyncio.wait([restarting])
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.reset()
        if server is not None:
            await server.wait_closed()
        await asyncio.sleep(0)  # lets the transports tell that they are gone

    async def restart(self) -> None:
        """Stop and start on the same port."""
        await self.stop()
        await self.start()

    # --- knobs

    def turn(self, knob: Knob | str) -> None:
        """Turn a knob; text as in `knobs`.

        Raises:
            ValueError: no such knob.
        """
        if isinstance(knob, str):
            knob = parse(knob)
        _TURNS[knob.name](self, knob)

    def heal(self) -> None:
        """Turn every knob back."""
        self.hang_until_s = self.refuse_until_s = 0.0
        self.late_s = self.slow_s = 0.0
        self.reset_on_command = False
        self.spoil = {"garble": 0, "truncate": 0, "duplicate": 0, "busy": 0}
        self.refused.clear()
        for bus in self.buses:
            bus.powered, bus.shorted = True, False
            for gear in bus.gear.values():
                gear.lamp_failed = gear.gear_failed = gear.dead = False

    def reset(self) -> None:
        """Reset all connections now."""
        for connection in list(self._connections):
            connection.abort()

    def mute(self) -> None:
        """Answers that are under way never come."""
        for connection in self._connections:
            connection.mute()

    def refuse(self, seconds: float | None) -> None:
        """Reset all connections and every new one, for a time or until healed (None)."""
        self.refuse_until_s = _until(seconds)
        self.reset()

    def restart_soon(self) -> None:
        """As `restart`, from a knob; `stop` waits for it."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())

    def each_gear(self, knob: Knob) -> None:
        """A failure of one gear, on every line that has it."""
        for bus in self.buses:
            if (gear := bus.gear.get(knob.count)) is not None:
                gear.lamp_failed = knob.name == "lamp"
                gear.gear_failed = knob.name == "gear"
                gear.dead = knob.name == "dead"

    # --- serving

    @property
    def refuses(self) -> bool:
        """True while connections are reset."""
        return self.refuse_until_s > asyncio.get_running_loop().time()

    def enter(self, connection: _Serving) -> None:
        """A client."""
        self._connections.add(connection)

    def leave(self, connection: _Serving) -> None:
        """It is gone."""
        self._connections.discard(connection)

    def put(self, line: int, frame: f.Frame) -> None:
        """Another master, a wall panel, puts a frame on a bus: the gateway tells its clients."""
        self.buses[line].send(frame)
        data = {"bits": 16, "data": list(frame), "line": line, "framingError": False}
        for connection in list(self._connections):
            connection.tell({"type": "daliMonitor", "data": data})

    def do(self, data: dict[str, Any], now_s: float) -> tuple[float, list[dict[str, Any]]]:
        """Carry a frame out: when its answers are known [s], and the answers."""
        line, frame = int(data["line"]), (int(data["daliData"][0]), int(data["daliData"][1]))
        mode = data.get("mode", {})

        def result(code: int) -> tuple[float, list[dict[str, Any]]]:
            return now_s, [{"type": "daliFrame", "data": {"line": line, "result": code}}]

        if self.spoil["busy"]:
            self.spoil["busy"] -= 1
            return result(lunatone.BUFFER_FULL)
        if not 0 <= line < len(self.buses):
            return result(lunatone.NO_LINE)
        bus, target = self.buses[line], f.target_of(frame[0])
        if not bus.is_well:
            return result(62 if bus.shorted else lunatone.NO_VOLTAGE)
        if target in self.refused and frame[0] & 1 == 0:
            return result(61)
        asks, twice = bool(mode.get("waitForAnswer")), bool(mode.get("sendTwice"))
        at_s = bus.take(now_s, f.QUERY_S if asks else f.TWICE_S if twice else f.COMMAND_S)
        said, value = bus.send(frame)
        _, answers = result(lunatone.SENT)
        if asks:
            codes = {"nothing": lunatone.ANSWER_NONE, "value": lunatone.ANSWER_VALUE}
            answer: dict[str, Any] = {"line": line, "result": codes.get(said, lunatone.ANSWER_GARBLED)}
            if said == "value":
                answer["daliData"] = value
            answers.append({"type": "daliAnswer", "data": answer})
        return at_s, answers

    def document(self, path: str) -> Any:
        """What REST says at a path; None: nothing is there."""
        if path == "/info":
            lines = {str(i): {"lineStatus": "ok" if bus.is_well else "noPower"} for i, bus in enumerate(self.buses)}
            device = {"serial": 4711, "gtin": 9010342013607}
            return {
                "name": self.name,
                "version": "v1.14.1/1.4.3",
                "tier": "plus",
                "device": device,
                "descriptor": {"lines": len(self.buses)},
                "lines": lines,
            }
        if path == "/devices":
            return {"devices": [self._device(i, bus, g) for i, bus in enumerate(self.buses) for g in sorted(bus.gear)]}
        return None

    def _device(self, line: int, bus: Bus, short: int) -> dict[str, Any]:
        gear = bus.gear[short]
        groups = [g for g in range(16) if gear.groups >> g & 1]
        name = f"DALI LED {short}"
        return {
            "id": 64 * line + short,
            "name": name,
            "address": short,
            "line": line,
            "groups": groups,
            "daliTypes": [f.LED],
        }


class _Serving(asyncio.Protocol):
    """One client."""

    def __init__(self, gateway: SimulatedGateway) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._protocol = ServerProtocol(max_size=MESSAGE_MAX)
        self._transport: asyncio.Transport | None = None
        self._open = 0
        self._ready_s = 0.0
        self._held: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.enter(self)
        if self._gateway.refuses:
            self.abort()

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
        if self._protocol.close_expected() and self._transport is not None and not self._held:
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
        try:
            message = json.loads(text)
            if message["type"] != "daliFrame":
                return
            gateway.requests += 1
            self._open += 1
            gateway.pending += 1
            gateway.pending_max = max(gateway.pending_max, gateway.pending)
            if gateway.hang_until_s > now_s and f.is_query(tuple(message["data"]["daliData"])):
                return
            at_s, answers = gateway.do(message["data"], now_s)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            self.abort()
            return
        is_command = not message["data"].get("mode", {}).get("waitForAnswer")
        if gateway.reset_on_command and is_command:
            gateway.reset_on_command = False
            self.abort()
        elif gateway.hang_until_s <= now_s:
            self._answer(answers, at_s)

    def _answer(self, answers: list[dict[str, Any]], at_s: float) -> None:
        gateway, now_s = self._gateway, self._loop.time()
        if gateway.late_s > 0:
            at_s = at_s + gateway.late_s
        else:
            at_s = self._ready_s = max(self._ready_s, at_s, now_s + gateway.slow_s)
        if len(self._held) >= HELD_MAX:
            self.abort()
            return
        handle: asyncio.TimerHandle | None = None

        def send() -> None:
            if handle is not None:
                self._held.discard(handle)
            self._open -= 1
            gateway.pending -= 1
            self._send(answers)

        handle = self._loop.call_at(at_s, send)
        self._held.add(handle)

    def _send(self, answers: list[dict[str, Any]]) -> None:
        """Whole, or spoilt as the knobs will have it."""
        if self._transport is None:
            return
        self._flush()
        for answer in answers:
            self._protocol.send_text(json.dumps(answer).encode())
        data = b"".join(self._protocol.data_to_send())
        spoil = self._gateway.spoil
        if spoil["garble"]:
            spoil["garble"] -= 1
            data = bytes(byte ^ NOISE for byte in data)
        elif spoil["truncate"]:
            spoil["truncate"] -= 1
            data = data[: len(data) // 2]
        elif spoil["duplicate"]:
            spoil["duplicate"] -= 1
            data = data * 2
        self._transport.write(data)

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
            if (sock := transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            transport.abort()

    def mute(self) -> None:
        """What is held never leaves."""
        for handle in self._held:
            handle.cancel()
        self._held.clear()

    def _forget(self) -> None:
        self._transport = None
        self.mute()
        self._gateway.pending -= self._open
        self._open = 0
        self._gateway.leave(self)


def _until(seconds: float | None) -> float:
    return float("inf") if seconds is None else asyncio.get_running_loop().time() + seconds


def _hang(gateway: SimulatedGateway, knob: Knob) -> None:
    gateway.hang_until_s = _until(knob.seconds)
    gateway.mute()


def _late(gateway: SimulatedGateway, knob: Knob) -> None:
    gateway.late_s = knob.seconds or 0.0


def _slow(gateway: SimulatedGateway, knob: Knob) -> None:
    gateway.slow_s = knob.seconds or 0.0


def _spoil(gateway: SimulatedGateway, knob: Knob) -> None:
    gateway.spoil[knob.name] = knob.count


def _bus(gateway: SimulatedGateway, knob: Knob) -> None:
    for bus in gateway.buses:
        if knob.name == "power_cycle":
            bus.power_cycle()
        else:
            bus.shorted, bus.powered = knob.name == "short", knob.name != "unpowered"


_TURNS: Final[dict[str, Callable[[SimulatedGateway, Knob], None]]] = {
    "hang": _hang,
    "late": _late,
    "slow": _slow,
    "refuse": lambda gateway, knob: gateway.refuse(knob.seconds),
    "reset": lambda gateway, knob: gateway.reset(),
    "restart": lambda gateway, knob: gateway.restart_soon(),
    "heal": lambda gateway, knob: gateway.heal(),
    **dict.fromkeys(("garble", "truncate", "duplicate", "busy"), _spoil),
    **dict.fromkeys(("lamp", "gear", "dead", "whole"), lambda gateway, knob: gateway.each_gear(knob)),
    **dict.fromkeys(("short", "unpowered", "power_cycle"), _bus),
}
