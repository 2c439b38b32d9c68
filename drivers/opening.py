# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opening.py, tests/kit (every driver)
"""One attempt at a time to make a connection: it ends with it, with an error, with the time, or because of a close.

Law of this file: whatever ends an attempt, no task and no half-made connection stays behind. What is made is the link's
own matter, and so are the words for its errors.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class NotOpened(Exception):
    """There is no connection; the text says why, without subject."""


class Opening(Generic[T]):
    """The attempts of one link.

    Args:
        drop: aborts what was made too late for anybody to want it.
    """

    def __init__(self, drop: Callable[[T], None]) -> None:
        self._drop = drop
        self._task: asyncio.Task[T] | None = None
        self._attempt = 0

    async def run(self, connect: Coroutine[Any, Any, T], timeout_s: float, what: str = "connection") -> T:
        """Connect within `timeout_s`.

        Args:
            what: is made, for people: 'no session within 5 s'.

        Raises:
            NotOpened: another attempt is under way, the time is over, or it was ended meanwhile; else whatever
                `connect` raises.
        """
        if self._task is not None:
            connect.close()
            raise NotOpened(f"a {what} is being made already")
        self._attempt += 1
        attempt = self._attempt
        task = self._task = asyncio.get_running_loop().create_task(connect)
        try:
            await asyncio.wait([task], timeout=timeout_s)
        except asyncio.CancelledError:
            await self._give_up(task)
            raise
        finally:
            self._task = None
        if not task.done():
            await self._give_up(task)
            raise NotOpened(f"no {what} within {timeout_s:g} s")
        if task.cancelled() or attempt != self._attempt:
            await self._give_up(task)
            raise NotOpened("closed while connecting")
        return task.result()

    def end(self) -> None:
        """Whatever is under way is not wanted any more. Idempotent."""
        self._attempt += 1
        if self._task is not None:
            self._task.cancel()

    async def _give_up(self, task: asyncio.Task[T]) -> None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            self._drop(task.result())


def reason_of(error: BaseException) -> str:
    """Why the system, or a library, could not: its own words, else the name of the error."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if isinstance(code, int) and code > 0 else str(error) or type(error).__name__
