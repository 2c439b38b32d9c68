# SPDX-License-Identifier: Apache-2.0
"""Declared and answered: what follows, and when it is asked again."""

from __future__ import annotations

from math import inf

import pytest

from drivers.identity import EVERY_S, SILENCES_MAX, Check, Declared, Finding, Identities, compare, words

DECLARED = {"serial": "142", "vendor": "Acme"}


@pytest.mark.parametrize(
    ("answered", "required", "found"),
    [
        ({"serial": "142", "vendor": "Acme"}, False, Finding.RIGHT),
        ({"serial": " 142 "}, False, Finding.RIGHT),  # what was not said is not compared
        ({"serial": "142", "vendor": "Other"}, False, Finding.WRONG),
        ({"serial": "143", "vendor": "Acme"}, False, Finding.WRONG),
        ({"product": "RTU-7"}, False, Finding.MUTE),
        ({}, False, Finding.MUTE),
        ({}, True, Finding.WRONG),
    ],
)
def test_what_is_declared_and_said_must_be_the_same(answered: dict[str, str], required: bool, found: Finding) -> None:
    assert compare(Declared(DECLARED, required), answered) is found


def check(required: bool = False, name: str = "CAB-0142", serial: str = "142") -> Check:
    return Check(name, Declared.of(required, serial=serial, vendor=""))


def test_nobody_asks_where_nothing_was_declared() -> None:
    free = Check("CAB-0001", Declared.of())
    free.begin(5.0)
    assert not free.is_wanted and free.is_believed and free.due_s == inf


def test_it_is_asked_when_it_is_opened_and_every_hour() -> None:
    known = check()
    known.begin(5.0)
    assert known.due_s == 5.0 and known.is_believed
    assert known.said({"serial": "142"}, 5.0, 10.0) and known.finding is Finding.RIGHT
    first_s = known.due_s
    assert 5.0 < first_s <= 5.0 + EVERY_S + 1.0
    assert not known.said({"serial": "142"}, first_s, 10.0), "nothing new"
    assert known.due_s == first_s + EVERY_S
    other = check(name="CAB-0143")
    other.begin(5.0)
    other.said({"serial": "142"}, 5.0, 10.0)
    assert other.due_s != first_s, "each has its own moment of the hour"


def test_another_one_is_believed_in_when_it_has_said_so_twice() -> None:
    known = check()
    known.begin(5.0)
    assert not known.said({"serial": "1"}, 5.0, 10.0) and known.due_s == 5.0, "noise: asked again at once"
    assert known.said({"serial": "142"}, 5.0, 10.0) and known.finding is Finding.RIGHT
    assert not known.said({"serial": "143"}, 100.0, 10.0) and known.is_believed
    assert known.said({"serial": "143"}, 100.1, 10.0) and not known.is_believed
    assert known.due_s == 110.1, "asked soon, so that the right one is seen soon"
    assert not known.said({"serial": "143"}, 110.1, 10.0), "told once"
    assert known.said({"serial": "144"}, 120.1, 10.0), "yet another one is news"
    known.begin(130.0)
    assert not known.is_believed, "a new connection alone proves nothing"
    assert known.said({"serial": "142"}, 130.0, 10.0) and known.is_believed


def test_one_that_cannot_say_is_believed_unless_it_must() -> None:
    for required in (False, True):
        known = check(required)
        known.begin(0.0)
        assert known.is_believed is not required, "before its first answer"
        told = [known.silent(float(i), 10.0) for i in range(SILENCES_MAX)]
        assert told == [False] * (SILENCES_MAX - 1) + [True]
        assert known.finding is (Finding.WRONG if required else Finding.MUTE)
        assert known.is_believed is not required


def test_a_silence_changes_nothing_of_what_is_known() -> None:
    known = check()
    known.begin(0.0)
    known.said({"serial": "142"}, 0.0, 10.0)
    assert not any(known.silent(float(i), 10.0) for i in range(10)) and known.finding is Finding.RIGHT


def test_the_one_who_answers_is_named_if_the_plant_knows_it() -> None:
    plant = Identities()
    left, right = check(), check(name="CAB-0143", serial="143")
    plant.enter(left, "modbus", 1)
    plant.enter(right, "modbus", 2)
    assert plant.unknown == {"CAB-0142", "CAB-0143"}
    left.answered = {"serial": "143", "vendor": "Acme"}
    assert str(plant.impostor(left, "modbus")) == (
        "CAB-0142 answers as CAB-0143 (expected serial 142, got serial 143, vendor Acme)"
    )
    assert plant.who("bacnet", left.answered) == ""
    left.answered = {"serial": "7"}
    assert plant.impostor(left, "modbus").answers_as == "serial 7"
    plant.found(left, plant.impostor(left, "modbus"))
    assert set(plant.wrong) == {"CAB-0142"} and plant.unknown == {"CAB-0143"}
    plant.found(left, None)
    assert not plant.wrong


def test_many_behind_one_partner_are_one_alarm() -> None:
    plant = Identities()
    behind = [Check(f"CAM-{i:04}", Declared.of(application_uri="urn:collector")) for i in range(60)]
    for each in behind:
        plant.enter(each, "opcua", "one session")
    elsewhere = Check("JCT-0001", Declared.of(application_uri="urn:collector"))
    plant.enter(elsewhere, "opcua", "another one")
    assert plant.unknown == {"CAM-0000", "JCT-0001"}
    for each in behind:
        each.answered = {"application_uri": "urn:other"}
        plant.found(each, plant.impostor(each, "opcua"))
    assert set(plant.wrong) == {"CAM-0000"}


def test_an_identity_reads_like_speech() -> None:
    assert words(DECLARED) == "serial 142, vendor Acme" and words({}) == ""
