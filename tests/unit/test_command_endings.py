# SPDX-License-Identifier: Apache-2.0
"""Every command ends with one verdict, and it is written down: when it waits too long, when nobody waits for it any
more, when the server stops in the middle, whatever the journal is doing just then.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.words import Verdict
from supervisor.commands.unfinished import end_unfinished
from tests.post import Post, with_post


def test_a_command_that_waits_too_long_for_its_turn_expires(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.write_s = 3.0
        results = await asyncio.gather(*(post.put("1/Level", i) for i in range(3)))
        assert [r[0] for r in results] == [Verdict.CONFIRMED, Verdict.EXPIRED, Verdict.EXPIRED]
        assert results[1][1] == "BadRequestTimeout"
        assert len(post.field.left) == 1
        records = [e.record for e in await post.records() if e.record.kind == "verdict"]
        assert sorted(str(r.data["verdict"]) for r in records) == ["confirmed", "expired", "expired"]

    with_post(tmp_path, scenario, expires_s=2.0)


def test_too_many_commands_are_refused_and_counted(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        results = await asyncio.gather(*(post.put("1/Level", i) for i in range(6)))
        assert [r[1] for r in results].count("BadResourceUnavailable") == 2
        status = post.commands.status()
        assert status.causes["too many commands"] == 2
        assert status.verdicts == {"confirmed": 4, "refused": 2, "unknown": 0, "expired": 0}
        assert status.in_flight == 0

    with_post(tmp_path, scenario, in_flight_max=4)


def test_a_caller_who_goes_away_does_not_stop_the_command(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        task = asyncio.create_task(post.put("1/Cmd", True))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(10)
        assert [e.record.kind for e in await post.records()] == ["command", "verdict"]
        assert post.commands.status().verdicts["confirmed"] == 1

    with_post(tmp_path, scenario)


def test_stopping_ends_what_is_under_way_as_unknown_and_takes_no_more(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        post.field.effect_s = None
        held = asyncio.create_task(post.put("1/Cmd", True))
        await asyncio.sleep(0.2)
        post.field.write_s = 4.0
        writing = asyncio.create_task(post.put("2/Cmd", True))
        waiting = asyncio.create_task(post.put("2/Level", 1))
        await asyncio.sleep(0.2)
        await post.commands.close(grace_s=1.0)
        assert "stopped before its effect was seen" in (await held)[2]
        assert (await writing)[0] is Verdict.UNKNOWN
        assert (await waiting)[1] == "BadInvalidState"
        assert (await post.put("1/Cmd", True))[2].endswith("the server is stopping; no byte left")
        verdicts = [e.record.data["verdict"] for e in await post.records() if e.record.kind == "verdict"]
        assert sorted(map(str, verdicts)) == ["refused", "unknown", "unknown"]

    with_post(tmp_path, scenario)


def test_a_timer_that_fires_early_still_ends_the_command(tmp_path: Path) -> None:
    """uvloop counts in whole milliseconds: one time in six its timer fires before `loop.time()` says that it is due."""

    async def scenario(post: Post) -> None:
        loop = asyncio.get_running_loop()
        due = loop.call_at
        loop.call_at = lambda when, *a, **kw: due(when - 1e-3, *a, **kw)  # type: ignore[method-assign]
        post.field.write_s = 3.0
        first, second = await asyncio.gather(post.put("1/Level", 1), post.put("1/Level", 2))
        assert (first[0], second[0]) == (Verdict.CONFIRMED, Verdict.EXPIRED)
        assert "too long for its turn; no byte left" in second[2]
        verdicts = [e.record.data["verdict"] for e in await post.records() if e.record.kind == "verdict"]
        assert sorted(map(str, verdicts)) == ["confirmed", "expired"]

    with_post(tmp_path, scenario, expires_s=2.0)


def hold_flush(post: Post, number: int) -> Callable[[], None]:
    """The disk takes its time with the `number`th flush from now on, until what is returned is called."""
    gate, append, flushes = threading.Event(), post.journal._store.append, [0]

    def slow(*told: Any) -> Any:
        flushes[0] += 1
        if flushes[0] >= number:
            gate.wait(10)
        return append(*told)

    post.journal._store.append = slow  # type: ignore[method-assign]
    return gate.set


@pytest.mark.parametrize(
    ("flush", "verdict"),
    [(1, Verdict.REFUSED), (2, Verdict.CONFIRMED)],
    ids=["while its record is written", "while its verdict is written"],
)
def test_a_server_that_stops_while_the_disk_is_slow_gives_one_verdict(
    tmp_path: Path, flush: int, verdict: Verdict
) -> None:
    async def scenario(post: Post) -> None:
        go_on = hold_flush(post, flush)
        asked = asyncio.create_task(post.put("1/Level", 5))
        await asyncio.sleep(0.3)
        closing = asyncio.create_task(post.commands.close(grace_s=0.05))
        await asyncio.sleep(0.3)
        go_on()
        await closing
        assert (await asked)[0] is verdict
        command, ending = await post.records()
        assert ending.record.data["verdict"] == verdict.value
        assert ending.record.data["command"] == command.position.sequence
        assert await end_unfinished(post.journal, post.clock) == 0, "the next start has nothing to add"

    with_post(tmp_path, scenario, real=True)


def test_a_text_that_grows_when_it_is_shown_is_not_too_long_for_the_journal(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        assert (await post.put("1/Text", "\U000e0001" * 250))[0] is Verdict.CONFIRMED

    with_post(tmp_path, scenario)


def test_no_byte_leaves_after_its_time_also_when_it_waits_for_its_link(tmp_path: Path) -> None:
    """The driver host lets a write wait for a link that another device holds; the permit is asked last."""

    async def scenario(post: Post) -> None:
        post.field.busy_s = 1.5
        results = await asyncio.gather(post.put("1/Level", 1), post.put("1/Level", 2))
        assert [r[0] for r in results] == [Verdict.CONFIRMED, Verdict.EXPIRED]
        assert results[1][2].endswith("too long for its turn; no byte left")
        assert len(post.field.left) == 1

    with_post(tmp_path, scenario, expires_s=2.0)
