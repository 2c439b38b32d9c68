# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_attributes.py
"""One attribute of any node: the one door for Read and for monitored items.

Law of this file: finds whose node it is and whether the asker may know of it; the attribute itself is theirs to tell:
the plant's (`nodes.py`), a room's (`live.py`), or asyncua's own, whose live values `standard` computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from asyncua import ua

from config.words import StatusCode
from supervisor.hmi.model.live import Live, Room
from supervisor.hmi.model.nodes import Asker, Nodes, data_value
from supervisor.hmi.model.permissions import ATTRIBUTES, may_call, of_live
from supervisor.people import User

_VALUE: Final = int(ua.AttributeIds.Value)
_USER_EXECUTABLE: Final = int(ua.AttributeIds.UserExecutable)

Computed = Callable[[], ua.DataValue]


class Attributes:
    """Reads attributes.

    Args:
        stock: asyncua's AddressSpace.
        rooms: families of live nodes.
        standard: values of nodes of namespace 0 that are computed when read.
        guarded: who may read such a value, where not everybody may.
    """

    def __init__(
        self,
        stock: Any,
        nodes: Nodes,
        rooms: Sequence[Room] = (),
        standard: Mapping[ua.NodeId, Computed] | None = None,
        guarded: Mapping[ua.NodeId, Callable[[User], bool]] | None = None,
    ) -> None:
        self._stock = stock
        self._nodes = nodes
        self._rooms = list(rooms)
        self._standard = dict(standard or {})
        self._guarded = dict(guarded or {})

    def add(self, rooms: Sequence[Room], standard: Mapping[ua.NodeId, Computed]) -> None:
        """Open more rooms and compute more values, before anybody asks."""
        self._rooms += rooms
        self._standard |= standard

    def guard(self, node_id: ua.NodeId, allowed: Callable[[User], bool]) -> None:
        """Let only some read a computed value."""
        self._guarded[node_id] = allowed

    def has(self, node_id: ua.NodeId) -> bool:
        """Whether this is a live node, whoever asks."""
        return any(room.find(node_id) is not None for room in self._rooms)

    def live(self, node_id: ua.NodeId, user: User) -> Live | None:
        """The live node of this NodeId, if there is one and this user may see it."""
        for room in self._rooms:
            if (found := room.find(node_id)) is not None:
                return found if found.open_to(user) else None
        return None

    def under(self, node_id: ua.NodeId, user: User) -> list[Live]:
        """Live nodes hung under a node of another family, as far as this user may see them."""
        return [live for room in self._rooms for live in room.under(node_id) if live.open_to(user)]

    def read(self, node_id: ua.NodeId, attribute: int, asker: Asker, now_ns: int) -> ua.DataValue:
        """One attribute, or why not as its (Bad) status."""
        if (place := self._nodes.find(node_id)) is not None:
            return self._nodes.read(place, attribute, asker, now_ns)
        if (live := self.live(node_id, asker.user)) is not None:
            if attribute in ATTRIBUTES:
                return of_live(live, attribute, asker.user)
            return live.attribute(attribute, asker.locale)
        if attribute == _VALUE and (compute := self._standard.get(node_id)) is not None:
            allowed = self._guarded.get(node_id)
            if allowed is not None and not allowed(asker.user):
                return data_value(None, StatusCode.BadUserAccessDenied)
            return compute()
        found: ua.DataValue = self._stock.read_attribute_value(node_id, attribute)
        if attribute == _USER_EXECUTABLE and found.Value is not None and found.Value.Value:
            return data_value(ua.Variant(may_call(node_id.Identifier, asker.user), ua.VariantType.Boolean))
        return found
