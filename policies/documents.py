"""Reading policy documents, and checking them against what is registered."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from core.forms import rule_of
from core.messages import Message, absent, message
from core.types import Model
from core.yamlfile import InvalidFile, InvalidFiles, YamlFile, load
from policies.models import (
    ANY,
    DEFAULT,
    HOUSE_MASKS,
    REVEAL,
    WHOLE,
    Action,
    Agreement,
    Client,
    Documents,
    Effect,
    Known,
    Purpose,
    Reach,
    Rule,
)

PURPOSES, CLIENTS, RULES = "policies/purposes.yaml", "policies/clients.yaml", "policies/rules.csv"
COLUMNS = ("role", "action", "object", "purpose", "scope", "mask", "effect", "conditions")
"""Of rules.csv; a line without conditions may leave the last one out."""

_AGREED = (Action.LOOKUP, Action.VERIFY, Action.QUERY, Action.EXCHANGE)
_OF_ATTRIBUTES = (*_AGREED, Action.STEWARD)
_GO_TOGETHER = (
    (Action.AUDIT, "audit"),
    (Action.ADMINISTER, "hub"),
    (Action.CHECK, "check"),
)
_ANSWERING = (Action.VERIFY, Action.QUERY, Action.EXCHANGE, Action.CHECK)

Files = Mapping[str, YamlFile]
"""Where documents were read: :data:`PURPOSES`, :data:`CLIENTS` or an agreement's id → file."""

D = TypeVar("D", bound=Model)


class _Purposes(Model):
    purposes: tuple[Purpose, ...]


class _Clients(Model):
    clients: tuple[Client, ...]


@dataclass(frozen=True)
class Loaded:
    """Documents and the files they stand in."""

    documents: Documents
    files: Files


def read(workspace: Path) -> Loaded:
    """Reads ``policies/`` and ``agreements/`` of a workspace.

    Raises:
        InvalidFiles: one mistake per rule broken in any of the files.
    """
    reader = _Reader()
    purposes = reader.yaml(workspace / PURPOSES, _Purposes)
    clients = reader.yaml(workspace / CLIENTS, _Clients)
    rules = reader.rules(workspace / RULES)
    agreements: list[Agreement] = []
    files: dict[str, YamlFile] = {}
    for path in sorted((workspace / "agreements").glob("*.yaml")):
        found = reader.yaml(path, Agreement)
        if found is None:
            continue
        agreement, file = found
        if agreement.agreement in files:
            reader.mistakes.append(file.mistake(["agreement"], message("rule_two_agreements")))
        agreements.append(agreement)
        files[agreement.agreement] = file
    if reader.mistakes or purposes is None or clients is None:
        raise InvalidFiles(reader.mistakes)
    files |= {PURPOSES: purposes[1], CLIENTS: clients[1]}
    documents = Documents(
        purposes=purposes[0].purposes,
        clients=clients[0].clients,
        rules=rules,
        agreements=tuple(agreements),
    )
    return Loaded(documents, files)


class _Reader:
    """Reads on after a mistake, so that one pass finds all of them."""

    def __init__(self) -> None:
        self.mistakes: list[InvalidFile] = []

    def yaml(self, path: Path, model: type[D]) -> tuple[D, YamlFile] | None:
        try:
            file = load(path)
            return file.parse(model), file
        except InvalidFile as error:
            self.mistakes.append(error)
        except InvalidFiles as error:
            self.mistakes.extend(m for m in error.mistakes if isinstance(m, InvalidFile))
        return None

    def rules(self, path: Path) -> tuple[Rule, ...]:
        """Lines of seven or eight columns without quotes; empty lines, lines that start with ``#``,
        and a line of column names are passed over.
        """
        try:
            # Spreadsheet programs put a byte-order mark before a CSV file.
            lines = path.read_text("utf-8-sig").split("\n")
        except FileNotFoundError:
            self.mistakes.append(InvalidFile(path, 1, "", message("rule_file_missing")))
            return ()
        except UnicodeDecodeError:
            self.mistakes.append(InvalidFile(path, 1, "", message("rule_file_utf8")))
            return ()
        except OSError:
            self.mistakes.append(InvalidFile(path, 1, "", message("rule_file_unreadable")))
            return ()
        rules = []
        for number, line in enumerate(lines, start=1):
            self._unseen(path, number, line)
            if line.strip() and not line.lstrip().startswith("#"):
                cells = tuple(cell.strip() for cell in line.split(","))
                if cells not in (COLUMNS, COLUMNS[:-1]):
                    rules.append(self._rule(path, number, cells))
        return tuple(rule for rule in rules if rule is not None)

    def _unseen(self, path: Path, number: int, line: str) -> None:
        """Whoever reviews the file must see what is read, also of comments: a rule after a line
        separator in one looks like a rule, and is none.
        """
        for character in sorted(set(line) - {"\t"}):
            if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}:
                rule = message("rule_unseen", character=f"U+{ord(character):04X}")
                self.mistakes.append(InvalidFile(path, number, "", rule))

    def _rule(self, path: Path, number: int, cells: Sequence[str]) -> Rule | None:
        most = len(COLUMNS)
        if not most - 1 <= len(cells) <= most:
            names = ", ".join(COLUMNS)
            rule = message(
                "rule_line_columns", least=most - 1, most=most, names=names, found=len(cells)
            )
            self.mistakes.append(InvalidFile(path, number, "", rule))
            return None
        try:
            return Rule.model_validate(dict(zip(COLUMNS, cells, strict=False)) | {"line": number})
        except ValidationError as error:
            self.mistakes.extend(
                InvalidFile(path, number, str((*e["loc"], "")[0]), rule_of(e))
                for e in error.errors()
            )
            return None


Mistake = tuple[Sequence[str | int], Message]
"""The part of a document that breaks a rule, and the rule."""


def check(documents: Documents, known: Known, files: Files) -> list[InvalidFile]:
    """Everything in the documents that speaks of something unknown or cannot be meant."""
    return [
        *_placed(PURPOSES, files, _repeated("purposes", [p.id for p in documents.purposes])),
        *_placed(CLIENTS, files, _client_mistakes(documents, known)),
        *(
            InvalidFile(Path(RULES), rule.line, field, words)
            for rule in documents.rules
            for (field, words) in _rule_mistakes(rule, documents, known)
        ),
        *(
            mistake
            for agreement in documents.agreements
            for mistake in _placed(
                agreement.agreement, files, _agreement_mistakes(agreement, documents, known)
            )
        ),
    ]


def _placed(name: str, files: Files, mistakes: Iterable[Mistake]) -> Iterator[InvalidFile]:
    for where, rule in mistakes:
        if name in files:
            yield files[name].mistake(where, rule)
        else:
            yield InvalidFile(Path(name), 1, ".".join(map(str, where)), rule)


def _repeated(collection: str, ids: Sequence[str]) -> Iterator[Mistake]:
    for index, name in enumerate(ids):
        if name in ids[:index]:
            yield [collection, index, "id"], message("rule_two_ids", name=name)


def _client_mistakes(documents: Documents, known: Known) -> Iterator[Mistake]:
    yield from _repeated("clients", [client.id for client in documents.clients])
    for index, client in enumerate(documents.clients):
        if client.department not in known.departments:
            yield ["clients", index, "department"], absent("department", client.department)
        for place, role in enumerate(client.roles):
            if role in known.departments:
                # The groups of both would be one, and the role would inherit what is not its own.
                yield ["clients", index, "roles", place], message("rule_role_department", name=role)
        if client.region is not None and client.region not in known.regions:
            yield ["clients", index, "region"], absent("region", client.region)


def _roles(documents: Documents) -> frozenset[str]:
    return frozenset(role for client in documents.clients for role in client.roles)


def _groups(documents: Documents, known: Known) -> frozenset[str]:
    roles = _roles(documents)
    joint = {f"{department}/{role}" for department in known.departments for role in roles}
    return frozenset({ANY}) | known.departments | roles | joint


def _rule_mistakes(rule: Rule, documents: Documents, known: Known) -> Iterator[tuple[str, Message]]:
    denies = rule.effect is Effect.DENY
    if rule.role not in _groups(documents, known):
        yield "role", absent("holder", rule.role)
    if rule.purpose != ANY and rule.purpose not in {p.id for p in documents.purposes}:
        yield "purpose", absent("purpose", rule.purpose)
    if denies and rule.scope in (Reach.OWN_REGION, Reach.OWN_CASES):
        yield "scope", message("rule_denial_scope")
    if denies and rule.conditions.text:
        yield "conditions", message("rule_denial_conditions")
    if not denies and rule.scope is Reach.ANY:
        yield "scope", message("rule_permission_scope")
    if rule.conditions.quota is not None and rule.action not in _ANSWERING:
        actions = ", ".join(_ANSWERING)
        yield "conditions", message("rule_quota_answers", actions=actions)
    if not denies and rule.mask == ANY:
        yield "mask", message("rule_permission_mask")
    if denies and rule.mask == DEFAULT:
        yield "mask", message("rule_denial_mask")
    kind, _, name = rule.object.partition("/")
    if kind in known.subjects:
        yield from _attribute_mistakes(rule, kind, name, known)
    else:
        yield from _object_mistakes(rule, known)


def _object_mistakes(rule: Rule, known: Known) -> Iterator[tuple[str, Message]]:
    """What is wrong with a line about something that is no attribute of a subject."""
    kind, _, name = rule.object.partition("/")
    if kind == "check" and name not in {ANY, *known.checks}:
        yield "object", absent("check", name)
    elif kind == "dataset" and name not in {ANY, *known.contracts}:
        yield "object", absent("dataset", name)
    elif kind not in ("check", "dataset") and rule.object not in WHOLE:
        yield "object", absent("subject", kind)
    else:
        yield from _combination_mistakes(rule, kind)


def _combination_mistakes(rule: Rule, kind: str) -> Iterator[tuple[str, Message]]:
    """What cannot be meant together of a line about no attribute."""
    for action, goes_with in _GO_TOGETHER:
        if (rule.action is action) != (kind == goes_with):
            yield "object", message("rule_action_object", action=action, object=goes_with)
            return
    if kind == "dataset" and rule.action not in (Action.DISCOVER, Action.STEWARD):
        yield "action", message("rule_dataset_actions")
    elif rule.scope is Reach.OWN_CASES and kind != "check":
        yield "scope", message("rule_no_cases", object=rule.object)
    elif rule.action is Action.STEWARD and rule.scope is Reach.OWN_REGION:
        yield "scope", message("rule_table_whole")
    elif rule.mask not in (REVEAL, ANY):
        yield "mask", message("rule_nothing_to_mask", object=rule.object, mask=REVEAL)


def _attribute_mistakes(
    rule: Rule, subject: str, attribute: str, known: Known
) -> Iterator[tuple[str, Message]]:
    described = known.subjects[subject]
    if attribute != ANY and attribute not in described.attributes:
        yield "object", message("rule_no_attribute", subject=subject, attribute=attribute)
        return
    if rule.action not in _OF_ATTRIBUTES:
        yield "action", message("rule_attribute_actions", actions=", ".join(_OF_ATTRIBUTES))
    if rule.action is Action.STEWARD and rule.scope is Reach.OWN_CASES:
        yield "scope", message("rule_steward_scope")
    if rule.action is Action.LOOKUP and attribute not in {ANY, *described.lookups}:
        yield "object", message("rule_no_lookup", attribute=attribute)
    if rule.scope is Reach.OWN_REGION and described.region is None:
        yield "scope", message("rule_no_regions", subject=subject)
    named = described.attributes if attribute == ANY else (attribute,)
    yield from (("mask", words) for words in _mask_mistakes(rule.mask, subject, named, known))


def _mask_mistakes(
    mask: str, subject: str, attributes: Iterable[str], known: Known
) -> Iterator[Message]:
    if mask in (ANY, DEFAULT, *HOUSE_MASKS):
        return
    for attribute in attributes:
        masks = known.masks(subject, attribute)
        if mask not in masks:
            element = known.subjects[subject].attributes[attribute].element
            named = f"{attribute}: {element}"
            yield message("rule_mask_not_offered", mask=mask, element=named, known=masks.usage())


def _agreement_mistakes(
    agreement: Agreement, documents: Documents, known: Known
) -> Iterator[Mistake]:
    yield from _agreed_name_mistakes(agreement, documents, known)
    for index, action in enumerate(agreement.actions):
        if action not in _AGREED:
            said = message("rule_agreed_actions", actions=", ".join(_AGREED), action=action)
            yield ["actions", index], said
    if agreement.conditions.quota is not None and not set(agreement.actions) & set(_ANSWERING):
        yield ["conditions", "quota"], message("rule_quota_answers", actions=", ".join(_ANSWERING))
    if agreement.valid_to < agreement.valid_from:
        yield ["valid_to"], message("rule_ends_before")
    if agreement.scope is Reach.ANY:
        yield ["scope"], message("rule_permission_scope")
    if agreement.subject not in known.subjects:
        yield ["subject"], absent("subject", agreement.subject)
    else:
        yield from _agreed_item_mistakes(agreement, known)


def _agreed_name_mistakes(
    agreement: Agreement, documents: Documents, known: Known
) -> Iterator[Mistake]:
    for field in ("provider", "consumer"):
        department = getattr(agreement, field)
        if department not in known.departments:
            yield [field], absent("department", department)
    roles, purposes = _roles(documents), {purpose.id for purpose in documents.purposes}
    for index, role in enumerate(agreement.roles):
        if role not in roles:
            yield ["roles", index], absent("role", role)
    for index, purpose in enumerate(agreement.purposes):
        if purpose not in purposes:
            yield ["purposes", index], absent("purpose", purpose)


def _agreed_item_mistakes(agreement: Agreement, known: Known) -> Iterator[Mistake]:
    subject = known.subjects[agreement.subject]
    if agreement.scope is Reach.OWN_REGION and subject.region is None:
        yield ["scope"], message("rule_no_regions", subject=agreement.subject)
    for attribute, mask in agreement.items.items():
        where = ["items", attribute]
        if attribute not in subject.attributes:
            yield (
                where,
                message("rule_no_attribute", subject=agreement.subject, attribute=attribute),
            )
            continue
        if mask == ANY:
            yield where, message("rule_permission_mask")
        for words in _mask_mistakes(mask, agreement.subject, (attribute,), known):
            yield where, words
        if not _provides(agreement.provider, agreement.subject, attribute, known):
            yield (
                where,
                message("rule_no_source", department=agreement.provider, attribute=attribute),
            )


def _provides(department: str, subject: str, attribute: str, known: Known) -> bool:
    """Whether one of the department's datasets feeds the attribute: only a source can consent."""
    return any(
        attribute in items
        and dataset in known.contracts
        and known.contracts[dataset].department == department
        for dataset, items in known.subjects[subject].feeds.items()
    )
