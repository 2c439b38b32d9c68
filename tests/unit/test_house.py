# SPDX-License-Identifier: Apache-2.0
"""The house itself: every file says where its tests are, and they are there."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "drivers", "historian", "supervisor")
FILES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_opens_with_its_licence_its_tests_and_its_docstring(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"
    head = list(itertools.takewhile(lambda line: not line or line.startswith("#"), lines))
    for line in head:
        if line.startswith("# Tests: "):
            for named in line.removeprefix("# Tests: ").split(", "):
                assert (ROOT / named.split(" (")[0].strip()).exists(), f"{path.name} names {named}, which is not there"
    assert lines[len(head)].startswith(('"""', 'r"""')), "the docstring comes first: what the file is, and its law"
