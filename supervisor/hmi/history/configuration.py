# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history_processed.py
"""`HA Configuration` of a tag with a past: whether it is stepped, and how its quality is weighed by default.

Law of this file: computed when somebody looks; nothing is kept per tag. Source: OPC 10000-11, 5.2.3 and 5.2.4.

    ns=1;s=21605/CAB-0003/V1/HA Configuration
    ns=1;s=21605/CAB-0003/V1/HA Configuration/Stepped
    ns=1;s=21605/CAB-0003/V1/HA Configuration/AggregateConfiguration/PercentDataGood
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from asyncua import ua

from historian.aggregates.trace import Configuration
from supervisor.hmi.history.tags import has_past, stepped
from supervisor.hmi.model.live import Live, Value
from supervisor.hmi.model.nodes import Nodes
from supervisor.hmi.model.place import Place
from supervisor.hmi.model.properties import data_value
from supervisor.people import User

NAME: Final = "HA Configuration"
_SERVER_NAMESPACE: Final = 1
_IDS: Final = ua.ObjectIds
_PROPERTY, _HAS_PROPERTY = ua.NodeId(_IDS.PropertyType), ua.NodeId(_IDS.HasProperty)
_AGGREGATES: Final = "AggregateConfiguration"
_BOOLEAN, _BYTE = ua.VariantType.Boolean, ua.VariantType.Byte


class Configurations:
    """A room of live nodes: the configuration of every tag with a past."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def find(self, node_id: ua.NodeId) -> Live | None:
        name = node_id.Identifier
        if node_id.NamespaceIndex != _SERVER_NAMESPACE or not isinstance(name, str):
            return None
        tag, found, rest = name.partition(f"/{NAME}")
        place = self._nodes.find(ua.NodeId(tag, self._nodes.namespace, ua.NodeIdType.String)) if found else None
        if place is None or not has_past(place):
            return None
        live = self._of(place)
        for step in rest.split("/")[1:]:
            below = [child for child in live.children() if child.name.Name == step]
            if not below:
                return None
            live = below[0]
        return live if live.node_id.Identifier == f"{place.name}{name[len(tag) :]}" else None

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        place = self._nodes.find(node_id)
        return [self._of(place)] if place is not None and has_past(place) else []

    def _of(self, place: Place) -> Live:
        """HA Configuration of a tag."""
        own, above = self._id(place, NAME), self._nodes.node_id(place)
        link = ua.NodeId(_IDS.HasHistoricalConfiguration)
        return Live(
            own, ua.QualifiedName(NAME, 0), ua.NodeId(_IDS.HistoricalDataConfigurationType), above, link, (NAME, NAME),
            children=partial(self._parts, place, own), open_to=partial(self._open, place),
        )  # fmt: skip

    def _parts(self, place: Place, own: ua.NodeId) -> list[Live]:
        aggregates = self._id(place, f"{NAME}/{_AGGREGATES}")
        component = ua.NodeId(_IDS.HasComponent)
        return [
            Live(
                aggregates, ua.QualifiedName(_AGGREGATES, 0), ua.NodeId(_IDS.AggregateConfigurationType), own,
                component, (_AGGREGATES, _AGGREGATES), children=partial(self._weights, place, aggregates),
                open_to=partial(self._open, place),
            ),
            self._property(place, own, NAME, "Stepped", stepped(place), _BOOLEAN),
            self._property(place, own, NAME, "ServerTimestampSupported", True, _BOOLEAN),
        ]  # fmt: skip

    def _weights(self, place: Place, own: ua.NodeId) -> list[Live]:
        config, path = Configuration(), f"{NAME}/{_AGGREGATES}"
        values = (
            ("TreatUncertainAsBad", config.treat_uncertain_as_bad, _BOOLEAN),
            ("PercentDataBad", config.percent_bad, _BYTE),
            ("PercentDataGood", config.percent_good, _BYTE),
            ("UseSlopedExtrapolation", config.sloped_extrapolation, _BOOLEAN),
        )
        return [self._property(place, own, path, name, value, type_) for name, value, type_ in values]

    def _property(
        self, place: Place, above: ua.NodeId, path: str, name: str, value: Any, type_: ua.VariantType
    ) -> Live:
        told = data_value(ua.Variant(value, type_))
        return Live(
            self._id(place, f"{path}/{name}"), ua.QualifiedName(name, 0), _PROPERTY, above, _HAS_PROPERTY, (name, name),
            Value(ua.NodeId(int(type_.value)), lambda: told), open_to=partial(self._open, place),
        )  # fmt: skip

    def _open(self, place: Place, user: User) -> bool:
        return self._nodes.find_for(self._nodes.node_id(place), user) is not None

    def _id(self, place: Place, path: str) -> ua.NodeId:
        return ua.NodeId(f"{place.name}/{path}", _SERVER_NAMESPACE, ua.NodeIdType.String)
