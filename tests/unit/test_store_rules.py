# SPDX-License-Identifier: Apache-2.0
"""The class rules of the plant documentation 7.3, each as a short series and what must be stored of it."""

import numpy as np
import pytest

from config.model import HistoryRule
from config.words import NS_PER_S, Kind, StatusCode
from historian.store.rules import NOT_STORED, RowRules, RuledBlock, deadband_of, rules_of
from historian.store.samples import CLASSES, LATE, TEXT, WHOLE, Samples
from historian.store.sieve import Sieve
from historian.store.upkeep import EVIDENCE, RETENTION_S

GOOD, UNCERTAIN, BAD = StatusCode.Good, StatusCode.UncertainLastUsableValue, StatusCode.BadNoCommunication
HOUR = 3600
BEGIN = 20_500 * 86_400  # midnight UTC


def rule(class_: str, **more: object) -> HistoryRule:
    return HistoryRule.model_validate({"class": class_, **more})


def rules(class_: str, kind: Kind = Kind.Double, n: int = 1, **more: object) -> RowRules:
    block = RuledBlock(0, n, kind, rule(class_, **more), 0.0, 200.0)
    return rules_of(np.arange(1, n + 1, dtype=np.uint32), [block])


class Tag:
    """One tag of a plant of one, and what the sieve stored of it."""

    def __init__(self, class_: str, kind: Kind = Kind.Double, **more: object) -> None:
        self.sieve = Sieve(rules(class_, kind, **more))
        self.kind = kind
        self.cells, self.status = np.zeros(1, np.int64), np.full(1, GOOD, np.uint32)
        self.source_ns = np.zeros(1, np.int64)
        self.stored: list[tuple[float, object, int]] = []

    def at(self, second: float, value: float | None = None, status: int = GOOD, source: float | None = None) -> Samples:
        """One scan; without a value nothing changed."""
        now_ns = round((BEGIN + second) * NS_PER_S)
        changed = np.empty(0, np.int64)
        if value is not None:
            self.cells[0] = np.float64(value).view(np.int64) if self.kind.is_float else value
            self.status[0] = status
            self.source_ns[0] = round((BEGIN + (second if source is None else source)) * NS_PER_S)
            changed = np.zeros(1, np.int64)
        samples = self.sieve.step(changed, self.cells, self.status, self.source_ns, now_ns, lambda i: f"text {i}")
        for time_ns, shown, code in zip(
            samples.time_ns.tolist(), samples.python(), samples.status.tolist(), strict=True
        ):
            self.stored.append((time_ns / NS_PER_S - BEGIN, shown, code))
        return samples

    @property
    def values(self) -> list[tuple[float, object]]:
        return [(second, value) for second, value, _ in self.stored]


@pytest.mark.parametrize("class_", ["E", "P"])
def test_an_event_is_stored_at_every_change_and_kept_alive_each_day(class_: str) -> None:
    tag = Tag(class_, Kind.Boolean)
    for second, value in ((0, 0), (1, 1), (1.5, 0), (5, 0)):
        tag.at(second, value)
    assert tag.values == [(0, 0), (1, 1), (1.5, 0)]
    for hour in range(1, 25):
        tag.at(hour * HOUR + 2)
    assert len(tag.stored) == 4
    second, value, _ = tag.stored[-1]
    assert 21 * HOUR <= second <= 24 * HOUR + 2
    assert value == 0


def test_a_fast_analog_keeps_its_dead_band_and_its_ten_seconds() -> None:
    tag = Tag("A1", deadband=1)
    tag.at(0, 100.0)
    tag.at(20, 101.0)  # within the dead band: at most 1 is no change
    tag.at(21, 101.1)
    tag.at(25, 105.0)  # beyond it, too early
    tag.at(28, 107.0)
    tag.at(30)
    assert tag.values == [(0, 100.0), (21, 101.1)]
    tag.at(31.5)  # ten seconds after the last: as it stands now
    assert tag.values[2:] == [(28, 107.0)]


def test_a_slow_drift_is_seen_against_the_last_stored_value() -> None:
    tag = Tag("A2", deadband=1)
    for second in range(40):
        tag.at(second, 100 + second * 0.3)
    assert [v for _, v in tag.values] == pytest.approx(
        [100.0, 101.2, 102.4, 103.6, 104.8, 106.0, 107.2, 108.4, 109.6, 110.8]
    )


def test_a_dead_band_in_per_cent_is_of_the_range() -> None:
    tag = Tag("A2", deadband="2 %")
    for second, value in enumerate((0.0, 4.0, 4.1, 8.1, 8.2)):
        tag.at(second, value)
    assert [v for _, v in tag.values] == [0.0, 4.1, 8.2]
    assert deadband_of(rule("A2", deadband="0.5"), np.nan, np.nan) == 0.5
    with pytest.raises(ValueError, match="expected a range"):
        deadband_of(rule("A2", deadband="2 %"), np.nan, np.nan)


@pytest.mark.parametrize(("class_", "longest"), [("A1", 300), ("A2", HOUR)])
def test_a_quiet_analog_is_kept_alive_with_the_time_of_its_newest_reading(class_: str, longest: int) -> None:
    tag = Tag(class_, deadband=1)
    for second in range(0, 2 * longest, 10):
        tag.at(second, 50.0)  # read again and again, unchanged
    assert len(tag.stored) == 3
    first, second, third = (s for s, _ in tag.values)
    assert 0.87 * longest <= second - first <= longest
    assert 0.87 * longest <= third - second <= longest


def test_a_value_that_was_not_read_again_is_kept_alive_with_the_servers_time() -> None:
    tag = Tag("A1", deadband=1)
    tag.at(0, 50.0, source=-5)
    for second in range(1, 302):
        tag.at(second)
    assert len(tag.stored) == 2
    assert tag.stored[1][0] > 260


def test_a_counter_is_stored_at_whole_quarters() -> None:
    tag = Tag("C", Kind.UInt64)
    for second in range(0, 2000, 20):
        tag.at(second, second)
    assert tag.values == [(0, 0), (900, 900), (1800, 1800)]


def test_a_counter_has_its_own_alignment() -> None:
    tag = Tag("C", Kind.UInt64, every="6 min")
    for second in range(100, 1000, 20):
        tag.at(second, second)
    assert [t for t, _ in tag.values] == [100, 360, 720]


def test_a_daily_value_is_one_a_day_whatever_its_quality_does() -> None:
    tag = Tag("D")
    for minute in range(0, 3 * 1440, 30):
        tag.at(minute * 60, float(minute), BAD if minute % 60 else GOOD)
    assert [t for t, _ in tag.values] == [0, 86_400, 172_800]


def test_an_event_that_is_evidence_has_a_class_of_its_own() -> None:
    tag = Tag("E", Kind.Boolean, evidence=True)
    samples = tag.at(0, 1)
    assert CLASSES[int(samples.class_id[0])] == "E13"
    assert RETENTION_S["E13"] == 13 * 365 * 86_400 and {"E", "E13"} <= EVIDENCE
    tag.at(1, 0)
    assert tag.values == [(0, 1), (1, 0)]


def test_none_is_never_stored() -> None:
    tag = Tag("N")
    for second in range(0, 100_000, 5000):
        tag.at(second, float(second))
    assert tag.stored == []


@pytest.mark.parametrize("class_", ["E", "A1", "A2", "C", "P"])
def test_a_gap_begins_where_it_begins(class_: str) -> None:
    """Severity is stored at once, inside every interval and dead band, and there and back."""
    kind = Kind.Int32
    tag = Tag(class_, kind, **({"deadband": 5} if class_ in ("A1", "A2") else {}))
    for second, status in ((0, GOOD), (1, UNCERTAIN), (2, BAD), (3, GOOD)):
        tag.at(second, 7, status)
    assert tag.stored == [(0, 7, GOOD), (1, 7, UNCERTAIN), (2, None, BAD), (3, 7, GOOD)]


def test_what_is_left_of_a_reading_is_in_doubt_from_now_on_and_not_from_its_own_time() -> None:
    tag = Tag("A1", deadband=2.0)
    tag.at(0, 100.0)
    tag.at(20, 100.5)
    tag.at(25, 100.5, UNCERTAIN, source=20)
    assert tag.stored == [(0, 100.0, GOOD), (25, 100.5, UNCERTAIN)], "at 20 it was true"


def test_a_sub_code_waits_like_a_value() -> None:
    tag = Tag("A1", deadband=5)
    tag.at(0, 7.0)
    tag.at(1, 7.0, StatusCode.GoodLocalOverride)
    assert len(tag.stored) == 1
    tag.at(11)
    assert tag.stored[1] == (1, 7.0, StatusCode.GoodLocalOverride)


def test_a_sensor_that_chatters_for_an_hour_costs_what_its_class_allows() -> None:
    tag = Tag("A1", deadband=1)
    for second in range(HOUR):
        tag.at(second, 100.0 + 50 * (second % 2))
    assert len(tag.stored) <= HOUR / 10 + 1


def test_an_older_reading_is_marked_late() -> None:
    tag = Tag("A2")
    assert tag.at(10, 1.0).flags.tolist() == [0]
    assert tag.at(20, 2.0, source=5).flags.tolist() == [LATE]
    assert tag.at(30, 3.0, source=15).flags.tolist() == [0]
    assert [t for t, _ in tag.values] == [10, 5, 15]


def test_two_values_of_one_source_time_are_both_kept() -> None:
    """A calculated tag has the time of its newest input, and may change without a newer one."""
    tag = Tag("E", Kind.Int32)
    tag.at(10, 1, source=8)
    tag.at(11, 2, source=8)
    assert tag.values == [(8, 1), (11, 2)]


def test_both_times_of_a_sample_are_kept() -> None:
    tag = Tag("E", Kind.Int32)
    assert tag.at(10.5, 1, source=8).lag_ds.tolist() == [25]


def test_a_clock_set_back_stops_nothing() -> None:
    tag = Tag("A1", deadband=1)
    tag.at(5000, 50.0)
    tag.at(5001, 50.0)
    for second in range(1000, 1400, 10):
        tag.at(second, 50.0)
    assert len(tag.stored) == 2
    tag.at(1400, 90.0)
    assert tag.stored[-1][1] == 90.0


def test_a_clock_set_on_a_year_and_back_says_everything_once_more_and_goes_on() -> None:
    tag, year = Tag("A2", deadband=1), 365 * 86_400
    tag.at(0, 5.0)
    tag.at(year)
    assert tag.values == [(0, 5.0), (year, 5.0)], "due, for all anyone knows"
    tag.at(year + 1)
    late = tag.at(20, 9.0)
    assert tag.values[2:] == [(20, 9.0)] and int(late.flags[0]) & LATE, "older than what is stored, and said to be"
    tag.at(30, 9.5)
    tag.at(40, 11.0)
    assert tag.values[3:] == [(40, 11.0)], "dead band and interval hold as before"


def test_a_quiet_value_is_kept_alive_after_a_clock_that_ran_a_day_ahead() -> None:
    """What was said of tomorrow stays there; from now on the value is said as of now, or the store would refuse it."""
    tag, day = Tag("A1", deadband=1), 86_400
    tag.at(0, 5.0)
    tag.at(day)
    assert tag.values == [(0, 5.0), (day, 5.0)]
    flags = [tag.at(second).flags.tolist() for second in range(10, 1000, 10)]
    again = [second for second, _ in tag.values[2:]]
    assert len(again) == 3 and max(again) < 1000
    assert [f for f in flags if f] == [[LATE]] * 3, "older than what is stored, and said to be"


def test_texts_and_long_integers_are_exact() -> None:
    text = Tag("E", Kind.String)
    assert text.at(0, 4).flags.tolist() == [TEXT]
    text.at(1, 4, BAD)
    assert [v for _, v in text.values] == ["text 4", None]
    for kind in (Kind.Int64, Kind.DateTime):
        long = Tag("E", kind)
        assert long.at(0, 2**62 + 1).flags.tolist() == [WHOLE]
        long.at(1, 2**53)
        assert [v for _, v in long.values] == [2**62 + 1, 2**53]
    unsigned = Tag("E", Kind.UInt64)
    for second, bits in enumerate((-1, -5, -(2**63), 2**62 + 1)):  # 2**64 - 1, 2**64 - 5, 2**63
        assert unsigned.at(second, bits).flags.tolist() == [WHOLE]
    assert [v for _, v in unsigned.values] == [-1, -5, -(2**63), 2**62 + 1], "its bits, for no float holds them"


def test_quiet_tags_do_not_come_due_in_one_scan() -> None:
    n = 8000
    sieve = Sieve(rules("A2", n=n))
    cells, status, source = np.zeros(n, np.int64), np.zeros(n, np.uint32), np.full(n, BEGIN * NS_PER_S)
    assert len(sieve.step(np.arange(n), cells, status, source, BEGIN * NS_PER_S)) == n
    none = np.empty(0, np.int64)
    sizes = [len(sieve.step(none, cells, status, source, (BEGIN + s) * NS_PER_S)) for s in range(1, HOUR + 1)]
    assert sum(sizes) == n
    assert max(sizes) < n / 100


def test_another_generation_goes_on_where_the_last_one_was() -> None:
    old, new = Sieve(rules("A2", n=4, deadband=1)), Sieve(rules("A2", n=6, deadband=1))
    cells, status, source = np.zeros(6, np.int64), np.zeros(6, np.uint32), np.full(6, BEGIN * NS_PER_S)
    old.step(np.arange(4), cells[:4], status[:4], source[:4], BEGIN * NS_PER_S)
    new.carry(old)
    samples = new.step(np.arange(6), cells, status, source + NS_PER_S, (BEGIN + 1) * NS_PER_S)
    assert samples.series.tolist() == [5, 6]
    none = np.empty(0, np.int64)
    alive = [new.step(none, cells, status, source, (BEGIN + s) * NS_PER_S) for s in range(2, HOUR + 2)]
    assert sorted(np.concatenate([s.series for s in alive]).tolist()) == [1, 2, 3, 4, 5, 6]


def test_rows_without_a_block_are_not_stored() -> None:
    assert rules_of(np.array([1], np.uint32), []).class_id.tolist() == [NOT_STORED]


def test_what_was_known_before_recording_began_is_said_as_of_now() -> None:
    """A last value of an earlier run, now uncertain, must not overwrite the good sample that run had stored."""
    begun = BEGIN * NS_PER_S
    sieve = Sieve(rules("A2", n=3), begun)
    cells, status = np.zeros(3, np.int64), np.array([UNCERTAIN, GOOD, GOOD], np.uint32)
    source = np.array([begun - HOUR * NS_PER_S, begun + 1000, begun - HOUR * NS_PER_S])
    samples = sieve.step(np.arange(3), cells, status, source, begun + NS_PER_S)
    assert samples.time_ns.tolist() == [begun + NS_PER_S, begun + 1000, begun + NS_PER_S]
    assert samples.flags.tolist() == [0, 0, 0], "a value that did not change meanwhile is known again after the pause"


def test_after_a_loss_everything_that_is_stored_at_all_is_said_again_once() -> None:
    n = 3
    sieve = Sieve(rules("E", Kind.Boolean, n=n))
    cells, status, source = np.zeros(n, np.int64), np.zeros(n, np.uint32), np.full(n, BEGIN * NS_PER_S)
    none = np.empty(0, np.int64)
    sieve.step(np.array([0, 2]), cells, status, source, BEGIN * NS_PER_S)
    sieve.restate()
    again = sieve.step(none, cells, status, source, BEGIN * NS_PER_S + 1000)
    assert again.series.tolist() == [1, 3]
    assert again.time_ns.tolist() == [BEGIN * NS_PER_S + 1000] * 2
    assert len(sieve.step(none, cells, status, source, (BEGIN + 60) * NS_PER_S)) == 0
