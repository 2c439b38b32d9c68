# SPDX-License-Identifier: Apache-2.0
"""The sentence operators read."""

from __future__ import annotations

import pytest

from config.words import LinkState
from drivers.status import duration, ordinal, sentence

DOWN, CONNECTING, UP, BACKING_OFF = LinkState.DOWN, LinkState.CONNECTING, LinkState.UP, LinkState.BACKING_OFF


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((BACKING_OFF, 42.0, "no reply within 1 s", 4, 16.2), "C down 42 s: no reply within 1 s, 4th attempt in 16 s"),
        ((CONNECTING, 58.0, "no reply within 1 s", 4, 0.0), "C down 58 s: no reply within 1 s, 4th attempt under way"),
        ((CONNECTING, 2.0, "", 1, 0.0), "C connecting for 2 s"),
        ((UP, 7200.0, "", 1, 0.0), "C up 2 h"),
        ((DOWN, 300.0, "no reply within 1 s", 1, 7.0), "C down 5 min: no reply within 1 s, asked again in 7 s"),
        ((DOWN, 3.0, "stopped", 1, 0.0), "C down 3 s: stopped"),
    ],
)
def test_sentences(arguments: tuple[LinkState, float, str, int, float], text: str) -> None:
    assert sentence("C", *arguments) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-0.1, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd"), (111, "111th")],
)
def test_ordinals(n: int, text: str) -> None:
    assert ordinal(n) == text
