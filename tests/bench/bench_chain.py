# SPDX-License-Identifier: Apache-2.0
"""The whole chain: real Modbus/TCP on loopback -> decode -> scan -> changed rows, every value changing every time.

The field is a process of its own; counted is the CPU of the process that supervises.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import numpy as np
import uvloop

from config.words import Access, Kind
from drivers.base import DeviceSpec, Point, PollClass
from drivers.host import Host
from drivers.modbus.address import ModbusDevice
from drivers.modbus.place import ModbusPoint
from drivers.modbus.protocol import PROTOCOL
from drivers.modbus.simulator import ModbusSimulator
from supervisor.clock import SystemClock
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.pace import ScanStatistics, scan_forever
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Changes, Scan
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

DEVICES, REGISTERS, PERIOD_S = 200, 125, 0.2
WARM_S, MEASURE_S = 3.0, 6.0
POLL = PollClass("fast", PERIOD_S, 0.15, 0, 2.0)


def _field(pipe: Connection) -> None:
    """Devices whose registers all count up with every period."""

    async def main() -> None:
        simulator = ModbusSimulator()
        devices = [simulator.add(f"D{i}", size=REGISTERS) for i in range(DEVICES)]
        await simulator.start()
        pipe.send([device.port for device in devices])
        while not pipe.poll():
            for device in devices:
                device.units[1].holding += 1
            await asyncio.sleep(PERIOD_S / 2)
        await simulator.stop()

    uvloop.run(main())


async def _supervise(ports: list[int]) -> tuple[float, float, int, int]:
    """Changed values per second, CPU share, missed slots, missed scans."""
    names = [f"a/CAB-{i:04d}" for i in range(DEVICES)]
    tags = {f"R{i}": replace(tag("Float"), scale=0.1) for i in range(REGISTERS)}
    plant = make_plant({"CAB": TypeSpec(tags)}, {"CAB": names})
    points = tuple(
        Point(f"R{i}", Kind.Float, Access.R, ModbusPoint(table="holding", address=i, type="uint16"), "fast")
        for i in range(REGISTERS)
    )
    starts = np.array([b.start for b in plant.blocks], np.int64)
    devices = [
        DeviceSpec(
            names[i],
            "modbus",
            ModbusDevice(host="127.0.0.1", port=port),
            points,
            starts + i,
            {"fast": POLL},
            starts[:0],
        )
        for i, port in enumerate(ports)
    ]
    clock, inbox = SystemClock(), Inbox()
    host = Host(devices, {"modbus": PROTOCOL}, clock, inbox, Random(1))
    polls = [POLL] * len(host.requests)
    freshness = Freshness([r.rows for r in host.requests], polls, host.device_of_request, DEVICES, 0)
    scan = Scan(TagTable(plant, StringPool(), clock.wall_ns()), inbox, freshness)
    changed = 0

    def count(changes: Changes) -> None:
        nonlocal changed
        changed += len(changes.rows)

    scan.consumers.append(count)
    statistics = ScanStatistics(0.1)
    await host.start()
    running = asyncio.create_task(scan_forever(scan, clock, statistics))
    await asyncio.sleep(WARM_S)
    slots = sum(d.missed_slots for d in host.status())
    before, cpu, begun, missed = changed, time.process_time(), time.perf_counter(), statistics.missed
    await asyncio.sleep(MEASURE_S)
    took = time.perf_counter() - begun
    share = (time.process_time() - cpu) / took
    rate = (changed - before) / took
    slots = sum(d.missed_slots for d in host.status()) - slots
    missed = statistics.missed - missed
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await host.stop()
    return rate, share, slots, missed


def rows() -> list[dict[str, Any]]:
    """One row: values a second through the whole chain, and what they cost."""
    here, there = multiprocessing.Pipe()
    field = multiprocessing.get_context("fork").Process(target=_field, args=(there,))
    field.start()
    rate, share, slots, missed = uvloop.run(_supervise(here.recv()))
    here.send("stop")
    field.join(10)
    return [
        {
            "what": f"whole chain: {DEVICES} devices x {REGISTERS} values every {PERIOD_S * 1000:g} ms, all changing",
            "ours": rate,
            "unit": "values/s",
            "reach": ">= 100,000",
            "note": f"{100 * share:.0f} % of a core; {slots} slots and {missed} scans missed",
        },
        {
            "what": "whole chain: values per CPU-second",
            "ours": rate / share,
            "peer": 244_000.0,
            "unit": "1/s",
            "reach": "",
            "note": "peer: Node-RED's block read without storage, measured elsewhere; thingsboard-gateway 18,440",
        },
    ]
