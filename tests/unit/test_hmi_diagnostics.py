# SPDX-License-Identifier: Apache-2.0
"""What is counted of requests, and which counter of the standard each belongs to."""

from __future__ import annotations

import pytest
from asyncua import ua

from config.model import Role
from supervisor.hmi.entrance.diagnostics import _COUNTED, may_see_security
from supervisor.hmi.entrance.tally import RequestTally, ServerTally
from supervisor.people import User

CODES = ua.StatusCodes
READ = ua.ObjectIds.ReadRequest_Encoding_DefaultBinary
CREATE = ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary


def test_every_service_counter_of_a_session_has_its_request() -> None:
    """Source: OPC 10000-5, 12.12: 28 counters of services beside the total."""
    assert _COUNTED["ReadCount"] == READ
    assert _COUNTED["TranslateBrowsePathsToNodeIdsCount"]
    assert "TotalRequestCount" not in _COUNTED and "UnauthorizedRequestCount" not in _COUNTED
    assert len(_COUNTED) == 28


@pytest.mark.parametrize(
    ("type_id", "code", "expected"),
    [
        (READ, CODES.BadNothingToDo, (0, 0, 1, 0)),
        (READ, CODES.BadSessionIdInvalid, (0, 0, 1, 1)),
        (CREATE, CODES.BadTooManySessions, (1, 0, 1, 0)),
        (CREATE, CODES.BadCertificateUriInvalid, (1, 1, 1, 1)),
    ],
)
def test_a_fault_is_counted_by_what_it_was_for(type_id: int, code: int, expected: tuple[int, ...]) -> None:
    tally = ServerTally()
    tally.fault(type_id, code)
    assert expected == (
        tally.rejected_sessions,
        tally.security_rejected_sessions,
        tally.rejected_requests,
        tally.security_rejected_requests,
    )


def test_a_session_counts_its_own_faults() -> None:
    tally = RequestTally()
    tally.fault(READ, CODES.BadNothingToDo)
    tally.fault(READ, CODES.BadUserAccessDenied)
    assert (tally.failed[READ], tally.unauthorized) == (2, 1)


def test_only_the_security_officer_knows_how_others_came() -> None:
    assert [role for role in Role if may_see_security(User("x", role))] == [Role.SECURITY]
