# SPDX-License-Identifier: Apache-2.0
"""Cabinets with five alarm rules each and an engine, a scan when asked for: for tests of what the engine does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from config.model import AlarmRule, Role
from config.words import cell_of
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import (
    Acknowledge,
    Operator,
    Refused,
)
from supervisor.alarms.happening import By, Counts, Happening
from supervisor.alarms.resuming import resume
from supervisor.alarms.rows import Live, Row, decode, encode
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Isa
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
T0 = 1_750_000_000 * S
TEXT = {"fr": "x", "en": "x"}
TAGS = {"V": "Float", "Sw": "Boolean", "Trip": "Boolean", "Rcd": "Boolean", "Loss": "Boolean"}
RULES: dict[str, dict[str, Any]] = {
    "Loss": {"on": "discrete", "tag": "Loss", "equals": True, "parent": True, "priority": "P2", "on_delay": "2 s",
             "owner_desk": "lighting"},
    "V": {"on": "limit", "tag": "V", "high": 253, "high_high": 264, "priority": "P3", "priority_extreme": "P2",
          "owner_desk": "lighting"},
    "Sw": {"on": "discrete", "tag": "Sw", "equals": True, "priority": "P4", "first_out": "feeder"},
    "Trip": {"on": "discrete", "tag": "Trip", "equals": True, "priority": "P2", "latching": True,
             "first_out": "feeder"},
    "Rcd": {"on": "discrete", "tag": "Rcd", "equals": True, "class": "safety", "priority": "P1"},
}  # fmt: skip


def rows_of(engine: AlarmEngine) -> dict[str, Row]:
    """Everything that is not at rest, as it is stored: name -> row."""
    live = engine.living.of
    return {engine.book.name(c): encode(live[c]) for c in sorted(live)}


def go_on(engine: AlarmEngine, rows: Mapping[str, Row], now_ns: int, *, with_columns: bool) -> list[str]:
    """A new engine goes on from stored rows; names that are no more."""
    lives = {name: decode(row) for name, row in rows.items()}
    return resume(engine, lives, now_ns, with_columns=with_columns)


def retained(engine: AlarmEngine) -> list[tuple[str, Live]]:
    """The operator's list: everything with Retain true, whatever lies over it, by condition number."""
    live = engine.living.of
    return [(engine.book.name(c), live[c]) for c in sorted(live) if live[c].state.retain]


def counts(engine: AlarmEngine) -> Counts:
    """How many of each, over the whole plant."""
    states = [live.state for live in engine.living.of.values()]
    return Counts(
        active=sum(s.enabled and s.active for s in states),
        unacked=sum(s.enabled and not s.acked for s in states),
        shelved=sum(s.shelved for s in states),
        suppressed=sum(s.suppressed for s in states),
        out_of_service=sum(s.out_of_service for s in states),
        disabled=sum(not s.enabled for s in states),
        unevaluable=int(np.count_nonzero(engine.conditions.unevaluable)),
    )


def by(role: Role = Role.ENGINEER, areas: frozenset[str] | None = None) -> By:
    return By(User(str(role.value), role, areas), "desk 1", "as said")


class Post:
    """N cabinets of area 21000, a scan when asked for."""

    def __init__(self, n: int, rules: Mapping[str, Mapping[str, Any]] = RULES) -> None:
        self.names = [f"21000/CAB-{i + 1:04d}" for i in range(n)]
        self.rules = {name: AlarmRule.model_validate({"text": TEXT} | dict(r)) for name, r in rules.items()}
        self.plant: Plant = make_plant(
            {"CAB": TypeSpec({name: tag(kind) for name, kind in TAGS.items()})}, {"CAB": self.names}
        )
        self.now_ns = T0
        self.table = TagTable(self.plant, StringPool(), T0)
        everything = np.arange(self.plant.rows)
        self.table.put(everything, np.zeros(len(everything), np.int64), np.zeros(len(everything), np.uint32), T0)
        self.engine = self.new_engine()

    def new_engine(self) -> AlarmEngine:
        return AlarmEngine(Conditions(RuleBook(self.plant, {"CAB": self.rules}), Locality(47.3, 5.0, "Europe/Paris")))

    def set(self, name: str, value: float, *, of: int | slice = slice(None), status: int = 0) -> Post:
        block = self.plant.types["CAB"].blocks[name]
        rows = np.atleast_1d(np.arange(block.start, block.start + block.count)[of])
        cells = np.full(len(rows), cell_of(block.info.kind, value))
        self.table.put(rows, cells, np.full(len(rows), status, np.uint32), self.now_ns)
        return self

    def scan(self, seconds: float = 1.0) -> list[Happening]:
        self.now_ns += round(seconds * S)
        return self.engine.scan(self.table, self.now_ns)

    def act(self, name: str, event: Operator, who: By | None = None) -> list[Happening] | Refused:
        return self.engine.act(f"21000/{name}", event, who or by(), self.now_ns)

    def ack(self, name: str) -> list[Happening] | Refused:
        condition = self.engine.book.find(f"21000/{name}")
        assert condition is not None
        return self.act(name, Acknowledge(self.engine.living.of[condition].state.occurrence_ns))

    def flat(self, name: str) -> Isa:
        condition = self.engine.book.find(f"21000/{name}")
        assert condition is not None
        live = self.engine.living.of.get(condition)
        return live.state.flat if live else Isa.NORM

    def restart(self, seconds: float = 0.0, *, with_columns: bool = True) -> list[str]:
        """Kill it; a new one goes on from rows that went through a file."""
        rows = json.loads(json.dumps(rows_of(self.engine)))
        columns = {name: column.copy() for name, column in self.engine.conditions.columns().items()}
        stopped_ns = self.now_ns
        self.now_ns += round(seconds * S)
        self.engine = self.new_engine()
        if with_columns:
            everything = np.arange(self.engine.book.count)
            self.engine.conditions.restore(columns, everything, everything, stopped_ns)
        return go_on(self.engine, rows, self.now_ns, with_columns=with_columns)


def announced(happenings: list[Happening]) -> list[str]:
    return [h.name.partition("/")[2] for h in happenings if h.announced]
