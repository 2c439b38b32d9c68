# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""After a restart: what the journal alone knows of the conditions that stand: who did what to them, and said what.

Law of this file: reads only, bounded: at most TOUCHED_MAX conditions that people had to do with, LINES_MAX records of
each, whatever the length of the journal. Events, values and the rate lie beside the conditions (`pages`). What is not
found is left empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

from pydantic_core import from_json

from historian.base import Entry as Line
from historian.base import Found, Query, RecordKind
from supervisor.alarms.events import What
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.shown import Entry, Shown

TOUCHED_MAX: Final = 500
LINES_MAX: Final = 20


class Queried(Protocol):
    """The part of a journal that is asked."""

    async def query(self, query: Query) -> Found: ...


async def recollect(journal: Queried, shown: Shown, book: RuleBook, touched: Iterable[int]) -> None:
    """Fill in what people did to some of the conditions shown.

    Raises:
        JournalError: the journal cannot be read.
    """
    for condition in islice(touched, TOUCHED_MAX):
        query = Query(kinds=frozenset({RecordKind.ALARM}), subject=book.name(condition), limit=LINES_MAX)
        for line in reversed((await journal.query(query)).entries):
            _tell(line, shown.entries[condition])


def _tell(line: Line, entry: Entry) -> None:
    """One record, newest first."""
    data, state = line.record.data, entry.live.state
    what, same = data.get("what"), data.get("occurrence") == state.occurrence_ns
    if what == What.SHELVED.value and state.shelved and not entry.shelved_by:
        entry.shelved_by = line.record.user
    if same and what == What.ACKED.value and state.acked and not entry.acked_by:
        entry.acked_by = line.record.user
    if same and not entry.comment and isinstance(comment := data.get("comment"), str):
        entry.comment = comment


def read_rate(rows: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    """Annunciations by second as they were written; none if that cannot be read."""
    try:
        return [(int(second), int(n)) for _, payload in rows for second, n in from_json(payload)]
    except (ValueError, TypeError):
        return []
