# SPDX-License-Identifier: Apache-2.0
"""What a user may do with the rows of a plant: role x area x organisation x class of data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.model import OrganisationModel, Role, UserModel
from config.words import Access, StatusCode
from supervisor.people import People, User
from supervisor.rights import GRANTS_MAX, Rights
from tests.plants import TypeSpec, make_plant, tag

GOOD, UNKNOWN, DENIED = StatusCode.Good, StatusCode.BadNodeIdUnknown, StatusCode.BadUserAccessDenied
CABINETS = ["21605/CAB-0001", "21605/CAB-0002", "21000/CAB-0003", "21000/CAB-0004"]
TAGS = {
    "P": tag("Float"),
    "Cmd": tag("Boolean", access=Access.RW),
    "Pulse": tag("Boolean", access=Access.W),
    "Plate": replace(tag("String"), personal=True),
}
BARE = make_plant({"CAB": TypeSpec(TAGS)}, {"CAB": CABINETS})
# The second and the fourth cabinet are maintained by a company, the others by the city itself.
PLANT = replace(BARE, types={"CAB": replace(BARE.types["CAB"], maintained_by=("", "Elec", "", "Elec"))})
PLANT._where.update({path: (PLANT.types["CAB"], i) for i, path in enumerate(CABINETS)})
RIGHTS = Rights(PLANT)

ROLES = [Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER, Role.SECURITY]
HERE = frozenset({"21605"})


def of_block(name: str, user: User, *, write: bool = False) -> list[StatusCode]:
    grants, rows = RIGHTS.of(user), np.arange(PLANT.rows)[PLANT.types["CAB"].blocks[name].rows]
    return [StatusCode(int(code)) for code in (grants.writing(rows) if write else grants.reading(rows))]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_reads_where_it_sees_and_nowhere_else(role: Role) -> None:
    assert of_block("P", User("u", role)) == [GOOD] * 4
    assert of_block("P", User("u", role, sees=HERE)) == [GOOD, GOOD, UNKNOWN, UNKNOWN]
    assert of_block("Pulse", User("u", role)) == [StatusCode.BadNotReadable] * 4


@pytest.mark.parametrize("role", ROLES)
def test_personal_data_is_not_there_for_a_role_that_may_not_read_it(role: Role) -> None:
    seen = role in (Role.SUPERVISOR, Role.SECURITY)
    assert of_block("Plate", User("u", role)) == [GOOD if seen else UNKNOWN] * 4
    assert of_block("Plate", User("u", role, personal=False)) == [UNKNOWN] * 4


@pytest.mark.parametrize("role", ROLES)
def test_who_writes_and_where(role: Role) -> None:
    may = GOOD if role in (Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER) else DENIED
    assert of_block("Cmd", User("u", role), write=True) == [may] * 4
    assert of_block("Cmd", User("u", role, HERE), write=True) == [may, may, DENIED, DENIED]
    assert of_block("Cmd", User("u", role, sees=HERE), write=True) == [may, may, UNKNOWN, UNKNOWN]
    assert of_block("P", User("u", role), write=True) == [StatusCode.BadNotWritable] * 4


def test_people_of_a_limited_organisation_have_what_it_maintains_and_nothing_else() -> None:
    worker = User("w", Role.ENGINEER, None, "Elec", limited=True)
    assert of_block("P", worker) == [UNKNOWN, GOOD, UNKNOWN, GOOD]
    assert of_block("Cmd", worker, write=True) == [UNKNOWN, GOOD, UNKNOWN, GOOD]
    assert of_block("P", replace(worker, sees=HERE)) == [UNKNOWN, GOOD, UNKNOWN, UNKNOWN]
    assert of_block("P", replace(worker, organisation="Other")) == [UNKNOWN] * 4
    assert of_block("P", replace(worker, organisation=None)) == [UNKNOWN] * 4  # nobody's equipment is not theirs


def test_areas_are_there_for_who_sees_something_of_them() -> None:
    assert RIGHTS.of(User("u", Role.VIEWER)).areas == {"21605", "21000"}
    assert RIGHTS.of(User("u", Role.VIEWER, sees=HERE)).areas == HERE
    assert RIGHTS.of(User("u", Role.VIEWER, None, "Other", limited=True)).areas == frozenset()


def test_an_unknown_row_is_unknown_to_everybody() -> None:
    for role in ROLES:
        grants = RIGHTS.of(User("u", role))
        assert grants.reading(np.array([-1, 0])).tolist() == [UNKNOWN, GOOD]
        assert grants.writing(np.array([-1])).tolist() == [UNKNOWN]
        assert not grants.sees_row(-1) and not grants.may_write_row(-1)


users = st.builds(
    User,
    st.just("u"),
    st.sampled_from(ROLES),
    st.none() | st.frozensets(st.sampled_from(["21605", "21000"])),
    st.none() | st.sampled_from(["Elec", "Other"]),
    st.none() | st.frozensets(st.sampled_from(["21605", "21000"])),
    st.booleans(),
    st.booleans(),
)


@given(users)
def test_the_verdicts_over_all_rows_are_those_of_each_piece_of_equipment(user: User) -> None:
    grants, rows = RIGHTS.of(user), np.arange(PLANT.rows)
    reading, writing = grants.reading(rows).tolist(), grants.writing(rows).tolist()
    for row in rows.tolist():
        equipment = PLANT.name(row).rpartition("/")[0]
        domain = equipment.partition("/")[0], PLANT.maintainer(equipment)
        info = PLANT.block(row).info
        seen = user.may_see(*domain) and (not info.personal or user.may_read_personal())
        assert (reading[row] == UNKNOWN) is not seen and (writing[row] == UNKNOWN) is not seen
        assert (writing[row] == GOOD) is (seen and info.access.writable and user.may_write(*domain))
        assert grants.sees_row(row) is seen is bool(grants.sees(rows)[row])


def test_verdicts_are_kept_for_a_bounded_number_of_users() -> None:
    rights = Rights(PLANT)
    first = rights.of(User("u0", Role.VIEWER))
    for i in range(GRANTS_MAX):
        rights.of(User(f"u{i}", Role.VIEWER))
    assert rights.of(User("u0", Role.VIEWER)) is first
    rights.of(User("one more", Role.VIEWER))
    assert len(rights._grants) == GRANTS_MAX


def test_a_site_gives_its_organisations_their_rights() -> None:
    models = [
        UserModel(name="wanda", role="supervisor", areas=["21605"], organisation="Elec"),
        UserModel(name="petra", role="supervisor", areas=["21605"], sees="all", organisation="City"),
    ]
    organisations = {"Elec": OrganisationModel(limited=True), "City": OrganisationModel()}
    people = People.of(models, organisations)
    wanda, petra = people.named("wanda"), people.named("petra")
    assert wanda is not None and petra is not None
    assert wanda.limited and not wanda.may_read_personal() and wanda.sees == {"21605"}
    assert not petra.limited and petra.may_read_personal() and petra.sees is None and petra.areas == {"21605"}
    trusted = {**organisations, "Elec": OrganisationModel(limited=True, personal=True)}
    granted = People.of(models, trusted).named("wanda")
    assert granted is not None and granted.may_read_personal()
