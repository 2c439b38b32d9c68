# SPDX-License-Identifier: Apache-2.0
"""The report on the alarm system: each measure on a hand-made day."""

from __future__ import annotations

import time

import numpy as np
import pytest

from config.words import TimesNs
from historian.base import Plain, Record, RecordKind
from supervisor.alarms.hiding import LISTED_MAX, Hiding
from supervisor.alarms.load import HOUR_NS, TEN_MINUTES_NS, grade, upsets
from supervisor.alarms.report import Tally
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


def test_of_ten_alarms_or_fewer_the_top_ten_say_nothing() -> None:
    d = tally(*(record(60 * i, f"a/b/{i % 10}") for i in range(40)))
    assert d["top_share"] is None and "top_share" not in {m["name"] for m in measures(d)}


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
    report = tally(*(record(60 * i, f"a/b/{i}") for i in range(200))) | {"stale_total": 5, "unauthorised_total": 0}
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


def at(*seconds: float) -> TimesNs:
    return np.array([T0 + round(s * S) for s in seconds], np.int64)


@pytest.mark.parametrize(
    ("n", "said"), [(10, "manageable"), (11, "hard"), (100, "hard"), (101, "excessive")], ids=lambda x: str(x)
)
def test_what_followed_an_upset_is_graded(n: int, said: str) -> None:
    """EEMUA 191 after an upset (plant documentation 3.5): <= 10 in the first 10 min; > 100 excessive."""
    times = at(1000, *(1001 + k / 10 for k in range(n - 1)), 1600)
    (found,) = upsets(times, [(T0 + 1000 * S, "a/FDR-0001/Supply_lost")], T0 + DAY * S)
    assert found == {"at": T0 + 1000 * S, "name": "a/FDR-0001/Supply_lost", "count": n, "grade": said}


def test_an_upset_is_a_feeder_s_alarm_or_a_flood_and_lasts_ten_minutes() -> None:
    heads = [(T0 + 100 * S, "a/FDR-0001/Lost"), (T0 + 200 * S, "a/FDR-0002/Lost"), (T0 + 700 * S, "a/FDR-0001/Lost")]
    found = upsets(at(100, 200, 700), heads, T0 + DAY * S)
    assert [(u["name"], u["count"]) for u in found] == [("a/FDR-0001/Lost", 2), ("a/FDR-0001/Lost", 1)]
    (flood,) = upsets(at(10, *range(5000, 5012)), [], T0 + DAY * S)
    assert (flood["at"], flood["name"], flood["count"]) == (T0 + 5000 * S, "", 12), "it began with its first alarm"
    (both,) = upsets(at(*range(5000, 5012)), [(T0 + 5005 * S, "a/FDR-0001/Lost")], T0 + DAY * S)
    assert (both["at"], both["name"]) == (T0 + 5000 * S, "a/FDR-0001/Lost"), "what explains the flood names it"
    assert upsets(at(), [], T0 + DAY * S) == []


def test_the_worst_upset_is_a_measure_of_its_own() -> None:
    feeder, rest = record(100, "a/FDR-0001/Lost"), [record(101 + k, f"a/b/{k}") for k in range(14)]
    made = Tally(T0, T0 + DAY * S)
    made.add([feeder, *rest])
    d = made.document(lambda name: name.endswith("Lost"))
    assert (d["upsets_total"], d["upset_max"], d["upsets"][0]["grade"]) == (1, 15, "hard")
    assert [m["met"] for m in measures(d) if m["name"] == "upset_max"] == ["no"]


@pytest.mark.parametrize(
    ("per_10_min", "said"),
    [(0, "acceptable"), (1, "acceptable"), (2, "manageable"), (2.1, "over-demanding"), (10.1, "unacceptable")],
)
def test_a_steady_load_is_called_what_eemua_calls_it(per_10_min: float, said: str) -> None:
    """< 1 in 10 min; 1 in 5 min manageable; 1 in 2 min over-demanding; > 1 a minute unacceptable."""
    assert grade(per_10_min) == said


def test_each_desk_has_its_own_load() -> None:
    """Forty to one desk within an hour are its flood, not the other's; what nobody owns stands by itself."""
    made = Tally(T0, T0 + DAY * S)
    made.add(record(60 * k, f"a/light/{k % 4}") for k in range(40))
    made.add([record(5, "a/road/x"), ended(65, "a/road/x", "acknowledged", 5), record(9, "a/gone/y")])
    shared = made.shared(lambda name: {"light": "lighting", "road": "traffic"}.get(name.split("/")[1], ""))
    assert {d: (of["annunciated"], of["busy_share"]) for d, of in shared.items()} == {
        "": (1, 0.0), "lighting": (40, 1 / 24), "traffic": (1, 0.0),
    }  # fmt: skip
    assert shared["traffic"]["acks"] == {"count": 1, "p50_s": 60.0, "p90_s": 60.0, "late": 0}
    assert sum(of["annunciated"] for of in shared.values()) == made.document()["annunciated"]


HOUR = 3600


@pytest.mark.parametrize(
    ("what", "user", "data", "lacks"),
    [
        ("shelved", "anne", {"detail": "travaux", "until": T0 + 12 * HOUR * S}, ""),
        ("shelved", "anne", {"detail": "travaux", "until": T0 + 13 * HOUR * S}, "an end within 12 h"),
        ("shelved", "anne", {"detail": "travaux"}, "an end"),
        ("shelved", "anne", {"detail": " ", "until": T0 + HOUR * S}, "a reason"),
        ("shelved", "vigie", {"detail": "travaux", "until": T0 + HOUR * S}, "a person"),
        ("out of service", "lea", {"detail": "OT 12"}, ""),
        ("out of service", "lea", {}, "a work order"),
        ("disabled", "lea", {"detail": "MOC-7"}, ""),
        ("disabled", "lea", {}, "a change record"),
    ],
)
def test_what_people_hide_takes_a_person_a_reason_and_an_end(
    what: str, user: str, data: dict[str, Plain], lacks: str
) -> None:
    """Target: none that lacks one (ISA-18.2: unauthorised suppression)."""
    hiding = Hiding(T0, T0 + DAY * S, lambda _: 12 * HOUR * S)
    hiding.add([Record(T0, RecordKind.ALARM, user, "a/b/c", "x", {"what": what} | data), record(5)])
    d = hiding.document()
    assert d["acts"] == {"shelved": 0, "out of service": 0, "disabled": 0} | {what: 1}
    assert d["unauthorised"] == ([{"time_ns": T0, "name": "a/b/c", "what": what, "lacks": lacks}] if lacks else [])
    assert d["unauthorised_total"] == bool(lacks)


def test_what_was_hidden_without_right_is_counted_whole_and_listed_in_part() -> None:
    hiding = Hiding(T0, T0 + DAY * S, lambda _: None)
    acts = [
        Record(T0 + i, RecordKind.ALARM, "vigie", "a/b/c", "x", {"what": "disabled"}) for i in range(LISTED_MAX + 5)
    ]
    hiding.add([*reversed(acts), Record(T0 - 1, RecordKind.ALARM, "", "a/b/c", "x", {"what": "disabled"})])
    d = hiding.document()
    assert (len(d["unauthorised"]), d["unauthorised_total"]) == (LISTED_MAX, LISTED_MAX + 5)
