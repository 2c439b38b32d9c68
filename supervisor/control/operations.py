# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control.py, tests/unit/test_control_answers.py
"""What can be asked through the control socket: one coroutine per operation, a table of them, their rights.

Law of this file: arguments come from outside and are checked here before anything is looked at; answers are bounded. It
knows neither sockets nor terminals.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import numpy as np

from config.model import Role
from config.words import BAD, UNCERTAIN, Clock, Rows
from drivers.status import DeviceStatus, Probed
from historian.base import Entry, Journal, JournalError, Query
from supervisor.alarms.desk import AlarmDesk
from supervisor.commands.commands import NOTE_LENGTH_MAX, Commands
from supervisor.control.alarm_call import AlarmCall
from supervisor.control.alarms import ALARM_OPERATIONS
from supervisor.control.certs import Certs
from supervisor.control.logbook import RECORDS_MAX, entry_document, is_seen, note_of, query_of
from supervisor.control.past import Past, history_page
from supervisor.control.readings import reading
from supervisor.control.search import find_rows, no_such_tag
from supervisor.people import User
from supervisor.replacing import CannotReplace, Replacer, Wish
from supervisor.rights import Rights, Sight
from supervisor.status import device_document, probe_document
from supervisor.tags.table import TagTable

TAGS_MAX: Final = 1000
PROBES_MAX: Final = 20
PROBE_S: Final = 3.0
EVERY_DEVICE: Final = 2**31
PAGES_MAX: Final = 20  # of the journal, looked through for one answer
_TEXT_LENGTH_MAX: Final = 1000


class Refused(Exception):
    """The request is not carried out; the sentence says why."""


@dataclass(slots=True)
class Server:
    """The running server as this door sees it. `table` is replaced when a new generation of the plant begins.

    Attributes:
        status: makes the document of `supervisor.status`; takes the number of devices wanted, None for all.
        devices: states of all devices, in the order of the plant.
        stop: asks the server to stop in order; returns at once.
        alarms: None: a server without an alarm engine.
        past: None: a server that records nothing.
        certs: None: a server without certificates.
        probe: (place of a device in `devices`, timeout [s]) -> all about it, asked now; None: a server without a field.
        replacer: None: a server without a field.
    """

    table: TagTable
    commands: Commands
    journal: Journal
    clock: Clock
    status: Callable[[int | None], Awaitable[dict[str, Any]]]
    devices: Callable[[], Sequence[DeviceStatus]]
    stop: Callable[[str], None]
    alarms: AlarmDesk | None = None
    past: Past | None = None
    certs: Certs | None = None
    probe: Callable[[int, float], Awaitable[Probed]] | None = None
    replacer: Replacer | None = None
    rights: Rights = field(init=False)

    def __post_init__(self) -> None:
        self.rights = Rights(self.table.plant)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, through which door, with which arguments."""

    server: Server
    user: User
    origin: str
    arguments: dict[str, Any]

    @property
    def sight(self) -> Sight:
        """Which names are there for who asks."""
        return Sight(self.server.table.plant, self.user)

    def text(self, name: str, default: str | None = None) -> str:
        """A text argument.

        Raises:
            Refused: absent without default, no text, or too long.
        """
        value = self.arguments.get(name, default)
        if not isinstance(value, str) or len(value) > _TEXT_LENGTH_MAX:
            raise Refused(f"{name}: expected a text of at most {_TEXT_LENGTH_MAX} characters")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number 0..most.

        Raises:
            Refused.
        """
        value = self.arguments.get(name, default)
        if type(value) is not int or not 0 <= value <= most:
            raise Refused(f"{name}: expected a whole number 0..{most}")
        return value

    def numbers(self, name: str) -> dict[str, float]:
        """A few numbers by name; none if absent.

        Raises:
            Refused.
        """
        given = self.arguments.get(name, {})
        sound = isinstance(given, dict) and len(given) <= 100
        if not sound or not all(type(v) in (int, float) and math.isfinite(v) for v in given.values()):
            raise Refused(f"{name}: expected at most 100 numbers by name")
        return {str(key): float(value) for key, value in given.items()}


async def _status(call: Call) -> Any:
    """The document of `/status`; of the devices, those that are there for who asks, at most `devices`, worst first."""
    limit = call.number("devices", EVERY_DEVICE, EVERY_DEVICE)
    document = await call.server.status(None if limit == EVERY_DEVICE else limit)
    if "devices" in document:
        document = document | {"devices": [d for d in document["devices"] if call.sight.device(d["name"])]}
    return document


async def _tags(call: Call) -> Any:
    """Tags whose names match `pattern`, of quality `quality`, from row `after` on; `next` leads to the next page."""
    table = call.server.table
    rows = find_rows(table.plant, call.text("pattern", ""))
    rows = rows[call.server.rights.of(call.user).sees(rows)]
    rows = rows[_of_quality(call.text("quality", "any"), table.status[rows])]
    after = call.number("after", 0, 2**53)
    limit = call.number("limit", 200, TAGS_MAX)
    page = rows[rows >= after][: limit + 1]
    now_ns = call.server.clock.wall_ns()
    return {
        "total": len(rows),
        "next": int(page[limit]) if len(page) > limit else None,
        "tags": [reading(table, int(row), call.user, now_ns) for row in page[:limit]],
    }


def _of_quality(quality: str, status: np.ndarray[Any, np.dtype[np.uint32]]) -> Any:
    masks = {
        "any": np.ones(len(status), np.bool_),
        "good": status < UNCERTAIN,
        "uncertain": (status >= UNCERTAIN) & (status < BAD),
        "bad": status >= BAD,
        "not-good": status >= UNCERTAIN,
    }
    if quality not in masks:
        raise Refused(f"quality: expected one of {', '.join(masks)}")
    return masks[quality]


async def _read(call: Call) -> Any:
    names = call.arguments.get("names")
    if not isinstance(names, list) or not 1 <= len(names) <= TAGS_MAX:
        raise Refused(f"names: expected a list of 1..{TAGS_MAX} tags")
    table, now_ns = call.server.table, call.server.clock.wall_ns()
    rows: Rows = np.array([_row(call, name) for name in names], np.int64)
    return {"tags": [reading(table, int(row), call.user, now_ns) for row in rows]}


def _row(call: Call, name: object) -> int:
    """The row of a tag that is there for this user."""
    plant = call.server.table.plant
    if not isinstance(name, str) or len(name) > _TEXT_LENGTH_MAX:
        raise Refused(f"names: expected texts of at most {_TEXT_LENGTH_MAX} characters")
    if (row := plant.row(name)) is None:
        raise Refused(no_such_tag(plant, name, call.sight))
    if not call.server.rights.of(call.user).sees_row(row):
        raise Refused(no_such_tag(plant, name, call.sight))  # what somebody may not see is not there for them
    return row


async def _put(call: Call) -> Any:
    value = call.arguments.get("value")
    if not isinstance(value, bool | int | float | str):
        raise Refused("value: expected a text, a number, true or false")
    note = call.text("note", "")
    if len(note) > NOTE_LENGTH_MAX:
        raise Refused(f"note: expected at most {NOTE_LENGTH_MAX} characters, got {len(note)}; nothing was commanded")
    row = _row(call, call.text("tag"))
    result = await call.server.commands.put(call.user, row, value, call.origin, note)
    return {"verdict": result.verdict.value, "status": result.status.name, "reason": result.reason}


async def _devices(call: Call) -> Any:
    """Devices whose names contain `name`, at most 1,000."""
    name, now_ns = call.text("name", ""), call.server.clock.wall_ns()
    sight = call.sight
    found = [d for d in call.server.devices() if name in d.name and sight.device(d.name)]
    return {"total": len(found), "devices": [device_document(d, now_ns) for d in found[:TAGS_MAX]]}


async def _probe(call: Call) -> Any:
    """Devices whose names contain `name`, at most PROBES_MAX, each asked who it is just now."""
    server, name, sight = call.server, call.text("name"), call.sight
    if server.probe is None:
        raise Refused("this server has no field")
    found = [i for i, d in enumerate(server.devices()) if name in d.name and sight.device(d.name)]
    probed = await asyncio.gather(*(server.probe(i, PROBE_S) for i in found[:PROBES_MAX]))
    now_ns = server.clock.wall_ns()
    return {"total": len(found), "devices": [probe_document(p, now_ns) for p in probed]}


async def _replace(call: Call) -> Any:
    """A device of `equipment` was replaced: accept who it is, join its counters; `finals`, `firsts`: tag -> reading."""
    server, path, reason = call.server, call.text("equipment"), call.text("reason").strip()
    plant = server.table.plant
    found = plant.find(path)
    if server.replacer is None or found is None or not call.sight.subject(path):
        raise Refused(f"no equipment '{path[:200]}'")
    equipment = found[0].equipment[found[1]]
    if not call.user.may_write(equipment.partition("/")[0], plant.maintainer(equipment)):
        raise Refused(f"{call.user.name} ({call.user.role}) may not replace {equipment}")
    if not reason:
        raise Refused("reason: expected why, for the journal")
    wish = Wish(equipment, reason, call.text("device", ""), call.numbers("finals"), call.numbers("firsts"))
    try:
        return await server.replacer.replace(call.user, call.origin, wish)
    except CannotReplace as e:
        raise Refused(str(e)) from None
    except (JournalError, OSError) as e:
        raise Refused(f"nothing was done, it cannot be kept: {e}") from e


async def _history(call: Call) -> Any:
    """The past of `tag` from `from_ns` to `until_ns`, in buckets of `every_s` or sample by sample; one page."""
    server, table = call.server, call.server.table
    if server.past is None:
        raise Refused("this server keeps no history")
    row = _row(call, call.text("tag"))
    try:
        return await history_page(server.past, table.plant, row, call.user, call.arguments, server.clock.wall_ns())
    except ValueError as e:
        raise Refused(str(e)) from e


async def _journal(call: Call) -> Any:
    """The last `n` records that fit, oldest first; `more`: older ones do too (`before` the first one's sequence)."""
    n = call.number("n", 20, RECORDS_MAX)
    try:
        query = query_of(call.arguments, call.sight, max(n, 1))
        entries, more = await _seen(call, query)
    except (ValueError, JournalError) as e:
        raise Refused(str(e)) from None
    plant = call.server.table.plant
    return {"more": more, "entries": [entry_document(e, plant, call.user) for e in entries[-n:] if n]}


async def _seen(call: Call, query: Query) -> tuple[list[Entry], bool]:
    """The newest `query.limit` records that are there for who asks, oldest first, and whether there are more.

    Raises:
        Refused: none is among the newest 20,000 that fit; the question must be narrower.
    """
    sight, entries, before = call.sight, list[Entry](), query.before
    page = query.limit if sight.whole else RECORDS_MAX
    for _ in range(PAGES_MAX):
        found = await call.server.journal.query(replace(query, before=before, limit=page))
        entries = [e for e in found.entries if is_seen(e.record, sight)] + entries
        if len(entries) >= query.limit or not found.more:
            return entries[-query.limit :], found.more or len(entries) > query.limit
        before = found.entries[0].position.sequence
    if not entries:
        raise Refused(f"nothing for you among the newest {PAGES_MAX * page:,} records; name a subject or a time")
    return entries, True


async def _note(call: Call) -> Any:
    """Write `text` into the logbook, about `subject` if one is named."""
    server = call.server
    try:
        record = note_of(call.arguments, call.sight, call.origin, server.clock.wall_ns())
    except ValueError as e:
        raise Refused(str(e)) from None
    try:
        (position,) = await server.journal.append([record])
    except JournalError as e:
        raise Refused(f"not noted: {e}") from e
    return {"epoch": position.epoch, "sequence": position.sequence, "subject": record.subject}


async def _certs(call: Call) -> Any:
    """Certificates: list, show, trust, revoke, renew, request, install."""
    server = call.server
    if server.certs is None:
        raise Refused("this server has no certificates")
    try:
        return await server.certs.carry_out(call.user, call.origin, call.arguments, server.clock.wall_ns())
    except ValueError as e:
        raise Refused(str(e)) from None
    except JournalError as e:
        raise Refused(f"nothing was done, it cannot be journalled: {e}") from e


async def _stop(call: Call) -> Any:
    call.server.stop(f"asked by {call.user.name} through the control socket")
    return {"stopping": True}


_ANYONE: Final = frozenset(Role)
_OF_THE_WHOLE: Final = frozenset({"certs", "stop"})  # the server's own matters: not for a limited organisation's people
_OPERATION = Callable[[Call], Awaitable[Any]]

_ALARM_ROLES: Final = {"alarm_history": _ANYONE - {Role.VIEWER}}  # it is the journal


def _of_alarms(operation: Callable[[AlarmCall], Awaitable[Any]]) -> _OPERATION:
    """An operation of `control.alarms` as one of this table."""

    async def carry(call: Call) -> Any:
        server = call.server
        if server.alarms is None:
            raise Refused("this server has no alarm engine")
        now_ns = server.clock.wall_ns()
        try:
            return await operation(
                AlarmCall(server.alarms, server.journal, call.user, call.origin, call.arguments, now_ns)
            )
        except (ValueError, JournalError) as e:
            raise Refused(str(e)) from None

    return carry


OPERATIONS: Final[dict[str, tuple[_OPERATION, frozenset[Role]]]] = {
    "status": (_status, _ANYONE),
    "tags": (_tags, _ANYONE),
    "read": (_read, _ANYONE),
    "put": (_put, _ANYONE),  # who may command what is decided by the gates of `commands`, and journalled there
    "devices": (_devices, _ANYONE),
    "probe": (_probe, _ANYONE),
    "replace": (_replace, frozenset({Role.ENGINEER})),
    "history": (_history, _ANYONE),
    "journal": (_journal, _ANYONE - {Role.VIEWER}),
    "note": (_note, _ANYONE - {Role.VIEWER}),
    "certs": (_certs, frozenset({Role.ENGINEER, Role.SECURITY})),
    "stop": (_stop, frozenset({Role.ENGINEER})),
    # Everyone sees the alarms; who may do what to one is the table of `alarms.rights`.
    **{name: (_of_alarms(operation), _ALARM_ROLES.get(name, _ANYONE)) for name, operation in ALARM_OPERATIONS.items()},
}


async def carry_out(server: Server, user: User, origin: str, request: object) -> Any:
    """One request {"op": ..., arguments ...} -> the answer's data.

    Raises:
        Refused: no such operation, no right to it, or wrong arguments.
    """
    if not isinstance(request, dict) or not isinstance(request.get("op"), str):
        raise Refused('expected {"op": "status"}, or another operation with its arguments')
    arguments = cast(dict[str, Any], request)
    name = arguments["op"]
    if name not in OPERATIONS:
        raise Refused(f"op: expected one of {', '.join(OPERATIONS)}, got '{name[:50]}'")
    operation, roles = OPERATIONS[name]
    if user.role not in roles or (user.limited and name in _OF_THE_WHOLE):
        raise Refused(f"{user.name} ({user.role}) may not {name}")
    return await operation(Call(server, user, origin, arguments))
