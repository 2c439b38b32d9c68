# SPDX-License-Identifier: Apache-2.0
"""Every expression that docs/calculations.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path

from config.expression import BLOCKS, FUNCTIONS, parse

PAGE = (Path(__file__).parents[2] / "docs" / "calculations.md").read_text()


def test_examples_of_the_page_are_expressions() -> None:
    columns = [row.split("|") for row in PAGE.splitlines() if row.startswith("| ") and "Write" not in row]
    examples = [re.findall("`([^`]+)`", c[2] if len(c) == 5 else c[1]) for c in columns]
    texts = [t for found in examples for t in found]
    assert len(texts) >= 20
    for text in texts:
        parse(text)
    parse(re.search('calc: "(.+)"', PAGE)[1])  # type: ignore[index]


def test_every_word_of_the_language_is_on_the_page() -> None:
    for word in [*FUNCTIONS, *BLOCKS, "good"]:
        assert re.search(rf"\b{word}\b", PAGE), word
