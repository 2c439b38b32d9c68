# SPDX-License-Identifier: Apache-2.0
"""Every expression that docs/calculations.md shows is one, and computes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from config.binding import Operand, bind
from config.expression import BLOCKS, FUNCTIONS, ExpressionError, parse
from config.words import BAD, Kind, StatusCode, cell_of
from supervisor.tags.calc import Program
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

PAGE = (Path(__file__).parents[2] / "docs" / "calculations.md").read_text()
COLUMNS = [row.split("|") for row in PAGE.splitlines() if row.startswith("| ") and "Write |" not in row]
SHOWN = [text for c in COLUMNS for text in re.findall("`([^`]+)`", c[2] if len(c) == 5 else c[1])]
_ANSWERS = PAGE.split("## Examples")[1].split("\n## ")[0].splitlines()
EXAMPLES = [row.split("|")[2].strip(" `") for row in _ANSWERS if row.count("`") == 2]
S = 1_000_000_000
NOW = 1_750_000_000 * S
TRUTHS = {"BusGrant", "BusReq", "Derate", "Probe"}
TIMES = {"OvrUntil", "LastLog"}


def test_examples_of_the_page_are_expressions() -> None:
    assert len(SHOWN) >= 25
    for text in SHOWN:
        parse(text)
    parse(re.search('calc: "(.+)"', PAGE)[1])  # type: ignore[index]


def test_every_word_of_the_language_is_on_the_page() -> None:
    for word in [*FUNCTIONS, *BLOCKS, "good"]:
        assert re.search(rf"\b{word}\b", PAGE), word


def scope_of(text: str) -> dict[str, Operand]:
    """A tag for each name an example reads."""
    scope = {}
    for name in parse(text).names:
        values = tuple(re.findall(rf"{name} [!=]= '(\w+)'", text))
        kind = Kind.Enumeration if values else Kind.Boolean if name in TRUTHS else Kind.Double
        scope[name] = Operand(Kind.DateTime if name in TIMES else kind, values or None)
    return scope


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_answers_of_the_examples_compute(text: str) -> None:
    """Bound to tags, compiled, run for a minute over two instances; the result is usable."""
    scope = scope_of(text)
    try:
        bind(parse(text), scope, Operand(Kind.Boolean))
        kind = "Boolean"
    except ExpressionError:
        kind = "Double"
    tags = {name: tag(o.kind.name, values=o.values or ()) for name, o in scope.items()}
    plant = make_plant({"T": TypeSpec({**tags, "R": tag(kind, calc=text)})}, {"T": ["1/T-1", "1/T-2"]})
    table = TagTable(plant, StringPool(), now_ns=0)
    program = Program(plant, Locality(47.322, 5.041, "Europe/Paris"))
    for second in range(60):
        now = NOW + second * S
        for name, operand in scope.items():
            block = plant.types["T"].blocks[name]
            cells = np.full(2, cell_of(operand.kind, {Kind.DateTime: now}.get(operand.kind, 1)))
            table.put(block.rows, cells, np.full(2, StatusCode.Good, np.uint32), now)
        program.run(table, now)
    assert (table.status[plant.types["T"].blocks["R"].rows] < BAD).all()
