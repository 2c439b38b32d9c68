# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_descriptors.py
"""How many files and sockets this process may have open.

Law of this file: one number of the operating system, raised as far as it goes, and one sentence if that is too little.

A shell often starts with 1,024; a city of 850 cabinets and 180 buildings has more sockets than that.
"""

from __future__ import annotations

import resource
from typing import Final

from supervisor.failure import Failure

RESERVE: Final = 256
"""Descriptors beside those of the field: files of the state folder, HMIs, a browser or two."""


def open_files(devices: int) -> int:
    """Have room for the sockets of so many devices.

    Returns: how many descriptors may be open from now on.
    Raises:
        Failure: the hard limit is lower than that; who raises it, and how.
    """
    needed = devices + RESERVE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Failure(
            f"{devices} connections to the field need {needed} open files, this process may have {hard}; "
            f"raise LimitNOFILE in the unit, or `ulimit -Hn` in the shell"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
