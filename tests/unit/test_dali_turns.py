# SPDX-License-Identifier: Apache-2.0
"""Waiting for a turn on the bus: order, cancelling, the end."""

from __future__ import annotations

import asyncio

import pytest

from drivers.base import LinkDown, NoTurn
from drivers.dali.frames import COMMAND_S, QUERY_S
from drivers.dali.schedule import Rank
from drivers.dali.turns import Turns
from tests.sim.loop import run


async def frames(turns: Turns, rank: Rank, count: int, log: list[str], name: str) -> None:
    ticket = turns.ticket()
    try:
        for i in range(count):
            async with turns.turn(ticket, rank, QUERY_S, holds=i + 1 < count):
                log.append(name)
                await asyncio.sleep(QUERY_S)
    finally:
        turns.leave(ticket)


def test_a_command_passes_between_two_frames_of_a_poll_and_other_polls_do_not() -> None:
    async def main() -> None:
        turns, log = Turns(0.5), list[str]()
        energy = asyncio.ensure_future(frames(turns, Rank.ENERGY, 3, log, "energy"))
        await asyncio.sleep(QUERY_S / 2)
        fault = asyncio.ensure_future(frames(turns, Rank.FAULT, 1, log, "fault"))
        command = asyncio.ensure_future(frames(turns, Rank.COMMAND, 1, log, "command"))
        await asyncio.gather(energy, fault, command)
        assert log == ["energy", "command", "energy", "energy", "fault"]

    run(main(), debug=False)


def test_polls_keep_to_their_share_in_the_long_run() -> None:
    async def main() -> None:
        turns, log = Turns(0.5), list[str]()
        polls = [asyncio.ensure_future(frames(turns, Rank.LEVEL, 1, log, "p")) for _ in range(800)]
        await asyncio.sleep(60)
        assert len(log) == pytest.approx((0.5 * 60 + 1.0) / QUERY_S, rel=0.02)
        assert turns.schedule.load(asyncio.get_running_loop().time()) == pytest.approx(51, abs=1.5)
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    run(main(), debug=False)


def test_who_gives_up_leaves_the_bus_to_the_next() -> None:
    async def main() -> None:
        turns, log = Turns(0.5), list[str]()
        jobs = [asyncio.ensure_future(frames(turns, Rank.ENERGY, 2, log, name)) for name in "abc"]
        await asyncio.sleep(QUERY_S / 2)
        jobs[0].cancel()
        jobs[1].cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        assert log == ["a", "c", "c"]

    run(main(), debug=False)


def test_the_end_of_the_link_is_the_end_of_waiting() -> None:
    async def main() -> None:
        turns, log = Turns(0.05), list[str]()
        jobs = [asyncio.ensure_future(frames(turns, Rank.LEVEL, 9, log, name)) for name in "abcdefghij"]
        await asyncio.sleep(5)
        turns.fail(LinkDown("gone"))
        await asyncio.sleep(1)
        done = await asyncio.gather(*jobs, return_exceptions=True)
        assert any(isinstance(error, LinkDown) for error in done)
        async with asyncio.timeout(5):
            async with turns.turn(turns.ticket(), Rank.COMMAND, COMMAND_S, holds=False):
                pass

    run(main(), debug=False)


def test_who_has_no_turn_within_its_patience_is_told_so_and_stands_in_nobodys_way() -> None:
    async def main() -> None:
        turns, log = Turns(0.5), list[str]()
        polls = [asyncio.ensure_future(frames(turns, Rank.FAULT, 1, log, "fault")) for _ in range(100)]
        await asyncio.sleep(0)
        with pytest.raises(NoTurn, match="no room on the bus within 2 s"):
            async with turns.turn(turns.ticket(), Rank.ENERGY, QUERY_S, holds=False, patience_s=2.0):
                pass
        assert 0 < len(log) < 100
        await asyncio.gather(*polls)
        async with turns.turn(turns.ticket(), Rank.ENERGY, QUERY_S, holds=False, patience_s=2.0):
            log.append("energy")
        assert log == ["fault"] * 100 + ["energy"]

    run(main(), debug=False)
