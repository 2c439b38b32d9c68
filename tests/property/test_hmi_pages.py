# SPDX-License-Identifier: Apache-2.0
"""References as bytes: exactly those of asyncua's own encoder, whatever they lead to."""

from __future__ import annotations

import uuid

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.model import pages

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.builds(ua.QualifiedName, st.none() | texts, st.integers(0, 32767))  # asyncua packs it signed
titles = st.builds(ua.LocalizedText, st.none() | texts, st.none() | texts)
ids = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 65535)),
    st.builds(lambda s, ns: ua.NodeId(s, ns, ua.NodeIdType.String), texts.filter(bool), st.integers(0, 65535)),
    st.builds(lambda u, ns: ua.NodeId(u, ns, ua.NodeIdType.Guid), st.builds(uuid.uuid4), st.integers(0, 65535)),
)
classes = st.sampled_from([ua.NodeClass.Object, ua.NodeClass.Variable, ua.NodeClass.ObjectType])
nodes = st.builds(pages.Described, ids, names, titles, classes, st.none() | ids)


def stock(link: ua.NodeId, forward: bool, node: pages.Described) -> ua.ReferenceDescription:
    return ua.ReferenceDescription(
        link, forward, node.node_id, node.name, node.title, node.node_class, node.type or ua.NodeId()
    )


@given(st.lists(st.tuples(ids, st.booleans(), nodes), max_size=5), st.none() | st.binary(min_size=1, max_size=16))
def test_a_result_is_what_asyncua_would_send(chosen: list[tuple], token: bytes | None) -> None:
    expected = ua.BrowseResult(ContinuationPoint=token, References=[stock(*each) for each in chosen])
    made = [pages.reference(pages.head(link, forward, pages.ALL), node, pages.ALL) for link, forward, node in chosen]
    assert pages.result(len(made), made, token) == struct_to_binary(expected)


@given(ids, st.booleans(), nodes, st.integers(0, 63))
def test_fields_not_asked_for_are_null(link: ua.NodeId, forward: bool, node: pages.Described, mask: int) -> None:
    """Source: OPC 10000-4, 5.9.2.2 (resultMask)."""
    expected = stock(link, forward, node)
    for bit, field, null in (
        (pages.REFERENCE_TYPE, "ReferenceTypeId", ua.NodeId()),
        (pages.IS_FORWARD, "IsForward", False),
        (pages.NODE_CLASS, "NodeClass", 0),
        (pages.BROWSE_NAME, "BrowseName", ua.QualifiedName(None, 0)),
        (pages.DISPLAY_NAME, "DisplayName", ua.LocalizedText()),
        (pages.TYPE_DEFINITION, "TypeDefinition", ua.NodeId()),
    ):
        if not mask & bit:
            setattr(expected, field, null)
    assert pages.reference(pages.head(link, forward, mask), node, mask) == struct_to_binary(expected)


paths = texts.filter(bool) | st.just("21605/" + "é" * 300)


@given(st.lists(st.tuples(paths, texts), max_size=5), ids, st.integers(0, 63), ids)
def test_a_template_says_the_same_as_one_by_one(
    rows: list[tuple[str, str]], link: ua.NodeId, mask: int, type_: ua.NodeId
) -> None:
    before = pages.head(link, True, mask)
    template = pages.Template(before, 2, "fr", mask)
    identifiers, titles = [identifier for identifier, _ in rows], [title for _, title in rows]
    assert template.fill(identifiers, titles, ua.NodeClass.Object, type_) == b"".join(
        pages.reference(
            before,
            pages.Described(
                ua.NodeId(identifier, 2, ua.NodeIdType.String),
                ua.QualifiedName(identifier.rpartition("/")[2], 2),
                ua.LocalizedText(title or identifier.rpartition("/")[2], "fr"),
                ua.NodeClass.Object,
                type_,
            ),
            mask,
        )
        for identifier, title in rows
    )


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    kept = pages.Kept(size_max=10)
    made: list[str] = []

    def get(key: str, length: int) -> bytes:
        return kept.get(key, lambda: made.append(key) or b"x" * length)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert len(get(key, 4)) == 4
    assert made == ["a", "b", "c", "b"], "b was not asked for longest when c came"
    assert kept.size == 8
    assert len(get("whole", 11)) == 11 and kept.size == 8, "what is larger than all is not kept and drives nothing out"
