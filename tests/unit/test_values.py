# SPDX-License-Identifier: Apache-2.0
"""Whether a value fits a kind, and what a cell of a CSV file means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from config.model import Duration
from config.values import cell_value, misfit, wants_text
from config.words import Kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.Boolean, True),
        (Kind.Byte, 255),
        (Kind.Int64, -(2**63)),
        (Kind.UInt64, 2**64 - 1),
        (Kind.Double, 1),
        (Kind.Float, 1.5),
        (Kind.String, ""),
    ],
)
def test_fits(kind: Kind, value: Any) -> None:
    assert misfit(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Kind.Boolean, 1, "expected true or false, got 1"),
        (Kind.Byte, 256, "expected Byte 0..255, got 256"),
        (Kind.Byte, True, "expected an integer, got true"),
        (Kind.Int32, 1.0, "expected an integer, got 1.0"),
        (Kind.Double, True, "expected a number, got true"),
        (Kind.Double, float("nan"), "expected a number, got nan"),
        (Kind.Double, "1", "expected a number, got '1'"),
        (Kind.String, 5, "expected text, got 5; put it in quotes"),
    ],
)
def test_does_not_fit(kind: Kind, value: Any, text: str) -> None:
    assert misfit(kind, value) == text


def test_limits_are_inclusive() -> None:
    assert misfit(Kind.Double, 5, (0, 5)) is None
    assert misfit(Kind.Double, 5.1, (0, 5)) == "expected 0..5, got 5.1"


def test_cells() -> None:
    assert cell_value(Kind.String, "true") == "true"
    assert cell_value(Kind.Boolean, "true") is True
    assert cell_value(Kind.Double, "007") == "007"


class Settings(BaseModel):
    host: str
    alias: str | None = None
    mode: str | int = 1
    port: int = 1
    wait: Duration = 1.0
    on: bool = False


def test_which_settings_are_text() -> None:
    assert [name for name, info in Settings.model_fields.items() if wants_text(info)] == ["host", "alias"]
