# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_foreign.py, tests/system/test_bacnet_bbmd.py
"""The shell around a registration with a BBMD: asks when it is due, says once what has changed.

Law of this file: one timer; what becomes of an answer is `registration`'s table.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from drivers.bacnet import frames
from drivers.bacnet.registration import Event, Registration, State, step

ANSWERS: Final = {
    frames.GRANTED: Event.GRANTED,
    frames.REGISTER_REFUSED: Event.REFUSED,
    frames.BROADCAST_REFUSED: Event.FORGOTTEN,
}

log = logging.getLogger("vigie.field")


class Foreign:
    """A socket's registration as a foreign device.

    Attributes:
        bbmd: host and port.
        registration: as it stands.
    """

    def __init__(self, bbmd: tuple[str, int], ttl_s: float, put: Callable[[bytes, tuple[str, int]], None]) -> None:
        """Nothing is sent yet.

        Args:
            put: hands a datagram to the socket.
        """
        self.bbmd, self.registration = bbmd, Registration()
        self._ttl_s, self._put = ttl_s, put
        self._timer: asyncio.TimerHandle | None = None
        self._said = ""

    def start(self) -> None:
        """The socket is open: register."""
        self.registration = Registration()
        self._ask()

    def stop(self) -> None:
        """The socket is closed. The BBMD forgets us by itself. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def stands(self) -> bool:
        """True while we are told what is broadcast."""
        return self.registration.stands(asyncio.get_running_loop().time())

    def heard(self, code: int) -> None:
        """The BBMD says a result. Source: J.2.1."""
        if (event := ANSWERS.get(code)) is not None and self._timer is not None:
            self._step(event)

    def broadcast(self, npdu: bytes, apdu: bytes) -> None:
        """To every device that the BBMD reaches; it refuses if it does not know us (any more)."""
        self._put(frames.envelope(npdu, apdu, frames.TO_BBMD), self.bbmd)

    def _ask(self) -> None:
        self._put(frames.register(round(self._ttl_s)), self.bbmd)
        self._step(Event.ASKED)

    def _step(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        self.registration = step(self.registration, event, loop.time(), self._ttl_s)
        self.stop()
        self._timer = loop.call_at(self.registration.due_s, self._ask)
        if (sentence := self.sentence()) != self._said:
            self._said = sentence
            log.log(logging.INFO if self.registration.state is State.STANDING else logging.WARNING, "%s", sentence)

    def sentence(self) -> str:
        """How it stands, for people; '' before the first answer was due."""
        where = f"BBMD {self.bbmd[0]}:{self.bbmd[1]}"
        match self.registration.state:
            case State.STANDING:
                return f"{where}: registered as a foreign device"
            case State.REFUSED:
                return f"{where}: it refuses to register a foreign device; broadcasts from behind it are not heard"
        if self.registration.silences < 2:
            return self._said
        return f"{where}: expected an answer to Register-Foreign-Device, got none; broadcasts are not heard"
