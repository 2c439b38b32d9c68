# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py, tests/sim/test_many.py, tests/sim/test_day.py
"""The host: all devices of a site, their links, and what every driver would otherwise have to do by itself.

Law of this file: wiring and the three doors (start/stop, write, status). What a link does is `drivers.connection`'s,
what a device does is `drivers.device`'s; both decide by tables (`drivers.link`, `drivers.slots`).

Promises. Devices with an equal link key share one link. A read is asked again within its slot, a write never. A lost
link is told at once for every request on it, and is dialled again forever, with back-off. Dead devices cost nobody
else a slot: their places at the gates are taken away after `patience_s`, silent ones are asked rarely. A bug in a
driver takes down its own device and no other. Everything is bounded by `HostLimits`.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from random import Random
from typing import Any

from config.words import Clock, LinkState, Permit
from drivers.base import DeviceSpec, DriverError, Exchange, ProtocolSpec, Request, WriteItem, WriteOutcome, bind
from drivers.connection import Connection
from drivers.device import Device
from drivers.gate import Gate
from drivers.identity import Identities, Identity, words
from drivers.learned import Teachable, learned, recall
from drivers.putting import put, read_back
from drivers.sink import HostLimits, Means, Sink
from drivers.status import DeviceStatus, Probed

__all__ = ["DeviceStatus", "Host", "HostLimits", "Sink"]

log = logging.getLogger("vigie.field")


class Host:
    """Devices, asked in their slots. Make it inside a running loop.

    Attributes:
        requests: all requests of all devices; a request's id is its index here.
        device_of_request: index of the device each request belongs to, parallel to `requests`.
        identities: which devices are known not to be the ones that they should be.
    """

    def __init__(
        self,
        devices: Sequence[DeviceSpec],
        protocols: Mapping[str, ProtocolSpec],
        clock: Clock,
        sink: Sink,
        random: Random,
        limits: HostLimits | None = None,
    ) -> None:
        """Plan all devices; nothing is opened.

        Raises:
            ValueError: a device cannot be planned; names the device and what was expected.
            KeyError: a device's protocol is not in `protocols`.
        """
        limits = limits or HostLimits()
        self.requests: list[Request] = []
        self.device_of_request: list[int] = []
        self.identities = Identities()
        self._protocols = protocols
        self._loop = asyncio.get_running_loop()
        self._means = Means(
            sink=sink,
            clock=clock,
            random=random,
            limits=limits,
            polls=Gate(limits.in_flight_max, limits.patience_s),
            probes=Gate(limits.in_flight_max, limits.patience_s),
            connects=Gate(limits.connects_max, limits.patience_s),
            identities=self.identities,
        )
        self._plans: dict[Hashable, list[Exchange]] = {}
        self._connections: dict[tuple[str, Hashable], Connection] = {}
        self._devices: list[Device] = []
        self._teachable: list[Teachable] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._state = "new"
        for spec in devices:
            self._add(spec)

    def _add(self, spec: DeviceSpec) -> None:
        protocol = self._protocols[spec.protocol]
        index = len(self._devices)
        mine = [bind(e, spec.rows, len(self.requests) + i) for i, e in enumerate(self._plan(protocol, spec))]
        key = (spec.protocol, protocol.link_key(spec.device))
        if (connection := self._connections.get(key)) is None:
            connection = Connection(protocol.make_link(spec.device, self._means.clock), self._means)
            self._connections[key] = connection
        driver = protocol.make_driver(spec.name, spec.device, spec.points, connection.wire, self._means.clock)
        device = Device(index, spec, driver, mine, connection, self._means)
        connection.devices.append(device)
        self._devices.append(device)
        self._teachable.append(Teachable(spec, protocol, mine))
        self.requests += mine
        self.device_of_request += [index] * len(mine)

    def _plan(self, protocol: ProtocolSpec, spec: DeviceSpec) -> list[Exchange]:
        """One plan for all devices of a type whose settings do not matter to it."""
        key: Hashable = spec.name
        if protocol.plan_key is not None:
            key = (spec.protocol, id(spec.points), protocol.plan_key(spec.device))
        if (plan := self._plans.get(key)) is None:
            try:
                plan = protocol.plan(spec.device, spec.points)
            except ValueError as error:
                raise ValueError(f"{spec.name}: {error}") from error
            self._plans[key] = plan
        return plan

    # --- start and stop

    async def start(self) -> None:
        """Begin to connect and to ask. Returns at once; what comes, comes to the sink.

        Raises:
            RuntimeError: started before; make a new host.
        """
        if self._state != "new":
            raise RuntimeError(f"expected a new host, got one that is {self._state}")
        self._state = "running"
        for connection in self._connections.values():
            self._keep(connection.run(), f"link of {connection.devices[0].name}")
        for device in self._devices:
            self._keep(device.run(), device.name)

    def _keep(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task of the host ends at `stop` only; anything else is a bug of the host and must be seen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s is no longer served: fault in the host: %s", task.get_name(), error, exc_info=error)

    async def stop(self) -> None:
        """Close everything, in order and within `close_max_s` per link. Idempotent; leaves no task.

        The sink is not told: what was last said stays said.
        """
        self._state = "stopped"
        tasks, self._tasks = self._tasks, []
        for connection in self._connections.values():
            connection.quiet = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(connection.stop() for connection in self._connections.values()))
        for gate in (self._means.polls, self._means.probes, self._means.connects):
            gate.close()

    # --- writing

    async def write(
        self, device: int, items: Sequence[WriteItem], permit: Permit, timeout_s: float
    ) -> Sequence[WriteOutcome]:
        """Write in order, before any poll that waits for the same link; never repeated.

        Args:
            device: index in the devices the host was made with.
            permit: checked here and again by the driver, last before the socket.
            timeout_s: longest wait for the link, and then for each answer [s].

        Returns: one outcome per item. Refused: the device said no, or no byte left. Unknown: a byte left and no
            answer came. Never raises for what device, link or driver do.
        """
        target = self._devices[device]
        return await put(target, items, permit, timeout_s, self._means.clock, lambda: self._refusal(target))

    def _refusal(self, target: Device) -> str:
        return target.refusal() if self._state == "running" else f"{target.name}: the host is {self._state}"

    async def read_back(
        self, device: int, points: Sequence[int], timeout_s: float, anyway: bool = False
    ) -> Sequence[tuple[int, int, str | None]]:
        """Read points now, before any poll that waits for the same link: the evidence of a command.

        Args:
            points: positions in the device's point list.
            timeout_s: longest wait for the link, and then for each answer [s].
            anyway: also of a device that is another than it should be.

        Returns: for each: cell, StatusCode and (String only) text.
        Raises:
            DriverError: the device cannot be asked or did not answer; the text says why.
        """
        target = self._devices[device]
        if reason := target.standing.refusal() if anyway else self._refusal(target):
            raise DriverError(reason)
        return await read_back(target, points, timeout_s)

    def abort_writes(self, reason: str = "the permit to write was lost") -> int:
        """Reset at once every connection that may still hold a byte of a write; they are made again, with back-off.

        All others go on reading: they hold nothing that could arrive. Returns how many were reset.
        """
        holding = [connection for connection in self._connections.values() if connection.may_hold_a_write]
        for connection in holding:
            connection.abort(reason)
        return len(holding)

    # --- what is known

    def status(self) -> list[DeviceStatus]:
        """All devices, in the order they were given."""
        return [device.status() for device in self._devices]

    def device_status(self, index: int) -> DeviceStatus:
        """One device, by its place in the order they were given."""
        return self._devices[index].status()

    def declared(self, index: int) -> Identity:
        """Who a device must be; empty: nobody said."""
        return self._devices[index].identity.check.declared.texts

    async def identify(self, index: int, timeout_s: float) -> Identity:
        """Ask a device who it is now; nothing follows from the answer.

        Raises:
            DriverError: it cannot be asked or did not answer; the text says why.
        """
        target = self._devices[index]
        if reason := target.standing.refusal():
            raise DriverError(reason)
        try:
            async with asyncio.timeout(2 * timeout_s):
                return await target.identity.put(timeout_s)
        except TimeoutError:
            raise DriverError(f"{target.name}: the link was busy for {timeout_s:g} s") from None

    def alike(self, index: int, before: Identity, now: Identity) -> list[int]:
        """Devices on its link, itself first, that had to be `before` and answer as `now`: one server tells of them."""
        link = self._devices[index].connection
        others = (i for i, d in enumerate(self._devices) if d.connection is link and i != index)
        return [index, *(i for i in others if self._devices[i].identity.is_now(before, now))]

    def accept(self, index: int, instead_of: Mapping[str, str], accepted: Mapping[str, str]) -> bool:
        """From now on a device must be another than declared. False: it was not to be `instead_of`; nothing is done."""
        target = self._devices[index]
        if dict(self.declared(index)) != dict(instead_of):
            return False
        target.identity.accept(accepted)
        target.wake()
        return True

    async def probe(self, index: int, timeout_s: float) -> Probed:
        """Everything about one device, and who it says it is when it is asked now; nothing follows from that answer.

        Args:
            timeout_s: longest wait for the link, and then for the answer [s].
        """
        target, begun_s = self._devices[index], self._loop.time()
        said, trip_s, why = "", math.nan, ""
        try:
            said = words(await self.identify(index, timeout_s))
            trip_s = self._loop.time() - begun_s
        except DriverError as error:
            why = str(error)
        return Probed(target.status(), target.exchanges(), said, why, trip_s)

    def counters(self) -> dict[str, int]:
        """What the bounds saw: for each gate the most inside, who waits now, and places taken from overstayers."""
        gates = (("polls", self._means.polls), ("probes", self._means.probes), ("connects", self._means.connects))
        found = {}
        for name, gate in gates:
            found[f"{name}_inside_max"] = gate.inside_max
            found[f"{name}_waiting"] = gate.waiting
            found[f"{name}_overstayed"] = gate.overstayed
        return found

    def learned(self) -> dict[str, Any]:
        """What drivers learned of their devices, as plain data for a file; as `drivers.learned.learned`."""
        return learned(self._teachable)

    def recall(self, kept: Mapping[str, Any]) -> tuple[int, int]:
        """The other way, before `start`; as `drivers.learned.recall`.

        Raises:
            RuntimeError: started before.
        """
        if self._state != "new":
            raise RuntimeError(f"expected a new host, got one that is {self._state}")
        return recall(self._teachable, kept, self._loop.time())

    def worst(self, count: int) -> list[int]:
        """At most `count` devices, by their place: those that do not answer or answer as others first, then by name."""
        if count == 0:
            return []
        well = [d.standing.state()[0] is LinkState.UP and not d.identity.impostor for d in self._devices]
        return heapq.nsmallest(count, range(len(well)), key=lambda i: (well[i], self._devices[i].name))

    @property
    def links(self) -> int:
        """Connections that it keeps: so many sockets at least."""
        return len(self._connections)

    def link_states(self) -> list[LinkState]:
        """State of each device, in the order they were given; cheaper than `status`."""
        return [device.standing.state()[0] for device in self._devices]
