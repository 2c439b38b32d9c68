# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py, tests/property/test_modbus_hostile.py, tests/kit/test_modbus.py
"""Simulated Modbus/TCP devices on real sockets, with knobs for everything that goes wrong in the field.

Law of this file: the wire only; what the registers mean is the demo plant's business (`Memory` is its door). Serves
pipelined questions; survives any bytes; bounded per connection. Time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from drivers.modbus.knobs import Knob, parse
from drivers.modbus.link import RESET_ON_CLOSE
from drivers.modbus.memory import WRITES, Memory
from drivers.modbus.wire import HEAD, LENGTH_MAX

QUESTION_MIN: Final = 8  # header and a function
HELD_MAX: Final = 256  # answers held back on one connection; beyond it the connection is dropped
GATEWAY_SILENT: Final = 11


class SimulatedDevice:
    """One host and port with one or more units behind it.

    Attributes:
        units: unit id -> its memory.
        requests: questions that have arrived.
        pending, pending_max: answers that are held now, and the most questions that were ever open.
    """

    def __init__(self, name: str, units: dict[int, Memory], host: str = "127.0.0.1", port: int = 0) -> None:
        self.name, self.units, self.host, self.port = name, units, host, port
        self.requests = self.pending = self.pending_max = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Serving] = set()
        self._noise = random.Random(name)
        self._restarting: asyncio.Task[None] | None = None
        self.heal()

    # --- life

    async def start(self) -> None:
        """Listen; port 0 becomes the system's choice and is kept for later starts. Idempotent."""
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
        """Stop and start on the same port; memory is kept."""
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
        self._hang_until_s = self._refuse_until_s = 0.0
        self._late_s = self._slow_s = 0.0
        self._reset_on_write = False
        self._spoil = {"garble": 0, "truncate": 0, "duplicate": 0, "wrong_id": 0}
        for memory in self.units.values():
            memory.rejected.clear()

    def hang(self, seconds: float | None) -> None:
        """Hear questions and never answer them, for a time or until healed (None)."""
        self._hang_until_s = _until(seconds)

    def late(self, seconds: float) -> None:
        """Hold each answer; later questions are not blocked by it."""
        self._late_s = seconds

    def slow(self, seconds: float) -> None:
        """Answer in order, each answer that long after its question."""
        self._slow_s = seconds

    def reset(self) -> None:
        """Reset all connections now."""
        for connection in list(self._connections):
            connection.abort()

    def reset_on_write(self) -> None:
        """Carry out the next write, then reset instead of answering."""
        self._reset_on_write = True

    def refuse(self, seconds: float | None) -> None:
        """Reset all connections and every new one, for a time or until healed (None)."""
        self._refuse_until_s = _until(seconds)
        self.reset()

    def welcome(self) -> None:
        """The end of `refuse`."""
        self._refuse_until_s = 0.0

    def spoil(self, how: str, count: int = 1) -> None:
        """Spoil the next answers: garble, truncate, duplicate or wrong_id."""
        self._spoil[how] = count

    def reject(self, table: str, address: int) -> None:
        """Answer exception 2 for an address, in every unit."""
        for memory in self.units.values():
            memory.rejected.add((table, address))

    def accept(self, table: str, address: int) -> None:
        """The end of `reject`."""
        for memory in self.units.values():
            memory.rejected.discard((table, address))

    def restart_soon(self) -> None:
        """As `restart`, from a knob; `stop` waits for it."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())

    # --- serving

    @property
    def refuses(self) -> bool:
        """True while connections are reset."""
        return self._refuse_until_s > asyncio.get_running_loop().time()

    def serve(self, connection: _Serving, tid: int, unit: int, pdu: bytes, now_s: float) -> None:
        """Answer one question as the knobs will have it."""
        memory = self.units.get(unit)
        answer = bytes((pdu[0] | 0x80, GATEWAY_SILENT)) if memory is None else memory.answer(pdu)
        if self._reset_on_write and pdu[0] in WRITES:
            self._reset_on_write = False
            connection.abort()
        elif self._hang_until_s > now_s:
            connection.dropped()
        else:
            frame = self._spoiled(HEAD.pack(tid, 0, len(answer) + 1, unit) + answer)
            connection.answer(frame, now_s, self._late_s, self._slow_s)

    def _spoiled(self, frame: bytes) -> bytes:
        if self._take("garble"):
            noise = bytearray(self._noise.randbytes(len(frame)))
            noise[2] |= 1  # never by chance a header
            frame = bytes(noise)
        if self._take("wrong_id"):
            frame = bytes((frame[0] ^ 0x55, frame[1] ^ 0x55)) + frame[2:]
        if self._take("truncate"):
            frame = frame[: len(frame) // 2 + 1]
        if self._take("duplicate"):
            frame += frame
        return frame

    def _take(self, how: str) -> bool:
        if self._spoil[how] <= 0:
            return False
        self._spoil[how] -= 1
        return True

    def enter(self, connection: _Serving) -> None:
        """A client connected."""
        self._connections.add(connection)

    def leave(self, connection: _Serving) -> None:
        """A client is gone."""
        self._connections.discard(connection)


class _Serving(asyncio.Protocol):
    """One client of a simulated device."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._open = 0
        self._ready_s = 0.0
        self._held: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one
        self._device.enter(self)
        if self._device.refuses:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        questions = []
        at = 0
        while len(data) - at >= QUESTION_MIN:
            tid, protocol, length, unit = HEAD.unpack_from(data, at)
            if protocol != 0 or not 2 <= length <= LENGTH_MAX:
                self.abort()
                return
            if len(data) - at < 6 + length:
                break
            questions.append((tid, unit, data[at + 7 : at + 6 + length]))
            at += 6 + length
        self._rest = data[at:]
        self._count(len(questions))
        now_s = self._loop.time()
        for tid, unit, pdu in questions:
            if self._transport is not None:
                self._device.serve(self, tid, unit, pdu, now_s)

    def _count(self, questions: int) -> None:
        device = self._device
        device.requests += questions
        self._open += questions
        device.pending += questions
        device.pending_max = max(device.pending_max, device.pending)

    def dropped(self) -> None:
        """A question that will not be answered."""
        self._open -= 1
        self._device.pending -= 1

    def answer(self, frame: bytes, now_s: float, late_s: float, slow_s: float) -> None:
        """Send now, late (each for itself) or slowly (in order)."""
        if late_s <= 0 and slow_s <= 0 and self._ready_s <= now_s:
            self._send(frame)
            return
        at_s = now_s + late_s
        if late_s <= 0:
            at_s = self._ready_s = max(self._ready_s, now_s + slow_s)
        if len(self._held) >= HELD_MAX:
            self.abort()
            return
        handle: asyncio.TimerHandle | None = None

        def send() -> None:
            if handle is not None:
                self._held.discard(handle)
            self._send(frame)

        handle = self._loop.call_at(at_s, send)
        self._held.add(handle)

    def _send(self, frame: bytes) -> None:
        if self._transport is not None:
            self.dropped()
            self._transport.write(frame)

    def abort(self) -> None:
        """Reset this connection."""
        if (transport := self._transport) is not None:
            self._forget()
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            transport.abort()

    def _forget(self) -> None:
        self._transport = None
        self._rest = b""
        for handle in self._held:
            handle.cancel()
        self._held.clear()
        self._device.pending -= self._open
        self._open = 0
        self._device.leave(self)


class ModbusSimulator:
    """Many simulated devices by name."""

    def __init__(self) -> None:
        self.devices: dict[str, SimulatedDevice] = {}

    def add(
        self, name: str, units: Iterable[int] = (1,), host: str = "127.0.0.1", port: int = 0, size: int = 65536
    ) -> SimulatedDevice:
        """A device with empty memory of `size` registers and bits in each table of each unit.

        Raises:
            ValueError: there is one of this name.
        """
        if name in self.devices:
            raise ValueError(f"a simulated device {name} exists already")
        device = SimulatedDevice(name, {unit: Memory(size) for unit in units}, host, port)
        self.devices[name] = device
        return device

    async def start(self) -> None:
        """Start all; on an error those that were started are stopped.

        Raises:
            OSError: a port is in use.
        """
        try:
            for device in self.devices.values():
                await device.start()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all. Idempotent."""
        for device in self.devices.values():
            await device.stop()

    def turn(self, name: str, knob: str) -> None:
        """Turn a knob of one device: `turn('CAB-0003', 'hang 30 s')`.

        Raises:
            ValueError: no such device or knob.
        """
        if name not in self.devices:
            raise ValueError(f"expected a simulated device, got {name!r}")
        self.devices[name].turn(knob)


def _until(seconds: float | None) -> float:
    return float("inf") if seconds is None else asyncio.get_running_loop().time() + seconds


_TURNS: Final[dict[str, Callable[[SimulatedDevice, Knob], Any]]] = {
    "hang": lambda device, knob: device.hang(knob.seconds),
    "late": lambda device, knob: device.late(knob.seconds or 0.0),
    "slow": lambda device, knob: device.slow(knob.seconds or 0.0),
    "reset": lambda device, knob: device.reset(),
    "refuse": lambda device, knob: device.refuse(knob.seconds),
    "restart": lambda device, knob: device.restart_soon(),
    "garble": lambda device, knob: device.spoil("garble", knob.count),
    "truncate": lambda device, knob: device.spoil("truncate", knob.count),
    "duplicate": lambda device, knob: device.spoil("duplicate", knob.count),
    "wrong_id": lambda device, knob: device.spoil("wrong_id", knob.count),
    "reject": lambda device, knob: device.reject(knob.table, knob.address),
    "accept": lambda device, knob: device.accept(knob.table, knob.address),
    "heal": lambda device, knob: device.heal(),
}
