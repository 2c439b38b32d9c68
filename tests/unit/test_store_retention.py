# SPDX-License-Identifier: Apache-2.0
"""What is kept of each class, how long, and what goes first: the plant documentation 7.3, class by class."""

from pathlib import Path

from config.words import NS_PER_S
from historian.store.limits import Limits
from historian.store.samples import CLASSES
from historian.store.segments import DAY_NS, date_of
from historian.store.store import open_store
from historian.store.upkeep import RETENTION_S
from tests.unit.test_store_full import BEGIN, DAY, HOUR_NS, days_of, noise

MINUTE, QUARTER, HOUR, WHOLE_DAY = 60, 900, 3600, 86_400


def widths_of(root: Path, class_name: str) -> list[int]:
    """Widths of the roll-ups there are of a class [s]."""
    return sorted({int(path.stem.partition("-")[0]) for path in (root / "rollups" / class_name).rglob("*.roll")})


def test_evidence_alone_is_never_dropped(tmp_path: Path) -> None:
    """Events, counters and daily values prove what the city was promised; the others go, but for the newest day."""
    store = open_store(tmp_path, "s", BEGIN, Limits(size_max=1))
    for day in range(3):
        now_ns = BEGIN + day * DAY_NS + HOUR_NS
        for class_name in CLASSES:
            store.append(noise(10, now_ns, class_name), now_ns)
        store.seal()
        store.maintain(now_ns)
    evidence, others = ("E", "E13", "C", "D"), ("A1", "A2", "P")
    assert [len(days_of(tmp_path, class_name)) for class_name in evidence] == [3] * 4
    assert [days_of(tmp_path, class_name) for class_name in others] == [[date_of(DAY + 2)]] * 3
    ledger, gone = store.ledger(), store.removals()
    assert ledger.balanced and {r.cause for r in gone} == {"disk full"}
    assert sum(r.rows for r in gone) == ledger.dropped["disk full"] > 0, "all of it will be told to the journal"
    store.told(gone[-1].number)
    assert store.removals() == []
    store.close()


def test_each_class_is_kept_as_long_as_the_plant_documentation_says(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    for class_name in CLASSES:
        store.append(noise(10, BEGIN + HOUR_NS, class_name), BEGIN + HOUR_NS)
    store.seal()
    for kept_s in sorted(set(RETENTION_S.values())):
        end_ns = BEGIN + DAY_NS + kept_s * NS_PER_S
        for now_ns, least in ((end_ns - 1, kept_s), (end_ns, kept_s + 1)):
            store.maintain(now_ns)
            assert {c for c in CLASSES if days_of(tmp_path, c)} == {c for c in CLASSES if RETENTION_S[c] >= least}
    assert list((tmp_path / "rollups").rglob("*.roll")) == []
    ledger = store.ledger()
    assert (ledger.dropped, ledger.stored, ledger.balanced) == ({"retention": 10 * len(CLASSES)}, 0, True)
    store.close()


def test_each_class_has_its_roll_ups_and_those_of_a_minute_go_first(tmp_path: Path) -> None:
    """1 min for 400 days, 15 min and longer for 13 years; of the personal nothing."""
    store = open_store(tmp_path, "s", BEGIN)
    for class_name in CLASSES:
        store.append(noise(10, BEGIN + HOUR_NS, class_name), BEGIN + HOUR_NS)
    store.seal()
    store.maintain(BEGIN + 2 * DAY_NS)
    events, analog = [HOUR, WHOLE_DAY], [QUARTER, HOUR, WHOLE_DAY]
    expected = {
        "E": events, "E13": events, "C": events, "D": [WHOLE_DAY], "P": [], "A1": [MINUTE, *analog], "A2": analog,
    }  # fmt: skip
    assert {name: widths_of(tmp_path, name) for name in CLASSES} == expected
    store.maintain(BEGIN + 401 * DAY_NS - 1)
    assert widths_of(tmp_path, "A1") == [MINUTE, *analog]
    for after_ns in (401 * DAY_NS, (13 * 365 + 1) * DAY_NS - 1):
        store.maintain(BEGIN + after_ns)
        assert (widths_of(tmp_path, "A1"), days_of(tmp_path, "A1")) == (analog, []), "they outlive their samples"
    store.close()


def test_personal_data_has_no_roll_up_and_is_gone_from_the_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(10, BEGIN + HOUR_NS, "P"), BEGIN + HOUR_NS)
    store.maintain(BEGIN + 2 * DAY_NS)
    store.maintain(BEGIN + 62 * DAY_NS)
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left <= {"lock", "index.db", "index.db-wal", "index.db-shm", "reserve"}
    store.close()
