# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_history_door.py
"""The operation `history` of the control socket: one tag's past, page by page.

Law of this file: arguments come from outside and are checked here; the work is done off the loop, bounded in number of
queries and rows. Personal data is for those who may read it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from supervisor.offload import OffloadFull
from supervisor.people import User
from supervisor.plant.plant import Plant, TagInfo

if TYPE_CHECKING:
    from historian.store.reader import Reader

T = TypeVar("T")
_TIME_MAX = 2**62


class Past(Protocol):
    """The history as this door sees it: `supervisor.recording.history.History`."""

    zone: str

    @property
    def reader(self) -> Reader: ...

    def gaps(self) -> list[tuple[int, int, str]]: ...

    def ask(self, job: Callable[[], T]) -> Awaitable[T]: ...


async def history_page(
    past: Past, plant: Plant, row: int, user: User, arguments: Mapping[str, Any], now_ns: int
) -> dict[str, Any]:
    """One page of one tag.

    Args:
        arguments: from_ns, until_ns [UTC ns]; every_s: width of buckets, or period: day, week or month of the site,
            neither for samples; consumption: also what a counter counted in each bucket; limit.
    Raises:
        ValueError: an argument is wrong, or the person may not see it; the sentence says which.
    """
    from historian.store.disk import StoreError
    from supervisor.recording.answers import PAGE_MAX, Every, Series, bucket_page, gaps_within, raw_page

    info = plant.block(row).info
    name = plant.name(row)
    if info.personal and not user.may_read_personal():
        raise ValueError(f"{name}: personal data; {user.name} ({user.role}) may not read it")
    from_ns, until_ns = _whole(arguments, "from_ns", _TIME_MAX), _whole(arguments, "until_ns", _TIME_MAX)
    every_s, limit = _whole(arguments, "every_s", 366 * 86_400), _whole(arguments, "limit", PAGE_MAX, PAGE_MAX)
    period, consumption = arguments.get("period", ""), arguments.get("consumption", False)
    if not isinstance(period, str) or not isinstance(consumption, bool):
        raise ValueError("period: expected day, week or month; consumption: true or false")
    every = Every(every_s, period, past.zone, consumption)
    tag = Series(name, int(plant.series[row]), info.kind, info.unit, info.values, info.title_fr, _range_end(info))

    def ask() -> dict[str, Any]:
        if every_s or period:
            page = bucket_page(past.reader, tag, from_ns, until_ns, every, now_ns, limit)
        else:
            page = raw_page(past.reader, tag, from_ns, until_ns, limit)
        return {**tag.document(past.zone), "gaps": gaps_within(past.gaps(), from_ns, until_ns), **page}

    try:
        return await past.ask(ask)
    except OffloadFull:
        raise ValueError("too many queries of the history wait; try again") from None
    except StoreError as error:
        raise ValueError(str(error)) from error


def _range_end(info: TagInfo) -> float | None:
    """Where a counter rolls over: at the end of its range, if it has one that begins at 0."""
    counts = info.history_class in ("C", "D") and info.low == 0 and info.high > 0
    return float(info.high) if counts else None


def _whole(arguments: Mapping[str, Any], name: str, most: int, default: int = 0) -> int:
    value = arguments.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name}: expected a whole number 0..{most}")
    return value
