# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control.py, tests/unit/test_control_answers.py
"""The server as the control door sees it, over a post of `tests.post`."""

from typing import Any

from config.words import LinkState
from drivers.status import DeviceStatus
from supervisor.control.operations import Server
from tests.post import Post

NAN = float("nan")
DEVICE = DeviceStatus(
    "21605/CAB-0001.controller", "modbus", LinkState.UP, "up 3 s", 0, 5, 4, 1, 0, False, 0.01, 0.02, 2.0, NAN
)


def server_of(post: Post, stopped: list[str] | None = None) -> Server:
    async def told(most: int | None) -> dict[str, Any]:
        return {"site": post.plant.site} | ({} if most is None else {"devices_max": most})

    return Server(
        table=post.table,
        commands=post.commands,
        journal=post.journal,
        clock=post.clock,
        status=told,
        devices=lambda: [DEVICE],
        stop=(stopped if stopped is not None else []).append,
    )
