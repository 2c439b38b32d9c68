# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_web.py
"""The status document as Prometheus metrics.

Law of this file: nothing is counted here. At each scrape the numbers are read from the live objects, through the same
document that `/status` shows, so that the two can never differ. What was not measured yet is absent, not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervisor.hmi.contract import Counters


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


Status = Callable[..., dict[str, Any]]
Cells = Iterable[tuple[list[str], float | None]]


class StatusCollector(Collector):
    """Reads the live objects at each scrape."""

    def __init__(self, status: Status, hmi: HmiNumbers | None) -> None:
        self._status = status
        self._hmi = hmi

    def collect(self) -> Iterator[Metric]:
        """All families, in a fixed order."""
        status = self._status()
        yield from _server(status)
        yield from _devices(status["devices"])
        yield from _history(status["history"])
        yield from _commands(status)
        if self._hmi is not None:
            yield from _hmi(self._hmi)


def registry(status: Status, hmi: HmiNumbers | None) -> CollectorRegistry:
    """A registry of ours alone: the library's own would add what the process has nothing to do with."""
    made = CollectorRegistry(auto_describe=False)
    made.register(StatusCollector(status, hmi))
    return made


def exposition(made: CollectorRegistry) -> bytes:
    """The text a scrape gets."""
    return generate_latest(made)


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
    yield _gauge("scan_period_seconds", "Period of the scan", [], [([], scan["period_ms"] / 1000)])
    p99 = scan["duration_ms_p99"] / 1000
    yield _gauge("scan_duration_p99_seconds", "99th percentile of the last scans", [], [([], p99)])
    yield _counter("scan_passes", "Scans since start", [], [([], scan["passes"])])
    yield _counter("scan_missed", "Scans that came too late and were left out", [], [([], scan["missed"])])
    yield _counter("values_applied", "Readings applied to the tag table", [], [([], scan["values_applied"])])


def _devices(devices: list[dict[str, Any]]) -> Iterator[Metric]:
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
