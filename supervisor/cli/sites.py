# SPDX-License-Identifier: Apache-2.0
"""What several commands need of a site: its argument, its files, its plant."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.failure import Failure

if TYPE_CHECKING:
    from config.model import Site
    from drivers.base import ProtocolSpec
    from supervisor.plant.plant import Plant

SITE_HELP = "folder with a site.yaml, or the name of a shipped site such as sennecey"


def protocols() -> dict[str, ProtocolSpec]:
    """Every protocol this installation knows.

    Raises:
        Failure: a package one of them needs is missing.
    """
    from drivers import registry

    try:
        return registry.protocols(registry.PROTOCOLS)
    except registry.ProtocolUnavailable as e:
        raise Failure(str(e)) from e


def load(site: str) -> Site:
    """Load a checked site.

    Raises:
        Failure: it has problems; all of them are in the text.
    """
    from config.load import SiteProblems, load_site

    try:
        return load_site(site, protocols())
    except SiteProblems as e:
        raise Failure(f"site {site} has problems:\n{e}") from e


def compile_alone(site: Site) -> Plant:
    """The plant of a site with series ids of no meaning outside this call."""
    import numpy as np

    from supervisor.plant.compile import compile_plant

    return compile_plant(site, lambda names, _kinds, _was: np.arange(1, len(names) + 1, dtype=np.uint32))


def add_state(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"state folder (default: {default})")


def add_for(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--for", dest="for_s", type=_seconds, metavar="SECONDS", help="stop by itself")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, got {text}")
    return seconds
