# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""What the files of a site mean together: types, inventories, areas, desks, users.

Law of this file: it reads nothing and compares names only; what a single value must look like is the models' matter.
What could not be read is passed in as raw data or left out, so that each complaint is made once, where its cause is.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Final

from config.check_alarms import check_alarms
from config.check_type import check_type, identity
from config.inventory import Instance
from config.model import Life, UserModel
from config.problems import Problem, one_of, shown, unknown
from config.source import Document
from config.typefile import TypeFile

_FORMER: Final = re.compile(r"[A-Za-z0-9_-]{1,16}/[A-Z][A-Z0-9]{1,7}-[0-9]{4,6}")
_POLLED: Final = (Life.COMMISSIONING, Life.IN_SERVICE, Life.MAINTENANCE)
# 'scrypt$N$r$p$salt$hash', salt and hash in base64. Source: supervisor.people, which makes it.
_HASH: Final = re.compile(
    r"scrypt\$(\d{4,7})\$(\d{1,2})\$(\d{1,2})\$[A-Za-z0-9+/]{16,}={0,2}\$[A-Za-z0-9+/]{40,}={0,2}"
)
# What a server can bear for one login [bytes of memory]; and less than 2^14 rounds is too quick to guess at.
_HASH_BYTES_MAX: Final = 64 * 2**20
_HASH_ROUNDS_MIN: Final = 2**14


def check_site(
    site: Document,
    types: Mapping[str, TypeFile],
    instances: Mapping[str, Sequence[Instance]],
    devices: Mapping[tuple[str, str], Any],
    users: Document | None,
    people: Sequence[tuple[int, UserModel]],
) -> list[Problem]:
    """All problems between the parts.

    Args:
        site: site.yaml, whether its model is sound or not.
        types: the sound part of each type that could be read.
        instances: by type, what could be read of the inventories.
        devices: (equipment path, role) -> device.
        users, people: the file of users and the sound ones among them, by index.
    """
    check = _Check(site, types)
    for type_ in types.values():
        check.problems += check_type(type_)
        check.problems += check_alarms(type_, check.desks)
    check.desks_missing()
    check.time_zone()
    check.poll_classes()
    check.ports()
    equipment = [i for group in instances.values() for i in group]
    check.areas_of(equipment)
    check.maintainers(equipment)
    feeding = {n for n, t in types.items() if any(rule.is_feeder for rule in t.model.alarms.values())}
    check.feeders(equipment, feeding)
    check.names(equipment)
    check.partners(equipment, devices)
    if users is not None:
        check.users(users, people)
    return check.problems


class _Check:
    def __init__(self, site: Document, types: Mapping[str, TypeFile]) -> None:
        self.site = site
        self.types = types
        self.problems: list[Problem] = []
        raw = site.data if isinstance(site.data, dict) else {}
        self.raw = raw
        # None: the section is not there or no mapping, which its model has said.
        self.areas = _names(raw.get("areas")) or None
        self.desks = _names(raw.get("desks"))
        self.organisations = _names(raw.get("organisations"))

    # ------------------------------------------------------------------------------------------------------- site.yaml

    def desks_missing(self) -> None:
        """No desks at all while rules belong to some: said once, not for each rule."""
        if "desks" in self.raw or not self.raw:
            return
        owners = {r.owner_desk for t in self.types.values() for r in t.model.alarms.values() if r.owner_desk}
        if owners:
            text = f"missing required key 'desks': alarm rules belong to {one_of(sorted(owners))}"
            self.problems.append(self.site.problem((), text))

    def time_zone(self) -> None:
        name = self.raw.get("time_zone")
        if not isinstance(name, str):
            return
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            known = sorted(zoneinfo.available_timezones())
            text = unknown("a time zone such as Europe/Paris", name, known)
            self.problems.append(self.site.problem(("time_zone",), text))

    def poll_classes(self) -> None:
        overrides = self.raw.get("poll_classes")
        if not isinstance(overrides, dict):
            return
        unread = {name for name in _names(self.raw.get("inventory")) or () if name not in self.types}
        known = sorted(f"{name}.{poll}" for name, type_ in self.types.items() for poll in type_.names("poll_classes"))
        for name in overrides:
            if name not in known and name.split(".")[0] not in unread:
                text = unknown("<TYPE>.<poll class>", name, known)
                self.problems.append(self.site.problem(("poll_classes", name), text, key=True))

    def ports(self) -> None:
        """Two doors on one port: found at the desk, not at the start."""
        doors = [self.raw.get(door) for door in ("opcua", "http")]
        opcua, http = (door if isinstance(door, dict) else {} for door in doors)
        port = http.get("port", 9840)
        if port and port == opcua.get("port", 4840) and http.get("host") == opcua.get("host"):
            text = f"expected another port than that of opcua, got {port}"
            self.problems.append(self.site.problem(("http", "port"), text))

    # ------------------------------------------------------------------------------------------------------- equipment

    def areas_of(self, equipment: Sequence[Instance]) -> None:
        if self.areas is None:
            return
        for instance in equipment:
            if instance.model.area not in self.areas:
                text = unknown("an area of the site", instance.model.area, self.areas)
                self.problems.append(instance.problem("area", text))

    def maintainers(self, equipment: Sequence[Instance]) -> None:
        """Equipment is maintained by an organisation that site.yaml names."""
        for instance in equipment:
            name = instance.model.maintained_by
            if name is not None and name not in (self.organisations or ()):
                text = unknown("an organisation of the site", name, self.organisations or ())
                self.problems.append(instance.problem("maintained_by", text))

    def feeders(self, equipment: Sequence[Instance], feeding: Collection[str]) -> None:
        """Equipment is fed by equipment of this site whose type has an alarm that feeds. `feeding`: those types."""
        type_of = {instance.path: instance.type for instance in equipment}
        feeders = [path for path, name in type_of.items() if name in feeding]
        for instance in equipment:
            if (path := instance.model.feeder) is None:
                continue
            if path not in type_of:
                self.problems.append(instance.problem("fed_by", unknown("an equipment that feeds", path, feeders)))
            elif type_of[path] not in feeding or instance.type in feeding:
                text = f"expected an equipment whose type has an alarm that feeds, and which is fed by none, got {path}"
                self.problems.append(instance.problem("fed_by", text))

    def names(self, equipment: Sequence[Instance]) -> None:
        """Present and former names: each answers for one equipment."""
        present: dict[str, Instance] = {}
        for instance in equipment:
            first = present.setdefault(instance.path, instance)
            if first is not instance:
                text = f"expected a name of its own, got {instance.path}, which stands {_where(first)}"
                self.problems.append(instance.problem("name", text))
        former: dict[str, Instance] = {}
        for instance in equipment:
            for name in instance.model.was:
                self._former(instance, name, present, former)

    def _former(self, instance: Instance, name: str, present: dict[str, Instance], former: dict[str, Instance]) -> None:
        first = former.setdefault(name, instance)
        if not _FORMER.fullmatch(name):
            text = f"expected a former name such as CAB-0007 or 21452/CAB-0007, got {shown(name)}"
        elif name in present:
            text = f"expected a name no longer in use, got {name}, which stands {_where(present[name])}"
        elif first is not instance:
            text = f"expected a former name of one equipment, got {name}, which {first.path} was, too"
        else:
            return
        self.problems.append(instance.problem("was", text))

    def partners(self, equipment: Sequence[Instance], devices: Mapping[tuple[str, str], Any]) -> None:
        """Two devices at the same address. Planned and retired equipment is not polled and may share one."""
        polled = {i.path: i for i in equipment if i.model.life in _POLLED}
        owners: dict[tuple[str, Hashable], str] = {}
        for (path, role), device in devices.items():
            instance = polled.get(path)
            if instance is None:
                continue
            protocol = self.types[instance.type].model.devices[role].protocol
            name = f"{path}.{role}"
            first = owners.setdefault((protocol, identity(device)), name)
            if first != name:
                text = f"expected a device of its own, got the address that {first} has"
                self.problems.append(instance.source.problem((*instance.place, "devices", role), text))

    # ----------------------------------------------------------------------------------------------------------- users

    def users(self, document: Document, people: Sequence[tuple[int, UserModel]]) -> None:
        names: dict[str, int] = {}
        logins: dict[str, str] = {}
        certificates: dict[str, str] = {}
        for index, user in people:
            if names.setdefault(user.name, index) != index:
                text = f"expected a name of its own, got '{user.name}', which stands above"
                self.problems.append(document.problem((index, "name"), text))
            if user.unix_user is not None and logins.setdefault(user.unix_user, user.name) != user.name:
                text = f"expected a login of one user, got '{user.unix_user}', which {logins[user.unix_user]} has"
                self.problems.append(document.problem((index, "unix_user"), text))
            for key, areas in (("areas", user.areas), ("sees", user.sees)):
                if isinstance(areas, list):
                    self._areas_of_user(document, index, key, areas)
            self._organisation(document, index, user)
            for position, thumbprint in enumerate(user.certificates):
                if (owner := certificates.setdefault(thumbprint, user.name)) != user.name:
                    text = f"expected a certificate of one user, got that of {owner}"
                    self.problems.append(document.problem((index, "certificates", position), text))
            if user.password_hash is not None and not _is_hash(user.password_hash):
                text = "expected what `vigie passwd` makes ('scrypt$...'), got another text (not shown)"
                self.problems.append(document.problem((index, "password_hash"), text))

    def _areas_of_user(self, document: Document, index: int, key: str, areas: Sequence[str]) -> None:
        for position, area in enumerate(areas):
            if self.areas is not None and area not in self.areas:
                text = unknown("an area of the site", area, self.areas)
                self.problems.append(document.problem((index, key, position), text))

    def _organisation(self, document: Document, index: int, user: UserModel) -> None:
        """Where organisations have rights, a user of none, or of one misspelt, must not have them all."""
        if not self.organisations:
            return
        if user.organisation is None:
            known = one_of(list(self.organisations))
            text = f"missing required key 'organisation' ({known}): the site gives rights by it"
            self.problems.append(document.problem((index,), text))
        elif user.organisation not in self.organisations:
            text = unknown("an organisation of the site", user.organisation, self.organisations)
            self.problems.append(document.problem((index, "organisation"), text))


def _names(section: Any) -> Collection[str] | None:
    return list(section) if isinstance(section, dict) else None


def _where(instance: Instance) -> str:
    """'at sites/x/inventory/CAB.csv:7'."""
    place = instance.problem("name", "")
    return f"at {place.file}:{place.line}"


def _is_hash(text: str) -> bool:
    if (m := _HASH.fullmatch(text)) is None:
        return False
    n, r, p = int(m[1]), int(m[2]), int(m[3])
    return n & (n - 1) == 0 and n >= _HASH_ROUNDS_MIN and r > 0 and 0 < p <= 16 and 128 * n * r <= _HASH_BYTES_MAX
