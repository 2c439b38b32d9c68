# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py
"""Where the host puts what comes from the field, and what its parts share.

Law of this file: words and bounds only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from config.words import Batch, Clock, LinkState, StatusCode
from drivers.gate import Gate
from drivers.identity import Identities
from drivers.link import Backoff


class Sink(Protocol):
    """The core's side. All calls are synchronous, on the loop, and must not raise."""

    def batch(self, batch: Batch) -> None:
        """An answer has come."""
        ...

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        """These requests have had no answer in their slot, for the first time since they last had one.

        Args:
            status: what their values are from now on (Uncertain; Bad after `bad_after` is the core's matter).
            reason: one sentence without subject.
        """
        ...

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        """A device's state has changed. `down` also means: silent on a link that stands."""
        ...


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Every bound of the host, named.

    Attributes:
        in_flight_max: questions begun within `patience_s`, over all links, to devices that answered last time; as many
            again to those that did not, or have not yet. Overstayers do not count.
        connects_max: connection attempts begun within `patience_s`.
        patience_s: how long a dead partner may hold one of these places [s].
        open_max_s: longest a link or a driver may take to open before it is given up [s].
        close_max_s: longest a link or a driver may take to close at `stop` [s].
        backoff: pause between two attempts on one link.
        demote_after: silent slots in a row until a device is asked rarely.
        probe_s: how often a demoted device on a link that stands is asked; and one that is not who it should be [s].
        identify_s: longest wait for the answer to "who are you?" [s].
        busy_pause_s: before the same question is put again to a device that is busy [s].
    """

    in_flight_max: int = 256
    connects_max: int = 64
    patience_s: float = 0.25
    open_max_s: float = 30.0
    close_max_s: float = 2.0
    backoff: Backoff = field(default_factory=Backoff)
    demote_after: int = 3
    probe_s: float = 10.0
    identify_s: float = 3.0
    busy_pause_s: float = 0.1

    def __post_init__(self) -> None:
        times = (self.patience_s, self.open_max_s, self.close_max_s, self.probe_s, self.busy_pause_s, self.identify_s)
        if min(self.in_flight_max, self.connects_max, self.demote_after) < 1:
            raise ValueError("expected in_flight_max, connects_max and demote_after of at least 1")
        if not all(0.0 < t < math.inf for t in times):
            raise ValueError("expected patience, open_max, close_max, probe, busy_pause and identify above 0 s")


@dataclass(frozen=True, slots=True)
class Means:
    """What links and devices share: one each per host.

    Attributes:
        polls: gate for questions to devices that answered last time.
        probes: gate for questions to all others, so that they stand in nobody's way.
        connects: gate for attempts to connect.
        identities: who is who.
    """

    sink: Sink
    clock: Clock
    random: Random
    limits: HostLimits
    polls: Gate
    probes: Gate
    connects: Gate
    identities: Identities
