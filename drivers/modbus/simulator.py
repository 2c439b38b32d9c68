# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py, tests/property/test_modbus_hostile.py, tests/kit/test_modbus.py
"""Simulated Modbus devices on real sockets and pseudo-terminals, with knobs for all that goes wrong in the field.

Law of this file: what a device does; its connections are `serving`'s, what the registers mean is the demo plant's
business (`Memory` is its door). Time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar, Final

from drivers.modbus.knobs import parse, place
from drivers.modbus.memory import WRITES, Memory
from drivers.modbus.serving import Framing, Mbap, PtyDoor, Rtu, Serving
from drivers.simulated import Door, Simulated

BUSY: Final = 6
GATEWAY_SILENT: Final = 11
NOISE: Final = (2, 1)  # protocol identifier: 0 in every answer


class SimulatedDevice(Simulated):
    """One host and port, or one serial line, with one or more units behind it.

    Attributes:
        units: unit id -> its memory.
        dead: units that are there and do not answer -> (exception code of the gateway, after how long [s]); None: the
            gateway says nothing either.
        transport: as `ModbusDevice.transport`; a serial line is a pseudo-terminal, `serial_port` a link to it.
    """

    parse = staticmethod(parse)

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
        super().__init__(name, host, port, NOISE)
        self.units, self.transport, self.serial_port = units, transport, serial_port
        self.dead: dict[int, tuple[int, float] | None] = {}
        self.framing: Framing = Mbap() if transport == "tcp" else Rtu()
        self._plugging: asyncio.TimerHandle | None = None

    # --- life

    async def _listen(self) -> tuple[Door, int]:
        if self.transport != "serial":
            return await self._serve_tcp(lambda: Serving(self))
        door = PtyDoor(self.serial_port, lambda: Serving(self))
        door.open()
        return door, self.port

    def reset(self) -> None:
        """Reset all connections now; a serial port is pulled out and put in again."""
        super().reset()
        self.plug_in()

    def plug_in(self) -> None:
        """A serial port that was pulled out is put in again, at once or at the end of `refuse`."""
        if self._plugging is not None:
            self._plugging.cancel()
            self._plugging = None
        if isinstance(self._door, PtyDoor):
            if not self.faults.lasts("refuse"):
                self._door.open()
                return
            self._door.close()
            if (until_s := self.faults.until_s("refuse")) < float("inf"):
                self._plugging = asyncio.get_running_loop().call_at(until_s, self.plug_in)

    # --- knobs

    def heal(self) -> None:
        """Turn every knob back."""
        super().heal()
        self.dead.clear()
        for memory in self.units.values():
            memory.rejected.clear()
        self.plug_in()

    def reject(self, table: str, address: int) -> None:
        """Answer exception 2 for an address, in every unit."""
        for memory in self.units.values():
            memory.rejected.add((table, address))

    def accept(self, table: str, address: int) -> None:
        """The end of `reject`."""
        for memory in self.units.values():
            memory.rejected.discard((table, address))

    # --- serving

    def serve(self, connection: Serving, tid: int, unit: int, pdu: bytes, now_s: float) -> None:
        """Answer one question as the knobs will have it; on an RTU line a unit that is not there says nothing."""
        memory, faults, owed = self.units.get(unit), self.faults, connection.owed
        gateway = self.dead.get(unit, (GATEWAY_SILENT, 0.0))
        if (memory is None and self.transport != "tcp") or gateway is None:
            owed.settled()
            return
        if memory is None or unit in self.dead:
            code, after_s = gateway
            frame = self.framing.frame(tid, unit, bytes((pdu[0] | 0x80, code)))
            connection.answer(frame, now_s, after_s)
            return
        answer = bytes((pdu[0] | 0x80, BUSY)) if faults.take("busy") else memory.answer(pdu)
        if pdu[0] in WRITES and faults.take_cut():
            connection.abort()
        elif faults.lasts("hang"):
            owed.settled()
        else:
            if faults.take("wrong_id"):
                tid, unit = self.framing.other(tid, unit)
            connection.answer(b"".join(faults.spoilt(self.framing.frame(tid, unit, answer))), now_s)

    own: ClassVar = {
        "reject": lambda device, knob: device.reject(*place(knob)),
        "accept": lambda device, knob: device.accept(*place(knob)),
    }


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
