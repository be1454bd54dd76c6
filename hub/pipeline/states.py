"""What a run leaves behind of each dataset and subject: versions and counts, kept in the signed
manifest, from which the next run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import Field

from core.lake import TableVersion
from core.types import Model
from hub.pipeline.landing import Mark
from reconcile.quality import Proof, RuleOutcome


class DatasetState(Model):
    """Where one dataset's rows of one pull are kept, and how many there are.

    ``mark``, ``stamp``: as of :class:`Landed`.
    ``scores``: item or ``*`` → dimension → score, over the ``readable`` rows. ``warnings``,
    ``reasons``: ``<item>.<rule>`` → rows that were counted only, and that were quarantined.
    ``rules``: what became of each rule. ``counts``: what these numbers are made of
    (:data:`reconcile.counts.Counts`). ``proof`` and ``references`` (the versions in which values
    had to exist): how to come to the same verdict. ``newest``: the latest as-of day. ``released``:
    records that are fit now and stood in quarantine before; None where that cannot be known.
    ``base``: the fit rows that ``changes`` tells the difference to: the columns of ``fit`` but
    ``_row``, and ``_was``, true for rows as they were in ``base`` and are no more, false for those
    that are new or others in ``fit``; what only moved (``_row``) is neither. Both None where that is not known or too much changed.
    ``judged``: how many landed rows were judged again, the others standing; None for all.
    """

    landing: TableVersion
    fit: TableVersion
    quarantine: TableVersion
    digest: str
    contract: str
    mark: Mark | None = None
    stamp: str | None = None
    scores: dict[str, dict[str, float]]
    warnings: dict[str, int]
    reasons: dict[str, int] = Field(default_factory=dict)
    rules: list[RuleOutcome] = Field(default_factory=list)
    counts: dict[str, int] = Field(default_factory=dict)
    proof: Proof | None = None
    references: dict[str, TableVersion] = Field(default_factory=dict)
    readable: int = 0
    newest: date | None = None
    released: int | None = 0
    base: TableVersion | None = None
    changes: TableVersion | None = None
    judged: int | None = None

    @property
    def rows_in(self) -> int:
        """Rows the source had."""
        return self.landing.rows


class LinkState(Model):
    """What linking one subject left behind. ``judgements``: the ledger as it was then.
    ``kept``: the tables by which the next run need only look at what changed. ``touched``: the
    entities that may be others than before; None where all may be.
    """

    links: TableVersion
    judgements: TableVersion
    kept: dict[str, TableVersion]
    touched: TableVersion | None = None


class SubjectState(Model):
    """Where one subject's results of one run are kept, with the counts a reader wants.

    ``links``, ``judgements``, ``kept``: as :class:`LinkState`.
    ``inputs``: the fit rows it was made of. ``rulings``: those in force then; None for none.
    ``rules``: digest of everything it depends on besides. ``learned``: the day of the last run
    that made it whole, whose trust in sources holds until the next. ``base``: the golden table
    that ``changes`` tells the difference to; both None where it was made whole. ``agreed``: how far
    each dataset agrees with the golden values (:data:`reconcile.scores.Agreed`).
    """

    links: TableVersion
    judgements: TableVersion | None = None
    kept: dict[str, TableVersion] = Field(default_factory=dict)
    claims: TableVersion
    golden: TableVersion
    conflicts: TableVersion
    sources: TableVersion
    definition: str
    entities: int
    linked_by: dict[str, int]
    conflicts_by: dict[str, int]
    inputs: dict[str, TableVersion] = Field(default_factory=dict)
    rulings: TableVersion | None = None
    rules: str = ""
    learned: date | None = None
    base: TableVersion | None = None
    changes: TableVersion | None = None
    agreed: dict[str, dict[str, tuple[int, int]]] = Field(default_factory=dict)


class Before(Model):
    """What the release being served was made of, and the rulings in force as a run begins."""

    datasets: dict[str, DatasetState] = Field(default_factory=dict)
    subjects: dict[str, SubjectState] = Field(default_factory=dict)
    rulings: dict[str, TableVersion] = Field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Before:
        """What a manifest says; without one, nothing."""
        return cls.model_validate({k: manifest.get(k, {}) for k in ("datasets", "subjects")})
