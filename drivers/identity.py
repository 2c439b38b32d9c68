# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_identity.py, tests/sim/test_identity.py
"""Is it the device that the plant says it is? What was declared, what was answered, and what follows.

Law of this file: pure; no sockets, no clock, no tasks. Instants are arguments; `drivers.device` asks and obeys.

An identity is a few named texts: {'serial': '4711'}, {'instance': '2101', 'name': 'BLD-2101'}. What the engineer wrote
is compared, name by name, with what the device says:

    one of them differs                     another device answers: nothing of it is believed, nothing is sent to it
    one of them is the same, none differs   it is the right one
    none of them was said                   it cannot say; told once, and wrong only if it must say (`required`)

One answer can be noise, so that another device is believed in only when it has said the same twice. The question is put
when the device is opened, when it comes back after a silence, and every hour; again soon while the answer is not the
right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final

from drivers.slots import phase_s, slot_at

EVERY_S: Final = 3600.0
"""How often a device that said the right thing is asked again [s]. Source: DESIGN 7, 'at connect and hourly'."""
SILENCES_MAX: Final = 3
"""Questions in a row without an answer until it counts as a device that cannot say."""

Identity = Mapping[str, str]
"""What a device says of itself: name -> text. Empty: nothing."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a device must answer.

    Attributes:
        texts: as the engineer wrote it; empty: nobody asks.
        required: a device that cannot say who it is counts as another one.
    """

    texts: Identity = field(default_factory=dict)
    required: bool = False

    @classmethod
    def of(cls, required: bool = False, **texts: str) -> Declared:
        """Those texts that are given."""
        return cls({name: text for name, text in texts.items() if text}, required)


def words(identity: Identity) -> str:
    """'serial 4711, vendor Acme'; '' for nothing."""
    return ", ".join(f"{name} {text}" for name, text in identity.items())


class Finding(StrEnum):
    """What one answer, or the lack of it, comes to."""

    UNKNOWN = "unknown"
    RIGHT = "right"
    MUTE = "mute"
    WRONG = "wrong"


def compare(declared: Declared, answered: Identity) -> Finding:
    """The rule of this file on one answer."""
    said = [answered[name].strip() == text.strip() for name, text in declared.texts.items() if name in answered]
    if not said:
        return Finding.WRONG if declared.required else Finding.MUTE
    return Finding.RIGHT if all(said) else Finding.WRONG


class Check:
    """What is known of one device, and when it is asked next.

    Attributes:
        declared: what it must answer.
        answered: its last answer; empty before the first.
        finding: what holds now; a loss of the connection changes nothing of it.
        is_believed: its values count and commands may be sent to it; asked with each question, so no property.
        due_s: when it is asked next [s of the caller's clock]; inf: never.
    """

    def __init__(self, name: str, declared: Declared) -> None:
        self.name, self.declared = name, declared
        self.answered: Identity = {}
        self.finding = Finding.UNKNOWN
        self.is_believed = not declared.required
        self.due_s = inf
        self._silences = 0
        self._suspect: Identity | None = None

    @property
    def is_wanted(self) -> bool:
        """True if anything was declared."""
        return bool(self.declared.texts)

    def begin(self, now_s: float) -> None:
        """It was opened, or is back: whoever is there now has not said who it is."""
        if self.is_wanted:
            self.due_s, self._silences = now_s, 0

    def said(self, answered: Identity, now_s: float, again_s: float) -> bool:
        """It answered. True: what holds has changed.

        Args:
            again_s: until the next question while the answer is not the right one [s].
        """
        self._silences = 0
        found = compare(self.declared, answered)
        if found is Finding.WRONG and self.finding is not Finding.WRONG and answered != self._suspect:
            self.due_s = now_s if self._suspect is None else now_s + again_s
            self._suspect = answered
            return False
        changed = found is not self.finding or (found is Finding.WRONG and answered != self.answered)
        self._suspect, self.answered = None, answered
        self._find(found)
        self.due_s = now_s + again_s if found is Finding.WRONG else self._next(now_s)
        return changed

    def silent(self, now_s: float, again_s: float) -> bool:
        """It did not answer this question. True: what holds has changed."""
        self._silences += 1
        if self._silences < SILENCES_MAX or self.finding is Finding.WRONG:
            self.due_s = now_s + again_s
            return False
        found = compare(self.declared, {}) if self.finding is Finding.UNKNOWN else self.finding
        changed, self._silences = found is not self.finding, 0
        self._find(found)
        self.due_s = now_s + again_s if found is Finding.WRONG else self._next(now_s)
        return changed

    def _find(self, found: Finding) -> None:
        self.finding = found
        unsaid = self.declared.required and found is Finding.UNKNOWN
        self.is_believed = found is not Finding.WRONG and not unsaid

    def _next(self, now_s: float) -> float:
        """The next hour of its own, so that a city that came back at once is not asked at once ever after."""
        return slot_at(EVERY_S, phase_s(self.name, EVERY_S), now_s + 1.0).due_s


@dataclass(frozen=True, slots=True)
class Impostor:
    """A device that is not the one declared.

    Attributes:
        name: the one that was expected: '21605/CAB-0142.controller'.
        answers_as: the device of the plant that declares what was answered, else its answer to what was declared.
        is_known: it is a device of the plant.
        declared, answered: in words.
    """

    name: str
    answers_as: str
    declared: str
    answered: str
    is_known: bool = False

    def __str__(self) -> str:
        got = self.answered or "nothing"
        return f"{self.name} answers as {self.answers_as} (expected {self.declared}, got {got})"


class Identities:
    """Who was declared where, and who is known to be another one; of all devices of a host.

    Attributes:
        wrong: device -> who is there instead.
        unknown: devices that are to be asked and have not answered since the host was made.
    """

    def __init__(self) -> None:
        self.wrong: dict[str, Impostor] = {}
        self.unknown: set[str] = set()
        self._names: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], str]] = {}
        self._partners: dict[object, tuple[str, bool]] = {}
        self._spokesmen: set[str] = set()

    def enter(self, check: Check, protocol: str, link: object, speaks: bool = True) -> None:
        """A device of the plant. Devices on one link that declare the same are one partner; the first stands for it.

        Args:
            speaks: it has a tag that tells of its communication; one that has goes before one that has not.
        """
        if not check.is_wanted:
            return
        texts = check.declared.texts
        self._names.setdefault((protocol, tuple(texts)), {}).setdefault(tuple(texts.values()), check.name)
        partner = (protocol, link, tuple(texts.items()))
        first, spoke = self._partners.setdefault(partner, (check.name, speaks))
        if speaks and not spoke:
            self._partners[partner] = check.name, True
            self._spokesmen.discard(first)
            self.unknown.discard(first)
        elif first != check.name:
            return
        self._spokesmen.add(check.name)
        self.unknown.add(check.name)

    def speaks(self, name: str) -> bool:
        """True of the one device of its partner that stands for all of them."""
        return name in self._spokesmen

    def renamed(self, check: Check, protocol: str, was: Declared) -> None:
        """A device must be another one than it had to be."""
        old = self._names.get((protocol, tuple(was.texts)), {})
        if old.get(tuple(was.texts.values())) == check.name:
            del old[tuple(was.texts.values())]
        texts = check.declared.texts
        self._names.setdefault((protocol, tuple(texts)), {}).setdefault(tuple(texts.values()), check.name)

    def who(self, protocol: str, answered: Identity) -> str:
        """The device of the plant that declares what was answered; '' if none does."""
        for (of, names), known in self._names.items():
            if of == protocol and answered.keys() >= set(names):
                if found := known.get(tuple(answered[name] for name in names)):
                    return found
        return ""

    def impostor(self, check: Check, protocol: str) -> Impostor:
        """Who answers in the place of a device."""
        declared, answered = words(check.declared.texts), words(check.answered)
        known = self.who(protocol, check.answered)
        asked = words({name: check.answered[name] for name in check.declared.texts if name in check.answered})
        who = known or asked or answered or "a device that does not say who it is"
        return Impostor(check.name, who, declared, answered, bool(known))

    def found(self, check: Check, impostor: Impostor | None) -> None:
        """What holds of a device has changed, or is known for the first time."""
        if not self.speaks(check.name):
            return
        self.unknown.discard(check.name)
        if impostor is None:
            self.wrong.pop(check.name, None)
        else:
            self.wrong[check.name] = impostor
