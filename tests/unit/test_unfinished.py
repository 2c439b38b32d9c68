# SPDX-License-Identifier: Apache-2.0
"""What a dead server left without a verdict gets one at the next start, once."""

import asyncio
from pathlib import Path

from config.words import Verdict
from drivers.base import WriteItem, WriteOutcome
from historian.base import Record, RecordKind
from supervisor.commands.unfinished import end_unfinished
from tests.post import EVE, Post, with_post


def test_a_command_in_mid_air_is_unknown_at_the_next_start(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        assert (await post.put("1/Level", 5))[0] is Verdict.CONFIRMED
        await post.put("1/Cmd", True, EVE)
        flying = Record(1, RecordKind.COMMAND, "anne", "21605/CAB-0001/Cmd", "put true", {"value": True, "epoch": 3})
        (position,) = await post.journal.append([flying])
        assert await end_unfinished(post.journal, post.clock) == 1
        entry = (await post.records())[-1]
        assert entry.record.kind is RecordKind.VERDICT
        assert (entry.record.user, entry.record.subject) == ("anne", "21605/CAB-0001/Cmd")
        assert entry.record.text.startswith("unknown: the server ended before its verdict")
        assert entry.record.data["command"] == position.sequence
        assert await end_unfinished(post.journal, post.clock) == 0, "once"

    with_post(tmp_path, scenario)


def test_what_is_journalled_when_the_byte_leaves_is_enough_to_find_it(tmp_path: Path) -> None:
    """The server dies while the device thinks: what stands in the journal at that instant is the command alone."""

    async def scenario(post: Post) -> None:
        seen: list[int] = []

        def dies(_item: WriteItem) -> WriteOutcome:
            raise asyncio.CancelledError

        async def count() -> int:
            seen.append(await end_unfinished(post.journal, post.clock))
            return 0

        post.field.journalled = count  # called where the byte would leave
        post.field.answer = dies
        assert (await post.put("1/Cmd", True))[0] is Verdict.UNKNOWN
        assert seen == [1]

    with_post(tmp_path, scenario)


def test_a_storm_of_alarms_after_a_command_does_not_hide_it(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        flying = Record(1, RecordKind.COMMAND, "anne", "21605/CAB-0001/Cmd", "put true", {"value": True, "epoch": 3})
        await post.journal.append([flying])
        await post.journal.append([Record(2, RecordKind.ALARM, "vigie", "21605/CAB-0001/Door", "active")] * 10_001)
        assert await end_unfinished(post.journal, post.clock) == 1

    with_post(tmp_path, scenario)
