# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_conditions.py
"""All conditions of a plant, evaluated once a scan; what changed comes out as a few index arrays.

Law of this file: no loop over conditions, no Python object per condition, no clock, no I/O. It knows levels and times,
nothing of acknowledgement: that is the machine's.

For each rule: what it looks at (`watch`), whether it looks at all (`only_while`: while that is false, the condition is
normal, whatever its inputs are worth), and whether an engineer's expression suppresses it (`suppress_when`: unknown
keeps what was known last, and nothing known is not suppressed) or its equipment is under commissioning. Then all of
them at once: delays.

A rule whose inputs did not change since it was looked at last says what it said, and is not asked: on a plant that is
read every few seconds that is nine of ten in each scan. Rules that depend on time are always asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.words import BAD, Rows
from drivers.identity import Identities
from supervisor.alarms.delays import Delays, Levels, Mask
from supervisor.alarms.feeders import Feeders
from supervisor.alarms.rules import RuleBlock, RuleBook
from supervisor.alarms.watch import IdentityWatch, Watch
from supervisor.alarms.watchmaker import WatchMaker
from supervisor.tags.blocks import Tick, tick
from supervisor.tags.evaluate import Frame, Function
from supervisor.tags.locality import Locality
from supervisor.tags.table import TagTable


@dataclass(frozen=True, slots=True)
class Moves:
    """What one scan changed: condition numbers, each array ascending.

    Attributes:
        rise, clear, change: standing level left normal, came back to it, went from one level to another.
        blind, sees: inputs stopped being usable, became usable (conditions in force only).
        suppress, release: their own `suppress_when` became true, false.
        skew_ns: how far the clock moved since the last scan beyond the time that was watched [ns]; 0: nobody set it.
    """

    rise: Rows
    clear: Rows
    change: Rows
    blind: Rows
    sees: Rows
    suppress: Rows
    release: Rows
    skew_ns: int


@dataclass(frozen=True, slots=True)
class _Line:
    """One rule as it is run; `inputs`: as `WatchMaker.inputs`."""

    block: RuleBlock
    inputs: tuple[int, ...] | None
    watch: Watch
    gate: Function | None
    design: Function | None


class Conditions:
    """The vectorised half of the alarms.

    Args:
        book: rules and instances.
        place: of the site, for expressions.
        identities: what the drivers found of who answers; None: they found nothing.

    Raises:
        ValueError: a rule that does not fit its type.
    Attributes:
        delays: standing levels and times.
        designed: suppressed by its own expression or by commissioning, (n,).
    """

    def __init__(self, book: RuleBook, place: Locality, identities: Identities | None = None) -> None:
        self.book = book
        self._place = place
        device_of = {row: d.name for d in book.plant.devices for row in d.comm_rows.tolist()}
        identities = identities or Identities()
        self._types: list[tuple[_Line, ...]] = []
        on_ns, off_ns = np.zeros(book.count, np.int64), np.zeros(book.count, np.int64)
        for t in book.plant.types.values():
            maker = WatchMaker(t, device_of, identities)
            self._types.append(tuple(_line(maker, b) for b in book.of_type(t.name) if b.model.on != "fed"))
            for block in book.of_type(t.name):
                on_ns[block.conditions], off_ns[block.conditions] = _delays(block)
        self._may_design: Mask = np.zeros(book.count, np.bool_)
        for block in book.blocks:
            self._may_design[block.conditions] = block.model.suppress_when is not None
        self._watches = {line.block.index: line.watch for lines in self._types for line in lines}
        self._feeders = [Feeders(book, block) for block in book.blocks if block.model.on == "fed"]
        self.delays = Delays(on_ns, off_ns)
        self.designed: Mask = np.zeros(book.count, np.bool_)
        self.last_ns: int | None = None
        self._raw: Levels = np.zeros(book.count, np.int8)
        self._sees: Mask = np.ones(book.count, np.bool_)
        self._looked_at: TagTable | None = None  # None: every rule is asked in the next scan

    @property
    def level(self) -> Levels:
        """Standing level of each condition, (n,)."""
        return self.delays.level

    @property
    def unevaluable(self) -> Mask:
        """In force, but nobody can say: shown UNKNOWN, (n,)."""
        return self.book.in_force & ~self.delays.usable

    def limit(self, condition: int, level: int) -> float | None:
        """The limit that a condition is beyond at a level [unit]; None where its rule has none."""
        (limit,) = self.limits(np.array([condition]), np.array([level], np.int8))
        return limit

    def limits(self, conditions: Rows, levels: Levels) -> list[float | None]:
        """The limit that each condition is beyond at a level [unit]; None where its rule has none."""
        made: list[float | None] = [None] * len(conditions)
        block_of = self.book.block_numbers[conditions]
        for index in distinct(block_of).tolist():
            at = np.flatnonzero(block_of == index)
            watch = self._watches.get(index)
            if watch is None:
                continue
            found = watch.beyond(conditions[at] - self.book.blocks[index].start, levels[at])
            if found is None:
                continue
            for i, limit in zip(at.tolist(), found.tolist(), strict=True):
                made[i] = limit if math.isfinite(limit) else None
        return made

    def said(self, condition: int) -> str | None:
        """Who answers in the place of a device, of a condition on identity; None for every other."""
        watch = self._watches.get(self.book.block_of[condition])
        start = self.book.block(condition).start
        return watch.said(condition - start) if isinstance(watch, IdentityWatch) else None

    def run(self, table: TagTable, now_ns: int) -> Moves:
        """Evaluate every rule against the table as it stands.

        Args:
            now_ns: UTC [ns]. Time that was not watched (a set clock, a scan that stood still) counts for no delay.
        """
        now = tick(self.last_ns, now_ns)
        skew_ns = 0 if self.last_ns is None else now_ns - self.last_ns - now.elapsed_ns
        self.last_ns = now_ns
        raw, designed = self._raw, self.designed & self._may_design
        self._ask(table, now, designed)
        usable = self._sees & self.book.in_force
        for feeders in self._feeders:
            feeders.look(raw, usable)
        # What is not in service yet is suppressed by design, P1 included: its crew makes it trip on purpose.
        designed |= self.book.silent
        saw = self.delays.usable
        moved = self.delays.run(raw, usable, now_ns, skew_ns)
        turned, switched = np.flatnonzero(saw != usable), np.flatnonzero(designed != self.designed)
        self.designed = designed
        return Moves(
            rise=moved.rise,
            clear=moved.clear,
            change=moved.change,
            blind=turned[saw[turned]],
            sees=turned[usable[turned]],
            suppress=switched[designed[switched]],
            release=switched[~designed[switched]],
            skew_ns=skew_ns,
        )

    def _ask(self, table: TagTable, now: Tick, designed: Mask) -> None:
        """Have the rules say what they see, those that may say something new."""
        whole, self._looked_at = self._looked_at is not table, table
        changed = table.changed_blocks().tolist()
        with np.errstate(all="ignore"):
            for lines in self._types:
                frame = Frame(table, now, self._place)
                for line in lines:
                    if whole or line.inputs is None or any(changed[i] for i in line.inputs):
                        _look(line, frame, self._raw, self._sees, designed)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """What must survive a restart, by column, (n,) each (not a copy)."""
        return self.delays.columns() | {"designed": self.designed}

    def restore(self, columns: Mapping[str, npt.NDArray[Any]], took: Rows, at: Rows, stopped_ns: int | None) -> None:
        """Continue from saved columns: element `took[i]` there is condition `at[i]` here.

        Args:
            stopped_ns: time of the last scan before they were saved [UTC ns]; None: the next scan follows.
        """
        self.delays.restore(columns, took, at, stopped_ns)
        self.designed[at] = columns["designed"][took]
        self._seed()

    def align(self, standing: Rows, levels: Levels, *, keep_raw: bool) -> None:
        """Make the standing levels those of the conditions that stand; everything else is normal.

        Args:
            keep_raw: the columns were restored too: what was on its way stays on its way.
        """
        self.delays.level[:] = 0
        self.delays.level[standing] = levels
        if not keep_raw:
            self.delays.raw[standing] = levels
            self._seed()

    def _seed(self) -> None:
        self._looked_at = None
        for lines in self._types:
            for line in lines:
                line.watch.seed(self.delays.raw[line.block.conditions])


def _line(maker: WatchMaker, block: RuleBlock) -> _Line:
    model = block.model
    return _Line(
        block=block,
        inputs=maker.inputs(model),
        watch=maker.make(block.rule.name, model),
        gate=None if model.only_while is None else maker.condition(model.only_while),
        design=None if model.suppress_when is None else maker.condition(model.suppress_when),
    )


def _delays(block: RuleBlock) -> tuple[int, int]:
    model = block.model
    # What is stale has stood still for `after`, and ends with the first change.
    seconds = model.on_delay + (model.after or 0.0) if model.on == "stale" else model.on_delay
    return round(seconds * 1e9), 0 if model.on == "stale" else round(model.off_delay * 1e9)


def _look(line: _Line, frame: Frame, raw: Levels, usable: Mask, designed: Mask) -> None:
    where = line.block.conditions
    level, sees = line.watch.look(frame)
    if line.gate is not None:
        truth, status = line.gate(frame)
        known = True if status is None else status < BAD
        shut = known & ~truth
        level = np.where(shut, 0, level)
        sees = shut | known & (True if sees is None else sees)
    raw[where] = level
    usable[where] = True if sees is None else sees
    if line.design is not None:
        truth, status = line.design(frame)
        designed[where] = truth if status is None else np.where(status < BAD, truth, designed[where])
