# SPDX-License-Identifier: Apache-2.0
"""Namespace 0 as we load it is, node by node, what asyncua loads."""

from __future__ import annotations

import gc

from asyncua.server.address_space import AddressSpace, NodeManagementService
from asyncua.server.standard_address_space import standard_address_space

from supervisor.hmi.model.standard import load


def test_every_node_is_the_one_that_asyncua_makes() -> None:
    ours, theirs = AddressSpace(), AddressSpace()
    load(ours)
    standard_address_space.fill_address_space(NodeManagementService(theirs))
    assert gc.isenabled()
    assert list(ours.keys()) == list(theirs.keys())
    for node_id in theirs.keys():
        mine, other = ours[node_id], theirs[node_id]
        assert {k: v.value for k, v in mine.attributes.items()} == {k: v.value for k, v in other.attributes.items()}
        for k, v in mine.attributes.items():
            twin = other.attributes[k].value.Value
            assert (v.value.Value.VariantType, v.value.Value.is_array) == (twin.VariantType, twin.is_array)
            assert type(v.value.Value.Value) is type(twin.Value)
        assert mine.references == other.references
