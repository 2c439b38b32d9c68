# SPDX-License-Identifier: Apache-2.0
"""The words: status codes as the standard numbers them, and cells that hold every value exactly."""

from __future__ import annotations

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from config.words import Access, Kind, Permit, StatusCode, cell_of, is_bad, is_good, value_of


@pytest.mark.parametrize("code", StatusCode)
def test_every_status_code_has_the_number_of_the_standard(code: StatusCode) -> None:
    assert getattr(ua.StatusCodes, code.name) == int(code)


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.Enumeration])
def test_every_kind_has_the_number_of_its_data_type(kind: Kind) -> None:
    assert ua.VariantType[kind.name].value == kind


def test_severity_is_the_top_two_bits() -> None:
    codes = np.array([0, 0x00960000, 0x40900000, 0x80310000, 0xC0000000], np.uint32)
    assert is_good(codes).tolist() == [True, True, False, False, False]
    assert is_bad(codes).tolist() == [False, False, False, True, True]


integers = [k for k in Kind if k.bounds is not None]


@given(st.data())
def test_integers_survive_a_cell_and_what_does_not_fit_is_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(integers))
    assert kind.bounds is not None
    low, high = kind.bounds
    value = data.draw(st.integers(low, high))
    cell = cell_of(kind, value)
    assert np.array([cell], np.int64).view(kind.dtype)[0] == value
    assert value_of(kind, cell) == value
    for outside in (low - 1, high + 1):
        with pytest.raises(OverflowError, match=f"expected {kind.name}"):
            cell_of(kind, outside)


@given(st.floats(allow_nan=True))
def test_floats_survive_a_cell_to_the_bit(value: float) -> None:
    back = value_of(Kind.Double, cell_of(Kind.Double, value))
    assert np.float64(back).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize(("access", "readable", "writable"), [("r", 1, 0), ("rw", 1, 1), ("w", 0, 1)])
def test_access(access: str, readable: int, writable: int) -> None:
    assert (Access(access).readable, Access(access).writable) == (bool(readable), bool(writable))


def test_a_permit_ends_at_its_deadline() -> None:
    permit = Permit(epoch=3, deadline_s=10.0)
    assert permit.valid(9.999) and not permit.valid(10.0) and not permit.valid(11.0)
