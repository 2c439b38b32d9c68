# SPDX-License-Identifier: Apache-2.0
"""Parents and children, staged release. Every order of failure: test_alarm_orders. Stories: tests/cases/alarms."""

from __future__ import annotations

import pytest

from config.words import StatusCode
from supervisor.alarms.events import Remove, Shelve
from supervisor.alarms.lists import children
from supervisor.alarms.state import Isa
from supervisor.alarms.turns import RELEASES_PER_S
from tests.cabinets import RULES, T0, Post, S, announced, counts, retained


def test_children_are_freed_ten_a_second() -> None:
    """40 cabinets of a street come back, all main switches still off."""
    post = Post(40)
    post.set("Loss", 1).scan()
    post.set("Sw", 1)
    post.scan(3)
    assert counts(post.engine).suppressed == 40
    assert len(retained(post.engine)) == 80, "what is suppressed is in the list, marked"
    freed = [len(announced(post.set("Loss", 0).scan(0.1)))]
    freed += [len(announced(post.scan(0.1))) for _ in range(60)]
    assert sum(freed) == 40
    for start in range(len(freed) - 10):
        assert sum(freed[start : start + 10]) <= 2 * RELEASES_PER_S, "one second saved up, one second due"
    assert sum(freed[20:]) > 0, "and so it takes some seconds"


def test_the_urgent_ones_are_freed_first() -> None:
    """30 of P4 and 5 of P2, let go in one scan, the milder rule written first."""
    rules = {name: RULES[name] for name in ("Sw", "Loss")} | {"V": RULES["V"] | {"priority": "P2"}}
    post = Post(30, rules)
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).set("V", 255, of=slice(25, 30)).scan()
    post.set("Loss", 0)
    told = [name for _ in range(40) for name in announced(post.scan(0.1))]
    assert len(told) == 35 and all(name.endswith("/V") for name in told[:5])


@pytest.mark.parametrize("step_s", [-3600, 3600], ids=["back", "forward"])
def test_a_clock_set_in_the_middle_of_a_release_holds_nobody_up_and_frees_nobody_early(step_s: int) -> None:
    post = Post(40)
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    told = [len(announced(post.set("Loss", 0).scan(0.1)))]
    assert 0 < told[0] <= RELEASES_PER_S
    post.now_ns += step_s * S
    told += [len(announced(post.scan(0.1))) for _ in range(60)]
    assert sum(told) == 40 and max(told[1:]) <= 2, "at the same pace as if nobody had touched the clock"


@pytest.mark.parametrize("step_s", [-3600, 3600], ids=["back", "forward"])
def test_a_clock_set_while_a_child_waits_for_its_parent_changes_nothing(step_s: int) -> None:
    post = Post(1)
    assert announced(post.set("Loss", 1).set("Sw", 1).scan(0.5)) == []
    post.now_ns += step_s * S
    told = [name for _ in range(8) for name in announced(post.scan(0.5))]
    assert told == ["CAB-0001/Loss"] and post.flat("CAB-0001/Sw") is Isa.DSUPR
    # And one whose parent comes to nothing is told of within the parent's own delay.
    other = Post(1, RULES | {"Loss": RULES["Loss"] | {"on_delay": "20 s"}})
    assert announced(other.set("Loss", 1).set("Sw", 1).scan(0.5)) == []
    other.now_ns += step_s * S
    other.scan(0.5)
    assert announced(other.set("Loss", 0).scan(0.5)) == ["CAB-0001/Sw"]


def test_p1_does_not_wait_for_its_turn() -> None:
    post = Post(40, RULES | {"Rcd": RULES["Rcd"] | {"suppress_when": "Loss", "on_delay": "1 s"}})
    post.set("Loss", 1).set("Rcd", 1).scan()
    post.scan(3)
    assert all(h.flat is Isa.DSUPR for n, live in retained(post.engine) if n.endswith("Rcd") for h in [live.state])
    assert announced(post.set("Loss", 0).scan()) == []
    assert len(announced(post.scan())) == 40


def test_a_shelved_parent_still_holds_its_children_back_a_removed_one_does_not() -> None:
    post = Post(1)
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.act("CAB-0001/Loss", Shelve(3600 * S, "known"))
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.act("CAB-0001/Loss", Remove("WO-1", T0 + 86400 * S))
    assert announced(post.scan(0.1)) == ["CAB-0001/Sw"]


TWO_PARENTS = RULES | {"Rcd": RULES["Loss"] | {"tag": "Rcd", "on_delay": "4 s"}}


def test_one_parent_of_two_goes_the_child_stays_under_the_other() -> None:
    post = Post(1, TWO_PARENTS)
    post.set("Loss", 1).set("Rcd", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert children(post.engine, "21000/CAB-0001/Loss").suppressed == ("21000/CAB-0001/Sw",)
    assert announced(post.scan()) == ["CAB-0001/Rcd"]
    assert announced(post.set("Loss", 0).scan()) == [] and post.flat("CAB-0001/Sw") is Isa.DSUPR
    assert announced(post.scan(60)) == []
    assert children(post.engine, "21000/CAB-0001/Rcd").suppressed == ("21000/CAB-0001/Sw",)
    assert announced(post.set("Rcd", 0).scan()) == ["CAB-0001/Sw"]


def test_one_parent_of_two_comes_to_nothing_the_child_waits_for_the_other() -> None:
    post = Post(1, TWO_PARENTS)
    post.set("Loss", 1).set("Rcd", 1).set("Sw", 1).scan()
    assert announced(post.set("Loss", 0).scan()) == []
    assert announced(post.scan(3)) == ["CAB-0001/Rcd"] and post.flat("CAB-0001/Sw") is Isa.DSUPR


def test_parent_and_child_rise_in_one_scan_the_parent_is_first() -> None:
    post = Post(1, RULES | {"Zero": RULES["Loss"] | {"tag": "Rcd", "on_delay": "0 s"}})
    post.set("Sw", 1)
    post.now_ns += S // 2
    assert announced(post.set("Rcd", 1).scan()) == ["CAB-0001/Zero", "CAB-0001/Rcd"]
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR


def test_a_child_waits_thirty_seconds_at_most() -> None:
    post = Post(1, RULES | {"Loss": RULES["Loss"] | {"on_delay": "5 min"}})
    assert announced(post.set("Loss", 1).set("Sw", 1).scan()) == []
    assert announced(post.scan(29)) == []
    assert announced(post.scan(1)) == ["CAB-0001/Sw"]


def test_a_child_does_not_wait_for_a_parent_nobody_can_see() -> None:
    post = Post(1)
    post.set("Loss", 1).scan(0.5)
    post.set("Loss", 1, status=StatusCode.BadNoCommunication).scan(0.5)
    assert announced(post.set("Sw", 1).scan(0.1)) == ["CAB-0001/Sw"]


def test_a_parent_suppressed_by_design_frees_its_children() -> None:
    post = Post(1, RULES | {"Loss": RULES["Loss"] | {"suppress_when": "Rcd"}})
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert announced(post.set("Rcd", 1).scan()) == ["CAB-0001/Rcd", "CAB-0001/Sw"]
    assert post.flat("CAB-0001/Loss") is Isa.DSUPR
    assert announced(post.set("V", 255).scan()) == ["CAB-0001/V"], "it holds nothing new back either"


def test_children_of_a_parent() -> None:
    post = Post(2)
    post.set("V", 255, of=0).scan()
    post.set("Loss", 1, of=0).scan()
    post.scan(2)
    post.set("Sw", 1, of=0).set("Rcd", 0, of=0, status=StatusCode.BadNoCommunication).scan()
    found = children(post.engine, "21000/CAB-0001/Loss")
    assert found.suppressed == ("21000/CAB-0001/Sw",)
    assert found.blinded == ("21000/CAB-0001/Rcd",)
    assert found.standing == ("21000/CAB-0001/V",)
    with pytest.raises(KeyError):
        children(post.engine, "21000/CAB-0001/Nothing")
    assert counts(post.engine).unevaluable == 1
