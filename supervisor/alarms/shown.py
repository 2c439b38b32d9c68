# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""What is shown of the alarms: every condition that is not at rest, as its last written record left it.

Law of this file: no I/O, no clock. It changes only by what the writer hands it, in the order of the records, so that
nothing is shown that is not durable; the one exception is marked 'not recorded' (see `writer`). Counts are kept as it
changes, not made by looking through it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from historian.base import Plain
from supervisor.alarms.events import VALUED, What
from supervisor.alarms.happening import Counts, Happening
from supervisor.alarms.records import Batch, EventId
from supervisor.alarms.rows import Live
from supervisor.alarms.state import State

STEP: Final = 1000
"""Conditions shown without letting the loop do anything else: some milliseconds."""


@dataclass(slots=True)
class Entry:
    """One condition before the operator.

    Attributes:
        live: its state and field time.
        stamp: number of the batch it last changed with.
        event: record of its present occurrence, to be acknowledged by; None: not recorded, or not found again.
        later: records of that occurrence after it, newest first, as a restart found them again.
        value, limit: of its tag when it was announced, or last changed level.
        acked_by, shelved_by: names; '' if nobody did, or nobody knows.
        comment: the last thing somebody said about it.
        silent: its equipment is under commissioning: in no list but that of the suppressed, in no count but theirs.
    """

    live: Live
    stamp: int = 0
    event: EventId | None = None
    later: tuple[EventId, ...] = ()
    value: Plain = None
    acked_by: str = ""
    shelved_by: str = ""
    comment: str = ""
    silent: bool = False


class Shown:
    """Entries by condition number, and how many there are of each kind.

    Args:
        silent: conditions of equipment under commissioning.
        group_of: in which of several groups each condition is counted; None: all in one.
    Attributes:
        by_group: active, unacknowledged, shelved, suppressed, out of service and disabled of each group.
        durable: number of the newest batch that is on the disk; what changed later is not recorded.
    """

    def __init__(
        self, silent: Collection[int] = frozenset(), group_of: Sequence[int] | None = None, groups: int = 1
    ) -> None:
        self.entries: dict[int, Entry] = {}
        self._silent = silent
        self.durable = 0
        self._by_event: dict[EventId, int] = {}
        self.by_group = [[0] * 6 for _ in range(groups)]
        self._group_of = group_of

    def __iter__(self) -> Iterator[tuple[int, Entry]]:
        return iter(self.entries.items())

    def recorded(self, entry: Entry) -> bool:
        """Whether all that is shown of it is on the disk."""
        return entry.stamp <= self.durable

    def by_event(self, event: EventId) -> tuple[int, Entry] | None:
        """Condition whose present occurrence has this event."""
        condition = self._by_event.get(event)
        return None if condition is None else (condition, self.entries[condition])

    def counts(self, unevaluable: int) -> Counts:
        """How many of each, as shown."""
        active, unacked, shelved, suppressed, out_of_service, disabled = map(sum, zip(*self.by_group, strict=True))
        return Counts(active, unacked, shelved, suppressed, out_of_service, disabled, unevaluable)

    # --- changes

    def put(self, condition: int, live: Live | None, stamp: int) -> None:
        """A condition is this now; None: at rest, and no longer shown."""
        entry = self.entries.get(condition)
        if entry is not None and not entry.silent:
            self._count(condition, entry.live.state, -1)
        if live is None:
            if entry is not None:
                del self.entries[condition]
                self._forget_event(entry)
            return
        if condition not in self._silent:
            self._count(condition, live.state, 1)
        if entry is None:
            self.entries[condition] = Entry(live, stamp, silent=condition in self._silent)
            return
        if entry.live.state.occurrence_ns != live.state.occurrence_ns:
            self._forget_event(entry)
            entry.acked_by, entry.comment, entry.later = "", "", ()
        entry.live, entry.stamp = live, stamp

    def put_all(self, lives: Iterable[tuple[int, Live | None]], stamp: int) -> None:
        """`put` for many. In a storm thousands enter in one state, which is looked at once."""
        entered: dict[tuple[int, int], tuple[int, State, int]] = {}
        for condition, live in lives:
            if live is None or condition in self.entries or condition in self._silent:
                self.put(condition, live, stamp)
                continue
            self.entries[condition] = Entry(live, stamp)
            key = id(live.state), 0 if self._group_of is None else self._group_of[condition]
            _, state, n = entered.get(key, (condition, live.state, 0))
            entered[key] = condition, state, n + 1
        for condition, state, n in entered.values():
            self._count(condition, state, n)

    def tell(self, h: Happening, value: Plain) -> None:
        """What a record says beyond the state itself."""
        if (entry := self.entries.get(h.condition)) is None:
            return
        if h.announced or h.log.what in VALUED:
            entry.value = value
        if h.by is None or h.state.occurrence_ns != entry.live.state.occurrence_ns:
            return
        if h.log.what is What.ACKED:
            entry.acked_by = h.by.user.name
        elif h.log.what is What.SHELVED:
            entry.shelved_by = h.by.user.name
        if h.by.comment:
            entry.comment = h.by.comment

    def attach(self, condition: int, occurrence_ns: int, event: EventId, *, anew: bool = True) -> None:
        """The record of an occurrence stands; ignored if the condition has gone on to another one meanwhile, or has
        its event and this is not `anew`.
        """
        entry = self.entries.get(condition)
        if entry is None or entry.live.state.occurrence_ns != occurrence_ns:
            return
        if anew or entry.event is None:
            self._forget_event(entry)
            entry.event = event
            self._by_event[event] = condition

    def _forget_event(self, entry: Entry) -> None:
        if entry.event is not None:
            self._by_event.pop(entry.event, None)
            entry.event = None

    def _count(self, condition: int, s: State, step: int) -> None:
        counts = self.by_group[0 if self._group_of is None else self._group_of[condition]]
        if not s.enabled:
            counts[5] += step
        else:
            counts[0] += step * s.active
            counts[1] += step * (not s.acked)
        counts[2] += step * s.shelved
        counts[3] += step * s.suppressed
        counts[4] += step * s.out_of_service


def apply(
    shown: Shown, batch: Batch, values: Sequence[Plain], stamp: int, told: Sequence[EventId] | None
) -> Iterator[None]:
    """Show a batch; yields now and then, so that a storm does not hold up the loop.

    Args:
        values: of each happening's tag.
        told: the event of each happening; None: the batch could not be written, there are no events.
    """
    lives = iter(batch.lives.items())
    while some := list(islice(lives, STEP)):
        shown.put_all(some, stamp)
        yield
    for n, (h, value) in enumerate(zip(batch.happenings, values, strict=True)):
        shown.tell(h, value)
        # What rises under an overlay is an occurrence too, although nobody was told of it.
        if told is not None and (h.announced or not h.state.acked):
            shown.attach(h.condition, h.state.occurrence_ns, told[n], anew=h.announced)
        if n % STEP == STEP - 1:
            yield
