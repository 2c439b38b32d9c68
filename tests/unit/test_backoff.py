# SPDX-License-Identifier: Apache-2.0
"""Guessing gets slower; nobody is locked out of their own desk by somebody else's guessing."""

from __future__ import annotations

import pytest

from supervisor.backoff import (
    ENTRIES_MAX,
    FORGOTTEN_AFTER_S,
    FREE_ADDRESS,
    FREE_NAME,
    FREE_PAIR,
    MOST_S,
    BackOff,
    delay_s,
)


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 0), (2, 0), (3, 1), (4, 2), (5, 4), (8, 32), (9, MOST_S), (10_000, MOST_S)]
)
def test_the_wait_doubles_up_to_a_minute(failures: int, expected: float) -> None:
    assert delay_s(failures, FREE_PAIR) == expected


def test_mistyping_twice_costs_nothing_and_a_success_forgives() -> None:
    table = BackOff()
    for now in (0.0, 1.0):
        table.failed("anne", "desk", now)
    assert table.wait_s("anne", "desk", 1.0) == 0
    table.failed("anne", "desk", 2.0)
    assert table.wait_s("anne", "desk", 2.5) == 0.5
    assert table.wait_s("anne", "desk", 3.0) == 0
    table.succeeded("anne", "desk")
    table.failed("anne", "desk", 4.0)
    assert table.wait_s("anne", "desk", 4.0) == 0


def test_guessing_from_elsewhere_does_not_lock_an_operator_out_of_a_desk_she_knows() -> None:
    table = BackOff()
    table.succeeded("anne", "desk 1")
    for n in range(200):
        table.failed("anne", f"10.0.0.{n % 50}", float(n) / 10)
    assert table.wait_s("anne", "desk 1", 20.0) == 0
    assert table.wait_s("anne", "a new place", 20.0) > 30  # strangers who try her name wait
    assert table.wait_s("lea", "a new place", 20.0) == 0


def test_an_address_that_tries_many_names_waits_for_each() -> None:
    table = BackOff()
    for n in range(FREE_ADDRESS + 3):
        table.failed(f"user{n}", "attacker", 0.0)
    assert table.wait_s("one more", "attacker", 0.0) == 8.0
    assert table.wait_s("one more", "elsewhere", 0.0) == 0


def test_a_quarter_of_an_hour_of_peace_forgets() -> None:
    table = BackOff()
    for _ in range(20):
        table.failed("anne", "desk", 0.0)
    assert table.wait_s("anne", "desk", 59.0) == 1.0
    table.failed("anne", "desk", FORGOTTEN_AFTER_S)
    assert table.wait_s("anne", "desk", FORGOTTEN_AFTER_S) == 0


def test_the_table_is_bounded_and_keeps_who_is_at_it_now() -> None:
    table = BackOff()
    for n in range(2 * ENTRIES_MAX):
        table.failed(f"user{n}", "attacker", 0.0)
        table.succeeded(f"user{n}", f"desk {n}")
    assert len(table) <= 2 * ENTRIES_MAX
    assert table.wait_s("anyone", "attacker", 0.0) == MOST_S
    assert FREE_NAME > FREE_PAIR
