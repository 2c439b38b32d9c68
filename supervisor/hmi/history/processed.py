# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history_processed.py
"""Aggregates and values at times in pages.

Law of this file: blocking reads of one page, bounded by its size; `state` is how many results were told before.
Source: OPC 10000-11, 6.5.4 (processed) and 6.5.5 (at times); OPC 10000-13.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, Kind, StatusCode, TimesNs
from historian.aggregates.functions import AGGREGATES, Form
from historian.aggregates.reading import TooManySamples, read_at_times, read_at_times_exactly, read_processed
from historian.store.reader import Reader
from supervisor.hmi.history.details import AtTimeQuestion, ProcessedQuestion, Refused
from supervisor.hmi.history.encoding import Column, of_results, of_samples
from supervisor.hmi.history.tags import Tag

_UNSIGNED: Final = (Kind.Byte, Kind.UInt16, Kind.UInt32, Kind.UInt64)
_NOT_NUMBERS: Final = (Kind.String, Kind.DateTime)


def result_kind(name: str, kind: Kind) -> Kind:
    """Data type of an aggregate of a tag. Differences of unsigned counters may be negative: they are Double."""
    form = AGGREGATES[name].form
    if form is Form.DOUBLE or (name == "Delta" and kind in _UNSIGNED):
        return Kind.Double
    return Kind.Int32 if form is Form.COUNT else kind


def fits(name: str, kind: Kind) -> bool:
    """Texts and times have no mean and no extremes, only a quality."""
    return kind not in _NOT_NUMBERS or AGGREGATES[name].of_quality


def processed_page(
    reader: Reader, tag: Tag, name: str, asked: ProcessedQuestion, first: int, most: int, now_ns: int
) -> tuple[Column, int | None]:
    """At most `most` results from number `first` on, and where to go on.

    Raises:
        Refused: an interval needs too many samples.
        StoreError: the files cannot be read.
    """
    config = tag.configuration(asked.configuration)
    try:
        found = read_processed(reader, tag.series, name, asked.request, (first, most), config, now_ns)
    except TooManySamples:
        raise Refused(StatusCode.BadQueryTooComplex) from None
    told = first + len(found.status)
    column = of_results(result_kind(name, tag.kind), found.value, found.status, found.time_ns)
    return column, told if told < len(asked.request) else None


def at_time_page(
    reader: Reader, tag: Tag, asked: AtTimeQuestion, first: int, most: int, now_ns: int
) -> tuple[Column, int | None]:
    """Values at the times from number `first` on, in the order asked.

    Raises:
        Refused: too many samples lie between the times.
        StoreError: the files cannot be read.
    """
    times = asked.times_ns[first : first + most]
    order = np.argsort(times, kind="stable")
    config, exact = tag.configuration(None), tag.stepped and not tag.kind.is_float
    try:
        if exact:
            column = _exactly(reader, tag, times, order, asked.simple_bounds, now_ns)
        else:
            found = read_at_times(reader, tag.series, times[order], asked.simple_bounds, config, now_ns)
            back = np.argsort(order)
            column = of_results(tag.kind, found.value[back], found.status[back], times)
    except TooManySamples:
        raise Refused(StatusCode.BadQueryTooComplex) from None
    told = first + len(times)
    return column, told if told < len(asked.times_ns) else None


def _exactly(
    reader: Reader, tag: Tag, times: TimesNs, order: npt.NDArray[np.intp], simple_bounds: bool, now_ns: int
) -> Column:
    """Texts, times and whole numbers of 64 bits: the samples themselves, told at the times asked for."""
    config = tag.configuration(None)
    found, samples = read_at_times_exactly(reader, tag.series, times[order], simple_bounds, config, now_ns)
    back = np.argsort(order)
    position, status = found.value[back], found.status[back]
    missing = np.isnan(position)
    if not len(samples):
        return of_results(tag.kind, position, status, times)
    column = of_samples(samples.take(np.where(missing, 0, position).astype(np.intp)), tag.kind)
    return replace(
        column,
        null=missing | column.null | (status >= BAD),
        status=np.where(column.null & (status < BAD), column.status, status),
        source_ns=times,
        server_ns=None,
    )
