# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_report.py
"""How well the alarm system itself works: rates, floods, chattering and the worst ten, from what the journal tells.

Law of this file: pure; records in, documents out. The measures are those of ISA-18.2 (IEC 62682, clause 16): what is
counted is annunciations, what was put before a person.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from config.words import NS_PER_S, TimesNs
from historian.base import Record
from supervisor.alarms.events import What
from supervisor.alarms.load import Document, load, upsets

CHATTER: Final = 3
CHATTER_NS: Final = 60 * NS_PER_S
"""A condition that rises CHATTER times within a minute chatters, announced each time or not."""
TOP: Final = 10
FLEETING_NS: Final = 5 * NS_PER_S
"""A condition that is gone this soon, nobody having acknowledged it, told nobody anything."""
ACK_LATE_NS: Final = 600 * NS_PER_S


class Tally:
    """Annunciations of a time, from..until [UTC ns]."""

    def __init__(self, from_ns: int, until_ns: int) -> None:
        self.from_ns = from_ns
        self.until_ns = max(until_ns, from_ns + 1)
        self._times: dict[str, list[int]] = {}
        self._rises: dict[str, list[int]] = {}
        self._ends: dict[str, list[tuple[int, bool]]] = {}  # returned, or acknowledged (True)
        self._acks_ns: dict[str, list[int]] = {}
        self._priorities: Counter[str] = Counter()
        self.records = 0

    def add(self, records: Iterable[Record]) -> None:
        """Alarm records in any order; those outside the time are left out."""
        for record in records:
            if not self.from_ns <= record.time_ns < self.until_ns:
                continue
            self.records += 1
            self._add_end(record)
            if record.data.get("announced") or record.data.get("what") == What.ALARM.value:
                self._rises.setdefault(record.subject, []).append(record.time_ns)
            if record.data.get("announced"):
                self._times.setdefault(record.subject, []).append(record.time_ns)
                self._priorities[str(record.data.get("priority", "?"))] += 1

    def _add_end(self, record: Record) -> None:
        what, occurrence = record.data.get("what"), record.data.get("occurrence")
        if what not in (What.RETURNED.value, What.ACKED.value):
            return
        self._ends.setdefault(record.subject, []).append((record.time_ns, what == What.ACKED.value))
        if what == What.ACKED.value and isinstance(occurrence, int):
            self._acks_ns.setdefault(record.subject, []).append(max(0, record.time_ns - occurrence))

    def document(self, is_head: Callable[[str], bool] = lambda _: False) -> Document:
        """The report as plain data.

        Args:
            is_head: whether the alarm of that name tells of an upset: what it feeds is lost with it.
        """
        every = _sorted(self._times.values())
        chattering, fleeting = self._chattering(), self._fleeting()
        ranked = sorted(self._times.items(), key=lambda item: (-len(item[1]), item[0]))[:TOP]
        heads = sorted((at, name) for name, times in self._times.items() if is_head(name) for at in times)
        after = upsets(every, heads, self.until_ns)
        return load(every, self.from_ns, self.until_ns) | {
            "records": self.records,
            "priorities": {p: self._priorities[p] for p in sorted(self._priorities)},
            "top": [{"name": n, "count": len(t), "share": len(t) / len(every)} for n, t in ranked],
            # Of ten alarms or fewer the top ten are all: that says nothing.
            "top_share": sum(len(t) for _, t in ranked) / len(every) if len(self._times) > TOP else None,
            "chattering": chattering,
            "chattering_total": len(chattering),
            "fleeting": fleeting[:TOP],
            "fleeting_total": sum(f["count"] for f in fleeting),
            "upsets": sorted(after, key=lambda u: (-u["count"], u["at"]))[:TOP],
            "upsets_total": len(after),
            "upset_max": max((u["count"] for u in after), default=0),
            "acks": _acks(self._acks_ns.values()),
        }

    def shared(self, whose: Callable[[str], str]) -> dict[str, Document]:
        """The load of each of several who share the alarms, by the name that `whose` gives an alarm's owner."""
        names: dict[str, list[str]] = {}
        for name in self._times.keys() | self._acks_ns.keys():
            names.setdefault(whose(name), []).append(name)
        made = {}
        for owner in sorted(names):
            of = names[owner]
            times = _sorted(self._times.get(name, ()) for name in of)
            acks = _acks(self._acks_ns.get(name, ()) for name in of)
            made[owner] = load(times, self.from_ns, self.until_ns) | {"acks": acks}
        return made

    def _fleeting(self) -> list[dict[str, Any]]:
        """Rises that were gone within FLEETING_NS, before anybody acknowledged them."""
        found = []
        for name, rises in self._rises.items():
            ends = sorted(self._ends.get(name, ()))
            times = [time_ns for time_ns, _ in ends]
            count = 0
            for rise_ns in rises:
                at = bisect_left(times, rise_ns)
                if at < len(ends) and not ends[at][1] and times[at] - rise_ns < FLEETING_NS:
                    count += 1
            if count:
                found.append({"name": name, "count": count})
        return sorted(found, key=lambda f: (-f["count"], f["name"]))

    def _chattering(self) -> list[dict[str, Any]]:
        found = []
        for name, times in self._rises.items():
            if (most := _most_within(sorted(times), CHATTER_NS)) >= CHATTER:
                found.append({"name": name, "per_minute_max": most, "count": len(times)})
        return sorted(found, key=lambda f: (-f["per_minute_max"], f["name"]))


def _sorted(times: Iterable[Sequence[int]]) -> TimesNs:
    return np.sort(np.array([t for of in times for t in of], np.int64))


def _acks(delays: Iterable[Sequence[int]]) -> Document:
    """How long people took: half and nine of ten were as quick [s]; later than ten minutes."""
    times = _sorted(delays) / NS_PER_S
    p50, p90 = np.percentile(times, (50, 90), method="inverted_cdf").tolist() if len(times) else (None, None)
    late = int((times > ACK_LATE_NS / NS_PER_S).sum())
    return {"count": len(times), "p50_s": p50, "p90_s": p90, "late": late}


def _most_within(times: Sequence[int], width_ns: int) -> int:
    most = start = 0
    for end, time_ns in enumerate(times):
        while time_ns - times[start] >= width_ns:
            start += 1
        most = max(most, end - start + 1)
    return most
