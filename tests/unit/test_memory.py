# SPDX-License-Identifier: Apache-2.0
"""Memory settings: what was made at start is left alone, what comes later is still collected."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from supervisor.memory import NEW_MAX, settle


class Knot:
    """An object that holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def settings() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("settings")
def test_what_was_made_at_start_is_frozen_and_cycles_made_later_are_freed() -> None:
    settle()
    assert gc.get_freeze_count() > 1000
    first = weakref.ref(Knot())
    kept = [[i] for i in range(2 * NEW_MAX)]
    assert first() is None, f"a cycle is freed within {len(kept)} new objects"
