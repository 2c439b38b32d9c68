# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_attributes.py, tests/system/test_opcua_client.py
"""Read. Source: OPC 10000-4, 5.11.2.

Law of this file: lists of values of tags are answered from columns in one go; all others node by node, in slices.
"""

from __future__ import annotations

from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_to_binary

from supervisor.hmi.model.reading import stamped
from supervisor.hmi.publishing.messages import Response
from supervisor.hmi.services.call import Call, Service, check_stamps, request_type
from supervisor.hmi.values import Stamps

_CODES: Final = ua.StatusCodes
_READ: Final = Response(ua.ReadResponse())
_HEAVY: Final = 2_000  # values above which a Read waits for its turn
_VALUES: Final = 100  # values that cost as much as an operation of another service


async def read(call: Call) -> bytes:
    """MaxAge asks for nothing here: what the table has is the newest there is."""
    engine = call.engine
    request = engine.decoder.read(call.data, call.head.at, engine.limits.nodes_per_call)
    if request is None:
        return await _read_one_by_one(call)
    if (count := len(request.rows)) > _HEAVY:
        await engine.lane.turn()
    else:
        await engine.lane.brief(1 + count // _VALUES)
    now_ns = call.now_ns
    rows, status = engine.space.readable(request.rows, engine.table.status[request.rows], call.session.asker.user)
    values = engine.encoder.encode(rows, status, Stamps(request.stamps), now_ns)
    engine.counters.reads += count
    return _READ.listed(now_ns, call.head.handle, count, values)


async def _read_one_by_one(call: Call) -> bytes:
    age, stamps, count = call.fields("<dii")
    if not age >= 0:
        raise ServiceError(_CODES.BadMaxAgeInvalid)
    check_stamps(stamps)
    call.check_count(count)
    parts = []
    async for wanted in call.each(ua.ReadValueId, call.buffer(16), count):
        value = call.engine.reading.read(wanted, call.session.asker)
        parts.append(struct_to_binary(stamped(value, stamps)))
    call.engine.counters.reads += count
    return _READ.listed(call.now_ns, call.head.handle, count, b"".join(parts))


SERVICES: Final[dict[int, Service]] = {request_type("Read"): read}
