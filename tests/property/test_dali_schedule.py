# SPDX-License-Identifier: Apache-2.0
"""The bus's budget holds whatever comes: never overspent by polls, nobody starves, one at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dali.frames import QUERY_S
from drivers.dali.schedule import AGE_S, PURSE_MAX_S, Rank, Schedule

ARRIVALS = st.lists(st.tuples(st.floats(0, 60), st.sampled_from(list(Rank)), st.integers(1, 12)), max_size=60)


def serve(share: float, arrivals: list[tuple[float, Rank, int]]) -> tuple[list[tuple[float, int, Rank]], set[int]]:
    """What goes out when, and who still waits at the end: a bus that is always ready."""
    schedule, now_s, sent = Schedule(share), 0.0, []
    coming = sorted((at_s, ticket, rank, frames) for ticket, (at_s, rank, frames) in enumerate(arrivals, 1))
    left = {ticket: (rank, frames) for _, ticket, rank, frames in coming}
    while left:
        while coming and coming[0][0] <= now_s:
            at_s, ticket, rank, _ = coming.pop(0)
            schedule.enter(ticket, rank, at_s)
        ticket, again_s = schedule.choose(now_s)
        if not ticket:
            now_s = min(again_s, coming[0][0] if coming else again_s)
            continue
        rank, frames = left[ticket]
        schedule.sent(ticket, QUERY_S, now_s, holds=frames > 1)
        sent.append((now_s, ticket, rank))
        now_s += QUERY_S
        if frames > 1:
            left[ticket] = rank, frames - 1
            schedule.enter(ticket, rank, now_s)
        else:
            del left[ticket]
            schedule.leave(ticket)
    return sent, set(left)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 0.9), ARRIVALS)
def test_polls_never_spend_more_than_their_share(share: float, arrivals: list[tuple[float, Rank, int]]) -> None:
    sent, _ = serve(share, arrivals)
    polls = [at_s for at_s, _, rank in sent if rank is not Rank.COMMAND]
    for i in range(0, len(polls), 7):
        for j in range(i, len(polls), 7):
            spent_s = (j - i + 1) * QUERY_S
            assert spent_s <= share * (polls[j] - polls[i]) + PURSE_MAX_S + QUERY_S + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 0.9), ARRIVALS)
def test_everyone_is_served_in_the_end_and_a_command_waits_for_one_frame(
    share: float, arrivals: list[tuple[float, Rank, int]]
) -> None:
    sent, left = serve(share, arrivals)
    assert not left
    commands = sum(frames for _, rank, frames in arrivals if rank is Rank.COMMAND)
    for ticket, (at_s, rank, _) in enumerate(arrivals, 1):
        if rank is Rank.COMMAND:
            first_s = next(t for t, who, _ in sent if who == ticket)
            assert first_s - at_s <= (commands + 1) * QUERY_S + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.2))
def test_energy_is_not_starved_by_faults_without_end(share: float) -> None:
    faults = [(0.2 * i, Rank.FAULT, 1) for i in range(200)]
    sent, _ = serve(share, [(0.0, Rank.ENERGY, 1), *faults])
    served_s = next(at_s for at_s, ticket, _ in sent if ticket == 1)
    assert served_s <= 3 * AGE_S + 1
