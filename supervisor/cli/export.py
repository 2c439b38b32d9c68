# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_nodeset.py
"""Write what a site is for other tools.

`nodeset` is the address space of its OPC UA server as a NodeSet2 file (XML): equipment types, areas, equipment, tags
with their properties. An HMI tool opens it and binds screens before there is a server.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from supervisor.cli import sites
from supervisor.failure import Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("nodeset",), help="which sort of file")
    parser.add_argument("site", metavar="SITE", help=sites.SITE_HELP)
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument("--types-only", action="store_true", help="equipment types only, no instances")


def run(args: argparse.Namespace) -> int:
    from historian.catalogue import Catalogue
    from supervisor.plant.compile import compile_plant

    site = sites.load(args.site)
    catalogue = Catalogue(":memory:", site.model.site)
    try:
        plant = compile_plant(site, lambda names, kinds, was: catalogue.assign(names, kinds, was, 0))
    finally:
        catalogue.close()
    if args.output is None:
        _export(plant, sys.stdout, args.types_only)
        return 0
    try:
        with open(args.output, "w", encoding="utf-8") as file:
            _export(plant, file, args.types_only)
    except OSError as e:
        raise Failure(f"{args.output}: {e.strerror}; give --output another place") from e
    print(f"{args.output}: {len(plant.types)} types, {0 if args.types_only else plant.rows:,} tags", file=sys.stderr)
    return 0


def _export(plant: Any, file: Any, types_only: bool) -> None:
    from supervisor.clock import SystemClock
    from supervisor.hmi.model.nodeset import write_nodeset

    write_nodeset(plant, SystemClock().wall_ns(), file.write, types_only=types_only)
