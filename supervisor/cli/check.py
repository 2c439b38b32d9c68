# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""Find everything wrong with a site's files, in one run.

Each problem is one line, file:line:column: where: what was expected, what was found. Nothing is started and no server
is needed. Exit code 0 if there is no problem, 1 if there are any.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from supervisor.cli import sites

if TYPE_CHECKING:
    from config.model import Site
    from supervisor.plant.plant import Plant


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE", help=sites.SITE_HELP)


def run(args: argparse.Namespace) -> int:
    from config.load import SiteProblems, load_site
    from supervisor.people import People

    try:
        site = load_site(args.site, sites.protocols())
    except SiteProblems as e:
        print(e)
        return 1
    plant = sites.compile_alone(site)
    if problems := list(_unplannable(plant)):
        print("\n".join([*problems, f"{len(problems)} problems; nothing was started."]))
        return 1
    print(summary(site, plant))
    if weak := People.of(site.users).weakly_hashed():
        print(f"{', '.join(weak)}: weakly hashed, by an earlier release; make a new hash with `vigie passwd`")
    return 0


def _unplannable(plant: Plant) -> Iterator[str]:
    """What only the drivers can say: points of a device that fit into no request. Once per type and settings."""
    protocols = sites.protocols()
    planned: set[tuple[object, ...]] = set()
    for spec in plant.devices:
        protocol = protocols[spec.protocol]
        key = (spec.protocol, id(spec.points), protocol.plan_key(spec.device) if protocol.plan_key else spec.name)
        if key in planned:
            continue
        planned.add(key)
        try:
            protocol.plan(spec.device, spec.points)
        except ValueError as e:
            yield f"{spec.name}: {e}"


def summary(site: Site, plant: Plant) -> str:
    """'sennecey: 73 equipment, 1,965 tags, 70 devices, 12 types, 1 area, 5 users; no problems'."""
    counts = (
        (sum(len(t.equipment) for t in plant.types.values()), "equipment", "equipment"),
        (plant.rows, "tag", "tags"),
        (len(plant.devices), "device", "devices"),
        (len(plant.types), "type", "types"),
        (len(site.model.areas), "area", "areas"),
        (len(site.users), "user", "users"),
    )
    parts = ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts)
    return f"{site.model.site}: {parts}; no problems"
