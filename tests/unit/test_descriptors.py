# SPDX-License-Identifier: Apache-2.0
"""As many open files as the plant needs, or one sentence that says what to raise."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from supervisor.descriptors import RESERVE, open_files
from supervisor.failure import Failure


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_low_soft_limit_is_raised_as_far_as_it_goes(limits: tuple[int, int]) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    assert open_files(100) == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_too_low_a_hard_limit_is_told_before_anything_is_opened(limits: tuple[int, int]) -> None:
    _, hard = limits
    with pytest.raises(Failure, match=rf"{hard} connections to the field need {hard + RESERVE} open files"):
        open_files(hard)
