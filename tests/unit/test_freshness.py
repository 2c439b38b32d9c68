# SPDX-License-Identifier: Apache-2.0
"""When a value stops being true: the table of staleness, and what no sequence of events may ever do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import PollClass
from supervisor.tags.freshness import Fresh, Freshness

S = 1_000_000_000
POLL = PollClass("measure", period_s=10.0, timeout_s=1.0, retries=1, bad_after_s=30.0)


def one() -> Freshness:
    return Freshness([np.array([3, 4])], [POLL], [0], 1, boot_ns=0)


@pytest.mark.parametrize(
    ("story", "state", "fell"),
    [
        ("never answered, still waiting", Fresh.WAITING, None),
        ("never answered within bad_after", Fresh.BAD, "bad"),
        ("answered", Fresh.FRESH, None),
        ("answered, then missed once", Fresh.UNCERTAIN, "uncertain"),
        ("answered, missed, silent past bad_after", Fresh.BAD, "bad"),
        ("answered, then neither answer nor miss: the watchdog", Fresh.UNCERTAIN, "uncertain"),
        ("bad, then answered", Fresh.FRESH, None),
    ],
)
def test_the_life_of_a_request(story: str, state: Fresh, fell: str | None) -> None:
    f = one()
    stories = {
        "never answered, still waiting": ([], 29),
        "never answered within bad_after": ([], 31),
        "answered": ([("seen", 5)], 14),
        "answered, then missed once": ([("seen", 5), ("missed", 15)], 15),
        "answered, missed, silent past bad_after": ([("seen", 5), ("missed", 15)], 36),
        "answered, then neither answer nor miss: the watchdog": ([("seen", 5)], 28),
        "bad, then answered": ([("judge", 31), ("seen", 32)], 33),
    }
    events, at = stories[story]
    judgement = None
    for what, when in events:
        if what == "seen":
            f.seen(0, when * S)
        elif what == "missed":
            f.missed([0])
        else:
            f.judge(when * S)
    judgement = f.judge(at * S)
    assert f.state[0] == state
    assert judgement.uncertain.tolist() == ([3, 4] if fell == "uncertain" else [])
    assert judgement.bad.tolist() == ([3, 4] if fell == "bad" else [])


def test_a_device_answers_while_one_of_its_requests_does() -> None:
    f = Freshness([np.array([0]), np.array([1]), np.array([2])], [POLL] * 3, [0, 0, 1], 2, boot_ns=0)
    f.seen(0, S)
    f.judge(S)
    assert f.answering().tolist() == [True, False]
    assert f.judged().tolist() == [True, False], "nothing is known of the second device yet"
    f.missed([0])
    f.judge(2 * S)
    assert f.answering().tolist() == [False, False]


events = st.lists(st.tuples(st.sampled_from(["seen", "missed", "judge"]), st.integers(0, 15)), max_size=40)


@given(events)
def test_no_request_is_fresh_past_bad_after_and_each_fall_is_told_once(steps: list[tuple[str, int]]) -> None:
    f = one()
    now, last, told = 0, 0, ""
    for what, wait_s in steps:
        now += wait_s * S
        if what == "seen":
            f.seen(0, now)
            last, told = now, ""
        elif what == "missed":
            f.missed([0])
        judgement = f.judge(now)
        assert not (len(judgement.uncertain) and len(judgement.bad))
        if now - last > 30 * S:
            assert f.state[0] == Fresh.BAD
        if len(judgement.bad):
            assert told != "bad", "a fall is told once"
            told = "bad"
        if len(judgement.uncertain):
            assert told == ""
            told = "uncertain"


def test_a_row_read_beside_a_request_that_was_given_up_grows_old_as_any() -> None:
    f = Freshness([np.array([3, 4]), np.array([6])], [POLL, POLL], [0, 0], 1, boot_ns=0)
    assert f.judge(31 * S).bad.tolist() == [3, 4, 6]
    f.beside(np.array([4, 5, 99]), 40 * S)
    assert f.state.tolist() == [Fresh.UNCERTAIN, Fresh.BAD]
    assert not f.answering()[0], "a value read beside is no answer of the device's plan"
    assert not len(f.judge(70 * S).bad)
    assert f.judge(71 * S).bad.tolist() == [3, 4], "once more, as nobody asked again"
    f.beside(np.array([4]), 80 * S)
    f.seen(0, 81 * S)
    f.beside(np.array([3]), 82 * S)
    assert f.state[0] == Fresh.FRESH and f.judge(109 * S).bad.tolist() == []
