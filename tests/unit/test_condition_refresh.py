# SPDX-License-Identifier: Apache-2.0
"""ConditionRefresh at the pace of its client: OPC 10000-9, 4.5 and 5.5.7."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supervisor.hmi.conditions.board import Board
from supervisor.hmi.conditions.refresh import END, PATIENCE_S, START, Refreshing
from supervisor.hmi.contract import Counters
from supervisor.hmi.events.event import SERVER
from supervisor.hmi.events.filter import read_filter
from supervisor.hmi.events.notifier import Notifier, Wish
from supervisor.hmi.events.queue import EventItem
from supervisor.hmi.events.value import Type, Value, pack_all
from tests.desk import ANNE, Post, story
from tests.nodeset import clause, event_filter, standard_types

CABINETS = 60


def told(item: EventItem) -> list[bytes]:
    return [item.take().bytes for _ in range(len(item))]


def type_(number: tuple[int, int]) -> bytes:
    return pack_all([Value(Type.NODE_ID, number)])


async def refreshed(post: Post) -> tuple[Notifier, Refreshing]:
    notifier = Notifier(post.clock, Counters())
    board = Board(post.desk, notifier, post.clock)
    board.start()
    post.set("V", 255)
    await post.scan()
    await board.close()
    return notifier, Refreshing(board, notifier, post.clock)


def listen(notifier: Notifier, node: str = SERVER, queue: int = 1000) -> EventItem:
    read, _ = read_filter(event_filter([clause("EventType")]), standard_types())
    assert read is not None
    item = notifier.listen(1, Wish(node, read, b"f", "fr"), ANNE.user)
    item.resize(queue, True)
    return item


def test_start_conditions_end(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        notifier, refreshing = await refreshed(post)
        item, elsewhere = listen(notifier), listen(notifier, "21605")
        assert refreshing.begin(1, [item, elsewhere])
        assert not refreshing.begin(1, [item])  # one at a time
        await asyncio.sleep(0.1)
        assert refreshing.begin(1, [item])
        await refreshing.close()
        got = told(item)
        assert (got[0], got[CABINETS + 1], len(got)) == (type_(START), type_(END), CABINETS + 2)
        assert told(elsewhere) == [type_(START), type_(END)]

    story(tmp_path, tell, n=CABINETS)


def test_it_waits_for_a_slow_client_and_loses_nothing(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        notifier, refreshing = await refreshed(post)
        item = listen(notifier, queue=10)
        refreshing.begin(1, [item])
        got = []
        while not got or got[-1] != type_(END):
            await asyncio.sleep(0.2)
            assert len(item) <= 6
            got += told(item)
        assert len(got) == CABINETS + 2
        assert notifier._counters.events_lost == 0

    story(tmp_path, tell, n=CABINETS)


def test_a_client_that_reads_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        notifier, refreshing = await refreshed(post)
        item = listen(notifier, queue=10)
        refreshing.begin(1, [item])
        await asyncio.sleep((CABINETS + 2) * PATIENCE_S)
        assert refreshing.begin(1, [item])
        assert notifier._counters.events_lost > 0
        await refreshing.close()

    story(tmp_path, tell, n=CABINETS)
