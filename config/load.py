# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_load.py, tests/config
"""A site folder -> a checked `Site`, or all that is wrong with it.

Law of this file: reads files through `config.source` only, knows no protocol (their schemas are handed in), starts
nothing. What cannot be read does not keep the rest from being judged: one run names every problem of every file.

A site is a folder: `site.yaml` (`SiteModel`), the inventories it names, its users (a list of `UserModel`), and
types of its own in `types/<TYPE>.yaml`, which stand before the shipped types of the same name.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from config.check import check_site
from config.explain import validate
from config.inventory import Instance, Reader, settings_problems
from config.model import EquipmentModel, Site, SiteModel, UserModel
from config.problems import Problem, SiteProblems, did_you_mean, one_of, shown, unknown
from config.source import Document, list_of, read_yaml
from config.typefile import ProtocolSchemas, TypeFile, read_type

__all__ = ["ProtocolSchemas", "SiteProblems", "find_site", "load_site", "shipped_sites"]

_TYPE_NAME = re.compile(r"[A-Z][A-Z0-9]{1,7}")


def load_site(site: str | Path, protocols: Mapping[str, ProtocolSchemas]) -> Site:
    """Load and check a site.

    Args:
        site: a folder with a site.yaml, or the name of a shipped site.
        protocols: name as in the YAML -> its schemas.
    Returns: the whole site. Parameters of each equipment hold the defaults of its type where none was given; former
        names (`was`) are whole paths, '<area>/<name>'.
    Raises:
        SiteProblems: all problems of all files.
    """
    loading = _Loading(find_site(site), protocols)
    result = loading.run()
    if loading.problems or result is None:
        raise SiteProblems(loading.problems)
    return result


def shipped_sites() -> list[str]:
    """Names of the sites that come with the program."""
    folder = _shipped() / "sites"
    return sorted(p.name for p in folder.iterdir() if (p / "site.yaml").is_file()) if folder.is_dir() else []


def find_site(site: str | Path) -> Path:
    """The folder of a site; its site.yaml does as well.

    Raises:
        SiteProblems: it is neither a folder with a site.yaml nor the name of a shipped site.
    """
    try:
        folder = Path(site)
        if (folder / "site.yaml").is_file():
            return folder
        if folder.name == "site.yaml" and folder.is_file():
            return folder.parent
        names = shipped_sites()
        if str(site) in names:
            return _shipped() / "sites" / str(site)
        got = "a folder without one" if folder.is_dir() else shown(str(site))
    except (OSError, ValueError):
        names, got = shipped_sites(), shown(str(site))
    hint = did_you_mean(str(site), names) or f"; shipped sites: {one_of(names)}"
    text = f"expected a folder with a site.yaml or the name of a shipped site, got {got}{hint}"
    raise SiteProblems([Problem(str(site) or ".", 0, 0, "", text)])


def _shipped() -> Path:
    return Path(str(importlib.resources.files("config")))


@dataclass(slots=True)
class _Loading:
    """One run over the files of a site."""

    folder: Path
    protocols: Mapping[str, ProtocolSchemas]
    problems: list[Problem] = field(default_factory=list)
    types: dict[str, TypeFile] = field(default_factory=dict)
    instances: dict[str, list[Instance]] = field(default_factory=dict)
    devices: dict[tuple[str, str], Any] = field(default_factory=dict)

    def run(self) -> Site | None:
        entry = self.folder / "site.yaml"
        document, self.problems = read_yaml(entry, str(entry))
        model = None
        if document is None:
            document = Document(str(entry))  # the site's own types can be judged without it
        else:
            model = validate(SiteModel, document.data, document, (), self.problems)
        raw = document.data if isinstance(document.data, dict) else {}
        inventory = raw.get("inventory")
        for name, file in inventory.items() if isinstance(inventory, dict) else ():
            self._family(document, name, file)
        self._types_unused(inventory if isinstance(inventory, dict) else {})
        users, people = self._users(document, raw.get("users"))
        self.problems += check_site(document, self.types, self.instances, self.devices, users, people)
        if model is None or self.problems:
            return None
        return self._site(model, people)

    # --------------------------------------------------------------------------------------------- types, inventories

    def _family(self, document: Document, name: str, file: Any) -> None:
        """One type and its inventory."""
        type_ = self._type(document, name)
        path = self._inside(document, ("inventory", name), file, (".csv", ".yaml"))
        if path is None:
            return
        dropped: set[str] = set()
        if type_ is not None:
            dropped = {*type_.broken["parameters"], *type_.broken["devices"]}
        reader = Reader(
            name,
            type_.model if type_ else None,
            type_.document if type_ else None,
            dropped,
            type_.device_models if type_ else {},
        )
        reader.read(path, str(path))
        self.problems += reader.problems
        self.instances[name] = reader.instances
        self.devices |= reader.devices

    def _type(self, document: Document, name: str) -> TypeFile | None:
        path = self._type_path(name)
        if path is None:
            text = unknown("a type (a file in types/ or a shipped one)", name, self._type_names())
            self.problems.append(document.problem(("inventory", name), text, key=True))
            return None
        return self._read_type(name, path)

    def _read_type(self, name: str, path: Path) -> TypeFile | None:
        source, problems = read_yaml(path, str(path))
        self.problems += problems
        if source is None:
            return None
        type_ = read_type(name, source, self.protocols, self.problems)
        if type_ is not None:
            self.types[name] = type_
            self.problems += settings_problems(type_.model, source, type_.device_models)
        return type_

    def _type_path(self, name: str) -> Path | None:
        if not _TYPE_NAME.fullmatch(name):
            return None
        folders = (self.folder / "types", _shipped() / "types")
        return next((p for f in folders if (p := f / f"{name}.yaml").is_file()), None)

    def _type_names(self) -> list[str]:
        folders = (self.folder / "types", _shipped() / "types")
        return sorted({p.stem for f in folders if f.is_dir() for p in f.glob("*.yaml")})

    def _types_unused(self, used: Iterable[str]) -> None:
        """Types of the site's own that have no inventory yet are judged, too."""
        own = self.folder / "types"
        for path in sorted(own.glob("*.yaml")) if own.is_dir() else ():
            if path.stem not in used and path.is_file():
                self._read_type(path.stem, path)

    def _inside(self, document: Document, place: tuple[str, ...], file: Any, suffixes: tuple[str, ...]) -> Path | None:
        """A file of the site's folder; None (and a problem, unless the model tells it) if it cannot be one."""
        if not isinstance(file, str):
            return None
        pure = PurePosixPath(file)
        if pure.is_absolute() or ".." in pure.parts or pure.suffix not in suffixes or "\\" in file:
            text = f"expected a {' or '.join(suffixes)} file in the site's folder, got {shown(file)}"
            self.problems.append(document.problem(place, text))
            return None
        path = self.folder / pure
        if not path.is_file():
            near = [str(p.relative_to(self.folder)) for s in suffixes for p in sorted(self.folder.rglob(f"*{s}"))[:500]]
            text = f"expected a file, got {shown(file)}, which is not there{did_you_mean(file, near)}"
            self.problems.append(document.problem(place, text))
            return None
        return path

    # ---------------------------------------------------------------------------------------------------------- users

    def _users(self, document: Document, file: Any) -> tuple[Document | None, list[tuple[int, UserModel]]]:
        path = self._inside(document, ("users",), file, (".yaml",))
        if path is None:
            return None, []
        source, problems = read_yaml(path, str(path))
        self.problems += problems
        if source is None:
            return None, []
        people: list[tuple[int, UserModel]] = []
        for index, entry in enumerate(list_of("users", source, self.problems)):
            user = validate(UserModel, entry, source, (index,), self.problems)
            if user is not None:
                people.append((index, user))
        return source, people

    # --------------------------------------------------------------------------------------------------------- result

    def _site(self, model: SiteModel, people: list[tuple[int, UserModel]]) -> Site:
        equipment: dict[str, tuple[EquipmentModel, ...]] = {
            name: tuple(i.model for i in instances) for name, instances in self.instances.items()
        }
        types = {name: self.types[name] for name in model.inventory}
        return Site(
            folder=str(self.folder),
            model=model,
            types={name: t.model for name, t in types.items()},
            equipment=equipment,
            users=tuple(user for _, user in people),
            points={(name, tag): p for name, t in types.items() for tag, p in t.points.items()},
            devices=self.devices,
        )
