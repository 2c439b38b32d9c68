# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_fitness.py
"""Fitness of this post, gathered from its parts.

Law of this file: asks and sums up; what it means for terminals is `hmi/health.py`'s, what it means for the role will be
the role machine's. Cheap: asked whenever a client looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from config.words import LinkState
from historian.base import JournalStatus
from supervisor.commands.proof import ProofOfLife
from supervisor.hmi.health import Health


class Field(Protocol):
    """The host, as far as fitness goes."""

    def link_states(self) -> list[LinkState]: ...


class Book(Protocol):
    """The journal, as far as fitness goes."""

    def status(self) -> JournalStatus: ...


class Stored(Protocol):
    """What keeps history."""

    @property
    def refused(self) -> bool: ...


class Kept(Protocol):
    """What keeps the checkpoint."""

    @property
    def error(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Fitness:
    """The parts of a post that have to work."""

    proof: ProofOfLife
    field: Field
    journal: Book
    history: Stored
    checkpoint: Kept

    def health(self) -> Health:
        """How the post is now."""
        states = self.field.link_states()
        journal = self.journal.status()
        return Health(
            alive=not self.proof.late(),
            devices=len(states),
            reachable=sum(state is LinkState.UP for state in states),
            storage_ok=not self.checkpoint.error and not self.history.refused,
            journal_ok=journal.error is None and journal.reserve is None,
        )
