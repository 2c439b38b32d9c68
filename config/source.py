# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_source.py, tests/config
"""Files as an engineer writes them -> plain data, and the line and column of everything in it.

Law of this file: the only reader of YAML; it knows no models. It never guesses: what YAML 1.1 would quietly
turn into something else (12:30 into 750, 010 into 8, on into true) stays text; the second of two equal keys is
a problem.

Theory of operation. libyaml gives a stream of events; one pass over them builds the data and notes the mark of every
value and key, so that any later complaint about a path finds its place. Keys are always text (21605: is '21605').
Plain scalars follow four rules: true/false, decimal or 0x integers, floats, null (or ~, or nothing); all else is text.
Anchors, aliases, tags, directives and further documents are refused: a plant is written out, and a file with aliases
can grow without bound.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from config.problems import Problem, shown

Place = tuple[str | int, ...]

YAML_BYTES_MAX: Final = 4 * 2**20
# 35,000 rows cost 4.6 s as YAML and a fraction of a second as CSV.
YAML_ROWS_MAX: Final = 2_000
# Deeper than any model here; keeps recursion bounded whatever is read.
DEPTH_MAX: Final = 24

_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,19})|0x[0-9a-fA-F]{1,16}")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,40}(?:[eE][-+]?[0-9]{1,3})?|[eE][-+]?[0-9]{1,3})")
_NULLS: Final = frozenset({"", "~", "null"})
# Control characters, other line ends than LF and CR LF, lone surrogates, a byte order mark inside the text.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_LONE_CR: Final = re.compile("\r(?!\n)")
_TAB_INDENT: Final = re.compile(r"^ *\t", re.MULTILINE)
_BOMS: Final = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_PLAIN_WORDS: Final = {
    "mapping values are not allowed in this context": "expected one 'key: value' here, got a second ': ' "
    "(put a text with ': ' in it in quotes, or correct the indentation)",
    "found character that cannot start any token": "expected a value, got a character that cannot begin one "
    "(put the text in quotes)",
    "found unexpected end of stream": "expected a closing quote before the end of the file",
    "did not find expected key": "expected a key in line with those above (is the indentation right, a quote open?)",
    "did not find expected ',' or ']'": "expected ',' or ']' in the list",
    "did not find expected ',' or '}'": "expected ',' or '}' in the mapping",
    "could not find expected ':'": "expected ':' after the key",
    "did not find expected '-' indicator": "expected '- ' in line with those above",
    "did not find expected node content": "expected a value",
    "did not find expected <document start>": "expected keys in line with each other (is the first one indented?)",
    "found unknown escape character": "expected an escape known to YAML after the backslash (or single quotes)",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1, columns in characters."""

    line: int
    column: int


class Located(Protocol):
    """Something read from a file that can say where a part of it stands."""

    file: str
    data: Any

    def problem(self, place: Sequence[str | int], text: str, *, key: bool = False) -> Problem: ...


@dataclass(slots=True)
class Document:
    """A YAML file.

    Attributes:
        file: name for messages.
        data: mappings, lists, str, int, float, bool, None.
        marks: place -> where the value begins.
        keys: place -> where the key of a mapping's entry begins.
        text: the file itself, for places inside a text.
    """

    file: str
    data: Any = None
    marks: dict[Place, Mark] = field(default_factory=dict)
    keys: dict[Place, Mark] = field(default_factory=dict)
    text: str = ""

    def problem(self, place: Sequence[str | int], text: str, *, key: bool = False) -> Problem:
        """A problem at the value (or key) at `place`; where there is none, at the nearest thing around it."""
        near = tuple(place)
        while near and near not in self.marks:
            near = near[:-1]
        mark = (self.keys.get(near) if key else None) or self.marks.get(near) or Mark(1, 1)
        return Problem(self.file, mark.line, mark.column, dotted(self.data, place), text)

    def problem_inside(self, place: Place, inner: str, column: int, text: str) -> Problem:
        """A problem at a character (from 1) of the text at `place`; at its beginning if it is folded or escaped."""
        at = self.problem(place, text)
        line = self.text.split("\n")[at.line - 1] if at.line else ""
        begin = at.column - 1 + (line[at.column - 1 : at.column] in ("'", '"'))
        if not line.startswith(inner, begin):
            return at
        return dataclasses.replace(at, column=begin + column)


def dotted(data: Any, place: Sequence[str | int]) -> str:
    """'tags.V1.point.address'; an entry of a list goes by its name if it has one: 'CAB-0003.area'."""
    parts: list[str] = []
    for step in place:
        data = _inside(data, step)
        name = data.get("name") if isinstance(step, int) and isinstance(data, dict) else None
        if isinstance(name, str) and name:
            parts.append(name)
        elif isinstance(step, int):
            parts.append(f"{parts.pop() if parts else ''}[{step}]")
        else:
            parts.append(shown(step)[1:-1])
    return ".".join(parts)


def _inside(data: Any, step: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    if isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data):
        return data[step]
    return None


def scalar(text: str) -> bool | int | float | str | None:
    """What a plain, unquoted scalar means. Four rules, in the order of the law above."""
    if text in _NULLS:
        return None
    if text in ("true", "false"):
        return text == "true"
    if text[0] not in "+-0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 16) if text[:2] == "0x" else int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


# ---------------------------------------------------------------------------------------------------- bytes and text


def read_bytes(path: Path, file: str, bytes_max: int) -> bytes | Problem:
    """The file's bytes, or why not. Only regular files: a pipe would never end."""
    try:
        if not path.is_file():
            return Problem(file, 0, 0, "", "expected a file, got " + ("a folder" if path.is_dir() else "nothing there"))
        with path.open("rb") as stream:
            raw = stream.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        return Problem(file, 0, 0, "", f"cannot be read: {getattr(error, 'strerror', None) or error}")
    if len(raw) > bytes_max:
        return Problem(file, 0, 0, "", f"expected at most {bytes_max // 2**20} MiB")
    return raw


def decode(raw: bytes, file: str, *, bom_allowed: bool = False) -> str | Problem:
    """UTF-8 text without characters that no editor shows, or the first thing wrong with it."""
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return Problem(file, 1, 1, "", f"expected UTF-8, got {name}; save the file as UTF-8")
    if raw.startswith(b"\xef\xbb\xbf"):
        if not bom_allowed:
            return Problem(file, 1, 1, "", "expected UTF-8 without a byte order mark; save the file without it")
        raw = raw[3:]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        mark = mark_at(raw[: error.start].decode("utf-8"), error.start)
        return Problem(
            file,
            mark.line,
            mark.column,
            "",
            f"expected UTF-8, got the byte 0x{raw[error.start]:02X}; save the file as UTF-8",
        )
    if found := _FORBIDDEN.search(text) or _LONE_CR.search(text):
        mark = mark_at(text, found.start())
        code = f"U+{ord(found[0]):04X}"
        return Problem(file, mark.line, mark.column, "", f"expected plain text, got the control character {code}")
    return text


def mark_at(text: str, index: int) -> Mark:
    before = text[:index]
    return Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


# -------------------------------------------------------------------------------------------------------------- YAML


class _Refused(Exception):
    """Something our YAML does not have. Ends the reading of this file."""

    def __init__(self, mark: Any, text: str) -> None:
        self.mark = Mark(mark.line + 1, mark.column + 1)
        super().__init__(text)


def read_yaml(path: Path, file: str) -> tuple[Document | None, list[Problem]]:
    """One YAML file. The document is None if it cannot be read at all."""
    raw = read_bytes(path, file, YAML_BYTES_MAX)
    return (None, [raw]) if isinstance(raw, Problem) else parse_yaml(raw, file)


def parse_yaml(raw: bytes, file: str) -> tuple[Document | None, list[Problem]]:
    """As `read_yaml`, from bytes. Never raises, whatever the bytes are."""
    text = decode(raw, file)
    if isinstance(text, Problem):
        return None, [text]
    if found := _TAB_INDENT.search(text):
        mark = mark_at(text, found.end() - 1)
        return None, [Problem(file, mark.line, mark.column, "", "expected spaces for indentation, got a tab")]
    builder = _Builder(Document(file, text=text), yaml.CSafeLoader(text))
    try:
        builder.build()
    except _Refused as refused:
        return None, [*builder.problems, Problem(file, refused.mark.line, refused.mark.column, "", str(refused))]
    except yaml.MarkedYAMLError as error:
        return None, [*builder.problems, _unreadable(error, file, text)]
    except yaml.YAMLError as error:
        return None, [*builder.problems, Problem(file, 1, 1, "", f"expected YAML: {error}")]
    finally:
        builder.loader.dispose()
    return builder.document, builder.problems


def list_of(what: str, document: Document, problems: list[Problem]) -> list[Any]:
    """The list that a file is; empty, and a problem, if it is anything else."""
    if isinstance(document.data, list):
        return document.data
    text = f"expected a list of {what} ('- name: ...'), got {shown(document.data)}"
    problems.append(document.problem((), text))
    return []


def _unreadable(error: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    lines = text.split("\n")
    if line > len(lines):  # the end of a file that does not end its last line
        line, column = len(lines), len(lines[-1]) + 1
    said = " ".join(part for part in (error.problem, error.context) if part)
    for theirs, ours in _PLAIN_WORDS.items():
        if said.startswith(theirs):
            return Problem(file, line, column, "", ours)
    return Problem(file, line, column, "", f"expected YAML: {said}")


class _Builder:
    """One pass over the events of libyaml."""

    def __init__(self, document: Document, loader: yaml.CSafeLoader) -> None:
        self.document = document
        self.loader = loader
        self.problems: list[Problem] = []

    def build(self) -> None:
        self._next()  # start of stream
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return
        if event.version or event.tags:
            raise _Refused(event.start_mark, "expected no directive (%)")
        self.document.data = self.value((), 0)
        self._next()  # end of document
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _Refused(event.start_mark, "expected one document, got another '---'")

    def _next(self) -> Any:
        return self.loader.get_event()

    def value(self, place: Place, depth: int) -> Any:
        event = self._next()
        self.document.marks[place] = _mark_of(event)
        self._no_cleverness(event)
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event.value) if event.implicit[0] else event.value
        if depth >= DEPTH_MAX:
            raise _Refused(event.start_mark, f"expected at most {DEPTH_MAX} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(place, depth)
        return self._mapping(place, depth)

    def _no_cleverness(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(event.start_mark, f"expected a value, got the alias *{event.anchor}; write it out")
        if event.anchor is not None:
            raise _Refused(
                event.start_mark, f"expected no anchor, got &{event.anchor}; write the value out where needed"
            )
        if event.tag is not None:
            raise _Refused(event.start_mark, f"expected no tag, got {shown(event.tag)}; put a text with ! in quotes")
        if isinstance(event, yaml.ScalarEvent) and (found := _FORBIDDEN.search(event.value)):
            # Written as an escape, so that `decode` did not see it; terminals and screens would.
            raise _Refused(event.start_mark, f"expected plain text, got the control character U+{ord(found[0]):04X}")

    def _list(self, place: Place, depth: int) -> list[Any]:
        values: list[Any] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            values.append(self.value((*place, len(values)), depth + 1))
        self._next()
        return values

    def _mapping(self, place: Place, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            event = self._next()
            self._no_cleverness(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused(event.start_mark, "expected a plain key, got a list or mapping")
            key, mark = event.value, _mark_of(event)
            inner = (*place, key)
            if key in values:
                self._twice(inner, mark, depth)
                continue
            self.document.keys[inner] = mark
            values[key] = self.value(inner, depth + 1)
        self._next()
        return values

    def _twice(self, place: Place, mark: Mark, depth: int) -> None:
        """A key for the second time: said, its value read and thrown away."""
        text = f"{shown(place[-1])} is already set at line {self.document.keys[place].line}"
        file = self.document.file
        self.problems.append(Problem(file, mark.line, mark.column, dotted(None, place[:-1]), text))
        _Builder(Document(file), self.loader).value(place, depth + 1)


def _mark_of(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
