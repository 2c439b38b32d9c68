# SPDX-License-Identifier: Apache-2.0
"""What is refused: the code of the standard, a sentence, and nothing changed."""

from __future__ import annotations

import pytest

from config.words import StatusCode
from supervisor.alarms.events import (
    Acknowledge,
    Alarm,
    Confirm,
    Disable,
    Enable,
    Evaluable,
    Place,
    Refused,
    Remove,
    Reset,
    Return,
    Shelve,
    Silence,
    Unshelve,
)
from supervisor.alarms.state import Rule
from tests.alarm_stories import (
    LATCHING,
    LIMIT,
    PLAIN,
    REMOVE,
    SHELVE,
    T0,
    TWO_STEP,
    WEEK,
    Ack,
    Doing,
    H,
    S,
    Story,
    Treated,
    play,
)

REFUSALS = [
    ("acknowledge what never was", PLAIN, [], Acknowledge(17), StatusCode.BadEventIdUnknown),
    ("acknowledge what is at rest", PLAIN, [], Ack(), StatusCode.BadEventIdUnknown),
    ("acknowledge an older occurrence", PLAIN, [Alarm(), Return(), Alarm()], Acknowledge(T0 + S),
     StatusCode.BadEventIdUnknown),
    ("acknowledge HIGH while it went HIGH HIGH", LIMIT, [Alarm(1), Alarm(2)], Acknowledge(T0 + S),
     StatusCode.BadEventIdUnknown),
    ("acknowledge twice", PLAIN, [Alarm(), Ack()], Ack(), StatusCode.BadConditionBranchAlreadyAcked),
    ("confirm before acknowledging", TWO_STEP, [Alarm()], Treated(), StatusCode.BadInvalidState),
    ("confirm twice", TWO_STEP, [Alarm(), Ack(), Treated()], Treated(), StatusCode.BadConditionBranchAlreadyConfirmed),
    ("confirm an older occurrence", TWO_STEP, [Alarm(), Ack()], Confirm(17), StatusCode.BadEventIdUnknown),
    ("reset in alarm", LATCHING, [Alarm(), Ack()], Reset(), StatusCode.BadInvalidState),
    ("reset what does not latch", PLAIN, [Alarm()], Reset(), StatusCode.BadInvalidState),
    ("reset what nobody can evaluate", LATCHING, [Alarm(), Ack(), Return(), Evaluable(False)], Reset(),
     StatusCode.BadInvalidState),
    ("silence what makes no sound", PLAIN, [Alarm(), Ack()], Silence(), StatusCode.BadInvalidState),
    ("silence twice", PLAIN, [Alarm(), Silence()], Silence(), StatusCode.BadInvalidState),
    ("shelve twice", PLAIN, [SHELVE], SHELVE, StatusCode.BadConditionAlreadyShelved),
    ("shelve without a reason", PLAIN, [], Shelve(H, " "), StatusCode.BadInvalidArgument),
    ("shelve for longer than allowed", PLAIN, [], Shelve(13 * H, "x"), StatusCode.BadShelvingTimeOutOfRange),
    ("shelve for no time", PLAIN, [], Shelve(0, "x"), StatusCode.BadShelvingTimeOutOfRange),
    ("unshelve what is not shelved", PLAIN, [Alarm()], Unshelve(), StatusCode.BadConditionNotShelved),
    ("remove without a work order", PLAIN, [], Remove("", WEEK), StatusCode.BadInvalidArgument),
    ("remove without a review to come", PLAIN, [], Remove("WO-1", T0), StatusCode.BadInvalidArgument),
    ("remove twice", PLAIN, [REMOVE], REMOVE, StatusCode.BadInvalidState),
    ("place what is in service", PLAIN, [], Place(), StatusCode.BadInvalidState),
    ("disable without a record", PLAIN, [], Disable(""), StatusCode.BadInvalidArgument),
    ("disable twice", PLAIN, [Disable("MOC-7")], Disable("MOC-7"), StatusCode.BadConditionAlreadyDisabled),
    ("enable what is enabled", PLAIN, [], Enable("MOC-8"), StatusCode.BadConditionAlreadyEnabled),
    ("enable without a record", PLAIN, [Disable("MOC-7")], Enable(""), StatusCode.BadInvalidArgument),
    ("acknowledge while disabled", PLAIN, [Alarm(), Disable("MOC-7")], Ack(), StatusCode.BadConditionDisabled),
    ("shelve while disabled", PLAIN, [Disable("MOC-7")], SHELVE, StatusCode.BadConditionDisabled),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "before", "event", "code"), REFUSALS, ids=lambda x: x if isinstance(x, str)
                         else "")  # fmt: skip
def test_refused(name: str, rule: Rule, before: Story, event: Doing, code: StatusCode) -> None:
    state, _, now_ns = play(rule, before)
    after, effects, _ = play(rule, [event], state, now_ns)
    assert after == state, "a refused action changes nothing"
    (refused,) = effects
    assert isinstance(refused, Refused) and refused.code is code
    assert refused.text


def test_the_codes_of_refused_actions_are_those_of_the_standard() -> None:
    from asyncua import ua

    known = {name: value for name, value in vars(ua.StatusCodes).items() if name.startswith(("Good", "Bad", "Uncert"))}
    for code in StatusCode:
        if code.name in known:
            assert known[code.name] == int(code), code.name
    assert {code.name for *_, code in REFUSALS} <= known.keys()
