# SPDX-License-Identifier: Apache-2.0
"""Cases of `tests/config/bad`: the good plant with an edit, and what the check says of it.

A case is a text: prose, then for each file a line `@ path`, followed by lines to find (`-`) and lines to put there
(`+`). The lines to find stand in the file exactly once. `@ path whole` replaces the file, `@ path bytes` does
so with Python's escapes. The expected answer is the file of the same name with `.err`; VIGIE_REWRITE=1 writes it
anew, to be read over.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

from config.load import load_site
from config.problems import SiteProblems, report
from drivers.dali.protocol import PROTOCOL as DALI
from drivers.modbus.protocol import PROTOCOL as MODBUS
from drivers.opcua.protocol import PROTOCOL as OPCUA

HERE = Path(__file__).parent
PLANT = HERE / "good" / "plant"
PROTOCOLS = {"dali": DALI, "modbus": MODBUS, "opcua": OPCUA}


def apply(case: str, folder: Path) -> None:
    """Copy the good plant to `folder` and edit it."""
    shutil.copytree(PLANT, folder)
    for path, how, lines in _files(case):
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        added = [line[1:] for line in lines if line.startswith("+")]
        if how == "bytes":
            file.write_bytes(ast.literal_eval('b"' + "".join(added).replace('"', '\\"') + '"'))
        elif how == "whole":
            file.write_text("".join(line + "\n" for line in added), encoding="utf-8")
        else:
            text = "\n" + file.read_text(encoding="utf-8")
            for old, new in _hunks(lines):
                assert text.count(old) == 1, f"{path}: expected these lines once, got {text.count(old)} times:\n{old}"
                text = text.replace(old, new)
            file.write_text(text[1:], encoding="utf-8")


def answer(folder: Path) -> str:
    """What the check says of the site at `folder`, its own place taken out."""
    try:
        load_site(folder, PROTOCOLS)
    except SiteProblems as problems:
        return report(problems.problems).replace(f"{folder}/", "") + "\n"
    return "no problems\n"


def _files(case: str) -> Iterator[tuple[str, str, list[str]]]:
    for part in f"\n{case}".split("\n@ ")[1:]:
        head, *lines = part.split("\n")
        path, _, how = head.partition(" ")
        yield path, how, [line for line in lines if line[:1] in ("-", "+")]


def _hunks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Blocks of '-' lines and the '+' lines behind each."""
    old: list[str] = []
    new: list[str] = []
    for line in [*lines, "-"]:
        if line.startswith("-") and new:
            yield "\n" + "\n".join(old) + "\n", "\n" + "".join(text + "\n" for text in new if text)
            old, new = [], []
        (old if line.startswith("-") else new).append(line[1:])
