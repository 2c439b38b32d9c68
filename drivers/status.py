# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_status.py
"""What the host says of its devices, in numbers and in one sentence.

Law of this file: data and text. The sentence is the same in the log, in `vigie status` and in the status of a tag.
"""

from __future__ import annotations

from dataclasses import dataclass

from config.words import LinkState


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One device at one instant.

    Attributes:
        link: state of the device's link; `down` also for a device that is silent on a link that stands.
        reason: one sentence for people.
        since_ns: UTC since when it is up, or since when it is not [ns].
        requests, answers: questions put and answered, retries included.
        misses: slots of a request that ended without an answer.
        missed_slots: slots that could not begin before the next was due, while the device was asked as usual.
        demoted: asked rarely, because it is silent.
        round_trip_last_s, round_trip_mean_s: NaN before the first answer [s].
        requested_s, achieved_s: period of its fastest poll class, wanted and (smoothed) seen; NaN if never polled [s].
        notes: one sentence for each point the device refuses.
        failures: attempts and silent slots in a row since it last answered.
        declared, answered: who it should be and who it last said it is, in words; empty: nothing was declared, said.
        impostor: one sentence if another device answers in its place.
    """

    name: str
    protocol: str
    link: LinkState
    reason: str
    since_ns: int
    requests: int
    answers: int
    misses: int
    missed_slots: int
    demoted: bool
    round_trip_last_s: float
    round_trip_mean_s: float
    requested_s: float
    achieved_s: float
    notes: tuple[str, ...] = ()
    failures: int = 0
    declared: str = ""
    answered: str = ""
    impostor: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """One question of a device and how it fares.

    Attributes:
        label: what it asks: 'holding 100..124'.
        poll: name of its poll class.
        points: values that it brings.
        answers: it was answered in its last slot.
        period_s, achieved_s: of its poll class, wanted and (smoothed) seen; NaN before two slots [s].
        notes: one sentence for each point that the device refuses.
    """

    label: str
    poll: str
    points: int
    answers: bool
    period_s: float
    achieved_s: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probed:
    """What is known of a device, and what it said when it was asked who it is just now.

    Attributes:
        said: who it says it is, in words; empty: nothing.
        why: why it could not be asked or did not answer; empty if it did.
        trip_s: how long that took; NaN without an answer [s].
    """

    status: DeviceStatus
    exchanges: tuple[ExchangeStatus, ...]
    said: str
    why: str
    trip_s: float


def duration(seconds: float) -> str:
    """'42 s', '5 min', '3 h', '2 d': the largest unit of which there are two, so that it reads like speech."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"


def ordinal(n: int) -> str:
    """'1st', '2nd', '3rd', '4th', '11th', '22nd'."""
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def sentence(name: str, state: LinkState, for_s: float, reason: str, attempt: int, in_s: float) -> str:
    """The state of a device in one sentence.

    Args:
        for_s: how long it has been up, or not up [s].
        reason: why it is not up, without subject; empty: it is up, or it was never tried.
        attempt: number of the next or present attempt in a row, 0: none is planned (a demoted device is asked again).
        in_s: until that attempt, or until a demoted device is asked again [s].
    """
    if state is LinkState.UP:
        return f"{name} up {duration(for_s)}"
    if state is LinkState.CONNECTING:
        if not reason:
            return f"{name} connecting for {duration(for_s)}"
        return f"{name} down {duration(for_s)}: {reason}, {ordinal(attempt)} attempt under way"
    if state is LinkState.BACKING_OFF:
        return f"{name} down {duration(for_s)}: {reason}, {ordinal(attempt)} attempt in {duration(in_s)}"
    again = f", asked again in {duration(in_s)}" if in_s > 0 else ""
    return f"{name} down {duration(for_s)}: {reason}{again}"
