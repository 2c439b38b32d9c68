# SPDX-License-Identifier: Apache-2.0
"""The subscription state table, row by row. Source: OPC 10000-4, 5.14.1.2."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.hmi.publishing.cycle import Act, Cycle, State

NORMAL, LATE, ALIVE = State.NORMAL, State.LATE, State.KEEP_ALIVE


def cycle(state: State, **settings: Any) -> Cycle:
    made = Cycle(keep_alive_max=3, lifetime_max=9)
    made.state, made.message_sent = state, True
    for name, value in settings.items():
        setattr(made, name, value)
    return made


TIMER = [
    # row, state, settings, available, queued -> act, next state
    (6, NORMAL, {}, True, True, Act.NOTIFY, NORMAL),
    (6, NORMAL, {"message_sent": False}, True, True, Act.NOTIFY, NORMAL),
    (7, NORMAL, {"message_sent": False}, False, True, Act.SAY_ALIVE, NORMAL),
    (7, NORMAL, {"message_sent": False, "enabled": False}, True, True, Act.SAY_ALIVE, NORMAL),
    (8, NORMAL, {"message_sent": False}, False, False, Act.NOTHING, LATE),
    (8, NORMAL, {}, True, False, Act.NOTHING, LATE),
    (9, NORMAL, {}, False, True, Act.NOTHING, ALIVE),
    (9, NORMAL, {}, False, False, Act.NOTHING, ALIVE),
    (9, NORMAL, {"enabled": False}, True, True, Act.NOTHING, ALIVE),
    (12, LATE, {}, True, False, Act.NOTHING, LATE),
    (12, LATE, {}, False, False, Act.NOTHING, LATE),
    (14, ALIVE, {}, True, True, Act.NOTIFY, NORMAL),
    (15, ALIVE, {"keep_alive": 1}, False, True, Act.SAY_ALIVE, ALIVE),
    (15, ALIVE, {"keep_alive": 1, "enabled": False}, True, True, Act.SAY_ALIVE, ALIVE),
    (16, ALIVE, {"keep_alive": 2}, False, True, Act.NOTHING, ALIVE),
    (16, ALIVE, {"keep_alive": 2}, False, False, Act.NOTHING, ALIVE),
    (17, ALIVE, {"keep_alive": 1}, False, False, Act.NOTHING, LATE),
    (17, ALIVE, {"keep_alive": 2}, True, False, Act.NOTHING, LATE),
    (27, NORMAL, {"lifetime": 1}, True, True, Act.EXPIRE, NORMAL),
    (27, LATE, {"lifetime": 1}, True, False, Act.EXPIRE, LATE),
    (27, ALIVE, {"lifetime": 1}, False, False, Act.EXPIRE, ALIVE),
]


@pytest.mark.parametrize(("row", "state", "settings", "available", "queued", "act", "after"), TIMER)
def test_the_publishing_timer_expires(
    row: int, state: State, settings: dict[str, Any], available: bool, queued: bool, act: Act, after: State
) -> None:
    made = cycle(state, **settings)
    assert (made.timer(available, queued), made.state) == (act, after)


REQUEST = [
    (4, NORMAL, {}, True, Act.NOTHING, NORMAL),
    (4, NORMAL, {"more": True, "enabled": False}, True, Act.NOTHING, NORMAL),
    (5, NORMAL, {"more": True}, True, Act.NOTIFY, NORMAL),
    (10, LATE, {}, True, Act.NOTIFY, NORMAL),
    (10, LATE, {"more": True}, False, Act.NOTIFY, NORMAL),
    (11, LATE, {}, False, Act.SAY_ALIVE, ALIVE),
    (11, LATE, {"enabled": False}, True, Act.SAY_ALIVE, ALIVE),
    (13, ALIVE, {}, True, Act.NOTHING, ALIVE),
]


@pytest.mark.parametrize(("row", "state", "settings", "available", "act", "after"), REQUEST)
def test_a_publish_request_comes(
    row: int, state: State, settings: dict[str, Any], available: bool, act: Act, after: State
) -> None:
    made = cycle(state, **settings)
    assert made.waits == (act is not Act.NOTHING)
    assert (made.request(available), made.state) == (act, after)


def test_a_quiet_subscription_says_that_it_lives_every_keep_alive_count() -> None:
    made = Cycle(keep_alive_max=4, lifetime_max=12)
    told = [made.timer(False, True) is Act.SAY_ALIVE for _ in range(14)]
    assert [i for i, said in enumerate(told) if said] == [0, 4, 8, 12]


def test_without_requests_it_ends_after_its_lifetime_and_not_before() -> None:
    made = Cycle(keep_alive_max=2, lifetime_max=6)
    acts = [made.timer(True, False) for _ in range(6)]
    assert acts == [Act.NOTHING] * 5 + [Act.EXPIRE]


@pytest.mark.parametrize("sign", ["touch", "revise", "enable"])
def test_any_call_that_names_it_makes_it_live_on(sign: str) -> None:
    """Rows 18 to 21: the lifetime counter begins anew."""
    made = cycle(LATE, lifetime=2)
    {"touch": made.touch, "revise": lambda: made.revise(3, 9), "enable": lambda: made.enable(True)}[sign]()
    assert made.lifetime == 9


def test_row_19_switching_publishing_forgets_that_there_was_more() -> None:
    made = cycle(NORMAL, more=True)
    made.enable(True)
    assert not made.more and not made.waits


def test_after_a_transfer_a_late_subscription_uses_a_request_that_waits_already() -> None:
    assert cycle(LATE).timer(True, True) is Act.NOTIFY
