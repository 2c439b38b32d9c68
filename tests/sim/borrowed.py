# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_borrowed.py
"""Libraries that read time on their own, told the loop's time instead.

asyncua paces its subscriptions by `time.monotonic()`, Twisted's asyncio reactor by `reactor.seconds`. Everything else
we use asks the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


@contextmanager
def library_time(reactor: Any = None) -> Iterator[None]:
    """Inside a running virtual loop: asyncua's subscriptions, and `reactor` if given, follow `loop.time()`."""
    from asyncua.server import internal_subscription

    loop = asyncio.get_running_loop()
    theirs = internal_subscription.time
    internal_subscription.time = SimpleNamespace(monotonic=loop.time)
    if reactor is not None:
        reactor.seconds = loop.time
    try:
        yield
    finally:
        internal_subscription.time = theirs
        if reactor is not None:
            del reactor.seconds
