# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_answers.py
"""Which tags a person means by 'CAB-*/V1'.

Law of this file: pure; names are matched per equipment and per tag of a type, never per row.

A pattern has at most three parts, '<area>/<equipment>/<tag>', with the wildcards of a shell. With two parts the area is
any; with one it is an equipment or a tag: 'CAB-0003', 'V1'.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable
from itertools import islice
from typing import Final

import numpy as np

from config.words import Rows
from supervisor.plant.plant import Plant
from supervisor.rights import Sight

NEAR_MAX: Final = 1000  # names compared with an unknown one; nothing is scanned meanwhile


def find_rows(plant: Plant, pattern: str) -> Rows:
    """Rows whose names match, ascending. An empty pattern matches all."""
    equipment, slash, tag = pattern.rpartition("/")
    if not pattern:
        return np.arange(plant.rows)
    if slash:
        return _rows(plant, equipment or "*", tag or "*")
    found = np.zeros(plant.rows, np.bool_)  # numpy's union takes 160 ms for 200,000 rows
    found[_rows(plant, pattern, "*")] = found[_rows(plant, "*", pattern)] = True
    return np.flatnonzero(found)


def _rows(plant: Plant, equipment: str, tag: str) -> Rows:
    path_matches = _matcher(equipment if "/" in equipment else f"*/{equipment}")
    tag_matches = _matcher(tag)
    found = [np.zeros(0, np.int64)]
    for kind in plant.types.values():
        starts = [b.start for b in kind.blocks.values() if tag_matches(b.tag)]
        instances = [i for i, path in enumerate(kind.equipment) if path_matches(path)] if starts else []
        found.append(np.add.outer(np.array(starts, np.int64), np.array(instances, np.int64)).ravel())
    return np.sort(np.concatenate(found))


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern)).match


def _paths(plant: Plant, equipment: str, sight: Sight) -> list[str]:
    """Equipment that may be meant: of the same area if there is one, at most NEAR_MAX."""
    area = equipment.partition("/")[0]
    within = f"{area}/" if area in plant.areas else ""
    paths = (path for kind in plant.types.values() for path in kind.equipment if path.startswith(within))
    return list(islice(filter(sight.subject, paths), NEAR_MAX))


def no_such_tag(plant: Plant, name: str, sight: Sight) -> str:
    """One sentence for a name that is no tag's, with the nearest that is there for who asks."""
    equipment, _, tag = name.rpartition("/")
    if (found := plant.find(equipment)) is not None and sight.subject(equipment):
        shown = [t for t, b in found[0].blocks.items() if not b.info.personal or sight.user.may_read_personal()]
        near, known = difflib.get_close_matches(tag, shown, 1), f"{equipment}/"
    else:
        near, known = difflib.get_close_matches(equipment, _paths(plant, equipment, sight), 1), ""
    hint = f"; did you mean '{known}{near[0]}{'' if known or not tag else '/' + tag}'?" if near else ""
    return f"no tag '{name[:200]}'{hint}"
