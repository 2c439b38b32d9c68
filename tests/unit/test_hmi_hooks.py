# SPDX-License-Identifier: Apache-2.0
"""What we lean on inside asyncua, name by name: a new version that moves one of them fails here, with its name."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.common import connection, utils
from asyncua.crypto import security_policies, uacrypto
from asyncua.server import (
    address_space,
    binary_server_asyncio,
    internal_server,
    internal_session,
    uaprocessor,
)
from asyncua.ua import ua_binary

METHODS: list[tuple[Any, str, list[str]]] = [
    (uaprocessor.UaProcessor, "__init__", ["self", "internal_server", "transport", "limits"]),
    (uaprocessor.UaProcessor, "process", ["self", "header", "body"]),
    (uaprocessor.UaProcessor, "process_message", ["self", "seqhdr", "body"]),
    (uaprocessor.UaProcessor, "_process_message", ["self", "typeid", "requesthdr", "seqhdr", "body"]),
    (uaprocessor.UaProcessor, "send_response", ["self", "requesthandle", "seqhdr", "response", "msgtype"]),
    (uaprocessor.UaProcessor, "close", ["self"]),
    (uaprocessor.UaProcessor, "set_policies", ["self", "policies"]),
    (
        binary_server_asyncio.OPCUAProtocol,
        "__init__",
        ["self", "iserver", "policies", "clients", "closing_tasks", "limits"],
    ),
    (binary_server_asyncio.OPCUAProtocol, "connection_made", ["self", "transport"]),
    (binary_server_asyncio.OPCUAProtocol, "data_received", ["self", "data"]),
    (binary_server_asyncio.OPCUAProtocol, "_process_one_msg", ["self", "header", "buf"]),
    (binary_server_asyncio.BinaryServer, "__init__", ["self", "internal_server", "hostname", "port", "limits"]),
    (binary_server_asyncio.BinaryServer, "_make_protocol", ["self"]),
    (binary_server_asyncio.BinaryServer, "_close_task_loop", ["self"]),
    (connection.SecureConnection, "open", ["self", "params", "server"]),
    (connection.SecureConnection, "message_to_binary", ["self", "message", "message_type", "request_id"]),
    (connection.SecureConnection, "is_open", ["self"]),
    (connection.SecureConnection, "_check_incoming_chunk", ["self", "chunk"]),
    (connection.TransportLimits, "create_acknowledge_and_set_limits", ["self", "msg"]),
    (internal_server.InternalServer, "load_standard_address_space", ["self", "shelf_file"]),
    (internal_server.InternalServer, "get_endpoints", ["self", "params", "sockname"]),
    (internal_server.InternalServer, "_mangle_endpoint_url", ["self", "ep_url", "params_ep_url", "sockname"]),
    (internal_server.InternalServer, "register_external_session", ["self", "session"]),
    (
        internal_session.InternalSession,
        "__init__",
        ["self", "internal_server", "aspace", "submgr", "name", "user", "external"],
    ),
    (internal_session.InternalSession, "create_session", ["self", "params", "sockname"]),
    (internal_session.InternalSession, "close_session", ["self", "delete_subs"]),
    (internal_session.InternalSession, "_start_timeout_watchdog", ["self"]),
    (internal_session.InternalSession, "_timeout_loop", ["self"]),
    (internal_session.InternalSession, "delete_subscriptions", ["self", "ids"]),
    (address_space.AddressSpace, "read_attribute_value", ["self", "nodeid", "attr"]),
    (Server, "_set_endpoints", ["self", "policy", "mode", "level"]),
    (security_policies.SecurityPolicyFactory, "__init__", ["self", "cls", "mode", "certificate", "private_key"]),
]


@pytest.mark.parametrize(("owner", "name", "parameters"), METHODS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_method_we_override_or_call_is_as_it_was(owner: Any, name: str, parameters: list[str]) -> None:
    found = list(inspect.signature(getattr(owner, name)).parameters)
    assert found[: len(parameters)] == parameters


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("asyncua") == "2.1.0"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (uaprocessor.UaProcessor, ["_connection", "_limits", "_transport", "session", "sockname"]),
        (binary_server_asyncio.OPCUAProtocol, ["messages", "processor", "transport", "policies", "clients"]),
        (binary_server_asyncio.BinaryServer, ["_server", "_policies", "clients", "closing_tasks", "cleanup_task"]),
        (connection.SecureConnection, ["_incoming_size", "_peer_sequence_number", "security_policy"]),
        (
            internal_server.InternalServer,
            ["_external_sessions", "endpoints", "max_connections", "time_task", "isession"],
        ),
        (internal_session.InternalSession, ["_last_activity", "auth_token", "external", "nonce", "session_timeout"]),
        (address_space.AddressSpace, ["_nodes"]),
        (Server, ["_application_uri", "_policies", "_security_policy"]),
        (utils.Buffer, ["_data", "_cur_pos"]),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_an_attribute_we_touch_is_still_made(owner: Any, names: list[str]) -> None:
    source = inspect.getsource(owner.__init__)
    missing = [name for name in names if f"self.{name}" not in source]
    assert not missing


def test_the_decoder_makes_the_classes_we_look_for() -> None:
    """`ua.DataChangeFilter` is a subclass of what comes off the wire; looking for it finds nothing."""
    from asyncua.ua import uaprotocol_auto as wire

    for made in (wire.DataChangeFilter(), wire.EventFilter(), ua.UserNameIdentityToken(), ua.AnonymousIdentityToken()):
        raw = ua_binary.extensionobject_to_binary(made)
        assert type(ua_binary.extensionobject_from_binary(utils.Buffer(raw))) is type(made)


def test_a_session_finds_its_subscriptions_where_we_keep_them() -> None:
    """asyncua asks `subscriptions` for `session_id` when a connection is lost and when a session ends."""
    for method in (
        uaprocessor.UaProcessor._should_close_session_on_transport_loss,
        internal_session.InternalSession.close_session,
    ):
        source = inspect.getsource(method)
        assert "subscription_service.subscriptions" in source and "sub.session_id" in source


def test_requests_are_decoded_one_operation_at_a_time_in_the_order_of_the_wire() -> None:
    """Lists are walked with the decoder of their elements; nothing may stand between two of them."""
    for made in (ua.ReadValueId(ua.NodeId(7)), ua.MonitoredItemModifyRequest(3), ua.BrowsePath(ua.NodeId(1))):
        buffer = utils.Buffer(ua_binary.struct_to_binary(made) * 2)
        first = ua_binary.struct_from_binary(type(made), buffer)
        assert first == ua_binary.struct_from_binary(type(made), buffer) and not len(buffer)
    item = ua.MonitoredItemCreateRequest(ua.ReadValueId(ua.NodeId(7)), ua.MonitoringMode.Sampling)
    parts = [ua_binary.struct_to_binary(item.ItemToMonitor), b"\1\0\0\0"]
    parts.append(ua_binary.struct_to_binary(item.RequestedParameters))
    assert ua_binary.struct_to_binary(item) == b"".join(parts)


def test_responses_we_fill_by_hand_have_their_list_where_we_put_it() -> None:
    for response in (
        ua.ReadResponse(),
        ua.CreateMonitoredItemsResponse(),
        ua.BrowseResponse(),
        ua.BrowseNextResponse(),
    ):
        assert len(ua_binary.struct_to_binary(response)) == 36


def test_functions_of_cryptography_we_use() -> None:
    for name in ("decrypt_rsa_oaep", "decrypt_rsa_oaep_sha256"):
        assert list(inspect.signature(getattr(uacrypto, name)).parameters) == ["private_key", "data"]
