# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_model.py
"""What the server says of itself: its status, build, arrays of URIs, and the metadata of its namespaces.

Law of this file: computed when read, by the clock that is handed in. Source: OPC 10000-5, 6.3.1 (ServerType), 12.10
(ServerStatusDataType), 6.3.13 (NamespaceMetadataType).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from config.words import Clock
from supervisor.hmi.model.live import Live, Value
from supervisor.hmi.model.properties import data_value, filetime
from supervisor.hmi.model.references import HAS_COMPONENT, HAS_PROPERTY, PROPERTY_TYPE
from supervisor.hmi.model.structures import spread

_IDS: Final = ua.ObjectIds
_TYPE: Final = ua.VariantType
_NAMESPACES: Final = ua.NodeId(_IDS.Server_Namespaces)
_OPC_UA: Final = "http://opcfoundation.org/UA/"
_OPC_UA_VERSION: Final = "1.05.07"  # of the nodes that asyncua 2.1.0 brings; test_hmi_hooks.py looks it up
_OPC_UA_DATE_NS: Final = 1_777_593_600_000_000_000  # 2026-05-01
_STRING_IDS: Final = 1  # IdType
_NUMERIC_IDS: Final = 0

Computed = Callable[[], ua.DataValue]


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one server, from its start on.

    Attributes:
        uri: ApplicationUri.
        site_uri: 'urn:vigie:<site>'; `digest`: of the plant, changes with every generation.
        started_ns: UTC.
    """

    clock: Clock
    uri: str
    site_uri: str
    digest: str
    product: str
    version: str
    started_ns: int

    def values(self) -> dict[ua.NodeId, Computed]:
        """Values of namespace 0 by NodeId."""
        found = dict(spread("Server_ServerStatus", ua.ServerStatusDataType, self._status))
        found |= spread("Server_ServerStatus_BuildInfo", ua.BuildInfo, self._build)
        for number, value in self._arrays().items():
            found[ua.NodeId(number)] = _fixed(value, _TYPE.String)
        found[ua.NodeId(_IDS.Server_Auditing)] = _fixed(True, _TYPE.Boolean)
        found |= _standard_metadata()
        return found

    def _arrays(self) -> dict[int, list[str]]:
        return {
            _IDS.Server_ServerArray: [self.uri],
            _IDS.Server_NamespaceArray: [_OPC_UA, self.uri, self.site_uri],
        }

    def _status(self) -> ua.ServerStatusDataType:
        return ua.ServerStatusDataType(
            StartTime=filetime(self.started_ns),
            CurrentTime=filetime(self.clock.wall_ns()),
            State=ua.ServerState.Running,
            BuildInfo=self._build(),
            SecondsTillShutdown=0,
            ShutdownReason=ua.LocalizedText(),
        )

    def _build(self) -> ua.BuildInfo:
        return ua.BuildInfo(
            ProductUri="urn:vigie",
            ManufacturerName="Vigie",
            ProductName=self.product,
            SoftwareVersion=self.version,
            BuildNumber=self.version,
            BuildDate=filetime(self.started_ns),
        )


def _fixed(value: Any, type_: ua.VariantType) -> Computed:
    made = data_value(ua.Variant(value, type_))
    return lambda: made


def _standard_metadata() -> dict[ua.NodeId, Computed]:
    """Metadata of namespace 0, whose object is there but empty."""
    prefix = "OPCUANamespaceMetadata"
    found = {}
    for name, (_, type_, value) in _metadata(_OPC_UA, _OPC_UA_VERSION, _OPC_UA_DATE_NS, subset=True).items():
        if (number := getattr(_IDS, f"{prefix}_{name}", None)) is not None:
            found[ua.NodeId(number)] = _fixed(value, type_)
    return found


def _metadata(uri: str, version: str, date_ns: int, *, subset: bool) -> dict[str, tuple[int, ua.VariantType, Any]]:
    """Properties of a NamespaceMetadataType: (data type, built-in type, value) by name.

    Every NodeId of ours means the same on both posts and after every restart.
    """
    return {
        "NamespaceUri": (_IDS.String, _TYPE.String, uri),
        "NamespaceVersion": (_IDS.String, _TYPE.String, version),
        "NamespacePublicationDate": (_IDS.DateTime, _TYPE.DateTime, filetime(date_ns)),
        "IsNamespaceSubset": (_IDS.Boolean, _TYPE.Boolean, subset),
        "StaticNodeIdTypes": (_IDS.IdType, _TYPE.Int32, [_NUMERIC_IDS, _STRING_IDS]),
        "StaticNumericNodeIdRange": (_IDS.NumericRange, _TYPE.String, ["1:4294967295"]),
        "StaticStringNodeIdPattern": (_IDS.String, _TYPE.String, "%"),
    }


class Namespaces:
    """The room of the site's namespace: an object under Server/Namespaces.

    Args:
        index: of the site's namespace.
    """

    def __init__(self, facts: Facts, index: int) -> None:
        self._facts = facts
        self._index = index
        self._told = _metadata(facts.site_uri, facts.digest, facts.started_ns, subset=False)
        self._prefix = f"namespace/{facts.site_uri}"

    def _id(self, name: str = "") -> ua.NodeId:
        return ua.NodeId(f"{self._prefix}/{name}" if name else self._prefix, 1, ua.NodeIdType.String)

    def find(self, node_id: ua.NodeId) -> Live | None:
        identifier = node_id.Identifier
        if node_id.NamespaceIndex != 1 or not isinstance(identifier, str):
            return None
        if identifier == self._prefix:
            return self._object()
        head, _, name = identifier.rpartition("/")
        return self._property(name) if head == self._prefix and name in self._told else None

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        return [self._object()] if node_id == _NAMESPACES else ()

    def _object(self) -> Live:
        uri = self._facts.site_uri
        return Live(
            self._id(),
            ua.QualifiedName(uri, self._index),
            ua.NodeId(_IDS.NamespaceMetadataType),
            _NAMESPACES,
            HAS_COMPONENT,
            (uri, uri),
            children=lambda: [self._property(name) for name in self._told],
        )

    def _property(self, name: str) -> Live:
        data_type, type_, value = self._told[name]
        rank = 1 if isinstance(value, list) else -1
        return Live(
            self._id(name),
            ua.QualifiedName(name, 0),
            PROPERTY_TYPE,
            self._id(),
            HAS_PROPERTY,
            (name, name),
            Value(ua.NodeId(data_type), _fixed(value, type_), rank),
        )
