# SPDX-License-Identifier: Apache-2.0
"""Fitness is the sum of its parts: each that fails is seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from config.words import LinkState
from historian.base import JournalStatus
from supervisor.commands.proof import ProofOfLife
from supervisor.fitness import Fitness
from supervisor.hmi.health import Health


@dataclass
class Parts:
    """The parts as they are, each by itself."""

    states: list[LinkState] = field(default_factory=lambda: [LinkState.UP, LinkState.DOWN])
    journal: JournalStatus = field(default_factory=lambda: JournalStatus(None, None, "", 0, 0, 0, 4096, 100, 1000))
    refused: bool = False
    error: str = ""
    now_s: float = 0.0

    def link_states(self) -> list[LinkState]:
        return self.states

    def status(self) -> JournalStatus:
        return self.journal

    def boot_s(self) -> float:
        return self.now_s

    def wall_ns(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"refused": True}, {"storage_ok": False}),
        ({"error": "full"}, {"storage_ok": False}),
        ({"now_s": 60.0}, {"alive": False}),
        ({"states": []}, {"devices": 0, "reachable": 0}),
    ],
)
def test_each_part_that_fails_is_seen(change: dict[str, object], expected: dict[str, object]) -> None:
    parts = Parts()
    proof = ProofOfLife(parts, ("scan",), 1.0)
    proof.beat("scan")
    for name, value in change.items():
        setattr(parts, name, value)
    well = Health(alive=True, devices=2, reachable=1)
    assert Fitness(proof, parts, parts, parts, parts).health() == replace(well, **expected)


@pytest.mark.parametrize("trouble", [{"error": "disk full"}, {"reserve": "in use"}])
def test_a_journal_that_cannot_write_is_seen(trouble: dict[str, str]) -> None:
    parts = Parts()
    parts.journal = replace(parts.journal, **trouble)
    assert not Fitness(ProofOfLife(parts, (), 1.0), parts, parts, parts, parts).health().journal_ok
