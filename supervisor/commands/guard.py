# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_permit.py
"""The guard: a permit that ends cuts, at that instant, every connection that may still hold a command.

Law of this file: it only cuts. A byte that was handed to the kernel before the permit ended must not reach a device
seconds after it; resetting its connection is the one way to call it back. What holds no command is not touched: reading
needs no permit, and a machine that was slow for a second must not lose sight of a healthy field.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from config.words import Clock
from supervisor.commands.permit import PermitSource

log = logging.getLogger(__name__)

LOOK_S: Final = 0.05


async def guard_permit(permits: PermitSource, clock: Clock, cut: Callable[[], int], look_s: float = LOOK_S) -> None:
    """Watch until cancelled; call `cut` once each time a valid permit has ended.

    Args:
        cut: `Host.abort_writes`; says how many connections it cut.
    """
    held = False
    while True:
        permit = permits.current()
        valid = permit.valid(clock.boot_s())
        if held and not valid:
            told = "the permit to command the field (epoch %d) has ended; connections cut with a command under way: %d"
            log.error(told, permit.epoch, cut())
        elif valid and not held:
            log.info("this post may command the field (epoch %d)", permit.epoch)
        held = valid
        await asyncio.sleep(look_s)
