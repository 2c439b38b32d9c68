# SPDX-License-Identifier: Apache-2.0
"""What drivers learned is kept beside the checkpoint, written when it changed, ignored when damaged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from drivers.base import Request
from drivers.modbus.driver import import_state
from drivers.modbus.plan import Body
from supervisor.core import Core
from supervisor.keeping import LEARNED_FILE, Keeper
from tests.sim.test_keeping import with_keeper


def questions(core: Core) -> list[Request]:
    """What the cabinets are asked: those of Modbus learn."""
    return [request for request in core.host.requests if isinstance(request.exchange.body, Body)]


def teach(core: Core) -> None:
    """Pretend that the first question's first point was refused."""
    request = questions(core)[0]
    kept = {"parts": [[1, len(request.rows)]], "cuts": [], "joints": [], "quarantined": {"0": 2}}
    import_state(request, kept, 0.0)


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    async def first(core: Core, keeper: Keeper) -> None:
        await keeper.restore()
        await keeper.save()
        assert not (tmp_path / LEARNED_FILE).exists(), "nothing was learned yet"
        teach(core)
        await keeper.save()
        (entry,) = json.loads((tmp_path / LEARNED_FILE).read_text()).values()
        assert next(iter(entry["requests"].values()))["quarantined"] == {"0": 2}
        written = (tmp_path / LEARNED_FILE).stat().st_mtime_ns
        await keeper.save()
        assert (tmp_path / LEARNED_FILE).stat().st_mtime_ns == written, "nothing new, nothing written"

    async def second(core: Core, keeper: Keeper) -> None:
        await keeper.restore()
        learned, other = questions(core)[:2]
        assert learned.state is not None and other.state is None
        assert any(status.notes for status in core.host.status())
        learned.state = None
        await keeper.save()
        assert json.loads((tmp_path / LEARNED_FILE).read_text()) == {}, "what is no longer true is not kept"

    with_keeper(tmp_path, first)
    with_keeper(tmp_path, second)


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b'{"21605/CAB-0001.controller": 7}'])
def test_a_damaged_file_costs_one_line(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / LEARNED_FILE).write_bytes(content)

    async def story(core: Core, keeper: Keeper) -> None:
        with caplog.at_level(logging.INFO, "supervisor.keeping"):
            await keeper.restore()
        told = [
            r.getMessage() for r in caplog.records if LEARNED_FILE in r.getMessage() or "no longer" in r.getMessage()
        ]
        assert len(told) == 1, told
        assert all(request.state is None for request in core.host.requests)
        teach(core)
        await keeper.save()
        assert keeper.error == "" and json.loads((tmp_path / LEARNED_FILE).read_text())

    with_keeper(tmp_path, story)
