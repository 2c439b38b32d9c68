# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""What would change from one version of a site to another.

OLD and NEW are site folders (say, two checkouts of the site's repository). Nothing is applied and no server is needed:
'+' is new, '-' is gone, '~' is different; what is not listed keeps its connections, values and history.
"""

from __future__ import annotations

import argparse
import dataclasses

from supervisor.cli import sites
from supervisor.failure import Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help=sites.SITE_HELP)
    parser.add_argument("new", metavar="NEW", help=sites.SITE_HELP)
    parser.add_argument("--json", action="store_true", help="print data as JSON")


def run(args: argparse.Namespace) -> int:
    from historian.catalogue import Catalogue
    from supervisor.plant.compile import compile_plant
    from supervisor.plant.diff import diff

    old, new = sites.load(args.old), sites.load(args.new)
    if old.model.site != new.model.site:
        raise Failure(f"'{old.model.site}' and '{new.model.site}' are two sites, not two versions of one")
    catalogue = Catalogue(":memory:", old.model.site)
    try:
        plants = [compile_plant(s, lambda n, k, w: catalogue.assign(n, k, w, 0)) for s in (old, new)]
    finally:
        catalogue.close()
    changes = diff(*plants)
    if args.json:
        from supervisor.cli.ask import print_json

        print_json(dataclasses.asdict(changes))
    else:
        print("\n".join(changes.lines()))
    return 0
