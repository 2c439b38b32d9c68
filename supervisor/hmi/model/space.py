# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_space.py
"""Names of the address space -> what they mean. Tags are never nodes: a name is resolved when someone asks for it.

Law of this file: no asyncua, no I/O; two small dicts (equipment, tags of a type), never one entry per tag.

    s=Plant                          the root of everything, under Objects
    s=21605                          area
    s=21605/CAB-0003                 equipment; old names (`was`) keep answering
    s=21605/CAB-0003/V1              tag
    s=21605/CAB-0003/V1/EURange      property of a tag
    s=type/CAB                       ObjectType of equipment; below it V1, V1/EURange as in every instance
    i=<series id>                    alias of a tag, given by RegisterNodes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import Rows, StatusCode, Statuses
from supervisor.hmi.model.details import details
from supervisor.hmi.model.place import ROOT, TYPES, Place, What
from supervisor.people import User
from supervisor.plant.plant import Area, Plant
from supervisor.rights import Rights

__all__ = ["ROOT", "Place", "Space", "What"]

# Above this many series ids per row a dense table would waste memory; then ids are bisected.
_DENSE_FACTOR: Final = 4


class Space:
    """The names of one plant.

    Attributes:
        elsewhere: whether a name that stands for nothing here stands for something of another family.
    """

    elsewhere: Callable[[str], bool]

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.elsewhere = lambda _name: False
        self._tags: dict[bytes, tuple[dict[bytes, int], int]] = {}
        for type_ in plant.types.values():
            starts = {tag.encode(): block.start for tag, block in type_.blocks.items()}
            for instance, name in enumerate(type_.equipment):
                self._tags[name.encode()] = (starts, instance)
        for old, present in plant.old_names.items():
            if (known := self._tags.get(present.encode())) is not None:
                self._tags.setdefault(old.encode(), known)
        series_max = int(plant.series.max(initial=0))
        self._dense = series_max <= _DENSE_FACTOR * plant.rows + 65_536
        if self._dense:
            self._row_of = np.full(series_max + 1, -1, np.int32)
            self._row_of[plant.series] = np.arange(plant.rows, dtype=np.int32)
        else:
            self._row_of = np.argsort(plant.series).astype(np.int32)
            self._sorted = plant.series[self._row_of]
        self.rights = Rights(plant)
        self.is_float = np.array([b.info.kind.is_float for b in plant.blocks], np.bool_)

    # -- many at once -------------------------------------------------------------------------------------------

    def rows_of_names(self, names: Sequence[bytes], *, unknown_ok: bool = False) -> Rows | None:
        """Rows of tag names '21605/CAB-0003/V1' (UTF-8), (n,); None if any of them is not a tag.

        Args:
            unknown_ok: a name that stands for nothing at all gives row -1 instead.
        """
        found = self._tags
        rows: list[int] = []
        try:
            for name in names:
                equipment, _, tag = name.rpartition(b"/")
                starts, instance = found[equipment]
                rows.append(starts[tag] + instance)
        except KeyError:
            return self._rows_or_unknown(names) if unknown_ok and self.plant.rows else None
        return np.array(rows, np.int64)

    def _rows_or_unknown(self, names: Sequence[bytes]) -> Rows | None:
        rows: list[int] = []
        for name in names:
            equipment, _, tag = name.rpartition(b"/")
            starts, instance = self._tags.get(equipment, ({}, 0))
            if (start := starts.get(tag)) is not None:
                rows.append(start + instance)
            elif self.find(text := name.decode(errors="replace")) is None and not self.elsewhere(text):
                rows.append(-1)
            else:
                return None
        return np.array(rows, np.int64)

    def rows_of_series(self, series: npt.NDArray[np.uint32]) -> Rows | None:
        """Rows of series ids, (n,); None if any is unknown."""
        if not self.plant.rows:
            return None
        if self._dense:
            if int(series.max(initial=0)) >= len(self._row_of):
                return None
            rows = self._row_of[series].astype(np.int64)
            return rows if int(rows.min(initial=0)) >= 0 else None
        at = np.minimum(np.searchsorted(self._sorted, series), len(self._sorted) - 1)
        return self._row_of[at].astype(np.int64) if (self._sorted[at] == series).all() else None

    def row_of_series(self, series: int) -> int | None:
        """The same for one, without arrays around it."""
        if self._dense:
            row = int(self._row_of[series]) if 0 <= series < len(self._row_of) else -1
            return row if row >= 0 else None
        if not 0 <= series < 2**32:
            return None
        at = int(self._sorted.searchsorted(np.uint32(series)))
        return int(self._row_of[at]) if at < len(self._sorted) and self._sorted[at] == series else None

    def all_open(self, rows: Rows, user: User) -> bool:
        """True when this user may read every one of these rows."""
        return not bool(self.rights.of(user).reading(rows).any())

    def readable(self, rows: Rows, status: Statuses, user: User) -> tuple[Rows, Statuses]:
        """Rows and statuses as this user may see them: what may not be seen gets row -1 and the reason as its status.

        Args:
            rows: (n,); -1 where there is no such node.
            status: StatusCode of each in the table, (n,); changed in place.
        """
        verdict = self.rights.of(user).reading(rows)
        refused = verdict != StatusCode.Good
        if not refused.any():
            return rows, status
        status[refused] = verdict[refused]
        return np.where(refused, -1, rows), status

    # -- one at a time ------------------------------------------------------------------------------------------

    def find(self, name: str) -> Place | None:
        """What a name stands for; None if nothing."""
        if name == ROOT:
            return Place(What.ROOT, ROOT)
        if name in self.plant.areas:
            return Place(What.AREA, name, area=name)
        if (owner := self._owner(name)) is not None:
            return owner
        head, _, last = name.rpartition("/")
        if (owner := self._owner(head)) is not None:
            return self._tag(owner, last)
        head, _, tag = head.rpartition("/")
        if (owner := self._owner(head)) is None or (place := self._tag(owner, tag)) is None:
            return None
        return self.detail(place, last)

    def of_row(self, row: int) -> Place:
        """The tag of a row."""
        block = self.plant.block(row)
        type_ = self.plant.types[block.type]
        instance = row - block.start
        equipment = type_.equipment[instance]
        return Place(What.TAG, f"{equipment}/{block.tag}", equipment.partition("/")[0], type_, instance, block)

    def _owner(self, name: str) -> Place | None:
        """The equipment or the type of this name: what has tags."""
        found = self.plant.find(name)
        if found is None:
            head, _, type_name = name.rpartition("/")
            return self.type(type_name) if head == TYPES else None
        type_, instance = found
        present = type_.equipment[instance]
        return Place(What.EQUIPMENT, present, present.partition("/")[0], type_, instance)

    def _tag(self, equipment: Place, tag: str) -> Place | None:
        type_ = equipment.type
        if type_ is None or (block := type_.blocks.get(tag)) is None:
            return None
        what = What.TAG if equipment.what is What.EQUIPMENT else What.DECLARATION
        return Place(what, f"{equipment.name}/{tag}", equipment.area, type_, equipment.instance, block)

    def detail(self, tag: Place, name: str) -> Place | None:
        """The property of a tag or declaration, None if it has no such property."""
        if name not in self.details(tag):
            return None
        what = What.PROPERTY if tag.what is What.TAG else What.DECLARED_PROPERTY
        return Place(what, f"{tag.name}/{name}", tag.area, tag.type, tag.instance, tag.block, name)

    @staticmethod
    def details(tag: Place) -> tuple[str, ...]:
        """Names of the properties a tag or declaration has."""
        return () if tag.block is None else details(tag.block.info)

    def type(self, name: str) -> Place | None:
        """The ObjectType of this name ('CAB')."""
        found = self.plant.types.get(name)
        return None if found is None else Place(What.TYPE, f"{TYPES}/{name}", type=found, instance=-1)

    def types(self) -> list[Place]:
        """The ObjectTypes of all equipment types."""
        return [place for name in self.plant.types if (place := self.type(name)) is not None]

    def children(self, place: Place) -> list[Place]:
        """Nodes one step below: areas, their equipment, its tags, their properties; likewise below a type."""
        if place.what is What.ROOT:
            return [Place(What.AREA, code, area=code) for code in self.plant.areas]
        if place.what is What.AREA:
            return [self.member(code, self.plant.areas[place.area]) for code in self.plant.areas[place.area].equipment]
        if place.what in (What.EQUIPMENT, What.TYPE) and place.type is not None:
            return [p for tag in place.type.blocks if (p := self._tag(place, tag)) is not None]
        if place.what in (What.TAG, What.DECLARATION):
            return [p for name in self.details(place) if (p := self.detail(place, name)) is not None]
        return []

    def child(self, place: Place, name: str) -> Place | None:
        """The node of this browse name one step below."""
        found = self.find(name if place.what is What.ROOT else f"{place.name}/{name}")
        return found if found is not None and found.what is place.what.below else None

    def member(self, member: tuple[str, int], area: Area) -> Place:
        """Equipment of an area, as the area lists it."""
        type_ = self.plant.types[member[0]]
        return Place(What.EQUIPMENT, type_.equipment[member[1]], area.code, type_, member[1])

    def parent(self, place: Place) -> Place | None:
        """The node one step above; None for the root and for types: theirs are not of the plant."""
        if place.what in (What.ROOT, What.TYPE):
            return None
        if place.what is What.AREA:
            return Place(What.ROOT, ROOT)
        if place.what is What.EQUIPMENT:
            return Place(What.AREA, place.area, area=place.area)
        return self.find(place.name.rpartition("/")[0])

    def visible(self, place: Place, user: User) -> bool:
        """Whether a node is there for this user at all. What types are made of is no secret."""
        if place.instance < 0:
            return True
        if place.block is not None:
            return self.rights.of(user).sees_row(place.row)
        if place.type is not None:
            return user.may_see(place.area, place.type.maintainer(place.instance))
        return place.what is What.ROOT or place.area in self.rights.of(user).areas

    def members(self, area: str, user: User) -> Sequence[tuple[str, int]]:
        """Equipment of an area that this user may see, as (type, instance): thousands, so never made places of."""
        found = self.plant.areas[area].equipment
        if not user.limited:
            return found if area in self.rights.of(user).areas else ()
        types = self.plant.types
        return [(name, i) for name, i in found if user.may_see(area, types[name].maintainer(i))]
