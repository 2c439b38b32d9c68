# SPDX-License-Identifier: Apache-2.0
"""Two devices are exchanged: both are found out, nothing of them is believed, nothing is sent to them, and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, value_of
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice as SimulatedStation
from drivers.bacnet.tags import REAL
from drivers.base import DeviceSpec, DriverError, Point, PollClass, WriteItem
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.simulator import SimulatedGateway
from drivers.host import Host, HostLimits
from drivers.modbus.memory import Memory
from drivers.modbus.place import ModbusPoint
from drivers.modbus.simulator import SimulatedDevice
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from drivers.registry import protocol
from tests.sim.loop import clock, run
from tests.sim.tally import Told

LASTING = Permit(epoch=1, deadline_s=1e9)
POLL = PollClass("p", 600.0, 2.0, 0, 1800.0)
QUICK = PollClass("p", 20.0, 2.0, 0, 60.0)
NAMES = ("CAB-0142.controller", "CAB-0143.controller")
SERIAL = {"table": "input", "address": 48, "type": "uint32"}
CONNECTIONLESS = ("bacnet", "dali loytec")
CHECK_S = HostLimits().probe_s  # a wrong one is asked again that soon


@dataclass
class Pair:
    """Two devices of one protocol.

    Attributes:
        settings: of each, with who it must be.
        point: one value that may be written.
        swap: exchange them; nobody's connection breaks.
        reset: break all connections.
        words: who each of them is.
        first: the first device, where a test stops it.
    """

    settings: Sequence[dict[str, Any]]
    point: Point
    swap: Callable[[], None]
    reset: Callable[[], None]
    words: Callable[[int], str]
    first: Any = None


@asynccontextmanager
async def modbus() -> AsyncIterator[Pair]:
    devices = [SimulatedDevice(name, {1: Memory(100)}) for name in NAMES]
    for n, device in enumerate(devices):
        device.units[1].put(ModbusPoint.model_validate(SERIAL), 142 + n)
        device.units[1].holding[0] = 10 * n
        await device.start()

    def swap() -> None:
        one, two = devices
        one.units, two.units = two.units, one.units

    yield Pair(
        [
            {"host": "127.0.0.1", "port": d.port, "serial": str(142 + n), "serial_at": SERIAL}
            for n, d in enumerate(devices)
        ],
        Point("V", Kind.Float, Access.RW, ModbusPoint(table="holding", address=0), "p"),
        swap,
        lambda: [d.reset() for d in devices] and None,
        lambda n: f"serial {142 + n}",
    )
    for device in devices:
        await device.stop()


@asynccontextmanager
async def bacnet(name: str = "analog-value 1") -> AsyncIterator[Pair]:
    stations = []
    for n in range(2):
        made = Objects(142 + n, f"AS-{n}")
        made.add(name, REAL, 10.0 * n, writable=True, commanded=True)
        stations.append(SimulatedStation(NAMES[n], {(0, b""): made}))
        await stations[n].start()

    def swap() -> None:
        one, two = stations
        one.devices, two.devices = two.devices, one.devices

    address = protocol("bacnet").point_model.model_validate({"object": name})
    yield Pair(
        [{"host": "127.0.0.1", "port": s.port, "instance": 142 + n} for n, s in enumerate(stations)],
        Point("V", Kind.Float, Access.RW, address, "p"),
        swap,
        lambda: None,  # there is no connection to break
        lambda n: f"instance {142 + n}",
        stations[0],
    )
    for station in stations:
        await station.stop()


@asynccontextmanager
async def opcua() -> AsyncIterator[Pair]:
    servers = []
    for n in range(2):
        nodes = Nodes(clock(), f"urn:cabinet:{142 + n}", ["urn:plant"])
        nodes.add("ns=2;s=V", "Float", 10.0 * n, True)
        servers.append(SimulatedServer(nodes, f"urn:cabinet:{142 + n}"))
        await servers[n].start()

    def swap() -> None:
        one, two = servers
        one.nodes, two.nodes = two.nodes, one.nodes
        one.uri, two.uri = two.uri, one.uri

    address = protocol("opcua").point_model.model_validate({"node": "ns=2;s=V"})
    yield Pair(
        [
            {"host": "127.0.0.1", "port": s.port, "application_uri": f"urn:cabinet:{142 + n}", "subscribe": False}
            for n, s in enumerate(servers)
        ],
        Point("V", Kind.Float, Access.RW, address, "p"),
        swap,
        lambda: [s.reset() for s in servers] and None,
        lambda n: f"application_uri urn:cabinet:{142 + n}",
    )
    for server in servers:
        await server.stop()


@asynccontextmanager
async def dali() -> AsyncIterator[Pair]:
    gear = [Gear(n, level=254 - n, gtin=4012345678901, serial=142 + n) for n in range(2)]
    gateway = SimulatedGateway("g", [Bus(gear)])
    await gateway.start()

    def swap() -> None:
        gear[0].serial, gear[1].serial = gear[1].serial, gear[0].serial

    address = protocol("dali").point_model.model_validate({"value": "level_set"})
    where = {"wire": "lunatone", "host": "127.0.0.1", "port": gateway.port, "gtin": "04012345678901"}
    yield Pair(
        [{**where, "short_address": n, "serial": str(142 + n)} for n in range(2)],
        Point("V", Kind.Float, Access.RW, address, "p"),
        swap,
        gateway.reset,
        lambda n: f"gtin 4012345678901, serial {142 + n}",
    )
    await gateway.stop()


@asynccontextmanager
async def loytec() -> AsyncIterator[Pair]:
    """Two gateways with BACnet objects for their gear."""
    async with bacnet("analog-output 0") as pair:
        address = protocol("dali").point_model.model_validate({"value": "level_set"})
        settings = [{**s, "wire": "loytec", "short_address": 0} for s in pair.settings]
        yield replace(pair, settings=settings, point=Point("V", Kind.Float, Access.RW, address, "p"))


PAIRS = {"modbus": modbus, "bacnet": bacnet, "opcua": opcua, "dali": dali, "dali loytec": loytec}


def spec(
    name: str, of: str, settings: dict[str, Any], points: Sequence[Point], row: int, poll: PollClass = POLL
) -> DeviceSpec:
    device = protocol(of).device_model.model_validate(settings)
    rows = np.arange(row, row + len(points))
    return DeviceSpec(name, of, device, tuple(points), rows, {"p": poll}, np.array([], np.int64))


def newest(told: Told, row: int) -> tuple[float, int]:
    batch = next(b for b in reversed(told.batches) if row in b.rows)
    at = batch.rows.tolist().index(row)
    return float(value_of(Kind.Float, int(batch.cells[at]))), int(batch.statuses[at])


async def refused(host: Host, n: int) -> str:
    [outcome] = await host.write(n, [WriteItem(0, 0)], LASTING, 5.0)
    assert outcome.outcome is Outcome.REFUSED
    with pytest.raises(DriverError) as error:
        await host.read_back(n, [0], 5.0)
    assert str(error.value) in outcome.reason
    return outcome.reason


@pytest.mark.parametrize("of", PAIRS)
def test_two_exchanged_devices_are_found_out_within_the_hour_and_put_back(
    of: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with PAIRS[of]() as pair:
            told = Told()
            wire = of.partition(" ")[0]
            specs = [spec(NAMES[n], wire, pair.settings[n], [pair.point], n) for n in range(2)]
            host = Host(specs, {wire: protocol(wire)}, clock(), told, Random(1))
            await host.start()
            try:
                assert host.identities.unknown == set(NAMES)
                await asyncio.sleep(30)
                assert [newest(told, n)[1] for n in range(2)] == [0, 0]
                assert not host.identities.wrong and not host.identities.unknown
                [one, two] = host.status()
                assert (one.declared, one.impostor) == (pair.words(0), "") and pair.words(1) in two.answered

                pair.swap()
                await asyncio.sleep(3600 + CHECK_S)  # nobody's connection broke: the hourly question finds it
                assert {str(i).partition(" (")[0] for i in host.identities.wrong.values()} == {
                    f"{NAMES[0]} answers as {NAMES[1]}",
                    f"{NAMES[1]} answers as {NAMES[0]}",
                }
                assert [newest(told, n) for n in range(2)] == [(0.0, StatusCode.BadConfigurationError)] * 2
                reason = await refused(host, 0)
                assert f"{NAMES[0]} answers as {NAMES[1]}" in reason and "no byte left" in reason
                assert pair.words(0) in reason and pair.words(1) in reason
                assert NAMES[1] in host.status()[0].reason and host.status()[0].impostor

                pair.swap()
                await asyncio.sleep(CHECK_S + 1)
                assert not host.identities.wrong
                assert [newest(told, n)[1] for n in range(2)] == [0, 0], "all well within one check"
                [outcome] = await host.write(0, [WriteItem(0, 0)], LASTING, 5.0)
                assert outcome.outcome is Outcome.ACCEPTED

                if of not in CONNECTIONLESS:
                    pair.swap()
                    pair.reset()
                    await asyncio.sleep(10)  # a new connection asks at once
                    assert set(host.identities.wrong) == set(NAMES)
            finally:
                await host.stop()

    with caplog.at_level(logging.INFO, "vigie.field"):
        run(main(), debug=False)
    said = [r.getMessage() for r in caplog.records if "answers as" in r.getMessage()]
    assert len(said) == (2 if of in CONNECTIONLESS else 4), "each once"
    assert sum("is the right device again" in r.getMessage() for r in caplog.records) == 2


@pytest.mark.parametrize("required", [False, True])
def test_one_that_cannot_say_is_told_once_and_wrong_only_if_it_must(
    required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with modbus() as pair:
            told = Told()
            settings = {**pair.settings[0], "vendor_name": "Acme", "identity_required": required}
            del settings["serial"], settings["serial_at"]
            host = Host(
                [spec(NAMES[0], "modbus", settings, [pair.point], 0)],
                {"modbus": protocol("modbus")}, clock(), told, Random(1),
            )  # fmt: skip
            await host.start()
            try:
                await asyncio.sleep(3 * 3600)
                status = newest(told, 0)[1]
                if required:
                    assert status == StatusCode.BadConfigurationError
                    assert "a device that does not say who it is" in await refused(host, 0)
                else:
                    assert status == 0 and not host.identities.wrong and not host.status()[0].impostor
            finally:
                await host.stop()

    with caplog.at_level(logging.INFO, "vigie.field"):
        run(main(), debug=False)
    said = [r.levelname for r in caplog.records if "cannot say who it is" in r.getMessage()]
    assert said == ([] if required else ["WARNING"])


def test_whoever_comes_back_after_a_silence_is_asked_before_it_is_believed() -> None:
    """A device falls silent on a link that stands; what answers later is another one."""

    async def main() -> None:
        async with bacnet() as pair:
            told = Told()
            specs = [spec(NAMES[n], "bacnet", pair.settings[n], [pair.point], n, QUICK) for n in range(2)]
            station = pair.first
            host = Host(specs, {"bacnet": protocol("bacnet")}, clock(), told, Random(1))
            await host.start()
            try:
                await asyncio.sleep(30)
                await station.stop()
                await asyncio.sleep(300)
                pair.swap()
                seen = len(told.batches)
                await station.start()
                await asyncio.sleep(60)
                after = [b for b in told.batches[seen:] if 0 in b.rows]
                assert after and all((b.statuses == StatusCode.BadConfigurationError).all() for b in after)
                assert NAMES[0] in host.identities.wrong
            finally:
                await host.stop()

    run(main(), debug=False)


def test_two_exchanged_gateways_blind_their_whole_lines_and_are_two_findings(caplog: pytest.LogCaptureFixture) -> None:
    """A lamp of one street must not obey for the lamp of another: what is behind the wrong gateway is not believed."""

    async def main() -> None:
        gateways = [
            SimulatedGateway(f"g{n}", [Bus([Gear(0, level=254 - n)])], serial=str(605001 + n)) for n in range(2)
        ]
        for gateway in gateways:
            await gateway.start()
        model = protocol("dali").point_model.model_validate
        of_line = Point("PSU", Kind.Boolean, Access.R, model({"value": "power_supply"}), "p")
        of_gear = Point("V", Kind.Float, Access.RW, model({"value": "level_set"}), "p")
        specs = []
        for n, gateway in enumerate(gateways):
            where = {"wire": "lunatone", "host": "127.0.0.1", "port": gateway.port, "gateway_serial": f"0{605001 + n}"}
            specs.append(spec(f"DLI-{n}.line", "dali", where, [of_line], 2 * n, QUICK))
            specs.append(spec(f"LUM-{n}.gear", "dali", {**where, "short_address": 0}, [of_gear], 2 * n + 1, QUICK))
        told = Told()
        host = Host(specs, {"dali": protocol("dali")}, clock(), told, Random(1))
        await host.start()
        try:
            await asyncio.sleep(30)
            assert [newest(told, n)[1] for n in range(4)] == [0] * 4 and not host.identities.wrong
            one, two = gateways
            one.buses, two.buses, one.serial, two.serial = two.buses, one.buses, two.serial, one.serial
            for gateway in gateways:
                gateway.reset()
            await asyncio.sleep(30)
            assert {str(i).partition(" (")[0] for i in host.identities.wrong.values()} == {
                "DLI-0.line answers as DLI-1.line",
                "DLI-1.line answers as DLI-0.line",
            }
            assert [newest(told, n)[1] for n in range(4)] == [StatusCode.BadConfigurationError] * 4
            [outcome] = await host.write(1, [WriteItem(0, 0)], LASTING, 5.0)
            assert "expected gateway 605001, got gateway 605002); no byte left" in outcome.reason
            assert [r.levelno for r in caplog.records if "answers as" in r.getMessage()] == [logging.ERROR] * 2
            assert one.buses[0].gear[0].level == 253 and two.buses[0].gear[0].level == 254, "nobody obeyed"
        finally:
            await host.stop()
            for gateway in gateways:
                await gateway.stop()

    run(main(), debug=False)
