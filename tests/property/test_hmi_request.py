# SPDX-License-Identifier: Apache-2.0
"""Requests as asyncua's client encodes them, read in bulk: the same rows, or None; and None for garbled bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.hmi.header import header, token_type
from supervisor.hmi.model.space import Space
from supervisor.hmi.services.request import ListDecoder
from tests.plants import TypeSpec, make_plant, tag

# Series ids below 256, below 65,536 and above: each has another encoding on the wire.
NAMES = [f"21605/CAB-{i:04d}" for i in range(6)]
SERIES = {
    f"{name}/{t}": s
    for s, (name, t) in zip(
        (7, 8, 300, 301, 65_535, 65_536, 70_000, 70_001, 9, 10, 11, 12),
        [(n, t) for n in NAMES for t in "VW"],
        strict=True,
    )
}
TAGS = {"V": tag("Double", span=(0.0, 1.0)), "W": tag("Int32")}
PLANT = replace(
    make_plant({"CAB": TypeSpec(TAGS)}, {"CAB": NAMES}, series=dict(SERIES)),
    old_names={"21999/CAB-0001": "21605/CAB-0001"},
)
SPACE = Space(PLANT)
NS = 2


def name_id(row: int) -> ua.NodeId:
    return ua.NodeId(PLANT.name(row), NS, ua.NodeIdType.String)


def alias(row: int) -> ua.NodeId:
    return ua.NodeId(int(PLANT.series[row]), NS)


def read_request(ids: list[ua.NodeId], **changes: Any) -> bytes:
    request = ua.ReadRequest()
    request.RequestHeader.RequestHandle = 4711
    request.Parameters.TimestampsToReturn = changes.pop("stamps", ua.TimestampsToReturn.Both)
    request.Parameters.MaxAge = changes.pop("age", 0)
    attribute = changes.pop("attribute", ua.AttributeIds.Value)
    request.Parameters.NodesToRead = [ua.ReadValueId(i, attribute, **changes) for i in ids]
    return struct_to_binary(request)


def items_request(ids: list[ua.NodeId], handles: list[int], mode: int = 2, filter_: Any = None) -> bytes:
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = 99
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    for node_id, handle in zip(ids, handles, strict=True):
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor = ua.ReadValueId(node_id, ua.AttributeIds.Value)
        item.MonitoringMode = ua.MonitoringMode(mode)
        item.RequestedParameters = ua.MonitoringParameters(handle, 250.0, filter_, 1, True)
        request.Parameters.ItemsToCreate.append(item)
    return struct_to_binary(request)


def read(data: bytes) -> list[int] | None:
    head = header(data, 0)
    assert head is not None
    found = ListDecoder(SPACE, NS).read(data, head.at, 10_000)
    return None if found is None else found.rows.tolist()


rows = st.lists(st.integers(0, PLANT.rows - 1), min_size=1, max_size=40)


@given(rows)
def test_names_are_rows(wanted: list[int]) -> None:
    assert read(read_request([name_id(r) for r in wanted])) == wanted


@given(rows)
def test_aliases_are_rows_or_the_slow_way(wanted: list[int]) -> None:
    """One encoding throughout is read in bulk; a mixture is left to the decoder that knows all of them."""
    ids = [alias(r) for r in wanted]
    forms = {nodeid_to_binary(i)[0] for i in ids}
    assert read(read_request(ids)) == (wanted if len(forms) == 1 else None)


@given(rows, st.integers(0, 2))
def test_items_are_rows_handles_and_modes(wanted: list[int], mode: int) -> None:
    handles = [r * 1000 + i for i, r in enumerate(wanted)]
    data = items_request([name_id(r) for r in wanted], handles, mode)
    head = header(data, 0)
    assert head is not None
    found = ListDecoder(SPACE, NS).items(data, head.at, 10_000)
    assert found is not None
    assert (found.subscription, found.rows.tolist(), found.handles.tolist()) == (99, wanted, handles)
    assert set(found.modes.tolist()) == {mode}


def test_whatever_is_unusual_takes_the_slow_way() -> None:
    one = name_id(0)
    assert read(read_request([one])) == [0]
    assert read(read_request([one, ua.NodeId("21605/CAB-0000", NS)])) is None
    assert read(read_request([one, ua.NodeId("21605/CAB-0000/V/EURange", NS)])) is None
    assert read(read_request([one, ua.NodeId(2258, 0)])) is None
    assert read(read_request([ua.NodeId(PLANT.name(0), 1)])) is None
    assert read(read_request([one], attribute=ua.AttributeIds.DisplayName)) is None
    assert read(read_request([one], IndexRange="0:1")) is None
    assert read(read_request([one], DataEncoding=ua.QualifiedName("Default XML"))) is None
    assert read(read_request([one], age=-1)) is None
    assert read(read_request([])) is None
    assert read(read_request([ua.NodeId(999, NS)])) is None
    filter_ = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, 1, 2.0)
    data = items_request([one], [1], filter_=filter_)
    head = header(data, 0)
    assert head is not None
    assert ListDecoder(SPACE, NS).items(data, head.at, 10_000) is None


def test_a_name_that_stands_for_nothing_does_not_slow_the_others() -> None:
    assert read(read_request([name_id(0), ua.NodeId("21605/CAB-0000/Nothing", NS), name_id(5)])) == [0, -1, 5]
    assert read(read_request([ua.NodeId("", NS), name_id(5)])) == [-1, 5]


def test_names_are_read_whatever_a_client_puts_for_nothing() -> None:
    """A null string and an empty one mean the same; only the usual form is split, the other is walked."""
    usual = read_request([name_id(0), name_id(5)])
    empty = usual.replace(b"\xff\xff\xff\xff\0\0\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\0\0\0")
    assert usual != empty
    assert read(usual) == read(empty) == [0, 5]


def test_a_length_that_lies_is_not_believed() -> None:
    usual = read_request([name_id(0), name_id(5)])
    length = len(PLANT.name(0)).to_bytes(4, "little")
    for lie in (1, 200, 2**31 - 1):
        assert read(usual.replace(length, lie.to_bytes(4, "little"), 1)) is None


def test_old_names_are_read_in_bulk_too() -> None:
    old = ua.NodeId("21999/CAB-0001/V", NS)
    assert read(read_request([old])) == [PLANT.row("21605/CAB-0001/V")]


def test_the_bound_of_operations_holds() -> None:
    data = read_request([name_id(0)] * 11)
    head = header(data, 0)
    assert head is not None
    assert ListDecoder(SPACE, NS).read(data, head.at, 10) is None
    assert ListDecoder(SPACE, NS).read(data, head.at, 11) is not None


def test_the_cache_knows_a_list_again_and_stays_bounded() -> None:
    decoder = ListDecoder(SPACE, NS, cache_bytes_max=20_000)
    for turn in range(100):
        wanted = [turn % PLANT.rows, (turn * 7) % PLANT.rows, turn % 3]
        data = read_request([name_id(r) for r in wanted])
        head = header(data, 0)
        assert head is not None
        for _ in range(2):
            found = decoder.read(data, head.at, 100)
            assert found is not None and found.rows.tolist() == wanted
        assert decoder._cache_bytes == sum(map(len, decoder._cache)) <= decoder.cache_bytes_max


@given(st.sets(st.integers(0, 2**32 - 1), min_size=12, max_size=12))
def test_sparse_series_ids_are_found_by_bisection(ids: set[int]) -> None:
    plant = replace(PLANT, series=np.array(sorted(ids, key=hash), np.uint32))
    space = Space(plant)
    found = space.rows_of_series(plant.series)
    assert found is not None and found.tolist() == list(range(12))
    unknown = next(i for i in range(13) if i not in ids)
    assert space.rows_of_series(np.array([unknown], np.uint32)) is None
    assert [space.row_of_series(int(s)) for s in plant.series] == list(range(plant.rows))
    assert [space.row_of_series(s) for s in (unknown, -1, 2**32, 2**70)] == [None] * 4


@settings(max_examples=300)
@given(st.data(), rows)
def test_garbled_bytes_give_rows_or_none_and_nothing_else(data: st.DataObject, wanted: list[int]) -> None:
    whole = (
        read_request([name_id(r) for r in wanted])
        if data.draw(st.booleans())
        else items_request([alias(r) for r in wanted], list(range(len(wanted))))
    )
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    for _ in range(data.draw(st.integers(0, 4))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(broken)
    if (head := header(raw, 0)) is not None:
        decoder = ListDecoder(SPACE, NS)
        for found in (decoder.read(raw, head.at, 1000), decoder.items(raw, head.at, 1000)):
            assert found is None or (found.rows < PLANT.rows).all()
        token_type(raw, head.at)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(raw: bytes) -> None:
    header(raw, 0)
    token_type(raw, 0)


@given(st.binary(max_size=40), st.integers(0, 2**32 - 1), st.text(max_size=8), st.booleans())
def test_the_header_is_asyncuas_header(token: bytes, handle: int, audit: str, with_extension: bool) -> None:
    request = ua.ReadRequest()
    request.RequestHeader.AuthenticationToken = ua.NodeId(token, 0, ua.NodeIdType.ByteString)
    request.RequestHeader.RequestHandle = handle
    request.RequestHeader.AuditEntryId = audit
    if with_extension:
        request.RequestHeader.AdditionalHeader = ua.Argument(Name="x" * 30)
    raw = struct_to_binary(request)
    head = header(raw, 0)
    assert head is not None
    assert (head.type_id, head.handle) == (ua.ObjectIds.ReadRequest_Encoding_DefaultBinary, handle)
    assert head.token == nodeid_to_binary(request.RequestHeader.AuthenticationToken)
    assert raw[head.at :] == struct_to_binary(request.Parameters)
    assert (head.at - head.additional_at == 3) is not with_extension


@given(
    st.lists(st.text(max_size=5), max_size=3),
    st.sampled_from([ua.AnonymousIdentityToken(), ua.UserNameIdentityToken("x", "op", b"pw", ""), ua.Argument()]),
)
def test_the_type_of_an_identity_token_is_seen_without_decoding_it(locales: list[str], token: Any) -> None:
    params = ua.ActivateSessionParameters()
    params.ClientSignature = ua.SignatureData("rsa", b"x" * 256)
    params.LocaleIds = locales
    params.UserIdentityToken = token
    expected = ua.typeid_by_extension_objects[type(token)].Identifier
    assert token_type(struct_to_binary(params), 0) == expected
