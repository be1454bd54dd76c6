"""Whether the parts of a workspace fit together: nothing speaks of something that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from catalog.contracts import Contract
from catalog.standards import elements
from catalog.standards.several import SUFFIX
from catalog.subjects import Subject
from hub.checks.definition import Check, CheckRule, chosen_by, judged_by
from hub.workspace import Workspace
from policies.models import KINDS
from reconcile.quality import check_rules
from reconcile.releases import is_sealed
from reconcile.rules import references

Mistake = tuple[str, str, Sequence[str | int], str]
"""Kind and key of a document, the part of it that breaks a rule, and the rule."""


def mistakes(workspace: Workspace) -> Iterator[Mistake]:
    """What speaks of something that is not there."""
    for dataset, contract in workspace.contracts.items():
        if contract.department not in workspace.departments:
            rule = f"there is no department {contract.department!r}"
            yield "contract", dataset, ["customProperties"], rule
        for name in sorted(contract.named_checks - workspace.checks.keys()):
            yield "contract", dataset, ["customProperties"], f"there is no check {name!r}"
        broken = check_rules(contract)
        for rule in broken:
            yield "contract", dataset, ["schema"], rule
        if not broken:
            yield from _reference_mistakes(workspace, contract)
    for dataset, source in workspace.sources.items():
        yield from _source_mistakes(workspace, dataset, getattr(source, "cursor", None))
    for subject in workspace.subjects.values():
        yield from _name_mistakes(subject.subject)
        yield from _subject_mistakes(workspace, subject)
    for check in workspace.checks.values():
        yield from _check_mistakes(workspace, check)


def _reference_mistakes(workspace: Workspace, contract: Contract) -> Iterator[Mistake]:
    for dataset, item in references(contract):
        there = workspace.contracts.get(dataset)
        if there is None:
            rule = f"a rule refers to {dataset!r}, of which there is no contract"
            yield "contract", contract.dataset, ["schema"], rule
        elif item not in {each.name for each in there.items}:
            rule = f"a rule refers to {item!r} of {dataset}, which has no such item"
            yield "contract", contract.dataset, ["schema"], rule


def _source_mistakes(workspace: Workspace, dataset: str, cursor: str | None) -> Iterator[Mistake]:
    contract = workspace.contracts.get(dataset)
    if contract is None:
        yield "source", dataset, ["dataset"], f"there is no contract {dataset!r}"
    elif cursor is not None and cursor not in contract.columns:
        yield "source", dataset, ["cursor"], f"the contract has no column {cursor!r}"
    elif cursor is not None and not contract.key:
        rule = "changes are told apart by the key of rows, and the contract names none"
        yield "source", dataset, ["cursor"], rule


def _name_mistakes(name: str) -> Iterator[Mistake]:
    """A rule about the one would be a rule about the other."""
    if name in KINDS:
        rule = f"{name!r} is what rules call something else: {', '.join(sorted(KINDS))}"
        yield "subject", name, ["subject"], rule


def _subject_mistakes(workspace: Workspace, subject: Subject) -> Iterator[Mistake]:
    name = subject.subject
    for attribute in subject.attributes:
        yield from _attribute_mistakes(subject, attribute)
    if subject.region is not None and subject.region not in subject.attributes:
        yield "subject", name, ["region"], f"there is no attribute {subject.region!r}"
    yield from _feed_mistakes(workspace, subject)
    if subject.listing is not None:
        if subject.listing.attribute not in subject.attributes:
            rule = f"there is no attribute {subject.listing.attribute!r}"
            yield "subject", name, ["listing", "attribute"], rule
        for dataset in set(subject.listing.datasets) - subject.feeds.keys():
            yield "subject", name, ["listing"], f"{dataset!r} does not feed this subject"
    for dataset in subject.once:
        if dataset not in subject.feeds:
            yield "subject", name, ["once"], f"{dataset!r} does not feed this subject"


def _attribute_mistakes(subject: Subject, attribute: str) -> Iterator[Mistake]:
    name, described = subject.subject, subject.attributes[attribute]
    where = ["attributes", attribute]
    single = described.element.removesuffix(SUFFIX) if described.many else described.element
    if single not in list(elements()):
        yield "subject", name, [*where, "element"], f"unknown element {single!r}"
    if described.designated is not None and described.designated not in subject.feeds:
        rule = f"the designated source {described.designated!r} does not feed this subject"
        yield "subject", name, [*where, "designated"], rule
    if described.many:
        yield from _set_mistakes(subject, attribute)


def _set_mistakes(subject: Subject, attribute: str) -> Iterator[Mistake]:
    described, where = subject.attributes[attribute], ["attributes", attribute, "many"]
    rules = {
        "a key has one value: it cannot be many": described.key,
        "a flag has one value: it cannot be many": described.element == "flag" + SUFFIX,
        "attributes of a group have one value: they cannot be many": described.group is not None,
        "a record lies in one region: it cannot be many": subject.region == attribute,
    }
    for rule, broken in rules.items():
        if broken:
            yield "subject", subject.subject, where, rule


def _feed_mistakes(workspace: Workspace, subject: Subject) -> Iterator[Mistake]:
    name = subject.subject
    for dataset, items in subject.feeds.items():
        contract = workspace.contracts.get(dataset)
        if contract is None:
            yield "subject", name, ["feeds", dataset], f"there is no contract {dataset!r}"
            continue
        known = {item.name: item for item in contract.items}
        for attribute, item in items.items():
            where = ["feeds", dataset, attribute]
            if attribute not in subject.attributes:
                yield "subject", name, where, f"there is no attribute {attribute!r}"
            if item not in known:
                yield "subject", name, where, f"{dataset} has no item {item!r}"
            elif known[item].element.endswith(SUFFIX) and attribute not in subject.many:
                rule = f"{item!r} may hold several values: the attribute must be many"
                yield "subject", name, where, rule


def _check_mistakes(workspace: Workspace, check: Check) -> Iterator[Mistake]:
    members = check.members
    asked: dict[tuple[str, ...], str | None] = {
        ("ask",): _unknown(workspace, check.subject, [check.ask])
        or _unsearchable(workspace, check.subject, check.ask),
        ("members",): _unknown(workspace, members.subject, [members.by, check.authorisation]),
        ("members", "where"): _misread(workspace, members.subject, members.where),
        ("members", "by"): _unsearchable(workspace, members.subject, members.by),
        ("authorisation",): _undated(workspace, members.subject, check.authorisation),
    }
    for name, fact in check.facts.items():
        of = members.subject if fact.of == "members" else fact.of
        asked["facts", name] = _unknown(workspace, of, [fact.match, fact.attribute])
        asked["facts", name, "where"] = _misread(workspace, of, fact.where)
        asked["facts", name, "key"] = _unknown(workspace, members.subject, [fact.key])
        if fact.match is not None:
            asked["facts", name, "match"] = _unsearchable(workspace, of, fact.match)
    for where, rule in asked.items():
        if rule is not None:
            yield "check", check.check, list(where), rule
    for index, described in enumerate(check.rules):
        for fact_name in described.needs:
            if fact_name not in check.facts:
                rule = f"there is no fact {fact_name!r}"
                yield "check", check.check, ["rules", index, "needs"], rule
        for part, rule in _judgement_mistakes(described):
            yield "check", check.check, ["rules", index, part], rule


def _judgement_mistakes(described: CheckRule) -> Iterator[tuple[str, str]]:
    for part, judgement in (("met", described.met), ("doubt", described.doubt)):
        try:
            used = judged_by(judgement)
        except ValueError as error:
            yield part, str(error)
            continue
        if used - set(described.needs):
            # A fact that is not needed would count although it is in doubt.
            yield part, f"needs does not name the fact {min(used - set(described.needs))!r}"


def _misread(workspace: Workspace, subject: str, where: str | None) -> str | None:
    try:
        return _unknown(workspace, subject, chosen_by(where))
    except ValueError as error:
        return str(error)


def _unknown(workspace: Workspace, subject: str, attributes: Iterable[str | None]) -> str | None:
    if subject not in workspace.subjects:
        return f"there is no subject {subject!r}"
    missing = {a for a in attributes if a} - workspace.subjects[subject].attributes.keys()
    return f"{subject} has no attribute {min(missing)!r}" if missing else None


def _undated(workspace: Workspace, subject: str, attribute: str | None) -> str | None:
    described = workspace.subjects.get(subject)
    found = described and described.attributes.get(attribute or "")
    if not found or found.element == "date":
        return None
    return f"{subject}/{attribute} is no date, so it cannot say until when"


def _unsearchable(workspace: Workspace, subject: str, attribute: str) -> str | None:
    described = workspace.subjects.get(subject)
    if described is None or attribute not in described.attributes:
        return None
    if attribute in described.lookups or not is_sealed(described.attributes[attribute]):
        return None
    return f"{subject}/{attribute} is sealed: declare it as lookup to search by it"
