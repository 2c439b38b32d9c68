# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_rehearsal.py
"""Run a site's own alarm tests, SITE/tests/*.tests.yaml, in virtual time: a day takes seconds, nothing is connected.

  vigie test sennecey
  vigie test /etc/vigie/dijon 'supply'     only cases with that word in their name

A case says what tags read, step by step ('230x10 180x30': 230 for ten steps, then 180 for thirty; '_': nothing new;
'bad': lost), what people do (ack, reset, shelve ...), and what must stand when. Everything not as expected is told in
one run, each with file, line and column. Exit code 0 if all is as expected, 1 if not. The shipped site has an example:
config/sites/sennecey/tests/cabinet.tests.yaml.
"""

from __future__ import annotations

import argparse

from supervisor.cli import ask, sites
from supervisor.failure import Failure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE", help=sites.SITE_HELP)
    parser.add_argument("word", metavar="WORD", nargs="?", default="", help="only cases with this in their name")


def run(args: argparse.Namespace) -> int:
    from config.load import find_site
    from config.problems import Problem, report
    from config.testfile import SUFFIX, case_files, read_tests
    from supervisor.alarms.rehearsal import run_file

    site = sites.load(args.site)
    folder = find_site(args.site)
    files = case_files(folder)
    if not files:
        raise Failure(f"{folder / 'tests'} holds no file *{SUFFIX}; vigie test --help says what to write there")
    problems: list[Problem] = []
    ran = 0
    for path in files:
        if (read := read_tests(path, problems)) is not None:
            count, found = run_file(site, *read, args.word)
            ran += count
            problems += found
    if problems:
        print(report(sorted(problems), f"{ask.count(ran, 'case')} ran"))
        return 1
    if not ran:
        raise Failure(f"no case has '{args.word}' in its name")
    print(f"{ask.count(ran, 'case')} in {ask.count(len(files), 'file')}: all as expected")
    return 0
