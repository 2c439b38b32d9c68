# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_address.py
"""OPC UA as an engineer writes it: where a server is, how it is entered, and which node a value is.

Law of this file: shapes and ranges only; imports nothing but `config`. No bytes, no sockets, no protocol library.

A node is written as the standard writes it (OPC 10000-6, 5.3.1.10): `ns=2;s=Plan`, `i=2258`, `ns=3;g=...`;
or with the namespace's URI instead of its index, which a server may give anew at every start:
`nsu=urn:city:collector;s=Plan`. `{root}` in it is the device's own `root`, so that one type serves every junction of a
collector: `nsu=urn:city:collector;s={root}/Plan`.

The attribute is always Value. Of an array, each element is a tag of its own: `index: 3` is the fourth.
A password never stands in YAML: `password_secret` names it, see `drivers.opcua.secrets`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from config.model import Duration, Model
from config.words import Access, Kind

Security = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
ROOT: Final = "{root}"

# Built-in types a tag can be written as. Source: OPC 10000-6, 5.1.2.
WireType = Literal[
    "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String",
    "DateTime",
]  # fmt: skip

_NODE: Final = re.compile(
    r"(ns=(?P<ns>\d{1,5});|nsu=(?P<uri>[^;]{1,512});)?"
    r"(i=\d{1,10}|s=.{1,4096}|g=[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|b=[A-Za-z0-9+/]+={0,2})",
    re.DOTALL,
)


class OpcuaDevice(Model):
    """One OPC UA server, or one piece of equipment that a server (a gateway, a collector) tells of.

    Devices with the same host, port, path, security and user share one session; its settings (times, queue, limits) are
    those of the first of them.

    Attributes:
        host, port, path: the endpoint: opc.tcp://host:port/path.
        root: what `{root}` in the points' nodes stands for.
        security: the security policy; None only where the network itself is trusted.
        mode: of the messages; must be None with security None and only then.
        user: name to log in with; empty: anonymous.
        password_secret: name of the secret that holds the password: a systemd credential or an environment variable.
        certificates: folder of the client's own certificate and of those trusted; by default in the state folder.
        application_uri: what the server must call itself; anything else is another device, and none of its values is
            believed.
        identity_required: a server that does not say who it is counts as another one.
        subscribe: have changes told; without it, or where the server has no subscriptions, values are polled.
        publishing: how often the server tells changes [s].
        sampling: how often it looks for them [s]; by default as often as it tells them.
        keep_alive: longest silence of a subscription that stands [s]; after two of them it is made anew.
        queue: samples kept per item between two messages. 1 keeps the newest; only the newest reaches the tag table.
        nodes_max: nodes in one request; the server's own limits are kept in any case.
        window: requests in flight, beside those that wait for notifications.
        session_timeout: how long the server keeps a session without a request [s].
        connect_timeout: longest wait for the connection and its session [s].
        user_timeout: how long sent bytes may stay unacknowledged before the system drops the connection [s].
        keepalive: silence after which the system probes the connection [s].
    """

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=4840, ge=1, le=65535)
    path: str = Field(default="", max_length=200, pattern=r"^[A-Za-z0-9._~/-]*$")
    root: str = Field(default="", max_length=200)
    security: Security = "None"
    mode: Literal["None", "Sign", "SignAndEncrypt"] = "None"
    user: str = Field(default="", max_length=100)
    password_secret: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,100}$")
    certificates: str = ""
    application_uri: str = Field(default="", max_length=300)
    identity_required: bool = False
    subscribe: bool = True
    publishing: Duration = Field(default=1.0, ge=0.05, le=3600)
    sampling: Duration | None = Field(default=None, ge=0, le=3600)
    keep_alive: Duration = Field(default=5.0, ge=0.2, le=3600)
    queue: int = Field(default=1, ge=1, le=1000)
    nodes_max: int = Field(default=1000, ge=1, le=10_000)
    window: int = Field(default=4, ge=1, le=16)
    session_timeout: Duration = Field(default=60.0, ge=10, le=3600)
    connect_timeout: Duration = Field(default=5.0, ge=0.1, le=60)
    user_timeout: Duration = Field(default=3.0, ge=0.1, le=60)
    keepalive: Duration = Field(default=10.0, ge=1, le=7200)

    @model_validator(mode="after")
    def _fits(self) -> OpcuaDevice:
        if (self.mode == "None") != (self.security == "None"):
            raise ValueError(
                f"expected mode Sign or SignAndEncrypt with a security policy, and None without, got security "
                f"{self.security} with mode {self.mode}"
            )
        if bool(self.user) != bool(self.password_secret):
            raise ValueError("expected user and password_secret together, or neither (anonymous)")
        if self.keep_alive < self.publishing:
            raise ValueError(f"expected keep_alive >= publishing, got {self.keep_alive:g} s < {self.publishing:g} s")
        return self

    @property
    def endpoint(self) -> str:
        """The endpoint's URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"opc.tcp://{host}:{self.port}" + (f"/{self.path.lstrip('/')}" if self.path else "")


class OpcuaPoint(Model):
    """One value: the Value of a node, or one element of it.

    Attributes:
        node: the NodeId as text, see above.
        index: of an array, which element, 0..; None: the whole, scalar value.
        type: built-in type it is written as; by default the one the server answers with, before that the tag's kind
            (an Enumeration travels as Int32).
        deadband: smallest change that is worth telling, absolute, in the server's own unit; 0: every change.
    """

    node: str = Field(min_length=3, max_length=5000)
    index: int | None = Field(default=None, ge=0, le=1_000_000)
    type: WireType | None = None
    deadband: float | int = Field(default=0.0, ge=0, le=1e12)

    @field_validator("node")
    @classmethod
    def _is_node(cls, text: str) -> str:
        found = _NODE.fullmatch(text.replace(ROOT, "0"))
        if found is None:
            raise ValueError(f"expected a node such as 'ns=2;s=Plan', 'nsu=urn:x;s=Plan' or 'i=2258', got {text!r}")
        if found["ns"] and int(found["ns"]) > 65535:
            raise ValueError(f"expected a namespace index 0..65535, got {found['ns']}")
        return text


_NUMBERS: Final = frozenset(
    ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)


def check(kind: Kind, access: Access, address: OpcuaPoint) -> list[str]:
    """Problems of a point that need its kind and access."""
    problems = []
    numeric = kind.is_float or kind.is_integer
    if address.deadband and not numeric:
        problems.append(f"deadband: expected a numeric kind, got {kind.name} (a change of it is always told)")
    if address.type is not None:
        if not access.writable:
            problems.append("type: it says how a value is written, and this tag is read only; remove it")
        fits = address.type in _NUMBERS if numeric else address.type == kind.name
        if not fits:
            problems.append(f"type: expected one that can hold {kind.name}, got {address.type}")
    return problems
