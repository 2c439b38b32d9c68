# SPDX-License-Identifier: Apache-2.0
"""Inventories by pattern: the rows are those one would have typed, and a mistake is told where the pattern has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.pattern import once, read_pattern
from config.problems import Problem
from config.source import read_yaml
from config.table import CSV_ROWS_MAX

TABLE = "insee,lamps,feeders\n21231,5,2\n21166,0,1\n21617,3,3\n"
PATTERN = """per: places.csv
count: lamps
each: 2
spread: {feeder: feeders}
addresses: {host: 127.0.0.254}
cycles: {street: [Haute, Basse, Neuve]}
columns:
  name: LMP-{n:04}
  area: "{insee}"
  title: "rue {street}, {i}, {k}"
  fed_by: FDR-{feeder:04}
  gear.host: "{host}"
  lit: true
  power: 12.5
"""


def made(folder: Path, pattern: str = PATTERN, table: str = TABLE) -> tuple[list[list[str]], list[str]]:
    """Rows, or problems."""
    (folder / "places.csv").write_text(table, encoding="utf-8")
    path = folder / "LMP.yaml"
    path.write_text(pattern, encoding="utf-8")
    document, problems = read_yaml(path, "inventory/LMP.yaml")
    assert document is not None and not problems
    sheet, problems = read_pattern(document, folder, "inventory")
    return ([sheet.header, *sheet.rows] if sheet is not None else []), [str(p) for p in problems]


def test_rows_are_those_one_would_have_typed(tmp_path: Path) -> None:
    (header, *rows), problems = made(tmp_path)
    assert not problems
    assert header == ["name", "area", "title", "fed_by", "gear.host", "lit", "power"]
    assert rows[0] == ["LMP-0001", "21231", "rue Haute, 1, 0", "FDR-0001", "127.0.0.254", "true", "12.5"]
    assert rows[1] == ["LMP-0002", "21231", "rue Basse, 1, 1", "FDR-0001", "127.0.0.254", "true", "12.5"]
    assert [row[3] for row in rows[:10:2]] == ["FDR-0001"] * 3 + ["FDR-0002"] * 2, "five lamps on two feeders"
    assert [row[4] for row in rows[2:6:2]] == ["127.0.0.255", "127.0.1.0"], "an address after the other"
    assert rows[-1] == ["LMP-0016", "21617", "rue Haute, 3, 1", "FDR-0003", "127.0.1.5", "true", "12.5"]


def test_each_place_may_have_as_many_as_the_pattern_says(tmp_path: Path) -> None:
    (_, *rows), problems = made(tmp_path, PATTERN.replace("count: lamps", "count: 1"))
    assert not problems
    assert [row[1] for row in rows] == ["21231", "21231", "21166", "21166", "21617", "21617"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6), st.integers(1, 4))
def test_every_unit_is_there_once_and_every_share_is_even(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]], each: int
) -> None:
    table = "insee,lamps,feeders\n" + "".join(f"{i},{n},{f}\n" for i, (n, f) in enumerate(places))
    pattern = PATTERN.replace("each: 2", f"each: {each}").replace("name: LMP-{n:04}", 'name: "{n} {unit} {k}"')
    (_, *rows), _ = made(tmp_path_factory.mktemp("p"), pattern, table)
    units = sum(n for n, _ in places)
    names = [f"{u * each + k + 1} {u + 1} {k}" for u in range(units) for k in range(each)]
    assert [row[0] for row in rows] == names
    for i, (n, feeders) in enumerate(places):
        fed = [row[3] for row in rows if row[1] == str(i)]
        shares = [fed.count(name) for name in set(fed)]
        assert len(fed) == n * each and len(shares) == min(n, feeders)
        assert not shares or max(shares) - min(shares) <= each


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("per: places", "per: place", "LMP.yaml:1:6: per: expected a table beside this file, got 'place.csv'; did you"),
        ("count: lamps", "count: 0", "LMP.yaml:2:8: count: expected a column of places.csv, or a number from 1 to"),
        ("count: lamps", "count: lamp", "LMP.yaml:2:8: count: expected a column of places.csv, got 'lamp'; did you"),
        ("feeders}", "feeder}", "LMP.yaml:4:18: spread.feeder: expected a column of places.csv, got 'feeder'; did you"),
        ("254}", "254.1}", "LMP.yaml:5:19: addresses.host: expected an IPv4 address such as 127.24.0.1, got"),
        ("{street: [", "{insee: [", "LMP.yaml:6:10: cycles.insee: expected a word of its own, 'insee' has a meaning"),
        ("{n:04}", "{number}", "LMP.yaml:8:9: columns.name: expected a word of this pattern, got 'number'; there is"),
        ("{n:04}", "{n:4}", "LMP.yaml:8:9: columns.name: expected words such as {n} or {n:04}, got 'LMP-{n:4}'"),
        ("{n:04}", "{n.__class__}", "LMP.yaml:8:9: columns.name: expected words such as {n} or {n:04}, got"),
        ("each: 2", "each: 0", "LMP.yaml:3:7: each: expected a number of at least 1, got 0"),
        ("per: places.csv", "per: ../places.csv", "LMP.yaml:1:6: per: expected"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert PATTERN.count(old) == 1
    rows, problems = made(tmp_path, PATTERN.replace(old, new))
    assert not rows and any(p.startswith(f"inventory/{said}") for p in problems), problems


def test_a_count_that_is_none_is_told_in_the_table(tmp_path: Path) -> None:
    rows, problems = made(tmp_path, table=TABLE.replace("21166,0,", "21166,none,"))
    assert not rows
    assert problems == ["inventory/places.csv:3:7: [1].lamps: expected a number of units (0 to 9999999), got 'none'"]


def test_a_plant_is_not_larger_than_a_file_may_be(tmp_path: Path) -> None:
    rows, problems = made(tmp_path, table=TABLE.replace("21231,5,", "21231,150000,"))
    assert not rows
    assert problems == [f"inventory/LMP.yaml:2:8: count: expected at most {CSV_ROWS_MAX} rows, got 300006"]


def test_what_is_wrong_in_every_row_is_said_once() -> None:
    many = [Problem("f", 8, 9, f"LMP-{i:04}.lit", "expected true or false, got 'x'") for i in range(3)]
    other = Problem("f", 9, 9, "LMP-0002.power", "expected a number")
    assert [p.text for p in once([*many, other])] == [f"{many[0].text} (and so in 2 more)", other.text]
