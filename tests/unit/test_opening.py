# SPDX-License-Identifier: Apache-2.0
"""An attempt to connect ends in five ways, and leaves nothing behind in any of them."""

from __future__ import annotations

import asyncio

import pytest

from drivers.opening import NotOpened, Opening, reason_of
from tests.sim.loop import run

DROPPED: list[str] = []


async def made(after_s: float, stubborn: bool = False) -> str:
    try:
        await asyncio.sleep(after_s)
    except asyncio.CancelledError:
        if not stubborn:
            raise
    return "connection"


def test_it_is_made_in_time() -> None:
    async def main() -> None:
        opening = Opening(DROPPED.append)
        assert await opening.run(made(1.0), 2.0) == "connection"
        assert await opening.run(made(1.0), 2.0) == "connection", "and again"

    run(main())


def test_it_takes_too_long_is_ended_or_cancelled_and_what_came_too_late_is_dropped() -> None:
    async def main() -> None:
        DROPPED.clear()
        opening = Opening(DROPPED.append)
        with pytest.raises(NotOpened, match="no session within 2 s"):
            await opening.run(made(5.0, stubborn=True), 2.0, "session")
        assert DROPPED == ["connection"]
        with pytest.raises(NotOpened, match="no connection within 2 s"):
            await opening.run(made(5.0), 2.0)
        task = asyncio.ensure_future(opening.run(made(5.0, stubborn=True), 10.0))
        await asyncio.sleep(1.0)
        with pytest.raises(NotOpened, match="is being made already"):
            await opening.run(made(1.0), 1.0)
        opening.end()
        with pytest.raises(NotOpened, match="closed while connecting"):
            await task
        assert DROPPED == ["connection"] * 2
        cancelled = asyncio.ensure_future(opening.run(made(5.0, stubborn=True), 10.0))
        await asyncio.sleep(1.0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled() and DROPPED == ["connection"] * 3
        assert await opening.run(made(0.0), 1.0) == "connection"

    run(main())


def test_errors_are_those_of_who_connects_in_words() -> None:
    async def fails() -> str:
        raise ConnectionRefusedError(111, "x")

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError) as error:
            await Opening(DROPPED.append).run(fails(), 1.0)
        assert reason_of(error.value) == "Connection refused"

    run(main())
    assert reason_of(OSError("no such thing")) == "no such thing" and reason_of(TimeoutError()) == "TimeoutError"
