# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_devices.py, tests/system/test_opcua_model.py
"""Devices as objects under the equipment they serve: `21605/CAB-0003/Devices/controller/RoundTripMean`.

Law of this file: a room; one node per device and number, none per tag, and none of them kept. Values are what the host
knows (`DeviceStatus`), asked for when somebody reads.

DeviceHealth is OPC UA for Devices' word and number for the state of a device. Source: OPC 10000-100, 4.5.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from asyncua import ua

from config.words import LinkState, StatusCode
from drivers.status import DeviceStatus
from supervisor.hmi.model.live import Live, Value
from supervisor.hmi.model.properties import data_value, filetime
from supervisor.hmi.model.references import HAS_COMPONENT
from supervisor.people import User
from supervisor.plant.plant import Plant

FOLDER: Final = "Devices"
HEALTH_NAMES: Final = ("NORMAL", "FAILURE", "CHECK_FUNCTION", "OFF_SPEC", "MAINTENANCE_REQUIRED")
NORMAL, FAILURE, MAINTENANCE_REQUIRED = 0, 1, 4

StatusOf = Callable[[int], DeviceStatus]
_IDS: Final = ua.ObjectIds
_TYPE: Final = ua.VariantType


class Told(NamedTuple):
    """One number of a device. `read` gives None where there is nothing to tell yet."""

    fr: str
    en: str
    data_type: int
    variant_type: ua.VariantType
    read: Callable[[DeviceStatus], Any]
    rank: int = -1


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds * 1000.0


def _health(status: DeviceStatus) -> int:
    if status.link is not LinkState.UP:
        return FAILURE
    return MAINTENANCE_REQUIRED if status.notes else NORMAL


_STRING: Final = (_IDS.String, _TYPE.String)
_COUNT: Final = (_IDS.UInt64, _TYPE.UInt64)
_DURATION: Final = (_IDS.Duration, _TYPE.Double)
TOLD: Final[dict[str, Told]] = {
    "Protocol": Told("Protocole", "Protocol", *_STRING, lambda s: s.protocol),
    "DeviceHealth": Told("Santé de l'appareil", "Device health", _IDS.Int32, _TYPE.Int32, _health),
    "LinkState": Told("État de la liaison", "State of the link", *_STRING, lambda s: str(s.link)),
    "Reason": Told("Ce qui se passe", "What is going on", *_STRING, lambda s: s.reason),
    "Since": Told("Depuis", "Since", _IDS.UtcTime, _TYPE.DateTime, lambda s: filetime(s.since_ns)),
    "RequestedPeriod": Told("Période demandée", "Period requested", *_DURATION, lambda s: _ms(s.requested_s)),
    "AchievedPeriod": Told("Période obtenue", "Period achieved", *_DURATION, lambda s: _ms(s.achieved_s)),
    "RoundTripLast": Told("Dernier aller-retour", "Last round trip", *_DURATION, lambda s: _ms(s.round_trip_last_s)),
    "RoundTripMean": Told("Aller-retour moyen", "Mean round trip", *_DURATION, lambda s: _ms(s.round_trip_mean_s)),
    "Requests": Told("Questions posées", "Requests", *_COUNT, lambda s: s.requests),
    "Answers": Told("Réponses reçues", "Answers", *_COUNT, lambda s: s.answers),
    "Misses": Told("Créneaux sans réponse", "Slots without an answer", *_COUNT, lambda s: s.misses),
    "MissedSlots": Told("Créneaux manqués", "Slots missed", *_COUNT, lambda s: s.missed_slots),
    "ConsecutiveFailures": Told("Échecs de suite", "Failures in a row", *_COUNT, lambda s: s.failures),
    "Demoted": Told("Rarement interrogé", "Asked rarely", _IDS.Boolean, _TYPE.Boolean, lambda s: s.demoted),
    "Quarantined": Told("Adresses refusées", "Addresses refused", *_STRING, lambda s: list(s.notes), 1),
}


class Devices:
    """The room of devices.

    Args:
        status_of: what the host knows of a device, by its place in `plant.devices`.
    """

    def __init__(self, plant: Plant, namespace: int, status_of: StatusOf) -> None:
        self._plant = plant
        self._namespace = namespace
        self._status_of = status_of
        self._of: dict[str, dict[str, int]] = {}
        for index, device in enumerate(plant.devices):
            equipment, _, role = device.name.rpartition(".")
            self._of.setdefault(equipment, {})[role] = index

    def find(self, node_id: ua.NodeId) -> Live | None:
        if node_id.NamespaceIndex != self._namespace or not isinstance(node_id.Identifier, str):
            return None
        parts = node_id.Identifier.split("/")
        path = "/".join(parts[:2])
        if not 3 <= len(parts) <= 5 or parts[2] != FOLDER or path not in self._of:
            return None
        if len(parts) == 3:
            return self._folder(path)
        if (role := parts[3]) not in self._of[path]:
            return None
        if len(parts) == 4:
            return self._device(path, role)
        return self._number(path, role, parts[4]) if parts[4] in TOLD else None

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        if node_id.NamespaceIndex != self._namespace or node_id.Identifier not in self._of:
            return ()
        return [self._folder(node_id.Identifier)]

    def _id(self, *parts: str) -> ua.NodeId:
        return ua.NodeId("/".join(parts), self._namespace, ua.NodeIdType.String)

    def _open(self, path: str) -> Callable[[User], bool]:
        """Whoever sees the equipment sees its devices."""
        area, maintainer = path.partition("/")[0], self._plant.maintainer(path)
        return lambda user: user.may_see(area, maintainer)

    def _folder(self, path: str) -> Live:
        return Live(
            self._id(path, FOLDER),
            ua.QualifiedName(FOLDER, self._namespace),
            ua.NodeId(_IDS.FolderType),
            self._id(path),
            HAS_COMPONENT,
            ("Appareils", "Devices"),
            children=lambda: [self._device(path, role) for role in self._of[path]],
            open_to=self._open(path),
        )

    def _device(self, path: str, role: str) -> Live:
        return Live(
            self._id(path, FOLDER, role),
            ua.QualifiedName(role, self._namespace),
            ua.NodeId(_IDS.BaseObjectType),
            self._id(path, FOLDER),
            HAS_COMPONENT,
            (role, role),
            children=lambda: [self._number(path, role, name) for name in TOLD],
            open_to=self._open(path),
        )

    def _number(self, path: str, role: str, name: str) -> Live:
        told, index = TOLD[name], self._of[path][role]

        def read() -> ua.DataValue:
            value = told.read(self._status_of(index))
            if value is None:
                return data_value(None, StatusCode.BadWaitingForInitialData)
            return data_value(ua.Variant(value, told.variant_type, is_array=told.rank > 0))

        return Live(
            self._id(path, FOLDER, role, name),
            ua.QualifiedName(name, self._namespace),
            ua.NodeId(_IDS.BaseDataVariableType),
            self._id(path, FOLDER, role),
            HAS_COMPONENT,
            (told.fr, told.en),
            Value(ua.NodeId(told.data_type), read, told.rank),
            open_to=self._open(path),
        )
