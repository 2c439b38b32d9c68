# SPDX-License-Identifier: Apache-2.0
"""YAML is read strictly, and everything in it has a place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from config.source import DEPTH_MAX, YAML_BYTES_MAX, Mark, dotted, parse_yaml, read_yaml, scalar


def data_of(text: str) -> Any:
    document, problems = parse_yaml(text.encode(), "x.yaml")
    assert problems == []
    assert document is not None
    return document.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("2.5E-2", 0.025),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_four_rules(text: str, value: object) -> None:
    got = scalar(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("True", "yes", "no", "on", "off", "y", "010", "08", "0o10", "12:30", "1_000", "2026-11-23", ".5", "5."),
        *(".inf", ".nan", "1e999", "-", "+", "0x", "0xZZ", "NULL", "9" * 30, "1" * 5000, "1.2.3", "٣"),
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert scalar(text) == text


def test_quoted_and_folded_scalars_are_text() -> None:
    assert data_of("a: \"1\"\nb: 'true'\nc: >-\n  12\n") == {"a": "1", "b": "true", "c": "12"}


def test_keys_are_text() -> None:
    assert data_of("21605: {on: 1, true: 2, null: 3}") == {"21605": {"on": 1, "true": 2, "null": 3}}


def test_marks_count_characters_from_one() -> None:
    document, _ = parse_yaml("é: {clé: [1, deux]}\nb:\n  - c: x\n".encode(), "x.yaml")
    assert document is not None
    assert document.marks["é", "clé", 1] == Mark(1, 14)
    assert document.keys["é", "clé"] == Mark(1, 5)
    assert document.marks["b", 0, "c"] == Mark(3, 8)


def test_a_problem_lands_on_the_nearest_thing_there_is() -> None:
    document, _ = parse_yaml(b"a:\n  b: 1\n", "x.yaml")
    assert document is not None
    assert str(document.problem(("a", "b"), "t")) == "x.yaml:2:6: a.b: t"
    assert str(document.problem(("a", "b"), "t", key=True)) == "x.yaml:2:3: a.b: t"
    assert str(document.problem(("a", "missing", "deep"), "t")) == "x.yaml:2:3: a.missing.deep: t"


def test_a_place_inside_a_text() -> None:
    document, _ = parse_yaml(b"a: 'P + Q'\nb: P + Q\nc: >-\n  P +\n  Q\n", "x.yaml")
    assert document is not None
    assert document.problem_inside(("a",), "P + Q", 5, "t").column == 9
    assert document.problem_inside(("b",), "P + Q", 5, "t").column == 8
    assert document.problem_inside(("c",), "P + Q", 5, "t").column == 4  # folded: its beginning


def test_entries_of_a_list_go_by_their_name() -> None:
    data = [{"name": "CAB-0001"}, {}, 5]
    assert dotted(data, (0, "area")) == "CAB-0001.area"
    assert dotted(data, (1, "area")) == "[1].area"
    assert dotted({"areas": ["x"]}, ("areas", 0)) == "areas[0]"


def test_all_duplicate_keys_are_told() -> None:
    document, problems = parse_yaml(b"a: 1\nb: {c: 1, c: 2}\na: {d: 1, d: 2}\n", "x.yaml")
    assert document is not None
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [str(p) for p in problems] == [
        "x.yaml:2:11: b: 'c' is already set at line 2",
        "x.yaml:3:1: 'a' is already set at line 1",
    ]


def test_levels_are_bounded() -> None:
    assert parse_yaml(b"[" * (DEPTH_MAX) + b"]" * DEPTH_MAX, "x.yaml")[1] == []
    problems = parse_yaml(b"[" * 100_000, "x.yaml")[1]
    assert [p.text for p in problems] == [f"expected at most {DEPTH_MAX} levels"]


def test_files_are_bounded_and_regular(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (YAML_BYTES_MAX + 1))
    assert [str(p) for p in read_yaml(big, "big.yaml")[1]] == ["big.yaml: expected at most 4 MiB"]
    assert "expected a file, got a folder" in str(read_yaml(tmp_path, "d")[1][0])
    assert "expected a file, got nothing there" in str(read_yaml(tmp_path / "no", "no")[1][0])
    os.mkfifo(tmp_path / "pipe")
    assert "expected a file" in str(read_yaml(tmp_path / "pipe", "pipe")[1][0])


def test_a_file_of_aliases_does_not_grow() -> None:
    bomb = "a: &a [x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(20)
    )
    document, problems = parse_yaml(bomb.encode(), "x.yaml")
    assert document is None
    assert [str(p) for p in problems] == ["x.yaml:1:4: expected no anchor, got &a; write the value out where needed"]
