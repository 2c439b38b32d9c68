# SPDX-License-Identifier: Apache-2.0
"""RolePermissions, UserRolePermissions and UserExecutable. Source: OPC 10000-3, 5.2.9, 5.2.10 and 8.55."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncua import ua

from config.model import Role
from config.words import Access, StatusCode
from supervisor.hmi.model.permissions import ROLES, Permissions, may_call
from supervisor.hmi.model.space import Space
from supervisor.people import User
from tests.plants import TypeSpec, make_plant, tag

IDS, MAY = ua.ObjectIds, ua.PermissionType
CAB = "21605/CAB-0001"
SEEN = MAY.Browse
TAGS = {
    "V1": replace(tag("Double"), history_class="A1"),
    "Mode": replace(tag("Int32", access=Access.RW), history_class="N"),
    "Pulse": tag("Boolean", access=Access.W),
    "Plate": replace(tag("String"), personal=True, history_class="N"),
}
SPACE = Space(make_plant({"CAB": TypeSpec(TAGS)}, {"CAB": [CAB]}))


def of(name: str, user: User) -> ua.PermissionType:
    place = SPACE.find(name)
    assert place is not None
    return Permissions(SPACE).of(place, user)


# node, role, what it may do there at best
CASES = [
    ("Plant", Role.VIEWER, SEEN | MAY.ReceiveEvents),
    (CAB, Role.OPERATOR, SEEN | MAY.ReceiveEvents),
    (f"{CAB}/V1", Role.VIEWER, SEEN | MAY.Read | MAY.ReadHistory),
    (f"{CAB}/V1", Role.OPERATOR, SEEN | MAY.Read | MAY.ReadHistory),
    (f"{CAB}/Mode", Role.VIEWER, SEEN | MAY.Read),
    (f"{CAB}/Mode", Role.OPERATOR, SEEN | MAY.Read | MAY.Write),
    (f"{CAB}/Mode", Role.ENGINEER, SEEN | MAY.Read | MAY.Write | MAY.ReadRolePermissions),
    (f"{CAB}/Mode", Role.SECURITY, SEEN | MAY.Read | MAY.ReadRolePermissions),
    (f"{CAB}/Pulse", Role.OPERATOR, SEEN | MAY.Write),
    (f"{CAB}/Plate", Role.OPERATOR, MAY(0)),
    (f"{CAB}/Plate", Role.SUPERVISOR, SEEN | MAY.Read),
    (f"{CAB}/V1/LastUsableValue", Role.VIEWER, SEEN | MAY.Read),
    ("type/CAB", Role.VIEWER, SEEN),
    ("type/CAB/Mode", Role.OPERATOR, SEEN),
]


@pytest.mark.parametrize(("name", "role", "expected"), CASES)
def test_what_a_role_may_do_with_a_node(name: str, role: Role, expected: ua.PermissionType) -> None:
    assert of(name, User("anne", role)) == expected


def test_areas_narrow_what_a_user_may_do() -> None:
    assert of(f"{CAB}/Mode", User("anne", Role.OPERATOR, areas=frozenset({"21000"}))) == SEEN | MAY.Read
    elsewhere = frozenset({"21000"})
    assert of(f"{CAB}/Mode", User("guest", Role.OPERATOR, elsewhere, sees=elsewhere)) == MAY(0)


def test_the_attributes_say_it_by_well_known_roles() -> None:
    place = SPACE.find(f"{CAB}/Plate")
    assert place is not None
    read, attributes = Permissions(SPACE).read, ua.AttributeIds
    (own,) = read(place, attributes.UserRolePermissions, User("boss", Role.SUPERVISOR)).Value.Value
    assert (own.RoleId, own.Permissions) == (ua.NodeId(IDS.WellKnownRole_Supervisor), SEEN | MAY.Read)
    every = read(place, attributes.RolePermissions, User("officer", Role.SECURITY)).Value.Value
    assert [entry.RoleId for entry in every] == [ROLES[Role.SUPERVISOR], ROLES[Role.SECURITY]], "and nobody else"
    refused = read(place, attributes.RolePermissions, User("boss", Role.SUPERVISOR))
    assert refused.StatusCode.value == StatusCode.BadUserAccessDenied


METHODS = [
    (IDS.AcknowledgeableConditionType_Acknowledge, {Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER}),
    (IDS.ConditionType_AddComment, {Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER}),
    (IDS.ConditionType_Disable, set()),
    (IDS.AlarmConditionType_PlaceInService, {Role.SUPERVISOR, Role.ENGINEER}),
    (IDS.ConditionType_ConditionRefresh, set(Role)),
    (IDS.Server_GetMonitoredItems, set(Role)),
]


@pytest.mark.parametrize(("method", "roles"), METHODS)
def test_a_method_is_executable_for_the_roles_that_may_do_it(method: int, roles: set[Role]) -> None:
    """Source: OPC 10000-3, 5.7 (UserExecutable)."""
    assert {role for role in Role if may_call(method, User("anne", role))} == roles
