# SPDX-License-Identifier: Apache-2.0
"""However many want to work hard, the loop breathes between two pieces."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from supervisor.hmi.header import Header
from supervisor.hmi.lane import ROUND, Lane
from supervisor.hmi.services.call import SLICE, Call


def test_two_pieces_never_run_in_one_turn_of_the_loop() -> None:
    async def main() -> None:
        lane, turns, worked = Lane(), 0, list[tuple[int, int]]()

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def work(who: int) -> None:
            for _ in range(5):
                await lane.turn()
                worked.append((turns, who))

        counter = asyncio.create_task(count())
        await asyncio.gather(*(work(who) for who in range(4)))
        counter.cancel()
        when = [turn for turn, _ in worked]
        assert len(when) == 20 and len(set(when)) == 20
        assert [who for _, who in worked[:4]] == [0, 1, 2, 3]  # in the order in which they came

    asyncio.run(main())


def test_short_pieces_begin_at_once_until_the_round_is_full() -> None:
    """A thousand requests of ten operations are as heavy as one of ten thousand."""

    async def main() -> None:
        lane, begun = Lane(), list[int]()

        async def ask(who: int) -> None:
            await lane.brief(ROUND // 4)
            begun.append(who)

        tasks = [asyncio.create_task(ask(who)) for who in range(8)]
        await asyncio.sleep(0)
        assert begun == [0, 1, 2, 3], "a round is full"
        await asyncio.gather(*tasks)
        assert sorted(begun) == list(range(8)), "nobody is forgotten"
        await asyncio.sleep(0)
        alone = asyncio.create_task(ask(9))
        await asyncio.sleep(0)
        assert alone.done(), "a new round has room"

    asyncio.run(main())


def test_whoever_gives_up_waiting_holds_up_nobody() -> None:
    async def main() -> None:
        lane = Lane()
        waiting = [asyncio.create_task(lane.turn()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(lane.turn(), 5)

    asyncio.run(main())


def test_a_long_request_takes_a_turn_for_each_slice_and_a_short_one_none() -> None:
    """Ten thousand operations hold up nobody for longer than a hundred of them take."""

    class Counted(Lane):
        turns = 0

        async def turn(self) -> None:
            self.turns += 1
            await super().turn()

    async def turns_for(count: int) -> int:
        lane = Counted()
        call = Call(SimpleNamespace(lane=lane), None, Header(0, b"", 0, 0, 0, 0), None, b"")  # type: ignore[arg-type]
        assert [i async for i in call.slices(count)] == list(range(count))
        return lane.turns

    assert [asyncio.run(turns_for(n)) for n in (1, SLICE, SLICE + 1, 100 * SLICE)] == [0, 0, 2, 100]
