# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py
"""How a device stands: what is known of it, what the sink and the log have been told, and no more than once.

Law of this file: no waiting. The task of `drivers.device` reports what happened; the answer to "is it there?" is made
here, from the link below it, whether its driver is open, what troubles it, and whether it has been answering.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from config.words import LinkState, StatusCode
from drivers.base import Request
from drivers.connection import Connection
from drivers.link import Health, answered, silent
from drivers.sink import Means
from drivers.status import duration

log = logging.getLogger("vigie.field")


class Standing:
    """Standing of one device.

    Attributes:
        health: answering, silent or demoted.
        lost: it is known not to answer, and that was logged.
        opened: generation of the connection in which its driver was opened; 0: never.
        probe_s: when a demoted device is asked next [s].
        misses: slots of a request that ended without an answer.
    """

    def __init__(self, index: int, name: str, requests: Iterable[Request], link: Connection, means: Means) -> None:
        self.name = name
        self.connection = link
        self.health = Health(since_s=asyncio.get_running_loop().time())
        self.lost = False
        self.opened = 0
        self.probe_s = 0.0
        self.misses = 0
        self._index = index
        self._means = means
        self._now = asyncio.get_running_loop().time
        self._all = [request.id for request in requests]
        self._missed: set[int] = set()
        self._trouble = ""
        self._lost_s = 0.0
        self._told: LinkState | None = None

    # --- what happened

    def took(self, request: Request) -> None:
        """It answered this request. Cheap while all is well."""
        self._missed.discard(request.id)
        if self.health.silences or self.lost or self._trouble or self.connection.link.failures:
            self.heard()

    def heard(self) -> None:
        """It said something: as usual from now on."""
        self.connection.answered()
        self.health = answered(self.health, self._now())
        self._trouble = ""
        if self.lost:
            self.lost = False
            log.info("%s back after %s", self.name, duration(self._now() - self._lost_s))
        self.tell()

    def unheard(self, reason: str) -> None:
        """A whole slot passed without an answer."""
        limits, before = self._means.limits, self.health
        self.health = silent(before, self._now(), limits.demote_after, reason)
        if self.health.demoted and not before.demoted:
            self.probe_s = self._now() + limits.probe_s
            self._lose(self.health.since_s, reason)

    def troubled(self, reason: str, error: BaseException | None = None) -> None:
        """The link stands but the device cannot be used.

        Args:
            error: a bug, to be logged with its traceback when it is new.
        """
        new = reason != self._trouble
        self._trouble = reason
        self._lose(self._now(), reason, quiet=error is not None)
        if error is not None and new:
            log.error("%s lost: %s", self.name, reason, exc_info=error)

    def _lose(self, since_s: float, reason: str, quiet: bool = False) -> None:
        self.miss_all(reason)
        if not self.lost:
            self.lost, self._lost_s = True, since_s
            if not quiet:
                log.warning("%s lost: %s", self.name, reason)
        self.tell()

    def link_down(self, reason: str) -> None:
        """The connection is gone, or could not be made; the connection has logged it."""
        if not self.lost:
            self.lost, self._lost_s = True, self._now()
        self.miss_all(reason)

    # --- what was missed

    def miss(self, request: Request, reason: str) -> None:
        """A request had no answer in its slot."""
        self.misses += 1
        self._miss((request.id,), reason)

    def miss_all(self, reason: str) -> None:
        """No request can be answered."""
        self._miss(self._all, reason)

    def _miss(self, requests: Sequence[int], reason: str) -> None:
        if new := [request for request in requests if request not in self._missed]:
            self._missed.update(new)
            status = StatusCode.UncertainNoCommunicationLastUsableValue
            self._means.sink.missed(new, status, reason, self._means.clock.wall_ns())

    def answers(self, request: Request) -> bool:
        """True if it was answered in its last slot; False before the first."""
        return self.opened > 0 and request.id not in self._missed

    # --- what it comes to

    def state(self) -> tuple[LinkState, float, str]:
        """State, since when [s of the loop] and why, as the device's users see it."""
        link = self.connection.link
        since_s = self._lost_s if self.lost else link.since_s
        if link.state is not LinkState.UP:
            return link.state, since_s, link.reason
        if self._trouble:
            return LinkState.DOWN, self._lost_s, self._trouble
        if self.health.demoted:
            return LinkState.DOWN, self.health.since_s, self.health.reason
        if self.opened != self.connection.generation:
            return LinkState.CONNECTING, since_s, ""
        return LinkState.UP, max(link.since_s, self.health.since_s), ""

    def tell(self) -> None:
        """Pass a change of state on, once."""
        state, _, reason = self.state()
        if state is not self._told:
            self._told = state
            now_ns = self._means.clock.wall_ns()
            self._means.sink.link(self._index, state, self.sentence() if reason else "", now_ns)

    def sentence(self) -> str:
        """The state in one sentence."""
        state, since_s, reason = self.state()
        in_s = max(0.0, self.probe_s - self._now()) if self.health.demoted else 0.0
        return self.connection.sentence(self.name, state, since_s, reason, in_s)

    def refusal(self) -> str:
        """Why nothing can be put to it now; empty if it can."""
        return "" if self.state()[0] is LinkState.UP else self.sentence()
