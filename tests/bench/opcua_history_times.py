# SPDX-License-Identifier: Apache-2.0
"""Times of the history benches, for server and client alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

YEAR_DAYS, DENSE_DAYS = 365, 30
START_NS = 20_000 * 86_400 * 1_000_000_000
"""A year that has passed whenever the bench runs: what lies ahead of the clock is not known to be so."""


def moment(seconds: float) -> datetime:
    """So many seconds after the first sample's day began."""
    return datetime.fromtimestamp(START_NS // 1_000_000_000, UTC) + timedelta(seconds=seconds)
