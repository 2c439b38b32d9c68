# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_diff.py
"""What changes between two plants: a pure comparison, told to an engineer before anything is touched.

Law of this file: no I/O, nothing is applied. Sameness of a tag is its series id; sameness of a device is its name, its
settings, its points and its poll classes. A device that is the same keeps its connection, values and slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from drivers.base import DeviceSpec
from supervisor.plant.match import match_series
from supervisor.plant.plant import EquipmentType, Plant


@dataclass(frozen=True, slots=True)
class Diff:
    """Equipment by path, tags as 'TYPE/tag', devices by name; all sorted.

    Attributes:
        renamed: (former path, present path): same history under a new name.
        life: (path, former state, present state).
        fed_by: (path, former feeder, present feeder), '' for none.
        parameters: (path, parameter, former, present).
        tags_changed: ('TYPE/tag', what differs).
        devices_changed: (name, what differs).
        devices_same: number of devices nothing happens to.
        rows_kept, rows_new, rows_gone: tags by history.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    life: tuple[tuple[str, str, str], ...]
    fed_by: tuple[tuple[str, str, str], ...]
    parameters: tuple[tuple[str, str, str, str], ...]
    tags_added: tuple[str, ...]
    tags_removed: tuple[str, ...]
    tags_changed: tuple[tuple[str, str], ...]
    devices_added: tuple[str, ...]
    devices_removed: tuple[str, ...]
    devices_changed: tuple[tuple[str, str], ...]
    devices_same: int
    rows_kept: int
    rows_new: int
    rows_gone: int

    @property
    def empty(self) -> bool:
        """True if nothing an engineer wrote differs."""
        return not any(list(self.lines())[:-1])

    def lines(self) -> Iterator[str]:
        """One line per change, '+' new, '-' gone, '~' different; the last line counts."""
        yield from (f"+ equipment {p}" for p in self.added)
        yield from (f"- equipment {p}" for p in self.removed)
        yield from (f"~ equipment {old} is now {new}; its history goes on" for old, new in self.renamed)
        yield from (f"~ equipment {p}: {old} -> {new}" for p, old, new in self.life)
        yield from (f"~ equipment {p}: fed by {old or 'none'} -> {new or 'none'}" for p, old, new in self.fed_by)
        yield from (f"~ equipment {p}: {name} {old} -> {new}" for p, name, old, new in self.parameters)
        yield from (f"+ tag {t}" for t in self.tags_added)
        yield from (f"- tag {t}" for t in self.tags_removed)
        yield from (f"~ tag {t}: {what}" for t, what in self.tags_changed)
        yield from (f"+ device {d}" for d in self.devices_added)
        yield from (f"- device {d}" for d in self.devices_removed)
        yield from (f"~ device {d}: {what}" for d, what in self.devices_changed)
        yield (
            f"{self.rows_kept:,} tags keep their history, {self.rows_new:,} are new, {self.rows_gone:,} end; "
            f"{self.devices_same:,} devices are not touched"
        )


def diff(old: Plant, new: Plant) -> Diff:
    """Compare two plants of one site whose series ids come from one catalogue.

    Raises:
        ValueError: they are plants of different sites.
    """
    if old.site != new.site:
        raise ValueError(f"expected two plants of one site, got '{old.site}' and '{new.site}'")
    was, now = _equipment(old), _equipment(new)
    renamed = tuple(sorted((o, n) for o, n in new.old_names.items() if o in was and n in now and o not in now))
    gone = {o for o, _ in renamed}
    come = {n for _, n in renamed}
    both = [(p, p) for p in sorted(was.keys() & now.keys())] + list(renamed)
    kept, _ = match_series(old.series, new.series)
    devices_was = {d.name: d for d in old.devices}
    devices_now = {d.name: d for d in new.devices}
    shared = sorted(devices_was.keys() & devices_now.keys())
    device_changes = [(name, _device_change(devices_was[name], devices_now[name])) for name in shared]
    types = [(name, old.types[name], new.types[name]) for name in sorted(old.types.keys() & new.types.keys())]
    return Diff(
        added=tuple(sorted(now.keys() - was.keys() - come)),
        removed=tuple(sorted(was.keys() - now.keys() - gone)),
        renamed=renamed,
        life=tuple(c for o, n in both for c in _life(n, was[o], now[n])),
        fed_by=tuple(c for o, n in both for c in _feeder(n, was[o], now[n], dict(renamed))),
        parameters=tuple(c for o, n in both for c in _parameters(n, was[o], now[n])),
        tags_added=tuple(f"{name}/{tag}" for name, a, b in types for tag in b.blocks if tag not in a.blocks),
        tags_removed=tuple(f"{name}/{tag}" for name, a, b in types for tag in a.blocks if tag not in b.blocks),
        tags_changed=tuple(c for name, a, b in types for c in _tags(name, a, b)),
        devices_added=tuple(sorted(devices_now.keys() - devices_was.keys())),
        devices_removed=tuple(sorted(devices_was.keys() - devices_now.keys())),
        devices_changed=tuple((name, what) for name, what in device_changes if what),
        devices_same=sum(1 for _, what in device_changes if not what),
        rows_kept=len(kept),
        rows_new=new.rows - len(kept),
        rows_gone=old.rows - len(kept),
    )


def _equipment(plant: Plant) -> dict[str, tuple[EquipmentType, int]]:
    return {path: (t, i) for t in plant.types.values() for i, path in enumerate(t.equipment)}


def _life(path: str, old: tuple[EquipmentType, int], new: tuple[EquipmentType, int]) -> Iterable[tuple[str, str, str]]:
    before, after = old[0].life[old[1]], new[0].life[new[1]]
    if before != after:
        yield path, before, after


def _feeder(
    path: str, old: tuple[EquipmentType, int], new: tuple[EquipmentType, int], renamed: Mapping[str, str]
) -> Iterable[tuple[str, str, str]]:
    """Another feeder; the same one under a new name is none."""
    before, after = ((t.fed_by[i] if t.fed_by else "") for t, i in (old, new))
    if renamed.get(before, before) != after:
        yield path, before, after


def _parameters(
    path: str, old: tuple[EquipmentType, int], new: tuple[EquipmentType, int]
) -> Iterable[tuple[str, str, str, str]]:
    for name in old[0].parameters.keys() & new[0].parameters.keys():
        before, after = old[0].parameters[name][old[1]], new[0].parameters[name][new[1]]
        if before != after and not (_nan(before) and _nan(after)):
            yield path, name, str(before), str(after)


def _nan(value: object) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _tags(name: str, old: EquipmentType, new: EquipmentType) -> Iterable[tuple[str, str]]:
    for tag in old.blocks:
        if tag not in new.blocks:
            continue
        before, after = old.blocks[tag].info.model, new.blocks[tag].info.model
        if before != after:
            fields = [f for f in type(before).model_fields if getattr(before, f) != getattr(after, f)]
            yield f"{name}/{tag}", ", ".join(f"{f} {getattr(before, f)} -> {getattr(after, f)}" for f in fields)


def _device_change(old: DeviceSpec, new: DeviceSpec) -> str:
    parts = []
    if old.protocol != new.protocol:
        parts.append(f"protocol {old.protocol} -> {new.protocol}")
    elif old.device != new.device:
        fields = [f for f in type(old.device).model_fields if getattr(old.device, f) != getattr(new.device, f)]
        parts += [f"{f} {getattr(old.device, f)} -> {getattr(new.device, f)}" for f in fields]
    if old.points != new.points:
        parts.append("points")
    if old.polls != new.polls:
        parts.append("poll classes")
    return ", ".join(parts)
