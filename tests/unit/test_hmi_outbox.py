# SPDX-License-Identifier: Apache-2.0
"""Every Publish request is answered once: by a message, or by the fault that the standard names for it."""

from __future__ import annotations

import math

from asyncua import ua

from supervisor.hmi.publishing.outbox import Outbox, Waiting

CODES = ua.StatusCodes


class Connection:
    """Writes down what leaves."""

    def __init__(self) -> None:
        self.faults: list[tuple[int, int]] = []
        self.answers: list[tuple[int, bytes]] = []

    def answer_publish(self, request: Waiting, message: bytes) -> None:
        self.answers.append((request.handle, message))

    def refuse_publish(self, request: Waiting, code: int) -> None:
        self.faults.append((request.handle, code))


def box() -> tuple[Outbox, Connection]:
    made, connection = Outbox(), Connection()
    made.attach(connection)
    return made, connection


def waiting(handle: int, due_s: float = math.inf) -> Waiting:
    return Waiting(handle, None, b"", due_s)


def test_too_many_requests_are_answered_from_the_oldest() -> None:
    """OPC 10000-4, 5.14.5.1."""
    outbox, connection = box()
    for handle in range(5):
        outbox.push(waiting(handle), 3, 0.0)
    assert connection.faults == [(0, CODES.BadTooManyPublishRequests), (1, CODES.BadTooManyPublishRequests)]
    assert [r.handle for r in outbox.requests] == [2, 3, 4]


def test_one_that_timed_out_makes_room_before_the_oldest_has_to_go() -> None:
    outbox, connection = box()
    outbox.push(waiting(1), 2, 0.0)
    outbox.push(waiting(2, due_s=5.0), 2, 0.0)
    outbox.push(waiting(3), 2, 6.0)
    assert connection.faults == [(2, CODES.BadTimeout)]


def test_requests_leave_first_in_first_out_and_expired_ones_are_told() -> None:
    """OPC 10000-4, 5.14.1.4, DequeuePublishReq."""
    outbox, connection = box()
    for handle, due_s in ((1, 2.0), (2, math.inf), (3, 1.0)):
        outbox.push(waiting(handle, due_s), 9, 0.0)
    assert outbox.expire(0.5) == 1.0
    first = outbox.pop(3.0)
    assert first is not None and first.handle == 2
    assert connection.faults == [(1, CODES.BadTimeout)]
    assert outbox.pop(3.0) is None and connection.faults[-1] == (3, CODES.BadTimeout)


def test_cancel_takes_every_request_of_a_handle() -> None:
    """OPC 10000-4, 5.7.5: a client may have used a handle twice."""
    outbox, connection = box()
    for handle in (7, 8, 7):
        outbox.push(waiting(handle), 9, 0.0)
    assert outbox.cancel(7) == 2 and outbox.cancel(7) == 0
    assert connection.faults == [(7, CODES.BadRequestCancelledByClient)] * 2
    assert [r.handle for r in outbox.requests] == [8]


def test_a_new_connection_does_not_answer_requests_of_the_old_one() -> None:
    outbox, old = box()
    outbox.push(waiting(1), 9, 0.0)
    new = Connection()
    outbox.attach(new)
    outbox.clear(CODES.BadSessionClosed)
    assert not old.faults and not new.faults
    outbox.push(waiting(2), 9, 0.0)
    outbox.detach(old)  # it notices late that it has gone
    assert len(outbox.requests) == 1
    outbox.clear(CODES.BadSessionClosed)
    assert new.faults == [(2, CODES.BadSessionClosed)]
    outbox.detach(new)
    outbox.send(waiting(3), b"nobody")
    assert new.answers == []
