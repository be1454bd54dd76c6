"""Puts a landing through the gate and keeps what came of it in the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from core.engine import EngineLimits
from core.lake import Lake, TableVersion
from hub.pipeline.landing import Landed
from hub.pipeline.states import DatasetState
from hub.quality.differences import difference
from reconcile.bound import Given
from reconcile.quality import split
from reconcile.rules import references

Write = Callable[[str, pa.Table | pa.RecordBatchReader], TableVersion]


@dataclass(frozen=True)
class Ground:
    """What a gate stands on. ``known``: the state of every dataset as of now, that of the dataset
    itself as it was before.
    """

    lake: Lake
    limits: EngineLimits
    as_of: date | None
    known: Mapping[str, DatasetState]


def gated(ground: Ground, contract: Contract, landed: Landed, write: Write) -> DatasetState:
    """The landed rows split into fit and quarantined ones, both written.

    Raises:
        QualityStop: a rule with severity stop does not hold.
    """
    name, lake = landed.dataset, ground.lake
    before = ground.known.get(name)
    referred = _referred(ground, contract)
    given = Given(
        as_of=ground.as_of,
        before=None if before is None else before.landing.rows,
        references=lookup(lake, referred),
    )
    with split(contract, lake.dataset(landed.table), given, ground.limits.spill) as found:
        fit = write(f"fit/{name}", found.fit())
        quarantine = write(f"quarantine/{name}", found.quarantined())
        proof = found.proof()
        released = 0 if before is None else _released(lake, before, fit)
        if before is not None and before.proof is not None and before.proof.fit == proof.fit:
            # Whoever goes on from there has nothing to do anew.
            fit = before.fit
        base, changes = _changes(ground, landed, fit, write)
        return DatasetState(
            landing=landed.table,
            fit=fit,
            quarantine=quarantine,
            digest=landed.digest,
            contract=contract.digest,
            mark=landed.mark,
            stamp=landed.stamp,
            scores=found.scores,
            warnings=found.warnings,
            reasons=found.reasons,
            rules=found.rules,
            proof=proof,
            references=referred,
            readable=found.readable,
            newest=found.newest,
            released=released,
            base=base,
            changes=changes,
        )


def _changes(
    ground: Ground, landed: Landed, fit: TableVersion, write: Write
) -> tuple[TableVersion | None, TableVersion | None]:
    """The fit rows of before that can be compared with those of now, and the difference."""
    before = ground.known.get(landed.dataset)
    if before is None or before.landing != landed.base:
        return None, None
    with difference(ground.lake, ground.limits, before.fit, fit) as rows:
        if rows is None:
            return None, None
        return before.fit, write(f"changes/{landed.dataset}", rows)


def _referred(ground: Ground, contract: Contract) -> dict[str, TableVersion]:
    """The fit rows of the datasets in which values of a contract must exist, if there are any."""
    wanted = dict.fromkeys(dataset for dataset, _ in references(contract))
    return {name: ground.known[name].fit for name in wanted if name in ground.known}


def lookup(
    lake: Lake, referred: Mapping[str, TableVersion]
) -> Callable[[str, str], pa.ChunkedArray | None]:
    """The values of an item of one of some tables; None where it has none such."""

    def values(dataset: str, item: str) -> pa.ChunkedArray | None:
        version = referred.get(dataset)
        if version is None or item not in lake.dataset(version).schema.names:
            return None
        return lake.read(version, [item]).column(item)

    return values


def _released(lake: Lake, before: DatasetState, fit: TableVersion) -> int:
    """How many records are fit now of those that only stood in quarantine before."""
    if not before.quarantine.rows:
        return 0
    held = lake.read(before.quarantine, ["_record"]).column("_record").unique().drop_null()
    served = lake.read(before.fit, ["_record"]).column("_record")
    alone = held.filter(pc.invert(pc.is_in(held, value_set=served)))
    now = lake.read(fit, ["_record"]).column("_record")
    return int(pc.sum(pc.is_in(now, value_set=alone)).as_py() or 0)
