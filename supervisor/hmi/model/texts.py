# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_space.py
"""What nodes are called and how they are described, in the language of the session.

Law of this file: texts of the plant and nothing else; no asyncua. French is the language of the post; English where a
session asks for it first.
"""

from __future__ import annotations

from typing import Final

from supervisor.hmi.model.place import Place, What
from supervisor.plant.plant import Plant

LOCALES: Final = ("fr", "en")


def chosen(texts: tuple[str, str], locale: str) -> str:
    """One of (fr, en)."""
    return texts[1] if locale == "en" else texts[0]


class Texts:
    """Titles and descriptions of places."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def title(self, place: Place, locale: str) -> str:
        """DisplayName."""
        if place.what is What.ROOT:
            return chosen(("Installation", "Plant"), locale)
        if place.what is What.AREA:
            area = self._plant.areas[place.area]
            return chosen((area.title, area.title_en or area.title), locale)
        if place.what is What.EQUIPMENT and place.type is not None:
            return place.type.titles[place.instance] or place.last
        if place.what is What.TYPE and place.type is not None:
            return chosen((place.type.title_fr, place.type.title_en), locale)
        if place.what.is_property or place.block is None:
            return place.last
        return chosen((place.block.info.title_fr, place.block.info.title_en), locale)

    def description(self, place: Place, locale: str) -> str:
        """Description: type, instance and title, so that a tag seen alone in a list can be placed."""
        if place.type is None or place.what is What.TYPE:
            return self.title(place, locale)
        parts = [chosen((place.type.title_fr, place.type.title_en), locale)]
        if place.instance >= 0:
            parts.append(place.type.titles[place.instance] or place.type.equipment[place.instance])
        if place.block is not None:
            parts.append(chosen((place.block.info.title_fr, place.block.info.title_en), locale))
        if place.detail:
            parts.append(place.detail)
        return " - ".join(parts)
