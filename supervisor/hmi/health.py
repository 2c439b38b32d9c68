# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_health.py
"""How fit this post is to serve terminals, as one number: the ServiceLevel.

Law of this file: pure. Both posts of a pair reckon by this one rule, or their numbers could not be compared.

| level | range | when |
|---|---|---|
| maintenance | 0 | somebody took it out of service: terminals leave and stay away |
| no data | 1 | its scan or loop gives no proof of life, or it reaches none of its devices |
| degraded | 2..199 | it reaches less than three quarters of them, or cannot keep what it has to remember |
| healthy | 200..255 | otherwise |

Within a range more devices are better. Source: OPC 10000-4, 6.6.2.4.2 (ServiceLevel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAINTENANCE: Final = 0
NO_DATA: Final = 1
DEGRADED: Final = (2, 199)
HEALTHY: Final = (200, 255)
HEALTHY_SHARE: Final = 0.75  # of devices; below it is not the field that fails but this post's way to it


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the post at one instant.

    Attributes:
        alive: scan and loop have given proof of life within the time they are given.
        devices, reachable: polled devices, and those of them that answer.
        storage_ok: history and checkpoint reach the disk; `journal_ok`: the journal does.
        maintenance: it was taken out of service by hand; `returns_ns`: when it is expected back [UTC ns].
    """

    alive: bool = True
    devices: int = 0
    reachable: int = 0
    storage_ok: bool = True
    journal_ok: bool = True
    maintenance: bool = False
    returns_ns: int | None = None


def service_level(health: Health) -> int:
    """ServiceLevel, 0..255."""
    if health.maintenance:
        return MAINTENANCE
    share = health.reachable / health.devices if health.devices else 1.0
    if not health.alive or share == 0.0:
        return NO_DATA
    if share >= HEALTHY_SHARE and health.storage_ok and health.journal_ok:
        return _within(HEALTHY, (share - HEALTHY_SHARE) / (1.0 - HEALTHY_SHARE))
    # A post that cannot journal must refuse commands: worse than one that only loses history.
    return _within(DEGRADED, share * (1.0 if health.storage_ok else 0.75) * (1.0 if health.journal_ok else 0.5))


def _within(limits: tuple[int, int], share: float) -> int:
    low, high = limits
    return low + round((high - low) * share)
