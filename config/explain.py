# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_explain.py, tests/config
"""What a model refuses, in the words of the person who wrote the file, at the right line.

Law of this file: the only place where the library's messages are turned into ours ('expected ..., got ...').

A refusal names a `loc` in the data. Parts of it that are not in the document (tags of a union's branches) are skipped;
the branches of one value become one line ('expected a number or text, got ...'). An unknown key whose best guess is a
missing key of the same mapping is one line, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.problems import Problem, did_you_mean, guess, one_of, shown
from config.source import Located, Place

M = TypeVar("M", bound=BaseModel)

_WORDS: Final[dict[str, str]] = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of at most 64 bits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
    "union_tag_not_found": "a key that says which sort it is",
}
_BOUNDS: Final[dict[str, tuple[str, str]]] = {
    "greater_than": ("a number greater than", "gt"),
    "greater_than_equal": ("a number of at least", "ge"),
    "less_than": ("a number less than", "lt"),
    "less_than_equal": ("a number of at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
    "string_too_long": ("a text of characters at most", "max_length"),
}
_PATTERNS: Final[dict[str, str]] = {
    r"^[A-Za-z][A-Za-z0-9_]{0,31}$": "a name (a letter, then letters, digits or _, at most 32)",
    r"^[A-Z][A-Z0-9]{1,7}-[0-9]{4,6}$": "an equipment name such as CAB-0003",
    r"^[A-Za-z0-9_-]{1,16}$": "an area code such as 21605",
    r"^[A-Z][A-Z0-9]{1,7}$": "a type name such as CAB (2 to 8 capital letters or digits)",
    r"^[a-z][a-z0-9._-]{1,31}$": "a login name (small letters, digits, . _ -; 2 to 32)",
    r"^[a-z][a-z0-9-]{1,31}$": "a site name (small letters, digits, -; 2 to 32)",
    r"^[0-9]+(\.[0-9]+)?( %)?$": "a deadband such as 0.2 or '2 %'",
}
# All known keys are shown behind a guess if there are no more than this, and without a guess the first so many.
_KEYS_SHOWN_MAX: Final = 8
_KNOWN_SHOWN_MAX: Final = 12


def validate(model: type[M], data: Any, located: Located, place: Place, problems: list[Problem]) -> M | None:
    """The model of `data`, or None and its problems. `place` is where `data` stands in the file."""
    try:
        return model.model_validate(data)
    except ValidationError as refusal:
        problems += explain(refusal, model, data, located, place)
    except RecursionError:
        problems.append(located.problem(place, "expected fewer levels"))
    return None


def explain(
    refusal: ValidationError, model: type[BaseModel], data: Any, located: Located, place: Place
) -> list[Problem]:
    """All problems of one refusal."""
    return [
        located.problem(where, text, key=key) for where, text, key in sentences(refusal, model, data, located, place)
    ]


def sentences(
    refusal: ValidationError, model: type[BaseModel], data: Any, located: Located, place: Place
) -> Iterator[tuple[Place, str, bool]]:
    """(place, text, whether it is about the key) of everything refused."""
    errors = refusal.errors(include_url=False)
    values: dict[Place, list[tuple[ErrorDetails, bool]]] = {}
    unknown: dict[Place, list[str]] = {}
    missing: dict[Place, list[str]] = {}
    for error in errors:
        loc = error["loc"]
        inner, branch = _inside(data, loc[:-1] if error["type"] in ("missing", "extra_forbidden") else loc)
        if error["type"] == "extra_forbidden":
            unknown.setdefault(inner, []).append(str(loc[-1]))
        elif error["type"] == "missing":
            missing.setdefault(inner, []).append(str(loc[-1]))
        else:
            values.setdefault(inner, []).append((error, branch))
    yield from ((place + at, text, True) for at, text in _keys(unknown, missing, model, data))
    for at, refused in values.items():
        if all(branch for _, branch in refused) and any(o[: len(at)] == at and o != at for o in (*values, *unknown)):
            continue  # another branch of the union fits better and has its own complaint
        yield place + at, _value_text([error for error, _ in refused], _at(data, at)), _is_key(refused[0][0])


def _is_key(error: ErrorDetails) -> bool:
    return bool(error["loc"]) and error["loc"][-1] == "[key]"


def _inside(data: Any, loc: Sequence[str | int]) -> tuple[Place, bool]:
    """The part of `loc` that is in the data, and whether some part was not (a branch of a union)."""
    place: Place = ()
    skipped = False
    for step in loc:
        found = (isinstance(data, dict) and step in data) or (
            isinstance(data, list | tuple) and isinstance(step, int) and step < len(data)
        )
        if not found:
            skipped = True
            continue
        data = data[step]
        place = (*place, step)
    return place, skipped


def _at(data: Any, place: Place) -> Any:
    for step in place:
        data = data[step]
    return data


# -------------------------------------------------------------------------------------------------------------- keys


def _keys(
    unknown: Mapping[Place, list[str]], missing: Mapping[Place, list[str]], model: type[BaseModel], data: Any
) -> Iterator[tuple[Place, str]]:
    for at in {**unknown, **missing}:
        lacking = list(missing.get(at, ()))
        present = _at(data, at)
        known = keys_of(model_at(model, at))
        for name in unknown.get(at, ()):
            best = guess(name, [k for k in known if k not in present])
            if best in lacking:
                lacking.remove(best)
            yield (*at, name), unknown_key(name, known, best)
        for name in lacking if isinstance(present, dict) else ():
            yield at, f"missing required key '{name}'"
        if isinstance(present, list) and lacking:
            yield at, f"expected {_entries(len(present) + len(lacking))}, got {len(present)}"


def unknown_key(name: str, known: Sequence[str], best: str | None = None) -> str:
    """Sentence about a key that no model knows."""
    best = best or guess(name, known)
    text = "unknown key" + (f"; did you mean '{best}'?" if best else "")
    if known and (best is None or len(known) <= _KEYS_SHOWN_MAX):
        cut = " ..." if len(known) > _KNOWN_SHOWN_MAX else "."
        text += f"{'' if best else ';'} Known keys: {', '.join(known[:_KNOWN_SHOWN_MAX])}{cut}"
    return text


def keys_of(model: type[BaseModel] | None) -> list[str]:
    """The keys a model knows, as written in YAML."""
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def model_at(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """The model of the mapping at `place` below `model`; None where it is no model."""
    annotation: Any = model
    for step in place:
        annotation = _step(annotation, step)
    return next(iter(_models(annotation)), None)


def _step(annotation: Any, step: str | int) -> Any:
    for model in _models(annotation):
        for name, info in model.model_fields.items():
            if step in (name, info.alias):
                return info.annotation
    args = get_args(annotation)
    return args[-1] if args else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models among the branches of an annotation, not below a list or dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif getattr(annotation, "__origin__", None) not in (dict, list, tuple):
        for branch in get_args(annotation):
            yield from _models(branch)


# ------------------------------------------------------------------------------------------------------------ values


def _value_text(errors: Sequence[ErrorDetails], value: Any) -> str:
    own = [e for e in errors if e["type"] in ("value_error", "assertion_error")]
    if own:
        return _own_text(own[0], value)
    if any(_is_key(e) for e in errors):
        value = errors[0]["input"]
    expected = dict.fromkeys(_expected(e, value) for e in errors)
    if "a number" in expected:
        expected.pop("an integer", None)
    if any("password" in str(step) for e in errors for step in e["loc"]):
        return f"expected {one_of(expected)}, got something else (not shown)"
    hint = next((h for e in errors if (h := _hint(e, value))), "")
    return f"expected {one_of(expected)}, got {_got(errors, value)}{hint}"


def _got(errors: Sequence[ErrorDetails], value: Any) -> str:
    if errors[0]["type"] == "too_long":
        return str(errors[0].get("ctx", {}).get("actual_length", "more"))
    return shown(value)


def _own_text(error: ErrorDetails, value: Any) -> str:
    """The sentence of one of our own validators; it says 'expected ...' and may lack what was got."""
    text = str(error.get("ctx", {}).get("error", error["msg"]))
    if text.startswith("expected one of ") and isinstance(value, str):
        return text + did_you_mean(value, text.removeprefix("expected one of ").split(", got ")[0].split(", "))
    if ", got " in text or isinstance(value, dict | list) or not text.startswith("expected"):
        return text
    return f"{text}, got {shown(value)}"


def _expected(error: ErrorDetails, value: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        if isinstance(value, str) and kind != "string_too_long":
            return f"{words.replace('a number', 'a duration')} {_number(context[key])} s"
        return f"{words} {_number(context[key])}"
    special: dict[str, Callable[[dict[str, Any]], str]] = {
        "literal_error": lambda c: _one(_choices(c)),
        "enum": lambda c: _one(_choices(c)),
        "string_pattern_mismatch": lambda c: _PATTERNS.get(c["pattern"], f"text of the form {c['pattern']}"),
        "string_too_short": lambda c: "text that is not empty",
        "too_short": lambda c: f"at least {_entries(c['min_length'])}",
        "too_long": lambda c: f"at most {_entries(c['max_length'])}",
    }
    return special[kind](context) if kind in special else f"another value ({error['msg']})"


def _entries(number: int) -> str:
    return "one entry" if number == 1 else f"{number} entries"


def _one(choices: Sequence[str]) -> str:
    return f"'{choices[0]}'" if len(choices) == 1 else "one of " + one_of(choices, shown_max=16)


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _choices(context: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'((?:[^'\\]|\\.)*)'", str(context["expected"])) or [str(context["expected"])]


def _hint(error: ErrorDetails, value: Any) -> str:
    kind = error["type"]
    if kind in ("literal_error", "enum"):
        return did_you_mean(value, _choices(error.get("ctx", {})))
    if kind == "string_type" and isinstance(value, int | float):
        return "; put it in quotes"
    if kind in ("bool_type", "bool_parsing") and isinstance(value, str):
        return "; only true and false are understood, without quotes"
    if (
        kind in ("int_type", "float_type")
        and isinstance(value, str)
        and re.fullmatch(r"[-+]?0[0-9]+(\.[0-9]*)?", value)
    ):
        return "; write it without leading zeros"
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"[-+]?[0-9.]+", value):
        return "; write it without quotes"
    return ""
