"""Runs one after the other, as the pipeline makes them: each goes on from what the last left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from catalog.subjects import Subject
from reconcile.differences import differing
from reconcile.linkage import JUDGEMENTS, Before, Linked, link
from reconcile.rulings import RULINGS
from tests.reconcile.linkage_people import LIMITS, entities

Record = tuple[str, str]
Said = tuple[str, Record, Record]  # kind, the first record, the second


def rulings(said: Iterable[Said], first: int = 1) -> pa.Table:
    """Rulings in force, numbered in order."""
    return pa.Table.from_pylist(
        [
            {
                "number": number,
                "kind": kind,
                "dataset": one[0],
                "record": one[1],
                "other_dataset": other[0],
                "other_record": other[1],
            }
            for number, (kind, one, other) in enumerate(said, first)
        ],
        schema=RULINGS,
    )


@dataclass
class Runs:
    """A ledger that grows with every run, and what the last run found."""

    subject: Subject
    ledger: pa.Table = field(default_factory=JUDGEMENTS.empty_table)
    last: Linked | None = None
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    ends: list[pa.Table] = field(default_factory=list)

    def run(
        self,
        tables: Mapping[str, pa.Table],
        ruled: pa.Table | None = None,
        whole: bool = False,
    ) -> Linked:
        """Links ``tables``; ``whole``: without the state of before."""
        state = None if whole or self.last is None else self.last.state
        before = None
        if self.last is not None:
            changes = {
                dataset: differing(LIMITS, self.tables.get(dataset, table.slice(0, 0)), table)
                for dataset, table in tables.items()
            }
            before = Before(self.ledger, state, changes)
        self.tables = tables
        self.last = link(self.subject, tables, before, LIMITS, rulings=ruled)
        self.ledger = pa.concat_tables([self.ledger, self.last.judgements])
        self.ends.append(self.last.links)
        return self.last

    @property
    def found(self) -> dict[Record, str]:
        """Record → entity, after the last run."""
        assert self.last is not None
        return entities(self.last.links)
