# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py, tests/property/test_modbus_hostile.py, tests/kit/test_modbus.py
"""Simulated Modbus devices on real sockets and pseudo-terminals, with knobs for all that goes wrong in the field.

Law of this file: what a device does; its connections are `serving`'s, what the registers mean is the demo plant's
business (`Memory` is its door). Time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from drivers.knobs import Knob
from drivers.modbus.knobs import parse, place
from drivers.modbus.memory import WRITES, Memory
from drivers.modbus.serving import Framing, Mbap, PtyDoor, Rtu, Serving

BUSY: Final = 6
GATEWAY_SILENT: Final = 11


class SimulatedDevice:
    """One host and port, or one serial line, with one or more units behind it.

    Attributes:
        units: unit id -> its memory.
        dead: units that are there and do not answer -> (exception code of the gateway, after how long [s]); None: the
            gateway says nothing either.
        transport: as `ModbusDevice.transport`; a serial line is a pseudo-terminal, `serial_port` a link to it.
        requests: questions that have arrived.
        pending, pending_max: answers that are held now, and the most questions that were ever open.
    """

    def __init__(
        self,
        name: str,
        units: dict[int, Memory],
        host: str = "127.0.0.1",
        port: int = 0,
        transport: str = "tcp",
        serial_port: str = "",
    ) -> None:
        """Nothing is opened yet.

        Raises:
            ValueError: a serial line without a path.
        """
        if (transport == "serial") != bool(serial_port):
            raise ValueError(f"{name}: expected serial_port with transport serial and only then")
        self.name, self.units, self.host, self.port = name, units, host, port
        self.transport, self.serial_port = transport, serial_port
        self.framing: Framing = Mbap() if transport == "tcp" else Rtu()
        self.requests = self.pending = self.pending_max = 0
        self._server: asyncio.Server | PtyDoor | None = None
        self._plugging: asyncio.TimerHandle | None = None
        self._connections: set[Serving] = set()
        self._noise = random.Random(name)
        self._restarting: asyncio.Task[None] | None = None
        self.heal()

    # --- life

    async def start(self) -> None:
        """Listen; port 0 becomes the system's choice and is kept for later starts. Idempotent."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            if self.transport == "serial":
                self._server = PtyDoor(self.serial_port, lambda: Serving(self))
                self._server.open()
            else:
                self._server = await loop.create_server(lambda: Serving(self), self.host, self.port)
                self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door and reset all connections. Idempotent."""
        restarting = self._restarting
        if restarting is not None and restarting is not asyncio.current_task():
            self._restarting = None
            await asyncio.wait([restarting])
        server, self._server = self._server, None
        self._stop_plugging()
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
        self._spoil = {"garble": 0, "truncate": 0, "duplicate": 0, "wrong_id": 0, "busy": 0}
        self.dead: dict[int, tuple[int, float] | None] = {}
        for memory in self.units.values():
            memory.rejected.clear()
        self.plug_in()

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
        self.plug_in()

    def plug_in(self) -> None:
        """A serial port that was pulled out is put in again, at once or at the end of `refuse`."""
        self._stop_plugging()
        if isinstance(self._server, PtyDoor):
            if not self.refuses:
                self._server.open()
                return
            self._server.close()
            if self._refuse_until_s < float("inf"):
                self._plugging = asyncio.get_running_loop().call_at(self._refuse_until_s, self.plug_in)

    def _stop_plugging(self) -> None:
        if self._plugging is not None:
            self._plugging.cancel()
            self._plugging = None

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
        self.plug_in()

    def spoil(self, how: str, count: int = 1) -> None:
        """Spoil the next answers: garble, truncate, duplicate, wrong_id or busy."""
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

    def serve(self, connection: Serving, tid: int, unit: int, pdu: bytes, now_s: float) -> None:
        """Answer one question as the knobs will have it; on an RTU line a unit that is not there says nothing."""
        memory = self.units.get(unit)
        gateway = self.dead.get(unit, (GATEWAY_SILENT, 0.0))
        if (memory is None and self.transport != "tcp") or gateway is None:
            connection.dropped()
            return
        if memory is None or unit in self.dead:
            code, after_s = gateway
            connection.answer(self.framing.frame(tid, unit, bytes((pdu[0] | 0x80, code))), now_s, after_s, self._slow_s)
            return
        answer = bytes((pdu[0] | 0x80, BUSY)) if self._take("busy") else memory.answer(pdu)
        if self._reset_on_write and pdu[0] in WRITES:
            self._reset_on_write = False
            connection.abort()
        elif self._hang_until_s > now_s:
            connection.dropped()
        else:
            if self._take("wrong_id"):
                tid, unit = self.framing.other(tid, unit)
            frame = self._spoiled(self.framing.frame(tid, unit, answer))
            connection.answer(frame, now_s, self._late_s, self._slow_s)

    def _spoiled(self, frame: bytes) -> bytes:
        if self._take("garble"):
            noise = bytearray(self._noise.randbytes(len(frame)))
            noise[2] |= 1  # never by chance a header
            frame = bytes(noise)
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

    def enter(self, connection: Serving) -> None:
        """A client connected."""
        self._connections.add(connection)

    def leave(self, connection: Serving) -> None:
        """A client is gone."""
        self._connections.discard(connection)


class ModbusSimulator:
    """Many simulated devices by name."""

    def __init__(self) -> None:
        self.devices: dict[str, SimulatedDevice] = {}

    def add(
        self,
        name: str,
        units: Iterable[int] = (1,),
        host: str = "127.0.0.1",
        port: int = 0,
        size: int = 65536,
        transport: str = "tcp",
        serial_port: str = "",
    ) -> SimulatedDevice:
        """A device with empty memory of `size` registers and bits in each table of each unit.

        Raises:
            ValueError: there is one of this name.
        """
        if name in self.devices:
            raise ValueError(f"a simulated device {name} exists already")
        device = SimulatedDevice(name, {unit: Memory(size) for unit in units}, host, port, transport, serial_port)
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
    "busy": lambda device, knob: device.spoil("busy", knob.count),
    "reject": lambda device, knob: device.reject(*place(knob)),
    "accept": lambda device, knob: device.accept(*place(knob)),
    "heal": lambda device, knob: device.heal(),
}
