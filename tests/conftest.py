# SPDX-License-Identifier: Apache-2.0
"""House rules for every test, in one place.

- A task left behind by `asyncio.run` is a failure, not something to cancel silently (`tests.sim.loop.run` checks its
  own). A test that must leave one says so: `@pytest.mark.usefixtures` is no way out, end the task.
- No address outside loopback is bound or connected, in this process.
- Warnings are errors (pyproject), so are exceptions that the garbage collector finds.
- hypothesis tries the same examples in every run, so that a commit is judged by what it changed; `HYPOTHESIS=explore`
  lets it look for new ones.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "same"))


def _loopback_only(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.bind"):
        return
    address = args[1]
    if not isinstance(address, tuple):
        return  # a Unix socket, a netlink socket
    host = address[0]
    try:
        fine = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        fine = False
    if not fine:
        raise AssertionError(f"a test may use loopback only, not {event} {address!r}")


sys.addaudithook(_loopback_only)


@pytest.fixture(autouse=True)
def no_task_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test when `asyncio.run` finds tasks that its main coroutine did not end."""
    left: list[str] = []
    cancel = asyncio.runners._cancel_all_tasks

    def record(loop: asyncio.AbstractEventLoop) -> None:
        left.extend(repr(task) for task in asyncio.all_tasks(loop))
        cancel(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", record)
    yield
    if left:
        pytest.fail("tasks left behind:\n" + "\n".join(left))
