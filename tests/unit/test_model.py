# SPDX-License-Identifier: Apache-2.0
"""Models: durations, strictness, and what differs between YAML and Python."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.model import AlarmRule, EquipmentModel, PollClassModel, SiteModel, TagModel, TypeModel, seconds
from config.words import Kind

TAG: dict[str, Any] = {"title": {"fr": "a", "en": "a"}, "kind": "Float", "history": {"class": "N"}, "calc": "1"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("10 s", 10.0), ("10s", 10.0), ("250 ms", 0.25), ("1.5 min", 90.0), ("2 h", 7200.0), ("60 d", 5184000.0)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", [10, 10.0, "10", "ten s", "-1 s", "1e3 s", "10 sec", "", None, True, "10  s", "٣ s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        seconds(text)


def test_kinds_classes_and_pairs_are_read_from_plain_data() -> None:
    tag = TagModel.model_validate({**TAG, "range": [0, 5.5], "history": {"class": "A1", "deadband": "2 %"}})
    assert tag.kind is Kind.Float
    assert tag.range == (0, 5.5)
    assert tag.history.class_.value == "A1"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "float"},
        {"range": [0]},
        {"range": ["0", "1"]},
        {"scale": "2"},
        {"two_step": 1},
        {"extra": 1},
        {"access": "x"},
        {"title": {"fr": "a"}},
        {"history": {"class": "A4"}},
    ],
)
def test_nothing_is_coerced(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TagModel.model_validate({**TAG, **change})


def test_a_poll_class_fits_into_its_period() -> None:
    PollClassModel.model_validate({"period": "1 s", "timeout": "500 ms", "retries": 1, "bad_after": "3 s"})
    with pytest.raises(ValidationError, match=r"fit into period, got 0\.6 s x 2 in 1 s"):
        PollClassModel.model_validate({"period": "1 s", "timeout": "600 ms", "retries": 1, "bad_after": "3 s"})
    with pytest.raises(ValidationError, match=r"at least one period, got 0\.5 s"):
        PollClassModel.model_validate({"period": "1 s", "timeout": "100 ms", "bad_after": "500 ms"})


def test_models_do_not_change() -> None:
    model = EquipmentModel.model_validate({"name": "CAB-0001", "area": "21605"})
    with pytest.raises(ValidationError):
        model.name = "CAB-0002"


@pytest.mark.parametrize("model", [SiteModel, TypeModel, TagModel, AlarmRule, EquipmentModel, PollClassModel])
def test_no_field_hides_something_of_its_base(model: Any) -> None:
    """A field named `register` would silently become optional."""
    from pydantic import BaseModel

    assert not set(model.model_fields) & set(dir(BaseModel))
