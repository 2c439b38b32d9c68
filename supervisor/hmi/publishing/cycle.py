# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_cycle.py
"""The state machine of a subscription: what to do when its timer expires and when a Publish request comes.

Law of this file: pure; no time, no queue, no message. The caller says whether notifications are available and whether
a Publish request waits, and does what it is told. Row numbers are those of the state table.

Source: OPC 10000-4, 5.14.1.2 (state table), 5.14.1.3 (variables), 5.14.1.4 (functions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class State(Enum):
    """NORMAL: something was sent lately. LATE: a message is due and no request waits. KEEP_ALIVE: nothing to tell."""

    NORMAL = auto()
    LATE = auto()
    KEEP_ALIVE = auto()


class Act(Enum):
    """What the caller has to do."""

    NOTHING = auto()
    NOTIFY = auto()
    SAY_ALIVE = auto()
    EXPIRE = auto()


@dataclass(slots=True)
class Cycle:
    """State of one subscription.

    Attributes:
        keep_alive_max: silent cycles before a keep-alive message.
        lifetime_max: cycles without a sign of the client before the subscription ends.
        enabled: PublishingEnabled.
        more: the last message could not take all notifications.
        keep_alive, lifetime: cycles left of each.
        message_sent: something was sent since creation; the first cycle always sends something.
    """

    keep_alive_max: int
    lifetime_max: int
    enabled: bool = True
    state: State = State.NORMAL
    more: bool = False
    message_sent: bool = False
    keep_alive: int = field(init=False)
    lifetime: int = field(init=False)

    def __post_init__(self) -> None:
        self.keep_alive, self.lifetime = self.keep_alive_max, self.lifetime_max

    def timer(self, available: bool, queued: bool) -> Act:
        """The publishing timer expired.

        Args:
            available: a reporting item has a notification.
            queued: a Publish request waits.
        """
        if self.lifetime <= 1:
            return Act.EXPIRE  # row 27
        self.lifetime -= 1
        available = available and self.enabled
        if self.state is State.LATE:
            return self.request(available) if queued else Act.NOTHING  # row 12; queued only after a transfer
        if available and queued:
            return self._notify()  # rows 6 and 14
        if self.state is State.NORMAL:
            return self._normal(available, queued)
        if self.keep_alive > 1 and not available:
            self.keep_alive -= 1  # row 16
            return Act.NOTHING
        if queued:
            return self._say_alive()  # row 15
        self.state = State.LATE  # row 17
        return Act.NOTHING

    def _normal(self, available: bool, queued: bool) -> Act:
        """Rows 7 to 9: nothing can be notified."""
        if self.message_sent and not available:
            self.state, self.keep_alive = State.KEEP_ALIVE, self.keep_alive_max - 1
        elif queued:
            return self._say_alive()
        else:
            self.state = State.LATE
        return Act.NOTHING

    def request(self, available: bool) -> Act:
        """A Publish request came; NOTHING: it is not for this subscription now."""
        available = self.enabled and (available or self.more)
        if self.state is State.LATE:
            if available:
                return self._notify()  # row 10
            self.state = State.KEEP_ALIVE
            return self._say_alive()  # row 11
        if self.state is State.NORMAL and self.more and available:
            return self._notify()  # row 5
        return Act.NOTHING  # rows 4 and 13

    @property
    def late(self) -> bool:
        return self.state is State.LATE

    @property
    def waits(self) -> bool:
        """Whether the next Publish request may be for this subscription."""
        return self.late or (self.more and self.enabled and self.state is State.NORMAL)

    def touch(self) -> None:
        """The client has shown a sign of life for this subscription."""
        self.lifetime = self.lifetime_max

    def revise(self, keep_alive_max: int, lifetime_max: int) -> None:
        """ModifySubscription (row 18)."""
        self.keep_alive_max, self.lifetime_max = keep_alive_max, lifetime_max
        self.keep_alive = min(self.keep_alive, keep_alive_max)
        self.touch()

    def enable(self, enabled: bool) -> None:
        """SetPublishingMode (row 19)."""
        self.enabled, self.more = enabled, False
        self.touch()

    def _notify(self) -> Act:
        self.state = State.NORMAL
        self._sent()
        return Act.NOTIFY

    def _say_alive(self) -> Act:
        self._sent()
        return Act.SAY_ALIVE

    def _sent(self) -> None:
        self.message_sent, self.keep_alive = True, self.keep_alive_max
        self.touch()
