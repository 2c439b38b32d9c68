# SPDX-License-Identifier: Apache-2.0
"""Memory banks of DiiA Part 252 (energy) and Part 253 (diagnostics)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drivers.dali.banks import FIELDS, NotKnown, decode, encode


@pytest.mark.parametrize(
    ("name", "data", "number"),
    [
        ("active_power", [0x00, 0, 0, 0, 55], 55.0),
        ("active_power", [0xFD, 0, 0, 0xD7, 0x55], 55.125),  # scale -3
        ("active_energy", [0x03, 0, 0, 0, 0, 1, 2], 258_000.0),  # scale +3
        ("supply_voltage", [0x09, 0x00], 230.4),
        ("power_factor", [97], 0.97),
        ("gear_temperature", [0], -60.0),
        ("gear_temperature", [101], 41.0),
        ("lamp_on_time", [0, 0, 0x0E, 0x10], 3600.0),
    ],
)
def test_numbers_are_read_with_scale_factor_and_offset(name: str, data: list[int], number: float) -> None:
    assert decode(FIELDS[name], data) == number


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("power_factor", [0xFF], "MASK"),
        ("power_factor", [0xFE], "TMASK"),
        ("active_power", [0x00, 0xFF, 0xFF, 0xFF, 0xFF], "MASK"),
        ("active_power", [0xFA, 0xFF, 0xFF, 0xFF, 0xFE], "TMASK"),
        ("active_power", [7, 0, 0, 0, 1], "scale of -6..6, got 7"),
        ("active_power", [0x80, 0, 0, 0, 1], "scale of -6..6, got -128"),
        ("supply_voltage", [9, None], "no location"),
        ("supply_voltage", [9], "no location"),
    ],
)
def test_what_is_no_number_says_why(name: str, data: list[int | None], why: str) -> None:
    with pytest.raises(NotKnown, match=why):
        decode(FIELDS[name], data)


def test_fields_of_a_bank_do_not_overlap() -> None:
    for bank in range(202, 207):
        places = sorted((x.first, x.last) for x in FIELDS.values() if x.bank == bank)
        assert all(a[1] < b[0] for a, b in pairwise(places))


def test_what_is_encoded_is_read_back() -> None:
    for name, field in FIELDS.items():
        value = 41.0 * field.factor
        assert decode(field, list(encode(field, value, -2))) == pytest.approx(value), name
    with pytest.raises(ValueError, match=r"expected 0\.\.253"):
        encode(FIELDS["power_factor"], 2.54)
