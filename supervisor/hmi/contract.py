# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_server.py
"""What the HMI's door needs from outside and tells the outside: settings, limits, counters, the way of a command.

Law of this file: words only; no asyncua, so that whoever wires or shows the server need not import it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from config.words import StatusCode, Verdict
from supervisor.people import User

if TYPE_CHECKING:
    from historian.store.reader import Reader

T = TypeVar("T")


class HmiError(Exception):
    """The server cannot start as configured. The text is one sentence for the engineer: what, where, what to do."""


@dataclass(frozen=True, slots=True)
class HmiSettings:
    """How the door is opened.

    Attributes:
        host: address to listen on.
        port: 0: the operating system gives one.
        site: name of the site; the namespace of tags is 'urn:vigie:<site>'.
        state_dir: certificates live in its folder 'pki'.
        insecure_loopback: adds an unencrypted endpoint on 127.0.0.1 for an anonymous viewer (load tests).
        accept_unknown_certificates: demo only: unknown client certificates are accepted and logged, not rejected.
    """

    host: str
    port: int
    site: str
    state_dir: Path
    insecure_loopback: bool = False
    accept_unknown_certificates: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server; each has its OPC UA status code or closes the connection. Counted where they bite.

    Attributes:
        connections: open TCP connections; `connections_per_address`: of these from one address; `strangers`: of these
            that have not logged in: beyond it the one that has waited longest is dropped.
        hello_s, channel_s, login_s: how long a connection may take to each of these steps [s].
        chunk_s: how long it may take to send one chunk [s].
        session_s: shortest and longest time without a word of the client after which its session ends [s].
        sessions: sessions in all; `unactivated`: of these not logged in yet: beyond it the oldest is closed.
        subscriptions, items: in all; `subscriptions_per_session`: of one session.
        nodes_per_call: operations in one Read, Write, Browse, CreateMonitoredItems ... request.
        node_items: monitored attributes of nodes, one object each, in all.
        links_per_subscription: triggering links.
        queue_len_max: longest queue of one item; `queue_slots`: places in all queues of values, 28 bytes each.
        publishing_ms_min: shortest publishing interval [ms]; `sampling_ms_min`: shortest sampling interval, a scan.
        keep_alive_count: of a client that names none; `keep_alive_count_max`, `lifetime_count_max`: most.
        publish_requests: Publish requests of a session that wait, beyond one for each of its subscriptions.
        notifications_per_publish: most notifications in one message, whatever the client allows.
        unacknowledged: messages kept for Republish, per subscription; `retransmission_bytes`: their bytes;
            `retransmission_bytes_total`: of all subscriptions.
        chunk_bytes: longest chunk received; `message_bytes`: longest message, `message_bytes_early`: before login.
        malformed_requests: that cannot be decoded, of one connection; then it is closed.
        write_buffer_bytes: bytes a client may leave unread before it is cut off.
        references_per_browse: references in one answer for one node; the rest by BrowseNext.
        continuation_points: of one session.
        commands: writes under way in all.
        write_answer_s: a Write is answered within this time, its command done or not [s]; 2 s less the way back.
        logins: passwords being checked at one time.
        history_reads: HistoryRead requests under way in all; `history_reads_per_connection`: of one connection.
        history_nodes_per_read: nodes of one HistoryRead.
        history_values: values of one node in one answer; `history_values_per_answer`: of all its nodes together.
        history_events: events of one node in one answer.
        history_points: continuation points for history of one session.
        history_answer_s: nodes not begun after this time get BadTimeout [s].
    """

    connections: int = 256
    connections_per_address: int = 64
    strangers: int = 64
    hello_s: float = 5.0
    channel_s: float = 10.0
    login_s: float = 30.0
    chunk_s: float = 30.0
    session_s: tuple[float, float] = (5.0, 600.0)
    sessions: int = 200
    unactivated: int = 50
    subscriptions: int = 1_000
    subscriptions_per_session: int = 100
    items: int = 2_000_000
    nodes_per_call: int = 10_000
    node_items: int = 5_000
    links_per_subscription: int = 10_000
    queue_len_max: int = 1_000
    queue_slots: int = 4_000_000
    publishing_ms_min: float = 50.0
    sampling_ms_min: float = 100.0
    keep_alive_count: int = 10
    keep_alive_count_max: int = 100_000
    lifetime_count_max: int = 300_000
    publish_requests: int = 20
    notifications_per_publish: int = 20_000
    unacknowledged: int = 32
    retransmission_bytes: int = 8 * 2**20
    retransmission_bytes_total: int = 128 * 2**20
    chunk_bytes: int = 65_535
    message_bytes: int = 16 * 2**20
    message_bytes_early: int = 128 * 2**10
    malformed_requests: int = 100
    write_buffer_bytes: int = 32 * 2**20
    references_per_browse: int = 1_000
    continuation_points: int = 10
    commands: int = 1_000
    write_answer_s: float = 1.9
    logins: int = 16
    history_reads: int = 8
    history_reads_per_connection: int = 4
    history_nodes_per_read: int = 1_000
    history_values: int = 10_000
    history_values_per_answer: int = 100_000
    history_events: int = 1_000
    history_points: int = 1_000
    history_answer_s: float = 10.0


@dataclass(slots=True)
class Counters:
    """What the door did since start; `/metrics` shows it.

    Attributes:
        events: of alarms and of the server, each counted once; `events_lost`: places in full queues of clients.
    """

    reads: int = 0
    writes: int = 0
    notifications: int = 0
    events: int = 0
    events_lost: int = 0
    logins: int = 0
    rejected_logins: int = 0
    held_logins: int = 0
    audit_summarised: int = 0
    audit_lost: int = 0
    rejected_certificates: int = 0
    rejected_messages: int = 0
    rejected_connections: int = 0
    dropped_connections: int = 0
    rejected_sessions: int = 0
    dropped_sessions: int = 0
    slow_clients: int = 0
    history_values: int = 0
    history_refused: int = 0


class PastSource(Protocol):
    """The history as this door sees it: `supervisor.recording.history.History`."""

    @property
    def reader(self) -> Reader: ...

    def ask(self, job: Callable[[], T]) -> Awaitable[T]:
        """Run a query off the loop, bounded in number."""
        ...


class PutResult(Protocol):
    """How a command stands when `put` returns."""

    @property
    def status(self) -> StatusCode: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def reason(self) -> str: ...


PutFunction = Callable[[User, int, bool | int | float | str, str], Awaitable[PutResult]]
