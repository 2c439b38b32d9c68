# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_nodeset.py, tests/system/test_nodeset.py
"""The address space of a plant as a NodeSet2 file, for tools that know no server yet.

Law of this file: text only; no asyncua, no I/O but the writer handed in. It says what Browse and Read say, but for what
changes with time: live values are left out. Source: OPC 10000-6, annex F (UANodeSet.xsd).

Theory. A city has half a million tags and their properties; a tree of objects for them would need gigabytes. All
instances of a tag differ by their NodeIds only, so its text is made once, with a mark where the equipment's name goes,
and written for each instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from config.words import NS_PER_S, Kind
from supervisor.hmi.model import details, xmlvalues
from supervisor.hmi.model.place import ROOT, TYPES
from supervisor.hmi.values import wire_type
from supervisor.plant.plant import Block, EquipmentType, Plant, TagInfo

Write = Callable[[str], object]

_XML: Final = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
_UA: Final = "http://opcfoundation.org/UA/"
_UA_VERSION: Final = ("1.05.07", "2026-05-01T00:00:00Z")
_MARK: Final = "\x00"  # where the equipment's NodeId goes; it stands in no name
_OBJECTS, _SERVER, _FOLDER, _BASE_OBJECT, _PROPERTY = "i=85", "i=2253", "i=61", "i=58", "i=68"
_MANDATORY, _OPTIONAL = "i=78", "i=80"
_ALIASES: Final = {
    "Organizes": 35, "HasNotifier": 48, "HasComponent": 47, "HasProperty": 46, "HasSubtype": 45,
    "HasTypeDefinition": 40, "HasModellingRule": 37, "UtcTime": 294, "LocalizedText": 21, "Range": 884,
    "EUInformation": 887, "EnumValueType": 7594,
    **{kind.name: int(kind) for kind in Kind if kind is not Kind.Enumeration},
}  # fmt: skip
_NAME_OF: Final = {number: name for name, number in _ALIASES.items()}
Reference = tuple[str, bool, str]


def write_nodeset(plant: Plant, now_ns: int, write: Write, *, types_only: bool = False) -> None:
    """Write the file, piece by piece.

    Args:
        now_ns: when the model is published [UTC ns].
        write: takes text, in order.
        types_only: leave out areas, equipment and tags.
    """
    uri = f"urn:vigie:{plant.site}"
    stamp = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write(_head(uri, plant.digest.hex(), stamp))
    for type_ in plant.types.values():
        for text in _type(type_):
            write(text)
    if not types_only:
        for text in _plant(plant):
            write(text)
    write("</UANodeSet>\n")


def _head(uri: str, version: str, stamp: str) -> str:
    aliases = "".join(f'  <Alias Alias="{name}">i={number}</Alias>\n' for name, number in _ALIASES.items())
    needs = f'<RequiredModel ModelUri="{_UA}" Version="{_UA_VERSION[0]}" PublicationDate="{_UA_VERSION[1]}"/>'
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<UANodeSet xmlns="{_XML}" LastModified="{stamp}">\n'
        f" <NamespaceUris><Uri>{escape(uri)}</Uri></NamespaceUris>\n"
        f' <Models>\n  <Model ModelUri={quoteattr(uri)} Version="{version}" PublicationDate="{stamp}">\n'
        f"   {needs}\n  </Model>\n </Models>\n <Aliases>\n{aliases} </Aliases>\n"
    )


# -- nodes ------------------------------------------------------------------------------------------------------------


def _id(name: str) -> str:
    return f"ns=1;s={name}"


def _node(
    sort: str, name: str, browse_name: str, titles: tuple[str, str], links: list[Reference], more: str = "",
    value: str = "",
) -> str:  # fmt: skip
    """One node. `name`: escaped already, or with the mark; `more`: further XML attributes."""
    french, english = (escape(title) for title in titles)
    references = "".join(
        f'<Reference ReferenceType="{link}"{"" if forward else _BACK}>{target}</Reference>'
        for link, forward, target in links
    )
    return (
        f" <{sort} NodeId={_id_attribute(name)} BrowseName={quoteattr(browse_name)}{more}>"
        f'<DisplayName Locale="fr">{french}</DisplayName><DisplayName Locale="en">{english}</DisplayName>'
        f"<References>{references}</References>{value}</{sort}>\n"
    )


_BACK: Final = ' IsForward="false"'


def _id_attribute(name: str) -> str:
    return quoteattr(_id(name))


def _type(type_: EquipmentType) -> Iterator[str]:
    """An ObjectType and its instance declarations."""
    name = f"{TYPES}/{type_.name}"
    titles = type_.title_fr, type_.title_en
    yield _node("UAObjectType", name, f"1:{type_.name}", titles, [("HasSubtype", False, _BASE_OBJECT)])
    for block in type_.blocks.values():
        rule = _OPTIONAL if block.tag in type_.fitted else _MANDATORY
        yield _tag(block, name, [("HasModellingRule", True, rule)], [("HasModellingRule", True, _MANDATORY)])


def _plant(plant: Plant) -> Iterator[str]:
    root = [
        ("HasTypeDefinition", True, _FOLDER), ("Organizes", False, _OBJECTS), ("HasNotifier", False, _SERVER),
    ]  # fmt: skip
    yield _node("UAObject", ROOT, f"1:{ROOT}", ("Installation", "Plant"), root, ' EventNotifier="1"')
    for area in plant.areas.values():
        yield _notifier(area.code, area.code, (area.title, area.title_en or area.title), _FOLDER, _id(ROOT))
    for type_ in plant.types.values():
        yield from _equipment(type_)


def _notifier(name: str, last: str, titles: tuple[str, str], type_: str, parent: str) -> str:
    links = [("HasTypeDefinition", True, type_), ("Organizes", False, parent), ("HasNotifier", False, parent)]
    return _node("UAObject", name, f"1:{last}", titles, links, ' EventNotifier="1"')


def _equipment(type_: EquipmentType) -> Iterator[str]:
    """All instances of a type, each followed by its tags."""
    tags = "".join(_tag(block, _MARK, [], []) for block in type_.blocks.values())
    of = _id(f"{TYPES}/{type_.name}")
    for name, title in zip(type_.equipment, type_.titles, strict=True):
        area, _, last = name.partition("/")
        yield _notifier(name, last, (title or last, title or last), of, _id(area))
        yield tags.replace(_MARK, name)


def _tag(block: Block, owner: str, links: list[Reference], property_links: list[Reference]) -> str:
    """A variable under `owner` and its properties."""
    info, name = block.info, f"{owner}/{block.tag}"
    own = [("HasTypeDefinition", True, f"i={details.variable_type(info)}"), ("HasComponent", False, _id(owner)), *links]
    titles = info.title_fr, info.title_en
    made = [_node("UAVariable", name, f"1:{block.tag}", titles, own, _variable(info))]
    for detail in details.details(info):
        made.append(_property(info, detail, name, property_links))
    return "".join(made)


def _variable(info: TagInfo) -> str:
    level = (1 if info.access.readable else 0) | (2 if info.access.writable else 0)
    recorded = info.history_class != "N" and info.access.readable
    historizing = ' Historizing="true"' if recorded else ""
    level |= 4 if recorded else 0
    access = f'AccessLevel="{level}" UserAccessLevel="{level}"'
    return f' DataType="{_NAME_OF[wire_type(info.kind)]}" {access}{historizing}'


def _property(info: TagInfo, detail: str, owner: str, links: list[Reference]) -> str:
    own = [("HasTypeDefinition", True, _PROPERTY), ("HasProperty", False, _id(owner)), *links]
    number = wire_type(info.kind) if detail == details.LAST_USABLE_VALUE else details.DATA_TYPES[detail]
    shape = ' ValueRank="1" ArrayDimensions="0"' if detail in details.ARRAYS else ""
    browse_name = f"1:{detail}" if detail in details.OWN else detail
    more = f' DataType="{_NAME_OF[number]}"{shape}'
    return _node(
        "UAVariable", f"{owner}/{detail}", browse_name, (detail, detail), own, more, xmlvalues.of(info, detail)
    )
