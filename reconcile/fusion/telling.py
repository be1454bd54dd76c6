"""How a decided value is told: status, confidence, source, who is for and against it, and why.

Many values are told in the same words. Each wording is made once, in Python, and joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, log

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.subjects import Attribute
from core.canonical import encode
from core.types import Status
from reconcile.fusion.ageing import age_in_days
from reconcile.fusion.codes import BEFORE_EPOCH
from reconcile.fusion.evidence import DAY_BITS, LAST_PLACE, UNIT, bits, told_apart
from reconcile.fusion.ground import KEY, Ground
from reconcile.fusion.learning.choice import LOGIT
from reconcile.fusion.learning.trust import Trust

CLOSE = 0.6  # with a smaller share of the odds the best value is in dispute
DOUBTFUL = 0.5  # so it is where it is more likely wrong than right
FRESH, STALE, SPLIT, DISPUTED = 1, 2, 4, 8  # flags of a decision
FLAGS = 16

_WORDING = pa.schema(
    {
        "attribute": pa.string(),
        "status": pa.string(),
        "dataset": pa.string(),
        "reason": pa.string(),
        "supporting": pa.string(),
        "opposing": pa.string(),
    }
)


@dataclass(frozen=True)
class Teller:
    """Tells decided values, which :func:`sign` has prepared. ``wordings``: what their wording
    depends on, and the columns of ``_WORDING``.
    """

    ground: Ground
    wordings: ir.Table

    @classmethod
    def prepare(cls, engine: BaseBackend, ground: Ground, signed: ir.Table) -> Teller:
        """Finds the words for whatever was decided."""
        key = _key(ground)
        ways = engine.to_pyarrow(signed.select(*key).distinct())
        told = [_word(ground, row) for row in ways.to_pylist()]
        words = pa.Table.from_pylist(told, _WORDING)
        for name in key:
            words = words.append_column(name, ways.column(name))
        return cls(ground, ibis.memtable(words))

    def tell(self, signed: ir.Table) -> ir.Table:
        """The golden columns, and the codes ``code`` of the entity and ``item``."""
        rows = signed.rename(code="entity")
        rows = rows.inner_join(self.ground.entities.rename(code="entity", entity="name"), "code")
        rows = rows.inner_join(self.wordings, _key(self.ground))
        return rows.select(
            "code",
            "item",
            "entity",
            "value",
            "confidence",
            *_WORDING.names,
            as_of=day_text(rows.day),
        )


def _key(ground: Ground) -> list[str]:
    words = [f"{side}_{name}" for side in ("for", "all") for name in bits(ground)]
    return ["way", *words, "number"]


def sign(decided: ir.Table, ground: Ground, trust: Sequence[Trust], today: date) -> ir.Table:
    """Decisions with their confidence and what their wording depends on: ``way`` packs attribute,
    source and flags. Nothing is surer than that it has not changed since the newest claim for it.
    """
    rows = decided.inner_join(ibis.memtable(_attribute_table(ground, trust)), "item")
    unclaimed = ibis.greatest(rows.rivals + 1 - rows.camps, 0)
    rest = ibis.greatest(rows.odds + unclaimed - rows.score.exp(), 1e-300)
    odds = (rows.score - rest.ln()).clip(-LOGIT, LOGIT)
    share = (rows.score.exp() / rows.odds).round(6)
    likely = 1 / (1 + (-(rows.shift + rows.slope * odds)).exp())
    lasts = (age_in_days(rows.newest, today) * rows.decay).exp()
    likely = ibis.ifelse(rows.newest > 0, ibis.least(likely, lasts), likely).round(4)
    disputed = (rows.camps > 1) & ((share < CLOSE) | (likely < DOUBTFUL))
    way = rows.item.cast("int64") * (LAST_PLACE + 1) + (rows["rank"] & LAST_PLACE)
    flags = rows.fresh * FRESH + rows.stale * STALE
    flags = flags + (rows.camps > 1).cast("int8") * SPLIT + disputed.cast("int8") * DISPUTED
    return rows.select(
        *KEY,
        "value",
        *[name for name in _key(ground) if name != "way"],
        split=rows.camps > 1,
        confidence=ibis.ifelse(rows.number >= 0, 1.0, likely),
        way=way * FLAGS + flags,
        day=((rows["rank"] >> LAST_PLACE.bit_length()) & ((1 << DAY_BITS) - 1)).cast("int32"),
    )


def _attribute_table(ground: Ground, trust: Sequence[Trust]) -> pa.Table:
    known, many = {(t.attribute, t.kind): t for t in trust}, ground.subject.many
    rows = [
        {
            "item": item,
            "rivals": _beside(known.get(part), part[0] in many),
            "shift": known[part].shift if part in known else 0.0,
            "slope": known[part].slope if part in known else 1.0,
            "decay": -log(2) / (known[part].half_life_days or inf) if part in known else 0.0,
        }
        for item, part in enumerate(zip(ground.attributes, ground.kinds, strict=True))
    ]
    schema = {
        "item": pa.int16(),
        "rivals": pa.float64(),
        "shift": pa.float64(),
        "slope": pa.float64(),
        "decay": pa.float64(),
    }
    return pa.Table.from_pylist(rows, pa.schema(schema))


def _beside(trust: Trust | None, many: bool) -> float:
    """How many values there are beside the one that counts, as far as odds do not tell already, as
    those of sets and lists do.
    """
    if many or (trust is not None and trust.by_value):
        return 0.0
    return 1.0 if trust is None else trust.rivals


def group_table(ground: Ground) -> pa.Table:
    """``item, group`` of the attributes that have one."""
    found = [
        (item, str(group))
        for item, name in enumerate(ground.attributes)
        if (group := ground.subject.attributes[name].group)
    ]
    return pa.table(
        {
            "item": pa.array([item for item, _ in found], pa.int16()),
            "group": pa.array([group for _, group in found], pa.string()),
        }
    )


def _word(ground: Ground, row: dict[str, int]) -> dict[str, str | None]:
    way, flags = divmod(row["way"], FLAGS)
    item, place = divmod(way, LAST_PLACE + 1)
    columns = bits(ground)
    supporting = told_apart(ground, item, [row[f"for_{name}"] for name in columns])
    everybody = told_apart(ground, item, [row[f"all_{name}"] for name in columns])
    opposing = sorted(set(everybody) - set(supporting))
    dataset = ground.datasets[LAST_PLACE - place] if place else None
    told = {
        "attribute": ground.attributes[item],
        "dataset": dataset,
        "supporting": _json(supporting),
        "opposing": _json(opposing),
    }
    votes = {"supporting": len(supporting), "opposing": len(opposing)}
    if row["number"] >= 0:
        reason = {"code": "fusion_ruled", "number": row["number"], **votes}
        return told | {"status": Status.RULED.value, "reason": _json(reason)}
    status, reason = _why(ground, item, str(dataset), flags, votes)
    return told | {"status": status.value, "reason": _json(reason)}


def _why(
    ground: Ground, item: int, dataset: str, flags: int, votes: dict[str, int]
) -> tuple[Status, dict[str, object]]:
    attribute = ground.subject.attributes[ground.attributes[item]]
    named: dict[str, object] = {"dataset": dataset}
    if not flags & SPLIT and votes["supporting"] > 1:
        return Status.AGREED, {"code": "fusion_agreed", "sources": votes["supporting"]}
    if flags & FRESH:
        return Status.DESIGNATED, {"code": "fusion_designated", **named}
    if not flags & SPLIT:
        return Status.EVIDENCE, {"code": "fusion_single", **named}
    if flags & DISPUTED:
        return Status.IN_DISPUTE, {"code": "fusion_in_dispute", **votes}
    if attribute.many:
        return Status.EVIDENCE, {"code": "fusion_members", **votes}
    listed = item in ground.lists
    return Status.EVIDENCE, _evidence(attribute, flags, named | votes, listed)


def _evidence(
    attribute: Attribute, flags: int, named: dict[str, object], listed: bool
) -> dict[str, object]:
    """Why one value counts among several."""
    if flags & STALE:
        limit = {"designated": attribute.designated, "days": attribute.fresh_days}
        return {"code": "fusion_designated_stale", **named, **limit}
    if attribute.group:
        return {"code": "fusion_group", **named, "group": attribute.group}
    return {"code": "fusion_listed" if listed else "fusion_evidence", **named}


def list_claims(contested: ir.Table, ground: Ground, families: int) -> ir.Table:
    """``code, item, claims``: the claims in JSON, sorted by dataset. ``weight`` is what a claim
    adds for its value: of a family of copies the strongest has the common part.
    """
    names = pa.table(
        {
            "source": pa.array(range(len(ground.sources)), pa.int32()),
            "dataset": pa.array([_json(dataset) for _, dataset in ground.sources], pa.string()),
        }
    )
    rows = contested.inner_join(ibis.memtable(names), "source")
    weight = _added(rows) if families else rows.own
    as_of = ibis.ifelse(rows.day > 0, ibis.literal('"') + day_text(rows.day) + '"', "null")
    text = json_object(
        dataset=rows.dataset,
        value=quoted(ibis.coalesce(rows.spelling, rows.gist)),
        as_of=as_of,
        weight=(weight / UNIT).cast("decimal(18, 3)").cast("string"),
    )
    rows = rows.mutate(text=text)
    return rows.group_by("item", code=rows.entity).agg(
        claims=ibis.literal("[") + rows.text.collect().sort().join(",") + "]"
    )


def _added(rows: ir.Table) -> ir.Value:
    first = ibis.row_number().over(
        group_by=[rows.entity, rows.item, rows.gist, rows.family],
        order_by=[rows.common.desc(), rows.place.desc()],
    )
    return rows.own + ibis.ifelse((rows.family < 0) | (first == 0), rows.common, 0)


def day_text(day: ir.Value) -> ir.Value:
    """An ordinal day in ISO form; 0 gives null."""
    moment = ibis.date(1970, 1, 1) + (day - BEFORE_EPOCH).as_interval("D")
    return ibis.ifelse(
        day > 0, moment.cast("timestamp").cast("date").cast("string"), ibis.null("string")
    )


def quoted(text: ir.Value) -> ir.Value:
    """A JSON string. Control characters, which have no place in cleaned text, become blanks."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').re_replace("[\\x00-\\x1f]", " ")
    plain = ~text.re_search('[\\x00-\\x1f"\\\\]')
    return ibis.literal('"') + ibis.ifelse(plain, text, escaped) + '"'


def json_object(**fields: ir.Value) -> ir.Value:
    """A JSON object of fields that are JSON already."""
    text = ibis.literal("{")
    for place, (name, value) in enumerate(fields.items()):
        text = text + f'{"," if place else ""}"{name}":' + value
    return text + "}"


def _json(value: object) -> str:
    return encode(value).decode()
