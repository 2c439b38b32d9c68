# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_history.py, tests/property/test_hmi_history_bytes.py
"""What a HistoryRead asks: its details as bytes -> a question. Times keep their 100 ns.

Law of this file: no asyncua, no I/O; nothing is guessed: what cannot be read, or makes no sense, is a `Refused`.
Source: OPC 10000-11, 6.5 (structures); OPC 10000-6, 5.2 (bytes).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from config.words import StatusCode, TimesNs
from historian.aggregates.functions import AGGREGATES
from historian.aggregates.spans import Request
from historian.aggregates.trace import Configuration
from supervisor.hmi.values import EPOCH_TICKS

# Binary encodings of the details. Source: OPC 10000-6, annex A (NodeIds.csv).
RAW_DETAILS: Final = 649
PROCESSED_DETAILS: Final = 652
AT_TIME_DETAILS: Final = 655
EVENT_DETAILS: Final = 646

# NodeIds of the AggregateFunctions in namespace 0. Source: OPC 10000-13, 4.2.2.
AGGREGATE_IDS: Final = {
    2341: "Interpolative", 2342: "Average", 2343: "TimeAverage", 11285: "TimeAverage2", 2344: "Total",
    11304: "Total2", 2346: "Minimum", 2347: "Maximum", 2348: "MinimumActualTime", 2349: "MaximumActualTime",
    2350: "Range", 11286: "Minimum2", 11287: "Maximum2", 2352: "Count", 2357: "Start", 2358: "End", 2359: "Delta",
    11505: "StartBound", 2360: "DurationGood", 2361: "DurationBad", 2362: "PercentGood", 2363: "PercentBad",
    11426: "StandardDeviationSample", 11427: "StandardDeviationPopulation",
}  # fmt: skip
_TIME_MAX: Final = 2**62 - 1
_WIDTH_NS_MAX: Final = 2**62
_RAW: Final = struct.Struct("<?qqI?")
_PROCESSED: Final = struct.Struct("<qqd")
_CONFIGURATION: Final = struct.Struct("<??BB?")
_INT: Final = struct.Struct("<i")
NODE_ID_LENGTH: Final = {0: 2, 1: 4, 2: 7, 4: 19}


class Refused(Exception):
    """A question that is not answered; the code says why."""

    def __init__(self, code: StatusCode) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """Stored values. A time that is None was not specified; `most` 0: all."""

    start_ns: int | None
    end_ns: int | None
    most: int
    bounds: bool


@dataclass(frozen=True, slots=True)
class ProcessedQuestion:
    """Aggregates over intervals. A name that is None is not supported; configuration None: the server's."""

    request: Request
    names: tuple[str | None, ...]
    configuration: Configuration | None


@dataclass(frozen=True, slots=True)
class AtTimeQuestion:
    """Values at times, (n,), in any order."""

    times_ns: TimesNs
    simple_bounds: bool


Question = RawQuestion | ProcessedQuestion | AtTimeQuestion


def question(type_id: int, body: bytes, times_max: int) -> Question:
    """What the details of this encoding ask.

    Args:
        times_max: most times of one ReadAtTime.
    Raises:
        Refused: the operation is not supported, or its arguments are no good.
    """
    reader = {RAW_DETAILS: _raw, PROCESSED_DETAILS: _processed}.get(type_id)
    try:
        if type_id == AT_TIME_DETAILS:
            return _at_times(body, times_max)
        if reader is None:
            raise Refused(StatusCode.BadHistoryOperationUnsupported)
        return reader(body)
    except (struct.error, ValueError, IndexError, OverflowError):
        raise Refused(StatusCode.BadHistoryOperationInvalid) from None


def moment(ticks: int) -> int:
    """DateTime -> UTC ns, cut to 1824..2116."""
    return max(-_TIME_MAX, min((ticks - EPOCH_TICKS) * 100, _TIME_MAX))


def _unless_null(ticks: int) -> int | None:
    return None if ticks <= 0 else moment(ticks)


def _raw(body: bytes) -> RawQuestion:
    modified, start, end, most, bounds = _RAW.unpack(body)
    if modified:
        raise Refused(StatusCode.BadHistoryOperationUnsupported)
    asked = RawQuestion(_unless_null(start), _unless_null(end), most, bounds)
    if (asked.start_ns is None or asked.end_ns is None) and not most:
        raise Refused(StatusCode.BadInvalidTimestampArgument)
    if asked.start_ns is None and asked.end_ns is None:
        raise Refused(StatusCode.BadInvalidTimestampArgument)
    return asked


def _processed(body: bytes) -> ProcessedQuestion:
    start, end, width_ms = _PROCESSED.unpack_from(body)
    (count,) = _INT.unpack_from(body, _PROCESSED.size)
    at = _PROCESSED.size + _INT.size
    names: list[str | None] = []
    for _ in range(max(count, 0)):
        name, at = _aggregate(body, at)
        names.append(name)
    defaults, uncertain, bad, good, sloped = _CONFIGURATION.unpack(body[at:])
    if start <= 0 or end <= 0 or not 0 <= width_ms * 1e6 < _WIDTH_NS_MAX or moment(start) == moment(end):
        raise Refused(StatusCode.BadInvalidArgument)
    configuration = None
    if not defaults:
        configuration = Configuration(True, uncertain, bad, good, sloped)
        if not configuration.valid:
            raise Refused(StatusCode.BadAggregateConfigurationRejected)
    return ProcessedQuestion(Request(moment(start), moment(end), round(width_ms * 1e6)), tuple(names), configuration)


def _aggregate(body: bytes, at: int) -> tuple[str | None, int]:
    """Name of the aggregate whose NodeId begins at `at`, and where the next one begins."""
    kind = body[at]
    if kind in NODE_ID_LENGTH:
        length = NODE_ID_LENGTH[kind]
    else:
        length = 7 + max(_INT.unpack_from(body, at + 3)[0], 0)
    if at + length > len(body):
        raise ValueError("a NodeId is cut")
    number = -1
    if kind == 1 and body[at + 1] == 0:
        (number,) = struct.unpack_from("<H", body, at + 2)
    elif kind == 2 and body[at + 1 : at + 3] == b"\0\0":
        (number,) = struct.unpack_from("<I", body, at + 3)
    name = AGGREGATE_IDS.get(number)
    return name if name in AGGREGATES else None, at + length


def _at_times(body: bytes, times_max: int) -> AtTimeQuestion:
    (count,) = _INT.unpack_from(body)
    if count <= 0:
        raise Refused(StatusCode.BadInvalidTimestampArgument)
    if count > times_max:
        raise Refused(StatusCode.BadTooManyOperations)
    if len(body) != _INT.size + 8 * count + 1:
        raise ValueError("the times are cut")
    ticks = np.frombuffer(body, "<i8", count, _INT.size)
    reach = _TIME_MAX // 100
    times = np.clip(ticks, EPOCH_TICKS - reach, EPOCH_TICKS + reach) - EPOCH_TICKS
    return AtTimeQuestion(times * 100, bool(body[-1]))
