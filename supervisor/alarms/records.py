# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_desk.py
"""What the journal is told of alarms: happenings as records, conditions as pages of a table.

Law of this file: no I/O, no clock; made off the loop from what a scan handed over. A record stands for itself, whatever
becomes of the rule that made it: text, priority, value and limit are written out.

Names of people stand in records only (there they can be erased), never in rows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isfinite
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from pydantic_core import to_json

from config.arrays import distinct
from config.model import AlarmRule
from config.words import BAD, Cells, Kind, Rows, Statuses
from historian.base import DATA_TEXT_LENGTH_MAX, TEXT_LENGTH_MAX, Plain, Record, RecordKind, Row, Sheet
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.happening import Happening
from supervisor.alarms.pages import TABLE, Pages
from supervisor.alarms.rows import Live
from supervisor.alarms.wording import wording
from supervisor.control.readings import plain
from supervisor.plant.plant import TagInfo
from supervisor.tags.table import TagTable

_LEVELS: Final = {-2: "LOW LOW", -1: "LOW", 1: "HIGH", 2: "HIGH HIGH"}
RATE: Final = "alarm rate"
_EVENT_ID: Final = struct.Struct(">IIQ")


class EventId(NamedTuple):
    """Where the record of an event stands: unique for ever, the same on both posts. Written '1/5/1234'."""

    post: int
    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.post}/{self.epoch}/{self.sequence}"

    def __bytes__(self) -> bytes:
        """As a ByteString of OPC UA; 16 bytes."""
        return _EVENT_ID.pack(*self)

    @classmethod
    def of_bytes(cls, raw: bytes) -> EventId | None:
        """Back from bytes; None if these are none."""
        return cls(*_EVENT_ID.unpack(raw)) if len(raw) == _EVENT_ID.size else None

    @classmethod
    def parse(cls, text: str) -> EventId | None:
        """The id written like that; None if it is none."""
        parts = text.split("/")
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() and len(p) < 20 for p in parts):
            return None
        return cls(*map(int, parts))


@dataclass(slots=True)
class Batch:
    """What one scan, or one action of a person, hands over to be written.

    Attributes:
        values: of each happening's tag at that instant, as the table had it; made plain off the loop.
        lives: conditions that changed: as they are now; None: at rest.
        notes: records that belong to no happening.
        stale: keys of rows to delete: what lay there is no more, or lies elsewhere.
        rate: annunciations of the last ten minutes, (second, how many) each; empty: as before.
    """

    happenings: list[Happening]
    lives: dict[int, Live | None]
    values: Glance | None = None
    notes: list[Record] = field(default_factory=list)
    stale: list[bytes] = field(default_factory=list)
    rate: list[tuple[int, int]] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """Records and rows it makes."""
        return len(self.happenings) + len(self.lives) + len(self.notes) + len(self.stale)


class Glance(NamedTuple):
    """Tags of some happenings as they were; row -1: its rule looks at no single tag.

    `said`: position -> text, of those on identity: who answers; of Strings: what they say, for a text that the table
    shows no longer is forgotten.
    """

    table: TagTable
    rows: Rows
    cells: Cells
    statuses: Statuses
    said: Mapping[int, str] = MappingProxyType({})

    def part(self, start: int, end: int) -> Glance:
        said = {i - start: text for i, text in self.said.items() if start <= i < end}
        return Glance(self.table, self.rows[start:end], self.cells[start:end], self.statuses[start:end], said)

    def values(self) -> list[Plain]:
        """One plain value each; None for Bad, personal data and rules without a tag."""
        plant = self.table.plant
        made: list[Plain] = [None] * len(self.rows)
        for i, text in self.said.items():
            made[i] = text[:DATA_TEXT_LENGTH_MAX]
        usable = np.flatnonzero((self.rows >= 0) & (self.statuses < BAD))
        block_of = plant.block_of_row[self.rows[usable]]
        for index in distinct(block_of).tolist():
            info = plant.blocks[index].info
            if info.personal or info.kind is Kind.String:
                continue
            at = usable[block_of == index]
            for i, value in zip(at.tolist(), self._plain(info, self.cells[at]), strict=True):
                made[i] = value
        return made

    def _plain(self, info: TagInfo, cells: Cells) -> list[Plain]:
        """Values of one tag of a type."""
        if info.kind.is_float:
            return [v if isfinite(v) else None for v in np.round(cells.view(np.float64), 6).tolist()]
        if info.kind is Kind.Boolean:
            return [bool(c) for c in cells.tolist()]
        unsigned = cells.view(np.uint64) if info.kind is Kind.UInt64 else cells
        return [plain(info, v) for v in unsigned.tolist()]


def values_of(batch: Batch) -> list[Plain]:
    """The value of each happening's tag."""
    return [None] * len(batch.happenings) if batch.values is None else batch.values.values()


def split(batch: Batch, n: int) -> list[Batch]:
    """Parts of at most `n` happenings or `n` rows. A row goes with the first of its records, as the whole left it."""
    parts, lives = [], dict(batch.lives)
    for start in range(0, len(batch.happenings), n):
        happenings = batch.happenings[start : start + n]
        own = {h.condition: lives.pop(h.condition) for h in happenings if h.condition in lives}
        values = None if batch.values is None else batch.values.part(start, start + n)
        parts.append(Batch(happenings, own, values))
    rest = list(lives.items())
    parts += [Batch([], dict(rest[start : start + n])) for start in range(0, len(rest), n)]
    parts[-1].notes, parts[-1].stale, parts[-1].rate = batch.notes, batch.stale, batch.rate
    return parts


class Glances:
    """Takes glances: which tag each condition's value is read from.

    The value shown is the rule's tag; for a discrepancy the feedback.
    """

    def __init__(self, conditions: Conditions) -> None:
        book = conditions.book
        types = book.plant.types
        self._said = conditions.said
        self._on_identity = np.array([b.model.on == "identity" for b in book.blocks], np.bool_)
        blocks = [(b, types[b.type].blocks.get(value_tag(b.model) or "")) for b in book.blocks]
        infos = [None if tag is None else tag.info for _, tag in blocks]
        self._of_text = np.array([i is not None and i.kind is Kind.String and not i.personal for i in infos], np.bool_)
        self._offset = np.array([-(1 << 62) if tag is None else tag.start - b.start for b, tag in blocks], np.int64)
        self._block_of = book.block_numbers

    def take(self, table: TagTable, happenings: Sequence[Happening]) -> Glance:
        """Copy what is needed; columnar, so that a storm costs a scan next to nothing."""
        conditions = np.fromiter((h.condition for h in happenings), np.int64, len(happenings))
        block_of = self._block_of[conditions]
        rows = conditions + self._offset[block_of]
        rows[rows < 0] = -1
        asked = np.flatnonzero(self._on_identity[block_of]).tolist()
        said = {i: text for i in asked if (text := self._said(int(conditions[i]))) is not None}
        for i in np.flatnonzero(self._of_text[block_of]).tolist():
            if isinstance(value := table.value(int(rows[i])), str):
                said[i] = value
        return Glance(table, rows, table.cells[rows], table.status[rows], said)


def value_tag(model: AlarmRule) -> str | None:
    """The tag whose value is shown beside an alarm of this rule."""
    if model.on == "identity":
        return None  # beside it stands who answers
    return model.feedback or model.tag if model.on == "discrepancy" else model.tag


class Scribe:
    """Makes records and rows for one generation of rules; not thread-safe, one job at a time."""

    def __init__(self, conditions: Conditions) -> None:
        self._book = conditions.book
        self._limits = conditions.limits
        self.pages = Pages(conditions.book)

    def records(self, batch: Batch, values: Sequence[Plain]) -> list[Record | Sheet]:
        """A record of each happening, in order, then the notes. `values`: those of `values_of`."""
        happenings = batch.happenings
        conditions = np.fromiter((h.condition for h in happenings), np.int64, len(happenings))
        levels = np.fromiter((h.state.level for h in happenings), np.int8, len(happenings))
        limits = self._limits(conditions, levels)
        made: list[Record | Sheet] = []
        # What the plant itself did at one instant is a sheet; what a person did stands for itself.
        start = 0
        for (by, _), same in groupby(happenings, key=lambda h: (h.by, h.time_ns)):
            part = slice(start, start := start + sum(1 for _ in same))
            if by is None:
                made.append(self._sheet(happenings[part], values[part], limits[part]))
            else:
                made += map(self._record, happenings[part], values[part], limits[part])
        return made + batch.notes

    def _sheet(self, happenings: Sequence[Happening], values: Sequence[Plain], limits: Sequence[Plain]) -> Sheet:
        """In a storm thousands share one state and one log: what follows from them is worked out once."""
        known: dict[tuple[int, int, bool, bool], int] = {}
        common: list[tuple[str, dict[str, Plain]]] = []
        which = []
        for h, value in zip(happenings, values, strict=True):
            key = (id(h.log), id(h.state), h.announced, h.first)
            if (at := known.get(key)) is None:
                at = len(common)
                text, data = self._shared(h)
                if self._book.block(h.condition).model.on == "identity":
                    text = self._of_identity(h, value)
                else:
                    known[key] = at
                common.append((text, data))
            which.append(at)
        time_ns = happenings[0].time_ns
        own: dict[str, Sequence[Plain]] = {
            "field": [h.field_ns if h.field_ns and h.field_ns != time_ns else None for h in happenings],
            "value": values,
            "limit": [None if v is None else limit for v, limit in zip(values, limits, strict=True)],
        }
        return Sheet(time_ns, RecordKind.ALARM, [h.name for h in happenings], common, which, own)

    def _of_identity(self, h: Happening, value: Plain) -> str:
        """A text that is no other's: who answers in whose place."""
        model = self._book.block(h.condition).model
        return f"{h.log.what.value}: {wording(model, h.name, value)['en']}"[:TEXT_LENGTH_MAX]

    def _shared(self, h: Happening) -> tuple[str, dict[str, Plain]]:
        """Text and data of everything that is in this state by this log, and was announced and first alike."""
        model, log, state = self._book.block(h.condition).model, h.log, h.state
        data: dict[str, Plain] = {
            "what": log.what.value,
            "before": log.before.value,
            "after": log.after.value,
            "priority": h.rule.priority_at(state.level).value,
            "level": state.level,
            "occurrence": state.occurrence_ns,
        }
        if log.detail:
            data["detail"] = log.detail[:DATA_TEXT_LENGTH_MAX]
        if state.shelved_until_ns is not None:
            data["until"] = state.shelved_until_ns
        text = f"{log.what.value}: {model.text.en}"
        if model.on in ("limit", "deviation", "rate") and state.level:
            text += f" ({_LEVELS[state.level]})"
        if h.announced:
            data["announced"] = True
        if h.first:
            data["first"] = True
        return text[:TEXT_LENGTH_MAX], data

    def _record(self, h: Happening, value: Plain, limit: Plain) -> Record:
        """Of what a person did."""
        text, data = self._shared(h)
        if h.field_ns and h.field_ns != h.time_ns:
            data["field"] = h.field_ns
        if value is not None:
            data["value"] = value
            if limit is not None:
                data["limit"] = limit
        if h.by is None:
            raise ValueError("what the plant did is told by a sheet")
        data["terminal"] = h.by.terminal[:DATA_TEXT_LENGTH_MAX]
        if h.by.comment:
            data["comment"] = h.by.comment[:DATA_TEXT_LENGTH_MAX]
            text = f"{text}; {h.by.comment}"[:TEXT_LENGTH_MAX]
        return Record(h.time_ns, RecordKind.ALARM, h.by.user.name, h.name, text, data)

    def rows(self, told: Iterable[tuple[Batch, Sequence[Plain]]], first: EventId) -> list[Row]:
        """Rows to put and to delete after some batches and the values of their happenings; what is stale first, for its
        key may be in use anew.

        Args:
            first: where the record of the first happening stands.
        """
        stale: list[Row] = []
        touched: set[int] = set()
        post, epoch, sequence = first
        self.pages.attempt()
        for batch, values in told:
            stale += [Row(TABLE, key, None) for key in batch.stale]
            touched |= self.pages.take(batch.lives)
            self.pages.tell(batch.happenings, values, (post, epoch, sequence))
            sequence += len(batch.happenings)
            for note in batch.notes:
                if (condition := self._book.find(note.subject)) is not None:
                    touched |= self.pages.touch(condition, (post, epoch, sequence))
                sequence += 1
            if batch.rate:
                stale.append(Row(RATE, b"", to_json(batch.rate)))
        return stale + self.pages.rows(touched)
