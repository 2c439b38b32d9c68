# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_plant.py
"""A loaded site becomes a plant: types x inventory -> blocks, rows, devices.

Law of this file: pure, deterministic, once per generation. The same site and catalogue give the same digest on any
machine. Work is per type and per instance, never per tag of an instance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.model import EquipmentModel, Life, Site, TagModel, TypeModel
from config.words import Access, Kind, Rows
from drivers.base import DeviceSpec, Point, PollClass
from supervisor.plant.plant import Area, Block, EquipmentType, Plant, TagInfo

# (names in row order, their kinds, new equipment path -> former one) -> series ids
SeriesOf = Callable[[Collection[str], npt.NDArray[np.uint8], dict[str, str]], npt.NDArray[np.uint32]]

POLLED: Final = frozenset({Life.COMMISSIONING, Life.IN_SERVICE, Life.MAINTENANCE})


class _Names(Collection[str]):
    """All tag names in row order, made while somebody looks: half a million texts are never held."""

    def __init__(self, blocks: Sequence[Block], types: dict[str, EquipmentType]) -> None:
        self._blocks, self._types = blocks, types

    def __len__(self) -> int:
        return sum(block.count for block in self._blocks)

    def __iter__(self) -> Iterator[str]:
        return (f"{path}/{b.tag}" for b in self._blocks for path in self._types[b.type].equipment)

    def __contains__(self, name: object) -> bool:
        return any(name == own for own in self)


def compile_plant(site: Site, series_of: SeriesOf) -> Plant:
    """Lay out the rows of a site.

    Args:
        site: loaded and checked.
        series_of: the catalogue; gives each name its series id.
    """
    types: dict[str, EquipmentType] = {}
    blocks: list[Block] = []
    start = 0
    for name, model in site.types.items():
        instances = site.equipment.get(name, ())
        own: dict[str, Block] = {}
        for tag, tag_model in model.tags.items():
            own[tag] = Block(len(blocks), name, tag, start, len(instances), _info(tag_model))
            blocks.append(own[tag])
            start += len(instances)
        types[name] = _equipment_type(model, instances, own)
    old_names = _old_names(site)
    where = {path: (t, i) for t in types.values() for i, path in enumerate(t.equipment)}
    counts = [b.count for b in blocks]
    block_of_row = np.repeat(np.arange(len(blocks), dtype=np.uint16), counts)
    kinds = np.repeat(np.array([b.info.kind for b in blocks], dtype=np.uint8), counts)
    series = series_of(_Names(blocks, types), kinds, {new: old for old, new in old_names.items()})
    return Plant(
        site=site.model.site,
        digest=_digest(site, blocks, types, series),
        rows=start,
        blocks=tuple(blocks),
        types=types,
        areas=_areas(site, types),
        devices=tuple(_devices(site, types)),
        series=series,
        block_of_row=block_of_row,
        supported=_supported(blocks, types, start),
        old_names=old_names,
        _where=where,
    )


def _info(m: TagModel) -> TagInfo:
    low, high = m.range or (float("nan"), float("nan"))
    instrument_low, instrument_high = m.instrument_range or (float("nan"), float("nan"))
    false, true = m.false_state, m.true_state
    return TagInfo(
        kind=m.kind,
        access=m.access_mode,
        title_fr=m.title.fr,
        title_en=m.title.en,
        unit=m.unit,
        low=float(low),
        high=float(high),
        values=tuple(m.values or ()),
        scale=float(m.scale),
        offset=float(m.offset),
        calc=m.calc,
        system=m.system,
        history_class=m.history.class_.value,
        personal=m.personal is not None,
        command=m.command,
        confirm=(m.confirm.feedback, m.confirm.within) if m.confirm else None,
        supported=m.unsupported is None,
        model=m,
        states=((false.fr, false.en), (true.fr, true.en)) if false and true else None,
        instrument_low=float(instrument_low),
        instrument_high=float(instrument_high),
        parameter=m.parameter,
    )


def _equipment_type(model: TypeModel, instances: Sequence[EquipmentModel], blocks: dict[str, Block]) -> EquipmentType:
    parameters = {
        name: _parameter(p.kind, [e.parameters.get(name, p.default) for e in instances])
        for name, p in model.parameters.items()
    }
    return EquipmentType(
        name=model.type,
        title_fr=model.title.fr,
        title_en=model.title.en,
        equipment=tuple(f"{e.area}/{e.name}" for e in instances),
        titles=tuple(e.title or e.name for e in instances),
        blocks=blocks,
        parameters=parameters,
        fitted={tag: parameters[m.fitted].astype(np.bool_) for tag, m in model.tags.items() if m.fitted},
        life=tuple(e.life.value for e in instances),
        maintained_by=tuple(e.maintained_by or "" for e in instances),
        fed_by=tuple(e.feeder or "" for e in instances),
    )


def _parameter(kind: Kind, values: list[Any]) -> npt.NDArray[Any]:
    if kind is Kind.String:
        return np.array(values, dtype=object)
    dtype: Any = np.float64 if kind.is_float else np.bool_ if kind is Kind.Boolean else np.int64
    return np.array(values, dtype=dtype)


def _old_names(site: Site) -> dict[str, str]:
    """Former path -> present path. A `was` without an area means a rename within the present area."""
    return {
        (old if "/" in old else f"{e.area}/{old}"): f"{e.area}/{e.name}"
        for instances in site.equipment.values()
        for e in instances
        for old in e.was
    }


def _supported(blocks: Iterable[Block], types: dict[str, EquipmentType], rows: int) -> npt.NDArray[np.bool_]:
    supported = np.ones(rows, np.bool_)
    for b in blocks:
        if not b.info.supported:
            supported[b.rows] = False
        elif (fitted := types[b.type].fitted.get(b.tag)) is not None:
            supported[b.rows] = fitted
    return supported


def _areas(site: Site, types: dict[str, EquipmentType]) -> dict[str, Area]:
    members: dict[str, list[tuple[str, int]]] = {code: [] for code in site.model.areas}
    for t in types.values():
        for i, path in enumerate(t.equipment):
            members[path.partition("/")[0]].append((t.name, i))
    return {code: Area(code, m.title, tuple(members[code]), m.title_en) for code, m in site.model.areas.items()}


def _devices(site: Site, types: dict[str, EquipmentType]) -> Iterable[DeviceSpec]:
    for name, model in site.types.items():
        t = types[name]
        for role, role_model in model.devices.items():
            tags = [tag for tag, m in model.tags.items() if m.point is not None and _role(model, m) == role]
            comm = [t.blocks[g].start for g, m in model.tags.items() if m.system == "comm" and _role(model, m) == role]
            polls = _polls(site, model)
            variants: dict[bytes, tuple[tuple[Point, ...], Rows]] = {}
            fitted = [t.fitted.get(tag) for tag in tags]
            for i, path in enumerate(t.equipment):
                if Life(t.life[i]) not in POLLED or (device := site.devices.get((path, role))) is None:
                    continue
                mask = bytes(bool(f is None or f[i]) for f in fitted)
                if mask not in variants:
                    kept = [tag for tag, keep in zip(tags, mask, strict=True) if keep]
                    points = tuple(_point(site, name, tag, model.tags[tag]) for tag in kept)
                    variants[mask] = points, np.array([t.blocks[tag].start for tag in kept], np.int64)
                points, starts = variants[mask]
                yield DeviceSpec(
                    name=f"{path}.{role}",
                    protocol=role_model.protocol,
                    device=device,
                    points=points,
                    rows=starts + i,
                    polls=polls,
                    comm_rows=np.array(comm, np.int64) + i,
                )


def _role(model: TypeModel, tag: TagModel) -> str:
    return tag.device or next(iter(model.devices), "")


def _point(site: Site, type_name: str, tag: str, m: TagModel) -> Point:
    access = m.access_mode
    return Point(tag, m.kind, access, site.points[(type_name, tag)], m.poll if access is not Access.W else None)


def _polls(site: Site, model: TypeModel) -> dict[str, PollClass]:
    classes = {}
    for name, own in model.poll_classes.items():
        p = site.model.poll_classes.get(f"{model.type}.{name}", own)
        classes[name] = PollClass(name, p.period, p.timeout, p.retries, p.bad_after)
    return classes


def _digest(
    site: Site, blocks: Sequence[Block], types: dict[str, EquipmentType], series: npt.NDArray[np.uint32]
) -> bytes:
    """16 bytes over what gives a row its meaning: names, kinds, scaling, series."""
    h = hashlib.blake2b(digest_size=16)
    rows = [[b.type, b.tag, int(b.info.kind), b.count, b.info.scale, b.info.offset] for b in blocks]
    h.update(json.dumps([site.model.site, rows, [t.equipment for t in types.values()]]).encode())
    h.update(series.tobytes())
    return h.digest()
