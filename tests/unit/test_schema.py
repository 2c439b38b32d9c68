# SPDX-License-Identifier: Apache-2.0
"""JSON Schema for editors comes from the models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.schema import KINDS_OF_FILE, schema
from tests.config.case import PROTOCOLS


@pytest.mark.parametrize("which", KINDS_OF_FILE)
def test_every_sort_of_file_has_one_and_its_references_resolve(which: str) -> None:
    made = schema(which, PROTOCOLS)
    json.dumps(made)
    assert made["$schema"].endswith("2020-12/schema")
    for reference in _references(made):
        assert reference.removeprefix("#/$defs/") in made["$defs"]


def test_keys_are_those_of_yaml() -> None:
    made = schema("type")["$defs"]
    assert {"class", "from"} <= made["AlarmRule"]["properties"].keys()
    assert made["TagModel"]["additionalProperties"] is False
    assert "Boolean" in made["TagModel"]["properties"]["kind"]["enum"]


def test_an_editor_completes_addresses() -> None:
    made = schema("type", PROTOCOLS)["$defs"]
    assert {"table", "address", "order"} <= made["modbus_point"]["properties"].keys()
    assert {"$ref": "#/$defs/modbus_point"} in made["TagModel"]["properties"]["point"]["anyOf"]
    assert "required" not in made["modbus_device"]
    assert made["modbus_device"]["properties"]["forbidden"]["items"] == {"$ref": "#/$defs/modbus_AddressRange"}


def test_no_other_word() -> None:
    with pytest.raises(KeyError):
        schema("sight")


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [r for value in part.values() for r in _references(value)]
    return [r for value in part for r in _references(value)] if isinstance(part, list) else []
