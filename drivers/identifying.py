# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_identity.py
"""The shell around the question "who are you?": puts it to one device and tells what follows, once.

Law of this file: what an answer means is decided by `drivers.identity`; when it is asked, by `drivers.device`. What was
last found stands until somebody answers: an impostor that falls silent is no better than before.
"""

from __future__ import annotations

import asyncio
import logging

import numpy as np

from config.words import Batch, StatusCode
from drivers.base import DeviceSpec, Driver, DriverError, LinkDown, Request, is_identified
from drivers.connection import Connection
from drivers.identity import Check, Declared, Finding, Identity, words
from drivers.sink import Means

log = logging.getLogger("vigie.field")


class Identifier:
    """Whether one device is the one that it should be.

    Attributes:
        check: what is known, and when it is asked next.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, link: Connection, means: Means) -> None:
        self.check = Check(spec.name, driver.declared if is_identified(driver) else Declared())
        self._driver, self._link, self._means, self._protocol = driver, link, means, spec.protocol
        self._now = asyncio.get_running_loop().time
        means.identities.enter(self.check, spec.protocol, id(link), bool(len(spec.comm_rows)))

    # --- asking

    async def who_is_there(self) -> bool:
        """It was opened, or was lost and answers: who knows whether it is the same one. True: what holds has changed.

        Raises:
            LinkDown.
        """
        self.check.begin(self._now())
        changed = False
        while self.check.due_s <= self._now():
            changed = await self.ask() or changed
        return changed

    async def ask(self) -> bool:
        """Ask once and tell what follows from the answer. True: what holds has changed.

        Raises:
            LinkDown.
        """
        limits = self._means.limits
        try:
            answered = await self.put(limits.identify_s)
        except LinkDown:
            raise
        except DriverError:
            changed = self.check.silent(self._now(), limits.probe_s)
        else:
            changed = self.check.said(answered, self._now(), limits.probe_s)
        if changed:
            self._tell()
        return changed

    async def put(self, timeout_s: float) -> Identity:
        """Put the question now, in its turn; nothing follows from the answer.

        Raises:
            LinkDown, DeviceSilent, Busy; DriverError: the protocol has no such question.
        """
        if not is_identified(self._driver):
            raise DriverError(f"{self.check.name}: its protocol has no question for that")
        turns = self._link.turns
        turn = turns.try_enter() or await turns.enter()
        try:
            return await self._driver.identify(timeout_s)
        finally:
            turns.leave(turn)

    def _tell(self) -> None:
        check, identities = self.check, self._means.identities
        was_wrong = check.name in identities.wrong
        wrong = identities.impostor(check, self._protocol) if check.finding is Finding.WRONG else None
        identities.found(check, wrong)
        if not identities.speaks(check.name):
            return  # one server or gateway tells of many, and is one line
        if wrong is not None:
            log.error("%s; none of its values is believed, nothing is sent to it", wrong)
        elif check.finding is Finding.MUTE:
            log.warning("%s cannot say who it is (expected %s); it is believed", check.name, self.declared)
        elif was_wrong:
            log.info("%s is the right device again (%s)", check.name, self.answered)

    def accept(self, texts: Identity) -> None:
        """It must be another one from now on; asked at once."""
        was, self.check.declared = self.check.declared, Declared(dict(texts), self.check.declared.required)
        self._means.identities.renamed(self.check, self._protocol, was)
        self.check.begin(self._now())

    # --- what is known

    def is_now(self, before: Identity, now: Identity) -> bool:
        """True if it had to be the one and last said that it is the other."""
        said = {name: self.check.answered[name] for name in before if name in self.check.answered}
        return dict(self.check.declared.texts) == dict(before) and said == dict(now)

    @property
    def declared(self) -> str:
        """Who it should be, in words; '' if nobody said."""
        return words(self.check.declared.texts)

    @property
    def answered(self) -> str:
        """Who it last said it is, in words; '' if it was not asked or did not say."""
        return words(self.check.answered)

    @property
    def impostor(self) -> str:
        """Who answers in its place, in a sentence; '' while it is believed."""
        if self.check.is_believed:
            return ""
        if self.check.finding is Finding.UNKNOWN:
            return f"{self.check.name} has not said yet who it is, and must (expected {self.declared})"
        return str(self._means.identities.impostor(self.check, self._protocol))

    def disbelieved(self, request: Request) -> Batch:
        """What is handed on instead of an answer that is not believed."""
        n = len(request.rows)
        statuses = np.full(n, StatusCode.BadConfigurationError, np.uint32)
        now_ns = np.full(n, self._means.clock.wall_ns(), np.int64)
        return Batch(request.id, request.rows, np.zeros(n, np.int64), statuses, now_ns)
