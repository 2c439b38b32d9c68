# SPDX-License-Identifier: Apache-2.0
"""The status document: shape, counts, and that nothing unmeasured is a number."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from config.words import LinkState, StatusCode
from drivers.status import DeviceStatus
from historian.base import JournalStatus
from supervisor.commands.commands import CommandsStatus
from supervisor.status import Post, ScanNumbers, count_devices, count_tags, device_document, status_document
from tests.post import plant

NAN = float("nan")
DEVICE = DeviceStatus(
    "d",
    "modbus",
    LinkState.BACKING_OFF,
    "d down 5 s: no reply",
    5_000_000_000,
    9,
    4,
    3,
    2,
    True,
    NAN,
    0.02,
    2.0,
    NAN,
    ("x",),
)
COMMANDS = CommandsStatus(1, 256, {"confirmed": 3, "refused": 0, "unknown": 0, "expired": 0}, {"confirmed": 3}, 0, 0)
SCAN = ScanNumbers(100.0, 1.23456, 77, 2, 1000)


def journal(error: str | None = None) -> JournalStatus:
    return JournalStatus(error, None if error is None else 1.0, "", 5, 0, 0, 4096, 100, 1000)


def document(error: str | None = None, late: tuple[str, ...] = (), errors: tuple[str, ...] = ()) -> dict[str, Any]:
    made = plant()
    post = Post("hand", "0.1", "active", 4, 1, late, 1_000_000_000, 11_000_000_000, errors)
    statuses = np.zeros(made.rows, np.uint32)
    told = status_document(post, made, statuses, [(DEVICE.protocol, DEVICE.link)], SCAN, journal(error), COMMANDS)
    return told | {"devices": [device_document(DEVICE, post.now_ns)]}


def test_it_has_the_agreed_shape_and_is_json() -> None:
    d = document()
    assert {"site", "role", "generation", "tags", "devices", "alarms", "scan", "history"} <= d.keys()
    assert d["tags"] == {"total": 20, "good": 20, "bad": 0, "uncertain": 0, "not_supported": 0, "waiting": 0}
    assert {"name", "protocol", "link", "since"} <= d["devices"][0].keys()
    assert {"active", "unacked", "shelved", "suppressed", "unevaluable"} <= d["alarms"].keys()
    assert set(d["alarms"].values()) == {None}, "nobody counted: null, not 0"
    assert {"period_ms", "duration_ms_p99", "missed"} <= d["scan"].keys()
    assert d["history"] == {"state": "off"}
    assert d["uptime_s"] == 10.0
    assert d["device_counts"] == {"total": 1, "up": 0, "protocols": {"modbus": {"total": 1, "up": 0}}}
    assert json.loads(json.dumps(d, allow_nan=False)) == d


def test_a_device_says_since_when_and_null_for_what_was_not_measured() -> None:
    (device,) = document()["devices"]
    assert device["since"] == "1970-01-01T00:00:05.000Z"
    assert device["for_s"] == 6.0
    assert device["link"] == "backing_off"
    assert device["round_trip_last_s"] is None
    assert device["round_trip_mean_s"] == 0.02
    assert device["notes"] == ["x"]
    assert device["identity"] == {"declared": None, "answered": None, "wrong": None}, "nobody said who it must be"


def test_errors_are_sentences_of_everyone_who_has_one() -> None:
    assert document()["errors"] == []
    assert document("journal /x: no space is left", ("scan", "journal"), ("pki: expired",))["errors"] == [
        "no proof of life from: scan, journal; commands are refused",
        "journal /x: no space is left",
        "pki: expired",
    ]


@given(st.lists(st.sampled_from([*map(int, StatusCode), 0xC0000000, 0xFFFFFFFF, 0x3FFFFFFF, 0x7FFFFFFF])))
def test_every_tag_is_counted_once(codes: list[int]) -> None:
    counts = count_tags(np.array(codes, np.uint32))
    assert counts["total"] == len(codes) == counts["good"] + counts["uncertain"] + counts["bad"]
    assert counts["good"] == sum(c < 0x40000000 for c in codes)
    assert counts["bad"] == sum(c >= 0x80000000 for c in codes)
    assert counts["not_supported"] == codes.count(StatusCode.BadNotSupported)
    assert counts["waiting"] == codes.count(StatusCode.BadWaitingForInitialData)


@given(st.lists(st.tuples(st.sampled_from(["modbus", "dali", "bacnet"]), st.sampled_from(LinkState))))
def test_every_device_is_counted_once_and_in_its_protocol(links: list[tuple[str, LinkState]]) -> None:
    counts = count_devices(links)
    assert (counts["total"], counts["up"]) == (len(links), sum(link is LinkState.UP for _, link in links))
    for key in ("total", "up"):
        assert counts[key] == sum(of[key] for of in counts["protocols"].values())
    assert list(counts["protocols"]) == sorted({protocol for protocol, _ in links})
