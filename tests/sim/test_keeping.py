# SPDX-License-Identifier: Apache-2.0
"""The live state is kept: restored at the next start, a damaged file moved aside, a refusing disk said and survived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from config.words import StatusCode
from supervisor.core import Core
from supervisor.failure import Failure
from supervisor.keeping import FILE, PERIOD_S, RETRY_S, Keeper
from supervisor.offload import Offload
from tests.sim.loop import clock, run
from tests.sites import PROTOCOLS, compiled, sennecey

NAME = "21605/CAB-0001/E_act"


def with_keeper(folder: Path, story: Callable[[Core, Keeper], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        offload = Offload()
        try:
            site = sennecey()
            core = Core.build(site, compiled(site), PROTOCOLS, clock(), Random(1), dict)
            await story(core, Keeper(core, folder, 1, clock(), offload))
        finally:
            offload.close()

    run(main(), debug=False)


def set_meter(core: Core, kwh: float) -> None:
    import numpy as np

    row = core.plant.row(NAME)
    assert row is not None
    core.table.put(np.array([row]), np.array([kwh]).view(np.int64), np.zeros(1, np.uint32), core.clock.wall_ns())


def meter(core: Core) -> tuple[object, int]:
    row = core.plant.row(NAME)
    assert row is not None
    return core.table.value(row), int(core.table.status[row])


def test_a_restart_begins_with_last_values_and_says_that_they_are_old(tmp_path: Path) -> None:
    async def first(core: Core, keeper: Keeper) -> None:
        await keeper.restore()
        assert "first start" in keeper.found
        set_meter(core, 1234.5)
        running = asyncio.create_task(keeper.run())
        await asyncio.sleep(PERIOD_S + 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def second(core: Core, keeper: Keeper) -> None:
        await keeper.restore()
        assert meter(core) == (1234.5, StatusCode.UncertainLastUsableValue)
        assert "as last usable values" in keeper.found

    with_keeper(tmp_path, first)
    with_keeper(tmp_path, second)


def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"VIGIE-CP" + bytes(100))

    async def story(core: Core, keeper: Keeper) -> None:
        await keeper.restore()
        assert "started without last values" in keeper.found
        assert (tmp_path / f"{FILE}.damaged").exists() and not (tmp_path / FILE).exists()
        assert meter(core) == (None, StatusCode.BadWaitingForInitialData)

    with_keeper(tmp_path, story)


def test_a_file_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()

    async def story(core: Core, keeper: Keeper) -> None:
        with pytest.raises(Failure, match="give --state another folder"):
            await keeper.restore()

    with_keeper(tmp_path, story)


def test_a_disk_that_refuses_is_said_until_it_takes_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def story(core: Core, keeper: Keeper) -> None:
        await keeper.save()
        assert "cannot be written" in keeper.error and "free space or repair the disk" in keeper.error
        running = asyncio.create_task(keeper.run())
        folder.mkdir()
        await asyncio.sleep(RETRY_S + 1)  # tried again sooner than usual
        assert keeper.error == ""
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with_keeper(folder, story)


def test_no_room_off_the_loop_is_said_and_ends_nothing(tmp_path: Path) -> None:
    async def story(core: Core, keeper: Keeper) -> None:
        keeper._offload.pending_max = 0
        await keeper.save()
        assert "cannot be written: 0 jobs wait off the loop" in keeper.error
        keeper._offload.pending_max = 256
        await keeper.save()
        assert keeper.error == ""

    with_keeper(tmp_path, story)
