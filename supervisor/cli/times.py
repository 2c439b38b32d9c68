# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_journal.py
"""Times as people type and read them: in the zone of their terminal. Everything behind this file is UTC nanoseconds.

Law of this file: pure; now and the zone are arguments.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_NS: Final = 1_000_000_000
_UNITS_S: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_AGO: Final = re.compile(r"(\d{1,6}) ?(s|min|h|d)")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
EXPECTED: Final = "2026-03-01, 2026-03-01T18:30, 18:30 (today), or 30 min, 2 h, 7 d (ago)"


def when(text: str, now_ns: int, zone: tzinfo | None = None) -> int:
    """UTC nanoseconds of a time a person typed.

    Args:
        zone: where times without a zone are meant; None: that of this machine.
    Raises:
        ValueError: it is no time; the sentence says what would be.
    """
    text = text.strip()
    if ago := _AGO.fullmatch(text):
        return now_ns - int(ago[1]) * _UNITS_S[ago[2]] * _NS
    try:
        if clock := _CLOCK.fullmatch(text):
            today = datetime.fromtimestamp(now_ns // _NS, UTC).astimezone(zone)
            hour, minute, second = (int(part or 0) for part in clock.groups())
            at = _placed(datetime(today.year, today.month, today.day, hour, minute, second), zone)  # noqa: DTZ001
        else:
            at = datetime.fromisoformat(text)
            at = at if at.tzinfo else _placed(at, zone)
        since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"expected a time such as {EXPECTED}; got '{text[:60]}'") from None
    return (since // timedelta(microseconds=1)) * 1000


def _placed(at: datetime, zone: tzinfo | None) -> datetime:
    return at.astimezone() if zone is None else at.replace(tzinfo=zone)


def shown(ns: int, zone: tzinfo | None = None) -> str:
    """'2026-03-01 18:30:05.123' in the zone; the number of nanoseconds where no calendar holds it.

    A time that clocks show twice, in the night when they go back, says which of the two: '2026-10-25 02:30:00.000 CET'.
    """
    at = _at(ns, zone)
    if at is None:
        return f"{ns} ns"
    return f"{at:%Y-%m-%d %H:%M:%S}.{ns % _NS // 1_000_000:03d}{which(at, zone)}"


def utc(ns: int) -> str:
    """'2026-03-01T17:30:05.123Z': for programs. Source: ISO 8601-1."""
    at = _at(ns, UTC)
    return str(ns) if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{ns % _NS // 1_000_000:03d}Z"


def which(at: datetime, zone: tzinfo | None = None) -> str:
    """' CET' or ' CEST' for a time that clocks show twice; '' for any other."""
    naive = at.replace(tzinfo=None)
    first, second = (_placed(naive.replace(fold=fold), zone).utcoffset() for fold in (0, 1))
    return "" if first == second else f"{at: %Z}"


def _at(ns: int, zone: tzinfo | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(ns // _NS, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return None
