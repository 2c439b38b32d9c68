# SPDX-License-Identifier: Apache-2.0
"""Our driver on uvloop against servers and clients that are not ours: libmodbus and pymodbus."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import uvloop
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from config.words import Kind, Outcome, StatusCode, cell_of, value_of
from drivers.base import DeviceSilent, LinkDown, Point, Request, WriteItem, bind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.codec import decode, encode
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.memory import Memory
from drivers.modbus.plan import plan
from drivers.modbus.simulator import SimulatedDevice
from supervisor.clock import SystemClock
from tests.modbus import FOREVER, point, registers
from tests.system.debian import Unavailable
from tests.system.libmodbus import server

pytestmark = pytest.mark.system


def pattern(i: int) -> int:
    """What the C server holds in register i."""
    return (i * 31 + 7) % 65536


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main, 30.0))


@pytest.fixture
def foreign() -> Iterator[tuple[int, Any]]:
    try:
        with server() as running:
            yield running
    except Unavailable as why:
        pytest.skip(f"libmodbus cannot be had: {why}")


class Client:
    """Our driver, connected."""

    def __init__(self, port: int, points: Sequence[Point], **settings: Any) -> None:
        self.points = points
        self.device = ModbusDevice.model_validate({"host": "127.0.0.1", "port": port, **settings})
        self.link = ModbusLink(self.device)
        self.driver = ModbusDriver("DEV", self.device, points, self.link, SystemClock())
        self.requests: list[Request] = [
            bind(e, np.arange(len(points)), i) for i, e in enumerate(plan(self.device, points))
        ]

    async def __aenter__(self) -> Client:
        await self.link.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()
        await asyncio.sleep(0)

    async def read(self) -> dict[str, Any]:
        """Name -> value, or None where it is not Good."""
        found: dict[str, Any] = {}
        for request in self.requests:
            batch = await self.driver.read(request, 2.0)
            for i, row in enumerate(batch.rows):
                p = self.points[int(row)]
                good = batch.statuses[i] == StatusCode.Good
                text = (batch.texts or {}).get(i)
                found[p.name] = (
                    None if not good else text if text is not None else value_of(p.kind, int(batch.cells[i]))
                )
        return found

    async def put(self, name: str, value: Any) -> Outcome:
        i = next(i for i, p in enumerate(self.points) if p.name == name)
        p = self.points[i]
        item = WriteItem(i, 0, value) if p.kind is Kind.String else WriteItem(i, cell_of(p.kind, value))
        (outcome,) = await self.driver.write([item], FOREVER, 2.0)
        return outcome.outcome


def test_all_four_tables_of_libmodbus(foreign: tuple[int, Any]) -> None:
    points = [
        *(point(f"H{i}", Kind.UInt16, table="holding", address=i) for i in range(125)),
        *(point(f"I{i}", Kind.UInt16, table="input", address=i + 875) for i in range(125)),
        *(point(f"C{i}", Kind.Boolean, table="coil", address=i + 101) for i in range(800)),
        *(point(f"D{i}", Kind.Boolean, table="discrete_input", address=i) for i in range(1000)),
    ]

    async def main() -> None:
        async with Client(foreign[0], points) as client:
            assert len(client.requests) == 4
            found = await client.read()
            assert [found[f"H{i}"] for i in range(125)] == [pattern(i) for i in range(125)]
            assert [found[f"I{i}"] for i in range(125)] == [pattern(i + 875) for i in range(125)]
            assert [found[f"C{i}"] for i in range(800)] == [(i + 101) % 3 == 0 for i in range(800)]
            assert [found[f"D{i}"] for i in range(1000)] == [i % 5 == 0 for i in range(1000)]

    run(main())


def test_a_hole_in_the_map_of_libmodbus_costs_its_own_points_only(foreign: tuple[int, Any]) -> None:
    points = registers(30, first=185)

    async def main() -> None:
        async with Client(foreign[0], points) as client:
            expected = {f"R{i}": None if 15 <= i < 25 else pattern(185 + i) for i in range(30)}
            for _ in range(4):
                assert await client.read() == expected
            (request,) = client.requests
            assert len(request.state.parts) == 2
            notes = client.driver.notes(request)
            assert len(notes) == 10 and "R15 at holding 200" in notes[0]

    run(main())


def test_writes_reach_libmodbus_and_are_read_back(foreign: tuple[int, Any]) -> None:
    points = [
        point("Word", Kind.Int16, "rw", table="holding", address=300, type="int16"),
        point("Float", Kind.Float, "rw", table="holding", address=302, type="float32", order="CDAB"),
        point("Text", Kind.String, "rw", table="holding", address=310, type="string", length=8),
        point("Bit", Kind.Boolean, "rw", table="holding", address=320, type="bit", bit=9),
        point("Owned", Kind.Boolean, "rw", table="holding", address=321, type="bit", bit=9, owns_register=True),
        point("Coil", Kind.Boolean, "rw", table="coil", address=4),
        point("Hole", Kind.UInt16, "w", None, table="holding", address=205),
        point("Past", Kind.UInt16, "w", None, table="holding", address=1000),
    ]
    values = {"Word": -12345, "Float": 0.25, "Text": "Sennecey-lès", "Bit": True, "Owned": True, "Coil": True}

    async def main() -> None:
        for multiple in (False, True):
            async with Client(foreign[0], points, write_multiple=multiple) as client:
                for name, value in values.items():
                    assert await client.put(name, value) is Outcome.ACCEPTED, name
                found = await client.read()
                assert {name: found[name] for name in values} == values
                back = await client.driver.read_points([0, 5], 1.0)
                assert [(cell, status) for cell, status, _ in back] == [(-12345, 0), (1, 0)]
                assert await client.put("Hole", 1) is Outcome.REFUSED
                assert await client.put("Past", 1) is Outcome.REFUSED
                for name in ("Bit", "Owned", "Coil"):
                    assert await client.put(name, False) is Outcome.ACCEPTED
                neighbours = (await client.driver.read_points([3, 4], 1.0))[0][0]
                assert neighbours == 0

    run(main())


def test_a_stopped_process_is_silence_and_its_late_answer_harms_nobody(foreign: tuple[int, Any]) -> None:
    port, process = foreign

    async def main() -> None:
        points = [point(f"H{i}", Kind.UInt16, table="holding", address=i * 50) for i in range(4)]
        async with Client(port, points) as client:
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(DeviceSilent):
                await client.driver.read(client.requests[0], 0.2)
            process.send_signal(signal.SIGCONT)
            for _ in range(3):
                assert await client.read() == {f"H{i}": pattern(i * 50) for i in range(4)}
            assert client.link.connection is not None and client.link.connection.late == 1

    run(main())


def test_a_killed_process_is_a_broken_link(foreign: tuple[int, Any]) -> None:
    port, process = foreign

    async def main() -> None:
        async with Client(port, registers(3)) as client:
            await client.read()
            process.kill()
            with pytest.raises((LinkDown, DeviceSilent)):
                while True:
                    await client.read()
            with suppress(DeviceSilent, LinkDown):
                await client.read()
            assert not client.link.is_up

    run(main())


TYPES: dict[str, tuple[Kind, Any]] = {
    "int16": (Kind.Int16, -32768),
    "uint16": (Kind.UInt16, 65535),
    "int32": (Kind.Int32, -(2**31)),
    "uint32": (Kind.UInt32, 0x12345678),
    "int64": (Kind.Int64, -(2**63) + 1),
    "uint64": (Kind.UInt64, 2**64 - 2),
    "float32": (Kind.Float, 1.5e-40),
    "float64": (Kind.Double, -math.pi),
    "string": (Kind.String, "Fontaine-lès-Dijon"),
}
ORDERS = {"big": "ABCD", "little": "CDAB"}


def typed_points(order: str) -> list[Point]:
    found, at = [], 0
    for type_, (kind, _) in TYPES.items():
        short = type_ in ("int16", "uint16", "string")
        keys: dict[str, Any] = {"length": 12} if type_ == "string" else {}
        found.append(
            point(type_, kind, "rw", table="holding", address=at, type=type_, order="ABCD" if short else order, **keys)
        )
        at = found[-1].address.last + 1
    return found


def data_type(name: str) -> Any:
    return AsyncModbusTcpClient.DATATYPE[name.upper()]


@pytest.mark.parametrize("word_order", ["big", "little"])
def test_pymodbus_says_the_same_bytes_for_every_type_and_word_order(word_order: Any) -> None:
    """Independent conversion in both directions, without a wire."""
    for p in typed_points(ORDERS[word_order]):
        _, value = TYPES[p.name]
        ours = [int.from_bytes(encode(p.address, value)[i : i + 2], "big") for i in range(0, 2 * p.address.width, 2)]
        order = "big" if p.name == "string" else word_order
        theirs = AsyncModbusTcpClient.convert_to_registers(value, data_type(p.name), word_order=order)
        assert ours[: len(theirs)] == theirs and not any(ours[len(theirs) :]), p.name
        back = AsyncModbusTcpClient.convert_from_registers(ours, data_type(p.name), word_order=order)
        assert (back.rstrip("\0") if isinstance(back, str) else back) == decode(p.address, encode(p.address, value))


@pytest.mark.parametrize("word_order", ["big", "little"])
def test_the_client_of_pymodbus_reads_and_writes_our_simulator(word_order: Any) -> None:
    async def main() -> None:
        memory = Memory(200)
        peer = SimulatedDevice("X", {1: memory})
        await peer.start()
        client = AsyncModbusTcpClient(peer.host, port=peer.port)
        assert await client.connect()
        for p in typed_points(ORDERS[word_order]):
            _, value = TYPES[p.name]
            order = "big" if p.name == "string" else word_order
            memory.put(p.address, value)
            answer = await client.read_holding_registers(p.address.address, count=p.address.width)
            found = client.convert_from_registers(answer.registers, data_type(p.name), word_order=order)
            assert (found.rstrip("\0") if isinstance(found, str) else found) == memory.get(p.address), p.name
            memory.holding[:] = 0
            await client.write_registers(
                p.address.address, client.convert_to_registers(value, data_type(p.name), word_order=order)
            )
            assert memory.get(p.address) == decode(p.address, encode(p.address, value)), p.name
        await client.write_coils(3, [True, False, True])
        assert (await client.read_coils(0, count=8)).bits == [False, False, False, True, False, True, False, False]
        await client.mask_write_register(address=100, and_mask=0, or_mask=0xAA55)
        assert int(memory.holding[100]) == 0xAA55
        assert (await client.read_holding_registers(190, count=20)).exception_code == 2
        client.close()
        await peer.stop()

    run(main())


@pytest.mark.parametrize("word_order", ["big", "little"])
def test_our_driver_reads_and_writes_the_server_of_pymodbus(word_order: str) -> None:
    async def main() -> None:
        data = SimData(0, values=[0] * 200, datatype=DataType.REGISTERS)
        peer = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", 0))
        await peer.serve_forever(background=True)
        port = peer.transport.sockets[0].getsockname()[1]
        async with Client(port, typed_points(ORDERS[word_order])) as client:
            for name, (_, value) in TYPES.items():
                assert await client.put(name, value) is Outcome.ACCEPTED, name
            expected = {p.name: decode(p.address, encode(p.address, TYPES[p.name][1])) for p in client.points}
            assert await client.read() == expected
        await peer.shutdown()

    run(main())
