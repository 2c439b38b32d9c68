# SPDX-License-Identifier: Apache-2.0
"""Frames of IEC 62386-102, 7.2 and 11, byte by byte as another implementation (python-dali) builds them."""

from __future__ import annotations

import pytest

from drivers.dali import frames as f
from drivers.dali.frames import ALL, Target


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (f.command(Target(gear=5), f.QUERY_STATUS), (11, 144)),
        (f.direct_level(Target(gear=5), 128), (10, 128)),
        (f.direct_level(Target(group=3), 254), (134, 254)),
        (f.command(ALL, f.OFF), (255, 0)),
        (f.command(Target(gear=63), f.READ_MEMORY), (127, 197)),
        (f.command(Target(group=15), f.GO_TO_SCENE + 15), (159, 31)),
    ],
)
def test_frames_are_those_of_the_standard(frame: f.Frame, data: tuple[int, int]) -> None:
    assert frame == data


def test_every_address_byte_is_understood_as_it_was_made() -> None:
    targets = [ALL, *(Target(gear=g) for g in range(64)), *(Target(group=g) for g in range(16))]
    for target in targets:
        assert f.target_of(target.byte) == f.target_of(target.byte & 0xFE) == target


def test_special_commands_address_nobody() -> None:
    assert [f.target_of(a) for a in (f.DTR0, f.DTR1, f.ENABLE_DEVICE_TYPE, f.WRITE_MEMORY)] == [None] * 4


def test_a_level_is_no_query() -> None:
    assert not f.is_query((10, 0x90))
    assert f.is_query((11, 0x90))
    assert not f.is_query((f.DTR0, 0x90))
