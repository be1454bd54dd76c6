"""Which members of a set count.

A source that lists a member votes for it; one that has a claim about the entity and leaves the
member out votes against it, the less so the more it usually leaves out
(:mod:`reconcile.fusion.learning.members`). A fresh designated source decides the whole set.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards.several import SEPARATOR
from core.engine import keep
from reconcile.fusion.evidence import LAST_PLACE, UNIT, bits, families
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.learning.choice import EVEN, LOGIT
from reconcile.fusion.learning.members import PLAIN, PLAIN_RIVALS, against
from reconcile.fusion.learning.trust import Trust
from reconcile.fusion.sets import MEMBER, members


def choose(
    engine: BaseBackend, ground: Ground, trust: Sequence[Trust], claims: ir.Table
) -> ir.Table:
    """The sets that count, in the columns in which single values are chosen. ``score`` is the
    log-odds that the whole set is right, ``odds`` those of it and of anything else together.

    Args:
        claims: weighed claims (:func:`reconcile.fusion.evidence.weigh`) about such attributes.
    """
    plan = _Plan(ground, trust)
    said = claims.inner_join(ibis.memtable(_left_out(trust)), "source")
    said = said.mutate(
        own_against=(said.own * said.left_out).floor(),
        common_against=(said.common * said.left_out).floor(),
    )
    listed = keep(engine, members(engine, ground, said))
    kept = plan.kept(said, listed)
    return plan.told(said, keep(engine, plan.sets(said, kept)))


def _left_out(trust: Sequence[Trust]) -> pa.Table:
    """Per source what leaving a member out adds against it, for each nat that listing adds."""
    rates = np.array(
        [(t.sensitivity or PLAIN[0], t.false_rate or (1 - PLAIN[0]) / t.rivals) for t in trust]
    )
    nats = against(rates[:, 0], rates[:, 1]) / np.array([max(t.vote, EVEN) for t in trust])
    return pa.table(
        {"source": pa.array(range(len(trust)), pa.int32()), "left_out": pa.array(nats.round(6))}
    )


class _Plan:
    """The steps of the plan, for so many families of copies and columns of bits."""

    def __init__(self, ground: Ground, trust: Sequence[Trust]) -> None:
        self.families = max(families(trust).values(), default=-1) + 1
        self.bits = bits(ground)
        rivals = {t.attribute: t.rivals for t in trust}
        self._few = ibis.memtable(
            pa.table(
                {
                    "item": pa.array(range(len(ground.attributes)), pa.int16()),
                    "few": [
                        float(int(log(rivals.get(name, PLAIN_RIVALS)) * UNIT))
                        for name in ground.attributes
                    ],
                }
            )
        )

    def kept(self, said: ir.Table, listed: ir.Table) -> ir.Table:
        """Per member its ``text``, whether it is kept, and how ``sure`` that is (log of the
        chance, whole millionths).
        """
        spelled = listed.inner_join(said.select(*KEY, "source", "day", "place"), [*KEY, "source"])
        best = {"size": spelled.text.length(), "day": spelled.day, "place": spelled.place}
        best["text"] = spelled.text
        there = spelled.group_by(MEMBER).agg(best=ibis.struct(best).max())
        held = listed.select(*MEMBER, "source", held=ibis.literal(True))
        rows = said.inner_join(there.select(*MEMBER), KEY)
        rows = rows.left_join(held, [*MEMBER, "source"])
        rows = rows.select(
            *MEMBER, "own", "common", "own_against", "common_against", "family",
            held=rows.held.fill_null(False), named=rows.held.fill_null(False) & (rows.fresh == 1),
        )  # fmt: skip
        votes = self._pooled(rows, "", rows.held) - self._pooled(rows, "_against", ~rows.held)
        found = rows.group_by(MEMBER).agg(votes=votes, named=rows.named.any())
        found = found.inner_join(there, MEMBER).inner_join(self._few, "item")
        found = found.mutate(score=found.votes - found.few)
        item = ibis.window(group_by=KEY)
        highest = ibis.least(found.score.max().over(item), 0)
        keeps = ibis.ifelse(found.named.any().over(item), found.named, found.score >= highest)
        found = found.select(*MEMBER, "score", text=found.best["text"], keeps=keeps)
        wrong = ibis.ifelse(found.keeps, -found.score, found.score) / UNIT
        sure = ibis.greatest(wrong, 0) + ((-wrong.abs()).exp() + 1).ln()
        return found.select(*MEMBER, "text", "keeps", sure=-(sure * UNIT).round())

    def sets(self, said: ir.Table, kept: ir.Table) -> ir.Table:
        """Per entity and attribute the set, its gist, and the log-odds that it is right."""
        sets = kept.group_by(KEY).agg(
            gist=kept.member.collect(where=kept.keeps).sort().join(SEPARATOR),
            value=kept.text.collect(where=kept.keeps, distinct=True).sort().join(SEPARATOR),
            size=kept.keeps.cast("int64").sum(),
            sure=kept.sure.sum(),
        )
        everybody = said.group_by(KEY).agg(
            nobody=self._pooled(said, "_against", ibis.literal(True)),
            camps=said.gist.nunique(),
            claims=said.count(),
            day=said.day.max(),
            stale=said.stale.max(),
            **{f"all_{name}": said[name].bit_or() for name in self.bits},
        )
        rows = sets.inner_join(everybody, KEY)
        unseen = (-rows.nobody / UNIT).exp()
        unseen = rows["size"] * unseen / ibis.greatest(1 - unseen, EVEN)
        chance = ibis.least(rows.sure / UNIT - unseen, -EVEN)
        return rows.mutate(score=(chance - (1 - chance.exp()).ln()).clip(-LOGIT, LOGIT).round(6))

    def told(self, said: ir.Table, sets: ir.Table) -> ir.Table:
        """With who supports it; what a designated source says as it says it."""
        rows = said.inner_join(sets.select(*KEY, right="gist"), KEY)
        agrees = rows.gist == rows.right
        named = {"rank": rows["rank"], "value": ibis.coalesce(rows.spelling, rows.gist)}
        found = rows.group_by(KEY).agg(
            rank=rows["rank"].max(where=agrees),
            named=ibis.struct(named).max(where=rows.fresh == 1),
            **{f"for_{name}": rows[name].bit_or(where=agrees) for name in self.bits},
        )
        both = sets.inner_join(found, KEY)
        fresh = both.named.notnull()
        latest = both.day.cast("int64") * (LAST_PLACE + 1)
        # What only the designated source knows has its status; what all know is agreed.
        alone = (both.camps > 1) | (both.claims == 1)
        return both.select(
            *KEY,
            value=ibis.ifelse(fresh, both.named["value"], both.value),
            rank=ibis.ifelse(fresh, both.named["rank"], ibis.coalesce(both["rank"], latest)),
            newest=both.day,
            camps=both.camps,
            score=both.score,
            odds=both.score.exp() + 1,
            fresh=(fresh & alone).cast("int8"),
            stale=ibis.ifelse(both.camps > 1, both.stale, 0).cast("int8"),
            number=ibis.literal(-1, "int64"),
            **{f"for_{name}": both[f"for_{name}"].fill_null(0) for name in self.bits},
            **{f"all_{name}": both[f"all_{name}"] for name in self.bits},
        )

    def _pooled(self, rows: ir.Table, kind: str, where: ir.Value) -> ir.Value:
        """What claims add up to: every own part, and of each family the largest common part."""
        total = rows[f"own{kind}"].sum(where=where).fill_null(0)
        for family in range(self.families):
            theirs = where & (rows.family == family)
            total += rows[f"common{kind}"].max(where=theirs).fill_null(0)
        return total
