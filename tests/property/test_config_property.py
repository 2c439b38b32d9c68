# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in the files: a site is loaded or all its problems are told; nothing else ever comes out."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.load import load_site
from config.problems import SiteProblems, report
from config.source import parse_yaml, scalar
from config.table import parse_csv
from tests.config.case import PLANT, PROTOCOLS

FILES = ["site.yaml", "users.yaml", "types/FTN.yaml", "types/NODE.yaml", "inventory/FTN.csv", "inventory/NODE.yaml"]
YAMLS = [f for f in FILES if f.endswith(".yaml")]
GOOD = {f: (PLANT / f).read_bytes() for f in FILES}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e6, 1e6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def judge(file: str, raw: bytes) -> None:
    """Load the good plant with one file replaced."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "plant"
        shutil.copytree(PLANT, folder)
        (folder / file).write_bytes(raw)
        try:
            load_site(folder, PROTOCOLS)
        except SiteProblems as caught:
            assert caught.problems
            for problem in caught.problems:
                assert "\n" not in str(problem)
                assert problem.line <= raw.count(b"\n") + 1 or not problem.file.endswith(file)
            assert report(caught.problems).endswith("nothing was started.")


@given(st.sampled_from(FILES), st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
@example("site.yaml", b"{")
@example("users.yaml", b"- !!binary =\n")
@example("inventory/FTN.csv", b'name,area\n"')
def test_any_bytes(file: str, raw: bytes) -> None:
    judge(file, raw)


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=120, deadline=None)
def test_a_good_file_with_a_piece_taken_out_put_twice_or_replaced(file: str, data: st.DataObject) -> None:
    raw = GOOD[file]
    begin = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(begin, min(len(raw), begin + 40)))
    piece = data.draw(st.sampled_from([b"", raw[begin:end] * 2]) | st.binary(max_size=6))
    judge(file, raw[:begin] + piece + raw[end:])


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(p for key, part in inner for p in places(part, (*here, key)))]


@given(st.sampled_from(YAMLS), st.data())
@settings(max_examples=200, deadline=None)
def test_a_good_file_with_any_part_of_another_shape(file: str, data: st.DataObject) -> None:
    document, _ = parse_yaml(GOOD[file], file)
    assert document is not None
    place = data.draw(st.sampled_from(places(document.data)))
    value = data.draw(json_values)
    if not place:
        document.data = value
    else:
        at = document.data
        for step in place[:-1]:
            at = at[step]
        at[place[-1]] = value
    judge(file, json.dumps(document.data, indent=1).encode())


@given(st.text(max_size=30))
def test_a_scalar_keeps_its_meaning_or_its_text(text: str) -> None:
    value = scalar(text)
    if isinstance(value, str):
        assert value == text
    elif value is None:
        assert text in ("", "~", "null")
    elif isinstance(value, bool):
        assert text in ("true", "false")
    else:
        assert value == (int(text, 16) if "x" in text else float(text) if isinstance(value, float) else int(text))


@given(st.binary(max_size=300))
def test_readers_never_raise(raw: bytes) -> None:
    document, problems = parse_yaml(raw, "x.yaml")
    assert (document is None) <= bool(problems)
    table, problems = parse_csv(raw, "x.csv")
    assert (table is None) <= bool(problems)


cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12)


@given(st.lists(st.tuples(cells, cells), max_size=6))
def test_csv_written_by_a_library_is_read_back(rows: list[tuple[str, str]]) -> None:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out).writerows([("a", "b"), *rows])
    table, problems = parse_csv(out.getvalue().encode(), "x.csv")
    assert problems == []
    assert table is not None
    assert [tuple(row) for row in table.rows] == rows


@pytest.mark.parametrize("file", YAMLS)
def test_json_is_yaml(file: str) -> None:
    """The shapes test rests on this: a good file written as JSON is still good."""
    document, _ = parse_yaml(GOOD[file], file)
    assert document is not None
    again, problems = parse_yaml(json.dumps(document.data).encode(), file)
    assert problems == []
    assert again is not None
    assert again.data == document.data
