# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_programs.py
"""Lighting programs of the simulated terminal units: what level the street should have now.

Law of this file: pure; arrays in, array out. Numbers as in the parameter `program` of CAB.yaml:

    0  all night at 100 %                 3  C: off in the part-night hours, else 100 %
    1  A: 70 % from 22 to 5, else 100 %   5  E: constant, crossings
    2  B: 50 % from 22 to 5, else 80 %    6  F: off from 1 o'clock, heritage

Any other number is a lost program: the unit lights all night at its default level. Source: plant documentation 5.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from supervisor.demo.sky import CIVIL_DEG

Floats = npt.NDArray[np.float64]

LATE_H: Final = (22.0, 5.0)
"""Hours in which programs A and B dim."""
HERITAGE_OFF_H: Final = (1.0, 12.0)


def within(hour: float, start: Floats | float, end: Floats | float) -> npt.NDArray[np.bool_]:
    """Whether a local hour lies in [start, end), over midnight where start > end; equal ends: never."""
    start, end = np.asarray(start), np.asarray(end)
    inside = np.where(start <= end, (start <= hour) & (hour < end), (hour >= start) | (hour < end))
    return inside.astype(np.bool_)


def wanted_level(
    program: npt.NDArray[np.int64], elevation_deg: Floats, hour: float, off_from_h: Floats, off_until_h: Floats
) -> Floats:
    """Level each cabinet's own program asks for [%]; 0: off.

    Args:
        program: number of each cabinet, (n,).
        elevation_deg: sun as each cabinet sees it (staggered), (n,).
        hour: local civil time [h].
        off_from_h, off_until_h: part-night hours of program C, (n,).
    """
    late = bool(within(hour, *LATE_H))
    level = np.full(len(program), 100.0)
    level[program == 1] = 70.0 if late else 100.0
    level[program == 2] = 50.0 if late else 80.0
    level[(program == 3) & within(hour, off_from_h, off_until_h)] = 0.0
    if bool(within(hour, *HERITAGE_OFF_H)):
        level[program == 6] = 0.0
    return np.where(elevation_deg < CIVIL_DEG, level, 0.0)
