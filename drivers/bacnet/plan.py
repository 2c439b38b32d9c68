# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_plan.py
"""Points to questions: which properties are asked together.

Law of this file: pure; runs once per type and generation. Every readable polled point lies in exactly one exchange.

Theory of operation. Objects need no order, so a poll class is filled into ReadPropertyMultiple requests until either
the question or the answer (by the longest encoding of each type; of a text 40 bytes) would exceed the device's APDU.
What the estimate does not see the device says by an abort, and the question is cut in two (`asked`). Points whose
changes may be told are asked apart from others, so that a request is either told or polled.

    APDU 1476, present-value and status-flags of analog objects: 23 bytes each in the answer, 62 in a request
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from config.words import Kind
from drivers.bacnet import tags
from drivers.bacnet.address import BacnetDevice, BacnetPoint
from drivers.bacnet.cells import Want
from drivers.bacnet.frames import Service
from drivers.bacnet.layout import Piece, Places
from drivers.bacnet.names import STATUS_FLAGS
from drivers.base import Exchange, Point

REQUEST_HEAD: Final = 4
ANSWER_HEAD: Final = 3
FLAGS_BYTES: Final = 2 + 2 + 3
TEXT_BYTES: Final = 40
SINGLES_MAX: Final = 8
"""Points of one exchange where each property is a question of its own."""


@dataclass(frozen=True, slots=True)
class Member:
    """One point of an exchange.

    Attributes:
        position: in the device's point list.
        flags: its status flags are asked too.
    """

    position: int
    address: BacnetPoint
    kind: Kind
    flags: bool

    @property
    def want(self) -> Want:
        """What its value is to be."""
        return Want(self.kind, self.address.bit, self.address.first(self.kind))


@dataclass(frozen=True, slots=True)
class Question:
    """Bytes that ask for some members, and what the answer must consist of.

    Attributes:
        places: of the members in the exchange, (n,).
        service: ReadPropertyMultiple or ReadProperty.
        tail: service choice and parameters.
        pieces: properties of the answer, in order.
        values: which of them each member's value is, (n,).
        flags: which its flags are, -1: none, (n,).
    """

    places: Places
    service: Service
    tail: bytes
    pieces: tuple[Piece, ...]
    values: Places
    flags: Places


@dataclass(frozen=True, slots=True)
class Body:
    """What an exchange asks for."""

    members: tuple[Member, ...]
    question: Question
    label: str


def plan(device: BacnetDevice, points: Sequence[Point]) -> list[Exchange]:
    """Exchanges that read all readable polled points of a device, by poll class, told ones first."""
    exchanges = []
    for poll in dict.fromkeys(p.poll for p in points if p.poll is not None):
        chosen = [i for i, p in enumerate(points) if p.poll == poll and p.access.readable]
        told = [i for i in chosen if device.cov != "off" and points[i].address.is_told]
        for part in (told, [i for i in chosen if i not in set(told)]):
            for positions in _fill(device, points, part):
                body = make_body(device, points, positions)
                exchanges.append(Exchange(np.array(positions, np.int64), poll, body.label, body))
    return exchanges


def _fill(device: BacnetDevice, points: Sequence[Point], chosen: Sequence[int]) -> list[list[int]]:
    """Cut into pieces that fit the device's APDU."""
    pieces: list[list[int]] = []
    asks = answers = device.apdu + 1
    for i in chosen:
        ask, answer = _sizes(device, points[i])
        full = asks + ask > device.apdu or answers + answer > device.apdu
        if full or (not device.rpm and len(pieces[-1]) >= SINGLES_MAX):
            pieces.append([])
            asks, answers = REQUEST_HEAD, ANSWER_HEAD
        pieces[-1].append(i)
        asks, answers = asks + ask, answers + answer
    return pieces


def _sizes(device: BacnetDevice, point: Point) -> tuple[int, int]:
    """Bytes of a point in the question and, at most, in the answer."""
    address: BacnetPoint = point.address
    property_ = len(_property(address.pid, address.index, 2))
    flags = len(_property(STATUS_FLAGS, None, 2)) if device.flags and address.is_present_value else 0
    value = TEXT_BYTES if point.kind is Kind.String else 10 if point.kind is Kind.Double else 5
    return 7 + property_ + (2 if flags else 0), 7 + property_ + 2 + value + (FLAGS_BYTES if flags else 0)


def _property(pid: int, index: int | None, number: int) -> bytes:
    """Property and array index, context tags `number` and `number` + 1."""
    found = tags.context(number, tags.minimal(pid))
    return found if index is None else found + tags.context(number + 1, tags.minimal(index))


def make_body(device: BacnetDevice, points: Sequence[Point], positions: Sequence[int]) -> Body:
    """The points at these positions, asked together."""
    members = tuple(
        Member(i, points[i].address, points[i].kind, device.flags and points[i].address.is_present_value)
        for i in positions
    )
    first, last = members[0].address, members[-1].address
    label = str(first) if len(members) == 1 else f"{len(members)} properties {first} .. {last}"
    return Body(members, multiple(members, range(len(members))), label)


def multiple(members: Sequence[Member], places: Sequence[int]) -> Question:
    """A ReadPropertyMultiple of some members. Source: clause 15.7."""
    tail = [bytes((Service.READ_MULTIPLE,))]
    pieces: list[Piece] = []
    values, flags = [], []
    for place in places:
        address, wants_flags = members[place].address, members[place].flags
        object_ = tags.context(0, address.oid.to_bytes(4, "big"))
        asked = [(address.pid, address.index)] + ([(STATUS_FLAGS, None)] if wants_flags else [])
        tail.append(object_ + tags.opening(1) + b"".join(_property(*each, 0) for each in asked) + tags.closing(1))
        values.append(len(pieces))
        flags.append(len(pieces) + 1 if wants_flags else -1)
        for k, each in enumerate(asked):
            before = (object_ + tags.opening(1) if k == 0 else b"") + _property(*each, 2)
            pieces.append(Piece(before, tags.closing(1) if k == len(asked) - 1 else b"", 4))
    return _question(places, Service.READ_MULTIPLE, b"".join(tail), pieces, values, flags)


def single(members: Sequence[Member], place: int) -> Question:
    """A ReadProperty of one member's value, without flags. Source: clause 15.5."""
    address = members[place].address
    return _question([place], Service.READ_PROPERTY, *_one(address.oid, address.pid, address.index), [0], [-1])


def single_flags(members: Sequence[Member], place: int) -> Question:
    """A ReadProperty of one member's status flags."""
    oid = members[place].address.oid
    return _question([place], Service.READ_PROPERTY, *_one(oid, STATUS_FLAGS, None), [0], [0])


def property_question(oid: int, pid: int, index: int | None = None) -> Question:
    """A ReadProperty of anything."""
    return _question([0], Service.READ_PROPERTY, *_one(oid, pid, index), [0], [-1])


def _one(oid: int, pid: int, index: int | None) -> tuple[bytes, list[Piece]]:
    object_ = tags.context(0, oid.to_bytes(4, "big"))
    before = object_ + _property(pid, index, 1)
    return bytes((Service.READ_PROPERTY,)) + before, [Piece(before, b"", 3)]


def _question(
    places: Sequence[int], service: Service, tail: bytes, pieces: list[Piece], values: list[int], flags: list[int]
) -> Question:
    return Question(
        np.array(places, np.int64), service, tail, tuple(pieces), np.array(values, np.int64), np.array(flags, np.int64)
    )
