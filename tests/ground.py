# SPDX-License-Identifier: Apache-2.0
"""Synthetic plants of any size for the ground floor's proofs: one type CAB of Float tags T00, T01 ..."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.model import EquipmentModel, Site, SiteModel, TypeModel
from config.words import Batch
from drivers.base import PollClass
from historian.catalogue import Catalogue
from supervisor.plant.compile import compile_plant
from supervisor.plant.plant import Plant
from supervisor.tags.scan import Scan

POLL = PollClass("measure", period_s=1.0, timeout_s=0.2, retries=1, bad_after_s=3.0)
_TEXT = {"fr": "x", "en": "x"}


def cabinets(names: Sequence[str], tags: int, catalogue: Catalogue) -> Plant:
    """A plant of one area and one type with `tags` Float tags."""
    tag = {"title": _TEXT, "kind": "Float", "unit": "V", "history": {"class": "A1"}, "unsupported": "synthetic"}
    type_model = TypeModel.model_validate(
        {"type": "CAB", "title": _TEXT, "revision": 1, "tags": {f"T{i:02d}": tag for i in range(tags)}}
    )
    fields = {name: field for name, field in EquipmentModel.model_fields.items() if name != "name"}
    plain = {name: field.get_default(call_default_factory=True) for name, field in fields.items()} | {"area": "21000"}
    live = {name: t.model_copy(update={"unsupported": None}) for name, t in type_model.tags.items()}
    site = Site(
        folder="",
        model=SiteModel.model_validate(
            {
                "site": "ground",
                "title": _TEXT,
                "time_zone": "Europe/Paris",
                "location": {"latitude": 47.0, "longitude": 5.0},
                "areas": {"21000": {"title": "Ground"}},
                "inventory": {"CAB": "none"},
            }
        ),
        types={"CAB": type_model.model_copy(update={"tags": live})},
        equipment={"CAB": tuple(EquipmentModel.model_construct(**plain, name=n) for n in names)},
        users=(),
        points={},
        devices={},
    )
    return compile_plant(site, lambda n, k, was: catalogue.assign(n, k, was, now_ns=0))


def poll_everything(scan: Scan, value: np.ndarray, now_ns: int) -> None:
    """One answer per tag of the type (all its instances), as a driver would hand them in."""
    blocks = [b for b in scan.table.plant.blocks if b.tag != "T01"]
    for request, b in enumerate(blocks):
        rows = np.arange(b.start, b.start + b.count)
        scan.inbox.batch(
            Batch(request, rows, value[rows].view(np.int64), np.zeros(b.count, np.uint32), np.full(b.count, now_ns))
        )
