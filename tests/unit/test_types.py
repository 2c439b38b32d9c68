# SPDX-License-Identifier: Apache-2.0
"""The shipped types hold what the plant documentation lists, tag by tag, and every alarm rule is rationalised."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from config.expression import parse
from config.model import AlarmRule, Priority, Site, TagModel, TypeModel
from drivers.modbus.address import ModbusDevice
from drivers.modbus.place import ModbusPoint
from drivers.opcua.address import OpcuaDevice
from tests.sites import DEVICES, EQUIPMENT, TAGS, compiled, dijon, sennecey

# name, kind, unit, range or values, access, source, priorities of its alarm rules, history class and deadband or step.
# Source: plant documentation 7.4. Priorities that differ from it: Comm (P3 there) is P2, since it blinds a P1; AlmRate
# and Probe have none there.
TABLES: dict[str, str] = {
    "CAB": """
        V1          Float       V     0..300            r  point       P2,P3    A1:1
        V2          Float       V     0..300            r  point       P2,P3    A1:1
        V3          Float       V     0..300            r  point       P2,P3    A1:1
        I1          Float       A     0..100            r  point       P3       A1:0.2
        I2          Float       A     0..100            r  point       P3       A1:0.2
        I3          Float       A     0..100            r  point       P3       A1:0.2
        IN          Float       A     0..100            r  point       P3       A1:0.2
        P           Float       kW    0..60             r  point       -        A1:1%
        P1          Float       kW    0..20             r  point       -        A2:2%
        P2          Float       kW    0..20             r  point       -        A2:2%
        P3          Float       kW    0..20             r  point       -        A2:2%
        Q           Float       kvar  -30..30           r  point       -        A2:5%
        PF          Float       -     -1..1             r  point       P4       A2:0.02
        F           Float       Hz    45..55            r  point       -        N
        E_act       Double      kWh   0..100000000      r  point       P3       C:15min
        E_react     Double      kvarh -                 r  point       -        C:15min
        K1_Cmd      Boolean     -     -                 rw point       -        E
        K1_Fb       Boolean     -     -                 r  point       P2,P3    E
        K1_Trip     Boolean     -     -                 r  point       P2       E
        K1_P        Float       kW    0..15             r  point       P4       A2:2%
        K2_Cmd      Boolean     -     -                 rw point       -        E
        K2_Fb       Boolean     -     -                 r  point       P2,P3    E
        K2_Trip     Boolean     -     -                 r  point       P2       E
        K2_P        Float       kW    0..15             r  point       P4       A2:2%
        K3_Cmd      Boolean     -     -                 rw point       -        E
        K3_Fb       Boolean     -     -                 r  point       P2,P3    E
        K3_Trip     Boolean     -     -                 r  point       P2       E
        K3_P        Float       kW    0..15             r  point       P4       A2:2%
        K4_Cmd      Boolean     -     -                 rw point       -        E
        K4_Fb       Boolean     -     -                 r  point       P2,P3    E
        K4_Trip     Boolean     -     -                 r  point       P2       E
        K4_P        Float       kW    0..15             r  point       P4       A2:2%
        RCD_Trip    Boolean     -     -                 r  point       P1       E
        SPD_Fault   Boolean     -     -                 r  point       P4       E
        MainSw      Boolean     -     -                 r  point       P2       E
        Supply_Loss Boolean     -     -                 r  point       P2       E
        Door        Boolean     -     -                 r  point       P3       E
        LocalMode   Enumeration -     auto/off/manual   r  point       P4       E
        Temp        Float       °C    -30..80           r  point       P4       A2:1
        UPS_V       Float       V     0..15             r  point       P4       A2:0.2
        Signal      Float       dBm   -120..-30         r  point       -        A2:3
        ClockDrift  Float       s     -3600..3600       r  point       P3       D
        FW          String      -     -                 r  point       -        E
        Comm        Boolean     -     -                 r  system      P2       E
        Program     Int32       -     0..99             rw point       -        E
        DimSet      Float       %     0..100            rw point       -        E
        Ovr         Enumeration -     none/on/off/level rw point       P4       E
        OvrUntil    DateTime    -     -                 rw point       -        E
        Lux         Float       lx    0..2000           r  point       P4       A2:5%
        State       Enumeration -     off/on/dim/fault  r  calc        P2,P3    E
        P_exp       Float       kW    0..60             r  calc        -        A2:1%
        P_dev       Float       %     -100..100         r  calc        P4       A2:1
        LampsOut    Int32       -     0..200            r  unsupported P2,P3,P4 E
        RunH        Double      h     -                 r  calc        -        D
        E_base      Double      kWh   -                 r  unsupported -        D
        E_qual      Enumeration -     M/R/L/E           r  unsupported -        D
    """,
    "RWS": """
        AirT     Float       °C   -40..60                             r point  P3    A2:0.1
        RH       Float       %    0..100                              r point  -     A2:1
        DewT     Float       °C   -40..40                             r point  -     A2:0.1
        SurfT1   Float       °C   -40..80                             r point  P2    A1:0.1
        SurfT2   Float       °C   -40..80                             r point  P2    A1:0.1
        SubT     Float       °C   -40..60                             r point  -     A2:0.1
        FreezeT  Float       °C   -30..0                              r point  -     A2:0.1
        Surf     Enumeration -    dry/moist/wet/frost/ice/snow/salted r point  P2    E
        Film     Float       mm   0..10                               r point  -     A2:0.05
        Ice      Float       %    0..100                              r point  P2    A2:1
        Snow     Float       cm   0..200                              r point  P2    A2:0.5
        PrecType Enumeration -    none/rain/snow/freezing             r point  P1    E
        PrecRate Float       mm/h 0..200                              r point  P3    A2:0.2
        Vis      Float       m    0..20000                            r point  P3    A2:5%
        Wind     Float       m/s  0..60                               r point  P2,P3 A2:0.5
        WindDir  Float       deg  0..360                              r point  -     A2:10
        Press    Float       hPa  900..1060                           r point  -     A2:0.5
        Lux      Float       lx   0..120000                           r point  -     A1:5%
        Batt     Float       V    0..15                               r point  P4    A2:0.2
        Door     Boolean     -    -                                   r point  P4    E
        Comm     Boolean     -    -                                   r system P2    E
        Stale    Boolean     -    -                                   r calc   P4    E
    """,
    "FDR": """
        Supply   Double      kVA       0..1000                     r calc        P2    N
    """,
    "ALM": """
        Active      Int32  -  0..10000    r system    -    A1
        Unacked     Int32  -  0..10000    r system    -    A1
        Shelved     Int32  -  0..10000    r system    -    A1
        Suppressed  Int32  -  0..10000    r system    -    A1
        Unevaluable Int32  -  0..400000   r system    -    A1
    """,
    "GWY": """
        Comm       Boolean  -    -           r system   P2    E
        Nodes      Int32    -    0..4000     r point    -     A2:1
        NodesLost  Int32    -    0..4000     r point    P3    A2:1
        LastLog    DateTime -    -           r point    P3    E
        QueueLen   Int32    -    0..1000000  r point    P4    A2:100
        ClockErr   Boolean  -    -           r point    P3    E
        FW         String   -    -           r point    -     E
        CmdPending Int32    -    0..100000   r point    P3    E
    """,
    "SYS": """
        Up       Boolean     -        -                           r system      P1,P3 E
        Role     Enumeration -        active/standby/isolated/off r system      P1,P2 E
        ReplLag  Float       s        0..100000                   r unsupported P2,P3 A1:10%
        CPU      Float       %        0..100                      r system      P4    A2:2
        Mem      Float       %        0..100                      r system      P3    A2:2
        Disk     Float       %        0..100                      r system      P2,P3 A2:1
        NTP      Float       ms       -10000..10000               r system      P3    A2:20%
        HistQ    Int32       pts      0..10000000                 r system      P3    A1:10%
        HistOK   Boolean     -        -                           r system      P2    E
        AlmRate  Float       1/10_min 0..1000                     r system      P4    A1
        Probe    Boolean     -        -                           r unsupported P2    E
        ProbeMs  Float       ms       0..60000                    r unsupported P3    A1:10%
        CertDays Int32       d        0..4000                     r system      P2,P3,P4 D
        Backup   DateTime    -        -                           r unsupported P3    E
    """,
}
COUNTS = {"ALM": (5, 0), "CAB": (56, 36), "FDR": (1, 1), "GWY": (8, 6), "RWS": (22, 14), "SYS": (14, 14)}
LINES = [(type_, line.split()) for type_, table in TABLES.items() for line in table.strip().splitlines()]


@pytest.fixture(scope="module")
def site() -> Site:
    """Sennecey, and the types that only the larger site has."""
    small, large = sennecey(), dijon()
    return small.model_copy(update={"types": large.types | small.types, "points": large.points | small.points})


def _rules(model: TypeModel, tag: str) -> list[AlarmRule]:
    return [rule for rule in model.alarms.values() if rule.tag == tag]


def _extent(tag: TagModel) -> str:
    if tag.values is not None:
        return "/".join(tag.values)
    return f"{tag.range[0]:.10g}..{tag.range[1]:.10g}" if tag.range is not None else "-"


def _source(tag: TagModel) -> str:
    return next(name for name in ("point", "system", "calc", "parameter", "unsupported") if getattr(tag, name))


def _history(tag: TagModel) -> str:
    rule = tag.history
    if rule.every is not None:
        return f"{rule.class_}:{rule.every / 60:g}min"
    return rule.class_ if rule.deadband is None else f"{rule.class_}:{str(rule.deadband).replace(' ', '')}"


@pytest.mark.parametrize(("type_", "line"), LINES, ids=[f"{t}.{line[0]}" for t, line in LINES])
def test_each_tag_is_as_documented(site: Site, type_: str, line: list[str]) -> None:
    name, kind, unit, extent, access, source, priorities, history = line
    model = site.types[type_]
    tag = model.tags[name]
    assert (tag.kind.name, tag.unit or "-", _extent(tag)) == (kind, unit.replace("_", " "), extent)
    assert (tag.access, _source(tag), _history(tag)) == (access, source, history)
    found = {str(p) for rule in _rules(model, name) for p in (rule.priority, rule.priority_extreme) if p is not None}
    assert ",".join(sorted(found)) == priorities.replace("-", "")
    assert tag.title.fr and tag.title.en


@pytest.mark.parametrize("type_", COUNTS)
def test_each_type_has_its_tags_and_tags_with_rules(site: Site, type_: str) -> None:
    model = site.types[type_]
    listed = [line[0] for t, line in LINES if t == type_]
    assert list(model.tags) == listed
    assert (len(model.tags), len({rule.tag for rule in model.alarms.values()})) == COUNTS[type_]


@pytest.mark.parametrize("type_", COUNTS)
def test_every_rule_carries_its_rationalisation(site: Site, type_: str) -> None:
    for name, rule in site.types[type_].alarms.items():
        texts = (rule.text, rule.cause, rule.consequence, rule.operator_action)
        assert all(text is not None and text.fr != text.en for text in texts), name
        assert rule.owner_desk in site.model.desks, name
        assert rule.tag is not None and name.startswith(rule.tag), name


# Time to respond of each priority [s]. Source: plant documentation 3.4.
RESPONSE_S = {Priority.P1: 300, Priority.P2: 1800, Priority.P3: 86400, Priority.P4: 14 * 86400}


@pytest.mark.parametrize("type_", COUNTS)
def test_response_times_fit_the_priority(site: Site, type_: str) -> None:
    for name, rule in site.types[type_].alarms.items():
        worst = min(rule.priority, rule.priority_extreme or rule.priority)
        assert rule.response_time is not None and rule.response_time <= RESPONSE_S[worst], name
        assert rule.ack_required, name


def test_what_blinds_a_danger_is_at_least_p2(site: Site) -> None:
    """A communication alarm of a type with a P1 rule."""
    for type_ in ("CAB", "RWS"):
        model = site.types[type_]
        assert any(rule.priority is Priority.P1 for rule in model.alarms.values())
        (comm,) = [rule for rule in _rules(model, "Comm") if rule.on == "discrete"]
        assert comm.priority in (Priority.P1, Priority.P2) and comm.parent


def test_danger_to_people_latches_and_cannot_be_suppressed(site: Site) -> None:
    rule = site.types["CAB"].alarms["RCD_Trip"]
    assert (rule.priority, rule.class_, rule.latching) == (Priority.P1, "safety", True)
    assert rule.suppress_when is None


def test_every_expression_is_in_the_language(site: Site) -> None:
    for model in site.types.values():
        for rule in model.alarms.values():
            limits = (rule.low_low, rule.low, rule.high, rule.high_high)
            for text in (rule.condition, rule.only_while, rule.suppress_when, *limits):
                if isinstance(text, str):
                    known = {*model.tags, *model.parameters}
                    assert parse(text).names <= known, text


@pytest.mark.parametrize(("type_", "role"), [("CAB", "controller"), ("RWS", "station")])
def test_no_two_points_share_a_place(site: Site, type_: str, role: str) -> None:
    taken: Counter[tuple[Any, ...]] = Counter()
    for (owner, _), point in site.points.items():
        if owner == type_:
            places = range(point.address, point.last + 1)
            taken.update((point.table, at, point.bit) for at in places)
    assert max(taken.values()) == 1
    whole = {(table, at) for table, at, bit in taken if bit is None}
    assert not whole & {(table, at) for table, at, bit in taken if bit is not None}
    assert role in site.types[type_].devices


def test_commands_are_orders_confirmed_by_their_feedback(site: Site) -> None:
    cabinet = site.types["CAB"]
    writable = [name for name, tag in cabinet.tags.items() if tag.access_mode.writable]
    assert writable == ["K1_Cmd", "K2_Cmd", "K3_Cmd", "K4_Cmd", "Program", "DimSet", "Ovr", "OvrUntil"]
    assert all(cabinet.tags[name].command == "order" for name in writable)
    for k in range(1, 5):
        confirm = cabinet.tags[f"K{k}_Cmd"].confirm
        assert confirm is not None and (confirm.feedback, confirm.within) == (f"K{k}_Fb", 15.0)


def test_the_register_maps_exercise_the_decoders(site: Site) -> None:
    points = [point for point in site.points.values() if isinstance(point, ModbusPoint)]
    wire = {(point.type, point.order) for point in points}
    types = {type_ for type_, _ in wire}
    assert types >= {
        "bit",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "uint64",
        "int64",
        "float32",
        "string",
        "unix32",
        "bcd16",
    }
    assert {order for _, order in wire} == {"ABCD", "CDAB", "BADC", "DCBA"}
    assert {point.table for point in points} == {"coil", "discrete_input", "input", "holding"}


@pytest.mark.parametrize("type_", ["CAB", "RWS", "JCT", "BOL", "CAM", "VEH", "GRT", "GWY", "DLI"])
def test_bad_after_is_about_three_periods(site: Site, type_: str) -> None:
    for poll in site.types[type_].poll_classes.values():
        assert poll.bad_after == 3 * poll.period


# --- the site


def test_sennecey_has_its_equipment_and_tags(site: Site) -> None:
    plant = compiled(site)
    assert {name: len(found) for name, found in site.equipment.items()} == EQUIPMENT
    assert plant.rows == TAGS
    assert len(plant.devices) == DEVICES


def test_rows_without_a_source_are_known(site: Site) -> None:
    """Not built yet on every instance; photocells on 2 of 17 cabinets; own tags on one SYS of four."""
    plant = compiled(site)
    silent = Counter(plant.block(row).tag for row in range(plant.rows) if not plant.supported[row])
    cabinet = {"LampsOut": 17, "E_base": 17, "E_qual": 17, "Lux": 15}
    not_built = dict.fromkeys(("ReplLag", "Probe", "ProbeMs", "Backup"), 4)
    elsewhere = dict.fromkeys(("Up", "Role", "CPU", "Mem", "Disk", "NTP", "HistQ", "HistOK", "AlmRate", "CertDays"), 3)
    assert silent == cabinet | not_built | elsewhere | {"Ovr": 36}


def test_the_commune_has_its_504_lights(site: Site) -> None:
    """Source: plant documentation 7.1, row 11."""
    cabinets = site.equipment["CAB"]
    assert sum(c.parameters[f"lamps_K{k}"] for c in cabinets for k in range(1, 5)) == 504


def test_devices_are_on_loopback_and_none_twice(site: Site) -> None:
    places = [(d.host, d.port) for d in site.devices.values() if isinstance(d, ModbusDevice)]
    assert len(set(places)) == len(places) == 18
    assert all(host.startswith("127.21.6.") and port == 15020 for host, port in places)
    told = [(d.host, d.port, d.root) for d in site.devices.values() if isinstance(d, OpcuaDevice)]
    assert len(set(told)) == 10 and {(host, port) for host, port, _ in told} == {("127.21.6.120", 48400)}


def test_nobody_has_a_password_in_the_files(site: Site) -> None:
    assert {user.role for user in site.users} == {"viewer", "operator", "supervisor", "engineer", "security"}
    assert all(user.password_hash is None for user in site.users)
