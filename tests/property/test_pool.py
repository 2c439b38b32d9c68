# SPDX-License-Identifier: Apache-2.0
"""The string pool equals one that never forgets, as far as it remembers; and what is held, it remembers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.tags.pool import LEAST_NEW, StringPool

NOBODY = np.zeros(0, np.int64)
words = st.text(alphabet="abc", max_size=3)


def test_the_pool_is_bounded_counted_and_never_lies() -> None:
    pool = StringPool(size_max=3, length_max=5)
    assert pool.intern("") == 0
    one, two = pool.intern("one"), pool.intern("two")
    assert one is not None and two is not None and pool[one] == "one"
    assert pool.intern("three") is None and pool.overflows == 1
    assert pool.intern("one") == one, "what is known stays known"
    assert StringPool(length_max=5).intern("a longer text") is not None


@given(st.lists(st.one_of(words, st.tuples(st.sets(st.integers(-2, 12)), st.sets(st.integers(-2, 12)))), max_size=30))
def test_an_index_means_its_first_text_or_none(steps: list[str | tuple[set[int], set[int]]]) -> None:
    pool = StringPool(size_max=8)
    given_out: dict[int, str] = {0: ""}
    for step in steps:
        if isinstance(step, str):
            if (index := pool.intern(step)) is not None:
                assert given_out.setdefault(index, step) == step
        else:
            held, waiting = ({i for i in each if i in pool} for each in step)
            pool.keep(*(np.array(sorted(each), np.int64) for each in step))
            kept = held | {0}
            beside = waiting - kept
            kept |= beside if len(beside) <= (8 - len(kept)) // 2 else set()
            assert {i for i in given_out if i in pool} == kept
        assert len(pool) == sum(i in pool for i in given_out) <= 8
        assert all(pool[i] == text for i, text in given_out.items() if i in pool)


def test_what_was_forgotten_is_an_error_never_another_text() -> None:
    pool = StringPool()
    first = pool.intern("first")
    assert first is not None
    pool.keep(NOBODY, NOBODY)
    assert pool.intern("second") != first and first not in pool
    with pytest.raises(KeyError):
        pool[first]


def test_a_sweep_is_due_when_it_pays_and_before_there_is_no_room() -> None:
    pool = StringPool(size_max=10 * LEAST_NEW)
    indices = [pool.intern(str(i)) for i in range(LEAST_NEW - 1)]
    assert not pool.crowded
    indices += [pool.intern(f"more {i}") for i in range(2 * LEAST_NEW)]
    assert pool.crowded
    pool.keep(np.array(indices, np.int64), NOBODY)
    assert not pool.crowded, "all are held: the next one is due when they have doubled"
    for i in range(4 * LEAST_NEW):
        pool.intern(f"yet more {i}")
    assert pool.crowded, "half of the room that was left"
