# SPDX-License-Identifier: Apache-2.0
"""Small plants built by hand, for tests of what works on a plant: no YAML, no compiler, no catalogue.

plant = make_plant(
    {"CAB": TypeSpec({"P": tag("Float"), "Double": tag("Float", calc="2 * P")}, {"lamp_W": [55.0, 70.0]})},
    {"CAB": ["21000/CAB-0001", "21000/CAB-0002"]},
)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from config.words import Access, Kind
from supervisor.plant.plant import Area, Block, EquipmentType, Plant, TagInfo


def tag(
    kind: str,
    *,
    calc: str | None = None,
    values: Sequence[str] = (),
    span: tuple[float, float] = (float("nan"), float("nan")),
    unit: str | None = None,
    access: Access = Access.R,
    supported: bool = True,
) -> TagInfo:
    """What a tag of a type looks like; everything unsaid is plain."""
    return TagInfo(
        kind=Kind[kind],
        access=access,
        title_fr="x",
        title_en="x",
        unit=unit,
        low=span[0],
        high=span[1],
        values=tuple(values),
        scale=1.0,
        offset=0.0,
        calc=calc,
        system=None,
        history_class="A1",
        personal=False,
        command=None,
        confirm=None,
        supported=supported,
        model=None,
    )


@dataclass(frozen=True)
class TypeSpec:
    """Tags by name; parameters and fitted masks: one value per instance."""

    tags: Mapping[str, TagInfo]
    parameters: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    fitted: Mapping[str, Sequence[bool]] = field(default_factory=dict)


def make_plant(
    types: Mapping[str, TypeSpec],
    instances: Mapping[str, Sequence[str]],
    series: dict[str, int] | None = None,
    site: str = "hand",
) -> Plant:
    """A plant of these types and instances ('21000/CAB-0001').

    Args:
        series: name -> series id, grown in place; hand the same dict to two generations and the same names keep
            their ids, as the catalogue would see to it.
    """
    series = {} if series is None else series
    blocks: list[Block] = []
    compiled: dict[str, EquipmentType] = {}
    supported: list[np.ndarray] = []
    start = 0
    for name, spec in types.items():
        paths = tuple(instances.get(name, ()))
        own: dict[str, Block] = {}
        for label, info in spec.tags.items():
            own[label] = Block(len(blocks), name, label, start, len(paths), info)
            blocks.append(own[label])
            start += len(paths)
            fits = np.array(spec.fitted.get(label, [True] * len(paths)), np.bool_)
            supported.append(fits & info.supported)
        compiled[name] = EquipmentType(
            name=name,
            title_fr="x",
            title_en="x",
            equipment=paths,
            titles=paths,
            blocks=own,
            parameters={p: np.array(v) for p, v in spec.parameters.items()},
            fitted={t: np.array(v, np.bool_) for t, v in spec.fitted.items()},
            life=("in service",) * len(paths),
        )
    names = [f"{path}/{b.tag}" for b in blocks for path in compiled[b.type].equipment]
    ids = np.array([series.setdefault(n, len(series) + 1) for n in names], np.uint32)
    members: dict[str, list[tuple[str, int]]] = {}
    for t in compiled.values():
        for i, path in enumerate(t.equipment):
            members.setdefault(path.partition("/")[0], []).append((t.name, i))
    return Plant(
        site=site,
        digest=hashlib.blake2b("\n".join([site, *names]).encode(), digest_size=16).digest(),
        rows=start,
        blocks=tuple(blocks),
        types=compiled,
        areas={code: Area(code, code, tuple(m)) for code, m in members.items()},
        devices=(),
        series=ids,
        block_of_row=np.repeat(np.arange(len(blocks), dtype=np.uint16), [b.count for b in blocks]),
        supported=np.concatenate(supported) if supported else np.zeros(0, np.bool_),
        old_names={},
        _where={path: (t, i) for t in compiled.values() for i, path in enumerate(t.equipment)},
    )
