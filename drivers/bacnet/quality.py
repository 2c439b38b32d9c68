# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py
"""What a device says of its values, as StatusCodes.

Law of this file: tables. Sources: ASHRAE 135, clauses 12.2.7 (Status_Flags), 12.2.9 (Reliability), 12.2.10
(Out_Of_Service) of the Analog Input object, said alike of every other object; OPC 10000-4, 7.39.

    flag             status of a value that came                     why
    fault            by Reliability, see RELIABILITY                 the device itself does not believe the value
    out-of-service   UncertainSubstituteValue                        it is no longer what the input or output has
    overridden       GoodLocalOverride                               someone on the spot holds it
    in-alarm         none                                            an alarm is no matter of quality

The first of them that is set decides.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import StatusCode, Statuses

IN_ALARM, FAULT, OVERRIDDEN, OUT_OF_SERVICE = 1, 2, 4, 8

RELIABILITY: Final[dict[int, StatusCode]] = {
    1: StatusCode.BadSensorFailure,  # no-sensor
    2: StatusCode.UncertainEngineeringUnitsExceeded,  # over-range
    3: StatusCode.UncertainEngineeringUnitsExceeded,  # under-range
    4: StatusCode.BadSensorFailure,  # open-loop
    5: StatusCode.BadSensorFailure,  # shorted-loop
    6: StatusCode.BadDeviceFailure,  # no-output
    7: StatusCode.UncertainSensorNotAccurate,  # unreliable-other
    8: StatusCode.BadDeviceFailure,  # process-error
    9: StatusCode.BadDeviceFailure,  # multi-state-fault
    10: StatusCode.BadConfigurationError,  # configuration-error
    12: StatusCode.BadNoCommunication,  # communication-failure: behind the device, not before it
}
"""Reliability of a value whose fault flag is set; any other: BadDeviceFailure."""

REFUSED: Final[dict[tuple[int, int], tuple[StatusCode, str]]] = {
    (1, 31): (StatusCode.BadNodeIdUnknown, "the device has no such object (any more)"),
    (1, 36): (StatusCode.BadNodeIdUnknown, "the device knows no such type of object"),
    (2, 32): (StatusCode.BadNodeIdUnknown, "the object has no such property"),
    (2, 42): (StatusCode.BadOutOfRange, "the array has no such element"),
    (2, 50): (StatusCode.BadOutOfRange, "the property is no array"),
    (2, 27): (StatusCode.BadUserAccessDenied, "the property may not be read"),
    (4, 27): (StatusCode.BadUserAccessDenied, "the property may not be read"),
    (2, 41): (StatusCode.BadNotSupported, "the text is in a character set the device cannot send"),
    (2, 47): (StatusCode.BadNotSupported, "the device cannot send this type"),
}
"""(error class, code) of clause 18 -> status and what it means. Any other: BadDeviceFailure."""

_BY_FLAGS: Final = np.array(
    [
        StatusCode.BadDeviceFailure
        if flags & FAULT
        else StatusCode.UncertainSubstituteValue
        if flags & OUT_OF_SERVICE
        else StatusCode.GoodLocalOverride
        if flags & OVERRIDDEN
        else StatusCode.Good
        for flags in range(16)
    ],
    np.uint32,
)


def weigh(statuses: Statuses, flags: npt.NDArray[np.uint8], reliabilities: dict[int, int]) -> None:
    """Write into `statuses` what the flags say of those values that are Good.

    Args:
        reliabilities: place -> Reliability, as far as it is known, of those with the fault flag.
    """
    if not flags.any():
        return
    said = _BY_FLAGS[flags & 15]
    for place, reliability in reliabilities.items():
        if flags[place] & FAULT:
            said[place] = RELIABILITY.get(reliability, StatusCode.BadDeviceFailure)
    good = statuses == StatusCode.Good
    statuses[good] = said[good]


def refused(code: int) -> tuple[StatusCode, str]:
    """Status and meaning of an error, class << 16 | code."""
    return REFUSED.get((code >> 16, code & 0xFFFF), (StatusCode.BadDeviceFailure, "the device cannot read it"))
