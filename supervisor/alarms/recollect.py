# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""After a restart: what the journal knows of the conditions that stand: their events, values, and who did what.

Law of this file: reads only, bounded: PAGES_MAX pages back, then at most SINGLES_MAX conditions one by one. What is not
found is left empty: a condition without its event is acknowledged by its name.
"""

from __future__ import annotations

from typing import Final, Protocol

from historian.base import QUERY_MAX, Found, Query, RecordKind
from historian.base import Entry as Line
from supervisor.alarms.events import What
from supervisor.alarms.rate import WINDOW_NS, Rate
from supervisor.alarms.records import EventId
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.shown import VALUED, Entry, Shown

PAGES_MAX: Final = 8
SINGLES_MAX: Final = 500
LATER_MAX: Final = 31
"""Later events of one occurrence: an operator may have answered any of them, and acknowledges by its id."""
_SINGLE_LIMIT: Final = 20
_VALUED: Final = frozenset(what.value for what in VALUED)


class Queried(Protocol):
    """The part of a journal that is asked."""

    async def query(self, query: Query) -> Found: ...


async def recollect(journal: Queried, shown: Shown, book: RuleBook, rate: Rate, now_ns: int) -> None:
    """Fill in the entries shown and the rate of the last ten minutes.

    Raises:
        JournalError: the journal cannot be read.
    """
    missing = dict(shown.entries)
    before: int | None = None
    recent: list[int] = []
    for _ in range(PAGES_MAX):
        found = await journal.query(Query(kinds=frozenset({RecordKind.ALARM}), before=before, limit=QUERY_MAX))
        for line in reversed(found.entries):
            if line.record.data.get("announced") and 0 <= now_ns - line.record.time_ns < WINDOW_NS:
                recent.append(line.record.time_ns)
            _tell(line, missing, shown, book)
        if not found.more or not found.entries:
            missing.clear()
            break
        before = found.entries[0].position.sequence
        if not missing and found.entries[0].record.time_ns < now_ns - WINDOW_NS:
            break
    for condition in list(missing)[:SINGLES_MAX]:
        query = Query(kinds=frozenset({RecordKind.ALARM}), subject=book.name(condition), limit=_SINGLE_LIMIT)
        for line in reversed((await journal.query(query)).entries):
            _tell(line, missing, shown, book)
    for time_ns in sorted(recent):
        rate.count(1, time_ns)


def _tell(line: Line, missing: dict[int, Entry], shown: Shown, book: RuleBook) -> None:
    """One record, newest first; a condition leaves `missing` once nothing older can matter to it."""
    condition = book.find(line.record.subject)
    if condition is None or (entry := missing.get(condition)) is None:
        return
    data, state = line.record.data, entry.live.state
    what, same = data.get("what"), data.get("occurrence") == state.occurrence_ns
    if what == What.SHELVED.value and state.shelved and not entry.shelved_by:
        entry.shelved_by = line.record.user
    if same and what == What.ACKED.value and state.acked and not entry.acked_by:
        entry.acked_by = line.record.user
    event = EventId(line.post, *line.position)
    if same and len(entry.later) < LATER_MAX:
        entry.later += (event,)
    if same and not entry.comment and isinstance(comment := data.get("comment"), str):
        entry.comment = comment
    if same and entry.value is None and (data.get("announced") or what in _VALUED):
        entry.value = data.get("value")
    # What rose under an overlay was not announced; an occurrence bears the time at which it began.
    if same and (data.get("announced") or line.record.time_ns == state.occurrence_ns):
        shown.attach(condition, state.occurrence_ns, event)
        entry.later = tuple(each for each in entry.later if each != event)
        if not state.shelved or entry.shelved_by:
            del missing[condition]
