# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_replacing.py, tests/system/test_replace.py
"""A meter, controller or luminaire was replaced: the new one is accepted, its counters go on where the old ones ended.

Law of this file: journalled first, then kept on the disk, then in force; what cannot be journalled or kept is not done.
It takes nobody for the new device who is another one of this plant: those were exchanged, not replaced.

`replacements.json` in the state folder holds what was accepted until the inventory says it, and the splices for good:

    {"identities": {"21605/CAB-0142.controller": {"instead_of": {"serial": "142"}, "accepted": {"serial": "9001"}}},
     "splices": {"21605/CAB-0142/E_act": 88231.7}, "joined_ns": {"21605/CAB-0142/E_act": 1764331200000000000}}

An accepted identity is forgotten once the inventory declares another one than it replaced.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from config.durable import write_whole
from config.words import BAD, Access, Clock, value_of
from drivers.base import DeviceSpec, DriverError
from drivers.host import Host
from drivers.identity import words
from historian.base import Journal, Record, RecordKind, Run
from supervisor.people import User
from supervisor.tags.splices import modulus_of, spliced
from supervisor.tags.table import TagTable

log = logging.getLogger(__name__)

FILE: Final = "replacements.json"
BYTES_MAX: Final = 16 * 2**20
ASK_S: Final = 3.0
COUNTER: Final = "C"


class CannotReplace(Exception):
    """Nothing was done; the sentence says why and what to give."""


@dataclass(slots=True)
class Wish:
    """What was asked for.

    Attributes:
        equipment: '21605/CAB-0142'.
        role: of its device; '': the only one, or the only one that is not who it should be.
        finals: tag -> last reading on the display of the old meter.
        firsts: tag -> reading of the new one when it was put in; what it reads now where none is given.
    """

    equipment: str
    reason: str
    role: str = ""
    finals: Mapping[str, float] = field(default_factory=dict)
    firsts: Mapping[str, float] = field(default_factory=dict)


class Replacer:
    """Replacements of one running plant."""

    def __init__(self, table: TagTable, host: Host, journal: Journal, clock: Clock, state_dir: Path, run: Run) -> None:
        self._table, self._host, self._journal, self._clock, self._run = table, host, journal, clock, run
        self._plant = table.plant
        self._path = state_dir / FILE
        self._identities: dict[str, Any] = {}
        self._splices: dict[str, float] = {}
        self._joined_ns: dict[str, int] = {}

    async def restore(self) -> None:
        """What was accepted and joined before this start. Call before the host starts.

        Raises:
            ValueError: the file is damaged: without it counters would fall.
        """
        try:
            kept = json.loads(await self._run(lambda: _read(self._path)))
            self._identities, self._splices = dict(kept["identities"]), dict(kept["splices"])
            self._joined_ns = {name: int(at) for name, at in kept.get("joined_ns", {}).items()}
        except FileNotFoundError:
            return
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            text = f"{self._path} is damaged ({error}); restore it from a backup, or remove it: counters will fall then"
            raise ValueError(text) from error
        for name, offset in self._splices.items():
            if (row := self._plant.row(name)) is not None:
                joined_ns = self._joined_ns.get(name)
                self._table.splices.put(row, float(offset), modulus_of(self._plant, row), joined_ns)
        for index, spec in enumerate(self._plant.devices):
            known = self._identities.get(spec.name)
            if known is not None and not self._host.accept(index, known["instead_of"], known["accepted"]):
                log.info("%s: the inventory says who it must be; what was accepted before is forgotten", spec.name)

    async def replace(self, user: User, origin: str, wish: Wish) -> dict[str, Any]:
        """Accept a new device.

        Returns: what was done, for people and scripts.
        Raises:
            CannotReplace, JournalError, OSError: nothing was done.
        """
        index, spec = self._device(wish)
        before, now = await self._who(index, spec)
        splices = await self._counters(index, spec, wish, replaced=before != now)
        if before == now and not splices:
            raise CannotReplace(
                f"{spec.name} is who it should be ({words(now) or 'nobody said who'}) and no counter was given; for a "
                "meter behind it give --final TAG=READING, the last reading of the old one"
            )
        alike = self._host.alike(index, before, now) if before != now else []
        told = [f"{words(before)} -> {words(now)}"] if alike else []
        told += [f"with {len(alike) - 1} more that it tells of"] if len(alike) > 1 else []
        told += [f"{tag} goes on at {s['shown']:.10g} (new meter: {s['first']:.10g})" for tag, s in splices.items()]
        text = f"replaced: {wish.reason}; {'; '.join(told)}"
        now_ns = self._clock.wall_ns()
        record = Record(now_ns, RecordKind.CONFIG, user.name, wish.equipment, text[:1000], {"terminal": origin})
        await self._journal.append([record])
        await self._keep(wish.equipment, [self._plant.devices[i].name for i in alike], (before, now), splices, now_ns)
        for tag, splice in splices.items():
            row = self._row(wish.equipment, tag)
            self._table.splices.put(row, splice["offset"], modulus_of(self._plant, row), now_ns)
        for each in alike:
            self._host.accept(each, before, now)
        return {"device": spec.name, "before": before, "now": now, "counters": splices, "text": text}

    # --- who

    def _device(self, wish: Wish) -> tuple[int, DeviceSpec]:
        own = [(i, d) for i, d in enumerate(self._plant.devices) if d.name.rpartition(".")[0] == wish.equipment]
        roles = [d.name.rpartition(".")[2] for _, d in own]
        if not own:
            raise CannotReplace(f"{wish.equipment} has no device that is asked")
        if wish.role:
            own = [(i, d) for (i, d), role in zip(own, roles, strict=True) if role == wish.role]
        elif len(own) > 1:
            own = [(i, d) for i, d in own if d.name in self._host.identities.wrong]
        if len(own) != 1:
            known = ", ".join(roles)
            raise CannotReplace(f"{wish.equipment} has {len(roles)} devices; say which with --device: {known}")
        return own[0]

    async def _who(self, index: int, spec: DeviceSpec) -> tuple[dict[str, str], dict[str, str]]:
        """Who it had to be and who it is, by the same names."""
        before = dict(self._host.declared(index))
        if not before:
            return {}, {}
        try:
            answered = await self._host.identify(index, ASK_S)
        except DriverError as error:
            raise CannotReplace(f"{spec.name} cannot be asked who it is: {error}") from error
        now = {name: answered[name] for name in before if name in answered}
        if now.keys() != before.keys():
            raise CannotReplace(f"{spec.name} says {words(answered) or 'nothing'}, expected {', '.join(before)} of it")
        if now.get("instance", "") != before.get("instance", ""):
            instance = now["instance"]
            raise CannotReplace(
                f"{spec.name} answers as device {instance}; an instance is an address: change it in the inventory"
            )
        other = self._host.identities.who(spec.protocol, now)
        if now != before and other not in ("", spec.name):
            raise CannotReplace(f"what answers is {other}, which has a place of its own: two were exchanged")
        return before, now

    # --- counters

    async def _counters(
        self, index: int, spec: DeviceSpec, wish: Wish, *, replaced: bool
    ) -> dict[str, dict[str, float]]:
        """For each counter to be joined: what is shown now, the first reading of the new meter, what is added."""
        for tag in (*wish.finals, *wish.firsts):
            self._position(spec, tag)
        tags = [p.name for p in spec.points if self._is_counter(wish.equipment, p.name, p.access)]
        found: dict[str, dict[str, float]] = {}
        for tag in tags:
            if not replaced and tag not in wish.finals:
                continue
            row = self._row(wish.equipment, tag)
            modulus, old = modulus_of(self._plant, row), self._table.splices.offsets.get(row, 0.0)
            shown = spliced(wish.finals[tag], old, modulus) if tag in wish.finals else self._last(row, tag)
            first = wish.firsts[tag] if tag in wish.firsts else await self._reads(index, spec, tag)
            found[tag] = {"shown": shown, "first": first, "offset": shown - first}
        return found

    def _is_counter(self, equipment: str, tag: str, access: Access) -> bool:
        info = self._plant.block(self._row(equipment, tag)).info
        return info.history_class == COUNTER and info.kind.is_float and access.readable

    def _row(self, equipment: str, tag: str) -> int:
        row = self._plant.row(f"{equipment}/{tag}")
        if row is None:
            raise CannotReplace(f"{equipment} has no tag '{tag}'")
        return row

    def _position(self, spec: DeviceSpec, tag: str) -> int:
        names = [p.name for p in spec.points]
        equipment = spec.name.rpartition(".")[0]
        counters = [p.name for p in spec.points if self._is_counter(equipment, p.name, p.access)]
        if tag not in counters:
            known = ", ".join(counters) or "none"
            raise CannotReplace(f"'{tag}' is no counter of {spec.name}; expected one of {known}")
        return names.index(tag)

    def _last(self, row: int, tag: str) -> float:
        value = self._table.last_value(row)
        if not isinstance(value, float) or not (self._table.last_usable_ns[row] or self._table.status[row] < BAD):
            raise CannotReplace(f"nothing was ever read of {tag}; give --final {tag}=READING of the old meter")
        return value

    async def _reads(self, index: int, spec: DeviceSpec, tag: str) -> float:
        """What the new meter reads now, whoever it is."""
        position = self._position(spec, tag)
        info = self._plant.block(int(spec.rows[position])).info
        try:
            [(cell, status, _)] = await self._host.read_back(index, [position], ASK_S, anyway=True)
        except DriverError as error:
            raise CannotReplace(f"{tag} of the new device cannot be read: {error}") from error
        raw = float(value_of(info.kind, cell))
        if status >= BAD or not math.isfinite(raw):
            raise CannotReplace(f"{tag} of the new device is Bad; give --first {tag}=READING")
        return raw * info.scale + info.offset

    # --- keeping

    async def _keep(
        self,
        equipment: str,
        devices: Sequence[str],
        change: tuple[dict[str, str], dict[str, str]],
        splices: Mapping[str, Mapping[str, float]],
        now_ns: int,
    ) -> None:
        """These devices are to be the second instead of the first, and the counters of the equipment go on."""
        identities, joined = dict(self._identities), dict(self._splices)
        before, now = change
        for name in devices:
            earlier = identities.get(name, {"instead_of": before, "accepted": before})
            of_inventory = earlier["instead_of"] if earlier["accepted"] == before else before
            identities[name] = {"instead_of": of_inventory, "accepted": now}
        joined |= {f"{equipment}/{tag}": splice["offset"] for tag, splice in splices.items()}
        joined_ns = self._joined_ns | {f"{equipment}/{tag}": now_ns for tag in splices}
        kept = {"identities": identities, "splices": joined, "joined_ns": joined_ns}
        content = json.dumps(kept, indent=1, sort_keys=True).encode() + b"\n"
        await self._run(lambda: write_whole(self._path, content, 0o600))
        self._identities, self._splices, self._joined_ns = identities, joined, joined_ns


def _read(path: Path) -> bytes:
    """Blocking."""
    with path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise ValueError(f"expected at most {BYTES_MAX} bytes")
    return content
