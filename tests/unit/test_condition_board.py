# SPDX-License-Identifier: Apache-2.0
"""The board over a real desk and journal: what becomes an event, in which order, and what a storm does to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from supervisor.alarms import writer as writer_module
from supervisor.alarms.events import Shelve
from supervisor.hmi.conditions import board as board_module
from supervisor.hmi.conditions.board import IDS_MAX, REFRESH_REQUIRED, Board
from supervisor.hmi.conditions.condition import ConditionEvent
from supervisor.hmi.contract import Counters
from supervisor.hmi.events.event import Event
from supervisor.hmi.events.notifier import Notifier
from tests.desk import ANNE, Post, story

V1 = "21000/CAB-0001/V"


class Ears(Notifier):
    """Keeps what is emitted."""

    def __init__(self, post: Post) -> None:
        super().__init__(post.clock, Counters())
        self.heard: list[Event] = []

    def emit(self, event: Event) -> None:
        self.heard.append(event)

    def happenings(self) -> list[tuple[str, str, bool]]:
        """(condition, what, retain) of what was heard since it was asked last."""
        heard, self.heard = self.heard, []
        return [(e.name, e.what, e.state.retain) for e in heard if isinstance(e, ConditionEvent)]


def watched(folder: Path, tell: Callable[[Post, Board, Ears], Awaitable[None]], **more: Any) -> None:
    async def main(post: Post) -> None:
        ears = Ears(post)
        board = Board(post.desk, ears, post.clock)
        board.start()
        assert [e.type for e in ears.heard] == [REFRESH_REQUIRED]
        try:
            await tell(post, board, ears)
        finally:
            await board.close()

    story(folder, main, **more)


def test_every_change_is_an_event_and_only_what_is_retained_is_kept(tmp_path: Path) -> None:
    async def tell(post: Post, board: Board, ears: Ears) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        post.set("CAB-0001/V", 270)
        await post.scan()
        await post.ack("CAB-0001/V")
        assert [e.name for e in board.last.values()] == [V1]
        post.set("CAB-0001/V", 230)
        await post.scan()
        words = [("alarm", True), ("level", True), ("acknowledged", True), ("returned", False)]
        assert ears.happenings() == [(V1, *w) for w in words]
        assert board.last == {}
        assert board.waiting == 0

    watched(tmp_path, tell)


def test_an_event_id_stands_for_its_occurrence_as_long_as_that_is_the_present_one(tmp_path: Path) -> None:
    async def tell(post: Post, board: Board, ears: Ears) -> None:
        condition = post.desk.book.find(V1)
        assert condition is not None
        post.set("CAB-0001/V", 255)
        await post.scan()
        first = board.last[condition]
        await post.act("CAB-0001/V", Shelve(1_000_000_000_000, "essai"))
        second = board.last[condition]
        for event in (first, second):
            assert board.occurrence(condition, event.id) == first.state.occurrence_ns
        assert board.occurrence(condition + 1, first.id) is None
        await post.ack("CAB-0001/V")
        post.set("CAB-0001/V", 270)  # worse: a new occurrence
        await post.scan()
        assert board.occurrence(condition, first.id) is None
        assert board.occurrence(condition, board.last[condition].id) == post.seen("CAB-0001/V").live.state.occurrence_ns

    watched(tmp_path, tell)


def test_the_ids_of_an_occurrence_are_bounded(tmp_path: Path) -> None:
    async def tell(post: Post, board: Board, ears: Ears) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        (condition,) = board.last
        first = board.last[condition].id
        for _ in range(IDS_MAX):
            await post.desk.comment(V1, ANNE)
        assert board.occurrence(condition, first) is None
        assert board.occurrence(condition, board.last[condition].id) is not None

    watched(tmp_path, tell)


def test_what_cannot_be_evaluated_says_so(tmp_path: Path) -> None:
    async def tell(post: Post, board: Board, ears: Ears) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        post.set("CAB-0001/V", 255, status=0x80310000)
        await post.scan()
        (event,) = board.last.values()
        assert (event.what, event.quality, event.state.active) == ("not evaluable", 0x80310000, True)

    watched(tmp_path, tell)


def test_what_is_not_recorded_is_told_marked_and_again_with_its_id(tmp_path: Path) -> None:
    async def tell(post: Post, board: Board, ears: Ears) -> None:
        post.disk.refuses = True
        post.set("CAB-0001/V", 255)
        await post.scan()
        post.disk.refuses = False
        await post.scan(writer_module.RETRY_S + 1)
        first, second = [e for e in ears.heard if isinstance(e, ConditionEvent)]
        assert (first.recorded, second.recorded) == (False, True)
        assert first.id[:4] == b"\0" * 4 and second.id[:4] == b"\0\0\0\x01"
        assert (first.time_ns, first.state) == (second.time_ns, second.state)

    watched(tmp_path, tell)


def test_what_is_too_much_to_tell_is_known_and_terminals_are_asked_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "BACKLOG_MAX", 2)

    async def tell(post: Post, board: Board, ears: Ears) -> None:
        ears.heard.clear()
        told: list[Any] = []
        post.desk.writer.told[:] = [lambda *given: told.append(given)]
        for value in (255, 270):
            post.set("V", value)
            await post.scan()
        for given in told:  # both before the board has its turn
            board._tell(*given)
        assert board.waiting == 3
        await post.settle()
        assert ears.heard[-1].type == REFRESH_REQUIRED
        assert [what for _, what, _ in ears.happenings()] == ["level"] * 3
        assert {e.state.level for e in board.last.values()} == {2}
        assert not board._missed

    watched(tmp_path, tell)


def test_what_stood_at_the_start_is_known_by_its_record(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        await post.ack("CAB-0001/V")
        entry = post.seen("CAB-0001/V")
        assert entry.event is not None
        board = Board(post.desk, Ears(post), post.clock)
        board.start()
        (event,) = board.last.values()
        assert (event.id, event.recorded, event.remark.user) == (bytes(entry.event), True, "anne")
        assert event.receive_ns == entry.live.state.occurrence_ns
        await board.close()
        await board.close()
        assert post.desk.writer.told == []

    story(tmp_path, tell)
