# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_blocks.py
"""Which function block a word of the language stands for.

Law of this file: one table; the words without memory (sun and clock) are not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from supervisor.tags.blocks import Counter, Delta, FunctionBlock, HeldFor, Integrate, UnchangedFor
from supervisor.tags.windows import ChangeIn, CountIn

_MADE: Final[dict[str, Callable[..., FunctionBlock]]] = {
    "held_for": HeldFor,
    "unchanged_for": UnchangedFor,
    "integrate": Integrate,
    "delta": Delta,
    "counter": Counter,
    "count_in": CountIn,
    "change_in": ChangeIn,
}


def make_block(block: str, literals: tuple[float, ...], n: int) -> FunctionBlock:
    """A function block with memory for n instances.

    Args:
        block: its name in the language.
        literals: as `config.tree.BlockCall.literals`.
    Raises:
        ValueError: it has no memory.
    """
    made = _MADE.get(block)
    if made is None:
        raise ValueError(f"no function block '{block}' with memory")
    return made(n, *literals)
