# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_permit.py
"""The guard: a permit that ends cuts every connection to the field at that instant.

Law of this file: it only cuts. A byte that was handed to the kernel before the permit ended must not reach a device
seconds after it; resetting the connections is the one way to call it back. Reading goes on with new connections.
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


async def guard_permit(permits: PermitSource, clock: Clock, cut: Callable[[], None], look_s: float = LOOK_S) -> None:
    """Watch until cancelled; call `cut` once each time a valid permit has ended.

    Args:
        cut: `Host.abort_all`.
    """
    held = False
    while True:
        permit = permits.current()
        valid = permit.valid(clock.boot_s())
        if held and not valid:
            log.error(
                "the permit to command the field (epoch %d) has ended; every field connection is cut", permit.epoch
            )
            cut()
        elif valid and not held:
            log.info("this post may command the field (epoch %d)", permit.epoch)
        held = valid
        await asyncio.sleep(look_s)
