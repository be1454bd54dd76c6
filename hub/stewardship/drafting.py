"""From what a steward asks for to a ruling: with the values and records of the current release."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pyarrow.compute as pc
from sqlalchemy import select

from catalog.standards import elements
from catalog.standards.base import Invalid
from catalog.subjects import Subject
from core.canonical import encode
from core.clock import today
from core.errors import BadInput, HubError, NotFound
from core.lake import TableVersion
from core.messages import message, say
from core.types import Level
from hub.serving.access import Access, regions
from hub.stewardship.wishes import (
    Choose,
    Defer,
    Enter,
    Merge,
    Never,
    Reading,
    Recode,
    Repair,
    Split,
    SwapDayMonth,
    Wish,
)
from reconcile import conflicts, releases
from reconcile.models import GoldenKey
from reconcile.releases import ReleaseMissing
from reconcile.rulings import Draft, Kind

LONGEST_DEFERRAL = timedelta(days=366)

Place = tuple[str, str]
"""A record: its dataset and its reference in it."""


class EntityUnknown(NotFound):
    """The current release has no such entity, or it lies out of the caller's reach."""

    code = "entity_unknown"


class ClaimMissing(NotFound):
    """A dataset says nothing about a value."""

    code = "claim_missing"


class RulingImpossible(HubError):
    """What is asked for makes no sense."""

    code = "ruling_impossible"
    status = 400
    exit_code = 2


class ValueFlawed(BadInput):
    """A value breaks a rule of its element; the words say what the rule asks."""

    def words(self, language: str) -> str:
        """The rule in words."""
        rule = say(str(self.fields["rule"]), language)
        return say(self.code, language, field=self.fields["field"], rule=rule)


class Draughtsman:
    """Makes drafts about one subject, for whoever has access."""

    def __init__(self, access: Access, subject: Subject) -> None:
        self._access = access
        self._subject = subject
        with access.hub.engine.connect() as connection:
            release = releases.current(connection)
        if release is None or subject.subject not in release.manifest["subjects"]:
            raise ReleaseMissing
        releases.check_signature(release, access.hub.keys)
        self.release = release.number
        self._state: Mapping[str, Any] = release.manifest["subjects"][subject.subject]

    def draft(self, wish: Wish) -> Draft:
        """The ruling that is asked for.

        Raises:
            EntityUnknown, ClaimMissing, RulingImpossible, BadInput: it cannot be.
        """
        make: dict[type, Callable[[Any], Draft]] = {
            Choose: self._choose,
            Enter: self._enter,
            Merge: self._pair,
            Never: self._pair,
            Split: self._split,
            Defer: self._defer,
            Repair: self._repair,
        }
        return make[type(wish)](wish)

    def claims(self) -> Any:
        """The claims of the current release, to be scanned."""
        return self._table("claims")

    def records(self, entity: str) -> tuple[Place, ...]:
        """The records of an entity that the caller can reach, the most trusted feed first.

        Raises:
            EntityUnknown: there are none.
        """
        with self._access.hub.engine.connect() as connection:
            where = regions(connection, self._subject.subject, [entity])
        view = self._access.view
        if view is None or entity not in where or not view.covers(where[entity]):
            raise EntityUnknown
        wanted = pc.field("entity") == entity
        rows = self._table("links").to_table(columns=["dataset", "record"], filter=wanted)
        order = {dataset: place for place, dataset in enumerate(self._subject.feeds)}
        places = [(row["dataset"], row["record"]) for row in rows.to_pylist()]
        if not places:
            raise EntityUnknown
        return tuple(sorted(places, key=lambda place: (order.get(place[0], len(order)), place)))

    def _table(self, name: str) -> Any:
        return self._access.hub.lake.open(TableVersion.model_validate(self._state[name]))

    def _choose(self, wish: Choose) -> Draft:
        self.records(wish.entity)
        wanted = (
            (pc.field("entity") == wish.entity)
            & (pc.field("attribute") == wish.attribute)
            & (pc.field("dataset") == wish.dataset)
        )
        found = self._table("claims").to_table(columns=["value", "record"], filter=wanted)
        if not len(found):
            raise ClaimMissing(dataset=wish.dataset, attribute=wish.attribute)
        row = found.to_pylist()[0]
        return self._value(wish, row["value"], (wish.dataset, row["record"]))

    def _enter(self, wish: Enter) -> Draft:
        anchor = self.records(wish.entity)[0]
        value = _cleaned(self._subject, wish.attribute, wish.value)
        known = self._access.rules.workspace.regions
        if wish.attribute == self._subject.region and value not in known:
            raise BadInput(field=wish.attribute, rule=message("rule_region_unknown"))
        if wish.attribute in self._subject.keys and self._taken(wish, value):
            raise RulingImpossible(rule=message("rule_key_taken"))
        return self._value(wish, value, anchor)

    def _taken(self, wish: Enter, value: str) -> bool:
        """Whether another entity is found by a key."""
        name, keys = self._subject.subject, self._access.hub.keys
        query = select(GoldenKey.entity).where(
            GoldenKey.subject == name,
            GoldenKey.attribute == wish.attribute,
            GoldenKey.digest == keys.blind_index(releases.key_kind(name, wish.attribute), value),
            GoldenKey.entity != wish.entity,
            GoldenKey.closed.is_(None),
        )
        with self._access.hub.engine.connect() as connection:
            return connection.execute(query).first() is not None

    def _value(self, wish: Choose | Enter, value: str, anchor: Place) -> Draft:
        row = {
            "kind": "value",
            "entity": wish.entity,
            "attribute": wish.attribute,
            "value": value,
            "dataset": anchor[0],
            "record": anchor[1],
        }
        return Draft(
            subject=self._subject.subject,
            kind=Kind(wish.kind),
            body={"rows": [row], "reason": wish.reason},
            entity=wish.entity,
            attribute=wish.attribute,
            dataset=getattr(wish, "dataset", None),
            sensitive=self._subject.attributes[wish.attribute].level >= Level.L4,
        )

    def _pair(self, wish: Merge | Never) -> Draft:
        if wish.entity == wish.other:
            raise RulingImpossible(rule=message("rule_entity_itself"))
        first, second = self.records(wish.entity), self.records(wish.other)
        # Of all records: each of them may leave, or come to be of another entity by its key.
        how = "same" if wish.kind == "merge" else "never"
        rows = [_related(how, one, other) for one in first for other in second]
        return self._linking(wish, rows, [first, second], [wish.other])

    def _split(self, wish: Split) -> Draft:
        places = self.records(wish.entity)
        leaving = [
            place
            for place in places
            if any(
                place[0] == member.dataset and member.record in (None, place[1])
                for member in wish.records
            )
        ]
        staying = [place for place in places if place not in leaving]
        for member in wish.records:
            if not any(p[0] == member.dataset and member.record in (None, p[1]) for p in places):
                rule = message("rule_no_such_record", dataset=member.dataset)
                raise RulingImpossible(rule=rule)
        if not staying:
            raise RulingImpossible(rule=message("rule_all_leave"))
        rows = [_related("never", place, other) for place in leaving for other in staying]
        rows += [_related("same", place, leaving[0]) for place in leaving[1:]]
        return self._linking(wish, rows, [leaving, staying])

    def _linking(
        self,
        wish: Merge | Never | Split,
        rows: Sequence[Any],
        sides: Sequence[Sequence[Place]],
        others: Sequence[str] = (),
    ) -> Draft:
        body = {"rows": rows, "reason": wish.reason, "sides": sides, "others": others}
        kind = Kind(wish.kind)
        return Draft(self._subject.subject, kind, body, entity=wish.entity, sensitive=True)

    def _defer(self, wish: Defer) -> Draft:
        self.records(wish.entity)
        day = today(self._access.hub.clock)
        if not day < wish.until <= day + LONGEST_DEFERRAL:
            rule = message("rule_deferral", day=day, most=LONGEST_DEFERRAL.days)
            raise BadInput(field="until", rule=rule)
        return Draft(
            subject=self._subject.subject,
            kind=Kind.DEFER,
            body={"rows": [], "reason": wish.reason},
            entity=wish.entity,
            attribute=wish.attribute,
            until=wish.until,
        )

    def _repair(self, wish: Repair) -> Draft:
        repair = repair_of(self._subject, wish.dataset, wish.attribute, wish.repair).repair
        view = self._access.view
        if view is None or not view.covers(None):
            raise RulingImpossible(rule=message("rule_repair_everywhere"))
        row = {
            "kind": "repair",
            "dataset": wish.dataset,
            "attribute": wish.attribute,
            "repair": encode(repair).decode(),
        }
        return Draft(
            subject=self._subject.subject,
            kind=Kind.REPAIR,
            body={"rows": [row], "reason": wish.reason, "repair": repair},
            attribute=wish.attribute,
            dataset=wish.dataset,
            sensitive=True,
        )


def repair_of(subject: Subject, dataset: str, attribute: str, reading: Reading) -> conflicts.Repair:
    """A repair of one's own, whether it is to be ruled or to be tried; codes become canonical.

    Raises:
        ClaimMissing, RulingImpossible, BadInput: it makes no sense.
    """
    if attribute not in subject.feeds.get(dataset, {}):
        raise ClaimMissing(dataset=dataset, attribute=attribute)
    if isinstance(reading, SwapDayMonth) and subject.attributes[attribute].element != "date":
        raise RulingImpossible(rule=message("rule_no_date", attribute=attribute))
    repair = reading.model_dump(mode="json")
    if isinstance(reading, Recode):
        repair["mapping"] = {
            _cleaned(subject, attribute, old): _cleaned(subject, attribute, new)
            for old, new in reading.mapping.items()
        }
    return conflicts.Repair(dataset, attribute, repair)


def _cleaned(subject: Subject, attribute: str, value: str) -> str:
    element = elements()[subject.attributes[attribute].element]
    if value.strip().casefold() in element.missing:
        raise BadInput(field=attribute, rule=message("rule_no_value"))
    try:
        return element.clean_one(value)
    except Invalid as error:
        raise ValueFlawed(field=attribute, rule=error.rule) from error


def _related(how: str, one: Place, other: Place) -> dict[str, str]:
    return {
        "kind": how,
        "dataset": one[0],
        "record": one[1],
        "other_dataset": other[0],
        "other_record": other[1],
    }
