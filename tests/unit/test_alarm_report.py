# SPDX-License-Identifier: Apache-2.0
"""The report on the alarm system: each measure on a hand-made day."""

from __future__ import annotations

import time

import pytest

from historian.base import Plain, Record, RecordKind
from supervisor.alarms.report import HOUR_NS, TEN_MINUTES_NS, Tally
from supervisor.alarms.targets import TARGETS, measures, shares
from supervisor.cli.report import bars, head

S = 1_000_000_000
T0 = 1_749_945_600 * S  # 2025-06-15T00:00Z
DAY = 24 * 3600


def record(second: float, name: str = "a/b/c", **data: Plain) -> Record:
    values: dict[str, Plain] = {"announced": True, "priority": "P3"} | data
    return Record(T0 + round(second * S), RecordKind.ALARM, "vigie", name, "alarm: x", values)


def tally(*records: Record) -> dict[str, object]:
    made = Tally(T0, T0 + DAY * S)
    made.add(records)
    return made.document()


def test_a_day_without_alarms_has_no_rates_and_no_errors() -> None:
    d = tally()
    assert (d["annunciated"], d["per_day"], d["per_10_min_max"], d["flood_share"]) == (0, 0.0, 0, 0.0)
    assert d["top"] == d["chattering"] == d["hours"] == []


def test_only_what_was_announced_within_the_time_counts() -> None:
    d = tally(record(10), record(20, announced=False), record(-1), record(DAY), record(DAY - 1, priority="P1"))
    assert (d["records"], d["annunciated"], d["priorities"]) == (3, 2, {"P1": 1, "P3": 1})
    assert d["hours"] == [[T0, 1], [T0 + 23 * HOUR_NS, 1]]


def test_hours_are_those_of_the_clock() -> None:
    made = Tally(T0 + 1800 * S, T0 + 7200 * S)
    made.add([record(3599), record(3600)])
    assert made.document()["hours"] == [[T0, 1], [T0 + HOUR_NS, 1]]


def test_the_night_when_clocks_go_back_has_its_hour_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        change_ns = 1_792_890_000 * S  # 2026-10-25T01:00Z, 03:00 CEST becomes 02:00 CET
        said = bars([[change_ns - HOUR_NS, 2], [change_ns, 3], [change_ns + HOUR_NS, 1]])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [line.split("#")[0].split() for line in said] == [
        ["2026-10-25", "02", "h", "CEST", "2"],
        ["2026-10-25", "02", "h", "CET", "3"],
        ["2026-10-25", "03", "h", "CET", "1"],
    ]


def test_rates_and_floods() -> None:
    d = tally(*(record(600 + i) for i in range(11)), *(record(7200 + i) for i in range(10)))
    assert (d["per_10_min_max"], d["per_hour_max"], d["per_day"]) == (11, 11, 21.0)
    assert d["flood_share"] == 1 / 144, "eleven in ten minutes are a flood, ten are not"


def test_chattering_is_three_within_a_minute_whatever_the_minute_of_the_clock() -> None:
    d = tally(
        *(record(s, "a/b/beats") for s in (30, 59, 89)),
        *(record(s, "a/b/slow") for s in (0, 30, 60)),
        *(record(s, "a/b/worse") for s in (500, 501, 502, 503)),
    )
    found = [(c["name"], c["per_minute_max"]) for c in d["chattering"]]  # type: ignore[attr-defined]
    assert found == [("a/b/worse", 4), ("a/b/beats", 3)]


def test_the_top_ten_are_ten_with_their_share() -> None:
    d = tally(*(record(i, f"a/b/{i % 12:02d}") for i in range(24)), record(100, "a/b/11"))
    top = d["top"]
    assert isinstance(top, list) and len(top) == 10
    assert top[0] == {"name": "a/b/11", "count": 3, "share": 3 / 25}


def test_the_report_s_head_in_words() -> None:
    d = tally(*(record(3600 * h, priority="P1") for h in range(3))) | {"from": "A", "until": "B", "complete": False}
    lines = head(d)
    assert lines[0] == "from       A until B  (only the newest records)" and lines[1] == "announced  3: ■ 1: 3"
    assert len(lines) == 5 + 3 and lines[-1].endswith("1 " + "#" * 40)
    assert len(bars([[T0 + i * HOUR_NS * 12, 5] for i in range(9)])) <= 6, "days where hours would be too many"


def test_a_flood_begins_above_ten_and_ends_below_five() -> None:
    """Plant documentation 3.5: > 10 in 10 min, until < 5 in 10 min, in sliding windows."""
    storm = [record(60 * k) for k in range(6)] + [record(500 + k) for k in range(5)]  # the 11th at 504
    d = tally(*storm)
    (flood,) = d["floods"]  # type: ignore[misc]
    # At 1,100 the last of the six is gone and the five of the burst begin to leave: four are left.
    assert flood == [T0 + 504 * S, T0 + 500 * S + TEN_MINUTES_NS]
    assert d["in_flood"] == pytest.approx(596 / DAY)
    assert tally(*storm[:10])["floods"] == []
    lasting = tally(*(record(DAY - 20 + k) for k in range(12)))["floods"]
    assert lasting == [[T0 + (DAY - 10) * S, T0 + DAY * S]], "what lasts ends with the report"


def test_hours_with_more_than_thirty_and_the_top_ten_s_share() -> None:
    """31 in one hour of 24; ten alarms of 3 each and one of 1: 30 of 31."""
    times = [record(60 * i, f"a/b/{i % 10}") for i in range(30)] + [record(1800.5, "a/b/x")]
    d = tally(*times)
    assert d["busy_share"] == 1 / 24
    assert d["top_share"] == 30 / 31
    assert tally(*times[1:])["busy_share"] == 0, "thirty are not more than thirty"


def ended(second: float, name: str, what: str, begun: float) -> Record:
    return record(second, name, what=what, announced=False, occurrence=T0 + round(begun * S))


def test_fleeting_is_gone_within_five_seconds_unless_somebody_acknowledged_it() -> None:
    d = tally(
        record(10, "a"), ended(14.9, "a", "returned", 10),  # fleeting
        record(50, "a"), ended(55, "a", "returned", 50),  # as long as five seconds
        record(90, "a"), ended(91, "a", "acknowledged", 90), ended(92, "a", "returned", 90),
        record(10, "b"), ended(10.1, "b", "returned", 10), record(20, "b"), ended(21, "b", "returned", 20),
        record(30, "c"),
    )  # fmt: skip
    assert d["fleeting"] == [{"name": "b", "count": 2}, {"name": "a", "count": 1}]
    assert d["fleeting_total"] == 3


def test_how_long_people_took() -> None:
    """Ten acknowledgements after 1, 2, ... 9 s and 11 min."""
    delays = [*range(1, 10), 660]
    d = tally(*(ended(1000 + n, f"a{n}", "acknowledged", 1000) for n in delays))
    assert d["acks"] == {"count": 10, "p50_s": 5.0, "p90_s": 9.0, "late": 1}
    assert tally()["acks"] == {"count": 0, "p50_s": None, "p90_s": None, "late": 0}


def test_each_measure_stands_beside_its_target() -> None:
    report = tally(*(record(60 * i, f"a/b/{i}") for i in range(200))) | {"stale_total": 5}
    met = {m["name"]: (m["value"], m["target"], m["maximum"], m["met"]) for m in measures(report)}
    assert met["per_day"] == (200.0, 150, 300, "manageable")
    assert met["per_hour"] == (200 / 24, 6, 12, "manageable")
    assert met["per_10_min_max"] == (10, 10, None, "yes")
    assert met["busy_share"] == (3 / 24, 0.01, None, "no")
    assert met["top_share"] == (10 / 200, 0.05, None, "yes")
    assert met["stale_total"] == (5, 4, None, "no")
    assert [t.name for t in TARGETS] == list(met)


def test_priorities_configured_and_announced() -> None:
    made = shares({"P1": 1, "P3": 3}, {"P4": 2})
    assert [(s["priority"], s["configured_share"], s["announced_share"], s["target"]) for s in made] == [
        ("P1", 0.25, 0.0, 0.01),
        ("P2", 0.0, 0.0, 0.05),
        ("P3", 0.75, 0.0, 0.15),
        ("P4", 0.0, 1.0, 0.80),
    ]
    assert shares({}, {})[0]["configured_share"] == 0
