# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""JSON Schema of the files of a site, for editors.

An editor that knows it completes keys and marks mistakes while you type. Put the schemas somewhere and name them in the
first line of a file:

    # yaml-language-server: $schema=/etc/vigie/schema/type.json
"""

from __future__ import annotations

import argparse

from supervisor.cli import sites


def arguments(parser: argparse.ArgumentParser) -> None:
    from config.schema import KINDS_OF_FILE

    parser.add_argument("file", choices=KINDS_OF_FILE, help="which sort of file")


def run(args: argparse.Namespace) -> int:
    from config.schema import schema
    from supervisor.cli.ask import print_json

    print_json(schema(args.file, sites.protocols()))
    return 0
