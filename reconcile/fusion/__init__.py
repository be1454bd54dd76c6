"""Fusion: from the claims of many sources to one golden value each, with the reason beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.subjects import Subject
from reconcile.fusion.codes import Coded, TableLike, as_table
from reconcile.fusion.elsewhere import informed
from reconcile.fusion.evidence import believe
from reconcile.fusion.gather import claims, gather
from reconcile.fusion.ground import Ground
from reconcile.fusion.learning.trust import recall, report
from reconcile.fusion.linked import Feeds
from reconcile.fusion.parts import Parts
from reconcile.fusion.verdicts import decide

__all__ = ["Coded", "Feeds", "Fused", "Parts", "claims", "fuse", "gather", "informed"]


@dataclass(frozen=True)
class Fused:
    """What fusion gives. The first two live on the engine as long as they are referred to.

    ``golden``: one row for each entity and attribute anybody claims or a ruling gives a value:
    ``entity, attribute, value, status, dataset, as_of, confidence, reason, supporting,
    opposing``. ``confidence`` is how likely the value is right; ``supporting`` and ``opposing``
    are JSON lists of datasets; ``dataset`` is null where a ruled value has no source.
    ``conflicts``: those whose sources do not all mean the same, or not what a ruling says:
    ``entity, attribute, status, value, reason, claims, supporting, opposing``; ``claims`` a JSON
    list of ``{dataset, value, as_of, weight}``.
    ``sources``: all that was learned of each source (:class:`reconcile.fusion.learning.trust.Trust`).

    ``reason`` is JSON: the ``code`` of a message and its fields.
    """

    golden: ir.Table
    conflicts: ir.Table
    sources: pa.Table


def fuse(
    engine: BaseBackend,
    subject: Subject,
    claims: TableLike | Coded,
    as_of: date,
    rulings: pa.Table | None = None,
    sources: pa.Table | None = None,
) -> Fused:
    """Decides every claimed value. Neither the order of the claims nor the machine matters.

    What a steward ruled counts. Claims that share one gist agree. Else a fresh value of the
    designated dataset counts; else the gist with the best score: reliability of its sources,
    learned from all claims, times recency at ``as_of``, with copies discounted. Attributes of
    one group come from one source.

    Args:
        claims: as :func:`gather` gives them, or as text (:func:`claims`).
        rulings: ``entity, attribute, value, number``; of several about one value the one with
            the highest number is in force. They are known truths that learning leans on.
        sources: :attr:`Fused.sources` of an earlier run: nothing is learned, and every decision
            is as that run would have made it.
    """
    if not isinstance(claims, Coded):
        claims = Coded.of_text(engine, subject, as_table(claims))
    ground = Ground.prepare(engine, subject, claims, rulings)
    trust = believe(engine, ground, as_of) if sources is None else recall(sources, ground.sources)
    golden, conflicts = decide(engine, ground, trust, as_of)
    return Fused(golden, conflicts, report(trust))
