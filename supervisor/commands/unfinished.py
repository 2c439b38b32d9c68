# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_unfinished.py
"""Commands that a dead server left without a verdict: at the next start each gets one, *unknown*.

Law of this file: the journal alone is asked. A command stands in it before its byte leaves, so whatever may have left
is found; what became of it nobody can say any more, and that is what is written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from config.words import Clock, Verdict
from historian.base import Entry, Journal, Query, Record, RecordKind
from supervisor.commands.life import Cause

# Commands under way are few (IN_FLIGHT_MAX) and last seconds; of commands and verdicts (a storm of alarms may have
# followed them), what is further back had its verdict long ago.
LOOK_BACK: Final = Query(kinds=frozenset({RecordKind.COMMAND, RecordKind.VERDICT}), limit=10_000)


def without_verdict(entries: Iterable[Entry]) -> list[Entry]:
    """Commands that were carried out, at least in part, and have no verdict. A refusal at a gate is its own verdict."""
    open_: dict[object, Entry] = {}
    for entry in entries:
        if entry.record.kind is RecordKind.COMMAND and "cause" not in entry.record.data:
            open_[entry.position.sequence] = entry
        elif entry.record.kind is RecordKind.VERDICT:
            open_.pop(entry.record.data.get("command"), None)
    return list(open_.values())


async def end_unfinished(journal: Journal, clock: Clock) -> int:
    """Write a verdict for each; returns how many. Called once at start, before the first command.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    found = without_verdict((await journal.query(LOOK_BACK)).entries)
    records = [_verdict(entry, clock.wall_ns()) for entry in found]
    if records:
        await journal.append(records)
    return len(records)


def _verdict(entry: Entry, now_ns: int) -> Record:
    return Record(
        now_ns,
        RecordKind.VERDICT,
        entry.record.user,
        entry.record.subject,
        f"{Verdict.UNKNOWN}: the server ended before its verdict; look before asking again",
        {
            "verdict": Verdict.UNKNOWN.value,
            "cause": Cause.ABANDONED.value,
            "command": entry.position.sequence,
            "epoch": entry.position.epoch,
        },
    )
