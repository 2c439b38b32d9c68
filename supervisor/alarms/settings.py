# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_settings.py
"""The settings of the alarm rules as the journal knows them: what somebody changed in a file is told at the next start.

Law of this file: pure; settings in, records and rows out. A type's rule has one row; texts and rationalisation are no
settings. Nobody knows here who changed a file, or why: whoever keeps the change records compares (ISA-18.2, management
of change).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from historian.base import DATA_LENGTH_MAX, DATA_TEXT_LENGTH_MAX, TEXT_LENGTH_MAX, Plain, Record, RecordKind, Row
from supervisor.alarms.rules import RuleBook

TABLE: Final = "alarm settings"
WHAT: Final = "alarm setting"
_TEXTS: Final = frozenset({"text", "cause", "consequence", "operator_action"})
_OWN: Final = 2  # of the keys of a record's data: what, rule


def settings(book: RuleBook) -> dict[str, bytes]:
    """'CAB/V1_limits' -> its settings as JSON, for every rule of a type that has equipment."""
    return {
        f"{block.type}/{block.rule.name}": to_json(
            block.model.model_dump(mode="json", by_alias=True, exclude=set(_TEXTS), exclude_defaults=True)
        )
        for block in book.blocks
        if block.count
    }


def changes(
    stored: Iterable[tuple[bytes, bytes]], now: Mapping[str, bytes], now_ns: int
) -> tuple[list[Record], list[Row]]:
    """What to tell and to store, settings having been `stored` when they were last looked at.

    A journal that knows none yet is told of none. What cannot be read any more counts as changed.
    """
    former = {key.decode(errors="replace"): payload for key, payload in stored}
    names = sorted(name for name in former.keys() | now.keys() if former.get(name) != now.get(name))
    rows = [Row(TABLE, name.encode(), now.get(name)) for name in names]
    if not former:
        return [], rows
    return [_record(name, former.get(name), now.get(name), now_ns) for name in names], rows


def _record(name: str, former: bytes | None, now: bytes | None, now_ns: int) -> Record:
    data: dict[str, Plain] = {"what": WHAT, "rule": name}
    if former is None or now is None:
        return Record(
            now_ns, RecordKind.CONFIG, "vigie", "", f"alarm rule {name} is {'no more' if now is None else 'new'}", data
        )
    for key, text in _differences(_read(former), _read(now)):
        if len(data) < DATA_LENGTH_MAX:
            data[key] = text[:DATA_TEXT_LENGTH_MAX]
    told = ", ".join(f"{key} {text}" for key, text in list(data.items())[_OWN:])
    return Record(now_ns, RecordKind.CONFIG, "vigie", "", f"alarm setting {name}: {told}"[:TEXT_LENGTH_MAX], data)


def _read(payload: bytes) -> dict[str, Any]:
    try:
        found = from_json(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _differences(former: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """('high', '253 -> 260') for each that differs; a default is written '-'."""
    for key in sorted(former.keys() | now.keys()):
        before, after = former.get(key), now.get(key)
        if before != after:
            yield key, f"{'-' if before is None else before} -> {'-' if after is None else after}"
