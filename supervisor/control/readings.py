# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_answers.py
"""Tags as documents for people and scripts: value, unit, status, times, and the last usable value beside a Bad one.

Law of this file: reads the table, changes nothing; one document per tag asked for, never for the whole plant.
"""

from __future__ import annotations

import math
from typing import Any

from config.words import BAD, NS_PER_S, Kind, StatusCode
from supervisor.commands.values import Value, iso, status_name
from supervisor.people import User
from supervisor.plant.plant import TagInfo
from supervisor.tags.table import TagTable


def reading(table: TagTable, row: int, user: User, now_ns: int) -> dict[str, Any]:
    """One tag. Personal data is withheld from who may not read it, its status too."""
    block = table.plant.block(row)
    info = block.info
    document: dict[str, Any] = {"name": table.plant.name(row), "unit": info.unit, "kind": info.kind.name}
    if info.personal and not user.may_read_personal():
        return document | {"value": None, "status": StatusCode.BadUserAccessDenied.name, "age_s": None}
    status = int(table.status[row])
    source_ns = int(table.source_ns[row])
    document |= {
        "value": plain(info, table.value(row)),
        "status": status_name(status),
        "source_time": iso(source_ns),
        "age_s": round((now_ns - source_ns) / NS_PER_S, 3),
        "access": info.access.value,
    }
    if status >= BAD and (last_ns := int(table.last_usable_ns[row])):
        document["last_usable"] = {
            "value": plain(info, table.last_value(row)),
            "source_time": iso(last_ns),
            "age_s": round((now_ns - last_ns) / NS_PER_S, 3),
        }
    return document


def plain(info: TagInfo, value: Value | None) -> Value | None:
    """A value as JSON can hold it: an enumeration by name, a time as ISO 8601, null for a float that is no number."""
    if value is None or isinstance(value, bool | str):
        return value
    if info.kind is Kind.DateTime:
        return iso(int(value))
    if info.kind is Kind.Enumeration and 0 <= int(value) < len(info.values):
        return info.values[int(value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
