# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py, tests/sim/test_alarms.py
"""The alarm desk: the engine in a running server. The scan calls `watch`, people come with `act`; `shown` is shown.

Law of this file: no decision about an alarm is made here (`engine`), none about what is durable (`writer`). The scan
never waits: it hands over and goes on.

What the engine holds is the present; what is shown, counted and told is what stands in the journal. An action of a
person is answered when its record is on the disk. When nothing can be recorded nothing is done for anybody, like a
command that cannot be journalled: the alarms go on being shown, marked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from config.model import AlarmRule, Site
from config.words import NS_PER_S, Clock, StatusCode
from drivers.identity import Identities
from historian.base import Found, JournalError, Query, Record, RecordKind, Run
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.counting import Counting
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Operator, Refused
from supervisor.alarms.happening import By, Counts, Happening
from supervisor.alarms.pages import TABLE, read
from supervisor.alarms.places import Places
from supervisor.alarms.rate import Rate
from supervisor.alarms.recollect import read_rate, recollect
from supervisor.alarms.records import RATE, Batch, EventId, Glances, Scribe
from supervisor.alarms.resuming import resume
from supervisor.alarms.rows import Live
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.settings import TABLE as SETTINGS
from supervisor.alarms.settings import changes, settings
from supervisor.alarms.shown import Shown
from supervisor.alarms.writer import AlarmJournal, NotRecorded, Writer
from supervisor.plant.plant import Plant
from supervisor.tags.locality import locality_of
from supervisor.tags.table import TagTable

log = logging.getLogger(__name__)

ACTIONS_MAX: Final = 1000
"""Conditions that one request may act on."""
COMMENT_LENGTH_MAX: Final = 500
POST: Final = 1


class DeskJournal(AlarmJournal, Protocol):
    """The journal as the desk needs it."""

    async def query(self, query: Query) -> Found: ...


def make_engine(site: Site, plant: Plant, identities: Identities | None = None) -> AlarmEngine:
    """The engine for a plant.

    Args:
        identities: what its drivers find of who answers.
    Raises:
        ValueError: a rule does not fit its type; `vigie check` says it earlier, with file and line.
    """
    alarms: dict[str, dict[str, AlarmRule]] = {name: dict(t.alarms) for name, t in site.types.items()}
    return AlarmEngine(Conditions(RuleBook(plant, alarms), locality_of(site), identities))


class AlarmDesk:
    """All alarms of a running plant.

    Args:
        run: leads off the loop.
        post: number of this post in the ids of events.
    Attributes:
        shown: what operators see.
        writer: on its way to the journal; `writer.told` takes those who send events.
        rate: annunciations of the last ten minutes.
        found: what was found at start, one sentence.
        counting: where reports take their turn.
    """

    def __init__(self, engine: AlarmEngine, journal: DeskJournal, clock: Clock, run: Run, post: int = POST) -> None:
        self.engine = engine
        self.book = engine.book
        self._places = Places(engine.book)
        silent = frozenset(np.flatnonzero(engine.book.silent).tolist())
        self.shown = Shown(silent, self._places.group_of, self._places.groups)
        self._scribe = Scribe(engine.conditions)
        self.writer = Writer(journal, self._scribe, self.shown, run, post)
        self.rate = Rate()
        self.found = ""
        self.counting = Counting()
        self._journal = journal
        self._clock = clock
        self._run = run
        self._glances = Glances(engine.conditions)
        self._table: TagTable | None = None

    # --- life

    async def restore(self) -> None:
        """Go on from the journal's rows. Call before the first scan; nothing is announced twice.

        Raises:
            JournalError: the journal cannot be read.
        """
        stored = await self._journal.rows(TABLE)
        found = await self._run(lambda: read(stored))
        now_ns = self._clock.wall_ns()
        gone = resume(self.engine, found.lives, now_ns, with_columns=False)
        living = self.engine.living.of
        # Renamed equipment is found by its former name and kept under the present one, where the plant now has it.
        lives, stale = self._scribe.pages.begin(living, found)
        await recollect(self._journal, self.shown, self.book, self._show(living))
        for second, n in read_rate(await self._journal.rows(RATE)):
            self.rate.count(n, second * NS_PER_S)
        closed = [*_closed(gone, "its rule or equipment is no more", now_ns)]
        closed += _closed(found.damaged, "its stored state cannot be read", now_ns)
        if closed or lives or stale:
            self.writer.put(Batch([], lives, None, closed, stale))
        self.found = f"{len(living)} alarms go on where they were"
        if closed:
            self.found += f"; {len(closed)} are no more or could not be read, see the journal"
        await self._note_settings(now_ns)

    async def _note_settings(self, now_ns: int) -> None:
        """Tell the journal which settings are others than at the last start."""
        records, rows = changes(await self._journal.rows(SETTINGS), settings(self.book), now_ns)
        if not rows:
            return
        try:
            await self._journal.append_with(records, rows)
        except JournalError as e:  # what is not stored is found again at the next start
            log.error("changes of alarm settings are not journalled yet: %s", e)
            return
        if records:
            self.found += f"; alarm settings changed: {len(records)}, see the journal"

    def _show(self, living: Mapping[int, Live]) -> list[int]:
        """What the rows tell; which conditions people had to do with."""
        touched = []
        for condition, live in living.items():
            self.shown.put(condition, live, 0)
            mark = self._scribe.pages.mark(condition)
            entry = self.shown.entries[condition]
            entry.value, entry.later = mark.value, tuple(EventId(*event) for event in reversed(mark.later))
            if mark.event is not None:
                self.shown.attach(condition, live.state.occurrence_ns, EventId(*mark.event))
            if mark.touched:
                touched.append(condition)
        return touched

    def start(self) -> None:
        self.writer.start()

    async def run(self) -> None:
        """Ends if the writer ends: a bug."""
        await self.writer.run()

    async def close(self) -> None:
        """Write what is owed and end. Idempotent."""
        await self.writer.close()
        await self._run(self.counting.close)

    # --- the scan

    def watch(self, table: TagTable, now_ns: int) -> None:
        """Step 4 of the scan."""
        self._table = table
        self._hand_over(self.engine.scan(table, now_ns))

    def _hand_over(self, happenings: list[Happening], notes: Sequence[Record] = ()) -> asyncio.Future[None] | None:
        living = self.engine.living
        if not (happenings or living.dirty or notes):
            return None
        lives = {c: living.of.get(c) for c in living.dirty}
        living.dirty.clear()
        values = self._glances.take(self._table, happenings) if self._table is not None and happenings else None
        batch = Batch(happenings, lives, values, list(notes))
        if announced := sum(h.announced for h in happenings):
            self.rate.count(announced, happenings[0].time_ns)
            self.rate.last(happenings[0].time_ns)
            batch.rate = self.rate.seconds()
        return self.writer.put(batch)

    # --- people

    async def act(self, name: str, event: Operator, by: By) -> Refused | None:
        """Somebody does something to one condition ('21605/CAB-0003/RCD_Trip').

        Returns: None: done and recorded; else why not.
        """
        (result,) = await self.act_all([(name, event)], by)
        return result

    async def act_all(self, actions: Iterable[tuple[str, Operator]], by: By) -> list[Refused | None]:
        """Several at once, at most ACTIONS_MAX, in one transaction; each is done or refused for itself.

        Returns: one answer each, in order, once all of it is on the disk.
        """
        wanted = list(actions)
        if len(wanted) > ACTIONS_MAX:
            raise ValueError(f"expected at most {ACTIONS_MAX} actions, got {len(wanted)}")
        if self.writer.error:
            refused = Refused(StatusCode.BadResourceUnavailable, f"nothing was done: {self.writer.error}")
            return [refused] * len(wanted)
        now_ns = self._clock.wall_ns()
        happenings: list[Happening] = []
        answers: list[Refused | None] = []
        for name, event in wanted:
            outcome = self.engine.act(name, event, by, now_ns)
            if isinstance(outcome, Refused):
                answers.append(outcome)
            else:
                happenings += outcome
                answers.append(None)
        if (durable := self._hand_over(happenings)) is not None:
            try:
                await durable
            except NotRecorded as e:
                text = f"it holds now, but its record is not on the disk yet and may be lost: {e}"
                unsure = Refused(StatusCode.BadResourceUnavailable, text)
                return [unsure if answer is None else answer for answer in answers]
        return answers

    async def comment(self, name: str, by: By) -> Refused | None:
        """Say something about a condition; `by.comment` is kept in the journal and shown with it."""
        condition = self.book.find(name)
        if condition is None or not by.user.may_see(*self.book.domain(condition)):
            return Refused(StatusCode.BadNodeIdUnknown, f"there is no alarm '{name}'")
        name = self.book.name(condition)
        if not by.user.may_write(*self.book.domain(condition)):
            return Refused(StatusCode.BadUserAccessDenied, f"{by.user.name} may do nothing with this equipment")
        if not by.comment.strip():
            return Refused(StatusCode.BadInvalidArgument, "expected a comment")
        if self.writer.error:
            return Refused(StatusCode.BadResourceUnavailable, f"nothing was done: {self.writer.error}")
        entry = self.shown.entries.get(condition)
        data = {"what": "comment", "comment": by.comment[:COMMENT_LENGTH_MAX], "terminal": by.terminal[:100]}
        occurrence_ns = 0 if entry is None else entry.live.state.occurrence_ns
        record = Record(
            self._clock.wall_ns(),
            RecordKind.ALARM,
            by.user.name,
            name,
            f"comment: {by.comment[:COMMENT_LENGTH_MAX]}",
            data | {"occurrence": occurrence_ns},
        )
        durable = self._hand_over([], [record])
        try:
            if durable is not None:
                await durable
        except NotRecorded as e:
            return Refused(StatusCode.BadResourceUnavailable, f"the comment is not recorded: {e}")
        if entry is not None:
            entry.comment = by.comment[:COMMENT_LENGTH_MAX]
        return None

    # --- telling

    def counts(self) -> Counts:
        """How many of each, as shown."""
        return self.shown.counts(int(self.engine.conditions.unevaluable.sum()))

    def places(self) -> dict[str, float | None]:
        """Numbers that tags of the plant show, as shown to people, by source (`places`)."""
        return self._places.numbers(self.shown.by_group, self.engine.conditions.unevaluable)

    def errors(self) -> list[str]:
        """Sentences for `/status`."""
        errors = [self.writer.error] if self.writer.error else []
        if self.writer.lost:
            errors.append(f"{self.writer.lost} alarm records were given up while the journal could not be written")
        return errors

    def annunciated(self) -> int:
        """Put before the operators in the last ten minutes."""
        return self.rate.last(self._clock.wall_ns())


def _closed(names: Sequence[str], why: str, now_ns: int) -> list[Record]:
    """Never dropped in silence: a record for each condition that could not be taken over."""
    return [
        Record(now_ns, RecordKind.ALARM, "vigie", name[:256], f"closed by the configuration: {why}", {"what": "closed"})
        for name in names
    ]
