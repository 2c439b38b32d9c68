# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_permit.py
"""Proof of life: who has shown lately that it still works. The permit and the watchdog both feed on it.

Law of this file: no I/O, no tasks; time comes from the clock that is handed in.

A process whose scan hangs must not go on commanding the field because some other part of it still runs. So every
part that a command depends on beats, and the proof is as old as its oldest part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from config.words import Clock

# Renewal of a role needs a proof younger than this; a watchdog that is much longer would only restart later.
AGE_MAX_S: Final = 1.0


class ProofOfLife:
    """Last beat of each part.

    Attributes:
        age_max_s: a part that has not beaten for longer is late [s]. A site whose scan is slower than a third of a
            second needs more: three scans.
    """

    def __init__(self, clock: Clock, parts: Iterable[str], age_max_s: float = AGE_MAX_S) -> None:
        """Every name in `parts` must beat; until its first beat it is late."""
        self._clock = clock
        self._beats: dict[str, float] = dict.fromkeys(parts, float("-inf"))
        self.age_max_s = age_max_s

    def beat(self, part: str) -> None:
        """`part` works at this instant.

        Raises:
            KeyError: nobody asked for such a part.
        """
        if part not in self._beats:
            raise KeyError(f"proof of life: expected one of {', '.join(self._beats)}, got {part!r}")
        self._beats[part] = self._clock.boot_s()

    @property
    def good_until_s(self) -> float:
        """Instant at which the proof becomes too old [s of `Clock.boot_s`]; -inf before every part has beaten."""
        return min(self._beats.values(), default=float("-inf")) + self.age_max_s

    def late(self) -> list[str]:
        """Parts whose last beat is too old."""
        now = self._clock.boot_s()
        return [part for part, beat in self._beats.items() if now - beat >= self.age_max_s]
