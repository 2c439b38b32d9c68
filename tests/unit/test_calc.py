# SPDX-License-Identifier: Apache-2.0
"""Calculated tags: the cabinet's own expressions, order, quality, time, ranges and kinds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from config.words import Kind, StatusCode, cell_of
from supervisor.plant.plant import Plant, TagInfo
from supervisor.tags.calc import Program
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
T0 = 1_750_000_000 * S
G, U, B = StatusCode.Good, StatusCode.UncertainLastUsableValue, StatusCode.BadNoCommunication

STATE = (
    "'fault' if Supply_Loss or RCD_Trip or K1_Trip or K2_Trip or K3_Trip or K4_Trip"
    " else 'off' if not (K1_Fb or K2_Fb or K3_Fb or K4_Fb)"
    " else 'dim' if DimSet < 100 else 'on'"
)
P_EXP = (
    "(lamps_K1 * K1_Fb + lamps_K2 * K2_Fb + lamps_K3 * K3_Fb + lamps_K4 * K4_Fb)"
    " * (standby_W + (lamp_W - standby_W) * DimSet / 100) / 1000"
)
P_DEV = "clip((P - P_exp) / P_exp * 100, -100, 100) if P_exp > 0.05 else 0"
RUN_H = "integrate(K1_Fb or K2_Fb or K3_Fb or K4_Fb, 'h')"

CABINET = TypeSpec(
    {
        # calculated tags first: the order of the YAML is not the order of computation
        "P_dev": tag("Float", calc=P_DEV, span=(-100, 100)),
        "State": tag("Enumeration", calc=STATE, values=("off", "on", "dim", "fault")),
        "P_exp": tag("Float", calc=P_EXP, span=(0, 60)),
        "RunH": tag("Double", calc=RUN_H),
        "P": tag("Float"),
        "DimSet": tag("Float"),
        "Supply_Loss": tag("Boolean"),
        "RCD_Trip": tag("Boolean"),
        **{f"K{i}_{end}": tag("Boolean") for i in range(1, 5) for end in ("Fb", "Trip")},
    },
    {
        "lamps_K1": [30, 10],
        "lamps_K2": [20, 10],
        "lamps_K3": [10, 0],
        "lamps_K4": [0, 0],
        "lamp_W": [55.0, 70.0],
        "standby_W": [1.0, 2.0],
    },
)
NAMES = ["21605/CAB-0001", "21605/CAB-0002"]


class Rig:
    """A plant of one type T or CAB, its table and its program."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.table = TagTable(plant, StringPool(), now_ns=0)
        self.program = Program(plant, Locality(47.322, 5.041, "Europe/Paris"))

    @property
    def names(self) -> tuple[str, ...]:
        return next(iter(self.plant.types.values())).equipment

    def set(self, name: str, *values: float, status: StatusCode = G, at: int = T0, only: int | None = None) -> None:
        block = next(iter(self.plant.types.values())).blocks[name]
        wide = values * block.count if len(values) == 1 else values
        cells = np.array([cell_of(block.info.kind, v) for v in wide])
        rows = np.arange(block.start, block.start + block.count)
        if only is not None:
            rows, cells = rows[only : only + 1], cells[only : only + 1]
        self.table.put(rows, cells, np.full(len(rows), status, np.uint32), at)

    def run(self, now: int = T0) -> None:
        self.program.run(self.table, now)

    def value(self, name: str, i: int = 0) -> object:
        return self.table.value(self.row(name, i))

    def status(self, name: str, i: int = 0) -> int:
        return int(self.table.status[self.row(name, i)])

    def row(self, name: str, i: int = 0) -> int:
        row = self.plant.row(f"{self.names[i]}/{name}")
        assert row is not None
        return row


def one(tags: Mapping[str, TagInfo], n: int = 2, **kw: object) -> Rig:
    return Rig(make_plant({"T": TypeSpec(tags, **kw)}, {"T": [f"21000/T-{i:04d}" for i in range(n)]}))  # type: ignore[arg-type]


def cabinet() -> Rig:
    rig = Rig(make_plant({"CAB": CABINET}, {"CAB": NAMES}))
    for name, block in rig.plant.types["CAB"].blocks.items():
        if block.info.calc is None:
            rig.set(name, 0)
    rig.set("DimSet", 100.0)
    return rig


def test_before_the_first_reading_nothing_is_known() -> None:
    rig = Rig(make_plant({"CAB": CABINET}, {"CAB": NAMES}))
    rig.run()
    for name in ("State", "P_exp", "P_dev", "RunH"):
        assert rig.status(name) == StatusCode.BadWaitingForInitialData
        assert rig.value(name) is None


def test_state_of_a_cabinet() -> None:
    rig = cabinet()
    rig.run()
    assert rig.value("State") == 0
    rig.set("K2_Fb", 1)
    rig.run()
    assert rig.value("State") == 1
    rig.set("DimSet", 50.0, 100.0)
    rig.run()
    assert [rig.value("State", i) for i in (0, 1)] == [2, 1]
    rig.set("K4_Trip", 1)
    rig.run()
    assert rig.value("State") == 3
    rig.set("K4_Trip", 0)
    rig.set("Supply_Loss", 1)
    rig.run()
    assert rig.value("State") == 3 and rig.status("State") == G


def test_expected_power_and_its_deviation() -> None:
    rig = cabinet()
    rig.set("K1_Fb", 1)
    rig.set("K3_Fb", 1)
    rig.set("P", 2.2 * 1.1, 0.7 * 0.95)
    rig.run()
    assert rig.value("P_exp", 0) == pytest.approx((30 + 10) * 55 / 1000)
    assert rig.value("P_exp", 1) == pytest.approx(10 * 70 / 1000)
    assert rig.value("P_dev", 0) == pytest.approx(10.0)
    assert rig.value("P_dev", 1) == pytest.approx(-5.0)
    rig.set("DimSet", 40.0)
    rig.run()
    assert rig.value("P_exp", 0) == pytest.approx(40 * (1 + 54 * 0.4) / 1000)
    rig.set("P", 9.0)
    rig.run()
    assert rig.value("P_dev") == 100.0, "clipped to the tag's range"


def test_no_deviation_where_nothing_is_expected() -> None:
    rig = cabinet()
    rig.set("P", 0.3)
    rig.run()
    assert rig.value("P_dev") == 0.0 and rig.status("P_dev") == G


def test_hours_run_while_a_circuit_is_on() -> None:
    rig = cabinet()
    rig.set("K2_Fb", 1, 0)
    for minute in range(121):
        rig.run(T0 + minute * 60 * S)
    assert rig.value("RunH", 0) == pytest.approx(2.0)
    assert rig.value("RunH", 1) == 0.0


def test_a_dead_cabinet_has_no_state_and_its_neighbour_does() -> None:
    rig = cabinet()
    rig.run()
    rig.set("K1_Fb", 0, status=B, at=T0 + 5 * S, only=1)
    rig.run(T0 + 6 * S)
    assert rig.status("State", 0) == G
    assert rig.status("State", 1) == B and rig.value("State", 1) is None
    assert rig.table.source_ns[rig.row("State", 1)] == T0 + 5 * S, "since when it cannot be known"
    assert rig.status("P_dev", 1) == B, "through P_exp, in the same run"


def test_order_of_computation_is_not_the_order_of_writing() -> None:
    rig = one(
        {
            "c": tag("Double", calc="b + 1"),
            "b": tag("Double", calc="a + 1"),
            "a": tag("Double", calc="x + 1"),
            "x": tag("Double"),
        }
    )
    rig.set("x", 1.0)
    rig.run()
    assert (rig.value("a"), rig.value("b"), rig.value("c")) == (2.0, 3.0, 4.0)


def test_a_circle_is_named() -> None:
    tags = {"a": tag("Double", calc="b + 1"), "b": tag("Double", calc="c"), "c": tag("Double", calc="a")}
    with pytest.raises(ValueError, match=r"T: calculated tags in a circle: ") as caught:
        one(tags)
    circle = str(caught.value).rpartition(": ")[2].split(" -> ")
    reads = {"a": "b", "b": "c", "c": "a"}
    assert len(circle) == 4 and all(reads[x] == y for x, y in pairwise(circle))
    with pytest.raises(ValueError, match="circle: a -> a"):
        one({"a": tag("Double", calc="a + 1")})


def test_an_expression_that_does_not_fit_names_its_tag() -> None:
    with pytest.raises(ValueError, match=r"T/a: column 1: no tag or parameter 'x'"):
        one({"a": tag("Double", calc="x")})
    with pytest.raises(ValueError, match=r"T/a: column 3: .*cannot be read"):
        one({"a": tag("Double", calc="1 1")})


# expression, status of x, status of y, value of bool p, status p, expected status
QUALITY = [
    ("x + y", G, U, U),
    ("x + y", U, B, B),
    ("x + y", B, StatusCode.BadSensorFailure, B),
    ("y + x", B, StatusCode.BadSensorFailure, StatusCode.BadSensorFailure),
    ("x + y", StatusCode.GoodLocalOverride, G, G),
    ("x + 1", U, B, U),
    ("0 < x < y", G, B, B),
    ("max(x, y)", G, U, U),
    ("x if true else y", G, B, G),
    ("x if false else y", G, B, B),
    ("x if y > 0 else 1", G, B, B),
    ("x > 0 and y > 99", B, G, G),  # the second is false: it decides
    ("x > 0 and y > 0", B, G, B),
    ("y > 99 and x > 0", B, U, U),  # false, but only as sure as what says so
    ("x > 99 and y > 99", U, G, G),  # both false: the surer one
    ("x > 0 or y > 0", B, G, G),
    ("y > 0 or x > 0", B, G, G),
    ("x > 0 or y > 99", B, G, B),
    ("not (x > 0 or y > 99)", U, G, U),
    ("good(x)", B, G, G),
    ("x if good(x) else y", B, G, G),
    ("x if good(x) else y", B, U, U),
]


@pytest.mark.parametrize(
    ("text", "x", "y", "expected"), QUALITY, ids=[f"{q[0]}-{q[1].name}-{q[2].name}" for q in QUALITY]
)
def test_quality_is_that_of_what_was_needed(text: str, x: StatusCode, y: StatusCode, expected: StatusCode) -> None:
    kind = "Double" if not any(w in text for w in ("<", " and ", " or ", "good(x)")) or " if " in text else "Boolean"
    rig = one({"r": tag(kind, calc=text), "x": tag("Double"), "y": tag("Double")})
    rig.set("x", 2.0)
    rig.set("y", 3.0)
    rig.set("x", 2.0, status=x, only=0)
    rig.set("y", 3.0, status=y, only=0)
    rig.run()
    assert rig.status("r", 0) == expected
    assert rig.status("r", 1) == G, "the other instance is not touched"


def test_division_by_zero_is_bad_even_when_compared_afterwards() -> None:
    rig = one(
        {
            "q": tag("Double", calc="x / y"),
            "big": tag("Boolean", calc="x / y > 5"),
            "safe": tag("Double", calc="x / y if y != 0 else -1"),
            "huge": tag("Double", calc="x * 1e299 * 1e299"),
            "x": tag("Double"),
            "y": tag("Double"),
        }
    )
    rig.set("x", 6.0)
    rig.set("y", 0.0, 2.0)
    rig.run()
    assert rig.status("q", 0) == StatusCode.BadOutOfRange and rig.value("q", 0) is None
    assert rig.status("big", 0) == StatusCode.BadOutOfRange
    assert rig.status("huge", 0) == StatusCode.BadOutOfRange
    assert rig.value("safe", 0) == -1.0 and rig.status("safe", 0) == G
    assert rig.value("q", 1) == 3.0 and rig.value("big", 1) is False


@pytest.mark.parametrize("text", ["integrate(x, 'h')", "counter(x, 65536)", "delta(x)", "change_in(x, '1 h')"])
def test_a_block_whose_input_is_no_number_does_not_call_its_result_good(text: str) -> None:
    rig = one({"r": tag("Double", calc=text), "x": tag("Double")}, n=1)
    for second, x in enumerate((1.0, 2.0, float("inf"))):
        rig.set("x", x, at=T0 + second * S)
        rig.run(T0 + second * S)
    assert (rig.value("r"), rig.status("r")) == (None, StatusCode.BadOutOfRange)


def test_outside_its_range_a_result_is_uncertain() -> None:
    rig = one(
        {"r": tag("Float", calc="x * 2", span=(0, 10)), "n": tag("Byte", calc="x", span=(0, 3)), "x": tag("Double")}
    )
    rig.set("x", 4.0, 6.0)
    rig.run()
    assert rig.status("r", 0) == G and rig.value("r", 0) == 8.0
    assert rig.status("r", 1) == StatusCode.UncertainEngineeringUnitsExceeded and rig.value("r", 1) == 12.0
    assert rig.status("n", 0) == StatusCode.UncertainEngineeringUnitsExceeded
    rig.set("x", 6.0, status=U)
    rig.run()
    assert rig.status("r", 1) == U, "what was uncertain before keeps its own reason"


@pytest.mark.parametrize(
    ("kind", "x", "value", "status"),
    [
        ("Int16", 2.5, 2, G),
        ("Int16", 3.5, 4, G),
        ("Int16", 32767.4, 32767, G),
        ("Int16", 32768.0, None, StatusCode.BadOutOfRange),
        ("Int16", -32769.0, None, StatusCode.BadOutOfRange),
        ("Byte", -1.0, None, StatusCode.BadOutOfRange),
        ("Int64", 2.0**63, None, StatusCode.BadOutOfRange),
        ("Int64", -(2.0**63), -(2**63), G),
        ("UInt64", 2.0**63, 2**63, G),
        ("UInt64", 2.0**64, None, StatusCode.BadOutOfRange),
        ("Double", float("inf"), None, StatusCode.BadOutOfRange),
        ("Float", -0.5, -0.5, G),
        ("Float", 3.4028235e38, 3.4028235e38, G),
        ("Float", 1e39, None, StatusCode.BadOutOfRange),
    ],
)
def test_result_takes_the_kind_of_its_tag(kind: str, x: float, value: object, status: StatusCode) -> None:
    rig = one({"r": tag(kind, calc="x"), "x": tag("Double")})
    rig.set("x", x)
    rig.run()
    assert (rig.value("r"), rig.status("r")) == (value, status)


def test_every_kind_can_be_an_input() -> None:
    kinds = ["Boolean", "SByte", "UInt16", "Int32", "Int64", "UInt64", "Float", "Double"]
    tags = {f"x{i}": tag(k) for i, k in enumerate(kinds)}
    rig = one({"sum": tag("Double", calc=" + ".join(tags)), **tags})
    for i in range(len(kinds)):
        rig.set(f"x{i}", 1)
    rig.set("x5", 2**63)
    rig.run()
    assert rig.value("sum") == 7 + 2.0**63


def test_not_fitted_stays_not_supported() -> None:
    rig = one({"r": tag("Double", calc="x + 1"), "x": tag("Double")}, fitted={"r": [True, False]})
    rig.set("x", 1.0)
    rig.run()
    assert [rig.status("r", i) for i in (0, 1)] == [G, StatusCode.BadNotSupported]
    assert rig.value("r", 1) is None


def test_an_input_that_is_not_fitted_can_be_asked_for() -> None:
    tags = {"r": tag("Double", calc="Lux if good(Lux) else -1"), "s": tag("Double", calc="Lux"), "Lux": tag("Double")}
    rig = one(tags, fitted={"Lux": [True, False]})
    rig.set("Lux", 5.0, only=0)
    rig.run()
    assert [rig.value("r", i) for i in (0, 1)] == [5.0, -1.0]
    assert rig.status("s", 1) == StatusCode.BadNotSupported


def test_time_is_that_of_the_newest_input() -> None:
    rig = one({"r": tag("Double", calc="x + y"), "x": tag("Double"), "y": tag("Double")})
    rig.set("x", 1.0, at=T0 + 3)
    rig.set("y", 1.0, at=T0 + 7)
    rig.run(T0 + 100)
    assert rig.table.source_ns[rig.row("r")] == T0 + 7
    rig.set("x", 1.0, at=T0 + 50)
    rig.table.changed_rows()
    rig.run(T0 + 100)
    assert rig.table.source_ns[rig.row("r")] == T0 + 50
    assert len(rig.table.changed_rows()) == 0, "a newer time alone is not a change"


def test_time_itself_is_an_input_of_blocks_that_count_it() -> None:
    rig = one({"r": tag("Boolean", calc="held_for(x > 0, '10 s')"), "x": tag("Double")})
    rig.set("x", 1.0)
    rig.run(T0)
    rig.run(T0 + 10 * S)
    assert rig.value("r") is True
    assert rig.table.source_ns[rig.row("r")] == T0 + 10 * S
    rig.set("x", 1.0, status=B, at=T0 + 11 * S)
    rig.run(T0 + 20 * S)
    assert rig.table.source_ns[rig.row("r")] == T0 + 11 * S


def test_equal_blocks_share_one_memory() -> None:
    rig = one({"r": tag("Double", calc="delta(x) + delta( x )"), "x": tag("Double")})
    assert len(list(rig.program.memories())) == 1
    rig.set("x", 1.0, at=T0)
    rig.run(T0)
    rig.set("x", 4.0, at=T0 + S)
    rig.run(T0 + S)
    assert rig.value("r") == 6.0


def test_blocks_within_blocks() -> None:
    rig = one({"r": tag("Boolean", calc="held_for(unchanged_for(x, '5 s'), '5 s')"), "x": tag("Double")})
    rig.set("x", 1.0)
    seen = []
    for s in range(12):
        rig.run(T0 + s * S)
        seen.append(rig.value("r"))
    assert seen == [False] * 10 + [True, True]


def test_sun_and_parameters_alone() -> None:
    rig = one(
        {"n": tag("Boolean", calc="is_night()"), "e": tag("Double", calc="sun_elevation() + up")},
        parameters={"up": [0.0, 100.0]},
    )
    midnight = 1_750_546_800 * S  # 2025-06-21T23:00Z
    rig.run(midnight)
    assert rig.value("n") is True
    assert rig.value("e", 1) - rig.value("e", 0) == pytest.approx(100.0)  # type: ignore[operator]
    assert rig.table.source_ns[rig.row("n")] == midnight
    rig.run(midnight + 12 * 3600 * S)
    assert rig.value("n") is False


def test_memory_goes_over_to_the_next_generation_by_series() -> None:
    series: dict[str, int] = {}
    old = Rig(make_plant({"CAB": CABINET}, {"CAB": NAMES}, series))
    for name in [f"K{i}_Fb" for i in range(1, 5)]:
        old.set(name, 0)
    old.set("K1_Fb", 1, 0)
    for minute in range(61):
        old.run(T0 + minute * 60 * S)
    grown = TypeSpec(CABINET.tags, {p: [v[0], v[0], v[1]] for p, v in CABINET.parameters.items()})
    new = Rig(make_plant({"CAB": grown}, {"CAB": [NAMES[1], "21605/CAB-0009", NAMES[0]]}, series))
    assert new.program.adopt(old.program) == 2
    for name in [f"K{i}_Fb" for i in range(1, 5)]:
        new.set(name, 0)
    new.set("K1_Fb", 0, 0, 1)
    for minute in range(61, 121):
        new.run(T0 + minute * 60 * S)
    assert [new.value("RunH", i) for i in range(3)] == [0.0, 0.0, pytest.approx(2.0)], "not one minute is lost"


def test_counter_resets_are_told() -> None:
    rig = one({"r": tag("Double", calc="counter(x, 65536)"), "x": tag("UInt16")})
    for raw in (40000, 40010, 5, 7):
        rig.set("x", raw)
        rig.run()
    assert rig.program.counter_resets == 2
    assert rig.value("r") == 40012.0


def test_kind_of_every_result_is_covered() -> None:
    """Kinds that a calculated tag may have are exactly those the language knows."""
    for kind in Kind:
        ok = kind not in (Kind.String, Kind.DateTime)
        calc = "'b' if x > 0 else 'a'" if kind is Kind.Enumeration else "x > 0" if kind is Kind.Boolean else "x"
        tags = {"r": tag(kind.name, calc=calc, values=("a", "b")), "x": tag("Double")}
        if ok:
            rig = one(tags)
            rig.set("x", 1.0)
            rig.run()
            assert rig.value("r") == 1
        else:
            with pytest.raises(ValueError, match="cannot be calculated"):
                one(tags)
