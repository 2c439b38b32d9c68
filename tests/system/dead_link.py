# SPDX-License-Identifier: Apache-2.0
"""A field behind a path that dies and comes back, in a network namespace of its own, and a client that dies meanwhile.

`dead_link kill|stop`: the field. It starts the client, takes the loopback down, has it write, kills or stops it, brings
the loopback up again and prints what arrived. `dead_link client PORT...`: the client. A connection without any option
writes too: when its bytes arrive, the path is alive, and the others have had their chance.
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
from drivers.base import Driver, Link, Point, WriteItem
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
POINTS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "modbus": (Kind.UInt16, {"table": "holding", "address": 0}),
    "opcua": (Kind.Double, {"node": "ns=2;i=1"}),
    "dali": (Kind.Double, {"value": "level_set"}),
    "bacnet": (Kind.Float, {"object": "analog-output 1"}),
}
DEVICES: dict[str, dict[str, Any]] = {
    "modbus": {"user_timeout": "1 s"},
    "opcua": {"user_timeout": "1 s"},
    "dali": {"wire": "lunatone", "short_address": 5, "user_timeout": "1 s"},
    "bacnet": {"instance": 7, "check_priority": False},
}
PLAIN = struct.pack(">HHHBBHH", 1, 0, 6, 1, 6, 1, 50)  # write 50 to register 1


def loopback(up: bool) -> None:
    """Take the namespace's loopback up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.pack("16sh14x", b"lo", 0x1 if up else 0)
        fcntl.ioctl(sock.fileno(), 0x8914, flags)  # SIOCSIFFLAGS


class Field:
    """One device of each protocol, each holding 10."""

    def __init__(self) -> None:
        self.memory, self.gear, self.objects = Memory(10), Gear(5, level=10), Objects(7, "B")
        self.memory.holding[:2] = 10
        nodes = Nodes(SystemClock(), "urn:x", ["urn:y"])
        self.node = nodes.add("ns=2;i=1", "Double", 10.0, True)
        self.output = self.objects.add("analog-output 1", REAL, 10.0, commanded=True)
        self.devices = {
            "modbus": SimulatedDevice("m", {1: self.memory}),
            "opcua": SimulatedServer(nodes, "urn:x"),
            "dali": SimulatedGateway("d", [Bus([self.gear])]),
            "bacnet": Station("b", {(0, b""): self.objects}),
        }

    def moved(self) -> list[str]:
        """Where another value has arrived."""
        now = {
            "modbus": self.memory.holding[0] != 10,
            "opcua": self.node.value != 10.0,
            "dali": self.gear.level != 10,
            "bacnet": self.output.value != 10.0,
            "plain": self.memory.holding[1] != 10,
        }
        return [name for name, has in now.items() if has]


async def field(how: str) -> None:
    made = Field()
    for device in made.devices.values():
        await device.start()
    ports = [str(device.port) for device in made.devices.values()]
    pipe = asyncio.subprocess.PIPE
    words = ("-m", "tests.system.dead_link", "client", *ports)
    client = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    assert client.stdin is not None and client.stdout is not None
    assert await client.stdout.readline() == b"CONNECTED\n"
    loopback(False)
    client.stdin.write(b"write\n")
    assert await client.stdout.readline() == b"WRITTEN\n"
    client.send_signal(signal.SIGKILL if how == "kill" else signal.SIGSTOP)
    await asyncio.sleep(DEAD_S)
    before = made.moved()
    loopback(True)
    async with asyncio.timeout(30):
        while "plain" not in made.moved():
            await asyncio.sleep(0.05)
    await asyncio.sleep(AFTER_S)
    print(json.dumps({"before": before, "after": made.moved()}), flush=True)
    with contextlib.suppress(ProcessLookupError):
        client.kill()
    await client.wait()
    for device in made.devices.values():
        await device.stop()


async def client(ports: list[str]) -> None:
    drivers: list[tuple[str, Link, Driver]] = []
    for name, port in zip(PROTOCOLS, ports, strict=True):
        spec, (kind, address) = protocol(name), POINTS[name]
        device = spec.device_model.model_validate({"host": "127.0.0.1", "port": int(port), **DEVICES[name]})
        points = [Point("P", kind, Access.RW, spec.point_model.model_validate(address), "p")]
        link = spec.make_link(device, SystemClock())
        driver = spec.make_driver(name, device, points, link, SystemClock())
        await link.open()
        await driver.open()
        drivers.append((name, link, driver))
    _, plain = await asyncio.open_connection("127.0.0.1", int(ports[0]))
    print("CONNECTED", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    writes = []
    for name, _, driver in drivers:
        kind = POINTS[name][0]
        item = WriteItem(0, cell_of(kind, 50.0 if kind.is_float else 50))
        writes.append(asyncio.create_task(driver.write([item], Permit(1, math.inf), 30.0)))  # type: ignore[arg-type]
    plain.write(PLAIN)
    await asyncio.sleep(0.1)
    print("WRITTEN", flush=True)
    await asyncio.gather(*writes)
    await asyncio.sleep(60)


if __name__ == "__main__":
    loopback(True)
    asyncio.run(client(sys.argv[2:]) if sys.argv[1] == "client" else field(sys.argv[1]))
