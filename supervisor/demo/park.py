# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_park.py
"""All simulated equipment of one type: its behaviour, its registers, and what a person did to it.

Law of this file: no sockets, no files; time comes with the sky. The behaviour knows engineering values only, the banks
know the type's register map only; here they meet, once a step, for all instances at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from config.model import EquipmentModel, TagModel, TypeModel
from config.words import Kind
from supervisor.demo.buildings import Buildings
from supervisor.demo.cabinets import Cabinets
from supervisor.demo.gearbank import GearBank
from supervisor.demo.lights import Luminaires
from supervisor.demo.nodebank import NodeBank
from supervisor.demo.objectbank import ObjectBank
from supervisor.demo.registers import Bank, parse
from supervisor.demo.resting import Resting
from supervisor.demo.sky import Moment
from supervisor.demo.stations import WeatherStations
from supervisor.demo.street import Bollards, Cameras, Collectors, Gateways, Gritters, Junctions, Vehicles

Values = Mapping[str, npt.NDArray[Any]]

PROTOCOLS: Final = ("modbus", "opcua", "bacnet", "dali")
_Bank = Bank | NodeBank | ObjectBank | GearBank


class Behaviour(Protocol):
    """What a type of equipment does. See `cabinets` for a whole one."""

    @property
    def texts(self) -> Mapping[str, str]:
        """String tags and what they say."""
        ...

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]: ...

    def acts(self) -> dict[str, Callable[[int, str], None]]: ...


_BEHAVIOURS: Final[dict[str, Callable[[Values, int, int], Behaviour]]] = {
    "CAB": Cabinets,
    "RWS": WeatherStations,
    "JCT": Junctions,
    "BOL": Bollards,
    "CAM": Cameras,
    "LUM": Luminaires,
    "VEH": Vehicles,
    "GRT": Gritters,
    "GWY": Gateways,
    "COL": Collectors,
    "BLD": Buildings,
}


class Park:
    """All instances of one type.

    Args:
        model: the type.
        points: tag -> address, of the tags that have one.
        equipment: the instances, in inventory order.
        seed: of all that is random.
        now_ns: UTC, for values that carry their time [ns].

    Attributes:
        banks: device role -> registers, nodes, objects or gear.
    """

    def __init__(
        self,
        model: TypeModel,
        points: Mapping[str, Any],
        equipment: Sequence[EquipmentModel],
        seed: int,
        now_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self.model = model
        self._count = len(equipment)
        roles = [role for role, device in model.devices.items() if device.protocol in PROTOCOLS]
        self._tags: dict[str, TagModel] = {}
        self._bank_of: dict[str, _Bank] = {}
        self.banks: dict[str, _Bank] = {}
        for role in roles:
            tags = {name: model.tags[name] for name in points if _role(model, model.tags[name]) == role}
            match model.devices[role].protocol:
                case "opcua":
                    bank: _Bank = NodeBank(tags, points, self._count, now_ns)
                case "bacnet":
                    bank = ObjectBank(tags, points, self._count)
                case "dali":
                    bank = GearBank(tags, points, self._count)
                case _:
                    bank = Bank(tags, points, self._count)
            self.banks[role] = bank
            self._tags |= tags
            self._bank_of |= dict.fromkeys(tags, bank)
        self._writable = [n for n, t in self._tags.items() if t.access_mode.writable and t.kind is not Kind.String]
        self._resting = Resting(self._tags, self._count)
        self._behaviour = self._behave(equipment, seed)
        self._pins: dict[str, dict[int, bool | int | float]] = {}
        self._stepped = False
        for name, text in self._behaviour.texts.items():
            for i in range(self._count if name in self._tags else 0):
                self._bank_of[name].put_text(name, i, text)

    def _behave(self, equipment: Sequence[EquipmentModel], seed: int) -> Behaviour:
        """The behaviour written for the type, if the type here has the parameters and is the one it was written for."""
        make = _BEHAVIOURS.get(self.model.type)
        parameters = {
            name: np.array([e.parameters.get(name) for e in equipment])
            for name in self.model.parameters
            if all(e.parameters.get(name) is not None for e in equipment)
        }
        if make is not None:
            try:
                return make(parameters, self._count, seed)
            except KeyError:
                return self._resting
        return self._resting

    def step(self, sky: Moment) -> None:
        """Take what was written into the registers, let the equipment go on, write what it now measures."""
        puts = {name: self._bank_of[name].get(name) for name in self._writable} if self._stepped else {}
        values = {**self._resting.step(sky, puts), **self._behaviour.step(sky, puts)}
        self._stepped = True
        for name, bank in self._bank_of.items():
            if name in values:
                bank.put(name, self._pinned(name, values[name]))

    def _pinned(self, tag: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not (pins := self._pins.get(tag)):
            return values
        values = values.copy()
        for i, value in pins.items():
            values[i] = value
        return values

    def value(self, instance: int, tag: str) -> bool | int | float | str:
        """What a server must read for one tag of one instance now.

        Raises:
            KeyError: the type has no such tag on the wire.
        """
        return self._bank_of[tag].value(tag, instance)

    def values(self, instance: int, role: str) -> dict[str, bool | int | float | str]:
        """`value` of every tag on one device."""
        return {tag: self.value(instance, tag) for tag in self.banks[role].names}

    def act(self, instance: int, text: str) -> str:
        """Do to one instance what a person types: 'trip K2', 'set V1 180', 'free V1', 'repair'.

        Returns: what was done, for that person.
        Raises:
            ValueError: nothing of the kind is known; with the known words.
        """
        word, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        acts = {**self._behaviour.acts(), "set": self._set, "free": self._free}
        if word not in acts:
            raise ValueError(f"expected one of {', '.join(acts)}, got {text!r}")
        acts[word](instance, rest)
        return f"done: {word} {rest}".rstrip()

    @property
    def words(self) -> tuple[str, ...]:
        """First words of what may be done to an instance."""
        return (*self._behaviour.acts(), "set", "free")

    def release(self, instance: int) -> None:
        """Take every `set` back."""
        for pins in self._pins.values():
            pins.pop(instance, None)

    def _set(self, instance: int, what: str) -> None:
        """A writable tag is written once, as from a panel on site; a measurement stays so until `free`."""
        tag, _, text = what.partition(" ")
        model = self._tags.get(tag)
        if model is None:
            raise ValueError(f"expected a tag of {self.model.type} on the wire, got {tag!r}")
        value = parse(model, text.strip())
        if isinstance(value, str):
            self._bank_of[tag].put_text(tag, instance, value)
        elif tag in self._writable:
            bank = self._bank_of[tag]
            present = bank.get(tag)
            present[instance] = value
            bank.put(tag, present)
        else:
            self._pins.setdefault(tag, {})[instance] = value

    def _free(self, instance: int, tag: str) -> None:
        if tag:
            self._pins.get(tag, {}).pop(instance, None)
        else:
            self.release(instance)


def _role(model: TypeModel, tag: TagModel) -> str | None:
    """The device role a tag lies on: named, or the only one."""
    if tag.device is not None:
        return tag.device
    return next(iter(model.devices)) if len(model.devices) == 1 else None
