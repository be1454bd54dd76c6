"""From weighed claims to golden values and conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

import ibis
import ibis.expr.types as ir
from ibis.backends import BaseBackend

from core.engine import keep
from reconcile.fusion.by_value import Values, by_value
from reconcile.fusion.evidence import UNIT, bits, completeness, families, weigh
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.kept import choose
from reconcile.fusion.kinds import by_kind
from reconcile.fusion.learning.trust import Trust
from reconcile.fusion.sets import set_items
from reconcile.fusion.telling import Teller, group_table, list_claims, sign

HIGHEST_SCORE = 600.0  # nats; e to this power is still a number
UNRULED = -1  # the number of no ruling

GOLDEN = (
    "entity",
    "attribute",
    "value",
    "status",
    "dataset",
    "as_of",
    "confidence",
    "reason",
    "supporting",
    "opposing",
)
CONFLICT = (
    "entity",
    "attribute",
    "status",
    "value",
    "reason",
    "claims",
    "supporting",
    "opposing",
)


def decide(
    engine: BaseBackend, ground: Ground, trust: Sequence[Trust], today: date
) -> tuple[ir.Table, ir.Table]:
    """The golden table and the conflicts (shapes: :class:`reconcile.fusion.Fused`)."""
    plain, ground = ground, by_value(engine, by_kind(engine, ground, trust), trust)
    plan, values = _Plan(ground, trust), Values(ground, plain, trust, today)

    def weighed(claims: ir.Table) -> ir.Table:
        return weigh(claims, ground, trust, today)

    groups = group_table(ground)
    grouped = groups.column("item").to_pylist()
    all_claims = ground.claims
    many = set_items(ground)
    apart = [*grouped, *many, *ground.lists]
    single = all_claims.filter(all_claims.item.notin(apart)) if apart else all_claims
    single = _beside(single, ground.rulings)
    items = keep(engine, plan.items(weighed(single)))
    contested = keep(engine, weighed(single.semi_join(items.filter(~items.agreed), KEY)))
    variants = single.filter(single.spelling.notnull())
    variants = variants.semi_join(items.filter(items.agreed & (items.spellings > 0)), KEY)
    chosen = [plan.agreed(items, weighed(variants)), plan.best(plan.camps(contested))]
    others = []
    if grouped:
        together = keep(engine, weighed(all_claims.filter(all_claims.item.isin(grouped))))
        from_one = plan.from_one_source(together, ibis.memtable(groups))
        chosen.append(_beside(from_one, ground.rulings))
        others.append(_beside(together, ground.rulings))
    if many:
        lists = _beside(all_claims.filter(all_claims.item.isin(many)), ground.rulings)
        lists = keep(engine, weighed(lists))
        chosen.append(choose(engine, ground, trust, lists))
        others.append(lists)
    if ground.lists:
        listed = _beside(all_claims.filter(all_claims.item.isin(ground.lists)), ground.rulings)
        listed = keep(engine, weighed(listed))
        chosen.append(plan.likeliest(values.score(listed, plan.camps(listed))))
        others.append(listed)
    if ground.rulings is not None:
        ruled = keep(engine, weighed(all_claims.semi_join(ground.rulings, KEY)))
        chosen.append(plan.ruled(ruled))
        others.append(ruled)
    signed = keep(engine, sign(_union(chosen), ground, trust, today))
    split = signed.filter(signed.split)
    contested = _union([contested, *(rows.semi_join(split, KEY) for rows in others)])
    claims = list_claims(contested, ground, plan.families)
    teller = Teller.prepare(engine, ground, signed)
    told = teller.tell(split).inner_join(claims, ["code", "item"])
    return teller.tell(signed).select(*GOLDEN), told.select(*CONFLICT)


def _union(tables: Sequence[ir.Table]) -> ir.Table:
    return reduce(lambda left, right: left.union(right), tables)


def _beside(rows: ir.Table, rulings: ir.Table | None) -> ir.Table:
    """What no ruling binds."""
    return rows if rulings is None else rows.anti_join(rulings, KEY)


class _Plan:
    """The steps of the plan, for so many families of copies and columns of bits."""

    def __init__(self, ground: Ground, trust: Sequence[Trust]) -> None:
        self.families = max(families(trust).values(), default=-1) + 1
        self.bits = bits(ground)
        self._ground = ground

    def items(self, rows: ir.Table) -> ir.Table:
        """Per entity and attribute, as if all claims were ``agreed``, and whether they are."""
        return rows.group_by(KEY).agg(
            gist=rows.gist.min(),
            agreed=rows.gist.min() == rows.gist.max(),
            claims=rows.count(),
            spellings=rows.spelling.count(),
            score=self._score(rows),
            rank=rows["rank"].max(),
            newest=rows.day.max(),
            fresh=rows.fresh.max(),
            **{name: rows[name].bit_or() for name in self.bits},
        )

    def agreed(self, items: ir.Table, variants: ir.Table) -> ir.Table:
        """Items whose claims agree; ``variants``: those of their claims that are not the gist."""
        spelled = variants.group_by(KEY).agg(spelled=_spelled(variants))
        rows = items.filter(items.agreed).left_join(spelled, KEY)
        return rows.select(
            *KEY,
            value=_value(rows.spelled, rows["rank"], rows.gist),
            rank=rows["rank"],
            newest=rows.newest,
            camps=ibis.literal(1, "int64"),
            score=rows.score,
            odds=rows.score.exp(),
            # What only the designated source knows has its status; what all know is agreed.
            fresh=ibis.ifelse(rows.claims == 1, rows.fresh, 0).cast("int8"),
            stale=ibis.literal(0, "int8"),
            number=ibis.literal(UNRULED, "int64"),
            **{f"for_{name}": rows[name] for name in self.bits},
            **{f"all_{name}": rows[name] for name in self.bits},
        )

    def camps(self, rows: ir.Table) -> ir.Table:
        """Per entity, attribute and gist: its score, its best spelling, and how the designated
        source spells it.
        """
        value = ibis.coalesce(rows.spelling, rows.gist)
        named = ibis.struct({"rank": rows["rank"], "value": value})
        return rows.group_by(*KEY, "gist").agg(
            score=self._score(rows),
            rank=rows["rank"].max(),
            newest=rows.day.max(),
            spelled=_spelled(rows),
            named=named.max(where=rows.fresh == 1),
            stale=rows.stale.max(),
            **{name: rows[name].bit_or() for name in self.bits},
        )

    def best(self, camps: ir.Table) -> ir.Table:
        """Per entity and attribute the camp of the designated source, else that of the best
        score; of equals the one with the highest rank.
        """
        fresh = camps.named.notnull()
        value = _value(camps.spelled, camps["rank"], camps.gist)
        fields = {
            "fresh": fresh.cast("int8"),
            "score": camps.score,
            "rank": ibis.ifelse(fresh, camps.named["rank"], camps["rank"]),
            "value": ibis.ifelse(fresh, camps.named["value"], value),
            "newest": camps.newest,
            **{name: camps[name] for name in self.bits},
        }
        rows = camps.group_by(KEY).agg(best=ibis.struct(fields).max(), **self._tally(camps))
        return rows.select(
            *KEY,
            value=rows.best["value"],
            rank=rows.best["rank"],
            newest=rows.best["newest"],
            camps=rows.camps,
            score=rows.best["score"],
            odds=rows.odds,
            fresh=rows.best["fresh"],
            stale=rows.stale,
            number=ibis.literal(UNRULED, "int64"),
            **{f"for_{name}": rows.best[name] for name in self.bits},
            **{f"all_{name}": rows[f"all_{name}"] for name in self.bits},
        )

    def likeliest(self, camps: ir.Table) -> ir.Table:
        """As :meth:`best`, where ``score`` is the log-odds that a camp is right."""
        best = self.best(camps)
        return best.mutate(odds=best.score.exp() + 1)

    def from_one_source(self, rows: ir.Table, groups: ir.Table) -> ir.Table:
        """Attributes of one group, all as the source says whose values have the best scores
        together, of equals the one that tells most. One that a ruling bears out comes first, then a
        fresh designated source.
        """
        camps = self.camps(rows)
        tally = camps.group_by(KEY).agg(**self._tally(camps))
        words = {f"for_{name}": camps[name] for name in self.bits}
        scores = camps.select(*KEY, "gist", "score", "newest", **words)
        said = rows.inner_join(scores, [*KEY, "gist"]).inner_join(groups, "item")
        borne = ibis.literal(0, "int64")
        if self._ground.rulings is not None:
            rulings = self._ground.rulings.select(*KEY, right="gist")
            said = said.left_join(rulings, KEY).drop("entity_right", "item_right")
            borne = (said.right == said.gist).fill_null(False).cast("int64").sum()
        bids = said.group_by("entity", "group", "place").agg(
            borne=borne,
            fresh=said.fresh.sum(),
            score=said.score.sum(),
            complete=completeness(said["rank"]).sum(),
            day=said.day.max(),
        )
        order = ("borne", "fresh", "score", "complete", "day", "place")
        bid = ibis.struct({name: bids[name] for name in order})
        winner = bids.group_by("entity", "group").agg(bid=bid.max())
        winner = winner.select("entity", "group", place=winner.bid["place"])
        won = said.semi_join(winner, ["entity", "group", "place"]).inner_join(tally, KEY)
        return won.select(
            *KEY,
            value=ibis.coalesce(won.spelling, won.gist),
            rank=won["rank"],
            newest=won.newest,
            camps=won.camps,
            score=won.score,
            odds=won.odds,
            fresh=won.fresh,
            stale=won.stale_right,
            number=ibis.literal(UNRULED, "int64"),
            **{f"for_{name}": won[f"for_{name}"] for name in self.bits},
            **{f"all_{name}": won[f"all_{name}"] for name in self.bits},
        )

    def ruled(self, rows: ir.Table) -> ir.Table:
        """What rulings say, whatever is claimed; ``rank`` is that of the best claim for it."""
        rulings = self._ground.rulings
        assert rulings is not None
        said = rows.inner_join(rulings.select(*KEY, right="gist"), KEY)
        agrees = said.gist == said.right
        found = said.group_by(KEY).agg(
            camps=said.gist.nunique() + (~agrees).all().cast("int64"),
            rank=said["rank"].max(where=agrees),
            **{f"for_{name}": said[name].bit_or(where=agrees) for name in self.bits},
            **{f"all_{name}": said[name].bit_or() for name in self.bits},
        )
        both = rulings.left_join(found, KEY).drop("entity_right", "item_right")
        words = [f"{side}_{name}" for side in ("for", "all") for name in self.bits]
        return both.select(
            *KEY,
            value=both.value,
            rank=both["rank"].fill_null(0),
            newest=ibis.literal(0, "int32"),
            camps=both.camps.fill_null(1),
            score=ibis.literal(0.0),
            odds=ibis.literal(1.0),
            fresh=ibis.literal(0, "int8"),
            stale=ibis.literal(0, "int8"),
            number=both.number,
            **{word: both[word].fill_null(0) for word in words},
        )

    def _score(self, rows: ir.Table) -> ir.Value:
        """What the claims of one gist add up to, in nats: every own part, and of each family the
        largest common part.
        """
        total = rows.own.sum()
        for family in range(self.families):
            total += rows.common.max(where=rows.family == family).fill_null(0)
        return ibis.least(total / UNIT, HIGHEST_SCORE)

    def _tally(self, camps: ir.Table) -> dict[str, ir.Value]:
        return {
            "camps": camps.count(),
            "odds": camps.score.exp().sum(),
            "stale": camps.stale.max(),
            **{f"all_{name}": camps[name].bit_or() for name in self.bits},
        }


def _spelled(rows: ir.Table) -> ir.Value:
    """The most complete spelling that is not the gist itself."""
    pair = ibis.struct({"rank": rows["rank"], "spelling": rows.spelling})
    return pair.max(where=rows.spelling.notnull())


def _value(spelled: ir.Value, rank: ir.Value, gist: ir.Value) -> ir.Value:
    return ibis.ifelse(spelled["rank"] == rank, spelled["spelling"], gist)
