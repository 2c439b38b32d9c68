# SPDX-License-Identifier: Apache-2.0
"""`vigie history` and `vigie verify history` on the files of a state folder, in every form they print."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.words import NS_PER_S, Kind, StatusCode
from historian.catalogue import Catalogue
from historian.store.samples import CLASSES, from_cells
from historian.store.store import open_store
from supervisor.cli.history import aligned
from supervisor.cli.main import main

TAG = "21605/CAB-0001/P"
DAY = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # midnight in Paris; the clocks go forward that night
BEGIN = round(DAY.timestamp()) * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
Output = tuple[int, str, str]


@pytest.fixture
def vigie(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Output]:
    """A command on a state folder that holds six hours of one tag: a Bad value in the third, a gap in the fifth."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite", "hand")
    (series,) = catalogue.assign([TAG], np.array([Kind.Double], np.uint8), {}, BEGIN).tolist()
    catalogue.close()
    store = open_store(tmp_path / "history", "hand", BEGIN)
    times = BEGIN + np.arange(72) * 300 * NS_PER_S
    status = np.zeros(72, np.uint32)
    status[24:36] = StatusCode.BadNoCommunication
    keep = np.ones(72, np.bool_)
    keep[48:60] = False
    n = int(keep.sum())
    store.append(
        from_cells(
            np.full(n, series, np.uint32),
            np.full(n, Kind.Double, np.uint8),
            np.arange(72, dtype=np.float64)[keep].view(np.int64),
            status[keep],
            times[keep],
            BEGIN + 6 * HOUR_NS,
            np.full(n, CLASSES.index("A1"), np.uint8),
            np.zeros(n, np.uint8),
        ),
        BEGIN + 6 * HOUR_NS,
    )
    store.record_gap(BEGIN + 4 * HOUR_NS, BEGIN + 5 * HOUR_NS, "the server did not run")
    store.close()
    (tmp_path / "history" / "about.json").write_text('{"site": "hand", "time_zone": "Europe/Paris"}')

    def run(*arguments: str) -> Output:
        try:
            code = main([*arguments, "--state", str(tmp_path)])
        except SystemExit as e:
            code = int(str(e.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


SPAN = ("--from", "2026-03-29", "--to", "2026-03-29T07:00")


def test_a_table_shows_times_of_the_site_quality_and_gaps(vigie: Callable[..., Output]) -> None:
    code, out, err = vigie("history", TAG, *SPAN)
    assert code == 0
    assert "no server runs" in err
    lines = out.splitlines()
    assert lines[0].startswith(TAG) and lines[0].endswith("(Europe/Paris)")
    (third,) = [line for line in lines if line.startswith("2026-03-29 03:00:00.000")]  # two hours after midnight
    assert third.split()[2] == "BadNoCommunication", "and no value before it"
    assert sum("BadNoCommunication" in line for line in lines) == 12
    assert sum("NotRecorded" in line for line in lines) == 1
    assert lines[-2] == "61 lines"
    assert lines[-1] == ("not recorded from 2026-03-29 05:00:00.000 to 2026-03-29 06:00:00.000: the server did not run")


def test_csv_has_an_empty_value_where_there_is_none(vigie: Callable[..., Output]) -> None:
    code, out, _ = vigie("history", TAG, *SPAN, "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [r["value"] for r in rows[22:25]] == ["22", "23", ""]
    assert [r["status"] for r in rows[22:25]] == ["Good", "Good", "BadNoCommunication"]
    (gap,) = [r for r in rows if r["status"] == "NotRecorded"]
    assert (gap["value"], gap["note"]) == ("", "the server did not run")
    assert (rows[22]["time"], rows[22]["utc"]) == ("2026-03-29 01:50:00.000", "2026-03-29T00:50:00.000Z")


def test_json_is_for_machines(vigie: Callable[..., Output]) -> None:
    code, out, _ = vigie("history", TAG, *SPAN, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["time_ns"][0] == BEGIN and document["value"][24] is None
    assert document["gaps"] == [[BEGIN + 4 * HOUR_NS, BEGIN + 5 * HOUR_NS, "the server did not run"]]
    assert (document["more"], document["zone"]) == (False, "Europe/Paris")


def test_buckets_hold_nothing_where_nothing_is_known(vigie: Callable[..., Output]) -> None:
    code, out, _ = vigie("history", TAG, *SPAN, "--every", "1h", "--aggregate", "min,max,count,good", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["time_ns"] == [BEGIN + k * HOUR_NS for k in range(6)]
    assert document["min"][:3] == [0.0, 12.0, None] and document["max"][0] == 11.0
    assert document["count"] == [12, 12, 12, 12, 0, 12]
    assert document["good"][2] == document["good"][4] == 0.0
    assert document["status"][:3] == ["Good", "Good", "Bad"]
    assert "mean" not in document


def test_several_tags_stand_beside_each_other_at_the_same_times(vigie: Callable[..., Output], tmp_path: Path) -> None:
    other = TAG.replace("/P", "/Q")
    catalogue = Catalogue(tmp_path / "catalogue.sqlite", "hand")
    catalogue.assign([other], np.array([Kind.Double], np.uint8), {}, BEGIN)
    catalogue.close()
    code, out, _ = vigie("history", TAG, other, *SPAN, "--every", "1h", "--aggregate", "max", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["time_ns"] == [BEGIN + k * HOUR_NS for k in range(6)]
    assert document["values"][TAG][:3] == [11.0, 23.0, None] and document["values"][other] == [None] * 6
    assert document["status"][other] == ["Bad"] * 6
    code, out, _ = vigie("history", TAG, other, *SPAN, "--every", "1h", "--format", "csv")
    assert out.splitlines()[0] == f"time,utc,{TAG},{other}"
    code, _, err = vigie("history", TAG, other, *SPAN)
    assert code == 1 and "need --every" in err


def test_parquet_is_read_by_others(vigie: Callable[..., Output], tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    code, out, _ = vigie("history", TAG, *SPAN, "--format", "parquet", "--output", str(path))
    assert (code, out) == (0, "")
    table = pq.read_table(path)
    assert table.column_names == ["time", "value", "status", "lag_s", "note"]
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=Europe/Paris]"
    assert table.column("value").null_count == 12 + 1
    assert table.schema.metadata[b"vigie.tag"] == TAG.encode()


KINDS = {
    "U": (Kind.UInt64, [2**63 + 5, 2**64 - 1, 7], pa.uint64()),
    "I": (Kind.Int64, [-(2**63), 2**62 + 1, None], pa.int64()),
    "B": (Kind.Boolean, [True, None, False], pa.bool_()),
    "M": (Kind.Enumeration, [2, None, 0], pa.int64()),
    "W": (Kind.Double, [None, None, None], pa.float64()),
}


@pytest.fixture
def kinds(vigie: Callable[..., Output], tmp_path: Path) -> Callable[..., Output]:
    """The same folder, with three samples an hour apart of a tag of each kind; None is a Bad one."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite", "hand")
    store = open_store(tmp_path / "history", "hand", BEGIN + 6 * HOUR_NS)
    for name, (kind, values, _) in KINDS.items():
        (series,) = catalogue.assign([TAG[:-1] + name], np.array([kind], np.uint8), {}, BEGIN).tolist()
        cells = np.array([value or 0 for value in values], np.uint64 if kind is Kind.UInt64 else np.int64)
        status = [StatusCode.BadNoCommunication if value is None else 0 for value in values]
        store.append(
            from_cells(
                np.full(3, series, np.uint32), np.full(3, kind, np.uint8), cells.view(np.int64),
                np.array(status, np.uint32), BEGIN + np.arange(3) * HOUR_NS, BEGIN + 3 * HOUR_NS,
                np.full(3, CLASSES.index("E"), np.uint8), np.zeros(3, np.uint8),
            ),
            BEGIN + 6 * HOUR_NS,
        )  # fmt: skip
    store.close()
    catalogue.close()
    return vigie


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_exact_in_every_form(kinds: Callable[..., Output], tmp_path: Path, name: str) -> None:
    """64 bits are 64 bits; and a column has its type also where nothing, or nothing Good, is in it."""
    _, values, type_ = KINDS[name]
    tag, path = TAG[:-1] + name, tmp_path / "k.parquet"
    span = ("--from", "2026-03-29", "--to", "2026-03-29T04:00")
    _, out, _ = kinds("history", tag, *span, "--json")
    assert json.loads(out)["value"] == values
    _, out, _ = kinds("history", tag, *span, "--format", "csv")
    shown = [{True: "true", False: "false"}[v] if isinstance(v, bool) else "" if v is None else str(v) for v in values]
    assert [row["value"] for row in csv.DictReader(io.StringIO(out))] == shown
    for until in ("2026-03-29T04:00", "2026-03-29T00:00:00.000001"):
        code, _, _ = kinds(
            "history", tag, "--from", "2026-03-28", "--to", until, "--format", "parquet", "--output", str(path)
        )
        table = pq.read_table(path)
        assert code == 0 and table.schema.field("value").type == type_
        assert table.column("value").to_pylist() == (values if until.endswith("4:00") else values[:1])


def test_a_terminal_that_knows_ascii_only_gets_its_curve_and_its_table(
    tmp_path: Path, vigie: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in (["--plot", "-"], []):
        shown = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "ascii"))
        assert main(["history", TAG, *SPAN, "--state", str(tmp_path), *more]) == 0
        assert (b"#" in shown.getvalue()) == bool(more) and b"2026-03-29 00:00" in shown.getvalue()


def test_plots(vigie: Callable[..., Output], tmp_path: Path) -> None:
    code, out, _ = vigie("history", TAG, *SPAN, "--plot", "-")
    assert code == 0 and "█" in out and "2026-03-29 07:00" in out
    code, _, _ = vigie("history", TAG, *SPAN, "--plot", str(tmp_path / "p.svg"))
    assert code == 0
    assert (tmp_path / "p.svg").read_text().count("<polyline") == 3, "two gaps part the curve"
    code, _, err = vigie("history", TAG, *SPAN, "--plot", "p.gif")
    assert code == 1 and "expected FILE.svg, FILE.png or -" in err
    code, _, err = vigie("history", TAG, *SPAN, "--plot", str(tmp_path / "no" / "p.svg"))
    assert code == 1 and err.endswith("p.svg: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("history", "21605/CAB-0001/Q"), "no tag '21605/CAB-0001/Q' ever had a history"),
        (("history", TAG, "--last", "soon"), "--last: expected a duration such as 15 min"),
        (("history", TAG, "--from", "yesterday"), "--from: expected a time such as"),
        (("history", TAG, "--from", "18:00", "--last", "1h"), "--from and --last exclude each other"),
        (("history", TAG, "--from", "2026-03-02", "--to", "2026-03-01"), "expected a beginning before the end"),
        (("history", TAG, "--from", "1950-01-01"), "--from: expected a time of 1970 or later, got 1950-01-01"),
        (("history", TAG, "--every", "1h", "--aggregate", "median"), "--aggregate: expected some of min"),
    ],
)
def test_wrong_questions_are_one_sentence(
    vigie: Callable[..., Output], arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, err = vigie(*arguments)
    assert code == 1
    assert sentence in err


def test_days_begin_at_midnight_of_the_site() -> None:
    zone = ZoneInfo("Europe/Paris")
    noon = round(datetime(2026, 1, 5, 12, tzinfo=zone).timestamp()) * NS_PER_S
    assert aligned(noon, 86_400, zone) == round(datetime(2026, 1, 5, tzinfo=zone).timestamp()) * NS_PER_S
    assert aligned(noon + 7, 900, zone) == noon


def test_verify_history_says_what_is_wrong(vigie: Callable[..., Output], tmp_path: Path) -> None:
    code, out, _ = vigie("verify", "history")
    assert (code, out) == (0, "the history is whole: 60 samples; 1 time in which nothing was recorded\n")
    (log,) = (tmp_path / "history" / "wal").glob("*.wal")
    damaged = bytearray(log.read_bytes())
    damaged[200] ^= 4
    log.write_bytes(damaged)
    code, out, _ = vigie("verify", "history")
    assert code == 1
    assert out.startswith("THE HISTORY IS DAMAGED: 1 finding") and "60 rows cannot be read" in out
    code, out, _ = vigie("verify", "history", "--json")
    told = json.loads(out)
    assert code == 1 and told["whole"] is False
    assert (told["ledger"]["accepted"], told["ledger"]["stored"], told["ledger"]["damaged"]) == (60, 0, 60)
    code, out, err = vigie("history", TAG, "--from", "2026-03-20", "--to", "2026-04-10")
    assert code == 0 and "BadDataLost" in out and "cannot be read any more; see 'vigie verify history'" in err
    code, out, _ = vigie("history", TAG, "--from", "2026-03-20", "--to", "2026-04-10", "--json")
    assert len(json.loads(out)["lost"]) == 1


def test_a_day_of_the_site_has_23_hours_when_clocks_go_forward(vigie: Callable[..., Output]) -> None:
    code, out, _ = vigie("history", TAG, "--from", "2026-03-28", "--to", "2026-03-31", "--every", "1 d", "--json")
    document = json.loads(out)
    assert code == 0
    hours = [(b - a) // HOUR_NS for a, b in itertools.pairwise(document["time_ns"])]
    assert document["time_ns"][1] == BEGIN and hours == [24, 23]
    code, out, _ = vigie(
        "history", TAG, "--from", "2026-03-29T12:00", "--to", "2026-03-30", "--every", "month", "--json"
    )
    assert json.loads(out)["time_ns"] == [round(datetime(2026, 2, 28, 23, tzinfo=UTC).timestamp()) * NS_PER_S]


def test_consumption_is_what_a_meter_counted(vigie: Callable[..., Output]) -> None:
    """A reading every five minutes, one more each; what passed in the Bad hour and in the gap is not lost."""
    code, out, _ = vigie("history", TAG, *SPAN, "--every", "1h", "--aggregate", "consumption")
    assert code == 0
    rows = [line.split()[2:] for line in out.splitlines() if line.startswith("2026")]
    unsure = "UncertainSubNormal"
    assert rows == [["12", "Good"], ["11", "Good"], ["13", unsure], ["11", "Good"], ["13", unsure], ["11", "Good"]]
    assert sum(int(amount) for amount, _ in rows) == 71
