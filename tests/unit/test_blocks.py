# SPDX-License-Identifier: Apache-2.0
"""Function blocks: what they remember, what they do with bad inputs, pauses and clocks that step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from config.words import StatusCode
from supervisor.tags.blocks import (
    GAP_S,
    SHOWN_EVERY_NS,
    Counter,
    Delta,
    FunctionBlock,
    HeldFor,
    Input,
    Integrate,
    Tick,
    UnchangedFor,
    tick,
)
from supervisor.tags.memory import make_block

S = 1_000_000_000
T0 = 1_750_000_000 * S


def feed(block: FunctionBlock, samples: Sequence[tuple[float, float, bool]]) -> list[tuple[float, int]]:
    """Samples (second, value, good) of one instance -> (result, own status); each with its own source time."""
    out = []
    before = None
    for second, value, good in samples:
        now = T0 + round(second * S)
        result, status = block.step(
            Input(np.array([value]), np.array([good]), np.array([now], np.int64)), tick(before, now)
        )
        out.append((float(result[0]), 0 if status is None else int(status[0])))
        before = now
    return out


def results(block: FunctionBlock, samples: Sequence[tuple[float, float, bool]]) -> list[float]:
    return [value for value, _ in feed(block, samples)]


def test_a_tick_vouches_only_for_time_it_watched() -> None:
    assert tick(None, T0) == Tick(T0, 0)
    assert tick(T0, T0 + S) == Tick(T0 + S, S)
    assert tick(T0, T0 + round(GAP_S) * S).elapsed_ns == GAP_S * S
    assert tick(T0, T0 + round(GAP_S) * S + 1).elapsed_ns == 0, "a pause is not watched"
    assert tick(T0, T0 - 3600 * S).elapsed_ns == 0, "a clock that stepped back"


def test_held_for_counts_from_the_first_true_sample() -> None:
    held = results(
        HeldFor(1, 3.0),
        [(0, 0, True), (1, 1, True), (2, 1, True), (3, 1, True), (4, 1, True), (5, 0, True), (6, 1, True)],
    )
    assert held == [0, 0, 0, 0, 1, 0, 0]


def test_held_for_holds_while_its_input_is_not_good() -> None:
    samples = [(0, 1, True), (1, 1, True), (2, 0, False), (3, 1, False), (4, 1, True), (5, 1, True), (6, 1, True)]
    assert results(HeldFor(1, 3.0), samples) == [0, 0, 0, 0, 0, 0, 1], "1 s before, 2 s after; the hole counts nothing"


def test_held_for_is_not_fooled_by_the_clock() -> None:
    assert results(HeldFor(1, 100.0), [(0, 1, True), (7200, 1, True), (7201, 1, True)]) == [0, 0, 0]
    assert results(HeldFor(1, 2.0), [(0, 1, True), (1, 1, True), (-3600, 1, True), (-3599, 1, True)]) == [0, 0, 0, 1]


def test_unchanged_for() -> None:
    block = UnchangedFor(1, 2.0)
    samples = [
        (0, 5, True),
        (1, 5, True),
        (2, 5, True),
        (3, 6, True),
        (4, 6, True),
        (5, 9, False),
        (6, 6, True),
        (7, 6, True),
    ]
    assert results(block, samples) == [0, 0, 1, 0, 0, 0, 0, 1]


def test_integrate_takes_the_value_that_stood() -> None:
    block = Integrate(1, 3600.0)
    feed(block, [(0, 10, True), (30, 20, True), (60, 0, True), (90, 7, True)])
    assert block.total[0] == pytest.approx((10 * 30 + 20 * 30) / 3600)


def test_integrate_holds_over_bad_inputs_pauses_and_steps() -> None:
    block = Integrate(1, 1.0)
    feed(block, [(0, 1, True), (1, 99, False), (2, 99, False), (3, 1, True), (4, 1, True)])
    assert block.total[0] == pytest.approx(2.0), "the second that ended with the bad sample, and the last one"
    feed(block, [(10, 1, True), (10 + GAP_S + 1, 1, True)])
    assert block.total[0] == pytest.approx(2.0), "a pause longer than GAP_S adds nothing"
    feed(block, [(100, 1, True), (50, 1, True), (51, 1, True)])
    assert block.total[0] == pytest.approx(3.0), "never negative"


def test_integrate_shows_its_total_every_ten_seconds_spread_over_instances() -> None:
    n = 100
    block = Integrate(n, 1.0)
    before, shown, moved = None, np.zeros(n), []
    for i in range(301):
        now = T0 + i * S // 10
        x = Input(np.ones(n), np.ones(n, np.bool_), np.zeros(n, np.int64))
        out, _ = block.step(x, tick(before, now))
        moved.append(int((out != shown).sum()))
        before, shown = now, out
    assert SHOWN_EVERY_NS == 10 * S
    assert max(moved[101:]) == 1, "one of a hundred at each tenth of a second"
    assert sum(moved[201:]) == n
    assert (block.total - shown).max() <= 10.0 and block.total[0] == pytest.approx(30.0)


def test_delta_needs_two_good_samples() -> None:
    waiting = int(StatusCode.BadWaitingForInitialData)
    assert feed(Delta(1), [(0, 5, False), (1, 5, True), (2, 8, True), (3, 99, False), (4, 6, True)]) == [
        (0.0, waiting), (0.0, waiting), (3.0, 0), (3.0, 0), (-2.0, 0),
    ]  # fmt: skip


def test_delta_of_a_repeated_reading_stays_until_the_next_sample() -> None:
    block = Delta(1)
    time = np.array([T0], np.int64)
    good = np.array([True])

    def step(value: float, source: int) -> float:
        return float(block.step(Input(np.array([value]), good, time + source), Tick(T0, 0))[0][0])

    step(1.0, 0)
    assert step(4.0, 5) == 3.0
    assert step(4.0, 5) == 3.0, "the same sample, seen by the next scan"
    assert step(4.0, 9) == 0.0, "a new sample that did not move"


@pytest.mark.parametrize(
    ("raws", "totals", "resets"),
    [
        ([100, 150, 150, 300], [100, 150, 150, 300], 0),
        ([65500, 65530, 10, 20], [65500, 65530, 65546, 65556], 0),  # through 65536
        ([40000, 40010, 0, 5], [40000, 40010, 40010, 40015], 1),  # reset in the middle: not a roll-over
        ([100, 90, 95], [100, 100, 105], 1),  # it fell a little: replaced
        ([100, 40000, 40005], [100, 100, 105], 1),  # replaced by one that has counted more
    ],
)
def test_counter(raws: list[float], totals: list[float], resets: int) -> None:
    block = Counter(1, 65536.0, 16384.0)
    out = feed(block, [(i, raw, True) for i, raw in enumerate(raws)])
    assert [total for total, _ in out] == totals
    assert block.resets[0] == resets


def test_counter_marks_a_replacement_until_it_moves_on() -> None:
    block = Counter(1, 65536.0, 16384.0)
    out = feed(block, [(0, 40000, True), (1, 7, True), (2, 7, True), (3, 9, True)])
    mark = int(StatusCode.UncertainSubNormal)
    assert [status for _, status in out] == [0, mark, mark, 0]


def test_counter_holds_over_bad_readings_and_counts_what_it_missed() -> None:
    block = Counter(1, 65536.0, 16384.0)
    out = feed(block, [(0, 100, True), (1, 0, False), (2, 70000, True), (3, -1, True), (4, 160, True)])
    assert [total for total, _ in out] == [100, 100, 100, 100, 160]
    assert [status for _, status in out][2:4] == [StatusCode.BadOutOfRange] * 2


def test_counter_with_a_stated_advance() -> None:
    block = Counter(1, 1000.0, 5.0)
    assert results(block, [(0, 998, True), (1, 2, True), (2, 8, True)]) == [998, 1002, 1002]
    assert block.resets[0] == 1


@pytest.mark.parametrize(
    ("name", "literals"),
    [
        ("held_for", (3.0,)),
        ("unchanged_for", (3.0,)),
        ("integrate", (1.0,)),
        ("delta", ()),
        ("counter", (65536.0, 16384.0)),
        ("count_in", (3600.0,)),
        ("change_in", (3600.0,)),
    ],
)
def test_a_restored_block_goes_on_and_counts_no_gap(name: str, literals: tuple[float, ...]) -> None:
    first = [(0.0, 1.0, True), (1.0, 1.0, True), (2.0, 1.0, True)]
    second = [(50.0, 1.0, True), (51.0, 1.0, True), (52.0, 1.0, True)]
    whole, before, after = (make_block(name, literals, 1) for _ in range(3))
    expected = results(whole, [*first, (1000.0, 1.0, False), *[(t + 1000, v, g) for t, v, g in second]])[-3:]
    feed(before, first)
    saved = {k: v.copy() for k, v in before.columns().items()}
    after.restore(saved, np.array([0]), np.array([0]))
    assert results(after, second) == expected, "a restart is a pause, no more"


def test_restore_takes_elements_where_they_are_told() -> None:
    block = Integrate(3, 1.0)
    block.restore({"total": np.array([10.0, 20.0])}, np.array([1, 0]), np.array([0, 2]))
    assert block.total.tolist() == [20.0, 0.0, 10.0]


def test_an_unknown_block_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no function block 'sun_elevation'"):
        make_block("sun_elevation", (), 1)
