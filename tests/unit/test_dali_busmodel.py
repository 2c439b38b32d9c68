# SPDX-License-Identifier: Apache-2.0
"""The simulated bus: who hears, who answers, collisions, failures, memory banks."""

from __future__ import annotations

from drivers.dali import frames as f
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.frames import ALL, Target


def bus() -> Bus:
    return Bus([Gear(1, groups=0b10), Gear(2, groups=0b10), Gear(3)])


def test_levels_reach_gear_groups_and_all() -> None:
    line = bus()
    line.send(f.direct_level(Target(group=1), 100))
    line.send(f.direct_level(Target(gear=3), 50))
    assert [g.level for g in line.gear.values()] == [100, 100, 50]
    line.send(f.command(ALL, f.OFF))
    assert [g.level for g in line.gear.values()] == [0, 0, 0]


def test_one_answers_many_collide_nobody_is_silence() -> None:
    line = bus()
    assert line.send(f.command(ALL, f.QUERY_LAMP_FAILURE)) == ("nothing", 0)
    line.gear[2].lamp_failed = True
    assert line.send(f.command(ALL, f.QUERY_LAMP_FAILURE)) == ("value", f.YES)
    line.gear[1].lamp_failed = True
    assert line.send(f.command(ALL, f.QUERY_LAMP_FAILURE)) == ("collision", 0)
    assert line.send(f.command(Target(gear=1), f.QUERY_STATUS)) == ("value", 0b10)
    line.gear[1].dead = True
    assert line.send(f.command(Target(gear=1), f.QUERY_STATUS)) == ("nothing", 0)


def test_a_scene_is_each_gears_own_and_power_cycle_shows_until_the_next_level() -> None:
    line = bus()
    line.gear[1].scenes[4] = 77
    line.power_cycle()
    assert line.send(f.command(Target(gear=1), f.QUERY_STATUS)) == ("value", 0b1000_0100)
    line.send(f.command(ALL, f.GO_TO_SCENE + 4))
    assert (line.gear[1].level, line.gear[1].power_cycle, line.gear[2].level, line.scene) == (77, False, 254, 4)


def test_the_led_status_needs_its_device_type_first() -> None:
    line = bus()
    line.gear[1].failure_bits = 0b10
    question = f.command(Target(gear=1), f.LED_FAILURE_STATUS)
    assert line.send(question) == ("nothing", 0)
    line.send((f.ENABLE_DEVICE_TYPE, f.LED))
    assert line.send(question) == ("value", 0b10)
    assert line.send(question) == ("nothing", 0)


def test_a_latched_bank_stands_still_while_its_number_grows() -> None:
    line = Bus([Gear(1, numbers={"active_energy": 255.0})])
    read = f.command(Target(gear=1), f.READ_MEMORY)
    for frame in ((f.DTR1, 202), (f.DTR0, 2), f.command(Target(gear=1), f.ENABLE_WRITE), (f.WRITE_MEMORY, f.LATCH)):
        line.send(frame)
    line.gear[1].numbers["active_energy"] = 256.0
    line.send((f.DTR0, 4))
    assert [line.send(read)[1] for _ in range(7)] == [0, 0, 0, 0, 0, 0, 255]


def test_frames_take_their_time_one_after_the_other() -> None:
    line = bus()
    assert line.take(10.0, f.QUERY_S) == 10.0 + f.QUERY_S
    assert line.take(10.0, f.COMMAND_S) == 10.0 + f.QUERY_S + f.COMMAND_S
