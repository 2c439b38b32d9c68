# SPDX-License-Identifier: Apache-2.0
"""Columns of whole numbers: the same as numpy's own functions say."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from config.arrays import distinct

numbers = arrays(np.int64, st.integers(0, 30), elements=st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1))


@given(numbers)
def test_distinct_is_unique(values: npt.NDArray[np.int64]) -> None:
    assert distinct(values).tolist() == np.unique(values).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int8])
def test_the_kind_of_number_stays(dtype: type) -> None:
    found = distinct(np.array([3, 1, 3], dtype))
    assert found.dtype == dtype and found.tolist() == [1, 3]
