# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_report.py
"""How well the alarm system itself works: rates, floods, chattering and the worst ten, from what the journal tells.

Law of this file: pure; records in, one document out. The measures are those of ISA-18.2 (IEC 62682, clause 16): what is
counted is annunciations, what was put before a person.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from config.words import NS_PER_S
from historian.base import Record
from supervisor.alarms.events import What

TEN_MINUTES_NS: Final = 600 * NS_PER_S
HOUR_NS: Final = 3600 * NS_PER_S
FLOOD: Final = 10
"""More annunciations than this in ten minutes are a flood: nobody follows them any more."""
FLOOD_END: Final = 5
"""Fewer than this in ten minutes end it."""
CHATTER: Final = 3
CHATTER_NS: Final = 60 * NS_PER_S
"""A condition that rises CHATTER times within a minute chatters, announced each time or not."""
TOP: Final = 10
BUSY: Final = 30
"""More annunciations than this in an hour of the clock are more than a person can treat."""
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
        self._acks_ns: list[int] = []
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
            self._acks_ns.append(max(0, record.time_ns - occurrence))

    def document(self) -> dict[str, Any]:
        """The report as plain data; rates are per whole period asked for, not per time something happened."""
        every = np.sort(np.array([t for times in self._times.values() for t in times], np.int64))
        span_ns = self.until_ns - self.from_ns
        tens = _counts(every, self.from_ns, self.until_ns, TEN_MINUTES_NS)
        first_ns = self.from_ns - self.from_ns % HOUR_NS  # hours of the clock
        hours = _counts(every, first_ns, self.until_ns, HOUR_NS)
        chattering, fleeting = self._chattering(), self._fleeting()
        ranked = sorted(self._times.items(), key=lambda item: (-len(item[1]), item[0]))[:TOP]
        return {
            "records": self.records,
            "annunciated": len(every),
            "per_day": len(every) * 24 * HOUR_NS / span_ns,
            "per_hour": len(every) * HOUR_NS / span_ns,
            "per_hour_max": int(hours.max()),
            "per_10_min": len(every) * TEN_MINUTES_NS / span_ns,
            "per_10_min_max": int(tens.max()),
            "flood_share": float((tens > FLOOD).mean()),
            "floods": (found := floods(every, self.until_ns)),
            "in_flood": sum(end - begin for begin, end in found) / span_ns,
            "tens": [[self.from_ns + i * TEN_MINUTES_NS, int(n)] for i, n in enumerate(tens) if n],
            "hours": [[first_ns + i * HOUR_NS, int(n)] for i, n in enumerate(hours) if n],
            "priorities": {p: self._priorities[p] for p in sorted(self._priorities)},
            "top": [{"name": n, "count": len(t), "share": len(t) / len(every)} for n, t in ranked],
            "top_share": sum(len(t) for _, t in ranked) / max(1, len(every)),
            "busy_share": float((hours > BUSY).mean()),
            "chattering": chattering,
            "chattering_total": len(chattering),
            "fleeting": fleeting[:TOP],
            "fleeting_total": sum(f["count"] for f in fleeting),
            "acks": self._acks(),
        }

    def _acks(self) -> dict[str, Any]:
        """How long people took: half and nine of ten were as quick [s]; later than ten minutes."""
        times = np.sort(np.array(self._acks_ns, np.int64)) / NS_PER_S
        p50, p90 = np.percentile(times, (50, 90), method="inverted_cdf").tolist() if len(times) else (None, None)
        late = int((times > ACK_LATE_NS / NS_PER_S).sum())
        return {"count": len(times), "p50_s": p50, "p90_s": p90, "late": late}

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


def floods(times: np.ndarray[Any, Any], until_ns: int) -> list[list[int]]:
    """Floods as [begin, end] [UTC ns]: more than FLOOD in the last ten minutes begin one, fewer than FLOOD_END end it.

    Args:
        times: of annunciations, ascending.
        until_ns: what lasts ends here.
    """
    place = np.arange(len(times))
    with_it = place + 1 - np.searchsorted(times, times - TEN_MINUTES_NS, "right")
    leaves = times + TEN_MINUTES_NS
    left = np.searchsorted(times, leaves, "right") - (place + 1)
    ends = leaves[left < FLOOD_END]
    found: list[list[int]] = []
    for begin in times[with_it > FLOOD].tolist():
        if not found or begin >= found[-1][1]:
            after = np.searchsorted(ends, begin, "right")
            found.append([begin, min(until_ns, int(ends[after])) if after < len(ends) else until_ns])
    return found


def _counts(times: np.ndarray[Any, Any], from_ns: int, until_ns: int, width_ns: int) -> np.ndarray[Any, Any]:
    n = max(1, -(-(until_ns - from_ns) // width_ns))
    return np.bincount((times - from_ns) // width_ns, minlength=n)


def _most_within(times: Sequence[int], width_ns: int) -> int:
    most = start = 0
    for end, time_ns in enumerate(times):
        while time_ns - times[start] >= width_ns:
            start += 1
        most = max(most, end - start + 1)
    return most
