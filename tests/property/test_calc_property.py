# SPDX-License-Identifier: Apache-2.0
"""The vectorised calculation equals a naive one that walks the tree for each instance with plain Python numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from config.binding import bind
from config.expression import parse
from config.tree import Binary, Call, Choice, Compare, Logic, Name, Node, Number, Quality, Truth, Unary
from config.words import Kind, StatusCode, cell_of
from supervisor.tags.calc import Program, scope_of
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

N = 7
GOOD, OUT = 0, int(StatusCode.BadOutOfRange)
CODES = [
    GOOD,
    int(StatusCode.GoodLocalOverride),
    int(StatusCode.UncertainLastUsableValue),
    int(StatusCode.UncertainSubNormal),
    int(StatusCode.BadNoCommunication),
    int(StatusCode.BadSensorFailure),
]
MODES = ("auto", "off", "manual")

numbers = st.one_of(
    st.sampled_from(["x", "y", "n", "w", "b", "flag"]),
    st.sampled_from(["0", "1", "2.5", "-3", "1e6", "0.1", "7"]),
)
truths = st.sampled_from(["b", "c", "flag", "true", "false", "mode == 'off'", "mode != 'auto'", "good(x)", "good(b)"])


def grow(leaves: tuple[st.SearchStrategy[str], st.SearchStrategy[str]], depth: int) -> tuple[Any, Any]:
    number, truth = leaves
    if depth == 0:
        return number, truth
    a, t = grow(leaves, depth - 1)
    operators, comparisons = st.sampled_from("+-*/"), st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    wider = st.one_of(
        number,
        st.builds("({} {} {})".format, a, operators, a),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), a, a),
        st.builds("{}({})".format, st.sampled_from(["abs", "floor", "round", "-"]), a),
        st.builds("clip({}, {}, {})".format, a, a, a),
        st.builds("({} if {} else {})".format, a, t, a),
    )
    sure = st.one_of(
        truth,
        st.builds("({} {} {})".format, a, comparisons, a),
        st.builds("({} {} {} {} {})".format, a, comparisons, a, comparisons, a),
        st.builds("({} {} {})".format, t, st.sampled_from(["and", "or"]), t),
        st.builds("({} and {} and {})".format, t, t, t),
        st.builds("(not {})".format, t),
        st.builds("({} if {} else {})".format, t, t, t),
    )
    return wider, sure


NUMBERS, TRUTHS = grow((numbers, truths), 3)


def severity(code: int) -> int:
    return code >> 30


def worse(a: int, b: int) -> int:
    return b if severity(b) > severity(a) else a


Cell = tuple[float, int]


def naive(node: Node, value_of: Callable[[str], Cell], raw: Callable[[str], int]) -> Cell:
    """One instance: (value, status), written from the documentation of `supervisor.tags.evaluate`."""

    def go(n: Node) -> Cell:
        return naive(n, value_of, raw)

    match node:
        case Number(value=v) | Truth(value=v):
            return float(v), GOOD
        case Name(name=name):
            return value_of(name)
        case Quality(name=name):
            return float(severity(raw(name)) == 0), GOOD
        case Unary(operator=op, operand=operand):
            v, s = go(operand)
            return (float(not v) if op == "not" else -v), s
        case Binary(operator=op, left=left, right=right):
            (a, sa), (b, sb) = go(left), go(right)
            v = arithmetic(op, a, b)
            return v, worse(worse(sa, sb), GOOD if math.isfinite(v) else OUT)
        case Compare(operators=ops, operands=operands):
            cells = [go(n) for n in operands]
            s = GOOD
            for _, code in cells:
                s = worse(s, code)
            held = all(compare(op, cells[i][0], cells[i + 1][0]) for i, op in enumerate(ops))
            return float(held), s
        case Logic(operator=op, operands=operands):
            result = go(operands[0])
            for n in operands[1:]:
                result = logic(op == "and", result, go(n))
            return result
        case Choice(condition=c, then=then, otherwise=otherwise):
            v, s = go(c)
            taken = go(then) if v else go(otherwise)
            return taken[0], worse(s, taken[1])
        case Call(function=f, arguments=arguments):
            cells = [go(n) for n in arguments]
            s = GOOD
            for _, code in cells:
                s = worse(s, code)
            return function(f, [v for v, _ in cells]), s
    raise AssertionError(node)


def arithmetic(op: str, a: float, b: float) -> float:
    if op == "/":
        return a / b if b else math.nan
    return a + b if op == "+" else a - b if op == "-" else a * b


def compare(op: str, a: float, b: float) -> bool:
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[op]


def logic(conjunction: bool, x: Cell, y: Cell) -> Cell:
    (a, sa), (b, sb) = x, y
    value = float(a and b) if conjunction else float(a or b)
    decisive = [s for v, s in (x, y) if bool(v) != conjunction]
    if len(decisive) == 2:
        return float(bool(value)), sb if severity(sb) < severity(sa) else sa
    return float(bool(value)), decisive[0] if decisive else worse(sa, sb)


def function(name: str, v: list[float]) -> float:
    if any(math.isnan(x) for x in v):
        return math.nan
    match name:
        case "min":
            return min(v)
        case "max":
            return max(v)
        case "abs":
            return abs(v[0])
        case "floor":
            return float(math.floor(v[0])) if math.isfinite(v[0]) else v[0]
        case "round":
            return float(round(v[0])) if math.isfinite(v[0]) else v[0]
        case "clip":
            return min(max(v[0], v[1]), v[2])
    raise AssertionError(name)


floats = st.floats(-1e6, 1e6, width=32)
column = {
    "x": st.lists(floats, min_size=N, max_size=N),
    "y": st.lists(st.sampled_from([0.0, 1.0, -2.0, 1e6]), min_size=N, max_size=N),
    "n": st.lists(st.integers(-(2**15), 2**15 - 1), min_size=N, max_size=N),
    "b": st.lists(st.integers(0, 1), min_size=N, max_size=N),
    "c": st.lists(st.integers(0, 1), min_size=N, max_size=N),
    "mode": st.lists(st.integers(0, 2), min_size=N, max_size=N),
}
KINDS = {"x": "Double", "y": "Float", "n": "Int16", "b": "Boolean", "c": "Boolean", "mode": "Enumeration"}
statuses = st.lists(st.sampled_from(CODES), min_size=N, max_size=N)


@settings(max_examples=250, deadline=None)
@given(
    data=st.fixed_dictionaries(column),
    codes=st.fixed_dictionaries({k: st.one_of(st.just([0] * N), statuses) for k in column}),
    expression=st.one_of(st.tuples(st.just("Double"), NUMBERS), st.tuples(st.just("Boolean"), TRUTHS)),
)
def test_slices_equal_one_instance_after_another(
    data: dict[str, list[float]], codes: dict[str, list[int]], expression: tuple[str, str]
) -> None:
    kind, text = expression
    parameters = {"w": [0.5 * i for i in range(N)], "flag": [i % 2 == 0 for i in range(N)]}
    tags = {k: tag(v, values=MODES if v == "Enumeration" else ()) for k, v in KINDS.items()}
    plant = make_plant(
        {"T": TypeSpec({"r": tag(kind, calc=text), **tags}, parameters)}, {"T": [f"1/T-{i:04d}" for i in range(N)]}
    )
    table = TagTable(plant, StringPool(), 0)
    t = plant.types["T"]
    for name, block in t.blocks.items():
        if name != "r":
            # a Bad value first needs a Good one, or its cell stays 0
            cells = np.array([cell_of(block.info.kind, v) for v in data[name]])
            table.put(block.rows, cells, np.zeros(N, np.uint32), 5)
            table.put(block.rows, cells, np.array(codes[name], np.uint32), 5)
    Program(plant, Locality(47.0, 5.0, "Europe/Paris")).run(table, 10)

    tree = bind(parse(text), scope_of(t), scope_of(t)["r"])
    for i in range(N):

        def value_of(name: str, i: int = i) -> Cell:
            if name in parameters:
                return float(parameters[name][i]), GOOD
            code = codes[name][i]
            return float(data[name][i]), code if severity(code) else GOOD

        value, status = naive(tree, value_of, lambda name, i=i: codes[name][i])  # type: ignore[misc]
        row = t.blocks["r"].start + i
        assert int(table.status[row]) == status, (text, i)
        if severity(status) < 2:
            got = table.value(row)
            assert got == (bool(value) if t.blocks["r"].info.kind is Kind.Boolean else value), (text, i)
