# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_status_document.py
"""How the server is, in one document: `/status`, `vigie status`, the demo's screen and the metrics all show this one.

Law of this file: pure; what it tells is handed in; counting is columnar. What is not built is null or says so: a number
that nobody measured is not 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from config.words import LinkState, StatusCode, Statuses
from drivers.status import DeviceStatus, Probed
from historian.base import JournalStatus
from supervisor.alarms.happening import Counts
from supervisor.commands.commands import CommandsStatus
from supervisor.commands.values import iso
from supervisor.plant.plant import Plant


@dataclass(frozen=True, slots=True)
class ScanNumbers:
    """How the scan does: period and 99th percentile of its duration [ms], passes and missed since start."""

    period_ms: float
    duration_ms_p99: float
    passes: int
    missed: int
    values_applied: int


@dataclass(frozen=True, slots=True)
class Post:
    """The server itself.

    Attributes:
        role: 'active' for a site without a peer.
        epoch: number of this start.
        generation: of the plant, 1 at start.
        late: parts whose proof of life is too old; empty while the post may command.
        started_ns, now_ns: UTC [ns].
        errors: sentences of other parts that something is wrong with.
    """

    site: str
    version: str
    role: str
    epoch: int
    generation: int
    late: Sequence[str]
    started_ns: int
    now_ns: int
    errors: Sequence[str] = ()


def count_tags(status: Statuses) -> dict[str, int]:
    """Tags by quality. Among the bad, `not_supported` have no source fitted or built, `waiting` no first value yet."""
    good, uncertain, bad, invalid = np.bincount(status >> 30, minlength=4).tolist()
    return {
        "total": len(status),
        "good": good,
        "bad": bad + invalid,
        "uncertain": uncertain,
        "not_supported": int(np.count_nonzero(status == StatusCode.BadNotSupported)),
        "waiting": int(np.count_nonzero(status == StatusCode.BadWaitingForInitialData)),
    }


def count_devices(links: Iterable[tuple[str, LinkState]]) -> dict[str, Any]:
    """Devices, and how many of them answer: all, and those of each protocol by name.

    Args:
        links: protocol and state of each device.
    """
    protocols: dict[str, dict[str, int]] = {}
    for protocol, link in links:
        counts = protocols.setdefault(protocol, {"total": 0, "up": 0})
        counts["total"] += 1
        counts["up"] += link is LinkState.UP
    total, up = (sum(counts[key] for counts in protocols.values()) for key in ("total", "up"))
    return {"total": total, "up": up, "protocols": dict(sorted(protocols.items()))}


def status_document(
    post: Post,
    plant: Plant,
    statuses: Statuses,
    links: Iterable[tuple[str, LinkState]],
    scan: ScanNumbers,
    journal: JournalStatus,
    commands: CommandsStatus,
    alarms: Counts | None = None,
    history: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document, ready for JSON; `devices` is empty, for those that were asked for (`device_document`).

    Args:
        statuses: the table's status column, (plant.rows,).
        links: protocol and state of each device of the plant.
        alarms: None for a server without an alarm engine: null, not 0.
        history: as `supervisor.recording.history` tells it; None for a server that records nothing.
    """
    return {
        "site": post.site,
        "version": post.version,
        "role": post.role,
        "epoch": post.epoch,
        "generation": post.generation,
        "plant": plant.digest.hex(),
        "started": iso(post.started_ns),
        "uptime_s": round((post.now_ns - post.started_ns) / 1e9, 3),
        "late": list(post.late),
        "errors": _errors(post, journal),
        "tags": count_tags(statuses),
        "equipment": sum(len(t.equipment) for t in plant.types.values()),
        "device_counts": count_devices(links),
        "devices": [],
        "alarms": dict.fromkeys(Counts.__slots__) if alarms is None else asdict(alarms),
        "scan": {
            "period_ms": scan.period_ms,
            "duration_ms_p99": round(scan.duration_ms_p99, 3),
            "passes": scan.passes,
            "missed": scan.missed,
            "values_applied": scan.values_applied,
        },
        "history": {"state": "off"} if history is None else dict(history),
        "journal": {
            "error": journal.error,
            "repair": journal.repair or None,
            "reserve": journal.reserve,
            "head": journal.head or None,
            "records": journal.records,
            "refused": journal.refused,
            "waiting": journal.waiting,
            "waiting_max": journal.waiting_max,
            "size": journal.size,
            "size_max": journal.size_max,
        },
        "commands": {
            "in_flight": commands.in_flight,
            "in_flight_max": commands.in_flight_max,
            "verdicts": commands.verdicts,
            "causes": commands.causes,
            "refusals_not_journalled": commands.refusals_not_journalled,
            "verdicts_not_journalled": commands.verdicts_not_journalled,
        },
    }


def _errors(post: Post, journal: JournalStatus) -> list[str]:
    errors = [f"no proof of life from: {', '.join(post.late)}; commands are refused"] if post.late else []
    if journal.error is not None:
        errors.append(journal.error)
    if journal.reserve is not None:
        errors.append(journal.reserve)
    return [*errors, *post.errors]


def device_document(device: DeviceStatus, now_ns: int) -> dict[str, Any]:
    """One device. Times in seconds; null where nothing was measured yet."""
    return {
        "name": device.name,
        "protocol": device.protocol,
        "link": device.link.value,
        "since": iso(device.since_ns),
        "for_s": round((now_ns - device.since_ns) / 1e9, 3),
        "reason": device.reason,
        "requests": device.requests,
        "answers": device.answers,
        "misses": device.misses,
        "missed_slots": device.missed_slots,
        "demoted": device.demoted,
        "round_trip_last_s": _measured(device.round_trip_last_s),
        "round_trip_mean_s": _measured(device.round_trip_mean_s),
        "requested_s": _measured(device.requested_s),
        "achieved_s": _measured(device.achieved_s),
        "identity": {
            "declared": device.declared or None,
            "answered": device.answered or None,
            "wrong": device.impostor or None,
        },
        "notes": list(device.notes),
    }


def probe_document(probed: Probed, now_ns: int) -> dict[str, Any]:
    """One device in full: as `device_document`, its questions, and who it says it is just now."""
    return {
        **device_document(probed.status, now_ns),
        "now": {"said": probed.said or None, "why": probed.why or None, "round_trip_s": _measured(probed.trip_s)},
        "exchanges": [
            {
                "label": e.label,
                "poll": e.poll,
                "points": e.points,
                "answers": e.answers,
                "period_s": e.period_s,
                "achieved_s": _measured(e.achieved_s),
                "refused": list(e.notes),
            }
            for e in probed.exchanges
        ],
    }


def _measured(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
