# SPDX-License-Identifier: Apache-2.0
"""The way off the loop: bounded, counted, and errors come back."""

from __future__ import annotations

import asyncio
import threading

import pytest

from supervisor.offload import Offload, OffloadFull


def test_jobs_run_beside_the_loop_and_are_counted() -> None:
    async def main() -> None:
        offload = Offload(threads=1)
        go = threading.Event()
        waiting = asyncio.create_task(offload.run(lambda: go.wait(10)))
        await asyncio.sleep(0)
        assert offload.pending == 1
        go.set()
        assert await waiting is True
        assert offload.pending == 0
        offload.close()

    asyncio.run(main())


def test_more_than_the_bound_is_refused_and_not_begun() -> None:
    async def main() -> None:
        offload = Offload(threads=1, pending_max=1)
        go = threading.Event()
        first = asyncio.create_task(offload.run(lambda: go.wait(10)))
        await asyncio.sleep(0)
        begun: list[int] = []
        with pytest.raises(OffloadFull, match="1 jobs wait"):
            await offload.run(lambda: begun.append(1))
        go.set()
        await first
        assert begun == []
        offload.close()

    asyncio.run(main())


def test_an_error_reaches_the_one_who_asked() -> None:
    async def main() -> None:
        offload = Offload()

        def fail() -> None:
            raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space left"):
            await offload.run(fail)
        assert offload.pending == 0
        offload.close()

    asyncio.run(main())
