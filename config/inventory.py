# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_inventory.py, tests/config
"""Inventories: which equipment of a type there is, where, and with which devices and parameters.

Law of this file: one type, one file, one pass; it looks at no other file but to say that a common setting is wrong.

CSV: a header and a row per equipment. Columns: name, area, life, was (former names, separated by spaces), title,
maintained_by, fed_by, `<role>.<setting>` for the devices, and the parameters of the type. An empty cell means: not
given.
Planned and retired equipment may lack the address of its devices.
YAML (at most `YAML_ROWS_MAX` entries): a list of mappings as `EquipmentModel`; or a pattern that makes the rows of a
CSV file (`config.pattern`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from config.explain import keys_of, sentences, unknown_key, validate
from config.model import EquipmentModel, Life, TypeModel
from config.pattern import Sheet, is_pattern, once, read_pattern
from config.problems import Problem, guess, unknown
from config.source import YAML_ROWS_MAX, Document, Located, Place, list_of, read_yaml, scalar
from config.table import Table, read_csv
from config.values import PARAMETER_KINDS, cell_value, misfit, wants_text
from config.words import Kind

FIXED_COLUMNS: Final = ("name", "area", "life", "was", "title", "maintained_by", "fed_by")
REQUIRED_COLUMNS: Final = ("name", "area")
_NOT_POLLED: Final = (Life.PLANNED.value, Life.RETIRED.value)

_Store = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class Instance:
    """One equipment that could be read, and where it stands: `place` in `source`."""

    source: Located
    place: Place
    type: str
    model: EquipmentModel

    @property
    def path(self) -> str:
        """'21605/CAB-0003'."""
        return f"{self.model.area}/{self.model.name}"

    def problem(self, key: str, text: str) -> Problem:
        return self.source.problem((*self.place, key), text)


class Reader:
    """Reads the inventory of one type.

    Attributes:
        type: the sound part of the type; None if it could not be read: then devices and parameters are not judged.
        dropped: names of parameters and roles that are wrong themselves and therefore not judged here.
        device_models: role -> the protocol's model of a device, for roles whose protocol is known.
        instances: what could be read.
        devices: (equipment path, role) -> device.
    """

    def __init__(
        self,
        type_name: str,
        type_: TypeModel | None,
        type_source: Located | None,
        dropped: Collection[str],
        device_models: Mapping[str, type[BaseModel]],
    ) -> None:
        self.type_name = type_name
        self.type = type_
        self.type_source = type_source
        self.dropped = dropped
        self.device_models = device_models
        self.problems: list[Problem] = []
        self.instances: list[Instance] = []
        self.devices: dict[tuple[str, str], BaseModel] = {}
        self._roles_whole = set(device_models)
        # Settings that the protocol does not know are said once, for the type.
        self._common: dict[str, dict[str, Any]] = {
            role: {k: v for k, v in type_.devices[role].settings.items() if k in keys_of(model)}
            for role, model in device_models.items()
            if type_ is not None
        }
        self._parameters = type_.parameters if type_ else {}
        # A range that is wrong was said once, where it stands.
        self._ranges = {n: p.range for n, p in self._parameters.items() if p.range and p.range[0] < p.range[1]}
        self._defaults = {name: p.default for name, p in self._parameters.items() if p.default is not None}
        self._required = [name for name, p in self._parameters.items() if p.default is None]

    def read(self, path: Path, file: str) -> None:
        """Read the file; everything wrong is in `problems` afterwards."""
        if path.suffix == ".csv":
            table, self.problems = read_csv(path, file)
            if table is not None:
                self._sheet(table)
            return
        document, self.problems = read_yaml(path, file)
        if document is not None and is_pattern(document):
            sheet, self.problems = read_pattern(document, path.parent, str(Path(file).parent))
            if sheet is not None:
                self._sheet(sheet)
                self.problems = once(self.problems)
        elif document is not None:
            self._document(document)

    def _sheet(self, sheet: Table | Sheet) -> None:
        """Rows of cells, typed or made by a pattern."""
        sheet.data = self._rows_of(sheet)
        if set(REQUIRED_COLUMNS) <= set(sheet.header):
            self._entries(sheet, sheet.data)

    def _document(self, document: Document) -> None:
        entries = list_of("equipment", document, self.problems)
        if len(entries) > YAML_ROWS_MAX:
            text = f"expected at most {YAML_ROWS_MAX} entries, got {len(entries)}; write a larger inventory as CSV"
            self.problems.append(document.problem((), text))
        else:
            self._entries(document, entries)

    # ---------------------------------------------------------------------------------------------------------- CSV

    def _rows_of(self, table: Table | Sheet) -> list[dict[str, Any]]:
        """Rows as the entries of a YAML inventory."""
        stores = self._columns(table)
        entries: list[dict[str, Any]] = []
        for row in table.rows:
            entry: dict[str, Any] = {}
            for store, cell in zip(stores, row, strict=True):
                if cell and store is not None:
                    store(entry, cell)
            entries.append(entry)
        return entries

    def _columns(self, table: Table | Sheet) -> list[_Store | None]:
        """What to do with the cells of each column; problems of the header."""
        known = self._known_columns()
        lacking = [name for name in self._required_columns(table.header) if name not in table.header]
        stores: list[_Store | None] = []
        for index, name in enumerate(table.header):
            store = known.get(name)
            stores.append(store)
            if store is None and self._may_judge(name):
                best = guess(name, [k for k in known if k not in table.header])
                if best in lacking:
                    lacking.remove(best)
                    self._forgive(best)
                text = unknown_key(name, list(known), best).replace("unknown key", "unknown column")
                self.problems.append(table.header_problem(index, text.replace("Known keys", "Known columns")))
        for name in lacking:
            self.problems.append(table.header_problem(None, f"missing required column '{name}'"))
            self._forgive(name)
        return stores

    def _may_judge(self, column: str) -> bool:
        if self.type is None:
            return False
        role = column.split(".")[0]
        return column not in self.dropped and role not in self.dropped and not self._unknown_protocol(role)

    def _unknown_protocol(self, role: str) -> bool:
        return self.type is not None and role in self.type.devices and role not in self.device_models

    def _forgive(self, column: str) -> None:
        """A missing column was said once; its absence is not said again in each row."""
        role, _, setting = column.partition(".")
        if setting:
            self._roles_whole.discard(role)
        elif column in self._required:
            self._required.remove(column)

    def _known_columns(self) -> dict[str, _Store]:
        known: dict[str, _Store] = {name: _plain(name) for name in FIXED_COLUMNS}
        known["was"] = lambda entry, cell: entry.__setitem__("was", cell.split())
        for role, model in self.device_models.items():
            for name, info in model.model_fields.items():
                key = info.alias or name
                known[f"{role}.{key}"] = _setting(role, key, wants_text(info))
        for name, parameter in self._parameters.items():
            known.setdefault(name, _parameter(name, parameter.kind))
        return known

    def _required_columns(self, header: Sequence[str]) -> list[str]:
        names = [*REQUIRED_COLUMNS, *self._required]
        for role, model in self.device_models.items():
            common = self._common.get(role, {})
            columns = (column.removeprefix(f"{role}.") for column in header if column.startswith(f"{role}."))
            names += [f"{role}.{key}" for key in _keys_needed(model, {**dict.fromkeys(columns), **common})]
        return names

    # ------------------------------------------------------------------------------------------------------ entries

    def _entries(self, source: Located, entries: list[Any]) -> None:
        for index, entry in enumerate(entries):
            place: Place = (index,)
            model = self._model(source, place, entry)
            devices = self._devices(source, place, entry)
            if model is not None:
                instance = Instance(source, place, self.type_name, model)
                self.instances.append(instance)
                self.devices |= {(instance.path, role): device for role, device in devices.items()}

    def _model(self, source: Located, place: Place, entry: Any) -> EquipmentModel | None:
        if isinstance(entry, dict):
            given = entry.get("parameters", {})
            if isinstance(given, dict):
                self._judge_parameters(source, place, given)
                known = {name: value for name, value in given.items() if name in self._parameters}
                entry = {**entry, "parameters": {**self._defaults, **known}}
        model = validate(EquipmentModel, entry, source, place, self.problems)
        if model is None or not model.was:
            return model
        return model.model_copy(update={"was": [w if "/" in w else f"{model.area}/{w}" for w in model.was]})

    def _judge_parameters(self, source: Located, place: Place, given: dict[str, Any]) -> None:
        if self.type is None:
            return
        for name, value in given.items():
            at = (*place, "parameters", name)
            parameter = self._parameters.get(name)
            if parameter is None:
                if name not in self.dropped:
                    text = unknown(f"a parameter of {self.type_name}", name, self._parameters)
                    self.problems.append(source.problem(at, text, key=True))
            elif parameter.kind not in PARAMETER_KINDS:
                continue
            elif (text_ := misfit(parameter.kind, value, self._ranges.get(name))) is not None:
                self.problems.append(source.problem(at, text_))
        for name in self._required:
            if name not in given:
                text = f"missing required parameter '{name}' of {self.type_name}"
                self.problems.append(source.problem(place, text))

    def _devices(self, source: Located, place: Place, entry: Any) -> dict[str, BaseModel]:
        """The sound devices of an entry, by role. Judged even if the entry itself is wrong elsewhere."""
        given = entry.get("devices", {}) if isinstance(entry, dict) else None
        if self.type is None or not isinstance(given, dict):
            return {}
        for role in given:
            if role not in self.type.devices and role not in self.dropped:
                text = unknown(f"a device role of {self.type_name}", role, self.type.devices)
                self.problems.append(source.problem((*place, "devices", role), text, key=True))
        found: dict[str, BaseModel] = {}
        for role, device_model in self.device_models.items():
            common, own = self._common[role], given.get(role, {})
            if role not in self._roles_whole or not isinstance(own, dict):
                continue
            try:
                found[role] = device_model.model_validate({**common, **own} if common else own)
            except ValidationError as refusal:
                if not _not_yet(entry, refusal):
                    self._explain_device(refusal, device_model, source, place, role, own)
        return found

    def _explain_device(
        self,
        refusal: ValidationError,
        device_model: type[BaseModel],
        source: Located,
        place: Place,
        role: str,
        own: dict[str, Any],
    ) -> None:
        """Each complaint where its setting was written: in the inventory, or in the type for all instances."""
        common = self._common[role]
        for inner, text, key in sentences(refusal, device_model, {**common, **own}, source, ()):
            first = inner[0] if inner else None
            if first in common and first not in own and self.type_source is not None:
                at = ("devices", role, "settings", *inner)
                self.problems.append(self.type_source.problem(at, text, key=key))
            else:
                self.problems.append(source.problem((*place, "devices", role, *inner), text, key=key))


def _not_yet(entry: dict[str, Any], refusal: ValidationError) -> bool:
    """Equipment that is not polled yet, or no longer, may lack its address: nobody has given it one."""
    lacking = all(error["type"] == "missing" for error in refusal.errors(include_url=False))
    return lacking and entry.get("life") in _NOT_POLLED


def settings_problems(type_: TypeModel, source: Located, device_models: Mapping[str, type[BaseModel]]) -> list[Problem]:
    """Settings common to all instances that the protocol does not know; their values are judged with each instance."""
    problems: list[Problem] = []
    for role, model in device_models.items():
        known = keys_of(model)
        for name in type_.devices[role].settings:
            if name not in known:
                place = ("devices", role, "settings", name)
                problems.append(source.problem(place, unknown_key(name, known), key=True))
    return problems


def _keys_needed(model: type[BaseModel], given: Mapping[str, Any]) -> list[str]:
    """Keys a device must have beside the given ones; which these are may depend on the given (None: on each row)."""
    own: Callable[[Mapping[str, Any]], list[str]] | None = getattr(model, "keys_needed", None)
    if own is not None:
        return own(given)
    required = (info.alias or name for name, info in model.model_fields.items() if info.is_required())
    return [key for key in required if key not in given]


def _plain(name: str) -> _Store:
    return lambda entry, cell: entry.__setitem__(name, cell)


def _setting(role: str, key: str, text: bool) -> _Store:
    def store(entry: dict[str, Any], cell: str) -> None:
        entry.setdefault("devices", {}).setdefault(role, {})[key] = cell if text else scalar(cell)

    return store


def _parameter(name: str, kind: Kind) -> _Store:
    def store(entry: dict[str, Any], cell: str) -> None:
        entry.setdefault("parameters", {})[name] = cell_value(kind, cell)

    return store
