# SPDX-License-Identifier: Apache-2.0
"""Each kind of alarm rule on a small plant: what raises it, what clears it, what makes it unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config.model import AlarmRule, Priority
from config.words import StatusCode, cell_of
from supervisor.alarms.conditions import Conditions, Moves
from supervisor.alarms.rules import RuleBook, machine_rule
from supervisor.plant.plant import Plant
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
T0 = 1_750_000_000 * S
TEXT = {"fr": "x", "en": "x"}
TAGS = {
    "V": tag("Float"),
    "Ref": tag("Float"),
    "Count": tag("Int32"),
    "E": tag("UInt32"),
    "On": tag("Boolean"),
    "Cmd": tag("Boolean"),
    "Mode": tag("Enumeration", values=("auto", "off", "manual")),
    "Absent": tag("Float", supported=False),
}


def a_rule(**settings: Any) -> AlarmRule:
    return AlarmRule.model_validate({"priority": "P3", "text": TEXT} | settings)


class Bench:
    """Two cabinets, one rule, a scan a second."""

    def __init__(self, rule: AlarmRule, plant: Plant | None = None) -> None:
        self.plant = plant or make_plant(
            {"CAB": TypeSpec(TAGS, {"limit_V": [250.0, 260.0]})}, {"CAB": ["21000/CAB-0001", "21000/CAB-0002"]}
        )
        self.table = TagTable(self.plant, StringPool(), T0)
        self.conditions = Conditions(RuleBook(self.plant, {"CAB": {"rule": rule}}), Locality(47.3, 5.0, "Europe/Paris"))
        self.now_ns = T0
        good = self.plant.supported.nonzero()[0]
        self.table.put(good, np.zeros(len(good), np.int64), np.zeros(len(good), np.uint32), T0)

    def set(self, name: str, *values: float | None) -> Bench:
        """A tag on the first cabinets; None: Bad."""
        block = self.plant.types["CAB"].blocks[name]
        for i, value in enumerate(values):
            status = StatusCode.BadNoCommunication if value is None else StatusCode.Good
            cell = 0 if value is None else cell_of(block.info.kind, value)
            row = np.array([block.start + i])
            self.table.put(row, np.array([cell], np.int64), np.array([status], np.uint32), self.now_ns)
        return self

    def run(self, seconds: float = 1.0) -> Moves:
        self.now_ns += round(seconds * S)
        return self.conditions.run(self.table, self.now_ns)

    @property
    def levels(self) -> list[int]:
        return self.conditions.level.tolist()

    @property
    def unknown(self) -> list[bool]:
        return self.conditions.unevaluable.tolist()


def test_limit_with_a_parameter_for_each_instance() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high="limit_V", deadband=2))
    moves = bench.set("V", 255, 255).run()
    assert bench.levels == [1, 0] and moves.rise.tolist() == [0]
    moves = bench.set("V", 249, 255).run()
    assert bench.levels == [1, 0], "within the deadband"
    moves = bench.set("V", 247, 255).run()
    assert bench.levels == [0, 0] and moves.clear.tolist() == [0]


def test_the_limit_that_is_passed_can_be_told() -> None:
    bench = Bench(a_rule(on="limit", tag="V", low=10, high="limit_V", high_high=300))
    assert [bench.conditions.limit(1, level) for level in (-2, -1, 0, 1, 2)] == [None, 10.0, None, 260.0, 300.0]
    assert Bench(a_rule(on="discrete", tag="On", equals=True)).conditions.limit(0, 1) is None


def test_limit_on_a_counted_number() -> None:
    bench = Bench(a_rule(on="limit", tag="Count", low=30))
    bench.set("Count", 29, 30).run()
    assert bench.levels == [-1, 0]


def test_limit_of_the_outer_kind_only_is_the_outer_level() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high_high=264, low_low=196))
    bench.set("V", 265, 195).run()
    assert bench.levels == [2, -2]


def test_change_of_level() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253, high_high=264))
    bench.set("V", 255, 230).run()
    moves = bench.set("V", 265, 230).run()
    assert bench.levels == [2, 0] and moves.change.tolist() == [0]


@pytest.mark.parametrize(
    ("equals", "expected"), [("manual", [0, 1, 0]), (["off", "manual"], [0, 1, 1]), (0, [1, 0, 0])]
)
def test_discrete_by_value_name(equals: Any, expected: list[int]) -> None:
    bench = Bench(a_rule(on="discrete", tag="Mode", equals=equals))
    for value, level in zip((0, 2, 1), expected, strict=True):
        bench.set("Mode", value).run()
        assert bench.levels[0] == level


def test_discrete_false() -> None:
    bench = Bench(a_rule(on="discrete", tag="On", equals=False))
    bench.set("On", 1, 0).run()
    assert bench.levels == [0, 1]


def test_discrepancy_waits_for_the_contactor() -> None:
    bench = Bench(a_rule(on="discrepancy", command="Cmd", feedback="On", only_while="Cmd", on_delay="15 s"))
    bench.set("Cmd", 1, 0).set("On", 0, 1).run()
    assert bench.levels == [0, 0]
    bench.run(14)
    assert bench.levels == [0, 0]
    bench.run(1)
    assert bench.levels == [1, 0], "the second is commanded off: that is another rule's matter"


def test_discrepancy_of_numbers_has_a_deadband() -> None:
    bench = Bench(a_rule(on="discrepancy", command="Ref", feedback="V", deadband=5))
    bench.set("Ref", 50, 50).set("V", 44, 46).run()
    assert bench.levels == [1, 0]


def test_deviation_has_a_size_or_a_side() -> None:
    bench = Bench(a_rule(on="deviation", tag="V", **{"from": "Ref"}, high=10))
    bench.set("Ref", 100, 100).set("V", 89, 111).run()
    assert bench.levels == [1, 1]
    bench = Bench(a_rule(on="deviation", tag="V", **{"from": "Ref"}, high=10, low=-20))
    bench.set("Ref", 100, 100).set("V", 89, 111).run()
    assert bench.levels == [0, 1]


def test_rate_a_counter_that_falls() -> None:
    bench = Bench(a_rule(on="rate", tag="E", low=0, per="10 min"))
    for i in range(5):
        bench.set("E", 100 + i, 100).run()
        assert bench.levels == [0, 0]
    bench.set("E", 3, 100).run()
    assert bench.levels == [-1, 0], "replaced, or gone over its end"
    for _ in range(13):
        bench.run(50)
    assert bench.levels == [0, 0], "forgotten after its time"


def test_rate_a_rise_over_several_scans() -> None:
    bench = Bench(a_rule(on="rate", tag="V", high=5, per="8 s"))
    for i in range(20):
        bench.set("V", i * 1.0, i * 0.5).run()
    assert bench.levels == [1, 0]


def test_rate_forgets_when_the_clock_is_set_back() -> None:
    bench = Bench(a_rule(on="rate", tag="V", high=5, per="8 s"))
    bench.set("V", 0, 0).run()
    bench.now_ns -= 100 * S
    bench.set("V", 100, 0).run()
    assert bench.levels == [0, 0]


def test_stale_counts_only_while_it_should_move() -> None:
    """A meter stands still all day while the lamps are off. At dusk it has 30 min to move."""
    bench = Bench(a_rule(on="stale", tag="E", after="30 min", only_while="On"))
    bench.set("E", 7, 7).run()
    for _ in range(100):
        bench.run(59)
    bench.set("On", 1, 1).run()
    for _ in range(29):
        bench.run(60)
        assert bench.levels == [0, 0]
    bench.set("E", 7, 8).run(1)
    bench.run(60)
    assert bench.levels == [1, 0]
    bench.set("E", 9).run()
    assert bench.levels == [0, 0]


def test_a_meter_nobody_can_read_is_unknown_not_stale() -> None:
    """The line is dead for an hour: that is another alarm's matter. Heard again, the meter has its time once more."""
    bench = Bench(a_rule(on="stale", tag="E", after="30 min"))
    bench.set("E", 7, 7).run()
    bench.set("E", None, 7).run(0)
    for minute in range(60):
        bench.run(60)
        assert bench.unknown == [True, False] and bench.levels == [0, int(minute >= 29)]
    bench.set("E", 7, 8).run(1)
    for _ in range(29):
        bench.run(60)
        assert bench.levels == [0, 0]


def test_calculated_with_parameters_and_function_blocks() -> None:
    bench = Bench(a_rule(on="calculated", condition="V > limit_V and held_for(On, '3 s')"))
    bench.set("V", 270, 240).set("On", 1, 1).run()
    assert bench.levels == [0, 0]
    for _ in range(3):
        bench.run()
    assert bench.levels == [1, 0]


def test_a_bad_input_is_unknown_and_keeps_the_level() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253))
    bench.set("V", 255, 230).run()
    moves = bench.set("V", None, None).run()
    assert bench.unknown == [True, True] and bench.levels == [1, 0]
    assert moves.blind.tolist() == [0, 1] and not len(moves.clear)
    moves = bench.set("V", 230, 255).run()
    assert moves.sees.tolist() == [0, 1] and moves.clear.tolist() == [0] and moves.rise.tolist() == [1]


def test_uncertain_is_still_a_value() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253)).set("V", 255)
    bench.table.degrade(np.array([0]), StatusCode.UncertainLastUsableValue, bench.now_ns)
    bench.run()
    assert bench.levels == [1, 0] and bench.unknown == [False, False]


def test_only_while_that_is_false_needs_no_input() -> None:
    """Nobody waits for the value of a lamp that is off."""
    bench = Bench(a_rule(on="limit", tag="V", high=253, only_while="On"))
    bench.set("V", None, 255).set("On", 0, 1).run()
    assert bench.unknown == [False, False] and bench.levels == [0, 1]
    bench.set("On", None, 0).run()
    assert bench.unknown == [True, False] and bench.levels == [0, 0]


def test_suppress_when_keeps_what_was_known_last() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253, suppress_when="On"))
    bench.set("On", None, 1)
    moves = bench.run()
    assert moves.suppress.tolist() == [1], "unknown from the start does not suppress"
    moves = bench.set("On", None, None).run()
    assert not len(moves.release) and bench.conditions.designed.tolist() == [False, True]
    assert bench.set("On", None, 0).run().release.tolist() == [1]


def test_suppress_when_that_was_never_known_does_not_suppress() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253, suppress_when="not On"))
    bench.set("On", None, 0)
    assert bench.run().suppress.tolist() == [1]


def test_a_first_value_is_no_rise() -> None:
    bench = Bench(a_rule(on="rate", tag="E", high=5, per="10 min"))
    bench.set("E", None, 1000).run()
    bench.set("E", 1000, 1000).run()
    assert bench.levels == [0, 0]


def test_retired_equipment_raises_nothing_even_by_an_expression_that_needs_no_tag() -> None:
    plant = make_plant({"CAB": TypeSpec(TAGS)}, {"CAB": ["21000/CAB-0001", "21000/CAB-0002"]})
    retired = replace(plant.types["CAB"], life=("retired", "in service"))
    bench = Bench(a_rule(on="calculated", condition="sun_elevation() > -91"), replace(plant, types={"CAB": retired}))
    bench.run()
    assert bench.levels == [0, 1] and bench.unknown == [False, False]


def test_a_flaky_line_delays_an_alarm_but_does_not_prevent_it() -> None:
    """On-delay 15 min; the line is dead for a minute in every three. Only watched time counts."""
    bench = Bench(a_rule(on="discrete", tag="On", equals=True, on_delay="15 min"))
    for _ in range(8):
        bench.set("On", 1, 0)
        bench.run(0)
        bench.run(60)
        bench.run(60)
        bench.set("On", None, 0).run(0)
        bench.run(60)
    assert bench.levels == [1, 0]


def test_what_an_instance_does_not_have_is_neither_in_alarm_nor_unknown() -> None:
    plant = make_plant(
        {"CAB": TypeSpec(TAGS, {"limit_V": [250.0, 260.0]}, {"V": [True, False]})},
        {"CAB": ["21000/CAB-0001", "21000/CAB-0002"]},
    )
    bench = Bench(a_rule(on="limit", tag="V", low=1), plant)
    bench.run()
    assert bench.levels == [-1, 0] and bench.unknown == [False, False]
    absent = Bench(a_rule(on="limit", tag="Absent", low=1))
    absent.run()
    assert absent.unknown == [False, False]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"on": "limit", "tag": "V", "high": "Ref * 2"}, "parameters only, not Ref"),
        ({"on": "discrete", "tag": "Mode", "equals": "manuel"}, "'manuel' is no value of Mode"),
        ({"on": "discrete", "tag": "On"}, "needs `equals`"),
        ({"on": "rate", "tag": "V", "high": 3}, "needs `per`"),
        ({"on": "rate", "tag": "V", "low": 3, "per": "1 s"}, "0 or a fall"),
        ({"on": "discrepancy", "feedback": "On"}, "expected the name of a tag"),
        ({"on": "calculated", "condition": "V"}, "expected a condition"),
        ({"on": "limit", "tag": "Volt", "high": 3}, "'Volt'"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Bench(a_rule(**settings))


def test_names_and_numbers_of_conditions() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=3))
    book = bench.conditions.book
    assert [book.name(c) for c in range(book.count)] == ["21000/CAB-0001/rule", "21000/CAB-0002/rule"]
    assert book.find("21000/CAB-0002/rule") == 1
    assert book.find("21000/CAB-0002/other") is None and book.find("nowhere") is None


def test_a_communication_alarm_that_blinds_a_p1_is_at_least_p2() -> None:
    model = a_rule(on="discrete", tag="On", equals=False, parent=True, priority="P4")
    assert machine_rule("Comm_lost", model).priority is Priority.P4
    assert machine_rule("Comm_lost", model, at_least_p2=True).priority is Priority.P2
    tags = TAGS | {"Comm": replace(tag("Boolean"), system="comm")}
    plant = make_plant({"CAB": TypeSpec(tags)}, {"CAB": ["21000/CAB-0001"]})
    urgent = a_rule(on="discrete", tag="On", equals=True, priority="P1")
    for others, priority in (({}, Priority.P4), ({"Urgent": urgent}, Priority.P2)):
        comm = model.model_copy(update={"tag": "Comm"})
        book = RuleBook(plant, {"CAB": {"Comm_lost": comm, "Other": model, **others}})
        assert [b.rule.priority for b in book.blocks][:2] == [priority, Priority.P4]


def test_the_extreme_is_never_milder_than_the_rest() -> None:
    model = a_rule(on="limit", tag="V", high=1, high_high=2, priority="P2", priority_extreme="P3")
    assert machine_rule("V", model).priority_extreme is Priority.P2


def test_a_deadband_holds_over_a_restart() -> None:
    bench = Bench(a_rule(on="limit", tag="V", high=253, deadband=2))
    bench.set("V", 255, 230).run()
    saved = {name: column.copy() for name, column in bench.conditions.columns().items()}
    after = Bench(a_rule(on="limit", tag="V", high=253, deadband=2))
    both = np.arange(2)
    after.conditions.restore(saved, both, both, bench.now_ns)
    moves = after.set("V", 252, 252).run()
    assert after.levels == [1, 0] and not len(moves.clear)


def test_blindness_counts_for_the_outer_level_no_more_than_for_the_inner() -> None:
    """High stands; high high has stood for 10 of its 15 min when the line is dead for 20: five minutes are left."""
    bench = Bench(a_rule(on="limit", tag="V", high=253, high_high=264, on_delay="15 min"))
    bench.set("V", 255).run(0)
    for _ in range(15):
        bench.run(60)
    assert bench.levels == [1, 0]
    bench.set("V", 270).run(0)
    for _ in range(10):
        bench.run(60)
    bench.set("V", None).run(0)
    for _ in range(20):
        bench.run(60)
    bench.set("V", 270).run(0)
    for _ in range(4):
        bench.run(60)
    assert bench.levels == [1, 0]
    bench.run(60)
    assert bench.levels == [2, 0]
