# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_history_raw.py
"""Stored values in pages, forward and backward, with or without bounds.

Law of this file: blocking reads of one page, bounded by its size. A page ends between two times and the next one goes
on behind it, so that no value is lost or told twice, whatever arrives meanwhile.
Source: OPC 10000-11, 6.5.3.2 (raw), 4.6 with table 1 (bounds), 4.3 (gaps).

Where recording stopped, and where part of what was stored cannot be read any more, stands a value without value,
BadDataLost: at the time at which the gap begins, or at the start of the range if that lies in it.

An answer has three parts: the bound at the start, the values, the bound at the end. `State` says which of them is next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from config.words import NS_PER_S, Kind, StatusCode, TimesNs
from historian.store.query import LOOK_BACK_NS
from historian.store.reader import Reader
from historian.store.samples import DTYPES, Samples, concat, empty
from historian.store.view import Raw
from supervisor.hmi.history.details import RawQuestion
from supervisor.hmi.history.encoding import Column, joined, of_samples, reversed_column

_EVER: Final = 2**62
_TICK_NS: Final = 100
"""Resolution of times on the wire: a gap begins just behind what was last known. Source: OPC 10000-6, 5.2.2.5."""


class Part(IntEnum):
    """Which part of an answer comes next."""

    START = 0
    VALUES = 1
    END = 2


@dataclass(frozen=True, slots=True)
class State:
    """Where an answer goes on.

    Attributes:
        low_ns, high_ns: what is left of the values, low <= time < high.
        left: values that may still be told, bounds included; None: all.
        told_ns: time of the last value told, None before the first.
    """

    part: Part
    low_ns: int
    high_ns: int
    left: int | None
    told_ns: int | None = None


def backward(asked: RawQuestion) -> bool:
    """Whether time flows backward: the end lies before the start, or only the end was specified."""
    if asked.start_ns is None:
        return True
    return asked.end_ns is not None and asked.end_ns < asked.start_ns


def begin(asked: RawQuestion) -> State:
    """Where an answer begins. The start belongs to the range, the end does not, unless they are the same time."""
    first = asked.start_ns if asked.start_ns is not None else asked.end_ns
    last = asked.end_ns if asked.start_ns is not None else None
    if first is None:
        raise ValueError("a raw question without a time")
    limited = None if asked.start_ns is not None and asked.end_ns is not None else asked.most
    part = Part.START if asked.bounds else Part.VALUES
    if backward(asked):
        return State(part, -_EVER if last is None else last + 1, first + 1, limited)
    high_ns = _EVER if last is None else first + 1 if last == first else last
    return State(part, first, high_ns, limited)


def page(
    reader: Reader, series: int, kind: Kind, asked: RawQuestion, state: State, most: int
) -> tuple[Column, State | None]:
    """At most `most` values, and where to go on; None: that was all.

    Raises:
        StoreError: the files cannot be read.
    """
    room = min([most, *([asked.most] if asked.most else []), *([state.left] if state.left is not None else [])])
    columns = [of_samples(empty(), kind)]
    if state.part is Part.START and room:
        bound = _start_bound(reader, series, kind, asked)
        columns += [bound] if bound is not None else []
        state = _told(replace(state, part=Part.VALUES), bound)
    if state.part is Part.VALUES and (free := room - sum(map(len, columns))) > 0:
        values, state = _values(reader, series, kind, asked, state, free)
        columns.append(values)
    if state.part is Part.END and asked.bounds and room > sum(map(len, columns)):
        bound = _end_bound(reader, series, kind, asked, state)
        columns.append(bound)
        state = replace(state, part=Part.END, left=0)
    column = joined([c for c in columns if len(c)] or columns[:1])
    over = state.left == 0 or (state.part is Part.END and not asked.bounds)
    return column, None if over else state


def _told(state: State, column: Column | None) -> State:
    """The state after these values were told."""
    if column is None or not len(column):
        return state
    left = None if state.left is None else state.left - len(column)
    return replace(state, left=left, told_ns=int(column.source_ns[-1]))


def _values(
    reader: Reader, series: int, kind: Kind, asked: RawQuestion, state: State, most: int
) -> tuple[Column, State]:
    if backward(asked):
        found = reader.latest(series, state.low_ns, state.high_ns, most + 1)
        low_ns = state.low_ns if found.complete else int(found.samples.time_ns[0])
        samples = _with_gaps(found, begin(asked).low_ns, low_ns, state.high_ns)
        more = len(samples) > most or not found.complete
        column = reversed_column(of_samples(samples.take(slice(-most, None)), kind))
        after = replace(state, high_ns=int(column.source_ns[-1]) if len(column) else state.high_ns)
    else:
        found = reader.raw(series, state.low_ns, state.high_ns, most)
        high_ns = state.high_ns if found.complete else int(found.samples.time_ns[-1]) + 1
        samples = _with_gaps(found, begin(asked).low_ns, state.low_ns, high_ns)
        more = len(samples) > most or not found.complete
        column = of_samples(samples.take(slice(0, most)), kind)
        after = replace(state, low_ns=int(column.source_ns[-1]) + 1 if len(column) else state.low_ns)
    return column, _told(after if more else replace(after, part=Part.END), column)


def _with_gaps(found: Raw, range_ns: int, low_ns: int, high_ns: int) -> Samples:
    """What was read, and a mark for each gap of which the first told time lies in low <= time < high.

    Args:
        range_ns: where the range of the question begins; a gap that began earlier is told there [UTC ns].
    """
    starts = {max(start + _TICK_NS, range_ns) for start, _ in (*found.stops, *found.lost)}
    times = np.array(sorted(t for t in starts if low_ns <= t < high_ns), np.int64)
    times = times[~np.isin(times, found.samples.time_ns)]
    if not len(times):
        return found.samples
    every = concat([found.samples, _marks(times)])
    return every.take(np.argsort(every.time_ns, kind="stable"))


def _marks(times_ns: TimesNs) -> Samples:
    nothing = {name: np.zeros(len(times_ns), dtype) for name, dtype in DTYPES.items()}
    lost = np.full(len(times_ns), StatusCode.BadDataLost, np.uint32)
    return Samples(**{**nothing, "time_ns": times_ns, "value": np.full(len(times_ns), np.nan), "status": lost})


def _start_bound(reader: Reader, series: int, kind: Kind, asked: RawQuestion) -> Column | None:
    """The value on the far side of the start; None if one lies on it: that is the bound, and comes with the values."""
    start_ns = asked.start_ns if asked.start_ns is not None else asked.end_ns
    if start_ns is None or len(reader.raw(series, start_ns, start_ns + 1, 1).samples):
        return None
    found = _later(reader, series, start_ns) if backward(asked) else _earlier(reader, series, start_ns)
    return of_samples(found, kind) if len(found) else _not_found(kind, start_ns)


def _end_bound(reader: Reader, series: int, kind: Kind, asked: RawQuestion, state: State) -> Column:
    """The value on the end or on its far side; where no end was specified, that there is none."""
    step_ns = -NS_PER_S if backward(asked) else NS_PER_S
    if asked.start_ns is None or asked.end_ns is None:
        given = asked.start_ns if asked.start_ns is not None else asked.end_ns
        last_ns = state.told_ns if state.told_ns is not None else given or 0
        return _not_found(kind, last_ns + step_ns)
    end_ns = asked.end_ns
    if backward(asked):
        found = _earlier(reader, series, end_ns + 1)
    else:
        found = _later(reader, series, end_ns if asked.start_ns == end_ns else end_ns - 1)
    return of_samples(found, kind) if len(found) else _not_found(kind, end_ns)


def _earlier(reader: Reader, series: int, time_ns: int) -> Samples:
    return reader.latest(series, time_ns - LOOK_BACK_NS, time_ns, 1).samples


def _later(reader: Reader, series: int, time_ns: int) -> Samples:
    return reader.raw(series, time_ns + 1, time_ns + 1 + LOOK_BACK_NS, 1).samples


def _not_found(kind: Kind, time_ns: int) -> Column:
    """What stands where there is no bound: null at the time asked for, BadBoundNotFound."""
    form = of_samples(empty(), kind)
    value = [None] if isinstance(form.value, list) else np.zeros(1, form.value.dtype)
    status, at = np.array([StatusCode.BadBoundNotFound], np.uint32), np.array([time_ns], np.int64)
    return Column(form.type, value, np.ones(1, np.bool_), status, at, at)
