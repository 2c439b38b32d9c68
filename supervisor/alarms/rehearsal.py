# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_rehearsal.py
"""An engineer's alarm tests, run in virtual time: the real tag table, calculations and alarm engine of one equipment.

No socket, no clock, no file.

Law of this file: time is counted in steps; each step reads its values, calculates and scans once, in the order of the
running server. A tag that no series and no `given` names has no value, so rules that need it are unknown, not normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from config.model import AlarmRule, Role, Site
from config.problems import Problem, did_you_mean
from config.source import Document, Place
from config.testfile import NOTHING, Action, Case, CaseFile, Expectation, Reading, expand
from config.words import NS_PER_S, StatusCode, cell_of
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Acknowledge, Confirm, Operator, Refused, Reset, Shelve, Unshelve
from supervisor.alarms.happening import By
from supervisor.alarms.lists import standing
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Rule, State
from supervisor.commands.values import engineering
from supervisor.people import User
from supervisor.plant.compile import compile_plant
from supervisor.plant.plant import Block, Plant
from supervisor.tags.calc import Program
from supervisor.tags.locality import locality_of
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable

_TESTER: Final = By(User("tester", Role.ENGINEER), "vigie test")
_LISTS: Final[dict[str, Callable[[State, Rule], bool]]] = {
    "alarms": standing,
    "unacked": lambda s, r: standing(s, r) and not s.acked,
    "suppressed": lambda s, _r: s.suppressed,
    "shelved": lambda s, _r: s.shelved,
}
_CODES: Final = {
    "good": StatusCode.Good,
    "bad": StatusCode.BadNoCommunication,
    "uncertain": StatusCode.UncertainLastUsableValue,
}


def run_file(site: Site, tests: CaseFile, document: Document, word: str = "") -> tuple[int, list[Problem]]:
    """Run the cases whose name contains `word`.

    Returns: how many ran, and what was not as expected, each at its line. A case that cannot be run (no such tag, alarm
    or value) says so and is not counted.
    """
    start = datetime.strptime(tests.start, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    start_ns = int(start.timestamp()) * NS_PER_S
    problems: list[Problem] = []
    ran = 0
    for i, case in enumerate(tests.cases):
        if word not in case.name:
            continue
        where: Place = ("cases", i)
        alone = only(site, case.equipment or tests.equipment)
        if alone is None:
            text = f"the site has no equipment {case.equipment or tests.equipment}"
            problems.append(document.problem((*where, "equipment") if case.equipment else ("equipment",), text))
            continue
        stage = Stage(alone, case.equipment or tests.equipment, start_ns)
        if found := list(stage.cast(tests, case, document, where)):
            problems += found
            continue
        ran += 1
        problems += stage.play(case, tests.step, document, where)
    return ran, sorted(set(problems))


def only(site: Site, equipment: str) -> Site | None:
    """The site with one piece of equipment and its type; None if there is no such equipment."""
    area, _, name = equipment.partition("/")
    for type_name, instances in site.equipment.items():
        for instance in instances:
            if (instance.area, instance.name) == (area, name):
                update = {"types": {type_name: site.types[type_name]}, "equipment": {type_name: (instance,)}}
                return site.model_copy(update=update)
    return None


class Stage:
    """One equipment with a table, a program and an engine of its own."""

    def __init__(self, site: Site, equipment: str, start_ns: int) -> None:
        self.plant: Plant = compile_plant(site, lambda names, _k, _w: np.arange(1, len(names) + 1, dtype=np.uint32))
        self.equipment = equipment
        place = locality_of(site)
        (self.type,) = self.plant.types.values()
        rules: dict[str, dict[str, AlarmRule]] = {self.type.name: dict(site.types[self.type.name].alarms)}
        self.table = TagTable(self.plant, StringPool(), start_ns)
        self.program = Program(self.plant, place)
        self.engine = AlarmEngine(Conditions(RuleBook(self.plant, rules), place))
        self.rules = list(rules[self.type.name])
        self.now_ns = self.start_ns = start_ns
        self.announced = 0
        self._series: dict[str, list[tuple[int | None, int]]] = {}

    # --- before: everything a case names must exist

    def cast(self, tests: CaseFile, case: Case, document: Document, where: Place) -> Iterator[Problem]:
        """Take the tags and readings of a case; what cannot be taken is a problem."""
        for source, place in ((tests.given, ("given",)), (case.given, (*where, "given"))):
            for tag, value in source.items():
                yield from self._take(tag, value, document, (*place, tag))
        for tag, series in case.series.items():
            yield from self._take(tag, series, document, (*where, "series", tag))
        for i, action in enumerate(case.do):
            yield from self._known([action.what[1]], document, (*where, "do", i, action.what[0]))
        for i, expectation in enumerate(case.expect):
            for name in (*_LISTS, "unknown", "known"):
                yield from self._known(getattr(expectation, name) or (), document, (*where, "expect", i, name))

    def _take(self, tag: str, series: object, document: Document, place: Place) -> Iterator[Problem]:
        block = self.type.blocks.get(tag)
        if block is None:
            yield document.problem(place, f"{self.type.name} has no tag '{tag}'{did_you_mean(tag, self.type.blocks)}")
            return
        if block.info.calc is not None:
            yield document.problem(place, f"{tag} is calculated; say what its inputs read")
            return
        try:
            self._series[tag] = [self._cell(block, reading) for reading in expand(series)]
        except (ValueError, OverflowError) as e:
            yield document.problem(place, str(e))

    def _cell(self, block: Block, reading: Reading) -> tuple[int | None, int]:
        """(cell or None: it stays, status). Status -1: nothing was read."""
        if reading is NOTHING:
            return None, -1
        if reading.value is None:
            return None, int(_CODES[reading.quality])
        info = block.info
        value = reading.value
        if info.kind.name == "Boolean" and not isinstance(value, bool):
            raise ValueError(f"expected true or false, got {value!r}")
        given = engineering(info, value if isinstance(value, bool) else str(value))
        if isinstance(given, str):
            index = self.table.pool.intern(given)
            return (0 if index is None else index), 0
        return cell_of(info.kind, given), 0

    def _known(self, rules: Sequence[str], document: Document, place: Place) -> Iterator[Problem]:
        for rule in rules:
            if rule not in self.rules:
                yield document.problem(place, f"{self.type.name} has no alarm '{rule}'{did_you_mean(rule, self.rules)}")

    # --- the story

    def play(self, case: Case, step_s: float, document: Document, where: Place) -> Iterator[Problem]:
        """Step through a case; what is not as expected."""
        steps = round(case.duration_s / step_s) + 1
        do, expect = _by_step([a.at for a in case.do], step_s), _by_step([e.at for e in case.expect], step_s)
        for step in range(steps):
            self.now_ns = self.start_ns + round(step * step_s * NS_PER_S)
            self._read(step)
            self.program.run(self.table, self.now_ns)
            self.announced += sum(h.announced for h in self.engine.scan(self.table, self.now_ns))
            for i in do.get(step, ()):
                yield from self._act(case, case.do[i], document, (*where, "do", i))
            for i in expect.get(step, ()):
                yield from self._look(case, case.expect[i], document, (*where, "expect", i))

    def _read(self, step: int) -> None:
        for tag, readings in self._series.items():
            if step >= len(readings):
                continue
            cell, status = readings[step]
            if status < 0:
                continue
            rows = np.array([self.type.blocks[tag].start])
            cells = self.table.cells[rows] if cell is None else np.array([cell], np.int64)
            self.table.put(rows, cells, np.array([status], np.uint32), self.now_ns)

    def _act(self, case: Case, action: Action, document: Document, place: Place) -> Iterator[Problem]:
        what, rule = action.what
        state = self._states().get(rule, State())
        events: Mapping[str, Operator] = {
            "ack": Acknowledge(state.occurrence_ns),
            "confirm": Confirm(state.occurrence_ns),
            "reset": Reset(),
            "shelve": Shelve(None, "test"),
            "unshelve": Unshelve(),
        }
        outcome = self.engine.act(f"{self.equipment}/{rule}", events[what], _TESTER, self.now_ns)
        if isinstance(outcome, Refused):
            text = f"case '{case.name}': at {action.at:g} s: expected to {what} {rule}, but {outcome.text}"
            yield document.problem(place, text)
        else:
            self.announced += sum(h.announced for h in outcome)

    def _look(self, case: Case, wanted: Expectation, document: Document, place: Place) -> Iterator[Problem]:
        head = f"case '{case.name}': at {wanted.at:g} s: "
        states = self._states()
        for name, belongs in _LISTS.items():
            names: list[str] | None = getattr(wanted, name)
            if names is None:
                continue
            got = {rule for rule, state in states.items() if belongs(state, self._rule(rule))}
            if set(names) != got:
                yield document.problem((*place, name), f"{head}expected {_named(names)}; got {_named(got)}")
        blind = self._unknown()
        for name, expected in (("unknown", True), ("known", False)):
            wrong = [rule for rule in getattr(wanted, name) or () if (rule in blind) is not expected]
            if wrong:
                yield document.problem((*place, name), f"{head}expected {_named(wrong)} to be {name}")
        if wanted.announced is not None and wanted.announced != self.announced:
            text = f"{head}expected {wanted.announced} announced since the start; got {self.announced}"
            yield document.problem((*place, "announced"), text)

    def _states(self) -> dict[str, State]:
        book = self.engine.book
        return {book.block(c).rule.name: live.state for c, live in self.engine.living.of.items()}

    def _rule(self, name: str) -> Rule:
        condition = self.engine.book.find(f"{self.equipment}/{name}")
        if condition is None:
            raise KeyError(name)
        return self.engine.book.block(condition).rule

    def _unknown(self) -> set[str]:
        unknown = np.flatnonzero(self.engine.conditions.unevaluable).tolist()
        return {self.engine.book.block(c).rule.name for c in unknown}


def _by_step(times_s: Sequence[float], step_s: float) -> dict[int, list[int]]:
    """Step -> which of them fall on it: the last scan not after the time."""
    steps: dict[int, list[int]] = {}
    for i, at_s in enumerate(times_s):
        steps.setdefault(int(at_s / step_s + 1e-9), []).append(i)
    return steps


def _named(rules: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(rules)) or "none"
