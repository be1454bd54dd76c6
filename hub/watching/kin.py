"""Who is close to whoever stands behind an account: computed inside of the hub from golden
records, and known by keyed digests alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from catalog.standards import elements
from catalog.standards.base import Invalid
from catalog.subjects import Subject
from core.errors import BadInput
from core.keys import KeyRing
from core.messages import message
from hub.audit.entries import KeyedDigests
from hub.serving.persons import person_kind
from hub.watching.rules.base import KIN
from hub.watching.settings import Account
from hub.watching.trail import account_of
from hub.workspace import Workspace
from reconcile.models import GoldenKey, GoldenRecord
from reconcile.releases import Kept, key_kind, open_record

HOUSEHOLD = "household_id"
"""The lookup attribute by which records of one household are found."""


def reference(workspace: Workspace, keys: KeyRing, number: str) -> str:
    """What ``policies/accounts.yaml`` has for the person of a number: not the number, and nothing
    that the number could be guessed from without the hub's keys.

    Raises:
        BadInput: the number breaks a rule of its element, or no subject is about persons.
    """
    subject, attribute = _kind(workspace)
    value = canonical(workspace, number)
    return keys.blind_index(key_kind(subject.subject, attribute), value).hex()


def canonical(workspace: Workspace, number: str) -> str:
    """A person's number in the form that golden records have it.

    Raises:
        BadInput: it breaks a rule of its element, or no subject is about persons.
    """
    subject, attribute = _kind(workspace)
    try:
        return elements()[subject.attributes[attribute].element].clean_one(number.strip())
    except Invalid as error:
        raise BadInput(field=attribute, rule=message(error.rule)) from error


def _kind(workspace: Workspace) -> tuple[Subject, str]:
    kind = person_kind(workspace.subjects)
    if kind is None:
        raise BadInput(field="subject", rule=message("rule_no_person_key"))
    name, _, attribute = kind.partition("/")
    return workspace.subjects[name], attribute


class Kin:
    """Reads who belongs to whom."""

    def __init__(self, connection: Connection, keys: KeyRing, workspace: Workspace) -> None:
        self._connection = connection
        self._keys = keys
        self._workspace = workspace
        self._digests = KeyedDigests(keys)

    def table(self) -> pa.Table:
        """The frame of :data:`KIN` for all accounts of the workspace. An account whose person has
        no golden record has no kin.
        """
        accounts = self._workspace.watch.accounts
        if not accounts or person_kind(self._workspace.subjects) is None:
            return KIN.empty_table()
        return pa.Table.from_pylist(list(self._rows(accounts)), schema=KIN)

    def _rows(self, accounts: Sequence[Account]) -> Iterator[dict[str, Any]]:
        clients = {client.id: client for client in self._workspace.policies.clients}
        families = self._families([bytes.fromhex(account.reference) for account in accounts])
        own = {account: families.get(bytes.fromhex(account.reference)) for account in accounts}
        for account, found in own.items():
            if found is None:
                continue
            told = {"client": account.client, "account": self._account(account)}
            yield {**told, "digest": found[0], "relation": "own_record"}
            for member in found[1] - {found[0]}:
                yield {**told, "digest": member, "relation": "family"}
            close = {found[0], *found[1]}
            for other, theirs in own.items():
                if theirs is None or theirs[0] in close or other.client not in clients:
                    continue
                here = clients.get(account.client)
                if here is not None and here.department == clients[other.client].department:
                    yield {**told, "digest": theirs[0], "relation": "colleague"}

    def _account(self, account: Account) -> str | None:
        if account.person is None:
            return None
        return account_of(self._digests.of, account.client, account.person)

    def _families(self, references: Sequence[bytes]) -> dict[bytes, tuple[str, set[str]]]:
        """Reference → digest of the person, and of all of the household."""
        subject, attribute = _kind(self._workspace)
        found = self._entities(subject, attribute, references)
        people = self._values(subject, list(found.values()))
        households = {
            reference: cells[HOUSEHOLD]
            for reference, entity in found.items()
            if (cells := people.get(entity, {})).get(HOUSEHOLD)
        }
        members = self._members(subject, attribute, set(households.values()))
        return {
            reference: (self._digest(subject, attribute, people[entity][attribute]),
                        members[households.get(reference, "")])
            for reference, entity in found.items()
            if people.get(entity, {}).get(attribute)
        }  # fmt: skip

    def _members(
        self, subject: Subject, attribute: str, households: set[str]
    ) -> Mapping[str, set[str]]:
        members: dict[str, set[str]] = defaultdict(set)
        if HOUSEHOLD not in subject.lookups:
            return members
        kind = key_kind(subject.subject, HOUSEHOLD)
        keyed = [self._keys.blind_index(kind, value) for value in sorted(households)]
        entities = self._entities(subject, HOUSEHOLD, keyed, every=True)
        for cells in self._values(subject, list(entities.values())).values():
            if cells.get(attribute):
                digest = self._digest(subject, attribute, cells[attribute])
                members[cells.get(HOUSEHOLD, "")].add(digest)
        return members

    def _digest(self, subject: Subject, attribute: str, value: str) -> str:
        return self._digests.of(f"{subject.subject}/{attribute}", value)

    def _entities(
        self, subject: Subject, attribute: str, keyed: Sequence[bytes], every: bool = False
    ) -> dict[bytes, str]:
        """Blind index → entity; with ``every``, entity's own bytes → entity, for all there are."""
        query = select(GoldenKey.digest, GoldenKey.entity).where(
            GoldenKey.subject == subject.subject,
            GoldenKey.attribute == attribute,
            GoldenKey.digest.in_(keyed),
            GoldenKey.closed.is_(None),
        )
        rows = self._connection.execute(query).all()
        return {(entity.encode() if every else digest): entity for digest, entity in rows}

    def _values(self, subject: Subject, entities: Sequence[str]) -> dict[str, dict[str, str]]:
        """Entity → number and household, of those that are served now."""
        query = select(
            GoldenRecord.entity, GoldenRecord.region, GoldenRecord.plain, GoldenRecord.sealed
        ).where(
            GoldenRecord.subject == subject.subject,
            GoldenRecord.entity.in_(entities),
            GoldenRecord.closed.is_(None),
        )
        wanted = {*subject.keys, HOUSEHOLD}
        found = {}
        for row in self._connection.execute(query):
            cells = open_record(self._keys, subject.subject, Kept(*row))
            found[row.entity] = {
                name: cell["value"] for name, cell in cells.items()
                if name in wanted and cell["value"] is not None
            }  # fmt: skip
        return found
