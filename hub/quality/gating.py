"""Puts a landing through the gate and keeps what came of it in the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.contracts import Contract
from core.engine import Data
from core.lake import Lake, TableVersion
from core.sql import EngineLimits
from hub.pipeline.landing import Landed
from hub.pipeline.states import DatasetState
from reconcile.bound import Given
from reconcile.differences import difference, mended
from reconcile.judging import Unsettled
from reconcile.quality import same_rules, split
from reconcile.rules import references
from reconcile.standing import MOST_CHANGED, Past, Standing, standing

Write = Callable[[str, pa.Table | pa.RecordBatchReader], TableVersion]


_HELD_ROWS = 1_000_000


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
    """The landed rows split into fit and quarantined ones, both written. Where few changed since
    the same contract judged the table before, only those are judged whose verdict may be another.

    Raises:
        QualityStop: a rule with severity stop does not hold.
    """
    referred = _referred(ground, contract)
    before = ground.known.get(landed.dataset)
    given = Given(
        as_of=ground.as_of,
        before=None if before is None else before.landing.rows,
        references=lookup(ground.lake, referred),
    )
    gate = _Gate(ground, contract, landed, write, given, referred)
    stands = gate.standing()
    if stands is not None:
        with suppress(Unsettled):
            return gate.judged(stands)
    return gate.judged(None)


@dataclass(frozen=True)
class _Gate:
    """One landing before the gate."""

    ground: Ground
    contract: Contract
    landed: Landed
    write: Write
    given: Given
    referred: Mapping[str, TableVersion]

    @property
    def before(self) -> DatasetState | None:
        """The dataset as it was served, if its landing was of the same contract."""
        known = self.ground.known.get(self.landed.dataset)
        return None if known is None or known.landing != self.landed.base else known

    def standing(self) -> Standing | None:
        """What need not be judged; None where all must be."""
        before, lake = self.before, self.ground.lake
        if before is None or before.proof is None or not before.counts:
            return None
        past = Given(before.proof.as_of, before.proof.before)
        same = before.references == self.referred and same_rules(
            self.contract, before.proof, past, self.given
        )
        if not same:
            return None
        held = Past(
            self._landing(before.landing),
            lake.dataset(before.fit),
            lake.read(before.quarantine, ["_row"]).column("_row"),
            before.counts,
        )
        now = self._landing(self.landed.table)
        return standing(self.contract, held, now, self.given, self.ground.limits)

    def _landing(self, version: TableVersion) -> Data:
        """A landing, in memory if it is not large: it is looked at several times."""
        lake = self.ground.lake
        return lake.read(version) if version.rows <= _HELD_ROWS else lake.dataset(version)

    def judged(self, stands: Standing | None) -> DatasetState:
        """The state after the gate.

        Raises:
            Unsettled: what was to stand does not.
            QualityStop: a rule with severity stop does not hold.
        """
        ground, landed = self.ground, self.landed
        name, lake, known = landed.dataset, ground.lake, ground.known.get(landed.dataset)
        if stands is None:
            source, rest = lake.dataset(landed.table), None
        else:
            source, rest = stands.again, stands.rest
        with split(self.contract, source, self.given, ground.limits.spill, rest=rest) as found:
            fit = self.write(f"fit/{name}", found.fit())
            quarantine = self.write(f"quarantine/{name}", found.quarantined())
            proof = found.proof()
            released, base, changes = self._compared(fit, stands, found.renewed)
            if known is not None and known.proof is not None and known.proof.fit == proof.fit:
                # Whoever goes on from there has nothing to do anew.
                fit = known.fit
            return DatasetState(
                landing=landed.table,
                fit=fit,
                quarantine=quarantine,
                digest=landed.digest,
                contract=self.contract.digest,
                mark=landed.mark,
                stamp=landed.stamp,
                scores=found.scores,
                warnings=found.warnings,
                reasons=found.reasons,
                rules=found.rules,
                counts=dict(found.counts),
                proof=proof,
                references=dict(self.referred),
                readable=found.readable,
                newest=found.newest,
                released=released,
                base=base,
                changes=changes,
                judged=None if stands is None else len(stands.again),
            )

    def _compared(
        self, fit: TableVersion, stands: Standing | None, renewed: pa.Table | None
    ) -> tuple[int | None, TableVersion | None, TableVersion | None]:
        """How many records were released from quarantine, if that can be known; the fit rows of
        before, if they can be compared with those of now; and the difference.
        """
        lake, known = self.ground.lake, self.ground.known.get(self.landed.dataset)
        if known is None:
            return 0, None, None
        then: Data = lake.dataset(known.fit)
        now: Data = lake.dataset(fit)
        if stands is not None and renewed is not None:
            # The others are the same.
            then, now = pa.concat_tables(stands.gone), renewed
        released = self._released(known, fit, then, now)
        if self.before is None:
            return released, None, None
        with difference(self.ground.limits, then, now, fit.rows * MOST_CHANGED) as rows:
            if rows is None:
                return released, None, None
            return released, known.fit, self.write(f"changes/{self.landed.dataset}", rows)

    def _released(
        self, known: DatasetState, fit: TableVersion, then: Data, now: Data
    ) -> int | None:
        """How many records are fit now of those that only stood in quarantine before; None where
        that cannot be known. Of ``then`` and ``now`` those are left out that are the same.
        """
        lake = self.ground.lake
        if not known.quarantine.rows:
            return 0
        if not self.contract.key:
            was, held = lake.dataset(known.fit), lake.dataset(known.quarantine)
            return mended(self.ground.limits, was, held, lake.dataset(fit))
        came, gone = _records(now), _records(then)
        records = lake.read(known.quarantine, ["_record"]).column("_record").unique().drop_null()
        alone = records.filter(pc.invert(pc.is_in(records, value_set=gone)))
        released = int(pc.sum(pc.is_in(came, value_set=alone)).as_py() or 0)
        other = known.contract != self.contract.digest
        if other and not released and not pc.any(pc.is_in(came, value_set=gone)).as_py():
            # As under another key, by which no row is called what it was.
            return None
        return released


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


def _records(fit: Data) -> pa.ChunkedArray:
    table = fit if isinstance(fit, pa.Table) else fit.to_table(columns=["_record"])
    return table.column("_record")
