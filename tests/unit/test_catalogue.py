# SPDX-License-Identifier: Apache-2.0
"""Series ids: given once, never reused, carried over a rename, durable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import Kind
from historian.catalogue import Catalogue, CatalogueDamaged, ForeignCatalogue


def kinds(n: int, kind: Kind = Kind.Float) -> np.ndarray:
    return np.full(n, kind, np.uint8)


def test_ids_outlive_the_process_and_are_never_reused(tmp_path: Path) -> None:
    first = Catalogue(tmp_path / "catalogue.sqlite", "s")
    a = first.assign(["21605/CAB-0001/V1", "21605/CAB-0001/V2"], kinds(2), {}, 1)
    first.close()
    second = Catalogue(tmp_path / "catalogue.sqlite", "s")
    b = second.assign(["21605/CAB-0002/V1"], kinds(1), {}, 2)
    assert b[0] > a.max(), "CAB-0001 is gone from the inventory; its ids stay its own"
    assert second.assign(["21605/CAB-0001/V2"], kinds(1), {}, 3)[0] == a[1], "and wait for its return"
    second.close()


def test_a_plant_that_starts_again_has_its_ids_without_a_look_at_the_names(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "c", "s")
    names = [f"21605/CAB-{i:04}/V1" for i in range(70_000)]
    first = catalogue.assign(names, kinds(70_000), {}, 1)
    catalogue._db.execute("ALTER TABLE names RENAME TO hidden")
    assert (catalogue.assign(tuple(names), kinds(70_000), {}, 2) == first).all()
    catalogue._db.execute("ALTER TABLE hidden RENAME TO names")
    assert (catalogue.assign(names[::-1], kinds(70_000), {}, 3) == first[::-1]).all(), "the order is part of the plant"
    other = catalogue.assign(names, kinds(70_000, Kind.Int32), {}, 4)
    assert not set(other.tolist()) & set(first.tolist()), "another kind is another series"
    assert (catalogue.assign(names, kinds(70_000), {}, 5) == first).all()
    assert catalogue._db.execute("SELECT COUNT(*) FROM last_plant").fetchone() == (1,)
    catalogue.close()


def test_a_renamed_equipment_keeps_its_history_under_both_names(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "c", "s")
    (old,) = catalogue.assign(["21452/CAB-0001/V1"], kinds(1), {}, 1)
    (new,) = catalogue.assign(["21213/CAB-0009/V1"], kinds(1), {"21213/CAB-0009": "21452/CAB-0001"}, 2)
    assert old == new
    assert catalogue.names_of(int(new)) == ["21452/CAB-0001/V1", "21213/CAB-0009/V1"]
    catalogue.close()


def test_a_former_name_still_in_use_is_not_stolen() -> None:
    catalogue = Catalogue(":memory:", "s")
    catalogue.assign(["a/CAB-0001/V1"], kinds(1), {}, 1)
    ids = catalogue.assign(["a/CAB-0001/V1", "a/CAB-0002/V1"], kinds(2), {"a/CAB-0002": "a/CAB-0001"}, 2)
    assert len(set(ids.tolist())) == 2


def test_another_site_is_refused(tmp_path: Path) -> None:
    Catalogue(tmp_path / "c", "sennecey").close()
    with pytest.raises(ForeignCatalogue, match="belongs to site 'sennecey', not to 'dijon-24'"):
        Catalogue(tmp_path / "c", "dijon-24")


names = st.lists(st.sampled_from([f"a/X-{i:04d}/T" for i in range(8)]), unique=True)


@given(st.lists(st.tuples(names, st.sampled_from([Kind.Float, Kind.Int32])), max_size=8))
def test_whatever_generations_come_an_id_means_one_name_and_kind(generations: list[tuple[list[str], Kind]]) -> None:
    catalogue = Catalogue(":memory:", "s")
    meaning: dict[int, tuple[str, Kind]] = {}
    for now, (present, kind) in enumerate(generations):
        ids = catalogue.assign(present, kinds(len(present), kind), {}, now)
        assert len(set(ids.tolist())) == len(present)
        for series, name in zip(ids.tolist(), present, strict=True):
            assert meaning.setdefault(series, (name, kind)) == (name, kind)
    catalogue.close()


def test_a_file_that_is_no_catalogue_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_text("junk")
    with pytest.raises(CatalogueDamaged, match="file is not a database; free space, or restore it from a backup"):
        Catalogue(path, "s")
    with pytest.raises(CatalogueDamaged, match="unable to open"):
        Catalogue(tmp_path / "nowhere" / "catalogue.sqlite", "s")
