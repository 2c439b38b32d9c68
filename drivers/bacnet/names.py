# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_codec.py, tests/property/test_bacnet_codec.py
"""The standard's names and numbers, as an engineer writes them and as a device says them.

Law of this file: tables only. Source: ASHRAE 135, clause 21 (BACnetObjectType, BACnetPropertyIdentifier, Error,
BACnetReliability, BACnetAbortReason, BACnetRejectReason).
"""

from __future__ import annotations

from typing import Final

OBJECT_TYPES: Final = {
    "analog-input": 0, "analog-output": 1, "analog-value": 2, "binary-input": 3, "binary-output": 4,
    "binary-value": 5, "device": 8, "loop": 12, "multi-state-input": 13, "multi-state-output": 14, "schedule": 17,
    "multi-state-value": 19, "life-safety-point": 21, "life-safety-zone": 22, "accumulator": 23,
    "pulse-converter": 24, "access-door": 30, "bitstring-value": 39, "characterstring-value": 40,
    "integer-value": 45, "large-analog-value": 46, "positive-integer-value": 48, "lighting-output": 54,
    "binary-lighting-output": 55,
}  # fmt: skip

PROPERTIES: Final = {
    "active-text": 4, "cov-increment": 22, "description": 28, "event-state": 36, "firmware-revision": 44,
    "high-limit": 45, "inactive-text": 46, "low-limit": 59, "max-apdu-length-accepted": 62, "max-pres-value": 65,
    "min-pres-value": 69, "model-name": 70, "mode": 160, "number-of-states": 74, "object-identifier": 75,
    "object-list": 76, "object-name": 77, "object-type": 79, "out-of-service": 81, "polarity": 84,
    "present-value": 85, "priority-array": 87, "protocol-services-supported": 97, "reliability": 103,
    "relinquish-default": 104, "segmentation-supported": 107, "setpoint": 108, "state-text": 110,
    "status-flags": 111, "system-status": 112, "units": 117, "utc-offset": 119, "vendor-identifier": 120,
    "vendor-name": 121, "database-revision": 155, "tracking-value": 164, "pulse-rate": 186, "serial-number": 372,
}  # fmt: skip

PRESENT_VALUE: Final = PROPERTIES["present-value"]
STATUS_FLAGS: Final = PROPERTIES["status-flags"]
RELIABILITY: Final = PROPERTIES["reliability"]
PRIORITY_ARRAY: Final = PROPERTIES["priority-array"]
OBJECT_NAME: Final = PROPERTIES["object-name"]
OBJECT_LIST: Final = PROPERTIES["object-list"]
OBJECT_IDENTIFIER: Final = PROPERTIES["object-identifier"]
SERVICES_SUPPORTED: Final = PROPERTIES["protocol-services-supported"]
SYSTEM_STATUS: Final = PROPERTIES["system-status"]
COV_INCREMENT: Final = PROPERTIES["cov-increment"]
RELINQUISH_DEFAULT: Final = PROPERTIES["relinquish-default"]
DEVICE: Final = OBJECT_TYPES["device"]
ANY_INSTANCE: Final = 4194303  # of the device object: whoever it is that is asked (clause 15.5.2)

COMMANDABLE: Final = frozenset((1, 2, 4, 5, 14, 19, 30, 39, 40, 45, 46, 48, 54, 55))
"""Object types whose present-value may stand on a priority array. Source: clause 19.2."""

MULTI_STATE: Final = frozenset((13, 14, 19))
"""Object types whose states count from 1. Source: clause 12.18.4."""

COV_TYPES: Final = frozenset((0, 1, 2, 3, 4, 5, 12, 13, 14, 19, 21, 22, 24, 30, 39, 40, 45, 46, 48, 54, 55))
"""Object types that report changes of their present-value. Source: clause 13.1, table 13-1."""

ERROR_CLASSES: Final = {
    0: "device", 1: "object", 2: "property", 3: "resources", 4: "security", 5: "services", 6: "vt",
    7: "communication",
}  # fmt: skip

ERROR_CODES: Final = {
    0: "other", 2: "configuration-in-progress", 3: "device-busy", 7: "inconsistent-parameters",
    9: "invalid-data-type", 13: "invalid-parameter-data-type", 16: "missing-required-parameter",
    18: "no-space-for-object", 19: "no-space-to-add-list-element", 20: "no-space-to-write-property",
    25: "operational-problem", 26: "password-failure", 27: "read-access-denied", 29: "service-request-denied",
    30: "timeout", 31: "unknown-object", 32: "unknown-property", 36: "unsupported-object-type",
    37: "value-out-of-range", 40: "write-access-denied", 41: "character-set-not-supported",
    42: "invalid-array-index", 43: "cov-subscription-failed", 44: "not-cov-property",
    45: "optional-functionality-not-supported", 46: "invalid-configuration-data", 47: "datatype-not-supported",
    50: "property-is-not-an-array", 79: "unknown-subscription", 83: "communication-disabled",
}  # fmt: skip

REJECT_REASONS: Final = {
    0: "other", 1: "buffer-overflow", 2: "inconsistent-parameters", 3: "invalid-parameter-data-type",
    4: "invalid-tag", 5: "missing-required-parameter", 6: "parameter-out-of-range", 7: "too-many-arguments",
    8: "undefined-enumeration", 9: "unrecognized-service",
}  # fmt: skip

ABORT_REASONS: Final = {
    0: "other", 1: "buffer-overflow", 2: "invalid-apdu-in-this-state", 3: "preempted-by-higher-priority-task",
    4: "segmentation-not-supported", 5: "security-error", 6: "insufficient-security",
    7: "window-size-out-of-range", 8: "application-exceeded-reply-time", 9: "out-of-resources", 10: "tsm-timeout",
    11: "apdu-too-long",
}  # fmt: skip

RELIABILITIES: Final = {
    0: "no-fault-detected", 1: "no-sensor", 2: "over-range", 3: "under-range", 4: "open-loop", 5: "shorted-loop",
    6: "no-output", 7: "unreliable-other", 8: "process-error", 9: "multi-state-fault", 10: "configuration-error",
    12: "communication-failure", 13: "member-fault", 14: "monitored-object-fault", 15: "tripped",
    16: "lamp-failure", 17: "activation-failure", 24: "referenced-object-fault",
}  # fmt: skip

_TYPE_NAMES: Final = {number: name for name, number in OBJECT_TYPES.items()}
_PROPERTY_NAMES: Final = {number: name for name, number in PROPERTIES.items()}


def object_type_name(number: int) -> str:
    """'analog-input', or 'object type 200' of one that has no name here."""
    return _TYPE_NAMES.get(number, f"object type {number}")


def property_name(number: int) -> str:
    """'present-value', or 'property 512'."""
    return _PROPERTY_NAMES.get(number, f"property {number}")


def error_text(class_: int, code: int) -> str:
    """'object: unknown-object'."""
    return f"{ERROR_CLASSES.get(class_, f'class {class_}')}: {ERROR_CODES.get(code, f'code {code}')}"
