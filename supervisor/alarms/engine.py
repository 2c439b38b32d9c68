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

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.model import Priority
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
from supervisor.alarms.rows import Live, Row, decode, encode
from supervisor.alarms.state import COMMISSIONING, REST, Cause, Rule, State
from supervisor.tags.table import TagTable

RELEASES_PER_S: Final = 10
"""Staged release: how many conditions may be annunciated a second after a suppression ended. A page of an alarm list
holds about thirty; three seconds to fill one is what can be followed."""
SETTLE_NS: Final = 10 * NS_PER_S
"""After a restart: how long inputs may take to arrive before what stands is shown UNKNOWN [ns]. Two slow polls."""


class AlarmEngine:
    """All alarms of one generation.

    Attributes:
        living: what is not at rest.
        family, first_out: parents and groups.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.book = conditions.book
        self.living = Living(self.book.count)
        self.family = Family(self.book, conditions)
        self.first_out = FirstOut(self.book)
        self._next_release_ns = 0
        self._turns: list[tuple[Priority, int]] = []
        self._settled_ns: int | None = None
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
        causes = [self._cause(p) for p in parents if self._holds(p)]
        if self.conditions.designed[condition]:
            causes.append(self._design(condition))
        if causes:
            events: list[Event] = [Suppress(c) for c in causes]
            self._do(condition, [*events, Alarm(level)], now_ns, out, field_ns=field_ns, first=first, keep=0)
        else:
            hold_until_ns = self._wait(condition, now_ns) if parents else 0
            self._do(condition, [Alarm(level, hold_until_ns)], now_ns, out, field_ns=field_ns, first=first)
        self._file(condition)
        if block.rule.parent and self._holds(condition):
            self._gather(condition, now_ns, out)

    def _gather(self, parent: int, now_ns: int, out: list[Happening]) -> None:
        """A parent stands: whoever waited for it, or was about to be freed, now lies under it."""
        self.family.waiting.pop(parent, None)
        for child in self.book.below(parent):
            if (live := self.living.of.get(child)) is not None and live.state.release_ns is not None:
                self._do(child, [Suppress(self._cause(parent))], now_ns, out)
                self._file(child)

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
        self._file(condition)
        self._let_go(condition, now_ns, out)

    def _let_go(self, parent: int, now_ns: int, out: list[Happening]) -> None:
        """A parent no longer holds back: its children are freed, one after another, unless another parent does."""
        if not self._rule(parent).parent or self._holds(parent):
            return
        children = sorted(self.family.under.pop(parent, ()), key=lambda c: (self._rule(c).priority, c))
        for child in children:
            others = [Suppress(self._cause(p)) for p in self.family.parents(child) if self._holds(p)]
            self._do(child, [*others, Release(self._cause(parent))], now_ns, out, keep=-1)
            self._file(child)

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
        if self._settled_ns is None or now_ns < self._settled_ns:
            return
        self._settled_ns = None
        for condition in sorted(self.living.of):
            self._do(condition, [Evaluable(bool(self.conditions.delays.usable[condition]))], now_ns, out)

    def _ticks(self, now_ns: int, out: list[Happening]) -> None:
        """What is due, in order; suppressions end one after another, the urgent ones first."""
        for condition in self.living.due(now_ns):
            if self._frees(condition, now_ns):
                heapq.heappush(self._turns, (self._rule(condition).priority, condition))
            else:
                self._do(condition, [Tick()], now_ns, out)
        quota = self._quota(now_ns, len(self._turns)) if self._turns else 0
        while self._turns and quota:
            _, condition = heapq.heappop(self._turns)
            # Meanwhile it may have returned, or been suppressed again: then it has no turn.
            if condition in self.living.of and self._frees(condition, now_ns):
                self._do(condition, [Tick()], now_ns, out)
                quota -= 1

    def _frees(self, condition: int, now_ns: int) -> bool:
        at_ns = self.living.of[condition].state.release_ns
        return at_ns is not None and at_ns <= now_ns and not self._rule(condition).protected

    def _quota(self, now_ns: int, asked: int) -> int:
        """How many of those may be freed in this scan: RELEASES_PER_S, saved up for one second at most."""
        gap_ns = NS_PER_S // RELEASES_PER_S
        self._next_release_ns = min(max(self._next_release_ns, now_ns - NS_PER_S + gap_ns), now_ns + gap_ns)
        allowed = max(0, min(asked, (now_ns - self._next_release_ns) // gap_ns + 1))
        self._next_release_ns += allowed * gap_ns
        return allowed

    # --- people -----------------------------------------------------------------------------------------------------

    def act(self, name: str, event: Operator, by: By, now_ns: int) -> list[Happening] | Refused:
        """Somebody does something to a condition ('21605/CAB-0003/RCD_trip').

        Returns: what follows (first of all the action itself), or why it was refused.
        """
        condition = self.book.find(name)
        if condition is None or not by.user.may_see(*self.book.domain(condition)):
            return Refused(StatusCode.BadNodeIdUnknown, f"there is no alarm '{name}'")
        if (refused := refusal(by.user, event, *self.book.domain(condition), self._rule(condition))) is not None:
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
        rule = self._rule(condition)
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

    def _rule(self, condition: int) -> Rule:
        return self.book.block(condition).rule

    # --- families ---------------------------------------------------------------------------------------------------

    def _cause(self, parent: int) -> Cause:
        return Cause(self.book.name(parent), topology=True)

    def _holds(self, parent: int) -> bool:
        """A parent that nobody is told of holds nothing back. Shelving it is being told; so is its own feeder."""
        return self.family.stands(parent) and self._told_of(parent)

    def _told_of(self, parent: int) -> bool:
        if (live := self.living.of.get(parent)) is None:
            return True
        state = live.state
        told = not state.suppressed or (self._rule(parent).fed and all(cause.topology for cause in state.causes))
        return state.enabled and not state.out_of_service and told

    def _wait(self, condition: int, now_ns: int) -> int:
        """Until when a condition that rises from rest waits for parents about to stand [UTC ns]; 0: it does not."""
        if condition in self.living.of:
            return 0
        until_ns = 0
        for parent in self.family.parents(condition):
            decides_ns = self.family.decides_ns(parent, now_ns)
            if decides_ns > now_ns and self._told_of(parent):
                self.family.waiting.setdefault(parent, set()).add(condition)
                until_ns = max(until_ns, decides_ns)
        return until_ns

    def _file(self, condition: int) -> None:
        """Note under which parents it lies."""
        live = self.living.of.get(condition)
        if live is None or not live.state.causes:
            return
        rules = {c.rule for c in live.state.causes if c.topology}
        for parent in self.family.parents(condition):
            if self.book.name(parent) in rules:
                self.family.under.setdefault(parent, set()).add(condition)

    # --- rows -------------------------------------------------------------------------------------------------------

    def rows(self) -> dict[str, Row]:
        """The table 'conditions': name -> row, for everything not at rest."""
        live = self.living.of
        return {self.book.name(c): encode(live[c]) for c in sorted(live)}

    def take_dirty(self) -> dict[str, Row | None]:
        """Rows of that table that changed since the last call; None: at rest now, delete the row."""
        live = self.living.of
        dirty = sorted(self.living.dirty)
        self.living.dirty.clear()
        return {self.book.name(c): encode(live[c]) if c in live else None for c in dirty}

    def restore(self, rows: Mapping[str, Sequence[Any]], now_ns: int, *, with_columns: bool) -> list[str]:
        """Go on from stored rows; nobody acknowledges anything twice. Call before the first scan.

        Args:
            with_columns: `conditions.restore` was called with the columns of the same instant.
        Returns: names whose rule or equipment is gone or no longer in force: to be journalled as closed by the
            configuration, never dropped in silence.
        Raises:
            ValueError: a row that cannot be read.
        """
        lives = {name: decode(row) for name, row in rows.items()}
        return self.resume(lives, now_ns, with_columns=with_columns)

    def resume(self, lives: Mapping[str, Live], now_ns: int, *, with_columns: bool) -> list[str]:
        """As `restore`, from what was read already."""
        gone = []
        for name, live in lives.items():
            condition = self.book.find(name)
            if condition is None or not self.book.in_force[condition]:
                gone.append(name)
                continue
            if not with_columns:
                live = self._waiting_anew(condition, live, now_ns)
            self.living.put(condition, live, self._rule(condition))
            self._file(condition)
        standing = [c for c, live in self.living.of.items() if live.state.process]
        levels = [self.living.of[c].state.level for c in standing]
        self.conditions.align(np.array(standing, np.int64), np.array(levels, np.int8), keep_raw=with_columns)
        if not with_columns:
            # Or an expression that turned false while nobody looked would never let go.
            own = [c for c, live in self.living.of.items() if any(not cause.topology for cause in live.state.causes)]
            self.conditions.designed[own] = True
        self._settled_ns = now_ns + SETTLE_NS
        self.living.dirty.clear()
        return gone

    def _waiting_anew(self, condition: int, live: Live, now_ns: int) -> Live:
        """Who waits for a parent goes on waiting: the parent's inputs have to arrive, its delay begins anew."""
        state = live.state
        if state.release_ns is None or state.causes:
            return live
        delay_ns = max((self._rule(p).on_delay_ns for p in self.family.parents(condition)), default=0)
        return live._replace(state=replace(state, release_ns=max(state.release_ns, now_ns + SETTLE_NS + delay_ns)))

    def adopt(self, former: AlarmEngine, now_ns: int) -> list[str]:
        """Go on from the generation before: same names, same conditions, same delays on their way.

        Returns: as `restore`.
        """
        took, at = self.book.match(former.book)
        self.conditions.restore(former.conditions.columns(), took, at, None)
        self.conditions.last_ns = former.conditions.last_ns
        lives = {former.book.name(c): live for c, live in former.living.of.items()}
        return self.resume(lives, now_ns, with_columns=True)
