# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_logbook.py
"""The journal as people ask for it: what they mean by a name, what they may see, what a note must have.

Law of this file: pure; arguments from outside are checked here, errors are sentences for who asked.
"""

from __future__ import annotations

from typing import Any, Final

from historian.base import TEXT_LENGTH_MAX, Entry, Plain, Query, Record, RecordKind
from supervisor.commands.values import iso
from supervisor.control.search import no_such_tag
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.rights import Sight

RECORDS_MAX: Final = 1000  # of one answer; more by turning pages
_KNOWN: Final = frozenset({"op", "n", "from_ns", "until_ns", "kinds", "subject", "person", "before"})


def query_of(arguments: dict[str, Any], sight: Sight, limit: int) -> Query:
    """A request as a query.

    Args:
        arguments: `from_ns`, `until_ns`, `before`: whole numbers or null; `kinds`: list of names; `subject`, `person`.
    Raises:
        ValueError: something is not what it should be.
    """
    if unknown := sorted(arguments.keys() - _KNOWN):
        raise ValueError(f"unknown argument '{unknown[0][:50]}'; expected some of {', '.join(sorted(_KNOWN - {'op'}))}")
    kinds = arguments.get("kinds", [])
    if not isinstance(kinds, list) or len(kinds) > len(RecordKind):
        raise ValueError(f"kinds: expected a list of {', '.join(RecordKind)}")
    return Query(
        from_ns=_number(arguments, "from_ns"),
        until_ns=_number(arguments, "until_ns"),
        kinds=frozenset(_kind(kind) for kind in kinds),
        subject=meant(sight, _text(arguments, "subject")),
        person=_text(arguments, "person"),
        before=_number(arguments, "before"),
        limit=limit,
    )


def _number(arguments: dict[str, Any], name: str) -> int | None:
    value = arguments.get(name)
    if value is not None and type(value) is not int:
        raise ValueError(f"{name}: expected a whole number or null")
    return value


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a text")
    return value


def _kind(name: object) -> RecordKind:
    try:
        return RecordKind(str(name))
    except ValueError:
        raise ValueError(f"kinds: expected some of {', '.join(RecordKind)}, got '{str(name)[:50]}'") from None


def meant(sight: Sight, name: str) -> str:
    """The subject a person means: 'CAB-0003' and 'CAB-0003/V1' without the area where only one such equipment exists.

    A name this plant does not know is taken as it is: the journal remembers equipment that is long gone.

    Raises:
        ValueError: several are meant.
    """
    plant, name = sight.plant, name.strip("/")
    first, slash, tag = name.partition("/")
    if not name or first in plant.areas or any(name == path for path in plant.old_names):
        return name
    paths = [path for kind in plant.types.values() for path in kind.equipment if path.rpartition("/")[2] == first]
    paths = [path for path in paths if sight.subject(path)]
    if len(paths) > 1:
        raise ValueError(f"'{first}' is one of {len(paths)}: {', '.join(paths[:5])}; name it with its area")
    return f"{paths[0]}{slash}{tag}" if paths else name


def note_of(arguments: dict[str, Any], sight: Sight, origin: str, now_ns: int) -> Record:
    """A note of the logbook.

    Args:
        arguments: `text`: 1..2,000 characters; `subject`: area, equipment or tag of this plant, or empty.
    Raises:
        ValueError: no text, too long, or no such subject.
    """
    text = _text(arguments, "text").strip()
    if not 1 <= len(text) <= TEXT_LENGTH_MAX:
        raise ValueError(f"text: expected 1..{TEXT_LENGTH_MAX:,} characters, got {len(text):,}")
    plant, subject = sight.plant, meant(sight, _text(arguments, "subject"))
    known = subject in plant.areas or plant.find(subject) is not None or plant.row(subject) is not None
    if subject and not (known and sight.subject(subject)):
        raise ValueError(no_such_tag(plant, subject, sight).replace("no tag", "no area, equipment or tag", 1))
    data: dict[str, Plain] = {"origin": origin[:200]}
    return Record(now_ns, RecordKind.NOTE, sight.user.name, subject, text, data)


_OF_PEOPLE: Final = frozenset({RecordKind.LOGIN, RecordKind.PERSON})


def is_seen(record: Record, sight: Sight) -> bool:
    """Whether a record is there for this person: by what it is about, and one's own always."""
    if record.user == sight.user.name:
        return True
    return sight.subject(record.subject) and (sight.people() or record.kind not in _OF_PEOPLE)


def entry_document(entry: Entry, plant: Plant, user: User) -> dict[str, Any]:
    """One record. What is said of a personal tag is withheld from who may not read that tag."""
    record = entry.record
    withheld = _is_personal(plant, record.subject) and not user.may_read_personal()
    return {
        "post": entry.post,
        "epoch": entry.position.epoch,
        "sequence": entry.position.sequence,
        "imported": None if entry.imported is None else f"{entry.imported.epoch}/{entry.imported.sequence}",
        "time": iso(record.time_ns),
        "time_ns": record.time_ns,
        "kind": record.kind.value,
        "user": record.user,
        "subject": record.subject,
        "text": "(personal data)" if withheld else record.text,
        "data": {} if withheld else dict(record.data),
    }


def _is_personal(plant: Plant, subject: str) -> bool:
    row = plant.row(subject)
    return row is not None and plant.block(row).info.personal
