# SPDX-License-Identifier: Apache-2.0
"""Sent messages are kept until acknowledged, within three bounds, and the greedy pay for the room they take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.publishing.retransmission import Retransmission

steps = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.integers(1, 4), st.integers(0, 60)),
        st.tuples(st.just("acknowledge"), st.integers(1, 4), st.integers(0, 30)),
        st.tuples(st.just("drop"), st.integers(1, 4)),
    ),
    max_size=80,
)


@given(steps)
def test_what_is_kept_is_what_was_sent_and_never_more_than_the_bounds(script: list[tuple[object, ...]]) -> None:
    kept = Retransmission(messages_max=5, bytes_max=100, total_bytes_max=200)
    sent: dict[int, dict[int, bytes]] = {}
    for number, step in enumerate(script):
        match step:
            case ("keep", int(who), int(size)):
                message = bytes(size)
                kept.keep(who, number, message)
                sent.setdefault(who, {})[number] = message
            case ("acknowledge", int(who), int(back)):
                known = number - back in kept.numbers(who)
                assert kept.acknowledge(who, number - back) == known
            case ("drop", int(who)):
                kept.drop(who)
                assert kept.numbers(who) == []
        held = {who: [kept.get(who, n) for n in kept.numbers(who)] for who in range(1, 5)}
        for who, messages in held.items():
            assert len(messages) <= 5 and sum(map(len, filter(None, messages))) <= 100
            assert [sent[who][n] for n in kept.numbers(who)] == messages
        assert kept.total_bytes == sum(len(m or b"") for messages in held.values() for m in messages) <= 200


def test_the_oldest_of_whoever_holds_most_goes_first() -> None:
    kept = Retransmission(messages_max=100, bytes_max=90, total_bytes_max=100)
    kept.keep(1, 1, bytes(10))
    for sequence in range(1, 9):
        kept.keep(2, sequence, bytes(10))
    assert kept.keep(1, 2, bytes(10)) == 0  # exactly full
    assert kept.keep(1, 3, bytes(10)) == 0  # the other one pays
    assert kept.numbers(1) == [1, 2, 3] and kept.numbers(2) == list(range(2, 9))
    assert kept.discarded == 1


def test_one_subscription_loses_its_own_oldest() -> None:
    kept = Retransmission(messages_max=2, bytes_max=100, total_bytes_max=1000)
    assert [kept.keep(1, sequence, b"x") for sequence in (1, 2, 3)] == [0, 0, 1]
    assert kept.get(1, 1) is None and kept.numbers(1) == [2, 3]
    assert kept.keep(1, 4, bytes(99)) == 1
    assert kept.keep(1, 5, bytes(500)) == 3  # larger than all of its room: not even itself
    assert kept.numbers(1) == [] and kept.total_bytes == 0
