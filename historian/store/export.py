# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_history.py
"""Columns of a query as a Parquet file, for pandas, DuckDB, spreadsheets.

Law of this file: columns in, bytes out; times are UTC in nanoseconds with their zone named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]


def write_parquet(columns: Mapping[str, Sequence[Any]], zone: str, about: Mapping[str, str], file: BinaryIO) -> None:
    """Write columns of equal length; those whose names end in `_ns` become times.

    Args:
        zone: IANA name, shown by readers.
        about: goes into the file's metadata.
    """
    made = {}
    for name, values in columns.items():
        if name.endswith("_ns"):
            made[name.removesuffix("_ns")] = pa.array(values, pa.timestamp("ns", zone))
        else:
            made[name] = pa.array(values)
    table = pa.table(made).replace_schema_metadata({f"vigie.{k}": v for k, v in about.items()})
    pq.write_table(table, file, compression="zstd")
