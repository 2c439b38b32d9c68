# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_discovery.py
"""What was discovered, as the draft of a type file and an inventory: to be read, named and completed by an engineer.

Law of this file: pure text. Nothing is guessed that the device did not say: kinds follow from object types, units from
its own `units` where they have one meaning here; access is r, history is N, life is planned. What cannot be said stands
as a comment, with what the device said.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Sequence
from typing import Final

from drivers.bacnet.discovery import FoundDevice, FoundObject
from drivers.bacnet.names import MULTI_STATE, OBJECT_TYPES, object_type_name

_KINDS: Final = {
    **{
        OBJECT_TYPES[name]: "Float"
        for name in ("analog-input", "analog-output", "analog-value", "loop", "pulse-converter")
    },
    **{OBJECT_TYPES[name]: "Boolean" for name in ("binary-input", "binary-output", "binary-value")},
    **{OBJECT_TYPES[name]: "UInt32" for name in ("accumulator", "positive-integer-value")},
    OBJECT_TYPES["integer-value"]: "Int32",
    OBJECT_TYPES["large-analog-value"]: "Double",
    OBJECT_TYPES["characterstring-value"]: "String",
}
_UNITS: Final = {
    62: "°C", 98: "%", 95: None, 3: "A", 5: "V", 27: "Hz", 47: "W", 48: "kW", 18: "Wh", 19: "kWh", 20: "kJ", 53: "Pa",
    54: "kPa", 55: "bar", 80: "m3", 82: "l", 71: "h", 72: "min", 73: "s", 37: "lx", 29: "%", 96: "ppm", 135: "m3/h",
}  # fmt: skip
"""Source: ASHRAE 135, clause 21, BACnetEngineeringUnits; those that are written one way only."""
COLUMNS: Final = (
    "name", "area", "life", "title", "device.host", "device.port", "device.instance", "device.network", "device.mac",
    "device.object_name",
)  # fmt: skip


def drafts(devices: Sequence[FoundDevice], area: str) -> dict[str, str]:
    """File name -> text: a type for each set of objects, with its inventory. Devices with equal objects share one."""
    types: dict[tuple[tuple[int, str], ...], list[FoundDevice]] = {}
    for device in devices:
        types.setdefault(tuple((o.oid, o.name) for o in device.objects), []).append(device)
    files: dict[str, str] = {}
    for number, alike in enumerate(types.values(), 1):
        name = f"BAC{number}"
        files[f"types/{name}.yaml"] = type_text(name, alike)
        files[f"inventory/{name}.csv"] = inventory_text(name, alike, area)
    return files


def type_text(name: str, alike: Sequence[FoundDevice]) -> str:
    """The type file."""
    first = alike[0]
    lines = [
        f"# Draft made by `vigie discover bacnet` from {len(alike)} device(s), first of all {_said(first.name)} "
        f"(device {first.at.instance}, {_said(first.vendor)}).",
        *(f"# INCOMPLETE: device {d.at.instance}: {_said(d.trouble)}" for d in alike if d.trouble),
        f"type: {name}",
        f"title: {{fr: {_text(first.name or name)}, en: {_text(first.name or name)}}}",
        "revision: 1",
        "devices:",
        "  device: {protocol: bacnet}",
        "poll_classes:",
        "  slow: {period: 60 s, timeout: 2 s, retries: 1, bad_after: 180 s}",
        "tags:",
    ]
    used: set[str] = set()
    for each in first.objects:
        lines += _tag(each, used)
    return "\n".join(lines) + "\n"


def _tag(each: FoundObject, used: set[str]) -> list[str]:
    type_, text = each.oid >> 22, f"{object_type_name(each.oid >> 22)} {each.oid & 0x3FFFFF}"
    kind = _KINDS.get(type_)
    states = [state.strip() for state in each.states]
    if type_ in MULTI_STATE:
        kind = "Enumeration" if states and all(states) and len(set(states)) == len(states) else "UInt32"
    if kind is None:
        return [f"  # left out: {text} {_said(each.name)}: no value of a kind that is certain"]
    title = _text(each.description or each.name or text)
    unit = _UNITS.get(each.units) if each.units is not None else None
    lines = [f"  {_name(each, used)}:", f"    title: {{fr: {title}, en: {title}}}", f"    kind: {kind}"]
    if kind == "Enumeration":
        lines.append(f"    values: [{', '.join(_text(state) for state in states)}]")
    if unit is not None:
        lines.append(f"    unit: {_text(unit)}")
    elif each.units is not None and each.units not in _UNITS:
        lines.append(f"    # unit: the device says engineering unit {each.units}")
    return [*lines, "    history: {class: N}", f"    point: {{object: {text}}}", "    poll: slow"]


def _name(each: FoundObject, used: set[str]) -> str:
    """A tag's name from the object's, unique within the type."""
    type_, instance = each.oid >> 22, each.oid & 0x3FFFFF
    words = re.sub(r"[^A-Za-z0-9]+", "_", each.name).strip("_")[:32]
    initials = "".join(word[0] for word in object_type_name(type_).split("-")).upper()
    name = words if words[:1].isalpha() else f"{initials}_{instance}"
    for n in itertools.count():
        if name not in used:
            break
        own = f"_{type_}_{instance}" + f"_{n}" * bool(n)
        name = f"{name[: 32 - len(own)]}{own}"
    used.add(name)
    return name


def inventory_text(name: str, alike: Sequence[FoundDevice], area: str) -> str:
    """The inventory; equipment is planned until somebody says otherwise."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i, d in enumerate(alike, 1):
        behind = (d.at.network, d.at.mac.hex()) if d.at.network else ("", "")
        where = (d.at.host, d.at.port, d.at.instance, *behind)
        writer.writerow((f"{name}-{i:04}", area, "planned", _clean(d.name), *where, _clean(d.name)))
    return out.getvalue()


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _said(text: str) -> str:
    """What a device said, in a comment."""
    return json.dumps(_clean(text), ensure_ascii=False)


def _text(text: str) -> str:
    """A text of YAML; double quotes there are JSON's."""
    return json.dumps(_clean(text) or "-", ensure_ascii=False)
