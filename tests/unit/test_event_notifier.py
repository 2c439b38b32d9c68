# SPDX-License-Identifier: Apache-2.0
"""Delivery of events: up the hierarchy, one evaluation per filter, bounded queues that say what they lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from config.model import Role
from supervisor.clock import SystemClock
from supervisor.hmi.contract import Counters
from supervisor.hmi.events import notifier as notifier_module
from supervisor.hmi.events.event import SERVER, Event, PlainEvent, notifiers_of
from supervisor.hmi.events.filter import EventFilter, read_filter
from supervisor.hmi.events.notifier import OVERFLOW, NoRoom, Notifier, Wish
from supervisor.hmi.events.queue import QUEUE_DEFAULT, QUEUE_MAX, EventItem, Group, Parcel, revised
from supervisor.hmi.publishing.items import Mode
from supervisor.people import User
from tests.nodeset import clause, event_filter, standard_types

ANNE, BOSS = User("anne", Role.OPERATOR), User("boss", Role.SUPERVISOR)
CABINET = "21605/CAB-0003"
NUMBERS = count(1)


class Asked:
    """A filter that counts how often it is asked; `wanted` or not."""

    def __init__(self, wanted: bool = True) -> None:
        self.wanted = wanted
        self.passed = self.packed = 0

    def passes(self, event: Event, locale: str) -> bool:
        self.passed += 1
        return self.wanted or event.bypasses_where

    def pack(self, event: Event, locale: str) -> bytes:
        self.packed += 1
        assert isinstance(event, PlainEvent)
        return b"lost" if event.type == OVERFLOW else event.id


@pytest.fixture
def notifier() -> Notifier:
    return Notifier(SystemClock(), Counters())


def event(name: str = "e", **more: Any) -> PlainEvent:
    made = PlainEvent((0, 2041), name.encode(), 1, 100, {"fr": name, "en": name}, notifiers=notifiers_of(CABINET))
    return replace(made, **more)


def listen(
    notifier: Notifier,
    node: str = SERVER,
    *,
    asked: Any = None,
    key: bytes = b"f",
    user: User = ANNE,
    locale: str = "fr",
) -> EventItem:
    return notifier.listen(next(NUMBERS), Wish(node, asked or Asked(), key, locale), user)


def drained(item: EventItem) -> list[bytes]:
    return [item.take().bytes for _ in range(len(item))]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (CABINET, (CABINET, "21605", "Plant", SERVER)),
        ("21605", ("21605", "Plant", SERVER)),
        ("Plant", ("Plant", SERVER)),
    ],
)
def test_who_tells_of_something(name: str, wanted: tuple[str, ...]) -> None:
    assert notifiers_of(name) == wanted


def test_an_event_goes_up_the_hierarchy_and_nowhere_else(notifier: Notifier) -> None:
    nodes = [CABINET, "21605", "Plant", SERVER, "21605/CAB-0004", "21000"]
    items = [listen(notifier, node) for node in nodes]
    notifier.emit(event())
    assert [len(item) for item in items] == [1, 1, 1, 1, 0, 0]


def test_one_evaluation_and_one_encoding_however_many_listen(notifier: Notifier) -> None:
    asked = Asked()
    items = [listen(notifier, asked=asked) for _ in range(10)]
    notifier.emit(event("a"))
    assert [drained(item) for item in items] == [[b"a"]] * 10
    assert (asked.passed, asked.packed) == (1, 1)


def test_languages_and_filters_are_kept_apart(notifier: Notifier) -> None:
    fr, en, other = Asked(), Asked(), Asked(wanted=False)
    items = [
        listen(notifier, asked=fr),
        listen(notifier, asked=en, locale="en"),
        listen(notifier, asked=other, key=b"g"),
    ]
    notifier.emit(event())
    assert [len(item) for item in items] == [1, 1, 0]
    assert (fr.passed, en.passed, other.passed) == (1, 1, 1)


def test_nothing_is_evaluated_where_nobody_listens(notifier: Notifier) -> None:
    asked = Asked()
    listen(notifier, "21000", asked=asked)
    notifier.emit(event())
    assert asked.passed == 0


def test_what_bypasses_the_where_clause(notifier: Notifier) -> None:
    item = listen(notifier, asked=Asked(wanted=False))
    notifier.emit(event(bypasses_where=True))
    assert len(item) == 1


def test_a_real_filter_selects_and_lets_pass_what_bypasses(notifier: Notifier) -> None:
    read, _ = read_filter(event_filter([clause("EventId")]), standard_types())
    assert isinstance(read, EventFilter)
    item = listen(notifier, asked=read)
    notifier.emit(event("ab"))
    assert drained(item) == [b"\x01\0\0\0\x0f\x02\0\0\0ab"]


def test_personal_events_reach_only_who_may_read_them(notifier: Notifier) -> None:
    anne, boss = listen(notifier, user=ANNE), listen(notifier, user=BOSS)
    notifier.emit(event(personal=True))
    assert [len(anne), len(boss)] == [0, 1]


def test_what_happens_where_somebody_sees_nothing_is_not_told_to_them(notifier: Notifier) -> None:
    near = listen(notifier, user=User("near", Role.OPERATOR, sees=frozenset({"21605"})))
    far = listen(notifier, user=User("far", Role.OPERATOR, sees=frozenset({"21000"})))
    firm = listen(notifier, user=User("firm", Role.OPERATOR, organisation="Eclair", limited=True))
    other = listen(notifier, user=User("other", Role.OPERATOR, organisation="Lux", limited=True))
    notifier.emit(event(domain=("21605", "Eclair")))
    assert [len(i) for i in (near, far, firm, other)] == [1, 0, 1, 0]
    notifier.emit(event(domain=None))
    assert [len(i) for i in (near, far, firm, other)] == [2, 1, 2, 1]


def test_send_reaches_these_items_only(notifier: Notifier) -> None:
    one, two, elsewhere = listen(notifier), listen(notifier), listen(notifier, "21000")
    notifier.send(event("x"), [one, elsewhere])
    assert [len(one), len(two), len(elsewhere)] == [1, 0, 0]


def test_an_item_that_is_forgotten_or_wants_something_else(notifier: Notifier) -> None:
    one, two = listen(notifier), listen(notifier)
    notifier.forget(one)
    notifier.change(two, Wish(SERVER, Asked(wanted=False), b"other", "fr"))
    notifier.emit(event())
    assert [len(one), len(two)] == [0, 0]
    notifier.change(two, Wish(SERVER, Asked(), b"f", "fr"))
    notifier.change(two, Wish(SERVER, Asked(), b"f", "fr"))  # the same again
    notifier.emit(event())
    assert len(two) == 1
    notifier.forget(two)
    assert len(notifier) == 0
    assert notifier._groups == {}


def test_items_and_filters_are_bounded(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier_module, "ITEMS_MAX", 3)
    monkeypatch.setattr(notifier_module, "FILTERS_MAX", 2)
    item = listen(notifier, key=b"a")
    listen(notifier, key=b"b")
    with pytest.raises(NoRoom):
        listen(notifier, key=b"c")
    with pytest.raises(NoRoom):
        notifier.change(item, Wish(SERVER, Asked(), b"d", "fr"))
    listen(notifier, key=b"b")
    with pytest.raises(NoRoom):
        listen(notifier, key=b"b")


# --- queues: OPC 10000-4, 5.13.1.5 ---


def full(notifier: Notifier, *, oldest: bool) -> EventItem:
    item = listen(notifier)
    item.resize(2, oldest)
    for name in "abcd":
        notifier.emit(event(name))
    return item


def test_the_oldest_are_lost_and_it_is_said_in_their_place(notifier: Notifier) -> None:
    item = full(notifier, oldest=True)
    assert drained(item) == [b"lost", b"c", b"d"]
    assert notifier._counters.events_lost == item.lost == 2
    assert notifier._counters.events == 4


def test_or_the_newest_and_it_is_said_at_the_end(notifier: Notifier) -> None:
    assert drained(full(notifier, oldest=False)) == [b"a", b"d", b"lost"]


def test_a_loss_is_said_once_until_it_was_read(notifier: Notifier) -> None:
    item = full(notifier, oldest=True)
    item.take()
    for name in "ef":
        notifier.emit(event(name))
    assert drained(item) == [b"lost", b"e", b"f"]


def test_a_loss_is_an_event_of_its_type_from_the_server(notifier: Notifier) -> None:
    made = notifier._overflow()
    assert made.type == (0, 3035)
    assert made.bypasses_where
    assert made.field("SourceName", "fr") == (12, "Server", False)
    assert made.field("EventId", "fr") != notifier._overflow().field("EventId", "fr")


def test_modes(notifier: Notifier) -> None:
    item = listen(notifier)
    item.set_mode(Mode.SAMPLING)
    notifier.emit(event("a"))
    assert (item.pending, len(item)) == (False, 1)
    item.set_mode(Mode.REPORTING)
    assert item.pending
    item.set_mode(Mode.DISABLED)
    notifier.emit(event("b"))
    item.set_mode(Mode.REPORTING)
    assert len(item) == 0


def test_a_released_item_reports_what_it_has_and_samples_on(notifier: Notifier) -> None:
    """Source: OPC 10000-4, 5.13.1.6 (triggering model)."""
    item = listen(notifier)
    item.set_mode(Mode.SAMPLING)
    item.release()
    notifier.emit(event("a"))
    assert not item.pending, "nothing waited when it was released"
    item.release()
    notifier.emit(event("b"))
    assert item.pending and drained(item) == [b"a", b"b"]
    notifier.emit(event("c"))
    assert not item.pending, "not until it is released again"


def test_an_item_that_triggers_others_tells_of_each_event_it_queues(notifier: Notifier) -> None:
    fired: list[str] = []
    item = listen(notifier)
    item.fired = lambda: fired.append("fired")
    item.resize(1, True)
    for name in "ab":
        notifier.emit(event(name))
    item.set_mode(Mode.DISABLED)
    notifier.emit(event("c"))
    assert len(fired) == 2, "a disabled item triggers nothing"


@pytest.mark.parametrize(("oldest", "left"), [(True, [b"b"]), (False, [b"a"])])
def test_a_smaller_queue_keeps_what_the_client_wants(notifier: Notifier, oldest: bool, left: list[bytes]) -> None:
    item = listen(notifier)
    item.resize(5, oldest)
    for name in "ab":
        notifier.emit(event(name))
    item.resize(1, oldest)
    assert drained(item) == left


@pytest.mark.parametrize(("asked", "wanted"), [(0, QUEUE_DEFAULT), (1, QUEUE_DEFAULT), (7, 7), (2**32 - 1, QUEUE_MAX)])
def test_queue_sizes_are_revised(asked: int, wanted: int) -> None:
    assert revised(asked) == wanted


def test_what_nobody_reads_is_never_encoded() -> None:
    asked = Asked()
    item = EventItem(1, 1, SERVER, Group((b"", "fr"), asked), ANNE)  # type: ignore[arg-type]
    item.resize(1, True)
    for name in "abc":
        item.put(Parcel(event(name), item.group), lambda: event("lost"))
    assert asked.packed == 0
