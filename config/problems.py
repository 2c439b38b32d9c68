# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_problems.py, tests/config
"""What is wrong with a site, said to the person who wrote it.

Law of this file: texts only; it reads no files and knows no models.

One line per problem, `file:line:column: path: expected ..., got ...; did you mean '...'?`, sorted by place, then a last
line with the count and what was not done. Editors and terminals make the place clickable, so its form is fixed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# More lines than anyone reads; the count in the last line is always of all of them.
LINES_MAX: Final = 1000
# Longest quotation of what was found [characters].
SHOWN_MAX: Final = 60
# More candidates than this are not searched: nobody mistypes one of a million names.
CANDIDATES_MAX: Final = 5000
# Among more than this only names that differ by one slip are found: likeness costs 20 us a candidate, and a file of
# thousands of wrong names would be read for minutes.
LIKENESS_MAX: Final = 200
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_./ "


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to correct.

    Attributes:
        file: as the reader would open it.
        line, column: counted from 1; line 0: the file as a whole.
        path: where in the document ('tags.V1.point'); empty for the document as a whole.
        text: what was expected, what was found.
    """

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return _printable(": ".join(part for part in (place, self.path, self.text) if part))


def _printable(line: str) -> str:
    """One line without characters that a terminal would obey: what was found may come from anyone."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


class SiteProblems(Exception):
    """A site cannot be used. `problems` holds all of them, sorted, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems))
        super().__init__(report(self.problems))


def report(problems: Sequence[Problem], not_done: str = "nothing was started") -> str:
    """All lines and the last one: '7 problems; nothing was started.'"""
    lines = [str(problem) for problem in problems[:LINES_MAX]]
    if (more := len(problems) - LINES_MAX) > 0:
        lines.append(f"(and {more} more that are not shown)")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([*lines, f"{count}; {not_done}."])


def shown(value: object) -> str:
    """What was found, in the words of YAML, cut to a bearable length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."


def guess(word: object, known: Iterable[str]) -> str | None:
    """The known word most like `word`, case apart; None if none is near. Of many words: one that differs by a slip."""
    if not isinstance(word, str) or not word or len(word) > 10 * SHOWN_MAX:
        return None
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
        if len(folded) > CANDIDATES_MAX:
            return None
    if len(folded) > LIKENESS_MAX:
        if len(word) > SHOWN_MAX:
            return None
        return next((folded[slip] for slip in _slips(word.casefold()) if slip in folded), None)
    cutoff = 0.5 if len(word) <= 3 else 0.6  # half of a short word is all there is
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def _slips(word: str) -> Iterator[str]:
    """The word itself, and what it was meant to be if one letter is too many, swapped, another or missing."""
    yield word
    parts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    yield from (a + b[1:] for a, b in parts if b)
    yield from (a + b[1] + b[0] + b[2:] for a, b in parts if len(b) > 1)
    yield from (a + letter + b[1:] for a, b in parts if b for letter in _LETTERS)
    yield from (a + letter + b for a, b in parts for letter in _LETTERS)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """'; did you mean 'address'?' or nothing. To be put behind a text."""
    best = guess(word, known)
    return f"; did you mean '{best}'?" if best is not None else ""


def one_of(known: Iterable[str], shown_max: int = 12) -> str:
    """'a, b or c'; long lists are cut. For 'expected one of ...'."""
    names = list(known)
    if not names:
        return "none"
    if len(names) > shown_max:
        return ", ".join(names[:shown_max]) + f" ... ({len(names)} in all)"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def unknown(what: str, word: object, known: Iterable[str]) -> str:
    """'expected a tag of this type, got 'V9'; did you mean 'V1'?' or the list of what there is."""
    names = list(known)
    hint = did_you_mean(word, names) or f"; there {'is ' + one_of(names) if names else 'are none'}"
    return f"expected {what}, got {shown(word)}{hint}"
