# SPDX-License-Identifier: Apache-2.0

# Tests: tests/system/conformance/test_attributes.py
"""One attribute of one node, as one user may see it: what Read and monitored items share.

Law of this file: status codes of OPC 10000-4, 5.11.2, in its order: the node, the attribute, the right to read, the
encoding, the range. Whole lists of tags do not come here (`request.py`, `values.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError

from config.words import BAD, Clock
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.nodes import Asker, data_value, filetime
from supervisor.hmi.ranges import check_encoding, parse_range, part_of

_VALUE: Final = int(ua.AttributeIds.Value)
_CURRENT_READ: Final = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads attributes of nodes of all namespaces.

    Attributes:
        stock: asyncua's AddressSpace, for the access levels of namespaces 0 and 1.
    """

    stock: Any
    attributes: Attributes
    clock: Clock

    def read(self, wanted: ua.ReadValueId, asker: Asker) -> ua.DataValue:
        """The value, or a DataValue that says by its status why there is none."""
        try:
            ranges = parse_range(wanted.IndexRange) if wanted.IndexRange else None
            value = self.whole(wanted.NodeId, int(wanted.AttributeId), asker)
            variant = value.Value
            if value.StatusCode is None or value.StatusCode.value < BAD:
                check_encoding(wanted.DataEncoding, int(wanted.AttributeId), variant)
                if ranges is not None:
                    variant = part_of(variant or ua.Variant(), ranges)
        except ServiceError as error:
            return data_value(None, error.code)
        if variant is value.Value:
            return value
        times = {"SourceTimestamp": value.SourceTimestamp, "ServerTimestamp": value.ServerTimestamp}
        return data_value(variant, value.StatusCode.value, **times)

    def whole(self, node_id: ua.NodeId, attribute: int, asker: Asker) -> ua.DataValue:
        """An attribute without range or encoding."""
        if attribute == _VALUE and (code := self._forbidden(node_id)):
            return data_value(None, code)
        now_ns = self.clock.wall_ns()
        value = self.attributes.read(node_id, attribute, asker, now_ns)
        code = 0 if value.StatusCode is None else int(value.StatusCode.value)
        if code >= BAD:
            times = {"SourceTimestamp": value.SourceTimestamp, "ServerTimestamp": value.ServerTimestamp}
            return data_value(None, code, **times)
        if attribute != _VALUE or value.ServerTimestamp is not None:
            return value
        times = {"SourceTimestamp": value.SourceTimestamp, "ServerTimestamp": filetime(now_ns)}
        return data_value(value.Value, code, **times)

    def _forbidden(self, node_id: ua.NodeId) -> int:
        """Why the value of a node of the server itself may not be read; 0: it may."""
        node = self.stock.get(node_id)
        if node is None:
            return 0
        for attribute, code in (
            (ua.AttributeIds.AccessLevel, ua.StatusCodes.BadNotReadable),
            (ua.AttributeIds.UserAccessLevel, ua.StatusCodes.BadUserAccessDenied),
        ):
            level = node.attributes.get(attribute)
            if level is not None and level.value is not None and not level.value.Value.Value & _CURRENT_READ:
                return int(code)
        return 0


def stamped(value: ua.DataValue, stamps: int) -> ua.DataValue:
    """The DataValue with only the timestamps asked for (0 source, 1 server, 2 both, 3 neither)."""
    if stamps == ua.TimestampsToReturn.Both:
        return value
    source = value.SourceTimestamp if stamps == ua.TimestampsToReturn.Source else None
    server = value.ServerTimestamp if stamps == ua.TimestampsToReturn.Server else None
    code = 0 if value.StatusCode is None else value.StatusCode.value
    return data_value(value.Value, code, SourceTimestamp=source, ServerTimestamp=server)
