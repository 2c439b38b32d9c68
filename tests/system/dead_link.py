# SPDX-License-Identifier: Apache-2.0
"""A field behind a path that dies and comes back, in a network namespace of its own, and clients that die meanwhile.

`dead_link`: the field. It starts two clients, takes the loopback down, has them write, kills the first and stops the
second, brings the loopback up again and prints what arrived. `dead_link N PORT...`: client N. A connection without any
option writes too: when its bytes arrive, the path is alive, and the others have had their chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import math
import signal
import socket
import struct
import sys
from typing import Any

from config.words import Access, Kind, Permit, cell_of
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice as Station
from drivers.bacnet.tags import REAL
from drivers.base import Driver, Point, WriteItem
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.simulator import SimulatedGateway
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import SimulatedDevice
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from drivers.registry import protocol
from supervisor.clock import SystemClock

DEAD_S = 2.5
AFTER_S = 2.0
PROTOCOLS = ("modbus", "opcua", "dali", "bacnet")
CLIENTS = ("killed", "stopped")
KINDS = {"modbus": Kind.UInt16, "opcua": Kind.Double, "dali": Kind.Double, "bacnet": Kind.Float}


def point(protocol_: str, n: int) -> dict[str, Any]:
    """Where client n writes."""
    return {
        "modbus": {"table": "holding", "address": 2 * n},
        "opcua": {"node": f"ns=2;i={n}"},
        "dali": {"value": "level_set"},
        "bacnet": {"object": f"analog-output {n}"},
    }[protocol_]


def settings(protocol_: str, n: int) -> dict[str, Any]:
    """Of its device."""
    return {
        "modbus": {"user_timeout": "1 s"},
        "opcua": {"user_timeout": "1 s"},
        "dali": {"wire": "lunatone", "short_address": n, "user_timeout": "1 s"},
        "bacnet": {"instance": 7, "check_priority": False},
    }[protocol_]


def plain(n: int) -> bytes:
    """Write 50 to the register beside that of client n."""
    return struct.pack(">HHHBBHH", 1, 0, 6, 1, 6, 2 * n + 1, 50)


def loopback(up: bool) -> None:
    """Take the namespace's loopback up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.pack("16sh14x", b"lo", 0x1 if up else 0)
        fcntl.ioctl(sock.fileno(), 0x8914, flags)  # SIOCSIFFLAGS


class Field:
    """One device of each protocol, each holding 10 for each client."""

    def __init__(self) -> None:
        self.memory, self.gear, objects = Memory(10), [Gear(0, level=10), Gear(1, level=10)], Objects(7, "B")
        self.memory.holding[:4] = 10
        nodes = Nodes(SystemClock(), "urn:x", ["urn:y"])
        self.nodes = [nodes.add(f"ns=2;i={n}", "Double", 10.0, True) for n in range(2)]
        self.outputs = [objects.add(f"analog-output {n}", REAL, 10.0, commanded=True) for n in range(2)]
        self.devices = {
            "modbus": SimulatedDevice("m", {1: self.memory}),
            "opcua": SimulatedServer(nodes, "urn:x"),
            "dali": SimulatedGateway("d", [Bus(self.gear)]),
            "bacnet": Station("b", {(0, b""): objects}),
        }

    def moved(self) -> dict[str, list[str]]:
        """Client -> where another value of it has arrived."""
        return {name: self._moved(n) for n, name in enumerate(CLIENTS)}

    def _moved(self, n: int) -> list[str]:
        now = {
            "modbus": self.memory.holding[2 * n] != 10,
            "opcua": self.nodes[n].value != 10.0,
            "dali": self.gear[n].level != 10,
            "bacnet": self.outputs[n].value != 10.0,
            "plain": self.memory.holding[2 * n + 1] != 10,
        }
        return [name for name, has in now.items() if has]


async def said(client: asyncio.subprocess.Process, word: bytes) -> None:
    """Until it says this word."""
    assert client.stdout is not None
    line = await client.stdout.readline()
    assert line.strip() == word, f"expected {word!r}, got {line!r}"


async def field() -> None:
    made, pipe = Field(), asyncio.subprocess.PIPE
    for device in made.devices.values():
        await device.start()
    ports = [str(device.port) for device in made.devices.values()]
    clients = []
    for n in range(2):
        words = ("-m", "tests.system.dead_link", str(n), *ports)
        clients.append(await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe))
    for each in clients:
        await said(each, b"CONNECTED")
    loopback(False)
    for each, number in zip(clients, (signal.SIGKILL, signal.SIGSTOP), strict=True):
        assert each.stdin is not None
        each.stdin.write(b"write\n")
        await said(each, b"WRITTEN")
        each.send_signal(number)
    await asyncio.sleep(DEAD_S)
    before = made.moved()
    loopback(True)
    async with asyncio.timeout(60):
        while not all("plain" in names for names in made.moved().values()):
            await asyncio.sleep(0.05)
    await asyncio.sleep(AFTER_S)
    print(json.dumps({"before": before, "after": made.moved()}), flush=True)
    for each in clients:
        with contextlib.suppress(ProcessLookupError):
            each.kill()
        await each.wait()
    for device in made.devices.values():
        await device.stop()


async def client(n: int, ports: list[str]) -> None:
    drivers: list[tuple[str, Driver]] = []
    for name, port in zip(PROTOCOLS, ports, strict=True):
        spec, kind = protocol(name), KINDS[name]
        device = spec.device_model.model_validate({"host": "127.0.0.1", "port": int(port), **settings(name, n)})
        points = [Point("P", kind, Access.RW, spec.point_model.model_validate(point(name, n)), "p")]
        link = spec.make_link(device, SystemClock())
        driver = spec.make_driver(name, device, points, link, SystemClock())
        await link.open()
        await driver.open()
        drivers.append((name, driver))
    _, other = await asyncio.open_connection("127.0.0.1", int(ports[0]))
    print("CONNECTED", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    writes = []
    for name, driver in drivers:
        kind = KINDS[name]
        item = WriteItem(0, cell_of(kind, 50.0 if kind.is_float else 50))
        writes.append(asyncio.create_task(driver.write([item], Permit(1, math.inf), 30.0)))  # type: ignore[arg-type]
    other.write(plain(n))
    await asyncio.sleep(0.1)
    print("WRITTEN", flush=True)
    await asyncio.gather(*writes)
    await asyncio.sleep(60)


if __name__ == "__main__":
    loopback(True)
    asyncio.run(client(int(sys.argv[1]), sys.argv[2:]) if sys.argv[1:] else field())
