# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_table_csv.py, tests/config
"""CSV files: a header and rows of cells, and the line and column of each.

Law of this file: the only reader of CSV; cells stay text, what they mean is the caller's matter.

A row is a line: a quoted line end is refused, since one forgotten quote would otherwise swallow the rest of the file.
Columns of cells are counted only when somebody asks, so that 35,000 rows cost a fraction of a second.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.problems import Problem
from config.source import decode, dotted, read_bytes

CSV_BYTES_MAX: Final = 64 * 2**20
CSV_ROWS_MAX: Final = 200_000


@dataclass(slots=True)
class Table:
    """A CSV file: a header and rows of as many cells.

    Attributes:
        lines: the file itself.
        header: column names.
        rows: cells as text, without those of empty lines.
        line_numbers: line of each row.
        data: what the caller made of the rows: a list of mappings, for the names in messages.
    """

    file: str
    lines: list[str]
    header: list[str]
    rows: list[list[str]]
    line_numbers: list[int]
    data: Any = None

    def problem(self, place: Sequence[str | int], text: str, *, key: bool = False) -> Problem:
        """A problem at a cell: (row, column), (row, 'devices', role, setting) or (row, 'parameters', name)."""
        if not place or not isinstance(place[0], int):
            return self.header_problem(0, text)
        line = self.line_numbers[place[0]]
        index = column_of(self.header, place[1:])
        column = 1 if index is None else _cell_column(self.lines[line - 1], index)
        shown_place = [p for p in place if p not in ("devices", "parameters")]
        return Problem(self.file, line, column, dotted(self.data, shown_place), text)

    def header_problem(self, column: int | None, text: str) -> Problem:
        """A problem of a column, or of the header as a whole."""
        name = "" if column is None else self.header[column]
        return Problem(self.file, 1, _cell_column(self.lines[0], column or 0), name, text)


def column_of(header: Sequence[str], inner: Sequence[str | int]) -> int | None:
    """Column of a place within a row; of a role: the first of its settings."""
    steps = [str(p) for p in inner if p not in ("devices", "parameters") and not isinstance(p, int)]
    for name in (".".join(steps[:2]), steps[0] if steps else ""):
        if name in header:
            return header.index(name)
    role = f"{steps[0]}." if steps else "."
    return next((i for i, name in enumerate(header) if name.startswith(role)), None)


def read_csv(path: Path, file: str) -> tuple[Table | None, list[Problem]]:
    """One CSV file. The table is None if it cannot be read at all; rows that are wrong are left out."""
    raw = read_bytes(path, file, CSV_BYTES_MAX)
    return (None, [raw]) if isinstance(raw, Problem) else parse_csv(raw, file)


def parse_csv(raw: bytes, file: str) -> tuple[Table | None, list[Problem]]:
    """As `read_csv`, from bytes. A byte order mark is accepted: spreadsheets cannot save without one."""
    text = decode(raw, file, bom_allowed=True)
    if isinstance(text, Problem):
        return None, [text]
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if len(lines) > CSV_ROWS_MAX + 2:
        return None, [Problem(file, CSV_ROWS_MAX + 2, 1, "", f"expected at most {CSV_ROWS_MAX} rows")]
    header = _cells(lines[0], file, 1)
    if isinstance(header, Problem):
        return None, [header]
    table = Table(file, lines, header, [], [])
    problems = _header_problems(table)
    if problems:
        return None, problems
    for number, line in enumerate(lines[1:], start=2):
        if line:
            _add_row(table, number, line, problems)
    return table, problems


def _add_row(table: Table, number: int, line: str, problems: list[Problem]) -> None:
    cells = _cells(line, table.file, number)
    if isinstance(cells, Problem):
        problems.append(cells)
    elif len(cells) != len(table.header):
        problems.append(Problem(table.file, number, 1, "", f"expected {len(table.header)} cells, got {len(cells)}"))
    else:
        table.rows.append(cells)
        table.line_numbers.append(number)


def _cells(line: str, file: str, number: int) -> list[str] | Problem:
    """The cells of one line, each line for itself."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            text = "expected a closing quote before the end of the line"
        elif "expected after" in str(error):
            text = "expected a comma after the closing quote (a quote inside a text is written twice)"
        else:
            text = f"expected a line of CSV: {error}"
        return Problem(file, number, _bad_quote(line), "", text)


def _header_problems(table: Table) -> list[Problem]:
    if table.header == [""]:
        return [Problem(table.file, 1, 1, "", "expected a header in the first line, got nothing")]
    if len(table.header) == 1 and ";" in table.header[0]:
        return [Problem(table.file, 1, 1, "", "expected commas between the columns, got semicolons")]
    return [
        table.header_problem(index, "expected each column once, got another of this name")
        for index, name in enumerate(table.header)
        if name in table.header[:index]
    ]


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
    return next(itertools.islice(_cell_starts(line), cell, None), 1)


def _bad_quote(line: str) -> int:
    """Column of the last quote of a line with an odd number of them, else of the first."""
    index = line.rfind('"') if line.count('"') % 2 else line.find('"')
    return max(index, 0) + 1
