# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_pattern.py
"""Inventories by pattern: a table of what each place has, and one written-out row, make the rows of a large plant.

Law of this file: pure; a pattern and a table in, the rows of a CSV inventory out, always the same ones. It judges the
pattern; what the rows mean is `config.inventory`'s matter, as if somebody had typed them.

    per: communes.csv                  a row of this table (beside the pattern) after the other ...
    count: cabinets                    ... has as many units as this column says; a number: each has so many,
    each: 1                            and each unit makes so many rows
    spread: {feeder: feeders}          {feeder}: the units of a place, shared out evenly over 1 .. column `feeders`
    addresses: {host: 127.24.0.1}      {host}: this address for the first unit, the next one for the next
    cycles: {street: [rue Haute, ...]} {street}: the words by turns, row by row
    columns: {name: "CAB-{n:04}"}      the row. {n} number of the row, {unit} of the unit, {i} of the unit in its place,
                                       all from 1; {k} of the row in its unit, from 0; {insee} and so on: that column

`{n:04}` is padded with zeros to four digits. Nothing else is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from config.explain import validate
from config.model import Model, Name
from config.problems import Problem, shown, unknown
from config.source import Document, dotted
from config.table import CSV_ROWS_MAX, Table, column_of, read_csv

NUMBERS: Final = ("n", "unit", "i", "k")
COUNT_MAX: Final = 1000
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,31})(?::0([1-9]))?\}")

Cell = str | int | float | bool
Parts = tuple[tuple[str, str, int], ...]  # text before, word ('' at the end), width


class PatternModel(Model):
    """A file that makes an inventory, see above."""

    per: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}\.csv$")]
    count: Name | int
    each: int = Field(default=1, ge=1, le=1000)
    spread: dict[Name, Name] = Field(default_factory=dict)
    addresses: dict[Name, str] = Field(default_factory=dict)
    cycles: dict[Name, Annotated[list[Cell], Field(min_length=1, max_length=1000)]] = Field(default_factory=dict)
    columns: dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], Cell] = Field(min_length=1)


@dataclass(slots=True)
class Sheet:
    """Rows made by a pattern; looks like a `config.table.Table`, and points into the pattern."""

    file: str
    document: Document
    header: list[str]
    rows: list[list[str]]
    data: Any = None

    def problem(self, place: Sequence[str | int], text: str, *, key: bool = False) -> Problem:
        """A problem of a cell, where the pattern writes its column."""
        index = column_of(self.header, place[1:])
        at = self.document.problem(("columns", self.header[index]) if index is not None else ("columns",), text)
        shown_place = [p for p in place if p not in ("devices", "parameters")]
        return replace(at, path=dotted(self.data, shown_place))

    def header_problem(self, column: int | None, text: str) -> Problem:
        """A problem of a column as a whole."""
        place = ("columns",) if column is None else ("columns", self.header[column])
        return self.document.problem(place, text, key=True)


def is_pattern(document: Document) -> bool:
    """Whether a YAML inventory is a pattern, and not a list of equipment."""
    return isinstance(document.data, dict) and bool({"per", "columns"} & document.data.keys())


def read_pattern(document: Document, folder: Path, shown_folder: str) -> tuple[Sheet | None, list[Problem]]:
    """The rows a pattern makes.

    Args:
        document: the pattern.
        folder: where it lies, and the table beside it.
        shown_folder: the same for messages.
    """
    problems: list[Problem] = []
    model = validate(PatternModel, document.data, document, (), problems)
    if model is None:
        return None, problems
    path = folder / model.per
    if not path.is_file():
        near = sorted(p.name for p in folder.glob("*.csv"))
        return None, [document.problem(("per",), unknown("a table beside this file", model.per, near))]
    table, problems = read_csv(path, f"{shown_folder}/{model.per}")
    if table is None or problems:
        return None, problems
    return _Expansion(document, model, table).run()


def once(problems: Sequence[Problem]) -> list[Problem]:
    """A cell of a pattern that is wrong is wrong in many rows: said once, with their number."""
    first: dict[tuple[str, int, int], Problem] = {}
    more: dict[tuple[str, int, int], int] = {}
    for problem in problems:
        at = (problem.file, problem.line, problem.column)
        if first.setdefault(at, problem) is not problem:
            more[at] = more.get(at, 0) + 1
    return [replace(p, text=f"{p.text} (and so in {more[at]} more)") if at in more else p for at, p in first.items()]


class _Expansion:
    """One pattern over one table."""

    def __init__(self, document: Document, model: PatternModel, table: Table) -> None:
        self._document, self._model, self._table = document, model, table
        self._problems: list[Problem] = []

    def run(self) -> tuple[Sheet | None, list[Problem]]:
        model = self._model
        counts = self._counts(model.count)
        ends = {word: self._whole(column, "spread", word) for word, column in model.spread.items()}
        starts = {word: self._address(word, text) for word, text in model.addresses.items()}
        rows_count = sum(counts) * model.each
        if rows_count > CSV_ROWS_MAX:
            text = f"expected at most {CSV_ROWS_MAX} rows, got {rows_count}"
            self._problems.append(self._document.problem(("count",), text))
        self._judge_words()
        columns = {name: self._parts(name, cell) for name, cell in model.columns.items()}
        if self._problems:
            return None, self._problems
        made = [[_filled(parts, words) for parts in columns.values()] for words in self._words(counts, ends, starts)]
        return Sheet(self._document.file, self._document, list(columns), made), []

    # --- what the words stand for

    def _words(
        self, counts: list[int], ends: Mapping[str, list[int]], starts: Mapping[str, IPv4Address]
    ) -> Iterator[Mapping[str, str]]:
        """The words of each row."""
        n = unit = 0
        for row, count in enumerate(counts):
            place = dict(zip(self._table.header, self._table.rows[row], strict=True))
            for i in range(count):
                words = place | {word: str(1 + i * end[row] // count) for word, end in ends.items()}
                words |= {word: str(start + unit) for word, start in starts.items()}
                unit += 1
                for k in range(self._model.each):
                    turns = {word: _cell(cells[n % len(cells)]) for word, cells in self._model.cycles.items()}
                    n += 1
                    yield words | turns | {"n": str(n), "unit": str(unit), "i": str(i + 1), "k": str(k)}

    def _counts(self, count: str | int) -> list[int]:
        if isinstance(count, str):
            return self._whole(count, "count")
        if not 1 <= count <= COUNT_MAX:
            text = f"expected a column of {self._model.per}, or a number from 1 to {COUNT_MAX}, got {count}"
            self._problems.append(self._document.problem(("count",), text))
        return [count] * len(self._table.rows)

    def _whole(self, column: str, *place: str) -> list[int]:
        """A column of the table as numbers."""
        table = self._table
        if column not in table.header:
            text = unknown(f"a column of {self._model.per}", column, table.header)
            self._problems.append(self._document.problem(place, text))
            return []
        index, numbers = table.header.index(column), []
        for row, cells in enumerate(table.rows):
            if not re.fullmatch(r"0|[1-9][0-9]{0,6}", cells[index]):
                text = f"expected a number of units (0 to 9999999), got {shown(cells[index])}"
                self._problems.append(table.problem((row, column), text))
            else:
                numbers.append(int(cells[index]))
        return numbers

    def _address(self, word: str, text: str) -> IPv4Address:
        try:
            return IPv4Address(text)
        except AddressValueError:
            expected = f"expected an IPv4 address such as 127.24.0.1, got {shown(text)}"
            self._problems.append(self._document.problem(("addresses", word), expected))
            return IPv4Address(0)

    def _judge_words(self) -> None:
        """Each word has one meaning."""
        model, taken = self._model, {*NUMBERS, *self._table.header}
        for key in ("spread", "addresses", "cycles"):
            for word in getattr(model, key):
                if word in taken:
                    text = f"expected a word of its own, '{word}' has a meaning already"
                    self._problems.append(self._document.problem((key, word), text, key=True))
                taken.add(word)
        self._known = sorted(taken)

    # --- the row

    def _parts(self, column: str, cell: Cell) -> Parts:
        """A cell cut at its words."""
        text, parts, end = _cell(cell), [], 0
        for found in _PLACEHOLDER.finditer(text):
            parts.append((text[end : found.start()], found[1], int(found[2] or 0)))
            end = found.end()
            if found[1] not in self._known:
                self._refuse(column, unknown("a word of this pattern", found[1], self._known))
        rest = text[end:]
        if any(brace in before for brace in "{}" for before in (rest, *(p[0] for p in parts))):
            self._refuse(column, f"expected words such as {{n}} or {{n:04}}, got {shown(text)}")
        return (*parts, (rest, "", 0))

    def _refuse(self, column: str, text: str) -> None:
        self._problems.append(self._document.problem(("columns", column), text))


def _filled(parts: Parts, words: Mapping[str, str]) -> str:
    return "".join(before + (words[word].zfill(width) if word else "") for before, word, width in parts)


def _cell(value: Cell) -> str:
    """As it would stand in a CSV file."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
