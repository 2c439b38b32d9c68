# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_pulse.py
"""The pulse of a server: one small question that proves for all of its devices that it is there and runs.

Law of this file: when the question is put and who shares its answer. A collector tells of hundreds of devices, and each
of them wants a proof in each of its slots: those that ask within SHARED_S of one question share it. So a server that
dies is found by every device as soon as by itself, a tenth of a second at most later.

No task of its own: the first who asks puts the question, the others wait for what it hears.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

import numpy as np

from config.words import StatusCode
from drivers.base import DeviceSilent
from drivers.opcua.cells import Columns
from drivers.opcua.question import STATE_INDEX, STATE_KIND, Question, state_id
from drivers.opcua.session import Session

SHARED_S: Final = 0.1
RUNNING: Final = 0
STATES: Final = (
    "Running",
    "Failed",
    "NoConfiguration",
    "Suspended",
    "Shutdown",
    "Test",
    "CommunicationFault",
    "Unknown",
)


class Pulse:
    """Whether the server of one session runs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._generation = -1
        self._question = self._new()
        self._felt_s = -math.inf  # when the question was put that was answered well last
        self._feeling: asyncio.Future[None] | None = None  # done when the one under way has been answered, or not

    def _new(self) -> Question:
        return Question([state_id()], np.zeros(1, np.int64), np.array([STATE_KIND]), np.array([STATE_INDEX]))

    async def feel(self, timeout_s: float) -> None:
        """Return if the server has answered a question put at most SHARED_S ago.

        Raises:
            DeviceSilent: it answers, but is not running; or it did not answer in time.
            DriverError, ServiceFault, Garbled.
        """
        if self._generation != self._session.generation:
            self._generation, self._question, self._felt_s = self._session.generation, self._new(), -math.inf
        loop = asyncio.get_running_loop()
        begun_s, until_s = loop.time(), loop.time() + timeout_s
        while self._felt_s < begun_s - SHARED_S:
            if (feeling := self._feeling) is None:
                await self._feel(until_s - loop.time())
                return
            await self._wait(feeling, until_s)

    async def _feel(self, timeout_s: float) -> None:
        """Put the question for all who want to know."""
        loop = asyncio.get_running_loop()
        feeling = self._feeling = loop.create_future()
        generation, put_s = self._generation, loop.time()
        try:
            check_state(await self._question.ask(self._session, timeout_s))
            if generation == self._generation:
                self._felt_s = put_s
        finally:
            self._feeling = None
            feeling.set_result(None)

    async def _wait(self, feeling: asyncio.Future[None], until_s: float) -> None:
        """Until somebody else's question has been answered; what it heard is looked at by who waited."""
        try:
            async with asyncio.timeout_at(until_s):
                await asyncio.shield(feeling)
        except TimeoutError:
            raise DeviceSilent("nobody was told its state in time") from None


def check_state(found: Columns) -> None:
    """Look at the state that came first in an answer.

    Raises:
        DeviceSilent: the server is not running.
    """
    state = int(found.cells[0])
    if found.statuses[0] < StatusCode.Bad and state != RUNNING:
        raise DeviceSilent(f"the server is in state {STATES[state] if 0 <= state < len(STATES) else state}")
