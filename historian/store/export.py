# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_history.py
"""Columns of a query as a Parquet file, for pandas, DuckDB, spreadsheets.

Law of this file: columns in, bytes out; times are UTC in nanoseconds with their zone named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

_TYPES: Final = {
    "Boolean": pa.bool_(), "Float": pa.float64(), "Double": pa.float64(), "UInt64": pa.uint64(),
    "String": pa.string(), "DateTime": pa.string(),
}  # fmt: skip
"""By name of a kind; whole numbers of all others."""


def parquet(
    columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str], zone: str, about: Mapping[str, str]
) -> memoryview:
    """Columns of equal length as a file; those whose names end in `_ns` become times. A column has the type of its
    kind also where it holds nothing, so that files of several spans fit together.

    Args:
        kinds: column -> name of a Kind. Enumerations are texts where the names of their values are known.
        zone: IANA name, shown by readers.
        about: goes into the file's metadata.
    """
    made = {}
    for name, values in columns.items():
        if name.endswith("_ns"):
            made[name.removesuffix("_ns")] = pa.array(values, pa.timestamp("ns", zone))
        elif kinds[name] == "Enumeration" and any(isinstance(value, str) for value in values):
            made[name] = pa.array([None if value is None else str(value) for value in values], pa.string())
        else:
            made[name] = pa.array(values, _TYPES.get(kinds[name], pa.int64()))
    table = pa.table(made).replace_schema_metadata({f"vigie.{k}": v for k, v in about.items()})
    file = pa.BufferOutputStream()
    pq.write_table(table, file, compression="zstd")
    return memoryview(file.getvalue())
