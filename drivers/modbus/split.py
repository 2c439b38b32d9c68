# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_driver.py, tests/property/test_modbus_split.py
"""What was learned about a block that a device refuses: where to cut it, and which point to leave out.

Law of this file: pure; no I/O, time is an argument [s]. Points are numbered by address, 0..n-1; a *part* is a run of
them (first, end) that is asked with one question.

Theory of operation. A device answers a whole block with exception 2 or 3 if it dislikes one address in it, and does not
say which. The block is cut where its largest gap of unused addresses is (a hole is the likeliest cause), else in the
middle, until a single point is refused: that one is quarantined and asked again by itself every ten minutes. Cuts cost
a question each for ever, so once every part has answered, neighbours are joined again and tried; a join that is
refused becomes a cut for good. So the question count settles at the least the device allows, within a few polls, and
no other point ever suffers.

    8 points, 5 refused   [0-8) no -> [0-4) yes [4-8) no -> [4-6) no -> [4-5) yes [5-6) quarantined, [6-8) yes
    next poll             joined: [0-5) yes, [6-8) yes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RETRY_AFTER_S: Final = 600.0
RETRY_FUNCTION_AFTER_S: Final = 60.0  # exception 1 refuses the question as such, one question tries it again

REFUSALS: Final = (1, 2, 3)  # exceptions that refuse a question, not a moment

Part = tuple[int, int]


@dataclass(slots=True)
class Learned:
    """Notes on one exchange of one device.

    Attributes:
        first, last: addresses of each point, sorted by first, (n,).
        parts: what is asked, in order; together with the quarantined points they cover all points once.
        quarantined: point -> (when to ask again [s], exception code).
        cuts: places (between point i-1 and i) that are never joined again.
        joints: places joined on trial.
        proven: parts that have answered; the others are asked first, so that a search always gets on.
        prepared: the driver's question for each part, kept while the part is.
    """

    first: Sequence[int]
    last: Sequence[int]
    parts: list[Part]
    quarantined: dict[int, tuple[float, int]] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    joints: set[int] = field(default_factory=set)
    proven: set[Part] = field(default_factory=set)
    prepared: dict[Part, Any] = field(default_factory=dict)


def begin(first: Sequence[int], last: Sequence[int]) -> Learned:
    """Nothing known yet: one part."""
    return Learned(first, last, [(0, len(first))])


def refused(state: Learned, part: Part, code: int, now_s: float) -> list[Part]:
    """The device refused `part` with an address or value exception.

    Returns: the parts to ask instead, at once; empty if the part was a single point, which is quarantined.
    """
    start, end = part
    at = state.parts.index(part)
    if end - start == 1:
        state.quarantined[start] = (now_s + RETRY_AFTER_S, code)
        del state.parts[at]
        return []
    place = _where_to_cut(state, start, end)
    state.parts[at : at + 1] = [(start, place), (place, end)]
    return [(start, place), (place, end)]


def to_ask(state: Learned) -> list[Part]:
    """All parts, those that have not answered yet first."""
    return sorted(state.parts, key=lambda part: part in state.proven)


def function_refused(state: Learned, code: int, now_s: float) -> None:
    """The device refuses the question as such: every point is quarantined together."""
    for start, end in state.parts:
        for i in range(start, end):
            state.quarantined[i] = (now_s + RETRY_FUNCTION_AFTER_S, code)
    state.parts.clear()


def release(state: Learned, now_s: float) -> None:
    """Ask quarantined points again whose time has come: all together if everything is, else one by one."""
    due = sorted(i for i, (again_s, _) in state.quarantined.items() if again_s <= now_s)
    if not due:
        return
    if len(due) == len(state.first):
        state.parts = [(0, len(state.first))]
    else:
        state.parts = sorted([*state.parts, *((i, i + 1) for i in due)])
    for i in due:
        del state.quarantined[i]


def answered(state: Learned) -> None:
    """Every part has answered: join neighbours on trial for the next time, but never across a cut."""
    state.joints.clear()
    joined: list[Part] = []
    for start, end in state.parts:
        if joined and joined[-1][1] == start and start not in state.cuts:
            state.joints.add(start)
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    state.parts = joined
    state.proven.intersection_update(joined)
    state.prepared = {part: state.prepared[part] for part in joined if part in state.prepared}


def is_whole(state: Learned) -> bool:
    """True if nothing remains to be remembered: the block is asked as planned."""
    return not state.quarantined and not state.cuts and not state.joints and len(state.parts) == 1


def export(state: Learned) -> dict[str, Any]:
    """As plain data for a file; without the times of asking again, so that it changes only with what is known."""
    return {
        "parts": [list(part) for part in state.parts],
        "cuts": sorted(state.cuts),
        "joints": sorted(state.joints),
        "quarantined": {str(i): code for i, (_, code) in sorted(state.quarantined.items())},
    }


def restore(first: Sequence[int], last: Sequence[int], kept: dict[str, Any], now_s: float) -> Learned:
    """The other way; quarantined points are asked again after the usual time from now on.

    Raises:
        ValueError: it is not what was learned of a block of so many points.
    """
    try:
        parts = [(_number(start), _number(end)) for start, end in kept["parts"]]
        cuts, joints = ({_number(i) for i in kept[key]} for key in ("cuts", "joints"))
        codes = {int(i): _number(code) for i, code in kept["quarantined"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"expected parts, cuts, joints and quarantined points, got {str(kept)[:80]}") from error
    n = len(first)
    covered = sum(end - start for start, end in parts) + len(codes)
    sound = covered == n and all(0 <= start < end <= n for start, end in parts)
    if not sound or not all(0 < i < n for i in cuts | joints) or not set(codes.values()) <= set(REFUSALS):
        raise ValueError(f"expected {n} points, each asked once or quarantined, got {str(kept)[:80]}")
    whole = len(codes) == n
    state = Learned(first, last, parts, cuts=cuts, joints=joints)
    for i, code in codes.items():
        after_s = RETRY_FUNCTION_AFTER_S if whole and code == 1 else RETRY_AFTER_S
        state.quarantined[i] = (now_s + after_s, code)
    try:
        check_invariants(state)
    except AssertionError as error:
        raise ValueError(str(error)[:80]) from error
    return state


def _number(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def check_invariants(state: Learned) -> None:
    """Raise AssertionError unless every point is asked once or quarantined."""
    covered = [i for start, end in state.parts for i in range(start, end)]
    if sorted([*covered, *state.quarantined]) != list(range(len(state.first))) or state.parts != sorted(state.parts):
        raise AssertionError(f"points are lost or asked twice: {state}")


def _where_to_cut(state: Learned, start: int, end: int) -> int:
    """A joint on trial (now for good), else the largest gap, else the middle; among equals the one nearest to it."""
    middle = (start + end) / 2
    if joints := [i for i in state.joints if start < i < end]:
        place = min(joints, key=lambda i: abs(i - middle))
        state.joints.discard(place)
        state.cuts.add(place)
        return place
    reach = state.last[start]
    gaps = []
    for i in range(start + 1, end):
        gaps.append((max(0, state.first[i] - reach - 1), -abs(i - middle), i))
        reach = max(reach, state.last[i])
    return max(gaps)[2]
