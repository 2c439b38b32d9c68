# SPDX-License-Identifier: Apache-2.0
"""The operation `history` of the control socket: pages, bounds, rights."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.model import Role
from config.words import NS_PER_S
from supervisor.control.operations import Refused, carry_out
from supervisor.people import User
from supervisor.recording.history import History
from supervisor.tags.scan import Changes
from tests.post import ANNE, Post, plant, set_value, with_post
from tests.unit.test_control import server_of

LEVEL = "21605/CAB-0001/Level"
Ask = Callable[..., Awaitable[Any]]


def with_history(tmp_path: Path, story: Callable[[Post, History, Ask], Awaitable[None]], made: Any = None) -> None:
    async def scenario(post: Post) -> None:
        history = await History.open(tmp_path, post.table, post.clock, 4, "Europe/Paris")
        server = server_of(post)
        server.past = history

        async def ask(user: User = ANNE, **arguments: Any) -> Any:
            return await carry_out(server, user, "test", {"op": "history", **arguments})

        try:
            await story(post, history, ask)
        finally:
            await history.close()

    with_post(tmp_path, scenario, made)


async def record(post: Post, history: History, values: list[int]) -> None:
    """Values of Level, one a second apart, as scans would see them."""
    from asyncio import sleep

    if history.recorder._writer is None:
        history.recorder.start()
    for value in values:
        set_value(post.table, post.row("1/Level"), int(np.float64(value).view(np.int64)))
        history.recorder.take(Changes(post.table.changed_rows(), post.clock.wall_ns()))
        await sleep(11)


def test_samples_come_page_by_page(tmp_path: Path) -> None:
    async def story(post: Post, history: History, ask: Ask) -> None:
        begin = post.clock.wall_ns()
        await record(post, history, list(range(10, 25)))
        got, at = [], begin
        while at is not None:
            page = await ask(tag=LEVEL, from_ns=at, until_ns=post.clock.wall_ns(), limit=4)
            assert len(page["value"]) <= 4
            got += page["value"]
            at = page["next_ns"]
        assert got == list(range(10, 25))
        assert (page["zone"], page["kind"]) == ("Europe/Paris", post.plant.block(post.row("1/Level")).info.kind.name)
        assert page["gaps"] == []

    with_history(tmp_path, story)


def test_buckets_come_page_by_page_and_a_gap_is_told(tmp_path: Path) -> None:
    async def story(post: Post, history: History, ask: Ask) -> None:
        begin = post.clock.wall_ns()
        await record(post, history, [10, 20])
        history._store.record_gap(begin - 5, begin - 1, "test")
        page = await ask(tag=LEVEL, from_ns=begin - 11 * NS_PER_S, until_ns=begin + 22 * NS_PER_S, every_s=11, limit=2)
        assert page["mean"] == [None, 10.0]
        assert page["status"] == ["Bad", "Good"]
        assert page["gaps"] == [[begin - 5, begin - 1, "test"]]
        page = await ask(tag=LEVEL, from_ns=page["next_ns"], until_ns=begin + 22 * NS_PER_S, every_s=11)
        assert (page["mean"], page["next_ns"]) == ([20.0], None)

    with_history(tmp_path, story)


def test_days_of_the_site_and_what_a_counter_counted(tmp_path: Path) -> None:
    async def story(post: Post, history: History, ask: Ask) -> None:
        begin = post.clock.wall_ns()
        await record(post, history, [10, 20, 5])
        span = {"from_ns": begin, "until_ns": begin + 60 * NS_PER_S}
        page = await ask(tag=LEVEL, **span, period="day", consumption=True)
        (start,), (used,) = page["time_ns"], page["consumption"]
        local = datetime.fromtimestamp(start // NS_PER_S, ZoneInfo("Europe/Paris"))
        assert (local.hour, local.minute, start <= begin) == (0, 0, True)
        assert (used, page["status"]) == (10.0, ["UncertainSubNormal"]), "the fall to 5 is no consumption"
        assert (page["count"], page["next_ns"]) == ([3], None)
        page = await ask(tag=LEVEL, **span, every_s=60)
        assert page["consumption"] == [None], "only if asked"

    with_history(tmp_path, story)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tag": LEVEL, "period": "year", "until_ns": 10}, "period: expected one of day, week, month"),
        ({"tag": LEVEL, "consumption": 1}, "consumption: true or false"),
        ({"tag": "21605/CAB-0001/Levle"}, "did you mean '21605/CAB-0001/Level'"),
        ({"tag": LEVEL, "from_ns": -1}, "from_ns: expected a whole number"),
        ({"tag": LEVEL, "until_ns": "now"}, "until_ns: expected a whole number"),
        ({"tag": LEVEL, "limit": 10_001}, "limit: expected a whole number 0..10000"),
        ({"tag": LEVEL, "every_s": True}, "every_s: expected a whole number"),
    ],
)
def test_wrong_arguments_are_one_sentence(tmp_path: Path, arguments: dict[str, Any], sentence: str) -> None:
    async def story(post: Post, history: History, ask: Ask) -> None:
        with pytest.raises(Refused, match=sentence):
            await ask(**arguments)

    with_history(tmp_path, story)


def test_personal_data_is_withheld(tmp_path: Path) -> None:
    made = plant()
    kind = made.types["CAB"]
    block = dataclasses.replace(
        kind.blocks["Level"], info=dataclasses.replace(kind.blocks["Level"].info, personal=True)
    )
    kind.blocks["Level"] = block
    made = dataclasses.replace(made, blocks=tuple(block if b.index == block.index else b for b in made.blocks))

    async def story(post: Post, history: History, ask: Ask) -> None:
        with pytest.raises(Refused, match="no tag"):
            await ask(User("vic", Role.VIEWER), tag=LEVEL)

    with_history(tmp_path, story, made)


def test_a_server_without_a_history_says_so(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        with pytest.raises(Refused, match="keeps no history"):
            await carry_out(server_of(post), ANNE, "test", {"op": "history", "tag": LEVEL})

    with_post(tmp_path, scenario)
