"""What a repair would change, worked out by deciding the values it touches once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards import elements
from catalog.standards.base import Element, Invalid
from catalog.subjects import Subject
from core.engine import keep
from core.errors import BadInput
from core.messages import message
from reconcile.conflicts.relations import swappable
from reconcile.fusion import fuse
from reconcile.fusion.details import raised, steps
from reconcile.fusion.gather import CLAIM, TableLike, as_table

MOST = 100_000
"""Entities that are tried; of more, those that come first by their id, which is a digest."""

EXAMPLES = 5
_ITEM = ("entity", "attribute")
KINDS = ("swap_day_month", "recode", "ignore")


class Change(NamedTuple):
    """A golden value before and after; None: there is none."""

    entity: str
    attribute: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Effect:
    """What a repair would do. ``claims``: how many it would read otherwise, of ``entities``
    entities, of which ``tried`` were decided once more; all that follows is about these.

    ``changed``: golden values; ``vanished``, ``appeared``: conflicts; ``settled``: values in
    dispute that no longer would be, ``unsettled`` the other way round. ``examples`` are of the
    changed values.
    """

    claims: int
    entities: int
    tried: int
    changed: int = 0
    vanished: int = 0
    appeared: int = 0
    settled: int = 0
    unsettled: int = 0
    examples: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Repair:
    """How claims of ``dataset`` about ``attribute`` shall be read: JSON with a ``kind``, one of
    :data:`KINDS`; ``recode`` has a ``mapping`` of canonical values.
    """

    dataset: str
    attribute: str
    repair: Mapping[str, Any]

    def check(self, subject: Subject) -> None:
        """Whether there is anything to repair.

        Raises:
            BadInput: no such attribute or dataset, or a repair that is none.
        """
        if self.attribute not in subject.attributes:
            name = subject.subject
            rule = message("rule_no_attribute", subject=name, attribute=self.attribute)
            raise BadInput(field="attribute", rule=rule)
        if self.attribute not in subject.feeds.get(self.dataset, {}):
            raise BadInput(
                field="dataset", rule=message("rule_says_nothing", attribute=self.attribute)
            )
        kind, mapping = self.repair.get("kind"), self.repair.get("mapping")
        if kind not in KINDS:
            raise BadInput(field="repair.kind", rule=message("rule_one_of", names=", ".join(KINDS)))
        if kind == "recode":
            element = elements()[subject.attributes[self.attribute].element]
            texts = isinstance(mapping, Mapping) and all(
                isinstance(text, str) and _canonical(element, text)
                for pair in mapping.items()
                for text in pair
            )
            if not (mapping and texts):
                raise BadInput(field="repair.mapping", rule=message("rule_mapping"))

    def read(self, value: str) -> str | None:
        """How a value is read; None: not at all."""
        if self.repair["kind"] == "swap_day_month":
            return swappable(value) or value
        if self.repair["kind"] == "recode":
            return str(self.repair["mapping"].get(value, value))
        return None


@dataclass(frozen=True)
class Basis:
    """What values were decided by: all claims, on which day, by which trust in which source, and
    with which rulings (``entity, attribute, value, number``).
    """

    claims: TableLike
    as_of: date
    sources: pa.Table
    rulings: pa.Table | None = None


def _canonical(element: Element, text: str) -> bool:
    try:
        return element.clean_one(text) == text
    except Invalid:
        return False


def effect(engine: BaseBackend, subject: Subject, basis: Basis, repair: Repair) -> Effect:
    """What would be different, had claims been read by ``repair``.

    Raises:
        BadInput: there is nothing to repair.
    """
    repair.check(subject)
    claims = as_table(basis.claims).select(*CLAIM)
    mine = claims.filter(
        (claims.dataset == repair.dataset) & (claims.attribute == repair.attribute)
    )
    mine = _reread(engine, mine, repair)
    touched = keep(engine, mine.select("entity").distinct())
    total, entities = engine.to_pyarrow(mine.count()).as_py(), _size(engine, touched)
    if entities == 0:
        return Effect(claims=0, entities=0, tried=0)
    tried = keep(engine, touched.order_by("entity").limit(MOST))
    together = _together(subject, repair.attribute)
    before = keep(
        engine,
        claims.filter(claims.attribute.isin(together)).semi_join(tried, "entity"),
    )
    after = keep(engine, _repaired(engine, subject, before, mine, repair))
    one, other = (_decided(engine, subject, basis, table) for table in (before, after))
    return _compare(engine, one, other, Effect(total, entities, min(entities, MOST)))


def _together(subject: Subject, attribute: str) -> list[str]:
    """The attributes that are decided together with one."""
    group = subject.attributes[attribute].group
    return [
        name
        for name, other in subject.attributes.items()
        if name == attribute or (group is not None and other.group == group)
    ]


def _size(engine: BaseBackend, table: ir.Table) -> int:
    return int(engine.to_pyarrow(table.count()).as_py())


def _reread(engine: BaseBackend, mine: ir.Table, repair: Repair) -> ir.Table:
    """The claims that are read otherwise, with ``reread`` as what they become."""
    if repair.repair["kind"] == "ignore":
        return mine.mutate(reread=ibis.null("string"))
    values = engine.to_pyarrow(mine.select("value").distinct()).column("value").to_pylist()
    changed = {value: new for value in values if (new := repair.read(value)) != value}
    told = pa.table(
        {
            "value": pa.array(list(changed), pa.string()),
            "reread": pa.array(list(changed.values()), pa.string()),
        }
    )
    return mine.inner_join(ibis.memtable(told), "value")


def _repaired(
    engine: BaseBackend, subject: Subject, before: ir.Table, mine: ir.Table, repair: Repair
) -> ir.Table:
    """``before`` with the claims as they would be read."""
    source = ["entity", "attribute", "dataset"]
    kept = before.anti_join(mine, source)
    new = mine.filter(mine.reread.notnull()).semi_join(before, source)
    new = new.mutate(value=new.reread).select(*CLAIM)
    both = kept.union(new)
    about = both.filter(both.attribute == repair.attribute)
    # What was the only spelling before may now stand beside another one.
    values = engine.to_pyarrow(about.select("value").distinct()).column("value").to_pylist()
    element = elements()[subject.attributes[repair.attribute].element]
    fresh = [element.gist(value) for value in values]
    gists = pa.table(
        {"value": pa.array(values, pa.string()), "fresh": pa.array(fresh, pa.string())}
    )
    known = pa.Table.from_pylist(
        [{"gist": less, "more": more} for less, more in steps(element, set(fresh))],
        pa.schema([("gist", pa.string()), ("more", pa.string())]),
    )
    told = about.inner_join(ibis.memtable(gists), "value")
    told = told.mutate(gist=told.fresh).select(*CLAIM)
    told = raised(engine, told, ["entity"], known)
    return told.union(both.filter(both.attribute != repair.attribute))


def _decided(
    engine: BaseBackend, subject: Subject, basis: Basis, claims: ir.Table
) -> tuple[ir.Table, ir.Table]:
    """Golden values and conflicts."""
    fused = fuse(engine, subject, claims, basis.as_of, rulings=basis.rulings, sources=basis.sources)
    golden = keep(engine, fused.golden.select(*_ITEM, "value"))
    return golden, keep(engine, fused.conflicts.select(*_ITEM, "status"))


def _compare(
    engine: BaseBackend,
    one: tuple[ir.Table, ir.Table],
    other: tuple[ir.Table, ir.Table],
    effect: Effect,
) -> Effect:
    golden = one[0].rename(before="value").outer_join(other[0].rename(after="value"), _ITEM)
    golden = golden.select(
        entity=ibis.coalesce(golden.entity, golden.entity_right),
        attribute=ibis.coalesce(golden.attribute, golden.attribute_right),
        before=golden.before,
        after=golden.after,
    )
    changed = keep(engine, golden.filter(~golden.before.identical_to(golden.after)))
    shown = engine.to_pyarrow(changed.order_by(*_ITEM).limit(EXAMPLES)).to_pylist()
    (was, now), dispute = (one[1], other[1]), "in_dispute"
    was_open, now_open = (table.filter(table.status == dispute) for table in (was, now))
    return Effect(
        claims=effect.claims,
        entities=effect.entities,
        tried=effect.tried,
        changed=_size(engine, changed),
        vanished=_size(engine, was.anti_join(now, _ITEM)),
        appeared=_size(engine, now.anti_join(was, _ITEM)),
        settled=_size(engine, was_open.anti_join(now_open, _ITEM)),
        unsettled=_size(engine, now_open.anti_join(was_open, _ITEM)),
        examples=tuple(Change(**row) for row in shown),
    )
