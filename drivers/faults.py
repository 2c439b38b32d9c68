# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_faults.py, tests/kit
"""What is broken about a simulated device now, and the answers it still owes.

Law of this file: the knobs that every protocol has, and nothing of a protocol. Time is the loop's.
Which words a person types stands in each protocol's `knobs.py`; what only one protocol has, in its simulator.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final, Protocol

from drivers.knobs import Knob

LASTING: Final = ("hang", "refuse", "silent")
COUNTED: Final = ("garble", "truncate", "duplicate", "wrong_id", "busy")
HELD_MAX: Final = 256  # answers held back on one connection


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
        self._left: Counter[str] = Counter()
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
        return self._until_s[name] > _now_s()

    def take(self, name: str) -> bool:
        """True if the next answer suffers this; it is one less then."""
        if self._left[name] <= 0:
            return False
        self._left[name] -= 1
        return True

    def take_cut(self) -> bool:
        """True if this write is not answered."""
        cut, self.cuts_write = self.cuts_write, False
        return cut

    def spoilt(self, answer: bytes) -> list[bytes]:
        """An answer as it leaves: one piece, or two that are the same."""
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


class Debtor(Protocol):
    """A device, as far as its answers know it.

    Attributes:
        requests: questions that have arrived.
        pending, pending_max: questions that are open now, and the most that ever were.
    """

    faults: Faults
    requests: int
    pending: int
    pending_max: int


class Owed:
    """The answers that a device owes on one connection."""

    def __init__(self, device: Debtor) -> None:
        self._device, self._loop = device, asyncio.get_running_loop()
        self._open = 0
        self._ready_s = 0.0
        self._held: set[asyncio.TimerHandle] = set()

    def asked(self, n: int = 1) -> None:
        """So many questions have come."""
        device = self._device
        device.requests += n
        self._open += n
        device.pending += n
        device.pending_max = max(device.pending_max, device.pending)

    def settled(self, n: int = 1) -> None:
        """So many are answered, or never will be."""
        self._open -= n
        self._device.pending -= n

    def due_s(self, known_s: float, late_s: float | None = None) -> float:
        """When an answer leaves [s]: late each for itself, else in order.

        Args:
            known_s: when the device knows it.
            late_s: instead of the knob's.
        """
        late_s = self._device.faults.late_s if late_s is None else late_s
        if late_s > 0:
            return known_s + late_s
        self._ready_s = max(self._ready_s, known_s, self._loop.time() + self._device.faults.slow_s)
        return self._ready_s

    def hold(self, at_s: float, say: Callable[[], None]) -> bool:
        """Say it at an instant, now if that is past. Returns False, and says nothing, if too many are held."""
        if at_s <= self._loop.time():
            say()
            return True
        if len(self._held) >= HELD_MAX:
            return False
        handle: asyncio.TimerHandle

        def later() -> None:
            self._held.discard(handle)
            say()

        handle = self._loop.call_at(at_s, later)
        self._held.add(handle)
        return True

    @property
    def held(self) -> int:
        """How many are held back now."""
        return len(self._held)

    def mute(self) -> None:
        """What is held never leaves."""
        for handle in self._held:
            handle.cancel()
        self._held.clear()

    def drop(self) -> None:
        """The connection is gone, and with it all that was owed."""
        self.mute()
        self.settled(self._open)
        self._ready_s = 0.0
