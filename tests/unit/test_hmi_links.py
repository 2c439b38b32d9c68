# SPDX-License-Identifier: Apache-2.0
"""Triggering links: added, removed, bounded, and gone with their items."""

from __future__ import annotations

from supervisor.hmi.publishing.links import Links


def test_links_are_added_once_and_removed_once() -> None:
    links = Links(most=10)
    assert links.add(1, 2) and links.add(1, 2) and links.add(1, 3) and links.add(4, 3)
    assert len(links) == 3
    assert sorted(links.linked([1])) == [2, 3] and sorted(links.linked([1, 4])) == [2, 3] and links.linked([9]) == []
    assert links.remove(1, 2) and not links.remove(1, 2) and not links.remove(9, 2)
    assert links.has(1) and links.remove(1, 3) and not links.has(1)


def test_there_is_no_more_room_than_agreed() -> None:
    links = Links(most=2)
    assert links.add(1, 2) and links.add(1, 3) and not links.add(1, 4) and links.add(1, 3)
    links.remove(1, 2)
    assert links.add(1, 4)


def test_links_from_and_to_a_deleted_item_go() -> None:
    links = Links(most=10)
    for triggering, number in ((1, 2), (1, 3), (2, 3), (3, 1)):
        links.add(triggering, number)
    links.forget([3])
    assert links.linked([1]) == [2] and not links.has(2) and not links.has(3) and len(links) == 1
