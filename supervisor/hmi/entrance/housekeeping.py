# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_certificates.py, tests/system/test_opcua_bounds.py
"""What the OPC UA server looks after twice a second: overdue connections, and whom it still trusts.

Law of this file: a loop around the doorman and the trust list; nothing is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from supervisor.hmi.entrance.judge import Untrusted
from supervisor.offload import OffloadFull

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine

_log = logging.getLogger(__name__)

PERIOD_S: Final = 0.5


async def keep_house(engine: Engine) -> None:
    """Run until cancelled."""
    loop = asyncio.get_running_loop()
    judged = engine.trust.generation
    said = ""
    while True:
        await asyncio.sleep(PERIOD_S)
        engine.doorman.look(loop.time())
        try:
            await engine.offload.run(engine.trust.anchors)
            if engine.trust.generation != judged:
                judged = engine.trust.generation
                await _judge_again(engine)
            said = ""
        except (OSError, OffloadFull) as error:
            if said != str(error):  # not twice a second for as long as it lasts
                said = str(error)
                _log.warning("the trust list cannot be looked at: %s", error)


async def _judge_again(engine: Engine) -> None:
    """The trust list has changed: whoever it no longer admits goes, channel, session and all."""
    for processor in list(engine.processors):
        if processor.sent_certificate is None:
            continue
        now_ns = engine.clock.wall_ns()
        try:
            await engine.offload.run(partial(engine.trust.check, processor.sent_certificate, now_ns))
        except Untrusted as refusal:
            engine.counters.rejected_certificates += 1
            _log.warning("client %s is no longer trusted: %s", processor.peer, refusal)
            user = "unknown"
            if processor.session is not None:
                user = processor.session.asker.user.name
                await processor.session.end()
            engine.audit.tell(user, f"ended: no longer trusted: {refusal.code}: {refusal}", terminal=processor.peer)
            processor.drop()
