# SPDX-License-Identifier: Apache-2.0
"""RTU against peers that are not ours, on a pseudo-terminal and through TCP: pymodbus, both ways, and libmodbus."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from config.words import Kind, Outcome, cell_of
from drivers.base import WriteItem, bind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.memory import Memory
from drivers.modbus.plan import plan
from drivers.modbus.simulator import SimulatedDevice
from supervisor.clock import SystemClock
from tests.modbus import FOREVER, point, registers
from tests.system.debian import Unavailable
from tests.system.libmodbus import build

pytestmark = pytest.mark.system
POINTS = [*registers(60), point("Level", Kind.Float, "rw", table="holding", address=100, type="float32")]


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main, 30.0))


@asynccontextmanager
async def cable(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Two serial ports with a cable between them: two pseudo-terminals whose masters pass bytes on."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    masters = [master for master, _ in pairs]
    for i, (master, slave) in enumerate(pairs):
        tty.setraw(slave)
        os.set_blocking(master, False)
        os.symlink(os.ttyname(slave), folder / f"end{i}")

    def carry(here: int, there: int) -> None:
        with suppress(BlockingIOError):
            os.write(there, os.read(here, 4096))

    loop.add_reader(masters[0], carry, masters[0], masters[1])
    loop.add_reader(masters[1], carry, masters[1], masters[0])
    try:
        yield str(folder / "end0"), str(folder / "end1")
    finally:
        for master, slave in pairs:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


async def ask_and_put(device: ModbusDevice) -> None:
    """Our driver reads a pattern and writes a float that it reads back."""
    link = ModbusLink(device)
    driver = ModbusDriver("DEV", device, POINTS, link, SystemClock())
    await link.open()
    try:
        for i, exchange in enumerate(plan(device, POINTS)):
            request = bind(exchange, np.arange(len(POINTS)), i)
            batch = await driver.read(request, 2.0)
            if len(batch.rows) == 60:
                assert batch.cells.tolist() == [i * 31 + 7 for i in range(60)] and not batch.statuses.any()
        (outcome,) = await driver.write([WriteItem(60, cell_of(Kind.Float, 0.375))], FOREVER, 2.0)
        assert outcome.outcome is Outcome.ACCEPTED, outcome
        assert await driver.read_points([60], 2.0) == [(cell_of(Kind.Float, 0.375), 0, None)]
    finally:
        await link.close()


def foreign_device() -> Any:
    values = [i * 31 + 7 for i in range(60)] + [0] * 60
    return SimDevice(1, simdata=[SimData(0, values=values, datatype=DataType.REGISTERS)])


def test_our_driver_asks_a_serial_server_of_pymodbus(tmp_path: Path) -> None:
    async def main() -> None:
        async with cable(tmp_path) as (ours, theirs):
            server = ModbusSerialServer(foreign_device(), framer=FramerType.RTU, port=theirs, baudrate=115200)
            await server.serve_forever(background=True)
            try:
                way = {"transport": "serial", "serial_port": ours, "baud_rate": 115200, "parity": "none"}
                await ask_and_put(ModbusDevice.model_validate(way))
            finally:
                await server.shutdown()

    run(main())


def test_our_driver_asks_a_serial_server_of_libmodbus(tmp_path: Path) -> None:
    try:
        program = build("line")
    except Unavailable as why:
        pytest.skip(f"libmodbus cannot be had: {why}")

    async def main() -> None:
        async with cable(tmp_path) as (ours, theirs):
            server = await asyncio.create_subprocess_exec(program, theirs, stdout=asyncio.subprocess.PIPE)
            assert server.stdout is not None
            try:
                assert await server.stdout.readline() == b"ready\n"
                way = {"transport": "serial", "serial_port": ours, "baud_rate": 115200, "parity": "none"}
                await ask_and_put(ModbusDevice.model_validate(way))
                await refused_and_well(ModbusDevice.model_validate(way))
            finally:
                server.kill()
                await server.wait()

    run(main())


async def refused_and_well(device: ModbusDevice) -> None:
    """Past its memory the server says exception 2, and goes on."""
    link = ModbusLink(device)
    await link.open()
    try:
        assert await link.ask(1, b"\x03\x00\x78\x00\x01", 2.0) == b"\x83\x02"
        assert await link.ask(1, b"\x03\x00\x01\x00\x01", 2.0) == b"\x03\x02\x00\x26"
    finally:
        await link.close()


def test_our_driver_asks_an_rtu_server_of_pymodbus_through_tcp() -> None:
    async def main() -> None:
        server = ModbusTcpServer(foreign_device(), framer=FramerType.RTU, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        try:
            port = server.transport.sockets[0].getsockname()[1]
            way = {"transport": "rtu_tcp", "host": "127.0.0.1", "port": port}
            await ask_and_put(ModbusDevice.model_validate(way))
        finally:
            await server.shutdown()

    run(main())


async def talk(client: Any, memory: Memory) -> None:
    """pymodbus' client reads, writes and is refused."""
    memory.holding[:60] = np.arange(60) * 31 + 7
    assert await client.connect()
    try:
        read = await client.read_holding_registers(0, count=60, device_id=7)
        assert read.registers == [i * 31 + 7 for i in range(60)]
        assert not (await client.write_registers(100, [1, 2, 3], device_id=7)).isError()
        assert memory.holding[100:103].tolist() == [1, 2, 3]
        assert not (await client.write_coil(5, True, device_id=7)).isError() and memory.coil[5]
        memory.rejected.add(("holding", 9))
        assert (await client.read_holding_registers(0, count=60, device_id=7)).exception_code == 2
    finally:
        client.close()
        await asyncio.sleep(0.05)


def test_a_serial_client_of_pymodbus_asks_our_simulator(tmp_path: Path) -> None:
    async def main() -> None:
        path, memory = str(tmp_path / "port"), Memory(1000)
        peer = SimulatedDevice("line", {7: memory}, transport="serial", serial_port=path)
        await peer.start()
        try:
            await talk(AsyncModbusSerialClient(path, framer=FramerType.RTU, baudrate=115200, timeout=2), memory)
        finally:
            await peer.stop()

    run(main())


def test_an_rtu_client_of_pymodbus_asks_our_simulator_through_tcp() -> None:
    async def main() -> None:
        memory = Memory(1000)
        peer = SimulatedDevice("line", {7: memory}, transport="rtu_tcp")
        await peer.start()
        try:
            await talk(AsyncModbusTcpClient(peer.host, framer=FramerType.RTU, port=peer.port, timeout=2), memory)
        finally:
            await peer.stop()

    run(main())
