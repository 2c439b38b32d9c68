# SPDX-License-Identifier: Apache-2.0
"""However many want to work hard, the loop breathes between two pieces."""

from __future__ import annotations

import asyncio

from supervisor.hmi.lane import Lane


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
