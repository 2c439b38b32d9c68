# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_field.py, tests/unit/test_demo_collector.py, tests/unit/test_demo_lights.py
"""The wires of the simulated field: what listens where, and which equipment answers behind it.

Law of this file: an address is listened at once, whoever lives there: units behind a gateway, equipment told by a
collector, devices behind a router and gear on a line share it. Values and behaviour are the banks' and parks'.
"""

from __future__ import annotations

from typing import Any, Literal

from config.words import Clock
from drivers.bacnet.knobs import NAMES as BACNET_FAULTS
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice as SimulatedStation
from drivers.dali.knobs import NAMES as DALI_FAULTS
from drivers.dali.simulator import SimulatedGateway
from drivers.modbus.knobs import NAMES as MODBUS_FAULTS
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import ModbusSimulator, SimulatedDevice
from drivers.opcua.knobs import NAMES as OPCUA_FAULTS
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from supervisor.demo.gearbank import GearBank
from supervisor.demo.nodebank import NodeBank
from supervisor.demo.objectbank import ObjectBank
from supervisor.demo.registers import Bank

Ports = Literal["nominal", "os"]
Answering = SimulatedDevice | SimulatedServer | SimulatedStation | SimulatedGateway
Address = tuple[str, int]


def faults_of(device: Answering) -> tuple[str, ...]:
    """First words of what may go wrong on a device's wire."""
    if isinstance(device, SimulatedGateway):
        return DALI_FAULTS
    if isinstance(device, SimulatedDevice):
        return MODBUS_FAULTS
    return OPCUA_FAULTS if isinstance(device, SimulatedServer) else BACNET_FAULTS


class Wires:
    """Everything that listens.

    Args:
        clock: of the nodes' times.
        ports: 'nominal': where the site's files say; 'os': on 127.0.0.1 where the system likes.
    """

    def __init__(self, clock: Clock, ports: Ports) -> None:
        self._clock, self._ports = clock, ports
        self._modbus = ModbusSimulator()
        self._listening: dict[Address, SimulatedDevice] = {}
        self._collectors: dict[Address, SimulatedServer] = {}
        self._stations: dict[Address, SimulatedStation] = {}
        self._gateways: dict[Address, SimulatedGateway] = {}

    def join(self, bank: Bank | NodeBank | ObjectBank | GearBank, instance: int, name: str, settings: Any) -> Answering:
        """Put one instance of a bank where its settings say.

        Raises:
            ValueError: the simulated devices cannot play it, or somebody lives there; names the device.
        """
        if isinstance(bank, NodeBank):
            server = self._collector(name, settings)
            bank.place(instance, server.nodes, settings.root)
            return server
        if isinstance(bank, ObjectBank):
            return self._station(name, settings, bank.devices[instance])
        if isinstance(bank, GearBank):
            gateway = self._gateway(name, settings)
            bank.place(instance, gateway, settings.line, settings.short_address)
            return gateway
        device = self._listener(name, settings)
        memory = device.units[settings.unit_id]
        for table, registers in bank.tables.items():
            setattr(memory, table, registers[instance])
        unit = name.rpartition(".")[0].rpartition("/")[2]
        memory.identification = {0: "Vigie", 1: unit.partition("-")[0], 2: "1", 6: settings.application_name or unit}
        return device

    def _where(self, nominal: Address) -> Address:
        return nominal if self._ports == "nominal" else ("127.0.0.1", 0)

    def _collector(self, name: str, settings: Any) -> SimulatedServer:
        nominal = (settings.host, settings.port)
        if settings.security != "None" or settings.user:
            raise ValueError(f"device {name}: expected security None and no user, the simulated collector has neither")
        if (server := self._collectors.get(nominal)) is None:
            uri = settings.application_uri or "urn:vigie:collector"
            nodes = Nodes(self._clock, uri, [])
            server = self._collectors[nominal] = SimulatedServer(nodes, uri, *self._where(nominal))
        return server

    def _station(self, name: str, settings: Any, objects: Objects) -> SimulatedStation:
        nominal = (settings.host, settings.port)
        objects.instance, objects.name = settings.instance, name
        if (station := self._stations.get(nominal)) is None:
            station = self._stations[nominal] = SimulatedStation(name, {}, *self._where(nominal))
        station.add((settings.network, bytes.fromhex(settings.mac)), objects)
        return station

    def _gateway(self, name: str, settings: Any) -> SimulatedGateway:
        nominal = (settings.host, settings.port)
        if settings.wire != "lunatone":
            raise ValueError(f"device {name}: expected wire lunatone, {settings.wire} is not simulated in a plant")
        if (gateway := self._gateways.get(nominal)) is None:
            serial = settings.gateway_serial or "4711"
            gateway = self._gateways[nominal] = SimulatedGateway(name, [], *self._where(nominal), serial)
        return gateway

    def _listener(self, name: str, settings: Any) -> SimulatedDevice:
        if settings.transport == "serial":
            raise ValueError(f"device {name}: expected transport tcp or rtu_tcp, a serial port is not simulated")
        nominal = (settings.host, settings.port)
        if (device := self._listening.get(nominal)) is None:
            host, port = self._where(nominal)
            device = self._modbus.add(name, (), host, port, size=0, transport=settings.transport)
            self._listening[nominal] = device
        if settings.unit_id in device.units:
            raise ValueError(f"device {name}: unit {settings.unit_id} at {nominal[0]}:{nominal[1]} exists already")
        device.units[settings.unit_id] = Memory(0)
        return device

    # --- life

    @property
    def count(self) -> int:
        """Addresses that are listened at."""
        return len(self._listening) + len(self._others)

    @property
    def _others(self) -> list[SimulatedServer | SimulatedGateway | SimulatedStation]:
        return [*self._collectors.values(), *self._gateways.values(), *self._stations.values()]

    async def start(self) -> None:
        """Listen everywhere.

        Raises:
            OSError: a port is in use or an address is not of this machine.
        """
        await self._modbus.start()
        for each in self._others:
            await each.start()

    async def stop(self) -> None:
        """Close all. Idempotent."""
        await self._modbus.stop()
        for each in self._others:
            await each.stop()
