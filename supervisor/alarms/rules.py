# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_conditions.py
"""The rules of a plant: alarm rules of types x instances -> conditions, numbered.

Law of this file: immutable once built; no state, no I/O. A *condition* is one rule on one instance; the conditions of a
rule lie side by side in the order of the type's equipment, as tags do in a block, so that a rule is a slice.

Names are derived: '<area>/<equipment>/<rule>'. A number means nothing in another generation; a name does.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.model import AlarmClass, AlarmRule, Life, Priority
from config.words import NS_PER_S, Rows
from supervisor.alarms.state import SHELVING_MAX_NS, SHELVING_MAX_P1_NS, Rule
from supervisor.plant.plant import EquipmentType, Plant

Mask = npt.NDArray[np.bool_]

_RESTING: Final = frozenset({Life.PLANNED.value, Life.RETIRED.value})
_COMM: Final = "comm"


@dataclass(frozen=True, slots=True)
class RuleBlock:
    """One rule of one type over all instances: conditions start .. start+count-1.

    Attributes:
        rule: what the machine knows of it.
        model: as the engineer wrote it.
        in_force: instances that have all its tags and are in a state of life that counts, (n,).
        parents: indices of the blocks that hold this one back while they stand; () for what is never held back.
        feeders: conditions of the equipment that feeds each instance that hold this one back, -1 for none, (k, n); k is
            0 where none ever does.
    """

    index: int
    type: str
    start: int
    count: int
    rule: Rule
    model: AlarmRule
    in_force: Mask
    parents: tuple[int, ...]
    feeders: npt.NDArray[np.int64]

    @property
    def conditions(self) -> slice:
        return slice(self.start, self.start + self.count)


class RuleBook:
    """All conditions of one generation.

    Args:
        plant: as compiled.
        alarms: type -> rule name -> rule.
    Attributes:
        count: number of conditions.
        blocks: in the order of types and of their rules.
        block_of, block_numbers: block index of each condition, 2 bytes each; for one, and for many.
        in_force: (count,).
        silent: of equipment under commissioning: journalled, put before nobody, (count,).
    """

    def __init__(self, plant: Plant, alarms: Mapping[str, Mapping[str, AlarmRule]]) -> None:
        self.plant = plant
        blocks: list[RuleBlock] = []
        start = 0
        ways = max((sum(m.is_feeder for m in rules.values()) for rules in alarms.values()), default=0)
        for t in plant.types.values():
            rules = alarms.get(t.name, {})
            first = len(blocks)
            parents = tuple(first + i for i, m in enumerate(rules.values()) if m.parent)
            blinds_p1 = any(Priority.P1 in (m.priority, m.priority_extreme) for m in rules.values())
            for name, model in rules.items():
                fed = model.parent and any(t.fed_by)
                rule = machine_rule(name, model, at_least_p2=blinds_p1 and _watches_comm(t, model), fed=fed)
                blocks.append(
                    RuleBlock(
                        index=len(blocks),
                        type=t.name,
                        start=start,
                        count=len(t.equipment),
                        rule=rule,
                        model=model,
                        in_force=_in_force(plant, t, model),
                        parents=parents if rule.suppressible and not rule.parent else (),
                        feeders=np.full((ways if fed else 0, len(t.equipment)), -1, np.int64),
                    )
                )
                start += len(t.equipment)
        self.blocks = tuple(blocks)
        self.count = start
        counts = [b.count for b in blocks]
        # Read one at a time, a thousand times a scan at worst: an array is ten times faster there than numpy.
        self.block_numbers = np.repeat(np.arange(len(blocks), dtype=np.uint16), counts)
        self.block_of = array("H", self.block_numbers.tobytes())
        self.in_force: Mask = np.concatenate([np.zeros(0, np.bool_), *(b.in_force for b in blocks)])
        self.silent: Mask = np.concatenate([np.zeros(0, np.bool_), *(_silent(plant.types[b.type]) for b in blocks)])
        self._by_type = {name: tuple(b for b in blocks if b.type == name) for name in plant.types}
        self._by_name = {(b.type, b.rule.name): b for b in blocks}
        self._fed: dict[int, tuple[int, ...]] = {}
        self._find_feeders()

    def _find_feeders(self) -> None:
        """Which parent condition lies under which condition of a feeder; one that is protected is listed there only."""
        for t in self.plant.types.values():
            parents = [b for b in self._by_type[t.name] if b.rule.fed]
            for instance, path in enumerate(t.fed_by):
                if not path or (found := self.plant.find(path)) is None:
                    continue
                feeders = [b.start + found[1] for b in self._by_type[found[0].name] if b.model.is_feeder]
                for way, feeder in enumerate(feeders):
                    for block in parents:
                        block.feeders[way, instance] = feeder if block.rule.suppressible else -1
                    self._fed[feeder] = self._fed.get(feeder, ()) + tuple(b.start + instance for b in parents)

    def fed(self, feeder: int) -> tuple[int, ...]:
        """Parent conditions of what this condition's equipment feeds."""
        return self._fed.get(feeder, ())

    def below(self, parent: int) -> list[int]:
        """Conditions a parent may hold back, blind or leave standing: of its own equipment, and of what it feeds."""
        return [*self.siblings(parent), *self.fed(parent)]

    def of_type(self, name: str) -> tuple[RuleBlock, ...]:
        return self._by_type[name]

    def block(self, condition: int) -> RuleBlock:
        return self.blocks[self.block_of[condition]]

    def rule(self, condition: int) -> Rule:
        """What the machine knows of its rule."""
        return self.blocks[self.block_of[condition]].rule

    def equipment(self, condition: int) -> str:
        """'21605/CAB-0003'."""
        block = self.block(condition)
        return self.plant.types[block.type].equipment[condition - block.start]

    def domain(self, condition: int) -> tuple[str, str]:
        """Area and maintaining organisation ('' for none): what a person's rights depend on."""
        block = self.block(condition)
        type_, instance = self.plant.types[block.type], condition - block.start
        return type_.equipment[instance].partition("/")[0], type_.maintainer(instance)

    def name(self, condition: int) -> str:
        """'21605/CAB-0003/Supply_Loss'."""
        block = self.blocks[self.block_of[condition]]
        return f"{self.plant.types[block.type].equipment[condition - block.start]}/{block.rule.name}"

    def find(self, name: str) -> int | None:
        """Condition of that name (former equipment names too); None if there is none."""
        equipment, _, rule = name.rpartition("/")
        found = self.plant.find(equipment)
        if found is None or (block := self._by_name.get((found[0].name, rule))) is None:
            return None
        return block.start + found[1]

    def match(self, former: RuleBook) -> tuple[Rows, Rows]:
        """Conditions of a former generation that are the same here, by name, as (numbers there, numbers here)."""
        took: list[Rows] = [np.zeros(0, np.int64)]
        at: list[Rows] = [np.zeros(0, np.int64)]
        for name, t in former.plant.types.items():
            found = [self.plant.find(equipment) for equipment in t.equipment]
            same = [(i, f[1]) for i, f in enumerate(found) if f is not None and f[0].name == name]
            there, here = np.array(same, np.int64).reshape(-1, 2).T
            for block in former.of_type(name):
                if (now := self._by_name.get((name, block.rule.name))) is not None:
                    took.append(block.start + there)
                    at.append(now.start + here)
        return np.concatenate(took), np.concatenate(at)

    def siblings(self, condition: int) -> list[int]:
        """All conditions of the same equipment, itself left out."""
        block = self.block(condition)
        instance = condition - block.start
        return [b.start + instance for b in self._by_type[block.type] if b is not block]


def machine_rule(name: str, model: AlarmRule, *, at_least_p2: bool = False, fed: bool = False) -> Rule:
    """What the machine needs of a rule.

    Args:
        fed: its equipment is fed by other equipment that has an alarm.
        at_least_p2: it tells of a lost communication that blinds a P1.
    """
    priority = min(model.priority, Priority.P2) if at_least_p2 else model.priority
    extreme = model.priority_extreme or priority
    urgent = Priority.P1 in (priority, extreme) or model.class_ is AlarmClass.SAFETY
    default_ns = SHELVING_MAX_P1_NS if urgent else SHELVING_MAX_NS
    return Rule(
        name=name,
        priority=priority,
        priority_extreme=min(priority, extreme),
        safety=model.class_ is AlarmClass.SAFETY,
        latching=model.latching,
        ack_required=model.ack_required,
        confirm_required=model.confirm_required,
        parent=model.parent,
        fed=fed,
        on_delay_ns=_ns(model.on_delay),
        re_alarm_ns=None if model.re_alarm is None else _ns(model.re_alarm),
        shelving_max_ns=default_ns if model.shelving_max is None else _ns(model.shelving_max),
    )


def tags_of(model: AlarmRule) -> tuple[str, ...]:
    """Tags that the rule itself looks at (not those of its expressions)."""
    named = (model.tag, model.command, model.feedback, model.from_)
    return tuple(dict.fromkeys(t for t in named if t is not None))


def _ns(duration_s: float) -> int:
    return round(duration_s * NS_PER_S)


def _watches_comm(t: EquipmentType, model: AlarmRule) -> bool:
    return model.parent and any(b.info.system == _COMM for tag in tags_of(model) if (b := t.blocks.get(tag)))


def _silent(t: EquipmentType) -> Mask:
    return np.array([life == Life.COMMISSIONING.value for life in t.life], np.bool_)


def _in_force(plant: Plant, t: EquipmentType, model: AlarmRule) -> Mask:
    mask: Mask = np.array([life not in _RESTING for life in t.life], np.bool_)
    for tag in tags_of(model):
        if tag not in t.blocks:
            raise ValueError(f"{t.name}: an alarm rule names the tag '{tag}', which the type does not have")
        mask &= plant.supported[t.blocks[tag].rows]
    return mask
