# SPDX-License-Identifier: Apache-2.0
"""The planner against one that knows no tricks: every readable polled point once, no limit broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config.words import Kind
from drivers.base import Point
from drivers.modbus.address import ModbusDevice
from drivers.modbus.plan import READ_FUNCTION, Body, plan
from tests.modbus import point

WIDTH = {"uint16": Kind.UInt16, "float32": Kind.Float, "float64": Kind.Double}


@st.composite
def points(draw: st.DrawFn) -> Point:
    table = draw(st.sampled_from(["coil", "discrete_input", "holding", "input"]))
    kind, extra = Kind.Boolean, {}
    if table in ("holding", "input"):
        name = draw(st.sampled_from([*WIDTH, "string", "bit"]))
        extra = {"type": name}
        if name == "string":
            kind, extra["length"] = Kind.String, draw(st.integers(1, 8))
        elif name == "bit":
            extra["bit"] = draw(st.integers(0, 15))
        else:
            kind = WIDTH[name]
    access = draw(st.sampled_from(["r", "rw", "w"])) if table in ("holding", "coil") else "r"
    poll = draw(st.sampled_from(["fast", "slow", None]))
    return point("P", kind, access, poll, table=table, address=draw(st.integers(0, 400)), **extra)


def addresses(body: Body) -> set[int]:
    return set(range(body.first, body.first + body.quantity))


def needed(p: Point) -> set[int]:
    return set(range(p.address.address, p.address.last + 1))


@given(
    st.lists(points(), max_size=60),
    st.integers(8, 125),
    st.integers(8, 2000),
    st.integers(0, 125),
    st.sets(st.integers(0, 400), max_size=4),
)
def test_every_point_is_covered_once_and_no_limit_is_broken(
    all_points: list[Point], registers_max: int, bits_max: int, gap_max: int, holes: set[int]
) -> None:
    device = ModbusDevice.model_validate(
        {
            "host": "a",
            "registers_max": registers_max,
            "bits_max": bits_max,
            "gap_max": gap_max,
            "forbidden": [{"table": "holding", "first": h, "last": h} for h in sorted(holes)],
        }
    )
    chosen = [p for p in all_points if not (p.address.table == "holding" and needed(p) & holes)]
    exchanges = plan(device, chosen)

    taken = [int(i) for e in exchanges for i in e.take]
    assert sorted(taken) == [i for i, p in enumerate(chosen) if p.poll is not None and p.access.readable]
    for e in exchanges:
        body: Body = e.body
        assert 1 <= body.quantity <= (bits_max if body.question[0] in (1, 2) else registers_max)
        assert body.question[0] == READ_FUNCTION[body.table]
        assert not (body.table == "holding" and addresses(body) & holes)
        used: set[int] = set()
        for i, member in zip(e.take, body.members, strict=True):
            p = chosen[int(i)]
            assert p.poll == e.poll and p.address.table == body.table
            assert needed(p) <= addresses(body)
            assert body.first + member.offset == p.address.address
            used |= needed(p)
        assert {body.first, body.first + body.quantity - 1} <= used
        bits = body.question[0] in (1, 2)
        assert longest_gap(addresses(body) - used) <= gap_max * (16 if bits else 1)
    assert len(exchanges) <= naive_count(chosen, device)


def longest_gap(unused: set[int]) -> int:
    longest = run = 0
    last = None
    for at in sorted(unused):
        run = run + 1 if last == at - 1 else 1
        longest, last = max(longest, run), at
    return longest


def naive_count(chosen: list[Point], device: ModbusDevice) -> int:
    """A planner that asks for each point by itself, and for points at the same place together."""
    return len({(p.poll, p.address.table, p.address.address, p.address.last) for p in chosen if p.poll})
