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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.durable import write_whole
from config.model import Life, Site
from config.words import Clock
from supervisor.demo.door import FieldDoor
from supervisor.demo.park import PROTOCOLS, Park
from supervisor.demo.sky import Sky
from supervisor.demo.wires import Answering, Ports, Wires, faults_of

FIELD_FILE: Final = "field.json"
STEP_S: Final = 0.5
ALL: Final = "*"
CUT: Final = "supply"
"""What can be done to equipment that a feeder can cut."""
_NOT_POLLED: Final = (Life.PLANNED, Life.RETIRED)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a device of the site is: its type's park, role and instance, and the simulated device that answers."""

    park: Park
    role: str
    instance: int
    device: Answering


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
        self._wires = Wires(clock, ports)
        self._parks: list[Park] = []
        self._places: dict[str, _Place] = {}
        self._fed: dict[str, list[str]] = {}
        self._door = FieldDoor(state, self._request) if state is not None else None
        self._stepping: asyncio.Task[None] | None = None
        for name in site.equipment:
            if any(role.protocol in PROTOCOLS for role in site.types[name].devices.values()):
                self._settle(site, name, seed)
        self.step()

    def _settle(self, site: Site, type_: str, seed: int) -> None:
        """Give every device of one type its place on a wire."""
        equipment = [e for e in site.equipment[type_] if e.life not in _NOT_POLLED]
        if not equipment:
            return
        points = {tag: point for (owner, tag), point in site.points.items() if owner == type_}
        park = Park(site.types[type_], points, equipment, seed, self._clock.wall_ns)
        self._parks.append(park)
        for role, bank in park.banks.items():
            for i, unit in enumerate(equipment):
                name = f"{unit.area}/{unit.name}.{role}"
                device = self._wires.join(bank, i, name, site.devices[f"{unit.area}/{unit.name}", role])
                self._places[name] = _Place(park, role, i, device)
                if unit.feeder is not None and CUT in park.words:
                    self._fed.setdefault(unit.feeder, []).append(name)

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
            await self._wires.start()
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
        await self._wires.stop()
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
        return self._wires.count

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
        elif word in faults_of(place.device):
            place.device.turn(text)
        elif word in place.park.words:
            place.park.act(place.instance, text)
            if not self._frozen:
                self.step()
        else:
            faults, words = ", ".join(faults_of(place.device)), ", ".join(place.park.words)
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
