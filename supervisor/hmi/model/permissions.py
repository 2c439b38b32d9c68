# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_permissions.py
"""RolePermissions and UserRolePermissions of plant and live nodes, and which methods a user's role may call.

Law of this file: nothing is decided here; what `rights.py` would answer is said in the words of OPC 10000-3. A role is
told what its holder may do at best; areas and organisations narrow that, and are in UserRolePermissions.

Source: OPC 10000-3, 4.9.2 (well-known roles), 5.2.9 and 5.2.10 (attributes), 8.55 (PermissionType).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from asyncua import ua

from config.model import Role
from config.words import StatusCode
from supervisor.alarms.events import Disable, Enable
from supervisor.alarms.rights import roles_for
from supervisor.hmi.conditions.methods import METHODS, Arguments
from supervisor.hmi.model.live import Live
from supervisor.hmi.model.place import Place, What
from supervisor.hmi.model.properties import data_value
from supervisor.hmi.model.space import Space
from supervisor.people import WRITERS, User
from supervisor.plant.plant import TagInfo

_ID: Final = ua.AttributeIds
ATTRIBUTES: Final = frozenset({int(_ID.RolePermissions), int(_ID.UserRolePermissions)})

ROLES: Final = {
    Role.VIEWER: ua.NodeId(ua.ObjectIds.WellKnownRole_Observer),
    Role.OPERATOR: ua.NodeId(ua.ObjectIds.WellKnownRole_Operator),
    Role.SUPERVISOR: ua.NodeId(ua.ObjectIds.WellKnownRole_Supervisor),
    Role.ENGINEER: ua.NodeId(ua.ObjectIds.WellKnownRole_Engineer),
    Role.SECURITY: ua.NodeId(ua.ObjectIds.WellKnownRole_SecurityAdmin),
}
_MAY: Final = ua.PermissionType
_TOLD_OF_OTHERS: Final = frozenset({Role.ENGINEER, Role.SECURITY})
"""Who may read what other roles may do."""
_BEST: Final = {role: User(f"any {role}", role) for role in Role}
"""The most that the holder of a role can be: in every area, for every maintainer."""


_REFUSED: Final = frozenset({Enable, Disable})
"""What takes the number of a change record, for which the methods have no argument: refused to everybody."""


class Permissions:
    """Permissions on places."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def read(self, place: Place, attribute: int, user: User) -> ua.DataValue:
        """RolePermissions or UserRolePermissions of a place that this user sees."""
        return _read(attribute, user, lambda who: self.of(place, who))

    def of(self, place: Place, user: User) -> ua.PermissionType:
        """What this user may do with this node; nothing if it is not there for them."""
        if not self._space.visible(place, user):
            return _MAY(0)
        may = _MAY.Browse
        if user.role in _TOLD_OF_OTHERS:
            may |= _MAY.ReadRolePermissions
        if place.what.is_notifier:
            may |= _MAY.ReceiveEvents
        if place.what.is_property:
            may |= _MAY.Read
        elif place.what is What.TAG and place.block is not None:
            may |= _reading(place.block.info)
            if self._space.rights.of(user).may_write_row(place.row):
                may |= _MAY.Write
        return may


def of_live(live: Live, attribute: int, user: User) -> ua.DataValue:
    """RolePermissions or UserRolePermissions of a live node that this user sees: such nodes are only looked at."""
    there = _MAY.Browse if live.value is None else _MAY.Browse | _MAY.Read

    def may(who: User) -> ua.PermissionType:
        if not live.open_to(who):
            return _MAY(0)
        return there | _MAY.ReadRolePermissions if who.role in _TOLD_OF_OTHERS else there

    return _read(attribute, user, may)


def _read(attribute: int, user: User, may: Callable[[User], ua.PermissionType]) -> ua.DataValue:
    """One of the two attributes, from what somebody may do with the node."""
    if attribute == _ID.UserRolePermissions:
        return _told({user.role: may(user)})
    if user.role not in _TOLD_OF_OTHERS:
        return data_value(None, StatusCode.BadUserAccessDenied)
    return _told({role: may(best) for role, best in _BEST.items()})


def _reading(info: TagInfo) -> ua.PermissionType:
    """What whoever sees a tag may read of it."""
    if not info.access.readable:
        return _MAY(0)
    return _MAY.Read if info.history_class == "N" else _MAY.Read | _MAY.ReadHistory


def _told(by_role: dict[Role, ua.PermissionType]) -> ua.DataValue:
    """Roles that may do nothing are not listed."""
    entries = [ua.RolePermissionType(ROLES[role], may) for role, may in by_role.items() if may]
    return data_value(ua.Variant(entries, ua.VariantType.ExtensionObject, is_array=True))


def may_call(method: int, user: User) -> bool:
    """Whether a method of namespace 0 that can be called can be called by this user's role, somewhere."""
    known = METHODS.get(method)
    if known is None:
        return True  # refreshing, and asking the server about one's own items
    if known.act is None:
        return user.role in WRITERS
    event = type(known.act(Arguments(), 0))
    return event not in _REFUSED and user.role in roles_for(event)
