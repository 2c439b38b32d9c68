# SPDX-License-Identifier: Apache-2.0
"""CPU of one read of 20 properties (10 objects, present-value and status-flags) into cells: ours, and bacpypes3.

Both ask the same simulated device in a process of its own. Counted is the client's own process, user and system.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import uvloop
from bacpypes3.app import Application
from bacpypes3.argparse import SimpleArgumentParser
from bacpypes3.pdu import Address
from bacpypes3.primitivedata import ObjectIdentifier
from bacpypes3.vendor import get_vendor_info

from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.plan import plan
from drivers.base import bind
from supervisor.clock import SystemClock
from tests.bacnet import INSTANCE, inputs

OBJECTS = 10
WINDOW = 16
MEASURE_S = 3.0
SERVER = """
import asyncio
from drivers.bacnet.simulator import SimulatedDevice
from tests.bacnet import objects
async def main():
    peer = SimulatedDevice("bench", {(0, b""): objects(60)})
    await peer.start()
    print(peer.port, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def _spent(ask: Callable[[], Awaitable[object]], askers: int) -> float:
    """Askers ask again and again; CPU microseconds of one answer."""
    stop, done = False, 0

    async def keep_asking() -> None:
        nonlocal done
        while not stop:
            await ask()
            done += 1

    tasks = [asyncio.create_task(keep_asking()) for _ in range(askers)]
    await asyncio.sleep(0.3)
    begun, before = time.process_time(), done
    await asyncio.sleep(MEASURE_S)
    spent, count = time.process_time() - begun, done - before
    stop = True
    await asyncio.gather(*tasks)
    return spent / count * 1e6


async def ours(port: int, n: int) -> float:
    """Our driver over one socket, as the host asks it."""
    points = inputs(n)
    device = BacnetDevice(host="127.0.0.1", port=port, instance=INSTANCE, window=WINDOW)
    link = BacnetLink(device)
    driver = BacnetDriver("bench", device, points, link, SystemClock())
    await link.open()
    await driver.open()
    [exchange] = plan(device, points)
    request = bind(exchange, np.arange(n), 0)
    spent = await _spent(lambda: driver.read(request, 5.0), WINDOW)
    await link.close()
    return spent


async def theirs(port: int) -> float:
    """bacpypes3's application, its quickest form: parsed identifiers."""
    options = SimpleArgumentParser().parse_args(["--name", "c", "--instance", "999", "--address", "127.0.0.1/24:47947"])
    app = Application.from_args(options)
    await asyncio.sleep(0.5)
    where, info = Address(f"127.0.0.1:{port}"), get_vendor_info(0)
    asked: list[Any] = []
    for i in range(OBJECTS):
        asked += [ObjectIdentifier(f"analog-input,{i}"), ["present-value", "status-flags"]]
    spent = await _spent(lambda: app.read_property_multiple(where, asked, vendor_info=info), 4)
    app.close()
    return spent


def rows() -> list[dict[str, Any]]:
    """Ours beside bacpypes3, and a full request of 60 objects."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        our_us, full_us = uvloop.run(ours(port, OBJECTS)), uvloop.run(ours(port, 60))
        their_us = asyncio.run(theirs(port))
    finally:
        server.kill()
    return [
        {"what": "BACnet: CPU per read of 20 properties", "ours": our_us, "peer": their_us, "unit": "µs"},
        {
            "what": "BACnet: properties per CPU-second",
            "ours": 120 / full_us * 1e6,
            "peer": 20 / their_us * 1e6,
            "unit": "1/s",
            "reach": ">= 50,000",
            "note": f"requests of 120 properties; of 20: {20 / our_us * 1e6:,.0f}. peer: bacpypes3, of 20",
        },
    ]
