# SPDX-License-Identifier: Apache-2.0
"""CPU of one read of 125 holding registers into scaled cells: ours, pymodbus and libmodbus, against the same server.

Counted is the client's own process (user and system), so the kernel's work for its sockets is in, the server's is not.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import uvloop
from pymodbus.client import AsyncModbusTcpClient

from config.words import Access, Kind
from drivers.base import Point, bind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.place import ModbusPoint
from drivers.modbus.plan import plan
from supervisor.clock import SystemClock
from tests.system.debian import Unavailable
from tests.system.libmodbus import build, server

CONNECTIONS = 50
REGISTERS = 125
MEASURE_S = 3.0
BLOCKS = 20_000

Reader = Callable[[], Awaitable[None]]


def points(mixed: bool = False) -> list[Point]:
    """125 registers: all int16, or 40 int16, 20 word-swapped uint32 and 22 float32."""
    if not mixed:
        return [_point(i, "int16") for i in range(REGISTERS)]
    small = [_point(i, "int16") for i in range(40)]
    swapped = [_point(40 + 2 * i, "uint32", "CDAB") for i in range(20)]
    return small + swapped + [_point(80 + 2 * i, "float32") for i in range(22)]


def _point(address: int, type_: Any, order: Any = "ABCD") -> Point:
    where = ModbusPoint(table="holding", address=address, type=type_, order=order)
    return Point(f"R{address}", Kind.Float, Access.R, where, "p")


async def _saturate(readers: list[Reader]) -> float:
    """Each reader reads again and again; CPU microseconds of one read."""
    stop = False
    reads = 0

    async def keep_reading(read: Reader) -> None:
        nonlocal reads
        while not stop:
            await read()
            reads += 1

    tasks = [asyncio.create_task(keep_reading(read)) for read in readers]
    await asyncio.sleep(0.3)
    begun, before = time.process_time(), reads
    await asyncio.sleep(MEASURE_S)
    spent, done = time.process_time() - begun, reads - before
    stop = True
    await asyncio.gather(*tasks)
    return spent / done * 1e6


async def ours(port: int) -> float:
    """Our driver, 50 connections, one question at a time on each."""
    chosen = points()
    links, readers = [], []
    table = np.zeros(CONNECTIONS * REGISTERS)
    for i in range(CONNECTIONS):
        device = ModbusDevice(host="127.0.0.1", port=port)
        link = ModbusLink(device)
        await link.open()
        links.append(link)
        driver = ModbusDriver(f"D{i}", device, chosen, link, SystemClock())
        (exchange,) = plan(device, chosen)
        request = bind(exchange, np.arange(i * REGISTERS, (i + 1) * REGISTERS), i)

        async def read(driver: ModbusDriver = driver, request: Any = request) -> None:
            batch = await driver.read(request, 3.0)
            table[batch.rows] = batch.cells.view(np.float64) * 0.1 - 40.0

        readers.append(read)
    spent = await _saturate(readers)
    for link in links:
        await link.close()
    return spent


async def pymodbus(port: int) -> float:
    """pymodbus' client, 50 connections, converted by its own function and scaled in a comprehension."""
    clients, readers = [], []
    for _ in range(CONNECTIONS):
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        clients.append(client)

        async def read(client: AsyncModbusTcpClient = client) -> None:
            answer = await client.read_holding_registers(0, count=REGISTERS)
            values = client.convert_from_registers(answer.registers, client.DATATYPE.INT16)
            _ = [value * 0.1 - 40.0 for value in values]  # type: ignore[operator]

        readers.append(read)
    spent = await _saturate(readers)
    for client in clients:
        client.close()
    return spent


def libmodbus(port: int) -> float:
    """libmodbus' blocking loop in C, one connection: the limit of one question at a time."""
    done = subprocess.run([build("client"), str(port), "30000"], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def decode_us(mixed: bool) -> float:
    """CPU microseconds to decode one answer of 125 registers to cells."""
    (exchange,) = plan(ModbusDevice(host="127.0.0.1"), points(mixed))
    body = exchange.body
    answer = body.head + bytes(range(125)) * 2
    begun = time.process_time()
    for _ in range(BLOCKS):
        body.decoder.cells(answer, 2)
    return (time.process_time() - begun) / BLOCKS * 1e6


def pymodbus_decode_us() -> float:
    """The same by pymodbus, one call a value."""
    convert, type_ = AsyncModbusTcpClient.convert_from_registers, AsyncModbusTcpClient.DATATYPE.INT16
    registers = list(range(REGISTERS))
    begun = time.process_time()
    for _ in range(200):
        for i in range(REGISTERS):
            convert(registers[i : i + 1], type_)
    return (time.process_time() - begun) / 200 * 1e6


def rows() -> list[dict[str, Any]]:
    """The table's rows; a row that cannot be measured says why."""
    found: list[dict[str, Any]] = []
    what = "Modbus: CPU per read of 125 registers into scaled cells"
    try:
        with server() as (port, _), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            mine = runner.run(ours(port))
            theirs = runner.run(pymodbus(port))
            in_c = libmodbus(port)
        note = f"{CONNECTIONS} connections, window 1, uvloop, server: libmodbus; peer: pymodbus on the same loop"
        found.append(_row(what, mine, theirs, "µs", "<= 25", note))
        found.append(_row(what, mine, in_c, "µs", "<= 25", "peer: libmodbus' blocking loop in C, 1 connection"))
        per_s = REGISTERS / mine * 1e6
        note = "of the rows above; peer: pymodbus"
        found.append(_row("Modbus: values per CPU-second", per_s, REGISTERS / theirs * 1e6, "1/s", ">= 2 M", note))
    except Unavailable as why:
        found.append(_row(what, None, None, "µs", "<= 25", f"not measured: {why}"))
    one_type, mixed = decode_us(False), decode_us(True)
    note = "peer: pymodbus, one call a value"
    found.append(_row("Modbus: decode of 125 int16", one_type, pymodbus_decode_us(), "µs", "", note))
    found.append(_row("Modbus: decode of 82 values, three types", mixed, None, "µs", "", ""))
    return found


def _row(what: str, ours: float | None, peer: float | None, unit: str, reach: str, note: str) -> dict[str, Any]:
    return {"what": what, "ours": ours, "peer": peer, "unit": unit, "reach": reach, "note": note}
