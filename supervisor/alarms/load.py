# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_report.py
"""What somebody had to bear: rates, bursts and floods of the alarms put before them, and what followed an upset.

Law of this file: pure; times of annunciations in, numbers out. Whose they are (the plant's, a desk's, a commune's) is
the caller's matter. Measures: ISA-18.2 (IEC 62682, clause 16); grades: EEMUA 191, as plant documentation 3.5 has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, TimesNs

Document: TypeAlias = dict[str, Any]

TEN_MINUTES_NS: Final = 600 * NS_PER_S
HOUR_NS: Final = 3600 * NS_PER_S
FLOOD: Final = 10
"""More annunciations than this in ten minutes are a flood: nobody follows them any more."""
FLOOD_END: Final = 5
"""Fewer than this in ten minutes end it."""
BUSY: Final = 30
"""More annunciations than this in an hour of the clock are more than a person can treat."""
EXCESSIVE: Final = 100
"""More annunciations than this in the ten minutes after an upset are excessive; up to FLOOD can be managed."""


def load(times: TimesNs, from_ns: int, until_ns: int) -> Document:
    """Rates over a time; they are per whole period asked for, not per time in which something happened.

    Args:
        times: of annunciations, ascending, all within from_ns..until_ns [UTC ns].
    """
    span_ns = until_ns - from_ns
    tens = _counts(times, from_ns, until_ns, TEN_MINUTES_NS)
    first_ns = from_ns - from_ns % HOUR_NS  # hours of the clock
    hours = _counts(times, first_ns, until_ns, HOUR_NS)
    found = floods(times, until_ns)
    per_10_min = len(times) * TEN_MINUTES_NS / span_ns
    return {
        "annunciated": len(times),
        "per_day": len(times) * 24 * HOUR_NS / span_ns,
        "per_hour": len(times) * HOUR_NS / span_ns,
        "per_hour_max": int(hours.max()),
        "per_10_min": per_10_min,
        "per_10_min_max": int(tens.max()),
        "flood_share": float((tens > FLOOD).mean()),
        "floods": found,
        "in_flood": sum(end - begin for begin, end in found) / span_ns,
        "busy_share": float((hours > BUSY).mean()),
        "grade": grade(per_10_min),
        "tens": [[from_ns + i * TEN_MINUTES_NS, int(n)] for i, n in enumerate(tens) if n],
        "hours": [[first_ns + i * HOUR_NS, int(n)] for i, n in enumerate(hours) if n],
    }


def grade(per_10_min: float) -> str:
    """What EEMUA 191 calls such a load in steady operation; its limits are 1 in 10 min, 1 in 5 min, 1 a minute."""
    if per_10_min <= 1:
        return "acceptable"
    if per_10_min <= 2:
        return "manageable"
    return "over-demanding" if per_10_min <= 10 else "unacceptable"


def floods(times: TimesNs, until_ns: int) -> list[list[int]]:
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


def upsets(times: TimesNs, heads: Sequence[tuple[int, str]], until_ns: int) -> list[Document]:
    """Each upset of a time with how many alarms came in its first ten minutes, in order.

    An upset begins when the alarm of a feeder is annunciated (`heads`: time and name, ascending: a supply, a line or a
    gateway is lost), or with the first alarm of the ten minutes that became a flood. What begins within ten minutes of
    another belongs to it.
    """
    begins: dict[int, str] = {}
    for at, name in heads:
        begins.setdefault(at, name)
    for flooded_ns, _ in floods(times, until_ns):
        first = int(np.searchsorted(times, flooded_ns - TEN_MINUTES_NS, "right"))
        begins.setdefault(int(times[first]), "")
    found: list[Document] = []
    for at in sorted(begins):
        if found and at < found[-1]["at"] + TEN_MINUTES_NS:
            found[-1]["name"] = found[-1]["name"] or begins[at]
            continue
        n = int(np.searchsorted(times, at + TEN_MINUTES_NS) - np.searchsorted(times, at))
        found.append({"at": at, "name": begins[at], "count": n, "grade": _after_upset(n)})
    return found


def _after_upset(n: int) -> str:
    if n <= FLOOD:
        return "manageable"
    return "hard" if n <= EXCESSIVE else "excessive"


def _counts(times: TimesNs, from_ns: int, until_ns: int, width_ns: int) -> npt.NDArray[np.int64]:
    n = max(1, -(-(until_ns - from_ns) // width_ns))
    counts: npt.NDArray[np.int64] = np.bincount((times - from_ns) // width_ns, minlength=n)
    return counts
