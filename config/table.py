# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_table.py, tests/config
"""CSV files: a header and rows of cells, and the line and column of each.

Law of this file: the only reader of CSV; cells stay text, what they mean is the caller's matter.

A row is a line: a quoted line end is refused, since one forgotten quote would otherwise swallow the rest of the file.
Columns of cells are counted only when somebody asks, so that 35,000 rows cost a fraction of a second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.problems import Problem, shown
from config.source import Place, decode, dotted, read_bytes

CSV_BYTES_MAX: Final = 64 * 2**20
CSV_ROWS_MAX: Final = 200_000


@dataclass(slots=True)
class Table:
    """A CSV file: a header and rows of as many cells.

    Attributes:
        header: column names.
        rows: cells as text, without those of empty lines.
        line_numbers: line of each row.
        data: what the caller made of the rows: a list of mappings, for the names in messages.
    """

    file: str
    text: str
    header: list[str]
    rows: list[list[str]]
    line_numbers: list[int]
    data: Any = None

    def has(self, place: Place) -> bool:
        if not place or not isinstance(place[0], int):
            return not place
        return len(place) == 1 or self._column(place[1:]) is not None

    def problem(self, place: Sequence[str | int], text: str, *, key: bool = False) -> Problem:
        """A problem at a cell: (row, column), (row, 'devices', role, setting) or (row, 'parameters', name)."""
        if not place or not isinstance(place[0], int):
            return self.header_problem(str(place[0]) if place else None, text)
        line = self.line_numbers[place[0]]
        column = 1
        index = self._column(tuple(place[1:]))
        if index is not None and not key:
            column = _cell_column(self.text.split("\n")[line - 1], index)
        shown_place = [p for p in place if p not in ("devices", "parameters")]
        return Problem(self.file, line, column, dotted(self.data, shown_place), text)

    def header_problem(self, name: str | None, text: str) -> Problem:
        """A problem of a column as a whole."""
        index = self.header.index(name) if name in self.header else 0
        line = self.text.split("\n")[0]
        return Problem(self.file, 1, _cell_column(line, index), name or "", text)

    def _column(self, inner: Place) -> int | None:
        steps = [str(p) for p in inner if p not in ("devices", "parameters") and not isinstance(p, int)]
        for length in (2, 1):
            if (name := ".".join(steps[:length])) in self.header and steps[:length]:
                return self.header.index(name)
        return None


def read_csv(path: Path, file: str) -> tuple[Table | None, list[Problem]]:
    """One CSV file. The table is None if it cannot be read at all; rows that are wrong are left out."""
    raw = read_bytes(path, file, CSV_BYTES_MAX)
    return (None, [raw]) if isinstance(raw, Problem) else parse_csv(raw, file)


def parse_csv(raw: bytes, file: str) -> tuple[Table | None, list[Problem]]:
    """As `read_csv`, from bytes. A byte order mark is accepted: spreadsheets cannot save without one."""
    text = decode(raw, file, bom_allowed=True)
    if isinstance(text, Problem):
        return None, [text]
    lines = text.split("\n")
    lines = [line.removesuffix("\r") for line in lines]
    problems: list[Problem] = []
    table = Table(file, "\n".join(lines), [], [], [])
    for number, cells in _records(lines, file, problems):
        if not table.header:
            table.header = cells
            problems += _header_problems(table, number)
        elif len(cells) != len(table.header):
            problems.append(Problem(file, number, 1, "", f"expected {len(table.header)} cells, got {len(cells)}"))
        else:
            table.rows.append(cells)
            table.line_numbers.append(number)
    if not table.header and not problems:
        problems.append(Problem(file, 1, 1, "", "expected a header line, got an empty file"))
    return (table if table.header else None), problems


def _records(lines: list[str], file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that is not empty."""
    reader = csv.reader(lines, strict=True)
    before, rows = 0, 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            column = _bad_quote(lines[before]) if before < len(lines) else 1
            problems.append(Problem(file, before + 1, column, "", f"expected closed quotes within the line ({error})"))
            return
        if cells is None:
            return
        if reader.line_num > before + 1:
            column = _bad_quote(lines[before])
            problems.append(
                Problem(file, before + 1, column, "", "expected a closing quote before the end of the line")
            )
            return
        before = reader.line_num
        if cells:
            rows += 1
            if rows > CSV_ROWS_MAX + 1:
                problems.append(Problem(file, before, 1, "", f"expected at most {CSV_ROWS_MAX} rows"))
                return
            yield before, cells


def _header_problems(table: Table, line: int) -> list[Problem]:
    problems: list[Problem] = []
    if line != 1:
        problems.append(Problem(table.file, 1, 1, "", "expected the header in the first line"))
    if len(table.header) == 1 and ";" in table.header[0]:
        problems.append(Problem(table.file, 1, 1, "", "expected commas between the columns, got semicolons"))
    for index, name in enumerate(table.header):
        if name in table.header[:index]:
            column = _cell_column(table.text.split("\n")[0], index)
            problems.append(Problem(table.file, 1, column, "", f"column {shown(name)} stands twice"))
    return problems


def _cell_starts(line: str) -> Iterator[int]:
    """Column (from 1) of each cell of a line, quotes respected."""
    quoted = False
    yield 1
    for index, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            yield index + 2


def _cell_column(line: str, cell: int) -> int:
    for index, column in enumerate(_cell_starts(line)):
        if index == cell:
            return column
    return 1


def _bad_quote(line: str) -> int:
    """Column of the last quote of a line with an odd number of them, else of the first."""
    index = line.rfind('"') if line.count('"') % 2 else line.find('"')
    return max(index, 0) + 1
