# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_field.py
"""The simulated field of a site: real Modbus/TCP, OPC UA, BACnet/IP and DALI gateways on loopback, a device for each of
the site's, a plant behind them.

Law of this file: it speaks to the server by the wire alone. It is made from the same checked `Site` the server runs, so
that both read one register map; it shares nothing else with the server, not even a process if one likes.

`nominal` ports are those of the site's own files, so that `vigie simulate` and `vigie run` meet as they are; with `os`
every device listens on 127.0.0.1 where the system likes, and `field.json` in the state folder says where.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from config.model import Life, Site
from config.words import Clock
from drivers.bacnet.knobs import NAMES as BACNET_FAULTS
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice as SimulatedStation
from drivers.dali.knobs import NAMES as DALI_FAULTS
from drivers.dali.simulator import SimulatedGateway
from drivers.modbus.knobs import NAMES as FAULTS
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import ModbusSimulator, SimulatedDevice
from drivers.opcua.knobs import NAMES as OPCUA_FAULTS
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from supervisor.clock import SystemClock
from supervisor.demo.door import FieldDoor, FieldDoorError, ask_field, turn_knob
from supervisor.demo.gearbank import GearBank
from supervisor.demo.nodebank import NodeBank
from supervisor.demo.objectbank import ObjectBank
from supervisor.demo.park import PROTOCOLS, Park
from supervisor.demo.sky import Sky
from supervisor.descriptors import open_files
from supervisor.durable import write_whole

__all__ = ["FieldDoorError", "FieldOptions", "FieldSimulator", "ask_field", "run_field", "turn_knob"]

FIELD_FILE: Final = "field.json"
STEP_S: Final = 0.5
ALL: Final = "*"
_NOT_POLLED: Final = (Life.PLANNED, Life.RETIRED)

Ports = Literal["nominal", "os"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a device of the site is: its type's park, role and instance, and the simulated device that answers."""

    park: Park
    role: str
    instance: int
    device: SimulatedDevice | SimulatedServer | SimulatedStation | SimulatedGateway

    @property
    def faults(self) -> tuple[str, ...]:
        """First words of what may go wrong on its wire."""
        if isinstance(self.device, SimulatedGateway):
            return DALI_FAULTS
        if isinstance(self.device, SimulatedDevice):
            return FAULTS
        return OPCUA_FAULTS if isinstance(self.device, SimulatedServer) else BACNET_FAULTS


class FieldSimulator:
    """All Modbus and BACnet devices and OPC UA collectors of a site.

    Args:
        site: loaded and checked.
        clock: the field's time; the sun follows it.
        ports: 'nominal' or 'os', see above.
        seed: of all that is random.
        speed: plant seconds per second of the clock; 60 shows a night in twelve minutes.
        state: where field.json and field.sock go; None: neither (tests).

    Raises:
        ValueError: a type that the simulated devices cannot play, with the reason.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        ports: Ports = "nominal",
        seed: int = 1,
        speed: float = 1.0,
        state: Path | None = None,
    ) -> None:
        self._clock = clock
        self._speed = speed
        self._begin_ns = clock.wall_ns()
        self._state = state
        self._frozen = False
        model = site.model
        self._sky = Sky(model.location.latitude, model.location.longitude, model.time_zone, seed)
        self._simulator = ModbusSimulator()
        self._parks: list[Park] = []
        self._places: dict[str, _Place] = {}
        self._fed: dict[str, list[str]] = {}
        self._listening: dict[tuple[str, int], SimulatedDevice] = {}
        self._collectors: dict[tuple[str, int], SimulatedServer] = {}
        self._stations: dict[tuple[str, int], SimulatedStation] = {}
        self._gateways: dict[tuple[str, int], SimulatedGateway] = {}
        self._door = FieldDoor(state, self._request) if state is not None else None
        self._stepping: asyncio.Task[None] | None = None
        for name in site.equipment:
            if any(role.protocol in PROTOCOLS for role in site.types[name].devices.values()):
                self._settle(site, name, ports, seed)
        self.step()

    def _settle(self, site: Site, type_: str, ports: Ports, seed: int) -> None:
        """Give every device of one type its registers and its port."""
        equipment = [e for e in site.equipment[type_] if e.life not in _NOT_POLLED]
        if not equipment:
            return
        points = {tag: point for (owner, tag), point in site.points.items() if owner == type_}
        park = Park(site.types[type_], points, equipment, seed, self._clock.wall_ns)
        self._parks.append(park)
        for role, bank in park.banks.items():
            for i, unit in enumerate(equipment):
                path = f"{unit.area}/{unit.name}"
                settings, name = site.devices[path, role], f"{path}.{role}"
                if isinstance(bank, NodeBank):
                    server = self._collector(name, settings, ports)
                    bank.place(i, server.nodes, settings.root)
                    self._places[name] = _Place(park, role, i, server)
                    continue
                if isinstance(bank, ObjectBank):
                    self._places[name] = _Place(park, role, i, self._station(name, settings, ports, bank.devices[i]))
                    continue
                if isinstance(bank, GearBank):
                    gateway = self._gateway(name, settings, ports)
                    bank.place(i, gateway, settings.line, settings.short_address)
                    self._places[name] = _Place(park, role, i, gateway)
                    continue
                device = self._listener(name, settings, ports)
                memory = device.units[settings.unit_id]
                for table, registers in bank.tables.items():
                    setattr(memory, table, registers[i])
                memory.identification = {0: "Vigie", 1: type_, 2: "1", 6: unit.name}
                self._places[name] = _Place(park, role, i, device)
                if unit.feeder is not None:
                    self._fed.setdefault(unit.feeder, []).append(name)

    def _collector(self, name: str, settings: Any, ports: Ports) -> SimulatedServer:
        """The simulated OPC UA server of a device; equipment told by one collector shares it."""
        nominal = (settings.host, settings.port)
        if settings.security != "None" or settings.user:
            raise ValueError(f"device {name}: expected security None and no user, the simulated collector has neither")
        if (server := self._collectors.get(nominal)) is None:
            host, port = nominal if ports == "nominal" else ("127.0.0.1", 0)
            uri = settings.application_uri or "urn:vigie:collector"
            nodes = Nodes(self._clock, uri, [])
            server = self._collectors[nominal] = SimulatedServer(nodes, uri, host, port)
        return server

    def _station(self, name: str, settings: Any, ports: Ports, objects: Objects) -> SimulatedStation:
        """The simulated address of a BACnet device; devices behind one router share it."""
        nominal = (settings.host, settings.port)
        objects.instance, objects.name = settings.instance, name
        if (station := self._stations.get(nominal)) is None:
            host, port = nominal if ports == "nominal" else ("127.0.0.1", 0)
            station = self._stations[nominal] = SimulatedStation(name, {}, host, port)
        station.add((settings.network, bytes.fromhex(settings.mac)), objects)
        return station

    def _gateway(self, name: str, settings: Any, ports: Ports) -> SimulatedGateway:
        """The simulated DALI gateway of a line; lines and gear behind one share it."""
        nominal = (settings.host, settings.port)
        if settings.wire != "lunatone":
            raise ValueError(f"device {name}: expected wire lunatone, {settings.wire} is not simulated in a plant")
        if (gateway := self._gateways.get(nominal)) is None:
            host, port = nominal if ports == "nominal" else ("127.0.0.1", 0)
            gateway = self._gateways[nominal] = SimulatedGateway(name, [], host, port)
        return gateway

    def _listener(self, name: str, settings: Any, ports: Ports) -> SimulatedDevice:
        """The simulated host and port of a device; units behind one gateway share it."""
        if settings.transport == "serial":
            raise ValueError(f"device {name}: expected transport tcp or rtu_tcp, a serial port is not simulated")
        nominal = (settings.host, settings.port)
        device = self._listening.get(nominal)
        if device is None:
            host, port = nominal if ports == "nominal" else ("127.0.0.1", 0)
            device = self._simulator.add(name, (), host, port, size=0, transport=settings.transport)
            self._listening[nominal] = device
        if settings.unit_id in device.units:
            raise ValueError(f"device {name}: unit {settings.unit_id} at {nominal[0]}:{nominal[1]} exists already")
        device.units[settings.unit_id] = Memory(0)
        return device

    @property
    def _served(self) -> list[SimulatedServer | SimulatedGateway]:
        return [*self._collectors.values(), *self._gateways.values()]

    # --- life

    async def start(self) -> None:
        """Listen everywhere, tell where, begin to live.

        Raises:
            OSError: a port is in use or an address is not of this machine.
            FieldDoorError: another simulator runs in the state folder.
        """
        if self._door is not None:
            await self._door.open()
        try:
            await self._simulator.start()
            for server in self._served:
                await server.start()
            for station in self._stations.values():
                await station.start()
        except OSError:
            await self.stop()
            raise
        self._tell()
        self._stepping = asyncio.get_running_loop().create_task(self._live(), name="field")

    async def stop(self) -> None:
        """Stop living, close all. Idempotent. A failure of the plant's behaviour comes out at the end."""
        task, self._stepping = self._stepping, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._simulator.stop()
        for server in self._served:
            await server.stop()
        for station in self._stations.values():
            await station.stop()
        if self._door is not None:
            await self._door.close()
        if self._state is not None:
            (self._state / FIELD_FILE).unlink(missing_ok=True)
        if task is not None and not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def wait(self) -> None:
        """Until stopped; a failure of the plant's behaviour comes out here."""
        if self._stepping is not None:
            await asyncio.shield(self._stepping)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            if not self._frozen:
                self.step()

    def step(self) -> None:
        """Let the plant go on until now."""
        elapsed_ns = self._clock.wall_ns() - self._begin_ns
        sky = self._sky.at(self._begin_ns + round(elapsed_ns * self._speed))
        for park in self._parks:
            park.step(sky)

    def freeze(self, on: bool) -> None:
        """Hold all registers still, so that what is read can be compared. Writes are held as they are written."""
        self._frozen = on

    def _tell(self) -> None:
        """field.json: device -> [host, port], renamed into place."""
        if self._state is None:
            return
        places = json.dumps({name: list(at) for name, at in self.endpoints.items()}, indent=1) + "\n"
        write_whole(self._state / FIELD_FILE, places.encode(), 0o644)

    # --- what tests and people ask

    @property
    def ports(self) -> int:
        """Addresses that it answers at."""
        return len(self._listening) + len(self._served) + len(self._stations)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all simulated devices: '21605/CAB-0003.controller'."""
        return tuple(self._places)

    @property
    def endpoints(self) -> Mapping[str, tuple[str, int]]:
        """Device -> host and port. Ports of the system are known after `start`."""
        return {name: (place.device.host, place.device.port) for name, place in self._places.items()}

    def engineering(self, device: str, tag: str) -> bool | int | float | str:
        """What a server must read for a tag of a device now: its registers, decoded and scaled.

        Args:
            device: as in `find`.

        Raises:
            ValueError: no such device; KeyError: no such tag on it.
        """
        place = self._places[self.find(device)]
        return place.park.value(place.instance, tag)

    def find(self, text: str) -> str:
        """The device that is meant: its whole name, or any part of it that no other has ('CAB-0003').

        Raises:
            ValueError: none or several.
        """
        if text in self._places:
            return text
        found = [name for name in self._places if text and text in name]
        if len(found) != 1:
            many = f"{len(found)} devices are called so ({', '.join(found[:3])} ...)" if found else "none is called so"
            raise ValueError(
                f"expected a simulated device such as {next(iter(self._places), 'none')!r}, {many}: {text!r}"
            )
        return found[0]

    def turn(self, device: str, text: str) -> str:
        """Turn a fault knob of a device ('hang 30 s') or break its plant ('trip K2').

        Args:
            device: as in `find`, or '*' for all, or what feeds several: 'FDR-0001' for all that it feeds.
            text: a knob of `drivers.modbus.knobs`, or an act of the type; 'ok' heals the wire and takes back every
                `set`; 'freeze' and 'thaw' hold the whole plant still.
        Returns: what was done, one sentence.
        Raises:
            ValueError: neither a knob nor an act; with the known words.
        """
        if text in ("freeze", "thaw"):
            self.freeze(text == "freeze")
            return f"the plant is {'held still' if self._frozen else 'alive'}"
        fed = [
            name
            for feeder, names in self._fed.items()
            if device in (feeder, feeder.partition("/")[2])
            for name in names
        ]
        names = list(self._places) if device == ALL else fed or [self.find(device)]
        for name in names:
            self._turn(self._places[name], text)
        return f"{names[0] if len(names) == 1 else f'{len(names)} devices'}: {text}"

    def _turn(self, place: _Place, text: str) -> None:
        word = text.strip().partition(" ")[0]
        if word in ("ok", "heal"):
            place.device.heal()
            place.park.release(place.instance)
        elif word in place.faults:
            place.device.turn(text)
        elif word in place.park.words:
            place.park.act(place.instance, text)
            if not self._frozen:
                self.step()
        else:
            faults, words = ", ".join(place.faults), ", ".join(place.park.words)
            raise ValueError(f"expected a fault ({faults}, ok) or one of {words}, got {text!r}")

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request at the door."""
        if request.get("list") is True:
            return {"devices": list(self.devices)}
        device, text = request.get("device"), request.get("turn")
        if isinstance(device, str) and isinstance(text, str):
            return {"text": self.turn(device, text)}
        if isinstance(device, str) and request.get("read") is True:
            place = self._places[self.find(device)]
            return {"values": place.park.values(place.instance, place.role)}
        raise ValueError('expected {"device": ..., "turn": ...}, {"device": ..., "read": true} or {"list": true}')


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How `vigie simulate` runs.

    Attributes:
        state: folder for field.json and field.sock; made if missing.
        ports, seed, speed: as `FieldSimulator`.
        faults: (device, knob) turned right after the start.
        for_s: stop by itself after so long [s]; None: until Ctrl-C or SIGTERM.
    """

    state: Path
    ports: Ports = "nominal"
    seed: int = 1
    speed: float = 1.0
    faults: Iterable[tuple[str, str]] = field(default=())
    for_s: float | None = None


def run_field(site: Site, options: FieldOptions) -> int:
    """Simulate the field of a site until told to stop. Returns the exit code: 0, or 1 after one clear sentence."""
    try:
        options.state.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(site, options))
    except (OSError, ValueError, FieldDoorError) as error:
        print(f"the field of {site.model.site} cannot be simulated: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(site: Site, options: FieldOptions) -> None:
    simulator = FieldSimulator(site, SystemClock(), options.ports, options.seed, options.speed, options.state)
    open_files(2 * simulator.ports)  # each listens and has a client
    await simulator.start()
    try:
        for device, text in options.faults:
            print(simulator.turn(device, text), flush=True)
        print(f"{len(simulator.devices)} devices of {site.model.site} answer; Ctrl-C stops them", flush=True)
        await _until_told(simulator, options.for_s)
    finally:
        await simulator.stop()


async def _until_told(simulator: FieldSimulator, for_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    living = loop.create_task(simulator.wait())
    stopping = loop.create_task(told.wait())
    try:
        done, _ = await asyncio.wait((living, stopping), timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        if living in done:
            await living
    finally:
        living.cancel()
        stopping.cancel()
        await asyncio.gather(living, stopping, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
