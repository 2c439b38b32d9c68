# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_cov.py, tests/kit/test_bacnet.py
"""Being told changes: the life of one subscription as a table, and what a notification says.

Law of this file: no I/O, no clock; instants are arguments. Who asks, and when, is `telling`'s.

    wanted   --accepted-->  standing   due at half its lifetime; what was missed before is read behind it
    standing --accepted-->  standing   renewed
    any      --refused--->  refused    polled; asked again after RETRY_S
    any      --silent---->  wanted     the device may have restarted and forgotten it
    any      --restarted->  wanted     it says so itself (I-Am)

A subscription that stands is believed until its lifetime is over, whatever the device remembers; a slow poll behind it
(`reconcile`) finds what a device has silently dropped. Source: ASHRAE 135, clauses 13.1, 13.14 (SubscribeCOV).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from drivers.bacnet import tags
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.frames import Service
from drivers.bacnet.names import ANY_INSTANCE
from drivers.bacnet.tags import Garbled

RETRY_S: Final = 600.0
PROPERTIES_MAX: Final = 32
"""Properties in one notification; more are no notification of ours."""
TABLE_FULL: Final = frozenset(((3, 19), (3, 18), (3, 0), (5, 43), (1, 43), (2, 43), (3, 29)))
"""(class, code) of a device that has no room for another subscription. Source: clause 13.14.1.3.1."""


class State(StrEnum):
    WANTED = "wanted"
    STANDING = "standing"
    REFUSED = "refused"


class Event(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENT = "silent"
    RESTARTED = "restarted"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One object's changes.

    Attributes:
        due_s: when the device is to be asked next [s of the loop].
        expires_s: until when it stands; before that time only in `standing` [s].
        reason: why it is refused.
    """

    state: State = State.WANTED
    due_s: float = 0.0
    expires_s: float = 0.0
    reason: str = ""

    def stands(self, now_s: float) -> bool:
        """True while changes are told."""
        return self.state is State.STANDING and now_s < self.expires_s


def step(before: Subscription, event: Event, now_s: float, lifetime_s: float, reason: str = "") -> Subscription:
    """What becomes of it."""
    match event:
        case Event.ACCEPTED:
            return Subscription(State.STANDING, now_s + lifetime_s / 2, now_s + lifetime_s)
        case Event.REFUSED:
            return Subscription(State.REFUSED, now_s + RETRY_S, 0.0, reason)
        case Event.SILENT | Event.RESTARTED:
            return Subscription(State.WANTED, now_s)


def subscribe(address: BacnetPoint, process: int, confirmed: bool, lifetime_s: float) -> bytes:
    """The question: service choice and parameters. With an increment of our own, SubscribeCOVProperty (13.15)."""
    head = (
        tags.context(0, tags.minimal(process))
        + tags.context(1, address.oid.to_bytes(4, "big"))
        + tags.context(2, bytes((confirmed,)))
        + tags.context(3, tags.minimal(round(lifetime_s)))
    )
    if address.cov_increment is None:
        return bytes((Service.SUBSCRIBE_COV,)) + head
    property_ = tags.opening(4) + tags.context(0, tags.minimal(address.pid)) + tags.closing(4)
    increment = tags.context(5, struct.pack(">f", address.cov_increment))
    return bytes((Service.SUBSCRIBE_COV_PROPERTY,)) + head + property_ + increment


@dataclass(frozen=True, slots=True)
class Notification:
    """What a device tells.

    Attributes:
        process: the number we subscribed with.
        device: instance of the device that tells it.
        oid: the object.
        values: property -> its value as it came, with its tag; constructed ones are left out.
    """

    process: int
    device: int
    oid: int
    values: dict[int, bytes]


def notification(data: bytes, at: int) -> Notification:
    """Parameters of a COV notification. Source: clauses 13.6.1, 13.7.1.

    Raises:
        Garbled.
    """
    process, at = _context(data, at, 0)
    device, at = _context(data, at, 1)
    oid, at = _context(data, at, 2)
    _, at = _context(data, at, 3)
    if not data.startswith(tags.opening(4), at):
        raise Garbled(f"expected a list of values at byte {at}")
    at += 1
    values: dict[int, bytes] = {}
    for _ in range(PROPERTIES_MAX):
        if data.startswith(tags.closing(4), at):
            return Notification(process, device & ANY_INSTANCE, oid, values)
        pid, at = _context(data, at, 0)
        if _is(data, at, 1):
            at = tags.skip(data, at)
        at = _told(data, at, pid, values)
        if _is(data, at, 3):
            at = tags.skip(data, at)
    raise Garbled(f"a notification of more than {PROPERTIES_MAX} properties")


def _told(data: bytes, at: int, pid: int, values: dict[int, bytes]) -> int:
    """One property's value, if it is primitive; returns what follows."""
    if not data.startswith(tags.opening(2), at):
        raise Garbled(f"expected a value at byte {at}")
    end = tags.skip(data, at)
    number, is_context, _, _ = tags.header(data, at + 1)
    if not is_context and number <= tags.OBJECT:
        _, after = tags.value(data, at + 1)
        if after + 1 == end:
            values[pid] = data[at + 1 : after]
    return end


def _is(data: bytes, at: int, number: int) -> bool:
    return at < len(data) and data[at] & 0xF8 == number << 4 | 8 and data[at] & 7 < 6


def _context(data: bytes, at: int, number: int) -> tuple[int, int]:
    """An unsigned or an object identifier under context tag `number`, and what follows."""
    found, is_context, length, at = tags.header(data, at)
    if not is_context or found != number or not 1 <= length <= 8:
        raise Garbled(f"expected context tag {number} at byte {at}")
    return int.from_bytes(data[at : at + length], "big"), at + length
