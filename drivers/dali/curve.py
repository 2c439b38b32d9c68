# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_curve.py
"""Arc power levels of DALI and the light they mean.

Law of this file: pure tables. Source: IEC 62386-102:2014, 9.3 (logarithmic curve), IEC 62386-207, 9.10 (linear curve).

    level 0          off
    level 1..254     logarithmic: 10 ^ ((level - 1) / (253 / 3) - 1) per cent:
                     1 = 0.1, 85 = 1, 170 = 10, 229 = 50, 254 = 100
                     linear: level / 254 x 100 per cent
    255              MASK: no level; not known, or no change
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

MASK: Final = 255
LEVEL_MAX: Final = 254

Curve = Literal["logarithmic", "linear"]


def _logarithmic() -> npt.NDArray[np.float64]:
    table = np.zeros(256)
    table[1:255] = 10.0 ** ((np.arange(1, 255) - 1) * 3 / 253 - 1)
    table[MASK] = np.nan
    return table


def _linear() -> npt.NDArray[np.float64]:
    table = np.arange(256) / LEVEL_MAX * 100
    table[MASK] = np.nan
    return table


PERCENT: Final[dict[Curve, npt.NDArray[np.float64]]] = {"logarithmic": _logarithmic(), "linear": _linear()}
"""Per cent of each level, (256,) f8; NaN for MASK."""


def percent(level: int, curve: Curve = "logarithmic") -> float:
    """Light of an arc power level, 0..255 [%]; NaN for MASK."""
    return float(PERCENT[curve][level])


def level(light: float, curve: Curve = "logarithmic") -> int:
    """The level whose light is nearest, 0..254. Any light above 0 is at least level 1: it shall not go out.

    Args:
        light: 0..100 [%].

    Raises:
        ValueError: outside 0..100, or no number.
    """
    if not 0 <= light <= 100:
        raise ValueError(f"expected a level of 0..100 %, got {light:g}")
    if light == 0:
        return 0
    return 1 + int(np.abs(PERCENT[curve][1:MASK] - light).argmin())
