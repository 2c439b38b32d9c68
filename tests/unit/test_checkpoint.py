# SPDX-License-Identifier: Apache-2.0
"""The checkpoint: round trip, change of plant, power cuts, damaged and foreign files."""

from __future__ import annotations

import os
import random
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.words import StatusCode, cell_of
from supervisor.plant.plant import Plant
from supervisor.tags import checkpoint as module
from supervisor.tags.calc import Program
from supervisor.tags.checkpoint import CheckpointDamaged, ForeignState, capture, read, restore, write
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
T0 = 1_750_000_000 * S
U = StatusCode.UncertainLastUsableValue

TAGS = {
    "P": tag("Float", unit="kW"),
    "N": tag("UInt64"),
    "On": tag("Boolean"),
    "Mode": tag("Enumeration", values=("auto", "off")),
    "FW": tag("String"),
    "Lux": tag("Float"),
    "RunH": tag("Double", calc="integrate(On, 'h')"),
    "Index": tag("Double", calc="counter(N, 1000000)"),
    "Long": tag("Boolean", calc="held_for(On, '1 h')"),
}
A, B, C = "21605/CAB-0001", "21605/CAB-0002", "21605/CAB-0003"


class Post:
    """Plant, table and program of one server process."""

    def __init__(self, plant: Plant, now_ns: int = T0) -> None:
        self.plant = plant
        self.table = TagTable(plant, StringPool(), now_ns)
        self.program = Program(plant, Locality(47.0, 5.0, "Europe/Paris"))

    def put(self, name: str, value: float | str, status: StatusCode = StatusCode.Good, at: int = T0) -> None:
        row = self.row(name)
        if isinstance(value, str):
            cell = self.table.pool.intern(value)
            assert cell is not None
        else:
            cell = cell_of(self.plant.block(row).info.kind, value)
        self.table.put(np.array([row]), np.array([cell]), np.array([status], np.uint32), at)

    def row(self, name: str) -> int:
        row = self.plant.row(name)
        assert row is not None
        return row

    def value(self, name: str) -> object:
        return self.table.value(self.row(name))

    def status(self, name: str) -> int:
        return int(self.table.status[self.row(name)])


def post(names: list[str], series: dict[str, int], tags: object = None, lux: list[bool] | None = None) -> Post:
    spec = TypeSpec(tags or TAGS, fitted={"Lux": lux or [True] * len(names)})  # type: ignore[arg-type]
    return Post(make_plant({"CAB": spec}, {"CAB": names}, series))


def lived(series: dict[str, int]) -> Post:
    """A post that has run for half an hour."""
    p = post([A, B], series, lux=[True, False])
    for name, on in ((A, 1), (B, 0)):
        p.put(f"{name}/P", 1.5)
        p.put(f"{name}/On", on)
        p.put(f"{name}/Mode", 1)
        p.put(f"{name}/N", 500)
        p.put(f"{name}/FW", f"firmware é {name}")
    for minute in range(31):
        p.program.run(p.table, T0 + minute * 60 * S)
    p.put(f"{B}/P", 9.0, StatusCode.BadNoCommunication, T0 + 1700 * S)
    return p


def test_a_restart_begins_with_last_values_and_says_that_they_are_old(tmp_path: Path) -> None:
    series: dict[str, int] = {}
    path = tmp_path / "checkpoint"
    before = lived(series)
    now = T0 + 1800 * S
    size = write(capture(before.table, before.program, now, epoch=7), path)
    assert path.stat().st_size == size and path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["checkpoint"]

    after = post([A, B], series, lux=[True, False])
    after.table.pool.intern("something else first")
    saved = read(path)
    assert (saved.epoch, saved.time_ns, saved.plant) == (7, now, before.plant.digest.hex())
    report = restore(saved, after.table, after.program, now + 60 * S)
    assert (report.age_ns, report.skipped, report.texts_lost) == (60 * S, 0, 0), "no Lux, none missed"
    assert report.rows == 17 and report.memories == 6
    assert (after.table.status >= StatusCode.UncertainLastUsableValue).all(), "nothing restored is Good"
    assert after.value(f"{A}/P") == 1.5 and after.status(f"{A}/P") == U
    assert after.table.source_ns[after.row(f"{A}/P")] == T0, "its own time, not the restart's"
    assert after.value(f"{A}/FW") == f"firmware é {A}" and after.value(f"{B}/FW") == f"firmware é {B}"
    assert after.value(f"{A}/Mode") == 1
    assert after.value(f"{A}/RunH") == pytest.approx(0.5, abs=0.01)
    assert after.status(f"{B}/P") == StatusCode.BadNoCommunication and after.value(f"{B}/P") is None
    assert after.table.last_value(after.row(f"{B}/P")) == 1.5
    assert after.table.last_usable_ns[after.row(f"{B}/P")] == T0
    assert after.status(f"{A}/Lux") == StatusCode.BadWaitingForInitialData
    assert after.status(f"{B}/Lux") == StatusCode.BadNotSupported
    assert len(after.table.changed_rows()) == 17


def test_function_blocks_go_on_where_they_were(tmp_path: Path) -> None:
    series: dict[str, int] = {}
    before = lived(series)
    write(capture(before.table, before.program, T0 + 1800 * S), tmp_path / "c")
    after = post([A, B], series, lux=[True, False])
    start = T0 + 9000 * S
    restore(read(tmp_path / "c"), after.table, after.program, start)
    after.program.run(after.table, start)
    assert after.status(f"{A}/RunH") == U, "its input is old"
    for name, on in ((A, 1), (B, 0)):
        after.put(f"{name}/On", on, at=start)
        after.put(f"{name}/N", 530, at=start)
    for minute in range(31):
        after.program.run(after.table, start + (60 + minute * 60) * S)
    assert after.value(f"{A}/RunH") == pytest.approx(1.0), "two half hours; the two hours between were not watched"
    assert after.value(f"{B}/RunH") == 0.0
    assert after.value(f"{A}/Index") == 530.0, "what the counter counted meanwhile is not lost"
    assert after.value(f"{A}/Long") is True and after.value(f"{B}/Long") is False


def test_a_changed_plant_keeps_what_is_the_same() -> None:
    series: dict[str, int] = {}
    before = lived(series)
    saved = capture(before.table, before.program, T0 + 1800 * S)
    other = {
        **TAGS,
        "P": tag("Float", unit="W"),
        "Mode": tag("Enumeration", values=("off", "auto")),
        "Index": tag("Double", calc="counter(N, 65536)"),
    }
    after = post([C, A], series, other)
    report = restore(saved, after.table, after.program, T0 + 1900 * S)
    waiting = StatusCode.BadWaitingForInitialData
    assert after.status(f"{A}/P") == waiting, "1.5 kW is not 1.5 W"
    assert after.status(f"{A}/Mode") == waiting, "the number 1 has another name now"
    assert after.value(f"{A}/FW") == f"firmware é {A}"
    assert after.status(f"{C}/FW") == waiting, "a new cabinet knows nothing"
    assert report.memories == 2, "RunH and Long go on; the counter counts something else now"
    after.put(f"{A}/On", 1)
    after.program.run(after.table, T0 + 1900 * S)
    assert after.value(f"{A}/RunH") == pytest.approx(0.5)


def test_what_is_no_longer_fitted_does_not_come_back() -> None:
    series: dict[str, int] = {}
    before = lived(series)
    before.put(f"{A}/Lux", 5.0)
    saved = capture(before.table, before.program, T0 + 1800 * S)
    after = post([A, B], series, lux=[False, True])
    restore(saved, after.table, after.program, T0 + 1900 * S)
    assert after.status(f"{A}/Lux") == StatusCode.BadNotSupported
    assert after.status(f"{B}/Lux") == StatusCode.BadWaitingForInitialData, "newly fitted: it has no past"


def test_values_from_the_future_are_not() -> None:
    series: dict[str, int] = {}
    before = lived(series)
    saved = capture(before.table, before.program, T0 + 1800 * S)
    after = post([A, B], series, lux=[True, False])
    report = restore(saved, after.table, after.program, T0 - S)
    assert report.age_ns == 0
    assert (after.table.source_ns <= T0).all() and after.table.source_ns[after.row(f"{A}/P")] == T0 - S


def test_capture_is_a_copy() -> None:
    before = lived({})
    saved = capture(before.table, before.program, T0)
    cells, total = saved.cells.copy(), saved.memories[0].columns["total"].copy()
    before.put(f"{A}/P", 99.0)
    for i in range(20):
        before.program.run(before.table, T0 + (1801 + i) * S)
    assert (saved.cells == cells).all() and (saved.memories[0].columns["total"] == total).all()


def test_a_full_pool_makes_the_text_bad_not_wrong() -> None:
    series: dict[str, int] = {}
    before = lived(series)
    saved = capture(before.table, before.program, T0)
    after = post([A, B], series, lux=[True, False])
    after.table.pool.size_max = 2
    report = restore(saved, after.table, after.program, T0)
    assert report.texts_lost == 1
    states = sorted((after.status(f"{n}/FW"), after.value(f"{n}/FW") is None) for n in (A, B))
    assert states == [(U, False), (StatusCode.BadOutOfMemory, True)]


def test_state_of_another_site_is_refused() -> None:
    before = lived({})
    saved = replace(capture(before.table, before.program, T0), site="elsewhere")
    after = post([A, B], {})
    with pytest.raises(ForeignState, match="expected the state of site 'hand', got that of site 'elsewhere'"):
        restore(saved, after.table, after.program, T0)
    assert (after.table.status == StatusCode.BadWaitingForInitialData).all()


def test_a_first_start_has_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "c"
    before = lived({})
    write(capture(before.table, before.program, T0), path)
    return path.read_bytes()


def test_truncated_anywhere_it_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    for length in [*range(64), *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointDamaged, match=r"/c: expected .* bytes.*; move it away"):
            read(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(CheckpointDamaged):
        read(path)


def test_any_flipped_bit_is_found(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    chosen = random.Random(1)
    for at in [*range(28), *chosen.sample(range(28, len(whole)), 300)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises((CheckpointDamaged, ForeignState)):
            read(path)


def test_bytes_that_pass_the_checksum_and_are_nonsense_raise_nothing_else(whole: bytes, tmp_path: Path) -> None:
    """Someone who can compute a CRC still gets a clear refusal, or a checkpoint that restores without harm."""
    path = tmp_path / "c"
    chosen = random.Random(2)
    refused = 0
    for _ in range(600):
        body = bytearray(whole[28:])
        for _ in range(chosen.randrange(1, 4)):
            body[chosen.randrange(len(body))] = chosen.randrange(256)
        fields = struct.unpack_from("<8sIIQI", whole)
        path.write_bytes(struct.pack("<8sIIQI", *fields[:4], zlib.crc32(body)) + body)
        after = post([A, B], {}, lux=[True, False])
        try:
            restore(read(path), after.table, after.program, T0)
        except (CheckpointDamaged, ForeignState):
            refused += 1
            assert (after.table.status >= StatusCode.Bad).all(), "nothing half restored"
        else:
            after.program.run(after.table, T0)
            assert not (after.table.status[:10] == StatusCode.Good).any()
    assert refused > 100


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 5000, b'{"site": 1}' * 100, b"VIGIE-CP" * 50])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises((CheckpointDamaged, ForeignState)):
        read(path)


def test_a_later_format_is_foreign_not_damaged(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(whole[:8] + struct.pack("<I", 2) + whole[12:])
    with pytest.raises(ForeignState, match="format 2 of a later Vigie"):
        read(path)


def test_size_is_bounded(whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE_MAX", 1000)
    (tmp_path / "c").write_bytes(whole)
    with pytest.raises(CheckpointDamaged, match="1000 bytes"):
        read(tmp_path / "c")
    before = lived({})
    with pytest.raises(ValueError, match="at most 1000 bytes"):
        write(capture(before.table, before.program, T0), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_failed_write_leaves_the_one_before(whole: bytes, tmp_path: Path) -> None:
    """No folder, or a link where it is made: no link is followed, and the next time it will do."""
    path = tmp_path / "c"
    path.write_bytes(whole)
    before = lived({})
    saved = capture(before.table, before.program, T0 + S)
    with pytest.raises(OSError, match="No such file"):
        write(saved, tmp_path / "gone" / "c")
    (tmp_path / "c.new").symlink_to("/dev/full")
    with pytest.raises(OSError):
        write(saved, path)
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == ["c"]
    write(saved, path)
    assert read(path).time_ns == T0 + S


def test_a_disk_that_fills_while_writing(whole: bytes, tmp_path: Path) -> None:
    """A limit on the size of files gives the same OSError in the middle of the file."""
    import resource
    import signal

    path = tmp_path / "c"
    path.write_bytes(whole)
    before = lived({})
    saved = capture(before.table, before.program, T0 + S)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(saved, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == ["c"]


def test_an_empty_plant_has_a_checkpoint_too(tmp_path: Path) -> None:
    p = post([], {})
    write(capture(p.table, p.program, T0), tmp_path / "c")
    assert restore(read(tmp_path / "c"), p.table, p.program, T0).rows == 0


def test_what_is_retired_by_now_does_not_come_back_and_what_has_no_source_is_not_missed() -> None:
    """Nobody polls it: a last usable value would stay one for ever."""
    series: dict[str, int] = {}
    before = lived(series)
    saved = capture(before.table, before.program, T0 + 1800 * S)
    again = post([A, B], series, lux=[True, False])
    assert restore(saved, again.table, again.program, T0 + 1900 * S).skipped == 0
    plant = again.plant
    plant = replace(plant, types={"CAB": replace(plant.types["CAB"], life=("retired", "in service"))})
    after = Post(plant)
    report = restore(saved, after.table, after.program, T0 + 1900 * S)
    assert after.status(f"{A}/P") == StatusCode.BadOutOfService and after.value(f"{A}/P") is None
    assert after.table.last_usable_ns[after.row(f"{A}/P")] == 0
    assert after.value(f"{B}/Mode") == 1
    assert report.skipped == len(plant.types["CAB"].blocks)
    resting = Post(plant)
    retired = capture(after.table, after.program, T0 + 2000 * S)
    assert restore(retired, resting.table, resting.program, T0 + 2100 * S).skipped == 0
