# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""Services of a simulated device: a request's bytes to its answer's. Source: ASHRAE 135, clauses 13.14, 15.5 .. 15.9.

Law of this file: no sockets, no time. Any bytes get an answer of the standard or none; nothing else is raised.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from drivers.bacnet import frames, tags
from drivers.bacnet.frames import Frame, Service
from drivers.bacnet.names import ANY_INSTANCE, DEVICE, PRESENT_VALUE, STATUS_FLAGS
from drivers.bacnet.objects import WRITE_DENIED, Object, Objects, Refused
from drivers.bacnet.tags import BITS, Garbled

INVALID_TAG, UNRECOGNIZED_SERVICE = 4, 9
PROPERTIES_MAX: Final = 2000
NO_SPACE: Final = (3, 19)


@dataclass(slots=True)
class Subscriber:
    """Who wants to be told of an object.

    Attributes:
        until_s: end of its lifetime [s of the loop].
        increment: its own, or None.
    """

    process: int
    confirmed: bool
    until_s: float
    lifetime_s: float
    increment: float | None = None


@dataclass(slots=True)
class Limits:
    """What a simulated device cannot.

    Attributes:
        apdu: longest answer [bytes]; a longer one is aborted.
        subscriptions_max: room in its table.
        deny: refuse these objects: oid -> (class, code).
        priorities: those that may not be written with.
    """

    apdu: int
    subscriptions_max: int
    deny: dict[int, tuple[int, int]]
    priorities: set[int] = field(default_factory=set)


Subscribe = Callable[[Object, Subscriber | None, int], None]


def answer(objects: Objects, frame: Frame, limits: Limits, subscribe: Subscribe) -> bytes:
    """The APDU that answers a confirmed request.

    Args:
        subscribe: (object, subscriber, process): takes a subscription; None: it is cancelled. Raises Refused.
    """
    if frame.is_segment:
        return frames.abort(frame.id, frames.SEGMENTATION_NOT_SUPPORTED)
    data, at = frame.data, frame.body
    try:
        match frame.code:
            case Service.READ_PROPERTY:
                said = frames.complex_ack(frame.id, frame.code, _read(objects, data, at, limits))
            case Service.READ_MULTIPLE if objects.services >> 14 & 1:
                said = frames.complex_ack(frame.id, frame.code, _read_multiple(objects, data, at, limits))
            case Service.WRITE_PROPERTY:
                _write(objects, data, at, limits)
                said = frames.simple_ack(frame.id, frame.code)
            case Service.SUBSCRIBE_COV | Service.SUBSCRIBE_COV_PROPERTY if objects.services >> 5 & 1:
                _subscribe(objects, data, at, limits, subscribe)
                said = frames.simple_ack(frame.id, frame.code)
            case _:
                return frames.reject(frame.id, UNRECOGNIZED_SERVICE)
    except Refused as no:
        return frames.error(frame.id, frame.code, no.class_, no.code)
    except (Garbled, ValueError, struct.error):
        return frames.reject(frame.id, INVALID_TAG)
    return said if len(said) <= limits.apdu else frames.abort(frame.id, frames.SEGMENTATION_NOT_SUPPORTED)


def _read(objects: Objects, data: bytes, at: int, limits: Limits) -> bytes:
    begin = at
    oid, at = _context(data, at, 0)
    pid, at = _context(data, at, 1)
    index, at = _optional(data, at, 2)
    return data[begin:at] + tags.opening(3) + _property(objects, oid, pid, index, limits) + tags.closing(3)


def _read_multiple(objects: Objects, data: bytes, at: int, limits: Limits) -> bytes:
    said = []
    asked = 0
    while at < len(data):
        begin = at
        oid, at = _context(data, at, 0)
        said.append(data[begin:at] + tags.opening(1))
        at = _open(data, at, 1)
        while not data.startswith(tags.closing(1), at):
            pid, at = _context(data, at, 0)
            index, at = _optional(data, at, 1)
            said.append(_result(objects, oid, pid, index, limits))
            asked += 1
            if asked > PROPERTIES_MAX:
                raise Garbled(f"more than {PROPERTIES_MAX} properties")
        at += 1
        said.append(tags.closing(1))
    if not said:
        raise Garbled("no objects")
    return b"".join(said)


def _result(objects: Objects, oid: int, pid: int, index: int | None, limits: Limits) -> bytes:
    head = tags.context(2, tags.minimal(pid)) + (b"" if index is None else tags.context(3, tags.minimal(index)))
    try:
        return head + tags.opening(4) + _property(objects, oid, pid, index, limits) + tags.closing(4)
    except Refused as no:
        said = tags.encode(tags.ENUMERATED, no.class_) + tags.encode(tags.ENUMERATED, no.code)
        return head + tags.opening(5) + said + tags.closing(5)


def _property(objects: Objects, oid: int, pid: int, index: int | None, limits: Limits) -> bytes:
    if oid in limits.deny:
        raise Refused(*limits.deny[oid])
    if oid >> 22 == DEVICE and oid & ANY_INSTANCE in (objects.instance, ANY_INSTANCE):
        return objects.device(pid, index)
    return objects.find(oid).encoded(pid, index)


def _write(objects: Objects, data: bytes, at: int, limits: Limits) -> None:
    oid, at = _context(data, at, 0)
    pid, at = _context(data, at, 1)
    _, at = _optional(data, at, 2)
    at = _open(data, at, 3)
    value, at = tags.value(data, at)
    if not data.startswith(tags.closing(3), at):
        raise Refused(2, 9)
    priority, _ = _optional(data, at + 1, 4)
    if oid in limits.deny:
        raise Refused(*limits.deny[oid])
    if priority is not None and not 1 <= priority <= 16:
        raise Refused(2, 37)
    if priority in limits.priorities:
        raise Refused(*WRITE_DENIED)
    each = objects.find(oid)
    each.write(pid, value, priority or 16)
    objects.changed(each)


def _subscribe(objects: Objects, data: bytes, at: int, limits: Limits, subscribe: Subscribe) -> None:
    process, at = _context(data, at, 0)
    oid, at = _context(data, at, 1)
    confirmed, at = _optional(data, at, 2)
    lifetime, at = _optional(data, at, 3)
    increment = None
    if data.startswith(tags.opening(4), at):
        at = tags.skip(data, at)
        if at < len(data):
            _, _, length, at = tags.header(data, at)
            (increment,) = struct.unpack(">f", data[at : at + length])
    if oid in limits.deny:
        raise Refused(*limits.deny[oid])
    each = objects.find(oid)
    if confirmed is None or lifetime is None:
        subscribe(each, None, process)
    else:
        subscribe(each, Subscriber(process, bool(confirmed), 0.0, float(lifetime), increment), process)


def notification(objects: Objects, each: Object, process: int, left_s: float) -> bytes:
    """Parameters of a COV notification."""
    head = (
        tags.context(0, tags.minimal(process))
        + tags.context(1, (DEVICE << 22 | objects.instance).to_bytes(4, "big"))
        + tags.context(2, each.oid.to_bytes(4, "big"))
        + tags.context(3, tags.minimal(max(1, round(left_s))))
    )
    shown = ((PRESENT_VALUE, each.encoded(PRESENT_VALUE, None)), (STATUS_FLAGS, tags.encode(BITS, each.all_flags)))
    values = b"".join(
        tags.context(0, tags.minimal(pid)) + tags.opening(2) + content + tags.closing(2) for pid, content in shown
    )
    return head + tags.opening(4) + values + tags.closing(4)


def i_am(objects: Objects, apdu: int) -> bytes:
    """An I-Am. Source: clause 16.10."""
    return frames.unconfirmed(
        frames.I_AM,
        tags.encode(tags.OBJECT, DEVICE << 22 | objects.instance)
        + tags.encode(tags.UNSIGNED, apdu)
        + tags.encode(tags.ENUMERATED, 3)
        + tags.encode(tags.UNSIGNED, 0),
    )


def is_asked(objects: Objects, frame: Frame) -> bool:
    """True if a Who-Is means this device. Source: clause 16.10."""
    try:
        low, at = _optional(frame.data, frame.body, 0)
        high, _ = _optional(frame.data, at, 1)
    except Garbled:
        return False
    return low is None or high is None or low <= objects.instance <= high


def _context(data: bytes, at: int, number: int) -> tuple[int, int]:
    found, at = _optional(data, at, number)
    if found is None:
        raise Garbled(f"expected context tag {number} at byte {at}")
    return found, at


def _optional(data: bytes, at: int, number: int) -> tuple[int | None, int]:
    if at >= len(data):
        return None, at
    found, is_context, length, inside = tags.header(data, at)
    if not is_context or found != number or not 0 < length <= 8:
        return None, at
    return int.from_bytes(data[inside : inside + length], "big"), inside + length


def _open(data: bytes, at: int, number: int) -> int:
    if not data.startswith(tags.opening(number), at):
        raise Garbled(f"expected opening tag {number} at byte {at}")
    return at + 1
