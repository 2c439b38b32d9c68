# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_item_filters.py
"""What a DataChangeFilter asks for: a trigger, and an absolute deadband.

Law of this file: pure; a filter in, or the code that refuses it.

Source: OPC 10000-4, 7.22.2 (DataChangeFilter); OPC 10000-8, 7.2 (PercentDeadband).
"""

from __future__ import annotations

from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import uaprotocol_auto as wire  # what its decoder makes; `ua.DataChangeFilter` is a subclass

from supervisor.hmi.model.space import Place
from supervisor.hmi.publishing.columns import Trigger

_CODES: Final = ua.StatusCodes
_VALUE: Final = int(ua.AttributeIds.Value)


def data_filter(wanted: Any, attribute: int, numeric: bool, span: float) -> tuple[Trigger, float]:
    """Trigger and absolute deadband of a DataChangeFilter.

    Args:
        span: of EURange, NaN without one.
    Raises:
        ServiceError: BadFilterNotAllowed, BadMonitoredItemFilterUnsupported, BadDeadbandFilterInvalid.
    """
    if wanted is None or (isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null()):
        return Trigger.VALUE, 0.0
    if isinstance(wanted, wire.AggregateFilter) and attribute == _VALUE:
        raise ServiceError(_CODES.BadMonitoredItemFilterUnsupported)
    if isinstance(wanted, wire.EventFilter | wire.AggregateFilter) or attribute != _VALUE:
        raise ServiceError(_CODES.BadFilterNotAllowed)
    if not isinstance(wanted, wire.DataChangeFilter):
        raise ServiceError(_CODES.BadMonitoredItemFilterUnsupported)
    trigger, type_ = Trigger(int(wanted.Trigger)), int(wanted.DeadbandType)
    if type_ == ua.DeadbandType.None_:
        return trigger, 0.0
    if not numeric:
        raise ServiceError(_CODES.BadFilterNotAllowed)
    band = float(wanted.DeadbandValue)
    if type_ == ua.DeadbandType.Percent:
        band = band / 100.0 * span if 0.0 <= band <= 100.0 else -1.0
    if not band >= 0.0 or type_ not in (ua.DeadbandType.Absolute, ua.DeadbandType.Percent):
        raise ServiceError(_CODES.BadDeadbandFilterInvalid)
    return (Trigger.VALUE if trigger is Trigger.TIMESTAMP and band else trigger), band


def tag_filter(wanted: Any, place: Place) -> tuple[Trigger, float]:
    """The same for the value of a tag."""
    info = place.block.info if place.block is not None else None
    numeric = info is not None and (info.kind.is_float or info.kind.is_integer)
    return data_filter(wanted, _VALUE, numeric, info.high - info.low if info is not None else float("nan"))
