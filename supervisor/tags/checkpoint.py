# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_checkpoint.py
"""The checkpoint: live state on disk, so that a restart begins with what was last known - and says that it is old.

Law of this file: a checkpoint is whole or it is refused; nothing restored is ever Good.

`capture` copies columns (on the loop, milliseconds); `write` and `read` block (off the loop); `restore` puts back what
is still the same tag: same series id, same kind, unit and value names. A value that was not Bad comes back as
UncertainLastUsableValue with its own source time; a Bad one stays Bad and null, its last usable value beside it.
Function blocks find their memory again by series id and rendered text.

File: magic, then format u32, header length u32, content length u64, CRC-32 of header and content u32 (little endian);
header (JSON); content (npz, stored, without pickle). After a power cut there is the file before or the new one, never
half of one.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from config.durable import write_whole
from config.words import BAD, Cells, Rows, StatusCode, Statuses, TimesNs
from supervisor.plant.plant import Plant
from supervisor.tags.blocks import FunctionBlock
from supervisor.tags.calc import Program
from supervisor.tags.table import TagTable

MAGIC: Final = b"VIGIE-CP"
FORMAT: Final = 1
SIZE_MAX: Final = 1 << 30
"""Largest checkpoint written or read [B]. Half a million tags need about 20 MB."""
_PREFIX: Final = struct.Struct("<8sIIQI")
_COLUMNS: Final = {
    "series": np.dtype(np.uint32),
    "sense": np.dtype(np.uint32),
    "cells": np.dtype(np.int64),
    "status": np.dtype(np.uint32),
    "source_ns": np.dtype(np.int64),
    "last_usable_ns": np.dtype(np.int64),
}


class CheckpointDamaged(Exception):
    """The file is not a whole checkpoint. The server may start without it, empty-handed and saying so."""


class ForeignState(Exception):
    """The state is another site's, or a later version's: the state folder is the wrong one. Do not start on it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one function block: columns over the series ids of the tag it works for."""

    key: str
    series: npt.NDArray[np.uint32]
    columns: Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Live state of one instant. Columns are parallel, (n,).

    Attributes:
        plant: digest of the plant it was taken from, hexadecimal; for people, a restore does not need it to be equal.
        epoch: of the permit at that time.
        time_ns: when it was taken [UTC ns].
        sense: CRC of kind, unit and value names: what a cell means.
        cells: as in the table; for String an index into `texts`.
    """

    site: str
    plant: str
    epoch: int
    time_ns: int
    series: npt.NDArray[np.uint32]
    sense: npt.NDArray[np.uint32]
    cells: Cells
    status: Statuses
    source_ns: TimesNs
    last_usable_ns: TimesNs
    texts: tuple[str, ...]
    memories: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore found.

    Attributes:
        rows: rows that came back; `bad` of them are Bad and null.
        skipped: rows of the checkpoint that are no more, or mean something else now; not those without a source or
            out of service, then as now.
        memories: elements of function blocks that go on.
        texts_lost: String rows whose text found no place in the pool.
        age_ns: how old the state is [ns]; 0 if the clock stood further then.
    """

    rows: int
    bad: int
    skipped: int
    memories: int
    texts_lost: int
    age_ns: int


def capture(table: TagTable, program: Program, now_ns: int, epoch: int = 0) -> Checkpoint:
    """Copy the live state; afterwards the scan may go on."""
    cells = table.cells.copy()
    strings = table.string_rows
    used, index = np.unique(cells[strings], return_inverse=True)
    cells[strings] = index
    plant = table.plant
    return Checkpoint(
        site=plant.site,
        plant=plant.digest.hex(),
        epoch=epoch,
        time_ns=now_ns,
        series=plant.series,
        sense=_senses(plant),
        cells=cells,
        status=table.status.copy(),
        source_ns=table.source_ns.copy(),
        last_usable_ns=table.last_usable_ns.copy(),
        texts=tuple(table.pool[int(i)] for i in used),
        memories=tuple(
            Memory(key, plant.series[block.rows], {name: column.copy() for name, column in memory.columns().items()})
            for block, key, memory in program.memories()
        ),
    )


def _senses(plant: Plant) -> npt.NDArray[np.uint32]:
    """What a cell of each row means, as a number."""
    words = [json.dumps([b.info.kind.name, b.info.unit, b.info.values]) for b in plant.blocks]
    return np.array([zlib.crc32(w.encode()) for w in words], np.uint32)[plant.block_of_row]


def restore(checkpoint: Checkpoint, table: TagTable, program: Program, now_ns: int) -> RestoreReport:
    """Put back what is still the same; the rest of the table stays as it is.

    Raises:
        ForeignState: the checkpoint is another site's.
    """
    plant = table.plant
    if checkpoint.site != plant.site:
        raise ForeignState(f"expected the state of site '{plant.site}', got that of site '{checkpoint.site}'")
    _, was, now = np.intersect1d(checkpoint.series, plant.series, assume_unique=True, return_indices=True)
    same = checkpoint.sense[was] == _senses(plant)[now]
    same &= plant.supported[now] & (checkpoint.status[was] != StatusCode.BadNotSupported)
    resting = table.status[now] == StatusCode.BadOutOfService  # planned or retired by now: nobody asks it any more
    same &= ~resting
    unchanged = checkpoint.status[was] == np.where(resting, StatusCode.BadOutOfService, StatusCode.BadNotSupported)
    skipped = len(checkpoint.series) - int((same | unchanged).sum())
    was, now = was[same], now[same]
    cells, status = checkpoint.cells[was], checkpoint.status[was]
    status = np.where(status < BAD, np.uint32(StatusCode.UncertainLastUsableValue), status)
    lost = _intern(checkpoint.texts, table, now, cells, status)
    table.cells[now] = cells
    table.status[now] = status
    table.source_ns[now] = np.minimum(checkpoint.source_ns[was], now_ns)
    table.last_usable_ns[now] = np.minimum(checkpoint.last_usable_ns[was], now_ns)
    table.mark_changed(now)
    return RestoreReport(
        rows=len(now),
        bad=int((status >= BAD).sum()),
        skipped=skipped,
        memories=_restore_memories(checkpoint, program),
        texts_lost=lost,
        age_ns=max(0, now_ns - checkpoint.time_ns),
    )


def _intern(texts: tuple[str, ...], table: TagTable, rows: Rows, cells: Cells, status: Statuses) -> int:
    """Cells of String rows become indices of the table's own pool, in place; returns how many found no place."""
    at = np.flatnonzero(np.isin(rows, table.string_rows))
    known: dict[int, int | None] = {}
    lost = 0
    for i in at.tolist():
        index = int(cells[i])
        if index not in known:
            known[index] = table.pool.intern(texts[index]) if 0 <= index < len(texts) else None
        if (own := known[index]) is None:
            own, status[i] = 0, StatusCode.BadOutOfMemory
            lost += 1
        cells[i] = own
    return lost


def _restore_memories(checkpoint: Checkpoint, program: Program) -> int:
    saved: defaultdict[str, list[Memory]] = defaultdict(list)
    for memory in checkpoint.memories:
        saved[memory.key].append(memory)
    restored = 0
    for block, key, own in program.memories():
        for memory in saved[key]:
            if not _fits(memory, own):
                continue
            _, took, at = np.intersect1d(
                memory.series, program.plant.series[block.rows], assume_unique=True, return_indices=True
            )
            own.restore(memory.columns, took, at)
            restored += len(at)
    return restored


def _fits(memory: Memory, own: FunctionBlock) -> bool:
    columns = own.columns()
    return memory.columns.keys() == columns.keys() and all(
        memory.columns[name].dtype == column.dtype and memory.columns[name].shape[1:] == column.shape[1:]
        for name, column in columns.items()
    )


def write(checkpoint: Checkpoint, path: Path) -> int:
    """Write a checkpoint in place of the one before. Blocks: for `Offload`.

    Returns: its size [B].
    Raises:
        OSError: the disk is full or refuses; the checkpoint before is untouched.
        ValueError: it would be larger than SIZE_MAX.
    """
    data = _encode(checkpoint)
    if len(data) > SIZE_MAX:
        raise ValueError(f"expected a checkpoint of at most {SIZE_MAX} bytes, got {len(data)}")
    write_whole(path, data, 0o600)
    return len(data)


def _encode(checkpoint: Checkpoint) -> bytes:
    arrays: dict[str, Any] = {name: getattr(checkpoint, name) for name in _COLUMNS}
    arrays["texts"] = np.frombuffer(json.dumps(checkpoint.texts).encode(), np.uint8)
    memories = []
    for i, memory in enumerate(checkpoint.memories):
        arrays[f"m{i}.series"] = memory.series
        arrays.update({f"m{i}.{name}": column for name, column in memory.columns.items()})
        memories.append({"key": memory.key, "columns": list(memory.columns)})
    content = io.BytesIO()
    np.savez(content, **arrays)
    words = {"site": checkpoint.site, "plant": checkpoint.plant, "epoch": checkpoint.epoch}
    header = json.dumps({**words, "time_ns": checkpoint.time_ns, "memories": memories}).encode()
    body = header + content.getvalue()
    return _PREFIX.pack(MAGIC, FORMAT, len(header), len(body) - len(header), zlib.crc32(body)) + body


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Blocks: for `Offload`.

    Raises:
        FileNotFoundError: there is none (a first start).
        OSError: it cannot be read.
        CheckpointDamaged: it is truncated, altered or no checkpoint.
        ForeignState: a later version of Vigie wrote it.
    """
    with open(path, "rb") as file:
        data = file.read(SIZE_MAX + 1)
    try:
        return _decode(data)
    except CheckpointDamaged as damage:
        raise CheckpointDamaged(f"{path}: {damage}; move it away to start without last values") from damage.__cause__
    except ForeignState as foreign:
        raise ForeignState(f"{path}: {foreign}") from None


def _decode(data: bytes) -> Checkpoint:
    if len(data) < _PREFIX.size or len(data) > SIZE_MAX:
        raise CheckpointDamaged(f"expected a checkpoint of {_PREFIX.size}..{SIZE_MAX} bytes, got {len(data)}")
    magic, version, header_len, content_len, crc = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise CheckpointDamaged("expected a checkpoint of Vigie, got another kind of file")
    if version > FORMAT:
        raise ForeignState(f"expected a checkpoint of format {FORMAT}, got format {version} of a later Vigie")
    body = memoryview(data)[_PREFIX.size :]
    if len(body) != header_len + content_len:
        raise CheckpointDamaged(f"expected {header_len + content_len} bytes after the prefix, got {len(body)}")
    if zlib.crc32(body) != crc:
        raise CheckpointDamaged("the content does not fit its checksum")
    try:
        return _build(json.loads(bytes(body[:header_len])), _arrays(body[header_len:]))
    except Exception as error:  # numpy and zipfile promise no list of what hostile bytes may raise
        raise CheckpointDamaged(f"the content is not that of a checkpoint ({error})") from error


def _arrays(content: memoryview) -> dict[str, npt.NDArray[Any]]:
    """All arrays of the archive. Only stored entries, so that it cannot unpack to more than it is."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream) as archive:
        if any(i.compress_type != zipfile.ZIP_STORED or i.file_size > len(content) for i in archive.infolist()):
            raise ValueError("an entry is compressed or too large")
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _build(header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Checkpoint:
    columns = {name: arrays[name] for name in _COLUMNS}
    n = len(columns["series"])
    for name, dtype in _COLUMNS.items():
        if columns[name].shape != (n,) or columns[name].dtype != dtype:
            raise ValueError(f"column '{name}' has the wrong shape or type")
    texts = json.loads(arrays["texts"].tobytes())
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise ValueError("the texts are no texts")
    for name, expected in (("site", str), ("plant", str), ("epoch", int), ("time_ns", int)):
        if type(header[name]) is not expected:
            raise ValueError(f"header '{name}' is of the wrong type")
    memories = tuple(_memory(i, m, arrays) for i, m in enumerate(header["memories"]))
    for series in (columns["series"], *(m.series for m in memories)):
        if len(distinct(series)) != len(series):
            raise ValueError("a series id occurs twice")
    return Checkpoint(
        site=header["site"],
        plant=header["plant"],
        epoch=header["epoch"],
        time_ns=header["time_ns"],
        texts=tuple(texts),
        memories=memories,
        **columns,
    )


def _memory(i: int, described: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Memory:
    series = arrays[f"m{i}.series"]
    columns = {name: arrays[f"m{i}.{name}"] for name in described["columns"]}
    if not isinstance(described["key"], str) or series.dtype != np.uint32:
        raise ValueError(f"memory {i} has no key or series")
    if any(column.shape[:1] != series.shape for column in columns.values()) or series.ndim != 1:
        raise ValueError(f"memory {i} has columns of different lengths")
    return Memory(described["key"], series, columns)
