# SPDX-License-Identifier: Apache-2.0
"""The types of namespace 0, read once per test process."""

from __future__ import annotations

from functools import cache
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from supervisor.hmi.events.hierarchy import EventTypes, Field, read_types
from supervisor.hmi.model.standard import load


@cache
def standard_types() -> EventTypes:
    """Event types as a server has them, and a field it adds: '2:Added'."""
    space = AddressSpace()
    load(space)
    return read_types(space, {"2:Added": Field(True, False, False)})


def clause(path: str, of: int = ua.ObjectIds.BaseEventType, **more: Any) -> ua.SimpleAttributeOperand:
    """A select clause by path: 'EnabledState/Id', '2:Added'; '' with the attribute NodeId is the ConditionId."""
    names = [ua.QualifiedName.from_string(step) for step in path.split("/")] if path else []
    attribute = ua.AttributeIds.Value if path else ua.AttributeIds.NodeId
    given = {"AttributeId": attribute, "TypeDefinitionId": ua.NodeId(of)} | more
    return ua.uaprotocol_auto.SimpleAttributeOperand(BrowsePath=names, **given)


def event_filter(
    clauses: list[ua.SimpleAttributeOperand], elements: list[ua.ContentFilterElement] | None = None
) -> ua.EventFilter:
    """An EventFilter as a server decodes it."""
    where = ua.ContentFilter(Elements=elements or [])
    return ua.uaprotocol_auto.EventFilter(SelectClauses=clauses, WhereClause=where)


def element(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    """One element: strings are fields, ints wrapped by `at` are other elements, Variants are literals."""
    made = []
    for operand in operands:
        if isinstance(operand, str):
            made.append(clause(operand))
        elif isinstance(operand, ua.Variant):
            made.append(ua.uaprotocol_auto.LiteralOperand(Value=operand))
        else:
            made.append(operand)
    return ua.ContentFilterElement(FilterOperator=operator, FilterOperands=made)


def at(index: int) -> ua.ElementOperand:
    """The value of another element."""
    return ua.uaprotocol_auto.ElementOperand(Index=index)
