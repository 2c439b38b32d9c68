# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_faults.py, tests/kit
"""What is broken about a simulated device now: the knobs that every protocol has, as they stand.

Law of this file: nothing of a protocol, no connection. Time is the loop's. Which words a person types stands in each
protocol's `knobs.py`; what only one protocol has, in its simulator.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from drivers.knobs import Knob

LASTING: Final = ("hang", "refuse", "silent")
COUNTED: Final = ("garble", "truncate", "duplicate", "wrong_id", "busy")


class Faults:
    """The knobs of one device as they stand.

    Attributes:
        late_s: each answer is held so long; later questions are not blocked by it [s].
        slow_s: each answer goes so long after its question, in order [s].
        cuts_write: the next write is carried out and never answered.
    """

    def __init__(self, seed: str, noise: tuple[int, int]) -> None:
        """All is well.

        Args:
            seed: of the noise, the device's name.
            noise: a place and a byte there that make sure that noise is never by chance an answer.
        """
        self._random, self._noise = Random(seed), noise
        self.heal()

    def heal(self) -> None:
        """Turn every knob back."""
        self._until_s = dict.fromkeys(LASTING, 0.0)
        self._left: dict[str, int] = {}
        self.late_s = self.slow_s = 0.0
        self.cuts_write = False

    def turn(self, knob: Knob) -> None:
        """Turn a knob; one that breaks nothing that lasts is nothing here."""
        if knob.name in LASTING:
            self._until_s[knob.name] = float("inf") if knob.seconds is None else _now_s() + knob.seconds
        elif knob.name in COUNTED:
            self._left[knob.name] = knob.count
        elif knob.name == "late":
            self.late_s = knob.seconds or 0.0
        elif knob.name == "slow":
            self.slow_s = knob.seconds or 0.0

    def until_s(self, name: str) -> float:
        """When a lasting knob turns back by itself [s]; inf: when it is healed; in the past: it is off."""
        return self._until_s[name]

    def lasts(self, name: str) -> bool:
        """True while a lasting knob is on."""
        until_s = self._until_s[name]
        return until_s > 0.0 and until_s > _now_s()

    def take(self, name: str) -> bool:
        """True if the next answer suffers this; it is one less then."""
        if name not in self._left:
            return False
        self._left[name] -= 1
        if not self._left[name]:
            del self._left[name]
        return True

    def take_cut(self) -> bool:
        """True if this write is not answered."""
        cut, self.cuts_write = self.cuts_write, False
        return cut

    def spoilt(self, answer: bytes) -> list[bytes]:
        """An answer as it leaves: one piece, or two that are the same."""
        if not self._left:
            return [answer]
        if self.take("garble"):
            at, byte = self._noise
            noise = bytearray(self._random.randbytes(len(answer)))
            noise[at] = byte
            answer = bytes(noise)
        if self.take("truncate"):
            answer = answer[: len(answer) // 2 + 1]
        return [answer, answer] if self.take("duplicate") else [answer]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
