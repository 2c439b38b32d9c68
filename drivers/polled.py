# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py
"""A poll class of one device: its requests, and where it stands on its grid.

Law of this file: no task, no clock; instants are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.base import DeviceSpec, PollClass, Request
from drivers.slots import Slot, after, phase_s, running_slot, slot_at
from drivers.status import ExchangeStatus

SMOOTHING: Final = 0.25  # weight of the newest interval in the achieved period


@dataclass(slots=True)
class Polled:
    """One poll class of one device.

    Attributes:
        first: which request a slot begins with; moves on behind one that was silent.
        achieved_s: smoothed distance of the slots' beginnings; NaN before there were two [s].
    """

    poll: PollClass
    requests: list[Request]
    slot: Slot
    first: int = 0
    achieved_s: float = math.nan
    _begun_s: float = math.nan
    _out_of_turn: bool = False
    _called_s: float = -math.inf
    _waited_s: float = 0.0

    @property
    def due_s(self) -> float:
        """When its next slot begins [s]; one that is called out of turn is due since the call.

        So a device that has just come back is asked for its fast classes first: by their grids the slowest would be
        the one that has waited longest, and on a bus of 21 questions a second all else would stand behind it.
        """
        return max(self.slot.due_s, self._called_s)

    def begin(self, now_s: float) -> None:
        """A slot begins; the interval since the one before counts, unless that one was out of turn."""
        interval_s = now_s - self._begun_s
        self._begun_s = now_s
        if self._out_of_turn:
            self._begun_s, self._out_of_turn = math.nan, False
        elif not math.isnan(interval_s):
            before_s = self.poll.period_s if math.isnan(self.achieved_s) else self.achieved_s
            self.achieved_s = before_s + SMOOTHING * (interval_s - before_s)

    def end(self, now_s: float, waited_s: float = 0.0) -> int:
        """A slot was served; returns how many were missed meanwhile.

        Args:
            waited_s: how long its device has waited so far for a bus that carries no more (`drivers.base.Budgeted`):
                slots that passed for that alone since this class was served are skipped and not missed.
        """
        _, missed = after(self.slot, now_s - (waited_s - self._waited_s))
        self._waited_s = waited_s
        self.slot, _ = after(self.slot, now_s)
        return missed

    def at_once(self, now_s: float) -> None:
        """Due now, out of turn; then again on the same grid."""
        self.slot = running_slot(self.slot, now_s)
        self._begun_s, self._out_of_turn, self._called_s = math.nan, True, now_s

    def exchanges(
        self, answers: Callable[[Request], bool], notes: Callable[[Request], Sequence[str]]
    ) -> Iterator[ExchangeStatus]:
        """How its questions fare; who asks them knows which are answered and what is refused of them."""
        for request in self.requests:
            yield ExchangeStatus(
                label=request.exchange.label,
                poll=self.poll.name,
                points=len(request.rows),
                answers=answers(request),
                period_s=self.poll.period_s,
                achieved_s=self.achieved_s,
                notes=tuple(notes(request)),
            )


def polled(spec: DeviceSpec, requests: Sequence[Request], now_s: float) -> list[Polled]:
    """The poll classes of a device that have requests, fastest first, each on its grid."""
    found = []
    for name, poll in sorted(spec.polls.items(), key=lambda item: item[1].period_s):
        if mine := [request for request in requests if request.exchange.poll == name]:
            phase = phase_s(f"{spec.name}/{name}", poll.period_s)
            found.append(Polled(poll, mine, slot_at(poll.period_s, phase, now_s)))
    return found
