# SPDX-License-Identifier: Apache-2.0
"""What is known of a line: levels asked for, members, the time a round takes."""

from __future__ import annotations

from drivers.dali import frames as f
from drivers.dali.frames import ALL, Target
from drivers.dali.line import Line


def counted() -> Line:
    line = Line(2.0)
    for gear, groups in ((1, 0b0010), (2, None), (5, 0b1010), (9, 0)):
        line.count(gear, groups)
        assert line.counted_to == gear + 1 and not line.counted, "known when all were asked"
    line.count_is_over()
    assert line.counted and line.counted_to == 0
    return line


def test_levels_of_members_are_computed_from_one_group_frame() -> None:
    line = counted()
    line.heard(f.direct_level(Target(group=1), 170))
    assert line.targets == {1: 170, 5: 170}
    line.heard(f.direct_level(Target(gear=5), 85))
    line.heard(f.command(ALL, f.OFF))
    assert line.targets == {1: 0, 5: 0, 9: 0}


def test_a_scene_or_a_step_leads_where_only_the_gear_knows() -> None:
    line = counted()
    line.heard(f.direct_level(ALL, 254))
    line.heard(f.command(Target(gear=1), 0x01))  # UP
    assert line.targets == {5: 254, 9: 254}
    line.heard(f.command(ALL, f.GO_TO_SCENE + 4))
    assert (line.targets, line.scene) == ({}, 4)


def test_mask_and_questions_change_nothing() -> None:
    line = counted()
    line.heard(f.direct_level(ALL, 254))
    line.heard(f.direct_level(ALL, 255))
    line.heard(f.command(ALL, f.QUERY_STATUS))
    line.heard((f.DTR0, 12))
    assert line.targets == {1: 254, 5: 254, 9: 254}


def test_before_the_members_are_known_a_group_frame_makes_all_unsure() -> None:
    line = Line(2.0)
    line.heard(f.direct_level(Target(gear=5), 85))
    line.heard(f.direct_level(Target(group=1), 170))
    assert line.targets == {}


def test_a_round_is_the_longest_time_between_two_levels() -> None:
    line = counted()
    for at_s in (0.0, 10.0):
        line.told_level(1, at_s)
    assert line.cycle_s == 10.0
    line.told_level(5, 10.0)
    line.told_level(5, 22.0)
    line.told_level(1, 21.0)
    assert line.cycle_s == 12.0
    assert Line(2.0).cycle_s is None
