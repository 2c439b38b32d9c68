# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarms.py
"""An alarm as a document for people and scripts; which list it is in; which comes first.

Law of this file: reads what is shown, changes nothing; one document per alarm asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from config.words import NS_PER_S
from supervisor.alarms.desk import AlarmDesk
from supervisor.alarms.lists import children, standing
from supervisor.alarms.records import value_tag
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.shown import Entry
from supervisor.alarms.state import COMMISSIONING, QUIET_NS, Rule
from supervisor.alarms.wording import wording
from supervisor.commands.values import iso

CHILDREN_SHOWN: Final = 50


LISTS: Final[dict[str, Callable[[Entry, Rule], bool]]] = {
    "active": lambda e, r: standing(e.live.state, r) and not e.silent,
    "unacked": lambda e, r: standing(e.live.state, r) and not e.live.state.acked and not e.silent,
    "shelved": lambda e, _r: e.live.state.shelved,
    "suppressed": lambda e, _r: e.live.state.suppressed or e.silent,
    "out-of-service": lambda e, _r: e.live.state.out_of_service or not e.live.state.enabled,
    "all": lambda _e, _r: True,
}


def order(book: RuleBook, *, newest: bool) -> Callable[[int, Entry], tuple[Any, ...]]:
    """Sort key: the urgent and unacknowledged ones first, then the newest; or the newest first of all."""

    def key(condition: int, entry: Entry) -> tuple[Any, ...]:
        state = entry.live.state
        priority = book.block(condition).rule.priority_at(state.level)
        if newest:
            return (-state.raised_ns, priority.value, condition)
        return (priority.value, state.acked, -state.raised_ns, condition)

    return key


def document(desk: AlarmDesk, condition: int, entry: Entry, now_ns: int, sees: Callable[[str], bool]) -> dict[str, Any]:
    """One alarm; `sees`: whether an alarm below it, by its name, is there for who asks.

    Times are ISO 8601, null where nothing happened yet.
    """
    book, state = desk.book, entry.live.state
    block = book.block(condition)
    model, rule, instance = block.model, block.rule, condition - block.start
    kind = book.plant.types[block.type]
    equipment = kind.equipment[instance]
    area = equipment.partition("/")[0]
    tag = kind.blocks.get(value_tag(model) or "")
    known_area = book.plant.areas.get(area)
    made: dict[str, Any] = {
        "name": book.name(condition),
        "event": None if entry.event is None else str(entry.event),
        "recorded": desk.shown.recorded(entry),
        "priority": rule.priority_at(state.level).value,
        "severity": rule.severity_at(state.level),
        "state": state.flat.value,
        "active": state.active,
        "acked": state.acked,
        "latched": state.latched,
        "known": state.evaluable,
        "level": state.level,
        "raised": _time(state.raised_ns),
        "returned": _time(state.returned_ns),
        "elapsed_s": round((now_ns - state.raised_ns) / NS_PER_S, 1) if state.raised_ns else None,
        "area": area,
        "area_title": known_area.title if known_area is not None else area,
        "equipment": equipment.partition("/")[2],
        "equipment_title": kind.titles[instance],
        "text": wording(model, book.name(condition), entry.value),
        "value": entry.value,
        "unit": tag.info.unit if tag is not None else None,
        "limit": desk.engine.conditions.limit(condition, state.level),
        "owner_desk": model.owner_desk,
        "acked_by": entry.acked_by or None,
        "acked_at": _time(state.acked_ns) if state.acked and state.acked_ns > state.raised_ns else None,
        "comment": entry.comment or None,
        "shelved_until": _time(state.shelved_until_ns or 0),
        "shelved_by": entry.shelved_by or None,
        "one_shot": state.one_shot,
        "suppressed_by": [COMMISSIONING] if entry.silent else sorted(c.detail for c in state.causes),
        "work_order": state.work_order,
        "first_out": entry.live.first,
        "chattering": state.chatters and now_ns - state.raised_ns < QUIET_NS,
        "children": None,
    }
    if rule.parent:
        family = children(desk.engine, book.name(condition))
        made["children"] = {
            "suppressed": [n for n in family.suppressed if sees(n)][:CHILDREN_SHOWN],
            "unknown": sum(map(sees, family.blinded)),
            "standing": [n for n in family.standing if sees(n)][:CHILDREN_SHOWN],
        }
    return made


def _time(ns: int) -> str | None:
    return iso(ns) if ns else None
