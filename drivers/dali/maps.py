# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_registers.py
"""Register maps of Modbus gateways to DALI, as data: where each value of the common model lies.

Law of this file: data and the arithmetic of addresses; adding a gateway of this sort is adding a map.

Sources: Intesis INMBSDAL user manual r1.3, 2.4 (addresses from 0; base of a gear 7000 x line + 100 x short address,
of a group 7000 x line + 20 x group + 6400, of all 7000 x line + 6800); ADFweb HD67845 manual MN67845 (four input
registers a gear from 4 x short address; commands are a pair of holding registers whose first byte is counted up).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from drivers.dali.frames import FAILURE_BITS, GO_TO_SCENE, STATUS_BITS, Target
from drivers.modbus.place import Table

Unit = Literal["bit", "percent", "arc", "number"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one value lies.

    Attributes:
        first: address on line 0, of gear 0 or group 0.
        per_gear, per_group: distance of the next one's.
        bit: of a Boolean.
        unit: percent: 0..100. arc: a level 0..254 in the low byte, 255 is MASK. number: as it is.
        most: largest sound number.
    """

    table: Table
    first: int
    per_gear: int = 0
    per_group: int = 0
    bit: int | None = None
    unit: Unit = "bit"
    most: int = 0

    def address(self, line_base: int, gear: int, group: int) -> int:
        """The register of one gear or group."""
        return line_base + self.first + self.per_gear * gear + self.per_group * group


@dataclass(frozen=True, slots=True)
class Counted:
    """Commands by a pair of registers: {count, target} and {value}; the gateway acts when the count has changed.

    Attributes:
        level: first address of the pair that sets levels.
        scene: of the pair that gives commands.
    """

    level: int
    scene: int

    def words(self, value: str, target: Target, count: int, number: int) -> int:
        """The pair as one number of 32 bits."""
        if target.gear is not None:
            who = target.gear
        else:
            who = 127 if target.group is None else 64 + target.group
        what = GO_TO_SCENE + number if value == "scene" else number
        return (count & 0xFF) << 24 | who << 16 | what


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A gateway's registers.

    Attributes:
        per_line: distance of the next line's registers.
        lines: how many lines it has.
        places: value -> where it is read, and, without `counted`, written.
        counted: how it takes commands, if not by writing the place.
    """

    name: str
    per_line: int
    lines: int
    places: Mapping[str, Place]
    counted: Counted | None = None


INTESIS: Final = RegisterMap(
    name="Intesis INMBSDAL",
    per_line=7000,
    lines=2,
    places={
        **{name: Place("holding", 5, 100, bit=bit) for name, bit in STATUS_BITS.items()},
        "level": Place("holding", 6, 100, unit="percent", most=100),
        "level_set": Place("holding", 15, 100, unit="percent", most=100),
        **{name: Place("holding", 80, 100, bit=bit) for name, bit in FAILURE_BITS.items()},
        "group_level": Place("holding", 6400, per_group=20, unit="percent", most=100),
        "line_level": Place("holding", 6800, unit="percent", most=100),
        "scene": Place("holding", 6805, unit="number", most=15),
    },
)

ADFWEB: Final = RegisterMap(
    name="ADFweb HD67845",
    per_line=0,
    lines=1,
    places={
        **{name: Place("input", 0, 4, bit=8 + bit) for name, bit in STATUS_BITS.items()},
        **{
            name: Place("input", 0, 4, unit="arc", most=254)
            for name in ("level", "arc_level", "level_set", "arc_level_set")
        },
    },
    counted=Counted(level=0, scene=64),
)

MAPS: Final[Mapping[str, RegisterMap]] = {"intesis": INTESIS, "adfweb": ADFWEB}
