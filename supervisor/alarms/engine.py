# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py, tests/cases/alarms
"""The alarm engine: index arrays of the conditions and actions of people go through the machine.

Law of this file: no I/O, no clock, no tag values. Python objects exist for conditions that are not at rest, and for
nothing else: a plant in order costs nothing here.

One scan, always in this order: what became (un)evaluable; what returned (its children are let go, one after another);
what an expression suppresses or frees; what rose, parents first, then by the time the field says; what changed level;
who waited for a parent in vain; what is due. Everything that follows from one scan is one list of `Happening`, to be
journalled together with the dirty rows in one transaction, and shown only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.words import NS_PER_S, Rows, StatusCode
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.events import (
    Alarm,
    Announce,
    Evaluable,
    Event,
    Log,
    Operator,
    Refused,
    Release,
    Return,
    Suppress,
    Tick,
    Unhold,
)
from supervisor.alarms.family import Family
from supervisor.alarms.firstout import FirstOut
from supervisor.alarms.happening import By, Happening
from supervisor.alarms.living import Living
from supervisor.alarms.machine import step
from supervisor.alarms.rights import refusal
from supervisor.alarms.rows import Live
from supervisor.alarms.state import COMMISSIONING, REST, Cause, Rule, State
from supervisor.alarms.turns import Turns
from supervisor.tags.table import TagTable

SETTLE_NS: Final = 10 * NS_PER_S
"""After a restart: how long inputs may take to arrive before what stands is shown UNKNOWN [ns]. Two slow polls."""


class AlarmEngine:
    """All alarms of one generation.

    Attributes:
        living: what is not at rest.
        family, first_out, turns: parents, groups, and who was let go.
        settle_ns: after a restart: when what has no inputs by then is unknown [UTC ns]; None: that is over.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.book = conditions.book
        self.living = Living(self.book.count)
        self.family = Family(self.book, conditions, self.living)
        self.first_out = FirstOut(self.book)
        self.turns = Turns()
        self.settle_ns: int | None = None
        self._fresh: dict[tuple[int, int], tuple[Rule, State, Log, bool]] = {}
        plant, blocks = self.book.plant, self.book.blocks
        # What rose by the word of a driver rose now, whenever its `Comm` last changed.
        dated = [None if b.model.on == "identity" else b.model.tag for b in blocks]
        tags = [-1 if t is None else plant.types[b.type].blocks[t].start for b, t in zip(blocks, dated, strict=True)]
        self._tag_start = np.array(tags, np.int64)
        self._start = np.array([b.start for b in blocks], np.int64)
        self._rank = np.array([0 if b.model.is_feeder else 1 if b.rule.parent else 2 for b in blocks], np.int8)
        self._is_lonely = np.array([not b.rule.parent and b.model.first_out is None for b in blocks], np.bool_)

    # --- a scan -----------------------------------------------------------------------------------------------------

    def scan(self, table: TagTable, now_ns: int) -> list[Happening]:
        """Evaluate everything and carry out what follows."""
        moves = self.conditions.run(table, now_ns)
        if moves.skew_ns:
            self._shift(moves.skew_ns)
        out: list[Happening] = []
        self._fresh.clear()
        for condition in self.living.among(moves.blind):
            self._do(condition, [Evaluable(False)], now_ns, out)
        for condition in self.living.among(moves.sees):
            self._do(condition, [Evaluable(True)], now_ns, out)
        for condition in self.living.among(moves.clear):
            self._clear(condition, now_ns, out)
        self._designs(moves.suppress, moves.release, now_ns, out)
        self._risen(moves.rise, table, now_ns, out)
        for condition in self.living.among(moves.change):
            self._do(condition, [Alarm(int(self.conditions.level[condition]))], now_ns, out)
        for condition in self.family.waited_in_vain(now_ns):
            self._do(condition, [Unhold()], now_ns, out)
        self._settle(now_ns, out)
        self._ticks(now_ns, out)
        return out

    def _shift(self, skew_ns: int) -> None:
        """The clock was set: a wait lasts as long as it was to last. Ends that people were told (shelving) stay."""
        for condition, live in list(self.living.of.items()):
            if (at_ns := live.state.release_ns) is not None:
                moved = replace(live.state, release_ns=at_ns + skew_ns)
                self.living.put(condition, live._replace(state=moved), self.rule(condition))
        self.turns.next_ns += skew_ns
        if self.settle_ns is not None:
            self.settle_ns += skew_ns

    def _risen(self, rise: Rows, table: TagTable, now_ns: int, out: list[Happening]) -> None:
        """Feeders, then parents, then as the field says, so that the first of a group is known."""
        block_of = self.book.block_numbers[rise]
        start = self._tag_start[block_of]
        rows = np.where(start >= 0, start + rise - self._start[block_of], 0)
        field_ns = np.where(start >= 0, table.source_ns[rows], now_ns)
        order = np.lexsort((rise, field_ns, self._rank[block_of]))
        plain = self._plain(rise, block_of, now_ns)
        columns = rise, field_ns, block_of, self.conditions.level[rise], plain
        for condition, risen_ns, block, level, is_plain in zip(*(c[order].tolist() for c in columns), strict=True):
            if is_plain:
                self._plain_rise(condition, block, level, risen_ns, now_ns, out)
            else:
                self._rise(condition, risen_ns, now_ns, out)

    def _plain(self, rise: Rows, block_of: npt.NDArray[np.uint16], now_ns: int) -> npt.NDArray[np.bool_]:
        """Which rise from rest with nothing in the way: no parent, no group, no expression."""
        plain = self._is_lonely[block_of] & ~self.living.mask[rise] & ~self.conditions.designed[rise]
        for index in distinct(block_of[plain]).tolist():
            block = self.book.blocks[index]
            at = np.flatnonzero(block_of == index)
            for parent in block.parents:
                above = rise[at] - block.start + self.book.blocks[parent].start
                plain[at] &= ~self.family.may_hold(above)
        return plain

    def _rise(self, condition: int, field_ns: int, now_ns: int, out: list[Happening]) -> None:
        block = self.book.block(condition)
        level = int(self.conditions.level[condition])
        first = self.first_out.rises(condition, self.living.of)
        parents = self.family.parents(condition)
        causes = [self.family.cause(p) for p in parents if self.family.holds(p)]
        if self.conditions.designed[condition]:
            causes.append(self._design(condition))
        if causes:
            events: list[Event] = [Suppress(c) for c in causes]
            self._do(condition, [*events, Alarm(level)], now_ns, out, field_ns=field_ns, first=first, keep=0)
        else:
            hold_until_ns = self.family.wait(condition, now_ns) if parents else 0
            self._do(condition, [Alarm(level, hold_until_ns)], now_ns, out, field_ns=field_ns, first=first)
        self.family.file(condition)
        if block.rule.parent and self.family.holds(condition):
            self._gather(condition, now_ns, out)

    def _gather(self, parent: int, now_ns: int, out: list[Happening]) -> None:
        """A parent stands: whoever waited for it, or was about to be freed, now lies under it."""
        self.family.waiting.pop(parent, None)
        for child in self.book.below(parent):
            if (live := self.living.of.get(child)) is not None and live.state.release_ns is not None:
                self._do(child, [Suppress(self.family.cause(parent))], now_ns, out)
                self.family.file(child)

    def _plain_rise(
        self, condition: int, block: int, level: int, field_ns: int, now_ns: int, out: list[Happening]
    ) -> None:
        """The same for all instances of a rule, so it is worked out once a scan."""
        if (known := self._fresh.get((block, level))) is None:
            rule = self.book.blocks[block].rule
            state, effects = step(REST, Alarm(level), now_ns, rule)
            (log,) = (e for e in effects if isinstance(e, Log))
            announced = any(isinstance(e, Announce) for e in effects)
            known = self._fresh[block, level] = (rule, state, log, announced)
        rule, state, log, announced = known
        self.living.put(condition, Live(state, field_ns), rule)
        out.append(
            Happening(condition, self.book.name(condition), rule, now_ns, field_ns, log, state, announced, False)
        )

    def _clear(self, condition: int, now_ns: int, out: list[Happening]) -> None:
        state = self.living.of[condition].state
        events: list[Event] = [Return()]
        if state.acked and state.confirmed and not state.latched:
            # Nothing is left to hold back; if it rises again, its causes are asked again.
            events += [Release(cause) for cause in state.causes]
        self._do(condition, events, now_ns, out, keep=0)
        self.family.forget(condition)
        self.family.file(condition)
        self._let_go(condition, now_ns, out)

    def _let_go(self, parent: int, now_ns: int, out: list[Happening]) -> None:
        """A parent no longer holds back: its children are freed, one after another, unless another parent does."""
        if not self.rule(parent).parent or self.family.holds(parent):
            return
        children = sorted(self.family.under.pop(parent, ()), key=lambda c: (self.rule(c).priority, c))
        for child in children:
            others = [Suppress(self.family.cause(p)) for p in self.family.parents(child) if self.family.holds(p)]
            self._do(child, [*others, Release(self.family.cause(parent))], now_ns, out, keep=-1)
            self.family.file(child)

    def _designs(self, suppress: Rows, release: Rows, now_ns: int, out: list[Happening]) -> None:
        for condition in self.living.among(suppress):
            self._do(condition, [Suppress(self._design(condition))], now_ns, out)
            self._let_go(condition, now_ns, out)
        for condition in self.living.among(release):
            for cause in [c for c in self.living.of[condition].state.causes if not c.topology]:
                self._do(condition, [Release(cause)], now_ns, out)

    def _design(self, condition: int) -> Cause:
        """Why it is suppressed by design."""
        silent = self.book.silent[condition]
        return Cause(COMMISSIONING if silent else self.book.name(condition), topology=False)

    def _settle(self, now_ns: int, out: list[Happening]) -> None:
        """After a restart: what stands and has no inputs by now is unknown."""
        if self.settle_ns is None or now_ns < self.settle_ns:
            return
        self.settle_ns = None
        for condition in sorted(self.living.of):
            self._do(condition, [Evaluable(bool(self.conditions.delays.usable[condition]))], now_ns, out)

    def _ticks(self, now_ns: int, out: list[Happening]) -> None:
        """What is due, in order; suppressions end one after another, the urgent ones first."""

        def frees(condition: int) -> bool:
            """Meanwhile it may have returned, or been suppressed again."""
            live = self.living.of.get(condition)
            if live is None or (at_ns := live.state.release_ns) is None:
                return False
            return at_ns <= now_ns and not self.rule(condition).protected

        for condition in self.living.due(now_ns):
            if frees(condition):
                self.turns.add(self.rule(condition).priority, condition)
            else:
                self._do(condition, [Tick()], now_ns, out)
        for condition in self.turns.take(now_ns, frees):
            self._do(condition, [Tick()], now_ns, out)

    # --- people -----------------------------------------------------------------------------------------------------

    def act(self, name: str, event: Operator, by: By, now_ns: int) -> list[Happening] | Refused:
        """Somebody does something to a condition ('21605/CAB-0003/RCD_trip').

        Returns: what follows (first of all the action itself), or why it was refused.
        """
        condition = self.book.find(name)
        if condition is None or not by.user.may_see(*self.book.domain(condition)):
            return Refused(StatusCode.BadNodeIdUnknown, f"there is no alarm '{name}'")
        if (refused := refusal(by.user, event, *self.book.domain(condition), self.rule(condition))) is not None:
            return refused
        out: list[Happening] = []
        refused = self._do(condition, [event], now_ns, out, by=by)
        if refused is not None:
            return refused
        self._let_go(condition, now_ns, out)
        return out

    # --- one condition ----------------------------------------------------------------------------------------------

    def _do(
        self,
        condition: int,
        events: Sequence[Event],
        now_ns: int,
        out: list[Happening],
        *,
        field_ns: int | None = None,
        first: bool | None = None,
        keep: int | None = None,
        by: By | None = None,
    ) -> Refused | None:
        """Events of one instant.

        Args:
            keep: which of several records stands for all of them (0 the first, -1 the last); None: each for itself.
        """
        rule = self.rule(condition)
        live = self.living.of.get(condition) or Live(self._rest(condition))
        state = before = live.state
        logs: list[Log] = []
        announced = False
        for event in events:
            state, effects = step(state, event, now_ns, rule)
            for effect in effects:
                if isinstance(effect, Refused):
                    return effect
                if isinstance(effect, Log):
                    logs.append(effect)
                elif isinstance(effect, Announce):
                    announced = True
        live = Live(state, live.field_ns if field_ns is None else field_ns, live.first if first is None else first)
        if state is not before:
            self.living.put(condition, live, rule)
        if keep is not None and len(logs) > 1:
            whole = replace(logs[keep], before=logs[0].before, after=logs[-1].after, retain=logs[-1].retain)
            logs = [whole]
        name = self.book.name(condition)
        for log in logs:
            told = announced and log is logs[-1]
            out.append(Happening(condition, name, rule, now_ns, live.field_ns, log, state, told, live.first, by))
        return None

    def _rest(self, condition: int) -> State:
        delays = self.conditions.delays
        if delays.usable[condition]:
            return REST
        return State(evaluable=False, evaluable_ns=int(delays.blind_ns[condition]))

    def rule(self, condition: int) -> Rule:
        return self.book.block(condition).rule
