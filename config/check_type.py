# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""What the parts of one type mean together: tags, parameters, poll classes, devices.

Law of this file: one type at a time, nothing of the site but its desks (see `config.check_alarms`). Entries that were
wrong in themselves have been left out and are nobody's missing name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from config.binding import Operand
from config.model import SYSTEM_SOURCES, Confirm, HistoryClass, ParameterModel, TagModel
from config.problems import Problem, one_of, shown, unknown
from config.scope import Scope, is_number
from config.source import Place
from config.typefile import TypeFile
from config.units import UNITS, meant_by
from config.values import PARAMETER_KINDS, misfit
from config.words import Kind

SOURCES: Final = ("point", "calc", "system", "parameter", "unsupported")
RESERVED: Final = frozenset({"Devices"})
"""Names below equipment that are the server's own: the folder of its devices."""
_ANALOG: Final = (HistoryClass.A1, HistoryClass.A2, HistoryClass.P)
_REGULAR: Final = (HistoryClass.C, HistoryClass.D)

# Places are relative to the type's document.
Report = Callable[[Place, str], None]


def check_type(type_: TypeFile) -> list[Problem]:
    """All problems between the parts of a type, its alarm rules apart."""
    return _Check(type_).run()


class _Check:
    def __init__(self, type_: TypeFile) -> None:
        self.type = type_
        self.model = type_.model
        self.scope = Scope(type_)
        self.problems: list[Problem] = []
        self._reads: dict[str, frozenset[str]] = {}

    def run(self) -> list[Problem]:
        for name, parameter in self.model.parameters.items():
            self._parameter(name, parameter)
        for name, tag in self.model.tags.items():
            self._tag(name, tag)
        self._cycles()
        self._duplicate_addresses()
        return self.problems

    def _say(self, place: Place, text: str, *, key: bool = False) -> None:
        self.problems.append(self.type.document.problem(place, text, key=key))

    # ----------------------------------------------------------------------------------------------------- parameters

    def _parameter(self, name: str, parameter: ParameterModel) -> None:
        place = ("parameters", name)
        if name in self.type.names("tags"):
            self._say(place, "expected a name that no tag has", key=True)
        if parameter.kind not in PARAMETER_KINDS:
            kinds = one_of(k.name for k in PARAMETER_KINDS)
            self._say((*place, "kind"), f"expected one of {kinds}, got {parameter.kind.name}")
            return
        self._unit(place, parameter.unit, parameter.kind)
        sound = self._range(place, parameter.range, parameter.kind)
        if parameter.default is not None:
            text = misfit(parameter.kind, parameter.default, parameter.range if sound else None)
            if text is not None:
                self._say((*place, "default"), text)

    # ----------------------------------------------------------------------------------------------------------- tags

    def _tag(self, name: str, tag: TagModel) -> None:
        place = ("tags", name)
        if name in RESERVED:
            self._say(
                place, f"expected a name other than {name}: the folder of the equipment's devices has it", key=True
            )
        self._source(place, name, tag)
        self._unit(place, tag.unit, tag.kind)
        self._range(place, tag.range, tag.kind)
        self._range(place, tag.instrument_range, tag.kind, "instrument_range")
        self._values(place, tag)
        self._states(place, tag)
        self._history(place, tag)
        self._command(place, tag)
        if tag.fitted is not None:
            self._fitted(place, tag.fitted)

    def _source(self, place: Place, name: str, tag: TagModel) -> None:
        given = [s for s in SOURCES if getattr(tag, s) is not None]
        if len(given) != 1:
            got = " and ".join(given) if given else "none"
            self._say(place, f"expected exactly one source ({one_of(SOURCES)}), got {got}", key=True)
        if tag.point is not None:
            self._point(place, tag)
        else:
            self._not_a_point(place, tag)
        if tag.calc is not None:
            self._calc(place, name, tag)
        if tag.system is not None:
            self._system(place, tag)
        if tag.parameter is not None:
            self._configured(place, tag)

    def _point(self, place: Place, tag: TagModel) -> None:
        self._role(place, tag)
        polls = self.type.names("poll_classes")
        if not tag.access_mode.readable:
            if tag.poll is not None:
                self._say((*place, "poll"), "expected no poll class for a tag that is only written")
        elif tag.poll is None:
            self._say(place, f"missing required key 'poll' ({one_of(sorted(polls))}) of a tag that is read", key=True)
        elif tag.poll not in polls and (polls or self.type.names("devices")):
            self._say((*place, "poll"), unknown("a poll class of this type", tag.poll, sorted(polls)))
        if not tag.kind.is_float and (tag.scale != 1 or tag.offset != 0):
            key = "scale" if tag.scale != 1 else "offset"
            self._say((*place, key), f"expected no {key} for {tag.kind.name}; only Float and Double are scaled")
        if tag.scale == 0:
            self._say((*place, "scale"), "expected a scale other than 0, got 0")

    def _role(self, place: Place, tag: TagModel) -> None:
        roles = sorted(self.type.names("devices"))
        if tag.device is not None and tag.device not in roles:
            self._say((*place, "device"), unknown("a device of this type", tag.device, roles))
        elif tag.device is None and len(roles) > 1:
            self._say(place, f"missing required key 'device' ({one_of(roles)}): this type has several", key=True)
        elif not roles:
            text = "expected a device of this type under 'devices:' for a tag from the field or its state, got none"
            self._say(place, text, key=True)

    def _not_a_point(self, place: Place, tag: TagModel) -> None:
        if tag.poll is not None:
            self._say((*place, "poll"), "expected no poll class: only a tag with a point is polled")
        if tag.device is not None and tag.system != "comm":
            self._say((*place, "device"), "expected no device: this tag does not come from one")
        for key, neutral in (("scale", 1), ("offset", 0)):
            if getattr(tag, key) != neutral:
                self._say((*place, key), f"expected no {key}: only a tag with a point is scaled")
        if tag.unsupported is None and tag.access_mode.writable:
            self._say((*place, "access"), f"expected r, got {tag.access}: only a tag with a point is written")

    def _calc(self, place: Place, name: str, tag: TagModel) -> None:
        result = Operand(tag.kind, tuple(tag.values) if tag.values else None)
        found = self.scope.expression(tag.calc or "", result, (*place, "calc"))
        if isinstance(found, Problem):
            self.problems.append(found)
        else:
            self._reads[name] = found.names

    def _system(self, place: Place, tag: TagModel) -> None:
        kind = SYSTEM_SOURCES.get(tag.system or "")
        if kind is None:
            self._say((*place, "system"), unknown("something the server can say", tag.system, SYSTEM_SOURCES))
            return
        if tag.kind is not kind:
            self._say((*place, "kind"), f"expected {kind.name} for system '{tag.system}', got {tag.kind.name}")
        if tag.system == "comm":
            self._role(place, tag)

    def _configured(self, place: Place, tag: TagModel) -> None:
        parameters = self.type.names("parameters")
        if tag.parameter not in parameters:
            self._say((*place, "parameter"), unknown("a parameter of this type", tag.parameter, sorted(parameters)))
        elif (parameter := self.model.parameters.get(tag.parameter)) is not None and parameter.kind is not tag.kind:
            text = f"expected a parameter of kind {tag.kind.name}, got '{tag.parameter}' of kind {parameter.kind.name}"
            self._say((*place, "parameter"), text)

    def _fitted(self, place: Place, name: str) -> None:
        parameters = self.type.names("parameters")
        if name not in parameters:
            self._say((*place, "fitted"), unknown("a parameter of this type", name, sorted(parameters)))
        elif (parameter := self.model.parameters.get(name)) is not None and parameter.kind is not Kind.Boolean:
            self._say((*place, "fitted"), f"expected a Boolean parameter, got '{name}' of kind {parameter.kind.name}")

    # -------------------------------------------------------------------------------------------------- unit and range

    def _unit(self, place: Place, unit: str | None, kind: Kind) -> None:
        if unit is None:
            return
        if unit not in UNITS:
            best = meant_by(unit)
            hint = f"expected a unit, got {shown(unit)}; did you mean '{best}'?" if best else ""
            self._say((*place, "unit"), hint or unknown("a unit", unit, UNITS))
        elif not is_number(kind):
            self._say((*place, "unit"), f"expected no unit for {kind.name}")

    def _range(self, place: Place, limits: tuple[float, float] | None, kind: Kind, key: str = "range") -> bool:
        """True if the range (or its absence) is sound."""
        if limits is None:
            return True
        place = (*place, key)
        if not is_number(kind):
            self._say(place, f"expected no range for {kind.name}")
            return False
        low, high = limits
        if not low < high:
            self._say(place, f"expected [low, high] with low < high, got [{low}, {high}]")
            return False
        bounds = kind.bounds
        if bounds is None or (bounds[0] <= low and high <= bounds[1]):
            return True
        self._say(place, f"expected a range within {kind.name} {bounds[0]}..{bounds[1]}, got [{low}, {high}]")
        return False

    def _values(self, place: Place, tag: TagModel) -> None:
        if tag.kind is not Kind.Enumeration:
            if tag.values is not None:
                self._say((*place, "values"), f"expected no value names for {tag.kind.name}; only Enumeration has them")
        elif not tag.values:
            self._say(place, "missing required key 'values' (names by number, from 0) of an Enumeration", key=True)
        else:
            for index, name in enumerate(tag.values):
                if not name.strip():
                    self._say((*place, "values", index), "expected a name, got an empty one")
                elif name in tag.values[:index]:
                    self._say((*place, "values", index), f"{shown(name)} stands twice")

    def _states(self, place: Place, tag: TagModel) -> None:
        given = [key for key in ("false_state", "true_state") if getattr(tag, key) is not None]
        if given and tag.kind is not Kind.Boolean:
            self._say((*place, given[0]), f"expected no '{given[0]}' for {tag.kind.name}; only Boolean has states")
        elif len(given) == 1:
            missing = "true_state" if given == ["false_state"] else "false_state"
            self._say(place, f"missing required key '{missing}' of a tag that has '{given[0]}'", key=True)

    # -------------------------------------------------------------------------------------------- history and commands

    def _history(self, place: Place, tag: TagModel) -> None:
        rule, at = tag.history, (*place, "history")
        if rule.deadband is not None:
            if rule.class_ not in _ANALOG or not is_number(tag.kind):
                text = f"expected no deadband for class {rule.class_.value} of kind {tag.kind.name}"
                self._say((*at, "deadband"), text)
            elif isinstance(rule.deadband, str) and rule.deadband.endswith("%") and tag.range is None:
                self._say((*at, "deadband"), f"expected a range of the tag for a deadband of {shown(rule.deadband)}")
            elif isinstance(rule.deadband, int | float) and rule.deadband < 0:
                self._say((*at, "deadband"), f"expected a deadband of at least 0, got {rule.deadband}")
        if rule.every is not None and rule.class_ not in _REGULAR:
            self._say((*at, "every"), f"expected no 'every' for class {rule.class_.value}; only C and D are aligned")
        if rule.evidence and rule.class_ is not HistoryClass.E:
            self._say((*at, "evidence"), f"expected no 'evidence' for class {rule.class_.value}; only events have it")
        if rule.class_ in (HistoryClass.A1, HistoryClass.A2, HistoryClass.C) and not is_number(tag.kind):
            self._say((*at, "class"), f"expected E, D or N for {tag.kind.name}, got {rule.class_.value}")
        if rule.class_ is HistoryClass.P and tag.personal is None:
            text = "missing required key 'personal' (purpose, legal_basis, retention) of a tag with history class P"
            self._say(place, text, key=True)
        if tag.personal is not None and rule.class_ not in (HistoryClass.P, HistoryClass.N):
            self._say((*at, "class"), f"expected P (or N) for personal data, got {rule.class_.value}")

    def _command(self, place: Place, tag: TagModel) -> None:
        if not tag.access_mode.writable:
            for key in ("command", "confirm", "two_step"):
                if getattr(tag, key):
                    self._say((*place, key), f"expected no '{key}': access is r, so that nobody can write it", key=True)
            return
        if tag.command is None and tag.point is not None:
            self._say(
                place, f"missing required key 'command' (order or act) of a tag with access {tag.access}", key=True
            )
        if tag.confirm is None:
            return
        tags = self.type.names("tags")
        at = (*place, "confirm", "feedback")
        if tag.confirm.feedback not in tags:
            self._say(at, unknown("a tag of this type", tag.confirm.feedback, sorted(tags)))
        elif (feedback := self.model.tags.get(tag.confirm.feedback)) is None:
            return
        elif not feedback.access_mode.readable:
            self._say(at, f"expected a tag that can be read, got '{tag.confirm.feedback}', which is only written")
        elif feedback.kind is not tag.kind and not (is_number(feedback.kind) and is_number(tag.kind)):
            text = f"expected a tag of kind {tag.kind.name}, got '{tag.confirm.feedback}' of kind {feedback.kind.name}"
            self._say(at, text)
        else:
            self._soon_enough((*place, "confirm", "within"), tag.confirm, feedback)

    def _soon_enough(self, place: Place, confirm: Confirm, feedback: TagModel) -> None:
        """An effect that is looked at less often than it must be seen confirms nothing."""
        poll = self.model.poll_classes.get(feedback.poll or "")
        if poll is not None and confirm.within < poll.period:
            text = f"expected at least the {poll.period:g} s after which '{confirm.feedback}' is read again"
            self._say(place, f"{text}, got {confirm.within:g} s")

    # --------------------------------------------------------------------------------------------- between several tags

    def _cycles(self) -> None:
        """A calculation that needs itself, each cycle once, named from its first tag in the file."""
        graph = {name: set(reads) & self._reads.keys() for name, reads in self._reads.items()}
        while (cycle := _cycle(graph)) is not None:
            order = list(self._reads)
            first = min(range(len(cycle)), key=lambda i: order.index(cycle[i]))
            names = [*cycle[first:], *cycle[:first], cycle[first]]
            self._say(("tags", names[0], "calc"), f"expected no cycle, got {' -> '.join(names)}")
            for name in cycle:
                graph[name] = set()

    def _duplicate_addresses(self) -> None:
        """Two tags of a device at the same address."""
        placed = sorted(self._extents(), key=lambda e: (e[0], e[1], e[2]))
        owners: dict[str, tuple[int, str]] = {}
        for space, begin, end, tag in placed:
            last = owners.get(space)
            if last is not None and begin <= last[0]:
                first, second = sorted((last[1], tag), key=list(self.model.tags).index)
                text = f"expected an address of its own, got {self.type.points[second]}, which '{first}' has"
                self._say(("tags", second, "point"), text)
            if last is None or end > last[0]:
                owners[space] = (end, tag)

    def _extents(self) -> Iterator[tuple[str, int, int, str]]:
        """(space, first, last, tag) of each address. Same space and overlapping numbers: the same place twice."""
        alike: dict[str, int] = {}
        for tag, point in self.type.points.items():
            role = self.type.role_of(tag)
            extent = getattr(point, "extent", None)
            if extent is not None:
                space, first, last = extent
                yield f"{role} {space}", first, last, tag
            else:
                number = alike.setdefault(repr(point), len(alike))
                yield f"{role}", number, number, tag


def _cycle(graph: dict[str, set[str]]) -> list[str] | None:
    """Names of one cycle in reading order (each reads the next), None if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        nodes: Iterable[Any] = error.args[1]
        return [str(n) for n in nodes][:0:-1]
    return None


def identity(device: Any) -> Hashable:
    """What makes two devices the same partner: the protocol's own word for it, else all that is set."""
    own = getattr(device, "identity", None)
    return own if own is not None else repr(device)
