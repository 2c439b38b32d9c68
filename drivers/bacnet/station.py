# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_driver.py, tests/kit/test_bacnet.py
"""One device on a link: its questions, and which answer belongs to which.

Law of this file: invoke ids. What an answer means is `asked`'s and `writing`'s.

Theory of operation. A question bears an invoke id of 8 bits, so a late answer could be taken for that of a later
question with the same id. Therefore an id whose answer did not come is *owed* and not used again for OWED_S; a device
that owes all 256 is not asked until it has been silent that long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from drivers.bacnet import frames
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.frames import SEGMENTATION_NOT_SUPPORTED, Frame, Pdu
from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.gate import Gate

OWED_S: Final = 60.0
IDS: Final = 256
Key = tuple[str, int, int, bytes]
"""Host, port, network, MAC."""


class Sends(Protocol):
    """The link, as far as a station knows it."""

    turns: Gate

    @property
    def is_up(self) -> bool: ...

    def send(self, data: bytes, key: Key, is_write: bool) -> None: ...


class NotSent(Exception):
    """No byte left, and why."""


class Station:
    """One device on a link, as it is addressed.

    Attributes:
        key: host, port, network, MAC.
        notices: takes messages of the station that answer nothing of ours.
    """

    def __init__(self, link: Sends, device: BacnetDevice, host: str) -> None:
        """Nothing is asked yet.

        Args:
            host: the IP address the device's messages come from.
        """
        self.key: Key = (host, device.port, device.network, bytes.fromhex(device.mac))
        self.notices: Callable[[Frame], None] = lambda frame: None
        self.pending: dict[int, asyncio.Future[Frame]] = {}
        self._link = link
        self._npdu = frames.npdu_to(device.network, self.key[3], True)
        self._plain = frames.npdu_to(device.network, self.key[3], False)
        self._gate = Gate(device.window)
        self._next = 0
        self._owed: dict[int, float] = {}

    async def ask(self, tail: bytes, timeout_s: float, may_leave: Callable[[], bool] | None = None) -> Frame:
        """Put one question and wait for its answer, whichever it is: an acknowledgement, error, reject or abort.

        Args:
            tail: service choice and parameters.
            timeout_s: from when it leaves [s].
            may_leave: asked last, right before the socket; only for writes.

        Raises:
            LinkDown: the socket is closed, or was while waiting; DeviceSilent: no answer; Busy: too many answers owed.
            NotSent: a write that did not leave; only with `may_leave`.
        """
        ticket = self._gate.try_enter() or await self._gate.enter(first=may_leave is not None)
        try:
            turn = self._link.turns.try_enter() or await self._link.turns.enter(first=may_leave is not None)
            try:
                return await self._ask(tail, timeout_s, may_leave)
            finally:
                self._link.turns.leave(turn)
        finally:
            self._gate.leave(ticket)

    async def _ask(self, tail: bytes, timeout_s: float, may_leave: Callable[[], bool] | None) -> Frame:
        loop = asyncio.get_running_loop()
        id_ = self._invoke_id(loop.time())
        apdu = frames.confirmed(id_, tail[0], tail[1:])
        if may_leave is not None and not may_leave():
            raise NotSent("the permit to write has ended")
        self._link.send(frames.envelope(self._npdu, apdu), self.key, may_leave is not None)
        answer: asyncio.Future[Frame] = loop.create_future()
        self.pending[id_] = answer
        timer = loop.call_later(timeout_s, _silent, answer)
        try:
            return await answer
        except BaseException:
            self._owed[id_] = loop.time() + OWED_S
            raise
        finally:
            timer.cancel()
            self.pending.pop(id_, None)

    def _invoke_id(self, now_s: float) -> int:
        for _ in range(IDS):
            id_ = self._next
            self._next = (id_ + 1) % IDS
            if id_ not in self.pending and self._owed.get(id_, 0.0) <= now_s:
                self._owed.pop(id_, None)
                return id_
        raise Busy(f"all {IDS} invoke ids wait for answers that may still come late")

    def tell(self, apdu: bytes) -> None:
        """Send what needs no answer: an acknowledgement. One that cannot leave is as one that was lost on its way."""
        with contextlib.suppress(LinkDown):
            self._link.send(frames.envelope(self._plain, apdu), self.key, False)

    def heard(self, frame: Frame) -> None:
        """A message from this station has come."""
        answer = None
        if frame.kind in _ANSWERS and not frame.is_of_a_client:
            answer = self.pending.get(frame.id)
        if answer is None:
            if frame.kind in (Pdu.CONFIRMED, Pdu.UNCONFIRMED):
                self.notices(frame)
        elif not answer.done():
            answer.set_result(self._given_up(frame) if frame.is_segment else frame)

    def _given_up(self, part: Frame) -> Frame:
        """The device began to answer in parts, though it was told that none are taken: the question is aborted on both
        sides, and cut by who asked. Source: clause 5.4.4.2.
        """
        apdu = frames.abort(part.id, SEGMENTATION_NOT_SUPPORTED, by_server=False)
        self.tell(apdu)
        return Frame(apdu, 0, part.network, part.mac, Pdu.ABORT, part.id, SEGMENTATION_NOT_SUPPORTED)

    def lost(self, error: Exception) -> None:
        """Nothing will be answered."""
        for answer in self.pending.values():
            if not answer.done():
                answer.set_exception(error)


_ANSWERS: Final = (Pdu.SIMPLE_ACK, Pdu.COMPLEX_ACK, Pdu.ERROR, Pdu.REJECT, Pdu.ABORT)


def _silent(answer: asyncio.Future[Frame]) -> None:
    if not answer.done():
        answer.set_exception(DeviceSilent("nothing came"))
