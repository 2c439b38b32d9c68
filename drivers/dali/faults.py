# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_faults.py
"""Which gear has failed, with as few questions as can be: all, then by group, then each.

Law of this file: pure; instants are arguments.

Theory. To "has any lamp failed?" every gear that has says yes; many at once collide, and a collision is a yes too. No
answer means: none of those that are there. So two frames answer for 64 lamps while all is well. It says nothing of gear
that is dead: who has not answered for itself within `PROOF_S` is asked by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from drivers.dali.frames import ALL, Target

PROOF_S: Final = 120.0

Ask = Target | Literal["well"]


@dataclass(slots=True)
class Faults:
    """What is known of failures on a line.

    Attributes:
        fresh_s: age up to which an answer stands [s].
        answers: whom -> (any failed, when).
        heard_s: gear -> when it last answered for itself.
        groups: gear -> bits of the groups it is in; empty until the line was counted.
    """

    fresh_s: float
    answers: dict[Target, tuple[bool, float]] = field(default_factory=dict)
    heard_s: dict[int, float] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=dict)

    def heard(self, gear: int, now_s: float) -> None:
        """It answered for itself."""
        self.heard_s[gear] = now_s

    def told(self, target: Target, failed: bool, now_s: float) -> None:
        """Whether any of these has failed."""
        self.answers[target] = failed, now_s

    def ask(self, gear: int, begun_s: float) -> Ask:
        """Whom to ask next to know of one gear; 'well' once it is known that it has not failed.

        Args:
            begun_s: when this was asked for; what was told since then stands, and `fresh_s` before.
        """
        if begun_s - self.heard_s.get(gear, begun_s - PROOF_S) >= PROOF_S:
            return Target(gear=gear)
        bits = self.groups.get(gear, 0)
        for target in (ALL, *(Target(group=g) for g in range(16) if bits >> g & 1)):
            known = self.answers.get(target)
            if known is None or known[1] < begun_s - self.fresh_s:
                return target
            if not known[0]:
                return "well"
        return Target(gear=gear)
