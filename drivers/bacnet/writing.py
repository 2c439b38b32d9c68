# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_writing.py, tests/kit/test_bacnet.py, tests/system/test_bacpypes3.py
"""One value to a device, once, and what became of it.

Law of this file: every check that can refuse a write is made before a byte leaves, the permit last; nothing is ever
sent twice. Three outcomes: *accepted* (the device said yes), *refused* (it said no, or nothing left, or another
priority holds the value), *unknown* (it left and nobody knows).

A present-value on a priority array is written with the point's priority; its `release` value gives that priority back
by writing Null. A device says yes to a priority that has no effect, because a higher one stands; so the priority array
is read after each such write. Source: ASHRAE 135, clauses 15.9 (WriteProperty), 19.2 (command prioritization).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from config.words import Clock, Kind, Outcome, Permit, value_of
from drivers.bacnet import tags
from drivers.bacnet.address import BacnetDevice, BacnetPoint
from drivers.bacnet.asked import error_of, said
from drivers.bacnet.frames import Frame, Pdu, Service
from drivers.bacnet.names import PRIORITY_ARRAY, RELINQUISH_DEFAULT
from drivers.bacnet.plan import property_question
from drivers.bacnet.station import NotSent, Station
from drivers.bacnet.tags import BOOLEAN, DOUBLE, ENUMERATED, NULL, REAL, SIGNED, TEXT, UNSIGNED, Garbled
from drivers.base import Busy, DeviceSilent, DriverError, LinkDown, Point, WriteItem, WriteOutcome

ACCEPTED: Final = WriteOutcome(Outcome.ACCEPTED)
TYPES: Final = {
    "real": REAL, "double": DOUBLE, "unsigned": UNSIGNED, "integer": SIGNED, "enumerated": ENUMERATED,
    "boolean": BOOLEAN, "text": TEXT,
}  # fmt: skip
BY_OBJECT: Final = {
    0: REAL, 1: REAL, 2: REAL, 3: ENUMERATED, 4: ENUMERATED, 5: ENUMERATED, 12: REAL, 13: UNSIGNED, 14: UNSIGNED,
    19: UNSIGNED, 21: ENUMERATED, 22: ENUMERATED, 23: UNSIGNED, 24: REAL, 30: ENUMERATED, 40: TEXT, 45: SIGNED,
    46: DOUBLE, 48: UNSIGNED, 54: REAL, 55: ENUMERATED,
}  # fmt: skip
"""Type of an object's present-value. Source: clause 12, the table of each object type."""
NOBODY_KNOWS_ABORTS: Final = frozenset((0, 8, 10))
NOBODY_KNOWS_CLASSES: Final = frozenset((7,))
TIMEOUT: Final = 30
PRIORITIES: Final = 16
HEAD: Final = 3
"""Bytes of a request before its service choice. Source: clause 20.1.2."""


class CannotEncode(ValueError):
    """The value is none of what the property takes."""


class Writer:
    """Writes points of one device."""

    def __init__(self, name: str, device: BacnetDevice, points: Sequence[Point], clock: Clock) -> None:
        self._name, self._points, self._clock = name, points, clock
        self._apdu, self._checks = device.apdu, device.check_priority

    async def write(self, station: Station, item: WriteItem, permit: Permit, timeout_s: float) -> WriteOutcome:
        """Write one value once; never raises for what device or link say."""
        point = self._points[item.point]
        where = f"{self._name}: {point.name} at {point.address}"
        if not point.access.writable:
            return refused(f"{where}: expected a tag that may be written, it is read only; nothing was sent")
        try:
            tail = question(point, item)
            if len(tail) > self._apdu - HEAD:
                raise CannotEncode(f"expected a message of at most {self._apdu} bytes, got {len(tail) + HEAD}")
        except CannotEncode as error:
            return refused(f"{where}: {error}; nothing was sent")
        try:
            frame = await station.ask(tail, timeout_s, lambda: permit.valid(self._clock.boot_s()))
        except (NotSent, Busy) as error:
            return refused(f"{where}: {error}; nothing was sent")
        except DeviceSilent as error:
            return _unknown(f"{where}: no answer within {timeout_s:g} s ({error}); it may or may not have been done")
        except LinkDown as error:
            return _unknown(f"{where}: sent, then the link broke ({error}); it may or may not have been done")
        if frame.kind is not Pdu.SIMPLE_ACK or frame.code != Service.WRITE_PROPERTY:
            with_ = f" to priority {point.address.priority}" if point.address.has_priority else ""
            return judge(where, frame, with_)
        return await self._in_force(where, station, point.address, item, point.kind, timeout_s)

    async def _in_force(
        self, where: str, station: Station, address: BacnetPoint, item: WriteItem, kind: Kind, timeout_s: float
    ) -> WriteOutcome:
        """Whether what was accepted has effect, or a higher priority holds the value."""
        if not self._checks or not address.has_priority or is_release(address, kind, item):
            return ACCEPTED
        asked = property_question(address.oid, PRIORITY_ARRAY)
        try:
            holder = highest(await station.ask(asked.tail, timeout_s), asked.pieces[0].before)
        except DriverError:
            return ACCEPTED  # the write itself was answered; that its effect cannot be seen is the read-back's matter
        if holder and holder < address.priority:
            return refused(
                f"{where}: the device took it with priority {address.priority}, but the present-value is held by "
                f"priority {holder}; it has effect when that is given back"
            )
        return ACCEPTED


def is_release(address: BacnetPoint, kind: Kind, item: WriteItem) -> bool:
    """True if the value means: give the priority back."""
    return address.release is not None and item.text is None and value_of(kind, item.cell) == address.release


def question(point: Point, item: WriteItem) -> bytes:
    """Service choice and parameters of the WriteProperty.

    Raises:
        CannotEncode.
    """
    address: BacnetPoint = point.address
    property_ = tags.context(1, tags.minimal(address.pid))
    index = b"" if address.index is None else tags.context(2, tags.minimal(address.index))
    content = tags.encode(NULL, None) if is_release(address, point.kind, item) else _encoded(point, item)
    priority = tags.context(4, bytes((address.priority,))) if address.has_priority else b""
    head = bytes((Service.WRITE_PROPERTY,)) + tags.context(0, address.oid.to_bytes(4, "big")) + property_ + index
    return head + tags.opening(3) + content + tags.closing(3) + priority


def wire_type(point: Point) -> int:
    """Application tag a point is written as."""
    address: BacnetPoint = point.address
    if address.type is not None:
        return TYPES[address.type]
    if address.pid == RELINQUISH_DEFAULT or address.is_present_value:
        if (found := BY_OBJECT.get(address.object_type)) is not None:
            return found
    return _by_kind(point.kind)


def _by_kind(kind: Kind) -> int:
    if kind.is_float:
        return REAL
    if kind is Kind.String:
        return TEXT
    if kind is Kind.Boolean:
        return BOOLEAN
    bounds = kind.bounds or (0, 0)
    return SIGNED if bounds[0] < 0 else UNSIGNED


def _encoded(point: Point, item: WriteItem) -> bytes:
    tag = wire_type(point)
    if (item.text is not None) != (tag == TEXT):
        raise CannotEncode(f"expected a {tags.TAG_NAMES[tag]}, got {'a text' if item.text is not None else 'a number'}")
    value: bool | int | float | str = item.text if item.text is not None else value_of(point.kind, item.cell)
    if isinstance(value, int) and not isinstance(value, bool):
        value += point.address.first(point.kind)
    if isinstance(value, float):
        if value != value:
            raise CannotEncode("NaN is no value a device can take")
        if tag not in (REAL, DOUBLE):
            if not value.is_integer():
                raise CannotEncode(f"expected a whole number for a {tags.TAG_NAMES[tag]}, got {value:g}")
            value = int(value)
    if tag in (UNSIGNED, ENUMERATED) and not isinstance(value, str) and not 0 <= value < 2**32:
        raise CannotEncode(f"expected 0..{2**32 - 1} for a {tags.TAG_NAMES[tag]}, got {value}")
    if tag == SIGNED and not isinstance(value, str) and not -(2**31) <= value < 2**31:
        raise CannotEncode(f"expected {-(2**31)}..{2**31 - 1} for an Integer, got {value}")
    try:
        return tags.encode(tag, value)
    except ValueError as error:
        raise CannotEncode(str(error)) from None


def highest(frame: Frame, before: bytes) -> int:
    """Number of the highest priority in force, 1..16; 0: none, or no priority array."""
    if frame.kind is not Pdu.COMPLEX_ACK or not frame.data.startswith(before + tags.opening(3), frame.body):
        return 0
    at = frame.body + len(before) + 1
    try:
        for priority in range(1, PRIORITIES + 1):
            number, is_context, length, _ = tags.header(frame.data, at)
            if is_context and length == -2:
                return 0
            if is_context or number != NULL:
                return priority
            at = tags.skip(frame.data, at)
    except Garbled:
        return 0
    return 0


def judge(where: str, frame: Frame, priority: str) -> WriteOutcome:
    """What an answer that is no acknowledgement means."""
    text = f"{where}: the device says {said(frame)}{priority}"
    if frame.kind is Pdu.ERROR and frame.code == Service.WRITE_PROPERTY:
        code = error_of(frame)
        lost = code >> 16 in NOBODY_KNOWS_CLASSES or code & 0xFFFF == TIMEOUT
    else:
        lost = frame.kind is not Pdu.REJECT and not (frame.kind is Pdu.ABORT and frame.code not in NOBODY_KNOWS_ABORTS)
    return _unknown(f"{text}; it may or may not have been done") if lost else refused(text)


def refused(reason: str) -> WriteOutcome:
    """Nothing was done."""
    return WriteOutcome(Outcome.REFUSED, reason)


def _unknown(reason: str) -> WriteOutcome:
    return WriteOutcome(Outcome.UNKNOWN, reason)
