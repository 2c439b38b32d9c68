# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_resuming.py, tests/cases/alarms
"""Going on where another engine was: after a restart from what was stored, in a new generation from the former one.

Law of this file: before the first scan only, and nothing happens here: nobody is told, nobody acknowledges twice. What
has changed meanwhile is for the scans that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from supervisor.alarms.engine import SETTLE_NS, AlarmEngine
from supervisor.alarms.rows import Live


def resume(engine: AlarmEngine, lives: Mapping[str, Live], now_ns: int, *, with_columns: bool) -> list[str]:
    """Take over conditions by name.

    Args:
        with_columns: `conditions.restore` was called with the columns of the same instant.
    Returns: names whose rule or equipment is gone or no longer in force: to be journalled as closed by the
        configuration, never dropped in silence.
    """
    gone = []
    for name, live in lives.items():
        condition = engine.book.find(name)
        if condition is None or not engine.book.in_force[condition]:
            gone.append(name)
            continue
        if not with_columns:
            live = _waiting_anew(engine, condition, live, now_ns)
        engine.living.put(condition, live, engine.rule(condition))
        engine.family.file(condition)
    _align(engine, with_columns)
    engine.settle_ns = now_ns + SETTLE_NS
    engine.living.dirty.clear()
    return gone


def _align(engine: AlarmEngine, with_columns: bool) -> None:
    """The columns agree with the conditions."""
    living = engine.living.of
    standing = [c for c, live in living.items() if live.state.process]
    levels = [living[c].state.level for c in standing]
    engine.conditions.align(np.array(standing, np.int64), np.array(levels, np.int8), keep_raw=with_columns)
    if not with_columns:
        # Or an expression that turned false while nobody looked would never let go.
        own = [c for c, live in living.items() if any(not cause.topology for cause in live.state.causes)]
        engine.conditions.designed[own] = True


def _waiting_anew(engine: AlarmEngine, condition: int, live: Live, now_ns: int) -> Live:
    """Who waits for a parent goes on waiting: the parent's inputs have to arrive, its delay begins anew."""
    state = live.state
    if state.release_ns is None or state.causes:
        return live
    delay_ns = max((engine.rule(p).on_delay_ns for p in engine.family.parents(condition)), default=0)
    return live._replace(state=replace(state, release_ns=max(state.release_ns, now_ns + SETTLE_NS + delay_ns)))


def adopt(engine: AlarmEngine, former: AlarmEngine, now_ns: int) -> list[str]:
    """Go on from the generation before: same names, same conditions, same delays on their way.

    Returns: as `resume`.
    """
    took, at = engine.book.match(former.book)
    engine.conditions.restore(former.conditions.columns(), took, at, None)
    engine.conditions.last_ns = former.conditions.last_ns
    lives = {former.book.name(c): live for c, live in former.living.of.items()}
    return resume(engine, lives, now_ns, with_columns=True)
