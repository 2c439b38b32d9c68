# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_words.py
"""The words everyone speaks: status, kind, cell, access, batch, permit, clock.

Law of this file: numpy only. No I/O, no asyncio, no protocol library, no knowledge of tags or devices.

A **cell** is 8 bytes. Its meaning comes from the `Kind` of the block it lies in: Boolean, integers, enumerations
and DateTime are int64 (UInt64: uint64), Float and Double are float64, String is an index into a bounded pool.
Arrays of cells are always held as int64 and *viewed* as what they are, so that no copy and no per-value Python
object is ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Cells = npt.NDArray[np.int64]
Statuses = npt.NDArray[np.uint32]
TimesNs = npt.NDArray[np.int64]

NS_PER_S: Final = 1_000_000_000


class StatusCode(IntEnum):
    """Quality of a value or result of a service. Source: OPC 10000-6 annex A.2 (StatusCode.csv), 1.05."""

    Good = 0x00000000
    GoodClamped = 0x00300000
    GoodLocalOverride = 0x00960000
    GoodCompletesAsynchronously = 0x002E0000
    GoodNoData = 0x00A50000
    GoodMoreData = 0x00A60000
    Uncertain = 0x40000000
    UncertainNoCommunicationLastUsableValue = 0x408F0000
    UncertainLastUsableValue = 0x40900000
    UncertainSubstituteValue = 0x40910000
    UncertainInitialValue = 0x40920000
    UncertainSensorNotAccurate = 0x40930000
    UncertainEngineeringUnitsExceeded = 0x40940000
    UncertainSubNormal = 0x40950000
    UncertainDataSubNormal = 0x40A40000
    Bad = 0x80000000
    BadUnexpectedError = 0x80010000
    BadInternalError = 0x80020000
    BadOutOfMemory = 0x80030000
    BadResourceUnavailable = 0x80040000
    BadCommunicationError = 0x80050000
    BadTimeout = 0x800A0000
    BadTooManyOperations = 0x80100000
    BadUserAccessDenied = 0x801F0000
    BadWaitingForInitialData = 0x80320000
    BadNodeIdUnknown = 0x80340000
    BadIndexRangeNoData = 0x80370000
    BadDataEncodingInvalid = 0x80380000
    BadNotReadable = 0x803A0000
    BadNotWritable = 0x803B0000
    BadOutOfRange = 0x803C0000
    BadNotSupported = 0x803D0000
    BadNotImplemented = 0x80400000
    BadEventFilterInvalid = 0x80470000
    BadContinuationPointInvalid = 0x804A0000
    BadNoContinuationPoints = 0x804B0000
    BadQueryTooComplex = 0x806E0000
    BadHistoryOperationInvalid = 0x80710000
    BadHistoryOperationUnsupported = 0x80720000
    BadTypeMismatch = 0x80740000
    BadConfigurationError = 0x80890000
    BadNotConnected = 0x808A0000
    BadDeviceFailure = 0x808B0000
    BadSensorFailure = 0x808C0000
    BadOutOfService = 0x808D0000
    BadNoCommunication = 0x80310000
    BadInvalidState = 0x80AF0000
    BadInvalidArgument = 0x80AB0000
    BadInvalidTimestampArgument = 0x80BD0000
    BadAggregateListMismatch = 0x80D40000
    BadAggregateNotSupported = 0x80D50000
    BadAggregateInvalidInputs = 0x80D60000
    BadAggregateConfigurationRejected = 0x80DA0000
    BadConditionAlreadyDisabled = 0x80980000
    BadConditionDisabled = 0x80990000
    BadEventIdUnknown = 0x809A0000
    BadNoData = 0x809B0000
    BadDataLost = 0x809D0000
    BadBoundNotFound = 0x80D70000
    BadConditionAlreadyEnabled = 0x80CC0000
    BadConditionBranchAlreadyAcked = 0x80CF0000
    BadConditionBranchAlreadyConfirmed = 0x80D00000
    BadConditionAlreadyShelved = 0x80D10000
    BadConditionNotShelved = 0x80D20000
    BadShelvingTimeOutOfRange = 0x80D30000
    BadRequestTimeout = 0x80850000


SEVERITY_MASK: Final = 0xC0000000
BAD: Final = 0x80000000
UNCERTAIN: Final = 0x40000000


def is_good(status: Statuses) -> npt.NDArray[np.bool_]:
    """True where the severity is Good. Source: OPC 10000-4, 7.39 (top two bits)."""
    return status < UNCERTAIN


def is_bad(status: Statuses) -> npt.NDArray[np.bool_]:
    """True where the severity is Bad: the value is null for every reader."""
    return status >= BAD


class Kind(IntEnum):
    """Data type of a tag. The number is the OPC UA DataType (ns=0; i=29 is Enumeration). Source: OPC 10000-6, 5.1.2."""

    Boolean = 1
    SByte = 2
    Byte = 3
    Int16 = 4
    UInt16 = 5
    Int32 = 6
    UInt32 = 7
    Int64 = 8
    UInt64 = 9
    Float = 10
    Double = 11
    String = 12
    DateTime = 13
    Enumeration = 29

    @property
    def is_float(self) -> bool:
        return self in (Kind.Float, Kind.Double)

    @property
    def is_integer(self) -> bool:
        """Counts and codes: what an integer register can hold exactly (not Boolean, not DateTime)."""
        return Kind.SByte <= self <= Kind.UInt64 or self is Kind.Enumeration

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """How a cell of this kind is viewed. DateTime: UTC nanoseconds since 1970. String: index into the pool."""
        if self.is_float:
            return np.dtype(np.float64)
        return np.dtype(np.uint64) if self is Kind.UInt64 else np.dtype(np.int64)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Smallest and largest integer of this kind, None where the question has no meaning."""
        return _BOUNDS.get(self)


_BOUNDS: Final[dict[Kind, tuple[int, int]]] = {
    Kind.Boolean: (0, 1),
    Kind.SByte: (-(2**7), 2**7 - 1),
    Kind.Byte: (0, 2**8 - 1),
    Kind.Int16: (-(2**15), 2**15 - 1),
    Kind.UInt16: (0, 2**16 - 1),
    Kind.Int32: (-(2**31), 2**31 - 1),
    Kind.UInt32: (0, 2**32 - 1),
    Kind.Int64: (-(2**63), 2**63 - 1),
    Kind.UInt64: (0, 2**64 - 1),
    Kind.Enumeration: (0, 2**31 - 1),
}


def cell_of(kind: Kind, value: bool | int | float) -> int:
    """One value as the int64 bits of a cell (String: pass the pool index).

    Raises:
        OverflowError: an integer outside the bounds of `kind`.
    """
    if kind.is_float:
        return int(np.float64(value).view(np.int64))
    number = int(value)
    if (bounds := kind.bounds) is not None and not bounds[0] <= number <= bounds[1]:
        raise OverflowError(f"expected {kind.name} {bounds[0]}..{bounds[1]}, got {number}")
    return number - 2**64 if number >= 2**63 else number


def value_of(kind: Kind, cell: int) -> bool | int | float:
    """The value of one cell (String: its pool index; DateTime: UTC nanoseconds)."""
    if kind.is_float:
        return float(np.int64(cell).view(np.float64))
    if kind is Kind.Boolean:
        return bool(cell)
    return int(cell) % 2**64 if kind is Kind.UInt64 else int(cell)


class Access(StrEnum):
    """What a client may do with a tag."""

    R = "r"
    RW = "rw"
    W = "w"

    @property
    def readable(self) -> bool:
        return self is not Access.W

    @property
    def writable(self) -> bool:
        return self is not Access.R


class LinkState(StrEnum):
    """State of one connection to the field."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    BACKING_OFF = "backing_off"


class Outcome(StrEnum):
    """What the wire said of one write."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """How a command ended, with its evidence (read-back, effect)."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


@dataclass(slots=True, eq=False)  # not frozen: that costs a microsecond a reading; nobody changes one once it is made
class Batch:
    """Readings of one request: parallel arrays of length n, in the order of the request's rows.

    Attributes:
        request: id of the request (or subscription) they answer; staleness is judged per request.
        rows: row in the tag table, (n,).
        cells: raw values as the device says them, before scaling, (n,).
        statuses: StatusCode of each, (n,).
        source_ns: UTC time the value had at its source [ns], (n,).
        texts: for rows of kind String only: {position in the arrays: text}; the cell there is ignored.
    """

    request: int
    rows: Rows
    cells: Cells
    statuses: Statuses
    source_ns: TimesNs
    texts: dict[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to write to the field: who holds the role (epoch) and until when.

    Attributes:
        epoch: number of the role's holder; grows by one each time the role is won.
        deadline_s: last instant at which a byte may leave [s of `Clock.boot_s`].
    """

    epoch: int
    deadline_s: float

    def valid(self, boot_s: float) -> bool:
        """True while a write may leave. Checked last, right before the socket."""
        return boot_s < self.deadline_s


class Clock(Protocol):
    """The only reader of time. Everyone else is handed one."""

    def wall_ns(self) -> int:
        """UTC now [ns since 1970]."""
        ...

    def boot_s(self) -> float:
        """Seconds since some fixed instant, never stepped, running through suspend (CLOCK_BOOTTIME)."""
        ...
