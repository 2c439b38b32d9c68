# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_space.py
"""What a name of the plant stands for: one node, made when someone asks and forgotten afterwards.

Law of this file: words only; no asyncua. How a name is found is `space.py`'s, what the node says `nodes.py`'s matter.

A type has the same shape as its instances, node by node: its variables are *instance declarations*. Source: OPC
10000-3, 6.2. They are places of their own kind, with no row, so that nothing can mistake one for a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from supervisor.plant.plant import Block, EquipmentType

ROOT: Final = "Plant"
TYPES: Final = "type"  # 'type/CAB/V1'; no equipment is called so: its name has a number


class What(Enum):
    """What a name stands for."""

    ROOT = auto()
    AREA = auto()
    EQUIPMENT = auto()
    TAG = auto()
    PROPERTY = auto()
    TYPE = auto()
    DECLARATION = auto()
    DECLARED_PROPERTY = auto()

    @property
    def is_variable(self) -> bool:
        return self in _VARIABLES

    @property
    def is_property(self) -> bool:
        return self in (What.PROPERTY, What.DECLARED_PROPERTY)

    @property
    def is_notifier(self) -> bool:
        """Whether events are seen there: those of everything below it."""
        return self in (What.ROOT, What.AREA, What.EQUIPMENT)

    @property
    def below(self) -> What | None:
        """What hangs under it, within the plant."""
        return _BELOW.get(self)


_VARIABLES: Final = frozenset({What.TAG, What.PROPERTY, What.DECLARATION, What.DECLARED_PROPERTY})
_BELOW: Final = {
    What.ROOT: What.AREA,
    What.AREA: What.EQUIPMENT,
    What.EQUIPMENT: What.TAG,
    What.TAG: What.PROPERTY,
    What.TYPE: What.DECLARATION,
    What.DECLARATION: What.DECLARED_PROPERTY,
}


@dataclass(frozen=True, slots=True)
class Place:
    """One node of the plant, made on demand.

    Attributes:
        name: the present name, whatever old name or alias was asked for.
        area: of everything but the root and types.
        type: of equipment and all below it, and of types; `instance`: -1 on the side of types.
        block: of tags, declarations and their properties.
        detail: name of the property, '' otherwise.
    """

    what: What
    name: str
    area: str = ""
    type: EquipmentType | None = None
    instance: int = 0
    block: Block | None = None
    detail: str = ""

    @property
    def row(self) -> int:
        """Row of a tag or of a property's tag; -1 for all else."""
        return -1 if self.block is None or self.instance < 0 else self.block.start + self.instance

    @property
    def last(self) -> str:
        """The last part of the name: its browse name."""
        return self.name.rpartition("/")[2]
