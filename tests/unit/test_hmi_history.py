# SPDX-License-Identifier: Apache-2.0
"""Parts of HistoryRead that need no server: points, and which tags are stepped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.words import Kind, StatusCode
from historian.aggregates.functions import AGGREGATES
from historian.aggregates.trace import Configuration
from supervisor.hmi.history.details import AGGREGATE_IDS, RawQuestion, Refused
from supervisor.hmi.history.points import Point, Points
from supervisor.hmi.history.processed import fits, result_kind
from supervisor.hmi.history.tags import Tag, stepped
from supervisor.hmi.model.space import Space
from tests.plants import TypeSpec, make_plant, tag

POINT = Point("node", RawQuestion(0, 1, 0, False), None)


def test_a_point_is_taken_once_and_only_for_its_node() -> None:
    points = Points()
    token = points.keep(POINT, 2)
    with pytest.raises(Refused, match="BadContinuationPointInvalid"):
        points.take(token, "another")
    assert points.take(token, "node") is POINT
    with pytest.raises(Refused, match="BadContinuationPointInvalid"):
        points.take(token, "node")


def test_points_are_bounded_and_none_is_lost_by_it() -> None:
    points = Points()
    tokens = [points.keep(POINT, 2) for _ in range(2)]
    assert len({*tokens}) == 2 and all(len(t) == 16 for t in tokens)
    with pytest.raises(Refused) as refused:
        points.keep(POINT, 2)
    assert refused.value.code is StatusCode.BadNoContinuationPoints
    assert points.take(tokens[0], "node") is POINT
    points.keep(POINT, 2)


@pytest.mark.parametrize(
    ("kind", "history_class", "expected"),
    [
        ("Double", "A1", True), ("Double", "A2", True), ("Boolean", "E", True), ("UInt32", "C", False),
        ("Double", "D", False), ("Boolean", "C", True), ("String", "D", True),
    ],
)  # fmt: skip
def test_what_is_stored_on_change_is_stepped_what_is_stored_by_the_clock_is_not(
    kind: str, history_class: str, expected: bool
) -> None:
    info = replace(tag(kind), history_class=history_class)
    space = Space(make_plant({"T": TypeSpec({"X": info})}, {"T": ["1/T-0001"]}))
    place = space.find("1/T-0001/X")
    assert place is not None and stepped(place) is expected


def test_a_client_weighs_quality_but_does_not_decide_what_is_stepped() -> None:
    asked = Configuration(stepped=True, percent_bad=10, percent_good=95)
    assert Tag(1, Kind.Double, False).configuration(asked) == replace(asked, stepped=False)
    assert Tag(1, Kind.Double, True).configuration(None) == Configuration()


def test_every_aggregate_has_its_node() -> None:
    assert sorted(AGGREGATE_IDS.values()) == sorted(AGGREGATES)


@pytest.mark.parametrize(
    ("name", "kind", "result"),
    [
        ("Average", Kind.Int16, Kind.Double), ("Minimum", Kind.Int16, Kind.Int16), ("Count", Kind.String, Kind.Int32),
        ("Delta", Kind.UInt16, Kind.Double), ("Delta", Kind.Int16, Kind.Int16), ("Start", Kind.Boolean, Kind.Boolean),
    ],
)  # fmt: skip
def test_data_types_of_results(name: str, kind: Kind, result: Kind) -> None:
    assert result_kind(name, kind) is result


def test_texts_and_times_have_no_mean() -> None:
    assert not fits("Average", Kind.String) and not fits("Maximum", Kind.DateTime)
    assert fits("PercentGood", Kind.String) and fits("Average", Kind.Boolean)
