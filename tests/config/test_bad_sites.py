# SPDX-License-Identifier: Apache-2.0
"""Every way we know to get a site wrong, and the complete answer to each."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.config.case import HERE, answer, apply

CASES = sorted((HERE / "bad").glob("*.case"))
LINE = re.compile(r"\S+?(:\d+:\d+)?: .+")


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_the_answer_is_complete(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    apply(path.read_text(encoding="utf-8"), folder)
    said = answer(folder)
    expected = path.with_suffix(".err")
    if os.environ.get("VIGIE_REWRITE"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_answers_have_their_form(path: Path) -> None:
    *lines, last = path.with_suffix(".err").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(LINE.fullmatch(line) for line in lines)
    assert last == f"{len(lines)} problem{'s' if len(lines) > 1 else ''}; nothing was started."


def test_no_answer_is_left_over() -> None:
    assert {p.stem for p in (HERE / "bad").glob("*.err")} == {p.stem for p in CASES}
    assert len(CASES) >= 60
