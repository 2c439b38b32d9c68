# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_driver.py, tests/kit/test_bacnet.py
"""One request of one device: its questions, and the newest value of each of its points.

Law of this file: asking, cutting and remembering; what a silence means is the host's.

A question that the device cannot answer as a whole is cut in two, for good as long as the device stays open:

    abort 1, 4, 11: buffer overflow, segmentation, too long     cut
    reject 9 of ReadPropertyMultiple: it does not know it       property by property from now on, this device's all
    any other error or reject of several points                 cut, until it is known whose it is
    abort 3, 9; error device-busy                               Busy
    any other abort                                             DeviceSilent
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import numpy as np

from config.words import Batch, Clock, StatusCode
from drivers.bacnet import tags
from drivers.bacnet.cells import Decoder, Told
from drivers.bacnet.frames import Frame, Pdu, Service
from drivers.bacnet.layout import Bytes, packed, walk
from drivers.bacnet.names import ABORT_REASONS, REJECT_REASONS, RELIABILITY, error_text
from drivers.bacnet.plan import Body, Question, multiple, property_question, single, single_flags
from drivers.bacnet.quality import FAULT, refused, weigh
from drivers.bacnet.station import Station
from drivers.bacnet.tags import Garbled
from drivers.base import Busy, DeviceSilent, Request

TOO_LONG: Final = frozenset((1, 4, 11))
BUSY_ABORTS: Final = frozenset((3, 9))
BUSY_ERRORS: Final = frozenset(((0, 2), (0, 3)))
UNRECOGNIZED_SERVICE: Final = 9
UNKNOWN_LENGTH: Final = 0xFFFF << 16
"""In the place of an error: the answer is longer than the device can send."""
WHYS_MAX: Final = 4
"""Reliabilities asked in one slot."""
WHY_S: Final = 60.0
"""How long a Reliability is believed while the fault lasts [s]."""


@dataclass(slots=True)
class Traits:
    """What a device has shown that it can; shared by its requests.

    Attributes:
        rpm: it knows ReadPropertyMultiple.
        cov, cov_property: it knows SubscribeCOV, SubscribeCOVProperty.
    """

    rpm: bool
    cov: bool = True
    cov_property: bool = True


class _Part:
    """One question and the way to read its answer."""

    def __init__(self, question: Question, flags_only: bool = False) -> None:
        self.question, self.flags_only = question, flags_only
        self.decoder: Decoder | None = None


class Asked:
    """A request while its device stays open.

    Attributes:
        body: what it asks.
        codes: error class << 16 | code of each point the device refuses, 0: none, (n,).
    """

    def __init__(self, request: Request, station: Station, traits: Traits, clock: Clock) -> None:
        self.body: Body = request.exchange.body
        self._request, self._station, self._traits, self._clock = request, station, traits, clock
        n = len(self.body.members)
        self.codes = np.zeros(n, np.int64)
        self._cells = np.zeros(n, np.int64)
        self._statuses = np.full(n, StatusCode.BadWaitingForInitialData, np.uint32)
        self._source_ns = np.full(n, clock.wall_ns(), np.int64)
        self._flags: Bytes = np.zeros(n, np.uint8)
        self._whys: dict[int, tuple[int, float]] = {}
        self._texts: dict[int, str] = {}
        self._parts = [_Part(self.body.question)]

    # --- reading

    async def read(self, timeout_s: float) -> None:
        """Ask for everything.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        if not self._traits.rpm and any(p.question.service is Service.READ_MULTIPLE for p in self._parts):
            self._parts = [part for whole in self._parts for part in self._singles(whole.question)]
        i = 0
        while i < len(self._parts):
            part = self._parts[i]
            frame = await self._station.ask(part.question.tail, timeout_s)
            if frame.kind is Pdu.COMPLEX_ACK and frame.code == part.question.service:
                self._take(part, frame)
                i += 1
            elif instead := self._refused(part, frame):
                self._parts[i : i + 1] = instead
            else:
                i += 1
        await self._look_why(timeout_s)

    def _take(self, part: _Part, frame: Frame) -> None:
        raw = np.frombuffer(frame.data, np.uint8)[frame.body :]
        if part.decoder is None or not part.decoder.layout.fits(raw):
            try:
                part.decoder = self._decoder(part.question, frame.data[frame.body :])
            except Garbled as error:
                raise DeviceSilent(f"an answer that cannot be read: {error}") from error
        found, places = part.decoder.read(raw), part.question.places
        if part.flags_only:
            self._flags[places] = found.flags
            return
        self._cells[places], self._statuses[places], self.codes[places] = found.cells, found.statuses, found.codes
        if self._is_multiple(part):
            self._flags[places] = found.flags
        self._source_ns[places] = self._clock.wall_ns()
        if found.texts or self._texts:
            for k, place in enumerate(places.tolist()):
                self._keep_text(place, found.texts.get(k))

    def _keep_text(self, place: int, text: str | None) -> None:
        if text is None:
            self._texts.pop(place, None)
        else:
            self._texts[place] = text

    def _decoder(self, question: Question, data: bytes) -> Decoder:
        members = [self.body.members[i] for i in question.places.tolist()]
        return Decoder(
            walk(data, question.pieces),
            [member.want for member in members],
            question.values,
            question.flags,
        )

    # --- being refused

    def _refused(self, part: _Part, frame: Frame) -> list[_Part]:
        """What to ask instead; nothing: it is noted which point is refused.

        Raises:
            Busy, DeviceSilent.
        """
        code = self._reason(part.question, frame)
        if frame.kind is Pdu.REJECT and frame.code == UNRECOGNIZED_SERVICE and self._is_multiple(part):
            self._traits.rpm = False
            return self._singles(part.question)
        places = part.question.places.tolist()
        if len(places) > 1:
            half = len(places) // 2
            return [_Part(multiple(self.body.members, half_)) for half_ in (places[:half], places[half:])]
        if part.flags_only:
            self._flags[places] = 0
            return []
        if self._is_multiple(part) and code == UNKNOWN_LENGTH:
            return self._singles(part.question)
        self.codes[places], self._cells[places] = code, 0
        self._statuses[places] = refused(code)[0]
        self._source_ns[places] = self._clock.wall_ns()
        return []

    def _is_multiple(self, part: _Part) -> bool:
        return part.question.service is Service.READ_MULTIPLE

    def _singles(self, question: Question) -> list[_Part]:
        """The same, property by property."""
        members, parts = self.body.members, []
        for place in question.places.tolist():
            parts.append(_Part(single(members, place)))
            if members[place].flags:
                parts.append(_Part(single_flags(members, place), flags_only=True))
        return parts

    def _reason(self, question: Question, frame: Frame) -> int:
        """The error of an answer that is not the expected one.

        Raises:
            Busy: the device wants to be left alone; DeviceSilent: it cannot be understood.
        """
        if frame.kind is Pdu.ABORT:
            if frame.code in TOO_LONG:
                return UNKNOWN_LENGTH
            sort = Busy if frame.code in BUSY_ABORTS else DeviceSilent
            raise sort(f"the device aborts: {ABORT_REASONS.get(frame.code, f'reason {frame.code}')}")
        if frame.kind is Pdu.REJECT:
            if frame.code in (1, 7):
                return UNKNOWN_LENGTH
            return packed(5, 0) if frame.code == UNRECOGNIZED_SERVICE else packed(5, 29)
        if frame.kind is Pdu.ERROR and frame.code == question.service:
            code = error_of(frame)
            if (code >> 16, code & 0xFFFF) in BUSY_ERRORS:
                raise Busy(f"the device says {error_text(code >> 16, code & 0xFFFF)}")
            return code
        raise DeviceSilent(f"expected the answer to service {question.service}, got another one's ({frame.code})")

    # --- why a value is at fault

    async def _look_why(self, timeout_s: float) -> None:
        """Ask for the Reliability of points whose fault flag is set, a few in each slot."""
        if not self._flags.any():
            self._whys.clear()
            return
        now_s = asyncio.get_running_loop().time()
        faulty = np.flatnonzero(self._flags & FAULT).tolist()
        self._whys = {place: why for place, why in self._whys.items() if place in set(faulty)}
        asked = [place for place in faulty if self._whys.get(place, (0, 0.0))[1] <= now_s]
        for place in asked[:WHYS_MAX]:
            question = property_question(self.body.members[place].address.oid, RELIABILITY)
            found = value_of(await self._station.ask(question.tail, timeout_s), question)
            known = found is not None and found.tag == tags.ENUMERATED and isinstance(found.value, int)
            self._whys[place] = (int(found.value) if known else -1, now_s + WHY_S)  # type: ignore[union-attr,arg-type]

    # --- being told

    def told(self, place: int, told: Told) -> Batch:
        """A change of one point; returns what goes on."""
        self._cells[place], self._statuses[place] = told.cell, told.status
        self._flags[place], self.codes[place] = told.flags, 0
        if not told.flags & FAULT:
            self._whys.pop(place, None)  # the next fault may have another reason
        self._source_ns[place] = self._clock.wall_ns()
        self._keep_text(place, told.text)
        whole = self.batch()
        texts = {0: told.text} if told.text is not None else None
        one = slice(place, place + 1)
        return Batch(-1, whole.rows[one], whole.cells[one], whole.statuses[one], whole.source_ns[one], texts)

    # --- what came of it

    def batch(self) -> Batch:
        """Everything as it is known now; copies, because it goes on changing."""
        statuses = self._statuses.copy()
        weigh(statuses, self._flags, {place: why for place, (why, _) in self._whys.items()})
        return Batch(
            self._request.id,
            self._request.rows,
            self._cells.copy(),
            statuses,
            self._source_ns.copy(),
            dict(self._texts) or None,
        )


def error_of(frame: Frame) -> int:
    """Class << 16 | code of an Error; 0 is 'device: other'."""
    try:
        class_, at = tags.value(frame.data, frame.body)
        code, _ = tags.value(frame.data, at)
        return packed(class_.value, code.value)
    except (Garbled, TypeError, ValueError):
        return 0


def value_of(frame: Frame, question: Question) -> tags.Value | None:
    """The primitive value a ReadProperty was answered with; None: none."""
    if frame.kind is not Pdu.COMPLEX_ACK or frame.code != Service.READ_PROPERTY:
        return None
    before = question.pieces[0].before
    if not frame.data.startswith(before + b"\x3e", frame.body):
        return None
    try:
        return tags.value(frame.data, frame.body + len(before) + 1)[0]
    except Garbled:
        return None


def said(frame: Frame) -> str:
    """An answer that is no acknowledgement, in words."""
    match frame.kind:
        case Pdu.ERROR:
            code = error_of(frame)
            return error_text(code >> 16, code & 0xFFFF)
        case Pdu.REJECT:
            return f"rejected: {REJECT_REASONS.get(frame.code, f'reason {frame.code}')}"
        case Pdu.ABORT:
            return f"aborted: {ABORT_REASONS.get(frame.code, f'reason {frame.code}')}"
        case _:
            return f"an answer to service {frame.code}"
