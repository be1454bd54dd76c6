"""Cases, as departments register them: opened before anybody asks in them, closed, listed.

A case names only whom its opener could look up if it were open, and opening it tells nothing: not
even whether somebody is on record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from core.errors import BadInput, HubError
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.conditions import register
from hub.conditions.register import Case, Opening
from hub.serving.access import About, Access, Call
from hub.serving.circumstances import PRESUMED
from hub.serving.notes import malformed
from hub.serving.office import Office
from hub.serving.steps import asked_by, clean
from policies.conditions import Context
from policies.decide import Ask, Denied, Grant, decide
from policies.models import ANY, Action, Effect
from policies.reasons import reason
from reconcile.models import GoldenKey, GoldenRecord
from reconcile.releases import key_kind

Values = dict[tuple[str, str], list[str]]
"""Subject and attribute → canonical values."""

MOST_NAMED = 100
"""People and things that one case names when it is opened."""


@dataclass(frozen=True)
class Named:
    """Somebody or something that a case is about: ``value`` of ``<subject>/<attribute>``."""

    subject: str
    attribute: str
    value: str


class Cases:
    """What a client may do with the cases of its own department. Every answer is a JSON-able body
    with a receipt.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hub = office.hub

    def open(self, call: Call, about: Sequence[Named], own: bool = False) -> dict[str, Any]:
        """Registers the case of the call, for its purpose. ``own``: for this client alone, not
        for all of the department.

        Raises:
            Forbidden, SubjectUnknown: the purpose is not one of the client's, the number not of
                the form that it demands, or somebody may not be looked up for it.
            CaseKnown, ValueInvalid, BadInput: what was given cannot be.
        """
        office = self._office.naming([*_asked(self._office, about[:MOST_NAMED])])
        access = office.itself(call, "case_open", [vars(named) for named in about])
        denied = _unusable(access, call) or malformed(access.rules, call.purpose, call.case)
        if denied is not None:
            access.refuse(denied)
        if len(about) > MOST_NAMED:
            access.fail(BadInput(field="about", rule=message("rule_at_most", most=MOST_NAMED)))
        values = self._values(access, about)
        now = self._hub.clock.now()
        opening = Opening(
            number=call.case,
            department=access.department,
            purpose=call.purpose,
            client=access.client if own else None,
            opened_by=access.client,
        )
        named = sum(map(len, values.values()))
        with self._hub.engine.connect() as connection:
            entities = self._entities(connection, access, values)
        with access.change() as connection:
            register.open_case(connection, opening, entities, now)
            body = {"case": call.case, "purpose": call.purpose, "named": named}
            return access.give(body, About(rows={"named": named}), connection)

    def close(self, call: Call) -> dict[str, Any]:
        """Closes the case of the call: nobody asks in it any more, and it is not opened again.

        Raises:
            CaseUnknown: the department has no such case, or no open one.
        """
        access = self._office.itself(call, "case_close")
        with access.change() as connection:
            register.close_case(connection, access.department, call.case, self._hub.clock.now())
            return access.give({"case": call.case}, About(rows={"closed": 1}), connection)

    def list(self, call: Call, also_closed: bool, limit: int) -> dict[str, Any]:
        """The cases of the client's department, the latest first; of whom they are about, how
        many.
        """
        access = self._office.itself(call, "case_list", [also_closed, limit])
        with self._hub.engine.connect() as connection:
            found = register.listed(connection, access.department, also_closed, limit)
        body = {"cases": [_told(case) for case in found]}
        return access.give(body, About(rows={"answered": len(found)}))

    def _values(self, access: Access, about: Iterable[Named]) -> Values:
        """What the case names, in canonical form. What cannot be looked up anyway is refused first, so that it
        is the same whatever is there.
        """
        values: Values = defaultdict(list)
        for named in about:
            if (named.subject, named.attribute) not in values:
                verdict = self._leave(access, (named.subject, named.attribute), frozenset())
                if isinstance(verdict, Denied):
                    access.refuse(verdict)
            described = access.rules.workspace.subjects[named.subject]
            try:
                found = clean(described, {named.attribute: named.value})[named.attribute]
            except HubError as error:
                access.fail(error)
            values[named.subject, named.attribute] += found
        return {kind: list(dict.fromkeys(found)) for kind, found in values.items()}

    def _entities(
        self, connection: Connection, access: Access, values: Values
    ) -> dict[str, set[str]]:
        """Subject → the entities that the values name, as far as the caller may look them up."""
        entities: dict[str, set[str]] = defaultdict(set)
        for (subject, attribute), wanted in values.items():
            kind = key_kind(subject, attribute)
            rows = connection.execute(
                select(GoldenRecord.entity, GoldenRecord.region)
                .join(
                    GoldenKey,
                    (GoldenKey.subject == GoldenRecord.subject)
                    & (GoldenKey.entity == GoldenRecord.entity),
                )
                .where(
                    GoldenRecord.subject == subject,
                    GoldenRecord.closed.is_(None),
                    GoldenKey.attribute == attribute,
                    GoldenKey.closed.is_(None),
                    GoldenKey.digest.in_([self._hub.keys.blind_index(kind, v) for v in wanted]),
                )
            ).all()
            found = frozenset(row.entity for row in rows)
            grant = self._leave(access, (subject, attribute), found)
            scopes = () if isinstance(grant, Denied) else grant.scopes
            entities[subject] |= {
                row.entity
                for row in rows
                if any(s.contains(row.region, row.entity) for s in scopes)
            }
        return entities

    def _leave(
        self, access: Access, kind: tuple[str, str], entities: frozenset[str]
    ) -> Grant | Denied:
        """Whether the caller could look up by ``kind`` if the case were open, about ``entities``,
        and everything approved.
        """
        (subject, attribute), call, rules = kind, access.call, access.rules
        described = rules.workspace.subjects.get(subject)
        zones = rules.workspace.zones.of(call.caller.address)
        context = Context(zones, PRESUMED, case_open=True, entities=entities or _SOMEBODY)
        now = self._hub.clock.now()
        asked = Ask(access.client, Action.LOOKUP, subject, (attribute,), call.purpose, now, context)
        verdict = decide(rules.policy, asked)
        if isinstance(verdict, Denied) or (described and attribute in described.lookups):
            return verdict
        return Denied((reason("policy_filter_closed", item=attribute, subject=subject),))


_SOMEBODY = frozenset({"-"})
"""No entity is called so: stands for those who are found later."""


def _asked(office: Office, about: Iterable[Named]) -> Iterator[str]:
    digests, subjects = KeyedDigests(office.hub.keys), office.rules.workspace.subjects
    for named in about:
        described = subjects.get(named.subject)
        yield from asked_by(digests, described, {named.attribute: named.value})


def _unusable(access: Access, call: Call) -> Denied | None:
    """A refusal, where nothing at all is open to the client for the purpose."""
    policy = access.rules.policy
    groups = policy.groups(access.client)
    usable = call.purpose in policy.policies.purposes and any(
        line.effect == Effect.ALLOW and line.group in groups and line.purpose in (ANY, call.purpose)
        for line in policy.policies.lines
    )
    if usable:
        return None
    return Denied((reason("policy_case_purpose", purpose=call.purpose),))


def _told(case: Case) -> dict[str, Any]:
    return {
        "case": case.number,
        "purpose": case.purpose,
        "client": case.client,
        "opened_at": case.opened_at.isoformat(),
        "closed_at": None if case.closed_at is None else case.closed_at.isoformat(),
        "about": dict(case.subjects),
    }
