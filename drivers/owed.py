# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_faults.py, tests/kit
"""The answers that a simulated device owes on one connection: counted while they are open, held while a knob says so.

Law of this file: when, never what. Bounded; nothing is left behind when the connection goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from drivers.faults import Faults

HELD_MAX: Final = 256  # answers held back on one connection


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

    def answer(self, known_s: float, say: Callable[[], None], late_s: float | None = None) -> bool:
        """Say an answer when its time has come: late each for itself, else in order; at once if nothing holds it.

        Args:
            known_s: when the device knows it [s].
            late_s: instead of the knob's.

        Returns: False, and says nothing, if too many are held.
        """
        faults, now_s = self._device.faults, self._loop.time()
        late_s = faults.late_s if late_s is None else late_s
        if late_s > 0:
            return self._hold(known_s + late_s, say)
        if faults.slow_s or self._held or known_s > now_s:
            self._ready_s = max(self._ready_s, known_s, now_s + faults.slow_s)
            return self._hold(self._ready_s, say)
        say()
        return True

    def _hold(self, at_s: float, say: Callable[[], None]) -> bool:
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
