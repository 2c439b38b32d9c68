# SPDX-License-Identifier: Apache-2.0
"""The server's life, as far as it needs no server: what happens when it is told to stop too early."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from supervisor.app import App
from supervisor.options import RunOptions
from tests.sites import sennecey


def test_a_server_that_is_told_to_stop_before_it_lives_stops_and_announces_nothing(tmp_path: Path) -> None:
    """Its scan hangs, say: nothing beats. Before, only a kill ended it."""

    async def main() -> None:
        app = App(sennecey(), RunOptions(tmp_path))
        told = asyncio.create_task(app._told.wait())
        asyncio.get_running_loop().call_soon(app.stop, "SIGTERM")
        async with asyncio.timeout(10), AsyncExitStack() as stack:
            await app._announce(stack, [told])
        app.offload.close()
        app.notifier.close()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
