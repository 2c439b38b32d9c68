# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_redundancy.py, tests/system/test_opcua_model.py
"""What a terminal needs to know to choose a post: ServiceLevel, ServerRedundancy, and who else there is.

Law of this file: objects of namespace 0, computed when read. A post alone is a redundant set of one: the objects are
the same, so that a terminal need not be told when the second one comes. Source: OPC 10000-4, 6.6.2.4 and OPC 10000-5,
6.3.7 to 6.3.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from asyncua import ua

from supervisor.hmi.health import service_level
from supervisor.hmi.model.outlook import Outlook, Peer
from supervisor.hmi.model.properties import data_value, filetime
from supervisor.hmi.model.references import HAS_PROPERTY, HAS_TYPE, PROPERTY_TYPE

_IDS: Final = ua.ObjectIds
_REDUNDANCY: Final = ua.NodeId(_IDS.Server_ServerRedundancy)
_TYPE: Final = ua.NodeId(_IDS.NonTransparentRedundancyType)
_URIS: Final = ua.NodeId(_IDS.Server_ServerRedundancy_ServerUriArray)
_RUNNING: Final = 0
_HOT: Final = int(ua.RedundancySupport.Hot)
_NONE: Final = int(ua.RedundancySupport.None_)

_UNKNOWN: Final = ua.win_epoch_to_datetime(0)  # DateTime.MinValue; a DateTime cannot be null on the wire


class Redundancy:
    """The objects of one post.

    Args:
        uri: own ApplicationUri.
    """

    def __init__(self, outlook: Outlook, uri: str) -> None:
        self._outlook = outlook
        self._uri = uri

    def values(self) -> dict[ua.NodeId, Callable[[], ua.DataValue]]:
        """Values by NodeId."""
        return {
            ua.NodeId(_IDS.Server_ServiceLevel): self._level,
            ua.NodeId(_IDS.Server_EstimatedReturnTime): self._return_time,
            ua.NodeId(_IDS.Server_ServerRedundancy_RedundancySupport): self._support,
            ua.NodeId(_IDS.Server_ServerRedundancy_ServerUriArray): self._uris,
            ua.NodeId(_IDS.Server_ServerRedundancy_RedundantServerArray): self._servers,
        }

    def _level(self) -> ua.DataValue:
        return data_value(ua.Variant(service_level(self._outlook.health()), ua.VariantType.Byte))

    def _return_time(self) -> ua.DataValue:
        returns_ns = self._outlook.health().returns_ns
        when = _UNKNOWN if returns_ns is None else filetime(returns_ns)
        return data_value(ua.Variant(when, ua.VariantType.DateTime))

    def _support(self) -> ua.DataValue:
        return data_value(ua.Variant(_HOT if self._outlook.peers() else _NONE, ua.VariantType.Int32))

    def _uris(self) -> ua.DataValue:
        uris = [self._uri, *(peer.uri for peer in self._outlook.peers())]
        return data_value(ua.Variant(uris, ua.VariantType.String))

    def _servers(self) -> ua.DataValue:
        """In the order of the ServerUriArray."""
        own = ua.RedundantServerDataType(self._uri, service_level(self._outlook.health()), _state(_RUNNING))
        others = [
            ua.RedundantServerDataType(peer.uri, peer.service_level, _state(peer.state))
            for peer in self._outlook.peers()
        ]
        return data_value(ua.Variant([own, *others], ua.VariantType.ExtensionObject))

    def applications(self) -> list[ua.ApplicationDescription]:
        """The other posts as FindServers tells them: a terminal resolves ServerUriArray by it."""
        return [_application(peer) for peer in self._outlook.peers()]


def _state(number: int) -> ua.ServerState:
    return ua.ServerState(number)


def _application(peer: Peer) -> ua.ApplicationDescription:
    return ua.ApplicationDescription(
        ApplicationUri=peer.uri,
        ProductUri="urn:vigie",
        ApplicationName=ua.LocalizedText(peer.name),
        ApplicationType=ua.ApplicationType.Server,
        DiscoveryUrls=list(peer.urls),
    )


def retype(stock: Any) -> None:
    """Make ServerRedundancy a NonTransparentRedundancyType.

    Namespace 0 has it as the plain supertype, and leaves the subtype's ServerUriArray without a parent.
    """
    described = {node_id: _described(stock, node_id) for node_id in (_TYPE, _REDUNDANCY, _URIS)}
    for reference in stock[_REDUNDANCY].references:
        if reference.IsForward and reference.ReferenceTypeId == HAS_TYPE:
            reference.NodeId, reference.BrowseName, reference.DisplayName = _TYPE, *described[_TYPE]
    for reference in stock[ua.NodeId(_IDS.Server)].references:
        if reference.NodeId == _REDUNDANCY:
            reference.TypeDefinition = _TYPE
    for source, target, forward in ((_REDUNDANCY, _URIS, True), (_URIS, _REDUNDANCY, False)):
        kind, type_ = (ua.NodeClass.Variable, PROPERTY_TYPE) if forward else (ua.NodeClass.Object, _TYPE)
        made = ua.ReferenceDescription(HAS_PROPERTY, forward, target, *described[target], kind, type_)
        stock[source].references.append(made)


def _described(stock: Any, node_id: ua.NodeId) -> tuple[ua.QualifiedName, ua.LocalizedText]:
    attributes = stock[node_id].attributes
    name, title = (attributes[a].value.Value.Value for a in (ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName))
    return name, title
