# SPDX-License-Identifier: Apache-2.0
"""What a model refuses is said in our words, at the right place, once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from config.explain import keys_of, model_at, validate
from config.problems import Problem
from config.source import parse_yaml


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    address: int = Field(ge=0, le=10)
    kind: Literal["int16", "float32"] = "int16"


class Cat(BaseModel):
    sort: Literal["cat"]
    lives: int


class Dog(BaseModel):
    sort: Literal["dog"]
    bites: bool


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    one: Inner | None = None
    many: dict[str, Inner] = Field(default_factory=dict)
    pet: Annotated[Cat | Dog, Field(discriminator="sort")] | None = None
    number: int | float | str | None = None
    names: list[str] | Literal["all"] = "all"
    share: float = Field(default=0.5, gt=0, lt=1)
    class_: str | None = Field(default=None, alias="class")


def said(text: str) -> list[str]:
    document, problems = parse_yaml(text.encode(), "x")
    assert document is not None
    assert problems == []
    found: list[Problem] = []
    validate(Outer, document.data, document, (), found)
    return [str(p) for p in sorted(found)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one: {address: 11}", "x:1:16: one.address: expected a number of at most 10, got 11"),
        ("one: {address: true}", "x:1:16: one.address: expected an integer, got true"),
        ("one: {address: 1.5}", "x:1:16: one.address: expected an integer, got 1.5"),
        ("one: 5", "x:1:6: one: expected a mapping, got 5"),
        ("many: [1]", "x:1:7: many: expected a mapping, got a list"),
        ("many: {a: {address: }}", "x:1:21: many.a.address: expected an integer, got nothing"),
        (
            "one: {address: 1, kind: int6}",
            "x:1:25: one.kind: expected one of int16 or float32, got 'int6'; did you mean 'int16'?",
        ),
        ("one: {adress: 1}", "x:1:7: one.adress: unknown key; did you mean 'address'? Known keys: address, kind."),
        ("one: {kind: int16}", "x:1:1: one: missing required key 'address'"),
        ("number: [1]", "x:1:9: number: expected a number or text, got a list"),
        ("names: all of them", "x:1:8: names: expected a list or 'all', got 'all of them'"),
        ("names: [a, 5]", "x:1:12: names[1]: expected text, got 5; put it in quotes"),
        ("share: 1", "x:1:8: share: expected a number less than 1, got 1"),
        ("class: 5", "x:1:8: class: expected text, got 5; put it in quotes"),
        ("pet: {sort: cat, lives: nine}", "x:1:25: pet.lives: expected an integer, got 'nine'"),
    ],
)
def test_sentences(text: str, expected: str) -> None:
    assert said(text) == [expected]


def test_all_of_them_at_once() -> None:
    lines = said("one: {address: x, kind: y}\nmany: {a: {}, b: {address: 99}}\nclas: c\n")
    assert [line.split(": ")[1] for line in lines] == [
        "one.address",
        "one.kind",
        "many.a",
        "many.b.address",
        "clas",
    ]
    assert lines[-1].endswith(
        "unknown key; did you mean 'class'? Known keys: one, many, pet, number, names, share, class."
    )


def test_models_are_found_below_containers() -> None:
    assert model_at(Outer, ("many", "x")) is Inner
    assert model_at(Outer, ("one",)) is Inner
    assert model_at(Outer, ("number",)) is None
    assert keys_of(Outer)[-1] == "class"
    nothing: list[Any] = keys_of(None)
    assert nothing == []
