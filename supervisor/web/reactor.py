# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_web.py
"""Twisted on the loop that runs already.

Law of this file: the reactor is an object that is handed on. Nobody imports `twisted.internet.reactor`: that would
install another one, beside the loop that does the work.
"""

from __future__ import annotations

import asyncio

from twisted.internet.asyncioreactor import AsyncioSelectorReactor


def make_reactor() -> AsyncioSelectorReactor:
    """A reactor on the running loop. It takes no signals and never stops the loop."""
    reactor = AsyncioSelectorReactor(asyncio.get_running_loop())
    reactor.startRunning(installSignalHandlers=False)
    return reactor


def dispose_reactor(reactor: AsyncioSelectorReactor) -> None:
    """Take everything of the reactor off the loop. Its `stop` would stop the loop, which is not its own."""
    for call in reactor.getDelayedCalls():
        call.cancel()
    reactor.removeAll()
    if (waker := reactor.waker) is not None:
        reactor.removeReader(waker)
        waker.connectionLost(None)
        reactor.waker = None
