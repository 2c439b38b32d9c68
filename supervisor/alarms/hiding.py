# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_report.py
"""What people hid: every shelving, removal from service and disabling of a time, and those that lack their right.

Law of this file: pure; records in, one document out. The machine refuses what may not be; this is the proof of it from
the journal alone, for whoever does not believe the machine. Target of ISA-18.2 (IEC 62682, clause 16): none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from config.words import NS_PER_S
from historian.base import Record
from supervisor.alarms.events import What

LISTED_MAX: Final = 100
_ITSELF: Final = frozenset({"", "vigie"})
_LACKS: Final = {
    What.SHELVED.value: "a reason",
    What.REMOVED.value: "a work order",
    What.DISABLED.value: "a change record",
}
_ROUNDING_NS: Final = NS_PER_S


class Hiding:
    """Acts of a time, from..until [UTC ns], that keep an alarm from being annunciated.

    Args:
        longest: name of a condition -> how long it may be shelved [ns]; None: nobody knows that rule any more.
    """

    def __init__(self, from_ns: int, until_ns: int, longest: Callable[[str], int | None]) -> None:
        self._from_ns, self._until_ns = from_ns, until_ns
        self._longest = longest
        self._acts: Counter[str] = Counter()
        self._wrong: list[dict[str, Any]] = []
        self._wrong_total = 0

    def add(self, records: Iterable[Record]) -> None:
        """Alarm records in any order; those outside the time are left out."""
        for record in records:
            what = record.data.get("what")
            if what in _LACKS and self._from_ns <= record.time_ns < self._until_ns:
                self._acts[str(what)] += 1
                if lacks := self._lacking(record, str(what)):
                    self._note(record, str(what), lacks)

    def _lacking(self, record: Record, what: str) -> str:
        """What the act should have had; empty: nothing."""
        if record.user in _ITSELF:
            return "a person"
        if not str(record.data.get("detail") or "").strip():
            return _LACKS[what]
        if what == What.SHELVED.value:
            until_ns, longest_ns = record.data.get("until"), self._longest(record.subject)
            if not isinstance(until_ns, int):
                return "an end"
            if longest_ns is not None and until_ns - record.time_ns > longest_ns + _ROUNDING_NS:
                return f"an end within {longest_ns / (3600 * NS_PER_S):g} h"
        return ""

    def _note(self, record: Record, what: str, lacks: str) -> None:
        self._wrong_total += 1
        if len(self._wrong) < LISTED_MAX:
            self._wrong.append({"time_ns": record.time_ns, "name": record.subject, "what": what, "lacks": lacks})

    def document(self) -> dict[str, Any]:
        """How often of each kind; what lacks its right, the first LISTED_MAX of it."""
        return {
            "acts": {what: self._acts[what] for what in _LACKS},
            "unauthorised": sorted(self._wrong, key=lambda w: w["time_ns"]),
            "unauthorised_total": self._wrong_total,
        }
