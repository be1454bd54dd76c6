"""What sources say where there is a ruling: who agrees with it, and who says otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from catalog.standards import elements
from catalog.subjects import Subject
from core.lake import Stored
from reconcile import rulings


class Stance(NamedTuple):
    """What a dataset says where there is a ruling."""

    ruling: int
    entity: str
    attribute: str
    ruled: str
    dataset: str
    record: str
    value: str
    agrees: bool


def stances(
    subject: Subject,
    ruled: pa.Table,
    claims: pa.Table | Stored,
    links: pa.Table | Stored | None = None,
) -> tuple[Mapping[int, Sequence[int]], list[Stance]]:
    """Which of the ruled values (``value`` rows of :data:`rulings.RULINGS`) count, each with all
    that say the same of the same; and what every dataset says in their place. One that takes the
    place of another that says otherwise is left out of the former: retired, it would let that one
    count.

    Args:
        links: in which entity each record is; None: as the claims, which hold one record of each
            dataset, say.
    """
    if not len(ruled):
        return {}, []
    known = set(ruled.column("entity").to_pylist())
    near = _near(claims, known, ruled.column("record").combine_chunks())
    placed = rulings.placed(ruled, near if links is None else links).to_pylist()
    moved = {row["entity"] for row in placed} - known
    if moved:
        near = pa.concat_tables([near, _near(claims, moved, pa.array([], pa.string()))])
    values = {(row["entity"], row["attribute"]): row for row in placed}
    gists = {name: elements()[a.element].gist for name, a in subject.attributes.items()}
    found = {}
    for claim in near.to_pylist():
        row = values.get((claim["entity"], claim["attribute"]))
        if row is not None and claim["attribute"] in gists:
            gist = gists[claim["attribute"]]
            agrees = gist(claim["value"]) == gist(row["value"])
            stance = Stance(
                row["number"], claim["entity"], claim["attribute"], row["value"],
                claim["dataset"], claim["record"], claim["value"], agrees,
            )  # fmt: skip
            found[stance.ruling, stance.dataset] = stance
    return _together(placed, gists), list(found.values())


def _together(
    placed: Collection[Mapping[str, Any]], gists: Mapping[str, Callable[[str], str]]
) -> Mapping[int, Sequence[int]]:
    alike = defaultdict(list)
    for row in placed:
        alike[row["entity"], row["attribute"]].append(row)
    return {
        rows[-1]["number"]: [row["number"] for row in rows]
        for (_, attribute), rows in alike.items()
        if len({gists[attribute](row["value"]) for row in rows if attribute in gists}) == 1
    }


def _near(claims: pa.Table | Stored, entities: Collection[str], records: pa.Array) -> pa.Table:
    names = ("entity", "attribute", "value", "dataset", "record")
    wanted = pc.field("entity").isin(pa.array(sorted(entities), pa.string()))
    return rulings.columns(claims, names, wanted | pc.field("record").isin(records))
