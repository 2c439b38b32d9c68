# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli.py
"""Make the password hash of a user of a site.

Asks for the password twice, without showing it, and prints the line that belongs to the user in the site's users file.
The password itself is stored nowhere. With --stdin it is the first line of standard input.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from supervisor.failure import Failure

_LENGTH_MIN = 12


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the user, as named in the users file")
    parser.add_argument("--stdin", action="store_true", help="read the password from standard input")


def run(args: argparse.Namespace) -> int:
    from supervisor.people import hash_password

    password = sys.stdin.readline().rstrip("\n") if args.stdin else _asked(args.name)
    if len(password) < _LENGTH_MIN:
        raise Failure(f"expected a password of at least {_LENGTH_MIN} characters, got {len(password)}")
    print(f'password_hash: "{hash_password(password)}"  # {args.name}')
    return 0


def _asked(name: str) -> str:
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Again: ") != password:
        raise Failure("the two passwords differ; nothing was made")
    return password
