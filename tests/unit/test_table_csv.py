# SPDX-License-Identifier: Apache-2.0
"""CSV inventories: every cell has a place, and one wrong line does not hide the next."""

from __future__ import annotations

import pytest

from config.table import CSV_ROWS_MAX, parse_csv


def said(text: str) -> list[str]:
    return [str(p) for p in parse_csv(text.encode(), "x.csv")[1]]


def test_rows_and_quotes() -> None:
    table, problems = parse_csv(b'name,title\r\nA,"one, ""two"""\r\n\r\nB,\r\n', "x.csv")
    assert problems == []
    assert table is not None
    assert table.rows == [["A", 'one, "two"'], ["B", ""]]
    assert table.line_numbers == [2, 4]


def test_a_byte_order_mark_is_accepted() -> None:
    table, problems = parse_csv(b"\xef\xbb\xbfname\nA\n", "x.csv")
    assert problems == []
    assert table is not None
    assert table.header == ["name"]


def test_cells_have_columns_behind_quoted_commas() -> None:
    table, _ = parse_csv('name,title,controller.host,depth\nA,"é, ""b""",h,5\n'.encode(), "x.csv")
    assert table is not None
    table.data = [{"name": "A"}]
    assert str(table.problem((0, "devices", "controller", "host"), "t")) == "x.csv:2:14: A.controller.host: t"
    assert str(table.problem((0, "parameters", "depth"), "t")) == "x.csv:2:16: A.depth: t"
    assert str(table.problem((0, "devices", "controller", "port"), "t")) == "x.csv:2:14: A.controller.port: t"
    assert str(table.problem((0, "life"), "t")) == "x.csv:2:1: A.life: t"


def test_every_bad_line_is_told_and_the_others_are_read() -> None:
    text = 'name,title\nA,"open\nB,x\nC,"closed" then\nD\nE,y\n'
    table, problems = parse_csv(text.encode(), "x.csv")
    assert table is not None
    assert [row[0] for row in table.rows] == ["B", "E"]
    assert [(p.line, p.column) for p in problems] == [(2, 3), (4, 3), (5, 1)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "x.csv:1:1: expected a header"),
        ("name;area\nA;1\n", "x.csv:1:1: expected commas"),
        ("name,area,name\n", "x.csv:1:11: name: expected each column once"),
        ('name,"area\n', "x.csv:1:6: expected a closing quote"),
        ("name\nA\x00\n", "x.csv:2:2: expected plain text, got the control character U+0000"),
        ("name\rA\r", "x.csv:1:5: expected plain text, got the control character U+000D"),
        ("name\n" * (CSV_ROWS_MAX + 2), f"x.csv:{CSV_ROWS_MAX + 2}:1: expected at most {CSV_ROWS_MAX} rows"),
    ],
)
def test_what_is_no_table(text: str, place: str) -> None:
    problems = said(text)
    assert len(problems) == 1
    assert problems[0].startswith(place)
