# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_web.py
"""The status document as Prometheus metrics.

Law of this file: nothing is counted here. At each scrape the numbers are read from the live objects, through the same
document that `/status` shows, so that the two can never differ; those of devices in pieces. What was not measured yet
is absent, not 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervisor.hmi.contract import Counters
from supervisor.pieces import in_pieces


class HmiNumbers(Protocol):
    """What the OPC UA door tells of itself."""

    @property
    def counters(self) -> Counters: ...
    @property
    def sessions(self) -> int: ...
    @property
    def subscriptions(self) -> int: ...
    @property
    def monitored_items(self) -> int: ...
    def levels(self) -> Mapping[str, int]: ...
    def faults(self) -> Mapping[str, int]: ...


Status = Callable[[int | None], Awaitable[dict[str, Any]]]
Cells = Iterable[tuple[list[str], float | None]]


async def exposition(status: dict[str, Any], hmi: HmiNumbers | None) -> bytes:
    """The text a scrape gets: the families of a status document and of the OPC UA door, in a fixed order.

    Args:
        status: with all devices.
        hmi: None: a server without that door.
    """
    parts = [_text(_server(status)), await _devices_text(status["devices"])]
    parts += [_text(_history(status["history"])), _text(_commands(status))]
    if hmi is not None:
        parts.append(_text(_hmi(hmi)))
    return b"".join(parts)


class _Families(Collector):
    """Families as the library wants them; its own registry would add what the process has nothing to do with."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families


def _text(families: Iterable[Metric]) -> bytes:
    return generate_latest(_Families(families))


async def _devices_text(devices: list[dict[str, Any]]) -> bytes:
    """In pieces of devices, put together by family: each has its two lines of comment once, before its samples."""
    texts: dict[str, list[bytes]] = {}
    async for piece in in_pieces(devices):
        for family in _devices(piece):
            help_, type_, samples = _text([family]).split(b"\n", 2)
            texts.setdefault(family.name, [help_ + b"\n" + type_ + b"\n"]).append(samples)
    return b"".join(text for parts in texts.values() for text in parts)


def _gauge(name: str, text: str, labels: list[str], cells: Cells) -> Metric:
    family = GaugeMetricFamily(f"vigie_{name}", text, labels=labels)
    for values, number in cells:
        if number is not None:
            family.add_metric(values, number)
    return family


def _counter(name: str, text: str, labels: list[str], cells: Cells) -> Metric:
    family = CounterMetricFamily(f"vigie_{name}", text, labels=labels)
    for values, number in cells:
        if number is not None:
            family.add_metric(values, number)
    return family


def _server(s: dict[str, Any]) -> Iterator[Metric]:
    scan, tags = s["scan"], s["tags"]
    info = [s["site"], s["version"], s["role"]]
    yield _gauge("info", "Site, version and role of this server", ["site", "version", "role"], [(info, 1)])
    yield _gauge("uptime_seconds", "Time since start", [], [([], s["uptime_s"])])
    yield _gauge("epoch", "Number of this start", [], [([], s["epoch"])])
    yield _gauge("healthy", "1 while every part gives proof of life", [], [([], 0 if s["late"] else 1)])
    yield _gauge("errors", "Errors the server reports of itself", [], [([], len(s["errors"]))])
    qualities = [([quality], tags[quality]) for quality in ("good", "uncertain", "bad")]
    yield _gauge("tags", "Tags by quality", ["quality"], qualities)
    yield _gauge(
        "tags_not_supported", "Bad tags that no source is fitted or built for", [], [([], tags["not_supported"])]
    )
    yield _gauge("tags_waiting", "Bad tags that have no first value yet", [], [([], tags["waiting"])])
    yield _gauge("scan_period_seconds", "Period of the scan", [], [([], scan["period_ms"] / 1000)])
    p99 = scan["duration_ms_p99"] / 1000
    yield _gauge("scan_duration_p99_seconds", "99th percentile of the last scans", [], [([], p99)])
    yield _counter("scan_passes", "Scans since start", [], [([], scan["passes"])])
    yield _counter("scan_missed", "Scans that came too late and were left out", [], [([], scan["missed"])])
    yield _counter("values_applied", "Readings applied to the tag table", [], [([], scan["values_applied"])])


def _devices(devices: Sequence[dict[str, Any]]) -> Iterator[Metric]:
    names = [([d["name"], d["protocol"]], d) for d in devices]
    labels = ["device", "protocol"]
    yield _gauge("device_up", "1 while the device answers", labels, ((n, float(d["link"] == "up")) for n, d in names))
    trips = [(n, d["round_trip_mean_s"]) for n, d in names]
    yield _gauge("device_round_trip_seconds", "Mean time from question to answer", labels, trips)
    for key, text in (
        ("requests", "Questions put"),
        ("answers", "Questions answered"),
        ("misses", "Slots of a request that ended without an answer"),
        ("missed_slots", "Slots that could not begin in time"),
    ):
        yield _counter(f"device_{key}", text, labels, [(n, d[key]) for n, d in names])


def _commands(s: dict[str, Any]) -> Iterator[Metric]:
    commands, journal = s["commands"], s["journal"]
    verdicts = [([verdict], n) for verdict, n in commands["verdicts"].items()]
    yield _counter("commands", "Commands ended, by verdict", ["verdict"], verdicts)
    yield _gauge("commands_in_flight", "Commands under way", [], [([], commands["in_flight"])])
    yield _gauge("commands_in_flight_max", "Most that may be", [], [([], commands["in_flight_max"])])
    yield _counter("journal_records", "Records written", [], [([], journal["records"])])
    yield _counter("journal_refused", "Records that could not be written", [], [([], journal["refused"])])
    yield _gauge("journal_waiting", "Records that wait for the disk", [], [([], journal["waiting"])])
    yield _gauge("journal_bytes", "Size of the journal", [], [([], journal["size"])])
    yield _gauge("journal_bytes_max", "Most it may grow to", [], [([], journal["size_max"])])
    yield _gauge(
        "journal_writable", "0 after a record could not be written", [], [([], float(journal["error"] is None))]
    )


def _history(history: dict[str, Any]) -> Iterator[Metric]:
    if "samples" not in history:
        return
    yield _counter("history_samples", "Samples accepted, that is durable", [], [([], history["samples"])])
    yield _counter("history_lost", "Samples lost since start", [], [([], history["lost"])])
    yield _gauge("history_waiting", "Samples that wait for the disk", [], [([], history["waiting"])])
    yield _gauge("history_bytes", "Size of the history", [], [([], history["bytes"])])
    yield _gauge("history_writable", "0 while the disk refuses samples", [], [([], float(not history["refused"]))])


def _hmi(hmi: HmiNumbers) -> Iterator[Metric]:
    yield _gauge("hmi_sessions", "OPC UA sessions", [], [([], hmi.sessions)])
    yield _gauge("hmi_subscriptions", "OPC UA subscriptions", [], [([], hmi.subscriptions)])
    yield _gauge("hmi_monitored_items", "OPC UA monitored items", [], [([], hmi.monitored_items)])
    for name, n in hmi.levels().items():
        yield _gauge(f"hmi_{name}", f"OPC UA door: {name.replace('_', ' ')}", [], [([], n)])
    faults = [([code], n) for code, n in hmi.faults().items()]
    yield _counter("hmi_faults", "OPC UA requests answered by a fault, by StatusCode", ["code"], faults)
    for name, n in asdict(hmi.counters).items():
        yield _counter(f"hmi_{name}", f"OPC UA door: {name.replace('_', ' ')} since start", [], [([], n)])
