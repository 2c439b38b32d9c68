# SPDX-License-Identifier: Apache-2.0
"""ServiceLevel: the four ranges of OPC 10000-4, 6.6.2.4.2, and which of two posts a terminal should choose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.health import Health, service_level

WELL = Health(devices=100, reachable=100)


@pytest.mark.parametrize(
    ("health", "level"),
    [
        (WELL, 255),
        (Health(), 255),
        (replace(WELL, reachable=75), 200),
        (replace(WELL, reachable=74), 2 + round(197 * 0.74)),
        (replace(WELL, storage_ok=False), 2 + round(197 * 0.75)),
        (replace(WELL, journal_ok=False), 2 + round(197 * 0.5)),
        (replace(WELL, reachable=1), 4),
        (replace(WELL, reachable=0), 1),
        (replace(WELL, alive=False), 1),
        (replace(WELL, maintenance=True), 0),
        (replace(WELL, maintenance=True, alive=False), 0),
    ],
)
def test_the_level_of_a_post(health: Health, level: int) -> None:
    assert service_level(health) == level


healths = st.builds(
    lambda alive, devices, share, storage, journal: Health(alive, devices, round(devices * share), storage, journal),
    st.booleans(),
    st.integers(0, 1000),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
)


@given(healths)
def test_the_ranges_are_kept_and_worse_is_never_better(health: Health) -> None:
    level = service_level(health)
    assert 1 <= level <= 255
    for worse in (
        replace(health, storage_ok=False),
        replace(health, journal_ok=False),
        replace(health, alive=False),
        replace(health, reachable=max(health.reachable - 1, 0)),
    ):
        assert service_level(worse) <= level
    if not (health.alive and health.storage_ok and health.journal_ok):
        assert level < 200
