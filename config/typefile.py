# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""Type files: the sound part of a type, so that one wrong tag does not hide what is wrong elsewhere.

Law of this file: one type at a time; what a type means together with others is `config.check`'s matter.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from config.explain import explain, sentences, validate
from config.model import TypeModel
from config.problems import Problem, shown, unknown
from config.source import Document, Place
from config.words import Access, Kind

SECTIONS: Final = ("devices", "poll_classes", "parameters", "tags", "alarms")


class ProtocolSchemas(Protocol):
    """What a protocol tells about its addresses. `drivers.base.ProtocolSpec` is one.

    Two properties of its models are asked for if they are there: `identity` of a device (equal: the same partner) and
    `extent` of a point, (space, first, last) (overlapping in one space: the same place). Without them, only devices and
    points that are written alike are found to be duplicates. And `keys_needed(given) -> list[str]` of a device's class:
    what it must have beside the given keys, where that depends on them; without it, the fields without a default.
    """

    @property
    def device_model(self) -> type[BaseModel]: ...

    @property
    def point_model(self) -> type[BaseModel]: ...

    @property
    def check(self) -> Callable[[Kind, Access, Any], list[str]]: ...


@dataclass(slots=True)
class TypeFile:
    """A type that could be read at least in part.

    Attributes:
        model: entries that are sound in themselves.
        broken: section -> names of entries that were left out of `model`; they exist, so nobody misses them.
        device_models: role -> model of a device, for roles of a known protocol.
        points: tag -> validated address.
    """

    name: str
    document: Document
    model: TypeModel
    broken: dict[str, frozenset[str]]
    device_models: dict[str, type[BaseModel]] = field(default_factory=dict)
    points: dict[str, BaseModel] = field(default_factory=dict)

    def names(self, section: str) -> set[str]:
        """Names of all entries of a section, sound or not."""
        return {*getattr(self.model, section), *self.broken[section]}

    def role_of(self, tag: str) -> str | None:
        """The device role of a tag with a point: its own, or the only one there is."""
        named = self.model.tags[tag].device
        if named is not None:
            return named
        roles = self.names("devices")
        return next(iter(roles)) if len(roles) == 1 else None


def read_type(
    name: str, document: Document, protocols: Mapping[str, ProtocolSchemas], problems: list[Problem]
) -> TypeFile | None:
    """The sound part of a type; None if nothing of it is."""
    data = document.data
    try:
        model: TypeModel | None = TypeModel.model_validate(data)
        broken: dict[str, frozenset[str]] = {section: frozenset() for section in SECTIONS}
    except ValidationError as refusal:
        problems += explain(refusal, TypeModel, data, document, ())
        model, broken = _sound_part(data, refusal, name)
    if model is None:
        return None
    if model.type != name and not (isinstance(data, dict) and data.get("type") != model.type):
        problems.append(document.problem(("type",), f"expected {name} (as the file is named), got {shown(model.type)}"))
    type_ = TypeFile(name, document, model, broken)
    _read_devices(type_, protocols, problems)
    _read_points(type_, protocols, problems)
    return type_


def _sound_part(data: Any, refusal: ValidationError, name: str) -> tuple[TypeModel | None, dict[str, frozenset[str]]]:
    """The type without what was refused. Twice, because dropping a key may show that its entry lacks another."""
    broken: dict[str, set[str]] = {section: set() for section in SECTIONS}
    if not isinstance(data, dict):
        return None, {}
    rest = copy.deepcopy(data)
    model = None
    for _ in range(2):
        for place, text, _key in list(sentences(refusal, TypeModel, rest, Document(name), ())):
            _drop(rest, place, text, broken)
        for key, stand_in in (("type", name), ("title", {"fr": name, "en": name}), ("revision", 1)):
            rest.setdefault(key, stand_in)
        try:
            model = TypeModel.model_validate(rest)
            break
        except ValidationError as again:
            refusal = again
    return model, {section: frozenset(names) for section, names in broken.items()}


def _drop(rest: dict[str, Any], place: Place, text: str, broken: dict[str, set[str]]) -> None:
    """Take what was refused out of `rest`: an unknown key alone, anything else with the entry it is in."""
    entry = len(place) >= 2 and place[0] in SECTIONS
    if text.startswith("unknown key"):
        at: Any = rest
        for step in place[:-1]:
            at = at.get(step) if isinstance(at, dict) else None
        if isinstance(at, dict):
            at.pop(place[-1], None)
    elif entry and isinstance(section := rest.get(str(place[0])), dict):
        section.pop(place[1], None)
        broken[str(place[0])].add(str(place[1]))
    elif place:
        rest.pop(str(place[0]), None)


def _read_devices(type_: TypeFile, protocols: Mapping[str, ProtocolSchemas], problems: list[Problem]) -> None:
    for role, device in type_.model.devices.items():
        if device.protocol in protocols:
            type_.device_models[role] = protocols[device.protocol].device_model
        else:
            text = unknown("a protocol of this release", device.protocol, sorted(protocols))
            problems.append(type_.document.problem(("devices", role, "protocol"), text))


def _read_points(type_: TypeFile, protocols: Mapping[str, ProtocolSchemas], problems: list[Problem]) -> None:
    for tag, model in type_.model.tags.items():
        role = type_.role_of(tag)
        if model.point is None or role not in type_.device_models:
            continue
        protocol = protocols[type_.model.devices[role].protocol]
        place = ("tags", tag, "point")
        address = validate(protocol.point_model, model.point, type_.document, place, problems)
        if address is None:
            continue
        misfits = protocol.check(model.kind, model.access_mode, address)
        problems += [type_.document.problem(place, text) for text in misfits]
        if not misfits:
            type_.points[tag] = address
