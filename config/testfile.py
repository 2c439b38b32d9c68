# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_testfile.py
"""What an engineer writes to test alarm settings: `tests/*.tests.yaml` in a site's folder.

Law of this file: reads and checks form only; which tags and alarms exist is checked by who has the plant.

A *series* says what a tag reads, step by step, in a short notation:

    230x10 180x30      230 for ten steps, then 180 for thirty; the last value stays
    200+2x5            200 202 204 206 208; 10-0.5x3 is 10 9.5 9
    true  auto         a Boolean, a value of an enumeration by name
    _  _x5             nothing new is read: the value stays as it is
    bad  badx60        the reading is lost: Bad, null; `uncertain` keeps the value and doubts it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from config.explain import validate
from config.model import Duration, Model, Name
from config.problems import Problem
from config.source import Document, read_yaml, scalar

STEPS_MAX: Final = 100_000
CASES_MAX: Final = 500
SUFFIX: Final = ".tests.yaml"

_REPEATED: Final = re.compile(r"(.+)x([1-9][0-9]{0,5})")
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?"
_RAMP: Final = re.compile(rf"({_NUMBER})([+-][0-9]+(?:\.[0-9]+)?)")

Quality = Literal["good", "bad", "uncertain"]
Raw = bool | int | float | str
_Equipment = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}/[A-Z][A-Z0-9]{1,7}-[0-9]{4,6}$")]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one step reads. `value` None: the value stays (with `bad` it is lost)."""

    value: Raw | None
    quality: Quality = "good"


NOTHING: Final = Reading(None)


class Action(Model):
    """Something a person does, after the scan at `at`. Exactly one of the others."""

    at: Duration
    ack: Name | None = None
    confirm: Name | None = None
    reset: Name | None = None
    shelve: Name | None = None
    unshelve: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Action:
        if len(self.model_fields_set - {"at"}) != 1:
            raise ValueError("expected exactly one of ack, confirm, reset, shelve, unshelve")
        return self

    @property
    def what(self) -> tuple[str, str]:
        """('ack', 'RCD_Trip')."""
        (name,) = self.model_fields_set - {"at"}
        return name, str(getattr(self, name))


class Expectation(Model):
    """What must be true after the scan at `at`. What is left out is not looked at.

    Attributes:
        alarms: exactly these stand before the operator; `unacked`: exactly these wait for an acknowledgement.
        suppressed, shelved: exactly these are.
        unknown: these are not evaluable (others may be too); `known`: these are.
        announced: so many annunciations since the beginning of the case.
    """

    at: Duration
    alarms: list[Name] | None = None
    unacked: list[Name] | None = None
    suppressed: list[Name] | None = None
    shelved: list[Name] | None = None
    unknown: list[Name] | None = None
    known: list[Name] | None = None
    announced: int | None = Field(default=None, ge=0)


class Case(Model):
    """One story. Without `expect` it proves nothing, so it must have some."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    equipment: _Equipment | None = None
    given: dict[Name, Raw] = Field(default_factory=dict)
    series: dict[Name, Raw] = Field(default_factory=dict)
    do: list[Action] = Field(default_factory=list)
    expect: list[Expectation] = Field(min_length=1)

    @property
    def duration_s(self) -> float:
        """Until the last expectation [s]."""
        return max(e.at for e in self.expect)


class CaseFile(Model):
    """A file of cases about one piece of equipment.

    Attributes:
        step: time of one step of a series, and between two scans.
        start: UTC time at which each case begins (programs and sun look at it).
        given: what tags read all along, in every case that does not say otherwise.
    """

    equipment: _Equipment
    step: Duration = Field(default=1.0, ge=0.1, le=30.0)
    start: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] = "2026-01-05T18:00:00Z"
    given: dict[Name, Raw] = Field(default_factory=dict)
    cases: list[Case] = Field(min_length=1, max_length=CASES_MAX)


def case_files(folder: Path) -> list[Path]:
    """A site's test files, in the order of their names."""
    return sorted((folder / "tests").glob(f"*{SUFFIX}"))


def read_tests(path: Path, problems: list[Problem]) -> tuple[CaseFile, Document] | None:
    """A test file and where everything in it stands; None, and problems, if it cannot be used."""
    document, found = read_yaml(path, str(path))
    problems += found
    if document is None or found:
        return None
    model = validate(CaseFile, document.data, document, (), problems)
    if model is None:
        return None
    for i, case in enumerate(model.cases):
        if case.duration_s / model.step > STEPS_MAX:
            text = f"expected at most {STEPS_MAX:,} steps of {model.step:g} s; use a longer step"
            problems.append(document.problem(("cases", i, "expect"), text))
            return None
    return model, document


def expand(series: object) -> Iterator[Reading]:
    """The readings of a series, one a step; at most STEPS_MAX.

    Raises:
        ValueError: a part cannot be read; the sentence says which.
    """
    parts = str(_plain(series)).split()
    if not parts:
        raise ValueError("expected a series such as '230x10 180x30', got nothing")
    left = STEPS_MAX
    for part in parts:
        times = 1
        if repeated := _REPEATED.fullmatch(part):
            part, times = repeated[1], int(repeated[2])
        left -= times
        if left < 0:
            raise ValueError(f"expected at most {STEPS_MAX:,} steps")
        yield from _readings(part, times)


def _plain(series: object) -> object:
    """A series of one value may be written without quotes: YAML has made a number or a Boolean of it."""
    return ("true" if series else "false") if isinstance(series, bool) else series


def _readings(part: str, times: int) -> Iterator[Reading]:
    if part == "_":
        yield from (NOTHING for _ in range(times))
    elif part == "bad":
        yield from (Reading(None, "bad") for _ in range(times))
    elif part == "uncertain":
        yield from (Reading(None, "uncertain") for _ in range(times))
    elif ramp := _RAMP.fullmatch(part):
        begin, slope = float(ramp[1]), float(ramp[2])
        yield from (Reading(round(begin + i * slope, 9)) for i in range(times))
    else:
        value = scalar(part)
        if value is None:
            raise ValueError(f"'{part}': expected a value, _, bad or uncertain")
        yield from (Reading(value) for _ in range(times))
