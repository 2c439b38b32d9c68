# SPDX-License-Identifier: Apache-2.0
"""Restarts and new generations: nothing is lost, doubled or acknowledged twice. Stories: tests/cases/alarms."""

from __future__ import annotations

import random

import numpy as np
import pytest

from config.words import StatusCode
from supervisor.alarms.engine import SETTLE_NS
from supervisor.alarms.events import Disable, Enable, Place, Remove, Reset, Shelve, Unshelve, What
from supervisor.alarms.happening import Happening
from supervisor.alarms.lists import children
from supervisor.alarms.resuming import adopt
from supervisor.alarms.rows import decode, encode
from supervisor.alarms.state import Isa, check_invariants
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.cabinets import RULES, T0, TAGS, Post, S, announced, retained, rows_of
from tests.plants import TypeSpec, make_plant, tag


def test_first_out_survives_a_restart() -> None:
    post = Post(1)
    post.set("Trip", 1).scan()
    post.restart()
    (h,) = post.set("Sw", 1).scan()
    assert not h.first


def test_dirty_rows_are_the_table() -> None:
    """Rows taken after each scan, laid one over the other, are the table: what a standby holds."""
    post, copy = Post(5), {}
    chance = random.Random(7)
    for _ in range(200):
        disturb(post, chance)
        for condition in post.engine.living.dirty:
            name, live = post.engine.book.name(condition), post.engine.living.of.get(condition)
            if live is None:
                copy.pop(name, None)
            else:
                copy[name] = encode(live)
        post.engine.living.dirty.clear()
        assert copy == rows_of(post.engine)


def disturb(post: Post, chance: random.Random) -> list[Happening]:
    """Anything may happen to a few cabinets."""
    n = len(post.names)
    out: list[Happening] = []
    for _ in range(chance.randrange(3)):
        name, i = chance.choice(list(TAGS)), chance.randrange(n)
        value = chance.choice([230, 255, 265]) if name == "V" else chance.randrange(2)
        post.set(name, value, of=i, status=chance.choice([0, 0, 0, 0x80310000]))
    out += post.scan(chance.choice([0.1, 1, 5]))
    for _ in range(chance.randrange(3)):
        name = f"CAB-{chance.randrange(n) + 1:04d}/{chance.choice(list(RULES))}"
        event = chance.choice([
            None, None, Reset(), Shelve(chance.choice([None, 20 * S]), "x"), Unshelve(),
            Remove("WO-1", post.now_ns + S), Place(), Disable("MOC-1"), Enable("MOC-2"),
        ])  # fmt: skip
        condition = post.engine.book.find(f"21000/{name}")
        if event is None and condition in post.engine.living.of:
            followed = post.ack(name)
        elif event is not None:
            followed = post.act(name, event)
        else:
            continue
        out += followed if isinstance(followed, list) else []
    return out


def no_danger_vanishes(post: Post, before: set[str], told: list[Happening]) -> set[str]:
    """Nothing takes what is protected from the list but an acknowledged return to normal, or an engineer's `disable`.

    Returns: what stands there now.
    """
    now = {n for n, _ in retained(post.engine) if post.engine.rule(post.engine.book.find(n) or 0).protected}
    for name in before - now:
        last = [h for h in told if h.name == name][-1]
        disabled = not last.state.enabled and any(h.log.what is What.DISABLED and h.by for h in told if h.name == name)
        assert disabled or (last.state.acked and not last.state.process and not last.state.latched), last
    return now


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_of_a_storm_it_goes_on_as_if_nothing_had_been(seed: int) -> None:
    """Two posts see the same; one is killed again and again. Nothing is lost, doubled or acknowledged twice."""
    steady, killed = Post(4), Post(4)
    chances = random.Random(seed), random.Random(seed)
    moments = random.Random(seed + 1000)
    stood: set[str] = set()
    for _ in range(150):
        told = [disturb(post, chance) for post, chance in zip((steady, killed), chances, strict=True)]
        assert [(h.name, h.log, h.announced) for h in told[0]] == [(h.name, h.log, h.announced) for h in told[1]]
        assert rows_of(steady.engine) == rows_of(killed.engine)
        stood = no_danger_vanishes(steady, stood, told[0])
        for condition, live in steady.engine.living.of.items():
            check_invariants(live.state, steady.engine.book.block(condition).rule)
        waits = any(live.state.release_ns is not None for live in killed.engine.living.of.values())
        if moments.random() < 0.2 and not waits:
            assert killed.restart() == []
            # The interval of the kill was watched by nobody; without one they must agree to the scan.
            steady.engine.conditions.last_ns = killed.engine.conditions.last_ns = killed.now_ns
            killed.engine.conditions.delays.usable[:] = steady.engine.conditions.delays.usable
            killed.engine.turns.next_ns = steady.engine.turns.next_ns
            killed.engine.settle_ns = None


def test_without_columns_what_stands_still_stands() -> None:
    post = Post(2)
    post.set("V", 255).set("Rcd", 1, of=0).scan()
    post.ack("CAB-0001/V")
    post.restart(60, with_columns=False)
    assert post.scan() == [], "nobody is told again"
    assert post.flat("CAB-0001/V") is Isa.ACKED and post.flat("CAB-0001/Rcd") is Isa.UNACK
    (h,) = post.set("V", 230, of=0).scan()
    assert h.log.after is Isa.NORM


def test_what_returned_while_the_server_was_down_returns() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.restart(60, with_columns=False)
    (h,) = post.set("V", 230).scan()
    assert h.log.what is What.RETURNED


def test_what_is_no_longer_fitted_is_named() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.plant.supported[post.plant.types["CAB"].blocks["V"].rows] = False
    assert post.restart(with_columns=False) == ["21000/CAB-0001/V"]


def test_what_has_no_inputs_after_a_restart_is_unknown_soon() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.restart()
    post.set("V", 255, status=StatusCode.BadWaitingForInitialData)
    assert post.scan() == []
    (h,) = post.scan(SETTLE_NS / S)
    assert h.log.what is What.UNKNOWN and not h.state.evaluable


@pytest.mark.parametrize("step_s", [-3600, 3600], ids=["back", "forward"])
def test_a_clock_set_after_a_restart_makes_it_neither_later_nor_sooner(step_s: int) -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.restart()
    post.set("V", 255, status=StatusCode.BadWaitingForInitialData)
    assert post.scan() == []
    post.now_ns += step_s * S
    told = [h.log.what for _ in range(9) for h in post.scan()]
    assert told == [] and [h.log.what for _ in range(2) for h in post.scan()] == [What.UNKNOWN]


def test_a_rule_that_is_gone_is_named() -> None:
    post = Post(1)
    post.set("V", 255).set("Sw", 1).scan()
    del post.rules["V"]
    assert post.restart(with_columns=False) == ["21000/CAB-0001/V"]
    assert [name for name, _ in retained(post.engine)] == ["21000/CAB-0001/Sw"]


def test_a_new_generation_goes_on_where_the_old_one_was() -> None:
    """Two cabinets are added in front, one is gone, a rule is new: what stands stands, what was on its way still is."""
    old, new = Post(3), Post(3)
    old.set("V", 255).set("Loss", 1, of=2).scan()
    old.ack("CAB-0002/V")
    names = ["21000/CAB-0009", "21000/CAB-0008", "21000/CAB-0003", "21000/CAB-0002"]
    new.plant = make_plant({"CAB": TypeSpec({name: tag(kind) for name, kind in TAGS.items()})}, {"CAB": names})
    new.rules = {"Early": new.rules["Sw"]} | new.rules
    new.table = TagTable(new.plant, StringPool(), T0)
    everything = np.arange(new.plant.rows)
    new.table.put(everything, np.zeros(len(everything), np.int64), np.zeros(len(everything), np.uint32), T0)
    new.engine = new.new_engine()
    new.now_ns = old.now_ns
    assert adopt(new.engine, old.engine, new.now_ns) == ["21000/CAB-0001/V"], "its equipment is gone: said, not dropped"
    new.set("V", 255, of=slice(2, 4)).set("Loss", 1, of=2)
    assert new.scan(0.5) == []
    assert new.flat("CAB-0002/V") is Isa.ACKED and new.flat("CAB-0003/V") is Isa.DSUPR
    assert announced(new.scan(1.5)) == ["CAB-0003/Loss"], "its delay of 2 s went on from the old generation"
    assert children(new.engine, "21000/CAB-0003/Loss").suppressed == ("21000/CAB-0003/V",)


def test_a_damaged_row_is_refused() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    (row,) = rows_of(post.engine).values()
    assert encode(decode(row)) == row
    for bad in ([], [1, *row[1:]], row[:3], [*row[:2], [1, 2], *row[3:]]):
        with pytest.raises(ValueError, match="row"):
            decode(bad)


def test_what_an_expression_suppressed_before_a_restart_is_let_go_when_it_is_false_afterwards() -> None:
    rules = {"Sw": {**RULES["Sw"], "suppress_when": "Rcd"}}
    post = Post(1, rules)
    post.set("Rcd", 1).scan()
    assert [h.announced for h in post.set("Sw", 1).scan()] == [False]
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.set("Rcd", 0)
    assert post.restart(5, with_columns=False) == []
    told = [name for _ in range(3) for name in announced(post.scan())]
    assert told == ["CAB-0001/Sw"] and post.flat("CAB-0001/Sw") is Isa.UNACK
