# SPDX-License-Identifier: Apache-2.0
"""Scenarios of alarms that a process engineer can read and review: tests/cases/alarms/*.txt.

A file is prose (lines with #) and steps: commands, a line `----`, and what must follow from them, up to an empty line.
After a change that is meant, `VIGIE_REWRITE=1 pytest tests/cases` writes what follows now into the files; read the
difference before you commit it.

    site N [fed]               N cabinets (cabinet.yaml), CAB-0001 ...; scans every 0.5 s; fed: all by FDR-0001
                               (in a tick of more than 10 min: every 10 s)
    tick 10 s V1=255 Door=true set values, then let time pass; `=bad`, `=uncertain` and `=good` set the quality only,
                               `*` is every tag, `CAB-0002/V1=255` names another cabinet than the first
    ack|confirm|reset|silence|unshelve|place RULE
    shelve RULE 2 h|once REASON
    remove RULE WORK-ORDER     out of service, review in 30 days
    disable|enable RULE RECORD
    as operator|supervisor|engineer   who acts from here on
    restart 30 s               the server stops, time passes, a new one goes on from rows and columns
    life CAB-0001 commissioning|in service   a new generation, in which it is that
    clock +1 h                 somebody sets the clock
    list                       the operator's list; children RULE, counts

Times are those since the start of the scenario [s].
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.model import AlarmRule, Role, seconds
from config.source import read_yaml
from config.words import Kind, StatusCode, cell_of
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import (
    Acknowledge,
    Confirm,
    Disable,
    Enable,
    Operator,
    Place,
    Refused,
    Remove,
    Reset,
    Shelve,
    Silence,
    Unshelve,
)
from supervisor.alarms.happening import By, Happening
from supervisor.alarms.lists import children
from supervisor.alarms.resuming import adopt
from supervisor.alarms.rules import RuleBook
from supervisor.people import User
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.cabinets import counts, go_on, retained, rows_of
from tests.plants import TypeSpec, make_plant, tag

FOLDER = Path(__file__).parent / "alarms"
FILES = sorted(FOLDER.glob("*.txt"))
START_NS = 1_750_000_000_000_000_000
SCAN_NS = 500_000_000
TEXT = {"fr": "x", "en": "x"}
LEVELS = {-2: "LOW LOW", -1: "LOW", 1: "HIGH", 2: "HIGH HIGH"}
QUALITY = {
    "bad": StatusCode.BadNoCommunication,
    "uncertain": StatusCode.UncertainLastUsableValue,
    "good": StatusCode.Good,
}
ASSIGNMENT = re.compile(r"(\S+?)=(\S+)")


@dataclass
class Scenario:
    """One plant, one clock, one line of text for everything that happens."""

    out: list[str] = field(default_factory=list)
    now_ns: int = START_NS
    role: Role = Role.OPERATOR

    def run(self, command: str) -> None:
        word, _, rest = command.partition(" ")
        does: dict[str, Callable[[str], None]] = {
            "site": self.site,
            "tick": self.tick,
            "restart": self.restart,
            "clock": self.clock,
            "life": self.life,
            "as": self.become,
            "list": self.list_,
            "children": self.children,
            "counts": self.counts,
        }
        if word in does:
            does[word](rest)
        else:
            self.act(word, *rest.split(" ", 1))

    def site(self, text: str) -> None:
        count, _, fed = text.partition(" ")
        document, problems = read_yaml(FOLDER / "cabinet.yaml", "cabinet.yaml")
        assert document is not None and not problems, problems
        cabinet = document.data
        self.tags: dict[str, dict[str, Any]] = cabinet["tags"]
        rules = {n: AlarmRule.model_validate(r | {"text": TEXT}) for n, r in cabinet["rules"].items()}
        names = [f"21605/CAB-{i + 1:04d}" for i in range(int(count))]
        feeder = AlarmRule.model_validate(cabinet["feeder"] | {"text": TEXT})
        types = {"CAB": TypeSpec({n: tag(t["kind"]) for n, t in self.tags.items()}), "FDR": TypeSpec({})}
        self.plant = make_plant(types, {"CAB": names, "FDR": ["21605/FDR-0001"] if fed else []})
        fed_by = ("21605/FDR-0001" if fed else "",) * len(names)
        self.plant.types["CAB"] = replace(self.plant.types["CAB"], fed_by=fed_by)
        self.rules = {"CAB": rules, "FDR": {"Supply_lost": feeder}}
        self.table = TagTable(self.plant, StringPool(), self.now_ns)
        for name, t in self.tags.items():
            for equipment in names:
                self.put(f"{equipment}/{name}", cell_of(Kind[t["kind"]], t["start"]), StatusCode.Good)
        self.make_engine()
        self.scan()

    def make_engine(self) -> None:
        self.book = RuleBook(self.plant, self.rules)
        self.engine = AlarmEngine(Conditions(self.book, Locality(47.3, 5.0, "Europe/Paris")))

    def put(self, name: str, cell: int | None, status: StatusCode | None) -> None:
        row = self.plant.row(name)
        assert row is not None, f"no tag {name}"
        cells = self.table.cells[row] if cell is None else cell
        code = self.table.status[row] if status is None else status
        self.table.put(
            np.array([row]), np.array([cells], np.int64), np.array([code], np.uint32), np.array([self.now_ns])
        )

    def full(self, name: str) -> str:
        return f"21605/{name}" if name.startswith(("CAB-", "FDR-")) else f"21605/CAB-0001/{name}"

    def tick(self, text: str) -> None:
        assignments = ASSIGNMENT.findall(text)
        duration = seconds(ASSIGNMENT.sub("", text).strip())
        assert isinstance(duration, float)
        for name, value in assignments:
            equipment, _, label = self.full(name).rpartition("/")
            wanted = [t for t in self.tags if not self.tags[t].get("always_good")] if label == "*" else [label]
            for t in wanted:
                if value in QUALITY:
                    self.put(f"{equipment}/{t}", None, QUALITY[value])
                else:
                    number = {"true": 1.0, "false": 0.0}.get(value) or float(value if value[0] in "-0123456789" else 0)
                    self.put(f"{equipment}/{t}", cell_of(Kind[self.tags[t]["kind"]], number), None)
        end_ns = self.now_ns + round(duration * 1e9)
        scan_ns = SCAN_NS if duration <= 600 else 20 * SCAN_NS
        while self.now_ns < end_ns:
            self.now_ns += scan_ns
            self.scan()

    def scan(self) -> None:
        self.tell(self.engine.scan(self.table, self.now_ns))

    def tell(self, happenings: list[Happening]) -> None:
        for h in happenings:
            letters = f"{_letter(h.log.before)} -> {_letter(h.log.after)}"
            parts = [h.log.what.value]
            if h.log.detail:
                parts[0] += f" ({h.log.detail.replace('21605/', '')})"
            parts += [f"at level {LEVELS[h.state.level]}"] if self.has_levels(h.condition) and h.state.process else []
            parts += [f"ANNUNCIATED {h.rule.priority_at(h.state.level)}"] if h.announced else []
            parts += ["first of its group"] if h.first and h.announced else []
            parts += [f"by {h.by.user.name}"] if h.by else []
            seconds_ = (h.time_ns - START_NS) / 1e9
            self.out.append(f"{seconds_:9.1f}  {h.name[6:]:<24} {letters:<8}  {', '.join(parts)}".rstrip())

    def has_levels(self, condition: int) -> bool:
        return self.book.block(condition).model.on == "limit"

    def act(self, word: str, name: str, rest: str = "") -> None:
        condition = self.book.find(self.full(name))
        live = self.engine.living.of.get(condition if condition is not None else -1)
        occurrence_ns = live.state.occurrence_ns if live else 0
        rest = rest or (name.partition(" ")[2])
        event: Operator
        match word:
            case "ack":
                event = Acknowledge(occurrence_ns)
            case "confirm":
                event = Confirm(occurrence_ns)
            case "reset":
                event = Reset()
            case "silence":
                event = Silence()
            case "unshelve":
                event = Unshelve()
            case "place":
                event = Place()
            case "shelve":
                how = re.match(r"(once|[\d.]+ (?:s|min|h|d)) ?(.*)", rest)
                assert how, rest
                length = None if how[1] == "once" else seconds(how[1])
                event = Shelve(round(length * 1e9) if isinstance(length, float) else None, how[2])
            case "remove":
                event = Remove(rest, self.now_ns + 30 * 86400 * 10**9)
            case "disable":
                event = Disable(rest)
            case "enable":
                event = Enable(rest)
            case _:
                raise AssertionError(f"no command '{word}'")
        by = By(User(str(self.role.value), self.role), "desk 1")
        followed = self.engine.act(self.full(name), event, by, self.now_ns)
        if isinstance(followed, Refused):
            self.out.append(f"refused: {followed.code.name}: {followed.text}")
        else:
            self.tell(followed)

    def become(self, role: str) -> None:
        self.role = Role(role)

    def restart(self, pause: str) -> None:
        rows = json.loads(json.dumps(rows_of(self.engine)))
        columns = {name: column.copy() for name, column in self.engine.conditions.columns().items()}
        stopped_ns = self.now_ns
        duration = seconds(pause)
        assert isinstance(duration, float)
        self.now_ns += round(duration * 1e9)
        self.make_engine()
        everything = np.arange(self.book.count)
        self.engine.conditions.restore(columns, everything, everything, stopped_ns)
        gone = go_on(self.engine, rows, self.now_ns, with_columns=True)
        assert not gone
        self.scan()

    def life(self, text: str) -> None:
        equipment, _, life = text.partition(" ")
        cabinets = self.plant.types["CAB"]
        at = cabinets.equipment.index(f"21605/{equipment}")
        self.plant.types["CAB"] = replace(cabinets, life=(*cabinets.life[:at], life, *cabinets.life[at + 1 :]))
        former = self.engine
        self.make_engine()
        assert not adopt(self.engine, former, self.now_ns)

    def clock(self, step: str) -> None:
        sign = -1 if step.startswith("-") else 1
        duration = seconds(step.lstrip("+-"))
        assert isinstance(duration, float)
        self.now_ns += sign * round(duration * 1e9)

    def list_(self, _: str) -> None:
        if not retained(self.engine):
            self.out.append("    (the list is empty)")
        for name, live in retained(self.engine):
            state = live.state
            parts = [LEVELS[state.level]] if self.has_levels(self.book.find(name) or 0) else []
            parts += ["in alarm" if state.process else "normal"]
            parts += [] if state.acked else ["unacknowledged"]
            parts += [] if state.confirmed else ["unconfirmed"]
            parts += ["latched"] if state.latched else []
            parts += [] if state.evaluable else ["UNKNOWN"]
            parts += (
                [f"by {', '.join(sorted(c.detail.removeprefix('21605/') for c in state.causes))}"]
                if state.causes
                else []
            )
            self.out.append(f"    {name[6:]:<24} {state.flat.value}  {', '.join(parts)}")

    def children(self, name: str) -> None:
        found = children(self.engine, self.full(name))
        for label in ("suppressed", "blinded", "standing"):
            names = getattr(found, label)
            if names:
                self.out.append(f"    {label}: {', '.join(n[6:] for n in names)}")

    def counts(self, _: str) -> None:
        c = counts(self.engine)
        self.out.append("    " + ", ".join(f"{n.replace('_', ' ')} {getattr(c, n)}" for n in c.__slots__))


def _letter(state: str) -> str:
    return "-" if state == "disabled" else str(state)


def play(text: str) -> str:
    """The same file with what follows now."""
    scenario = Scenario()
    lines: list[str] = []
    expected = False
    for line in text.splitlines():
        if expected and line.strip():
            continue
        expected = False
        lines.append(line)
        if line == "----":
            lines += scenario.out or ["(nothing)"]
            scenario.out.clear()
            expected = True
        elif line.strip() and not line.startswith("#"):
            scenario.run(line.strip())
    assert not scenario.out, f"nothing is expected of the last commands, but: {scenario.out}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_scenario(file: Path) -> None:
    text = file.read_text()
    now = play(text)
    if os.environ.get("VIGIE_REWRITE"):
        file.write_text(now)
        text = now
    assert now == text


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 10
