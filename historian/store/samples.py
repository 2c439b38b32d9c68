# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_rules.py, tests/property/test_store.py
"""Samples: what the historian keeps, as parallel columns; and the same as an Arrow record batch.

Law of this file: columns in, columns out; no I/O, no clock, no loop over values.

A sample is (series, source time, value, status) and how it came to be known: class, flags, lag. Its value lies in one
of three columns, and its flags say where else than in `value` to look:

    value f64       numbers, Booleans 0/1, enumerations; NaN where there is none (status Bad) and for texts
    whole i64|null  flag WHOLE: an integer or time that a float64 cannot hold exactly (UInt64: its bits)
    text str|null   flag TEXT: a string

`lag_ds` is server time minus source time in tenths of a second, so that both times of each sample are kept at the
price of one. Two samples of one series with the same source time are one sample: the later accepted one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]

from config.words import BAD, Cells, Kind, Statuses, TimesNs

LATE: Final = 0x01
"""Older than a sample of its series that was stored before it."""
BACKFILLED: Final = 0x02
"""Not seen live: read later from a device's own memory, or imported."""
SIMULATED: Final = 0x04
"""Made by a simulator; never evidence."""
JOINED: Final = 0x08
"""The first of a counter since another meter's readings were joined to it: until here the old one counted."""
WHOLE: Final = 0x40
TEXT: Final = 0x80

CLASSES: Final = ("E", "A1", "A2", "C", "D", "P", "E13")
"""History classes that are stored, by number; E13 are events that are evidence, kept 13 years. The order is part of the
file format; at most 8, bits of a byte in the index. Source: plant documentation 7.3."""
EXACT_MAX: Final = 2**53
LAG_NS: Final = 100_000_000

SCHEMA: Final = pa.schema(
    [
        pa.field("series", pa.uint32(), nullable=False),
        pa.field("time_ns", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("whole", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("status", pa.uint32(), nullable=False),
        pa.field("lag_ds", pa.int32(), nullable=False),
        pa.field("class", pa.uint8(), nullable=False),
        pa.field("flags", pa.uint8(), nullable=False),
    ]
)
_SPARSE: Final = {
    (whole, text): pa.schema([f for f in SCHEMA if {"whole": whole, "text": text}.get(f.name, True)])
    for whole in (False, True)
    for text in (False, True)
}
"""SCHEMA without the columns that no row has."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Parallel columns, (n,).

    Attributes:
        series: ids of the catalogue.
        time_ns: UTC time of the value at its source [ns].
        value, whole, text: see above; `whole` is 0 where flag WHOLE is not set; `text` None if no row has one.
        status: StatusCode.
        lag_ds: server time - source time [0.1 s], cut to +-2**31.
        class_id: index into CLASSES.
        flags: LATE | BACKFILLED | SIMULATED | JOINED | WHOLE | TEXT.
    """

    series: npt.NDArray[np.uint32]
    time_ns: TimesNs
    value: npt.NDArray[np.float64]
    whole: npt.NDArray[np.int64]
    status: Statuses
    lag_ds: npt.NDArray[np.int32]
    class_id: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    text: Any = None

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Samples:
        """Rows by position, mask or slice, in that order."""
        if isinstance(index, slice):
            columns = {name: getattr(self, name)[index] for name in _ARRAYS}
        else:
            index = np.flatnonzero(index) if index.dtype == np.bool_ else index
            columns = {name: getattr(self, name).take(index) for name in _ARRAYS}
        return Samples(**columns, text=None if self.text is None else _pick(self.text, index))

    def flagged(self, flags: int) -> Samples:
        """The same with `flags` added to each row."""
        return replace(self, flags=self.flags | np.uint8(flags))

    def python(self) -> list[bool | int | float | str | None]:
        """Values as Python objects: for people and tests, never for a hot path. None where Bad."""
        texts = self.text.to_pylist() if self.text is not None else [None] * len(self)
        found: list[bool | int | float | str | None] = []
        for value, whole, flags, text, bad in zip(
            self.value.tolist(),
            self.whole.tolist(),
            self.flags.tolist(),
            texts,
            (self.status >= BAD).tolist(),
            strict=True,
        ):
            found.append(None if bad else text if flags & TEXT else whole if flags & WHOLE else value)
        return found


_ARRAYS: Final = tuple(f.name for f in fields(Samples) if f.name != "text")
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "series": np.dtype(np.uint32),
    "time_ns": np.dtype(np.int64),
    "value": np.dtype(np.float64),
    "whole": np.dtype(np.int64),
    "status": np.dtype(np.uint32),
    "lag_ds": np.dtype(np.int32),
    "class_id": np.dtype(np.uint8),
    "flags": np.dtype(np.uint8),
}
ROW_BYTES: Final = sum(d.itemsize for d in DTYPES.values())
"""Memory of one row without its text [B]."""


def _pick(text: Any, index: Any) -> Any:
    if isinstance(index, slice):
        start, stop, step = index.indices(len(text))
        if step == 1:
            return text.slice(start, max(0, stop - start))
        index = np.arange(start, stop, step)
    return text.take(pa.array(index, pa.int64()))


def empty() -> Samples:
    """No sample."""
    return Samples(**{name: np.empty(0, dtype) for name, dtype in DTYPES.items()})


def concat(parts: Sequence[Samples]) -> Samples:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS}
    text = None
    if any(p.text is not None for p in parts):
        text = pa.concat_arrays([pa.nulls(len(p), pa.string()) if p.text is None else p.text for p in parts])
    return Samples(**columns, text=text)


def in_order(samples: Samples) -> Samples:
    """Sorted by series, then time; rows of equal series and time stay in the order they have."""
    return samples.take(np.lexsort((samples.time_ns, samples.series)))


def last_words(ordered: Samples) -> Samples:
    """Of rows with the same series and time only the last. `ordered`: as `in_order` leaves them."""
    if len(ordered) < 2:
        return ordered
    series, time_ns = ordered.series, ordered.time_ns
    last = np.ones(len(ordered), np.bool_)
    last[:-1] = (series[1:] != series[:-1]) | (time_ns[1:] != time_ns[:-1])
    return ordered if last.all() else ordered.take(last)


def from_cells(
    series: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.uint8],
    cells: Cells,
    status: Statuses,
    time_ns: TimesNs,
    now_ns: int,
    class_id: npt.NDArray[np.uint8],
    flags: npt.NDArray[np.uint8],
    texts: Sequence[str] = (),
) -> Samples:
    """Samples of live cells, (n,) each.

    Args:
        kinds: Kind of each cell.
        now_ns: server time of them all [UTC ns].
        texts: of the rows that `speaks` names, in their order.
    Raises:
        ValueError: another number of texts.
    """
    usable = status < BAD
    floating = (kinds == Kind.Float) | (kinds == Kind.Double)
    value, whole, spoken = cells.view(np.float64), np.zeros(len(cells), np.bool_), np.zeros(len(cells), np.bool_)
    has_value = usable
    if not floating.all():
        is_text = kinds == Kind.String
        spoken, has_value = is_text & usable, usable & ~is_text
        unsigned = kinds == Kind.UInt64
        near = np.where(unsigned, cells.view(np.uint64).astype(np.float64), cells.astype(np.float64))
        value = np.where(floating, value, near)
        whole = ((cells > EXACT_MAX) | (cells < np.where(unsigned, 0, -EXACT_MAX))) & has_value & ~floating
    value = np.where(has_value, value, np.nan)
    said = int(np.count_nonzero(spoken))
    if said != len(texts):
        raise ValueError(f"samples: expected {said} texts, got {len(texts)}")
    text = None
    if said:
        text = pa.array(texts, pa.string()).take(pa.array(np.cumsum(spoken) - 1, mask=~spoken))
    return Samples(
        series=series,
        time_ns=time_ns,
        value=value,
        whole=np.where(whole, cells, 0) if whole.any() else np.zeros(len(cells), np.int64),
        status=status,
        lag_ds=lag_of(time_ns, now_ns),
        class_id=class_id,
        flags=flags | whole.view(np.uint8) * np.uint8(WHOLE) | spoken.view(np.uint8) * np.uint8(TEXT),
        text=text,
    )


def speaks(kinds: npt.NDArray[np.uint8], status: Statuses) -> npt.NDArray[np.bool_]:
    """True where the value is a text."""
    spoken: npt.NDArray[np.bool_] = (kinds == Kind.String) & (status < BAD)
    return spoken


def lag_of(time_ns: TimesNs, now_ns: int) -> npt.NDArray[np.int32]:
    """Server time - source time [0.1 s]."""
    lag = (now_ns - time_ns) // LAG_NS
    return np.minimum(np.maximum(lag, -(2**31)), 2**31 - 1).astype(np.int32)


def has_whole(samples: Samples) -> bool:
    """Whether any row has flag WHOLE."""
    return bool(np.bitwise_or.reduce(samples.flags) & WHOLE)


def to_arrow(samples: Samples, sparse: bool = False) -> Any:
    """A record batch of SCHEMA; with `sparse` without `whole` and `text` if no row has one."""
    s, n = samples, len(samples)
    held = has_whole(s)
    schema = _SPARSE[held, s.text is not None] if sparse else SCHEMA
    columns: list[Any] = []
    for name in schema.names:
        if name == "whole":
            columns.append(pa.array(s.whole, mask=(s.flags & WHOLE) == 0) if held else pa.nulls(n, pa.int64()))
        elif name == "text":
            columns.append(pa.nulls(n, pa.string()) if s.text is None else s.text)
        else:
            columns.append(pa.array(s.class_id if name == "class" else getattr(s, name)))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def from_arrow(batch: Any, alike: Mapping[str, int] = MappingProxyType({})) -> Samples:
    """Samples of a record batch or table that has the columns of SCHEMA; `whole` and `text` may be absent.

    Args:
        alike: columns that are not in it, because all rows say the same there.
    Raises:
        ValueError: a column is missing or of another type.
    """
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, dtype in DTYPES.items():
        stored = "class" if name == "class_id" else name
        if stored in alike:
            columns[name] = np.full(batch.num_rows, alike[stored], dtype)
            continue
        column = _column(batch, stored)
        if column is None:
            if name != "whole":
                raise ValueError(f"samples: column '{name}' is missing")
            columns[name] = np.zeros(batch.num_rows, np.int64)
            continue
        if column.type.to_pandas_dtype() is not dtype.type:
            raise ValueError(f"samples: expected column '{name}' of type {dtype}, got {column.type}")
        if column.null_count:
            column = column.fill_null(0)
        columns[name] = column.to_numpy(zero_copy_only=False)
    text = _column(batch, "text")
    if text is not None and text.null_count == len(text):
        text = None
    return Samples(**columns, text=text)


def _column(batch: Any, name: str) -> Any:
    index = batch.schema.get_field_index(name)
    if index < 0:
        return None
    column = batch.column(index)
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column
