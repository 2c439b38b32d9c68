# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""What the parts of a site mean together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.inventory import Instance
from config.model import UserModel
from config.problems import Problem
from config.source import Document
from config.typefile import TypeFile


def check_site(
    site: Document,
    types: Mapping[str, TypeFile],
    instances: Mapping[str, Sequence[Instance]],
    devices: Mapping[tuple[str, str], Any],
    users: Document | None,
    people: Sequence[tuple[int, UserModel]],
) -> list[Problem]:
    """All problems between the parts."""
    return []
