# SPDX-License-Identifier: Apache-2.0
"""OPC UA addresses as an engineer writes them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.words import Access, Kind
from drivers.opcua.address import OpcuaDevice, OpcuaPoint, check


@pytest.mark.parametrize(
    "node",
    [
        "i=2258", "ns=2;s=Plan", "ns=65535;i=4294967295", "nsu=urn:x:y;s=a;b=c", "ns=2;s={root}/Plan",
        "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", "ns=1;b=M/RbKBsRVkePCePcx24oRA==",
    ],
)  # fmt: skip
def test_nodes_of_the_standard_are_taken(node: str) -> None:
    assert OpcuaPoint(node=node).node == node


@pytest.mark.parametrize("node", ["Plan", "ns=2;Plan", "ns=70000;i=1", "ns=-1;i=1", "s=", "g=1234", "ns=2;x=1"])
def test_what_is_no_node_is_refused(node: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a n|at least"):
        OpcuaPoint(node=node)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"security": "Basic256Sha256"}, "expected mode Sign or SignAndEncrypt"),
        ({"mode": "Sign"}, "expected mode Sign or SignAndEncrypt"),
        ({"user": "vigie"}, "expected user and password_secret together"),
        ({"user": "vigie", "password": "x"}, "Extra inputs"),
        ({"publishing": "2 s", "keep_alive": "1 s"}, "expected keep_alive >= publishing"),
        ({"path": "a b"}, "pattern"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        OpcuaDevice.model_validate({"host": "h", **settings})


def test_the_endpoint_is_a_url() -> None:
    assert OpcuaDevice(host="10.0.0.1", path="/UA/x").endpoint == "opc.tcp://10.0.0.1:4840/UA/x"
    assert OpcuaDevice(host="::1", port=1).endpoint == "opc.tcp://[::1]:1"


@pytest.mark.parametrize(
    ("kind", "access", "more", "text"),
    [
        (Kind.String, Access.R, {"deadband": 1}, "expected a numeric kind"),
        (Kind.Double, Access.R, {"type": "Int16"}, "read only"),
        (Kind.String, Access.RW, {"type": "Int16"}, "can hold String"),
        (Kind.Double, Access.RW, {"type": "Boolean"}, "can hold Double"),
        (Kind.Enumeration, Access.RW, {"type": "UInt16"}, ""),
        (Kind.Double, Access.RW, {"type": "Int16", "deadband": 2}, ""),
    ],
)
def test_a_point_must_fit_its_kind_and_access(kind: Kind, access: Access, more: dict[str, Any], text: str) -> None:
    problems = check(kind, access, OpcuaPoint(node="i=1", **more))
    assert (not problems) if not text else text in problems[0]
