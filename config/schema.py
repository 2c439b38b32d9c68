# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_schema.py
"""JSON Schema of every file an engineer writes, for editors.

Law of this file: made from the models that also check and run, never written by hand.

Where protocols are given, an editor also completes their addresses: `point` is one of their point models, `settings`
some of their device settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from config.model import EquipmentModel, SiteModel, TypeModel, UserModel
from config.pattern import PatternModel
from config.typefile import ProtocolSchemas

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {
    "site": TypeAdapter(SiteModel),
    "type": TypeAdapter(TypeModel),
    "inventory": TypeAdapter(list[EquipmentModel] | PatternModel),
    "users": TypeAdapter(list[UserModel]),
}
KINDS_OF_FILE: Final = tuple(_ADAPTERS)


def schema(which: str, protocols: Mapping[str, ProtocolSchemas] | None = None) -> dict[str, Any]:
    """JSON Schema (2020-12) of one sort of file.

    Args:
        which: 'site' (site.yaml), 'type' (types/*.yaml), 'inventory' (YAML inventories) or 'users'.
        protocols: as for `config.load.load_site`; their models go into the schema of a type.
    Raises:
        KeyError: another word.
    """
    made = _ADAPTERS[which].json_schema(by_alias=True)
    if which == "type":
        for name, protocol in (protocols or {}).items():
            _add_protocol(made["$defs"], name, protocol)
    return {"$schema": DIALECT, "title": f"Vigie: {which}", **{k: v for k, v in made.items() if k != "title"}}


def _add_protocol(definitions: dict[str, Any], name: str, protocol: ProtocolSchemas) -> None:
    for part, model in (("point", protocol.point_model), ("device", protocol.device_model)):
        made = TypeAdapter(model).json_schema(by_alias=True, ref_template=f"#/$defs/{name}_{{model}}")
        definitions |= {f"{name}_{key}": value for key, value in made.pop("$defs", {}).items()}
        if part == "device":
            made.pop("required", None)  # what is not common to all instances stands in the inventory
        definitions[f"{name}_{part}"] = made
    point = definitions["TagModel"]["properties"]["point"]
    point.setdefault("anyOf", [])
    point["anyOf"] = [p for p in point["anyOf"] if p.get("type") != "object"]
    point["anyOf"].insert(0, {"$ref": f"#/$defs/{name}_point"})
    settings = definitions["DeviceRole"]["properties"]["settings"]
    for key in ("additionalProperties", "type"):
        settings.pop(key, None)
    settings.setdefault("anyOf", []).append({"$ref": f"#/$defs/{name}_device"})
