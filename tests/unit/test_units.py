# SPDX-License-Identifier: Apache-2.0
"""Units and their codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import config
from config.units import UNITS, meant_by


@pytest.mark.parametrize(
    ("symbol", "unit_id"),
    # Source: the table published with OPC 10000-8, 5.6.4.3 (UNECE_to_OPCUA.csv).
    [
        ("V", 5655636),
        ("A", 4279632),
        ("kW", 4937556),
        ("kvar", 4937298),
        ("kWh", 4937544),
        ("Hz", 4740186),
        ("°C", 4408652),
        ("lx", 5002584),
        ("mm/h", 4732471),
        ("m/s", 5067859),
        ("deg", 17476),
        ("ms", 4403766),
        ("s", 5457219),
        ("h", 4740434),
        ("d", 4473177),
        ("cm", 4410708),
        ("g/m2", 18253),
        ("1/s", 4405559),
        ("m3", 5067857),
    ],
)
def test_ids_are_those_of_opc_ua(symbol: str, unit_id: int) -> None:
    assert UNITS[symbol].id == unit_id


def test_units_of_this_trade_have_no_id() -> None:
    assert UNITS["pts"].id == -1


def test_shipped_types_have_few_units_without_a_code() -> None:
    """Source: UNECE Recommendation 20: no points, nothing per six or ten minutes, nothing by m2 and year."""
    texts = [path.read_text(encoding="utf-8") for path in (Path(config.__file__).parent / "types").glob("*.yaml")]
    used = {meaning for text in texts for meaning in re.findall(r"^ +unit: \"?([^\n\"#]+?)\"? *$", text, re.MULTILINE)}
    used |= {meaning for text in texts for meaning in re.findall(r"\bunit: \"?([^,}\n\"]+)", text)}
    assert len(used) > 20
    assert {unit for unit in used if UNITS[unit].id == -1} == {"pts", "1/10 min", "veh/6 min", "kWh/m2.y"}


def test_codes_are_used_once() -> None:
    codes = [u.code for u in UNITS.values() if u.code]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("slip", "unit"), [("degC", "°C"), ("KWH", "kWh"), ("lux", "lx"), ("m³", "m3"), ("ohm", "Ω")])
def test_usual_slips_are_understood(slip: str, unit: str) -> None:
    assert slip not in UNITS
    assert meant_by(slip) == unit
    assert unit in UNITS


def test_every_slip_leads_to_a_unit() -> None:
    from config.units import _MEANT

    assert set(_MEANT.values()) <= set(UNITS)
