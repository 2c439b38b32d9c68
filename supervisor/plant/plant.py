# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_plant.py, tests/unit/test_ground_floor.py
"""The compiled plant: types x inventory -> rows. Metadata lies on blocks, instances are integers.

Law of this file: immutable once built; numpy and words only; no I/O.

A **block** is one tag of one type over all its instances: `count` consecutive rows from `start`. So a rule or a
calculation over all instances of a type is a slice, and what is the same for all of them (kind, unit, range, scale)
is written once. The rows of a plant are its blocks laid end to end; a row number means nothing in another generation.

Names are derived, never stored per tag: '<area>/<equipment>/<tag>', resolved by two small dicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from config.words import Access, Kind, Rows
from drivers.base import DeviceSpec


@dataclass(frozen=True, slots=True)
class TagInfo:
    """What all instances of one tag of a type have in common.

    Attributes:
        unit: engineering unit as written ('kW'), None if it has none.
        low, high: declared range [unit]; NaN where none is declared.
        values: names of an Enumeration's values, by number.
        states: what False and True of a Boolean mean, each (fr, en); None where the type does not say.
        instrument_low, instrument_high: what the instrument can say at all [unit]; NaN where none is declared.
        scale, offset: engineering = raw x scale + offset; Float and Double only.
        calc: expression source, None unless calculated.
        system: name of the server-made source, None unless server-made.
        parameter: name of the parameter it shows, None unless it shows one.
        history_class: 'A1', 'E', ...
        personal: class P data: invisible without its role.
        command: 'order', 'act' or None (not commandable).
        confirm: (feedback tag, within [s]) or None.
        supported: False: keeps its row and reads BadNotSupported with null.
        model: the type's own tag model, for whatever is asked rarely.
    """

    kind: Kind
    access: Access
    title_fr: str
    title_en: str
    unit: str | None
    low: float
    high: float
    values: tuple[str, ...]
    scale: float
    offset: float
    calc: str | None
    system: str | None
    history_class: str
    personal: bool
    command: str | None
    confirm: tuple[str, float] | None
    supported: bool
    model: Any
    states: tuple[tuple[str, str], tuple[str, str]] | None = None
    instrument_low: float = float("nan")
    instrument_high: float = float("nan")
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One tag of one type over all instances: rows start .. start+count-1."""

    index: int
    type: str
    tag: str
    start: int
    count: int
    info: TagInfo

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.count)


@dataclass(frozen=True, slots=True)
class EquipmentType:
    """A type with its instances; position in `equipment` is the instance number.

    Attributes:
        equipment: names, '21605/CAB-0003' (area and equipment), in inventory order.
        blocks: tag name -> block, in the order of the type's YAML.
        parameters: name -> one value per instance, (n,): float64, bool, int64 or object (str).
        fitted: tag name -> mask of instances that have it, (n,); tags absent here are fitted everywhere.
        life: state of life per instance.
        fed_by: path of the equipment that supplies each instance, '' for none; empty: none is.
        maintained_by: organisation per instance, '' for none; empty: nobody maintains any.
    """

    name: str
    title_fr: str
    title_en: str
    equipment: tuple[str, ...]
    titles: tuple[str, ...]
    blocks: dict[str, Block]
    parameters: dict[str, npt.NDArray[Any]]
    fitted: dict[str, npt.NDArray[np.bool_]]
    life: tuple[str, ...]
    maintained_by: tuple[str, ...] = ()
    fed_by: tuple[str, ...] = ()

    def maintainer(self, instance: int) -> str:
        """The organisation that maintains an instance, '' for none."""
        return self.maintained_by[instance] if self.maintained_by else ""


@dataclass(frozen=True, slots=True)
class Area:
    """A commune: code, title and the equipment in it as (type, instance number)."""

    code: str
    title: str
    equipment: tuple[tuple[str, int], ...]
    title_en: str | None = None


@dataclass(frozen=True)
class Plant:
    """All rows of one generation.

    Attributes:
        digest: 16 bytes over everything that gives a row its meaning; every frame and checkpoint carries it.
        rows: number of rows.
        series: series id of each row, (rows,) u32; given by the catalogue, stable over generations.
        block_of_row: index of each row's block, (rows,) u16.
        supported: False where the row reads BadNotSupported, (rows,).
        old_names: former equipment path -> present one (`was:`); old names keep answering.
    """

    site: str
    digest: bytes
    rows: int
    blocks: tuple[Block, ...]
    types: dict[str, EquipmentType]
    areas: dict[str, Area]
    devices: tuple[DeviceSpec, ...]
    series: npt.NDArray[np.uint32]
    block_of_row: npt.NDArray[np.uint16]
    supported: npt.NDArray[np.bool_]
    old_names: dict[str, str]
    _where: dict[str, tuple[EquipmentType, int]] = field(repr=False)

    def find(self, equipment: str) -> tuple[EquipmentType, int] | None:
        """'21605/CAB-0003' -> (type, instance number); old names too; None if unknown."""
        return self._where.get(equipment) or self._where.get(self.old_names.get(equipment, ""))

    def maintainer(self, equipment: str) -> str:
        """The organisation that maintains '21605/CAB-0003', '' for none."""
        found = self.find(equipment)
        return "" if found is None else found[0].maintainer(found[1])

    def row(self, name: str) -> int | None:
        """'21605/CAB-0003/V1' -> row; None if there is no such tag."""
        equipment, _, tag = name.rpartition("/")
        found = self.find(equipment)
        if found is None or (block := found[0].blocks.get(tag)) is None:
            return None
        return block.start + found[1]

    def block(self, row: int) -> Block:
        """The block a row lies in."""
        return self.blocks[int(self.block_of_row[row])]

    def name(self, row: int) -> str:
        """Row -> '21605/CAB-0003/V1'."""
        block = self.block(row)
        return f"{self.types[block.type].equipment[row - block.start]}/{block.tag}"

    def names(self) -> Iterator[str]:
        """All names in row order. For catalogues and lists, never for a hot path."""
        for block in self.blocks:
            for equipment in self.types[block.type].equipment:
                yield f"{equipment}/{block.tag}"

    def rows_of(self, equipment: str) -> Rows | None:
        """Rows of all tags of one equipment, in the order of its type; None if unknown."""
        found = self.find(equipment)
        if found is None:
            return None
        return np.array([b.start + found[1] for b in found[0].blocks.values()], dtype=np.int64)
