# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_subscription.py
"""Something a server is making for us: who needs it waits no longer than a slot lets him, and it goes on meanwhile.

Law of this file: one question under way, any number of those who wait. It ends by itself: with its answer, after its
own patience, or with the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Generic, TypeVar

from drivers.base import DeviceSilent

Made = TypeVar("Made")

MAKING_S: Final = 10.0
"""Patience with a subscription or items [s]. Of what was given up nobody knows whether the server has it all the same;
a list of items nobody knows costs every device of the link its subscription."""


class Making(Generic[Made]):
    """A question that outlives who asked it."""

    def __init__(self, ask: Coroutine[Any, Any, Made]) -> None:
        self._task = asyncio.ensure_future(ask)
        self._task.add_done_callback(swallow)

    @property
    def is_over(self) -> bool:
        """It has its answer, or has failed."""
        return self._task.done()

    async def result(self, timeout_s: float) -> Made:
        """What was made.

        Raises:
            DeviceSilent: not yet within this time [s].
            DriverError, ServiceFault, Garbled: it failed.
        """
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done:
            raise DeviceSilent("no reply")
        return self._task.result()


def swallow(asked: asyncio.Future[Any]) -> None:
    """Of a question that nobody may be left to hear the end of."""
    if not asked.cancelled():
        asked.exception()
