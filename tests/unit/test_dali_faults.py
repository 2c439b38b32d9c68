# SPDX-License-Identifier: Apache-2.0
"""Which gear has failed, asked of all, then of groups, then of itself."""

from __future__ import annotations

from drivers.dali.faults import PROOF_S, Faults
from drivers.dali.frames import ALL, Target


def told(**answers: bool) -> Faults:
    faults = Faults(2.0, groups={5: 0b1010})
    faults.heard(5, 0.0)
    for name, failed in answers.items():
        faults.told({"all": ALL, "one": Target(group=1), "three": Target(group=3)}[name], failed, 0.0)
    return faults


def test_all_are_asked_first_then_its_groups_then_itself() -> None:
    assert told().ask(5, 1.0) == ALL
    assert told(all=True).ask(5, 1.0) == Target(group=1)
    assert told(all=True, one=True).ask(5, 1.0) == Target(group=3)
    assert told(all=True, one=True, three=True).ask(5, 1.0) == Target(gear=5)


def test_any_no_means_well() -> None:
    assert told(all=False).ask(5, 1.0) == "well"
    assert told(all=True, one=False).ask(5, 1.0) == "well"
    assert told(all=True, one=True, three=False).ask(5, 1.0) == "well"


def test_an_answer_is_good_for_a_while_only() -> None:
    assert told(all=False).ask(5, 2.0) == "well"
    assert told(all=False).ask(5, 2.1) == ALL


def test_gear_that_did_not_answer_for_itself_is_not_believed_well() -> None:
    faults = told(all=False)
    assert faults.ask(6, 1.0) == Target(gear=6)
    faults.told(ALL, False, PROOF_S)
    assert faults.ask(5, PROOF_S) == Target(gear=5)
