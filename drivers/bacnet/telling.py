# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_cov.py, tests/kit/test_bacnet.py
"""The subscriptions of one device: asked for in its slots, its notifications handed on.

Law of this file: no task and no timer; what is due is done when the host asks the request anyway. The life of each
subscription is `cov`'s table.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from config.words import Batch
from drivers.bacnet import cov, frames, tags
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.asked import Asked, Traits, error_of, said
from drivers.bacnet.cells import told
from drivers.bacnet.cov import Event, Notification, Subscription
from drivers.bacnet.frames import Frame, Pdu, Service
from drivers.bacnet.names import PRESENT_VALUE, STATUS_FLAGS
from drivers.bacnet.station import Station
from drivers.bacnet.tags import BITS, Garbled
from drivers.base import DriverError

Push = Callable[[Batch], None]

A_SLOT_MAX: Final = 16
"""Subscriptions asked for in one slot of a request, so that values do not wait for them."""
PROCESS: Final = 1
"""Our number for all of them: a device tells subscriptions apart by address, number and object (clause 13.1)."""
INVALID_TAG, UNRECOGNIZED_SERVICE = 4, 9
UNKNOWN_SUBSCRIPTION: Final = (5, 79)

log = logging.getLogger("vigie.field")


class Telling:
    """What a device tells, and has been asked to tell.

    Attributes:
        changes: told since the start.
        full_s: until when no new subscription is asked for, because the device has no room [s of the loop].
    """

    def __init__(self, name: str, device: BacnetDevice) -> None:
        self.changes = 0
        self.full_s = 0.0
        self._name, self._device = name, device
        self._subscriptions: dict[tuple[int, int], Subscription] = {}
        self._where: dict[int, list[tuple[int, int]]] = {}
        self._asked: dict[int, Asked] = {}
        self._behind: set[int] = set()
        self._push: Push | None = None
        self._refused = ""

    def begin(self, push: Push | None) -> None:
        """The device was opened: nothing is subscribed."""
        self._push, self.full_s = push, 0.0
        self._subscriptions.clear()
        self._where.clear()
        self._asked.clear()
        self._behind.clear()

    @property
    def is_wanted(self) -> bool:
        """True if changes are to be told at all."""
        return self._push is not None and self._device.cov != "off"

    def restarted(self) -> None:
        """The device may have forgotten everything."""
        now_s = _now_s()
        for key, before in self._subscriptions.items():
            self._subscriptions[key] = cov.step(before, Event.RESTARTED, now_s, self._device.lifetime)

    # --- subscribing

    def enter(self, request: int, asked: Asked) -> None:
        """A request whose points may be told."""
        if request in self._asked:
            return
        self._asked[request] = asked
        for place, member in enumerate(asked.body.members):
            self._subscriptions[request, place] = Subscription()
            self._where.setdefault(member.address.oid, []).append((request, place))

    async def keep(self, request: int, station: Station, traits: Traits, timeout_s: float) -> bool:
        """Ask for what is due; True if everything of this request stands and needs no reading behind it.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        members = self._asked[request].body.members
        now_s, left = _now_s(), A_SLOT_MAX
        for place, member in enumerate(members):
            before = self._subscriptions[request, place]
            waits = not before.stands(now_s) and now_s < self.full_s
            if before.due_s > now_s or waits or not traits.cov or left == 0:
                continue
            left -= 1
            tail = cov.subscribe(member.address, PROCESS, self._device.cov == "confirmed", self._device.lifetime)
            try:
                frame = await station.ask(tail, timeout_s)
            except DriverError:
                self._step(request, place, Event.SILENT)
                raise
            self._answered(request, place, frame, traits)
        now_s = _now_s()
        stand = all(self._subscriptions[request, place].stands(now_s) for place in range(len(members)))
        if stand and request in self._behind:
            self._behind.discard(request)
            return False
        return stand

    def _answered(self, request: int, place: int, frame: Frame, traits: Traits) -> None:
        if frame.kind is Pdu.SIMPLE_ACK:
            if not self._subscriptions[request, place].stands(_now_s()):
                self._behind.add(request)
            self._step(request, place, Event.ACCEPTED)
            return
        reason = said(frame)
        self._step(request, place, Event.REFUSED, reason)
        if frame.kind is Pdu.REJECT and frame.code == UNRECOGNIZED_SERVICE:
            traits.cov = False
        code = error_of(frame) if frame.kind is Pdu.ERROR else 0
        if (code >> 16, code & 0xFFFF) in cov.TABLE_FULL:
            self.full_s = _now_s() + cov.RETRY_S
        if reason != self._refused:
            self._refused = reason
            log.info("%s: no subscription (%s): polled instead", self._name, reason)

    def _step(self, request: int, place: int, event: Event, reason: str = "") -> None:
        key = request, place
        self._subscriptions[key] = cov.step(self._subscriptions[key], event, _now_s(), self._device.lifetime, reason)

    def standing(self) -> int:
        """How many subscriptions stand now."""
        now_s = _now_s()
        return sum(each.stands(now_s) for each in self._subscriptions.values())

    # --- being told

    def noticed(self, station: Station, frame: Frame) -> None:
        """A message that answers nothing: a notification, an I-Am, or a question to us."""
        if frame.kind is Pdu.UNCONFIRMED:
            if frame.code == frames.I_AM:
                self.restarted()
            elif frame.code == frames.UNCONFIRMED_COV:
                with suppress(Garbled):
                    self._notification(frame)
        elif frame.is_segment:
            station.tell(frames.abort(frame.id, frames.SEGMENTATION_NOT_SUPPORTED))
        elif frame.code == Service.CONFIRMED_COV:
            station.tell(self._confirmed(frame))
        else:
            station.tell(frames.reject(frame.id, UNRECOGNIZED_SERVICE))

    def _confirmed(self, frame: Frame) -> bytes:
        """Take a notification; the answer to it. A subscription that is none of ours, or no more, is said to be unknown
        so that the device may give its place to another. Source: clauses 13.6, 18.
        """
        try:
            known = self._notification(frame)
        except Garbled:
            return frames.reject(frame.id, INVALID_TAG)
        if known:
            return frames.simple_ack(frame.id, Service.CONFIRMED_COV)
        return frames.error(frame.id, Service.CONFIRMED_COV, *UNKNOWN_SUBSCRIPTION)

    def _notification(self, frame: Frame) -> bool:
        """What the device tells; False: nobody has asked for it, or another one tells it at this address.

        Raises:
            Garbled.
        """
        told_ = cov.notification(frame.data, frame.body)
        ours = told_.process == PROCESS and told_.device == self._device.instance and self._push is not None
        wanted = self._where.get(told_.oid, ()) if ours else ()
        for request, place in wanted:
            self._tell(request, place, told_)
        return bool(wanted)

    def _tell(self, request: int, place: int, told_: Notification) -> None:
        value = told_.values.get(PRESENT_VALUE)
        if value is None or self._push is None:
            return
        asked = self._asked[request]
        self.changes += 1
        self._push(asked.told(place, told(asked.body.members[place].want, value, _flags(told_))))


def _flags(told_: Notification) -> int:
    """The status flags it tells; 0: none."""
    encoded = told_.values.get(STATUS_FLAGS)
    found = None if encoded is None else tags.value(encoded, 0)[0]
    return found.value & 15 if found is not None and found.tag == BITS and isinstance(found.value, int) else 0


def _now_s() -> float:
    return asyncio.get_running_loop().time()
