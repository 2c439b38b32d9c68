# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_rights.py, tests/system/test_opcua_rights.py
"""What a user may do with the rows and names of a plant: the one place where Read, Write, Browse, subscriptions,
history and the control socket decide.

Law of this file: numpy and words only; no I/O, no protocol. One rule: *what a user may not see is not there for them*
(BadNodeIdUnknown, never browsed); what they see and may not do is BadUserAccessDenied.

Theory. Rows differ in rights by four things only: area, maintaining organisation, personal data, access. Each
combination that occurs is a *class*, a few hundred in a city, and each row has the number of its class. What a user may
do is a verdict per class, made once when they come; the verdict over a list of rows is one gather, whatever its length.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import Access, Rows, StatusCode, Statuses
from supervisor.people import User
from supervisor.plant.plant import EquipmentType, Plant

GRANTS_MAX: Final = 256  # users whose verdicts are kept; the one not asked for longest goes first

_GOOD: Final = int(StatusCode.Good)
_UNKNOWN: Final = int(StatusCode.BadNodeIdUnknown)


@dataclass(frozen=True, slots=True)
class RowClass:
    """What rows of one class have in common, as far as rights go. `maintainer`: '' for nobody."""

    area: str
    maintainer: str
    personal: bool
    access: Access


@dataclass(frozen=True, slots=True)
class Grants:
    """What one user may do in one plant. Verdicts per class; class 0 is 'no such row'.

    Attributes:
        read: Good, BadNodeIdUnknown (not theirs to see) or BadNotReadable, (classes,).
        write: Good, BadNodeIdUnknown, BadNotWritable or BadUserAccessDenied, (classes,).
        areas: areas that are there for them.
    """

    user: User
    read: Statuses
    write: Statuses
    areas: frozenset[str]
    _class_of_row: npt.NDArray[np.uint16]

    def reading(self, rows: Rows) -> Statuses:
        """Whether each row's value may be read, (n,); row -1 is unknown."""
        return self.read[self._class_of_row[rows]]

    def writing(self, rows: Rows) -> Statuses:
        """Whether each row may be commanded, life of the equipment and locks apart, (n,)."""
        return self.write[self._class_of_row[rows]]

    def sees(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Whether each row is there for this user, (n,): its node is browsed and its fixed attributes are read."""
        seen: npt.NDArray[np.bool_] = self.reading(rows) != _UNKNOWN
        return seen

    def sees_row(self, row: int) -> bool:
        return bool(self.read[self._class_of_row[row]] != _UNKNOWN)

    def may_write_row(self, row: int) -> bool:
        return bool(self.write[self._class_of_row[row]] == _GOOD)


class Rights:
    """The rows of one plant, by class.

    Attributes:
        class_of_row: (rows + 1,); the last belongs to row -1, so that an unknown name needs no test of its own.
    """

    def __init__(self, plant: Plant) -> None:
        self.classes: list[RowClass | None] = [None]
        self._numbers: dict[RowClass, int] = {}
        self.class_of_row = np.zeros(plant.rows + 1, np.uint16)
        domains = {name: _domains(type_) for name, type_ in plant.types.items()}
        for block in plant.blocks:
            pairs, pair_of = domains[block.type]
            personal, access = block.info.personal, block.info.access
            numbers = [self._number(RowClass(area, owner, personal, access)) for area, owner in pairs]
            self.class_of_row[block.rows] = np.array(numbers, np.uint16)[pair_of]
        self._areas = tuple(plant.areas)
        self._grants: OrderedDict[User, Grants] = OrderedDict()

    def _number(self, class_: RowClass) -> int:
        if class_ not in self._numbers:
            self._numbers[class_] = len(self.classes)
            self.classes.append(class_)
        return self._numbers[class_]

    def of(self, user: User) -> Grants:
        """What this user may do; made once and kept."""
        if (known := self._grants.get(user)) is not None:
            self._grants.move_to_end(user)
            return known
        made = self._grants[user] = self._make(user)
        if len(self._grants) > GRANTS_MAX:
            self._grants.popitem(last=False)
        return made

    def _make(self, user: User) -> Grants:
        read = np.array([_reading(user, c) for c in self.classes], np.uint32)
        write = np.array([_writing(user, c) for c in self.classes], np.uint32)
        seen = {c.area for c in self.classes if c is not None and user.may_see(c.area, c.maintainer)}
        areas = frozenset(a for a in self._areas if a in seen or (not user.limited and user.may_see(a)))
        return Grants(user, read, write, areas, self.class_of_row)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which names of a plant are there for one person: what alarms, records and devices are about."""

    plant: Plant
    user: User

    @property
    def whole(self) -> bool:
        """Whether nothing is kept from them but personal data."""
        return self.user.sees is None and not self.user.limited

    def subject(self, name: str) -> bool:
        """Whether an area, equipment, tag or rule is there for them; '' is the server, which is there for all.

        Of equipment that is gone the area is known, its maintainer is not.
        """
        if self.whole or not name:
            return True
        area, _, rest = name.partition("/")
        path = f"{area}/{rest.partition('/')[0]}"
        if (found := self.plant.find(path)) is not None:
            type_, instance = found
            return self.user.may_see(type_.equipment[instance].partition("/")[0], type_.maintainer(instance))
        return self.user.may_see(area)

    def device(self, name: str) -> bool:
        """'21605/CAB-0001.controller': whoever sees the equipment sees its devices."""
        return self.subject(name.rpartition(".")[0] or name)

    def people(self) -> bool:
        """Whether records of who came and went are for them: not for a limited organisation's."""
        return not self.user.limited


def _domains(type_: EquipmentType) -> tuple[list[tuple[str, str]], Rows]:
    """The (area, maintainer) pairs that occur in a type, and which of them each instance has, (instances,)."""
    areas = [path.partition("/")[0] for path in type_.equipment]
    found: dict[tuple[str, str], int] = {}
    owners = [type_.maintainer(i) for i in range(len(areas))]
    of = [found.setdefault(pair, len(found)) for pair in zip(areas, owners, strict=True)]
    return list(found), np.array(of, np.int64)


def _reading(user: User, class_: RowClass | None) -> int:
    if class_ is None or not user.may_see(class_.area, class_.maintainer):
        return _UNKNOWN
    if class_.personal and not user.may_read_personal():
        return _UNKNOWN
    return _GOOD if class_.access.readable else int(StatusCode.BadNotReadable)


def _writing(user: User, class_: RowClass | None) -> int:
    if class_ is None or _reading(user, class_) == _UNKNOWN:
        return _UNKNOWN
    if not class_.access.writable:
        return int(StatusCode.BadNotWritable)
    return _GOOD if user.may_write(class_.area, class_.maintainer) else int(StatusCode.BadUserAccessDenied)
