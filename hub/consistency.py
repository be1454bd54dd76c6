"""Whether the parts of a workspace fit together: nothing speaks of something that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from catalog.contracts import Contract
from catalog.standards import elements
from catalog.standards.several import SUFFIX
from catalog.subjects import Subject
from core.forms import asked
from core.messages import absent, message
from core.yamlfile import Rule
from hub.checks.definition import Check, CheckRule, chosen_by, judged_by
from hub.workspace import Workspace
from policies.models import KINDS
from reconcile.quality import check_rules
from reconcile.releases import is_sealed
from reconcile.rules import references

Mistake = tuple[str, str, Sequence[str | int], Rule]
"""Kind and key of a document, the part of it that breaks a rule, and the rule."""


def mistakes(workspace: Workspace) -> Iterator[Mistake]:
    """What speaks of something that is not there."""
    for dataset, contract in workspace.contracts.items():
        if contract.department not in workspace.departments:
            rule = absent("department", contract.department)
            yield "contract", dataset, ["customProperties"], rule
        for name in sorted(contract.named_checks - workspace.checks.keys()):
            yield "contract", dataset, ["customProperties"], absent("check", name)
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
            rule = message("rule_refers_dataset", dataset=dataset)
            yield "contract", contract.dataset, ["schema"], rule
        elif item not in {each.name for each in there.items}:
            rule = message("rule_refers_item", item=item, dataset=dataset)
            yield "contract", contract.dataset, ["schema"], rule


def _source_mistakes(workspace: Workspace, dataset: str, cursor: str | None) -> Iterator[Mistake]:
    contract = workspace.contracts.get(dataset)
    if contract is None:
        yield "source", dataset, ["dataset"], absent("contract", dataset)
    elif cursor is not None and cursor not in contract.columns:
        yield "source", dataset, ["cursor"], message("rule_no_column", name=cursor)
    elif cursor is not None and not contract.key:
        rule = message("rule_cursor_key")
        yield "source", dataset, ["cursor"], rule


def _name_mistakes(name: str) -> Iterator[Mistake]:
    """A rule about the one would be a rule about the other."""
    if name in KINDS:
        rule = message("rule_name_taken", name=name, names=", ".join(sorted(KINDS)))
        yield "subject", name, ["subject"], rule


def _subject_mistakes(workspace: Workspace, subject: Subject) -> Iterator[Mistake]:
    name = subject.subject
    for attribute in subject.attributes:
        yield from _attribute_mistakes(subject, attribute)
    if subject.region is not None and subject.region not in subject.attributes:
        yield "subject", name, ["region"], absent("attribute", subject.region)
    yield from _feed_mistakes(workspace, subject)
    if subject.listing is not None:
        if subject.listing.attribute not in subject.attributes:
            rule = absent("attribute", subject.listing.attribute)
            yield "subject", name, ["listing", "attribute"], rule
        for dataset in set(subject.listing.datasets) - subject.feeds.keys():
            yield "subject", name, ["listing"], message("rule_feeds_not", dataset=dataset)
    for dataset in subject.once:
        if dataset not in subject.feeds:
            yield "subject", name, ["once"], message("rule_feeds_not", dataset=dataset)


def _attribute_mistakes(subject: Subject, attribute: str) -> Iterator[Mistake]:
    name, described = subject.subject, subject.attributes[attribute]
    where = ["attributes", attribute]
    single = described.element.removesuffix(SUFFIX) if described.many else described.element
    if single not in list(elements()):
        yield "subject", name, [*where, "element"], absent("element", single)
    if described.designated is not None and described.designated not in subject.feeds:
        rule = message("rule_feeds_not", dataset=described.designated)
        yield "subject", name, [*where, "designated"], rule
    if described.many:
        yield from _set_mistakes(subject, attribute)


def _set_mistakes(subject: Subject, attribute: str) -> Iterator[Mistake]:
    described, where = subject.attributes[attribute], ["attributes", attribute, "many"]
    broken = {
        "rule_key_one_value": described.key,
        "rule_flag_one_value": described.element == "flag" + SUFFIX,
        "rule_group_one_value": described.group is not None,
        "rule_region_one_value": subject.region == attribute,
    }
    for rule in (name for name, found in broken.items() if found):
        yield "subject", subject.subject, where, message(rule)


def _feed_mistakes(workspace: Workspace, subject: Subject) -> Iterator[Mistake]:
    name = subject.subject
    for dataset, items in subject.feeds.items():
        contract = workspace.contracts.get(dataset)
        if contract is None:
            yield "subject", name, ["feeds", dataset], absent("contract", dataset)
            continue
        known = {item.name: item for item in contract.items}
        for attribute, item in items.items():
            where = ["feeds", dataset, attribute]
            if attribute not in subject.attributes:
                yield "subject", name, where, absent("attribute", attribute)
            if item not in known:
                yield "subject", name, where, message("rule_no_item", dataset=dataset, item=item)
            elif known[item].element.endswith(SUFFIX) and attribute not in subject.many:
                rule = message("rule_must_be_many", item=item)
                yield "subject", name, where, rule


def _check_mistakes(workspace: Workspace, check: Check) -> Iterator[Mistake]:
    members = check.members
    wanted: dict[tuple[str, ...], Rule | None] = {
        ("ask",): _unknown(workspace, check.subject, [check.ask])
        or _unsearchable(workspace, check.subject, check.ask),
        ("members",): _unknown(workspace, members.subject, [members.by, check.authorisation]),
        ("members", "where"): _misread(workspace, members.subject, members.where),
        ("members", "by"): _unsearchable(workspace, members.subject, members.by),
        ("authorisation",): _undated(workspace, members.subject, check.authorisation),
    }
    for name, fact in check.facts.items():
        of = members.subject if fact.of == "members" else fact.of
        wanted["facts", name] = _unknown(workspace, of, [fact.match, fact.attribute])
        wanted["facts", name, "where"] = _misread(workspace, of, fact.where)
        wanted["facts", name, "key"] = _unknown(workspace, members.subject, [fact.key])
        if fact.match is not None:
            wanted["facts", name, "match"] = _unsearchable(workspace, of, fact.match)
    for where, rule in wanted.items():
        if rule is not None:
            yield "check", check.check, list(where), rule
    for index, described in enumerate(check.rules):
        for fact_name in described.needs:
            if fact_name not in check.facts:
                rule = absent("fact", fact_name)
                yield "check", check.check, ["rules", index, "needs"], rule
        for part, rule in _judgement_mistakes(described):
            yield "check", check.check, ["rules", index, part], rule


def _judgement_mistakes(described: CheckRule) -> Iterator[tuple[str, Rule]]:
    for part, judgement in (("met", described.met), ("doubt", described.doubt)):
        try:
            used = judged_by(judgement)
        except ValueError as error:
            yield part, asked(error)
            continue
        if used - set(described.needs):
            # A fact that is not needed would count although it is in doubt.
            yield part, message("rule_fact_unneeded", name=min(used - set(described.needs)))


def _misread(workspace: Workspace, subject: str, where: str | None) -> Rule | None:
    try:
        return _unknown(workspace, subject, chosen_by(where))
    except ValueError as error:
        return asked(error)


def _unknown(workspace: Workspace, subject: str, attributes: Iterable[str | None]) -> Rule | None:
    if subject not in workspace.subjects:
        return absent("subject", subject)
    missing = {a for a in attributes if a} - workspace.subjects[subject].attributes.keys()
    return (
        message("rule_no_attribute", subject=subject, attribute=min(missing)) if missing else None
    )


def _undated(workspace: Workspace, subject: str, attribute: str | None) -> Rule | None:
    described = workspace.subjects.get(subject)
    found = described and described.attributes.get(attribute or "")
    if not found or found.element == "date":
        return None
    return message("rule_until_no_date", attribute=f"{subject}/{attribute}")


def _unsearchable(workspace: Workspace, subject: str, attribute: str) -> Rule | None:
    described = workspace.subjects.get(subject)
    if described is None or attribute not in described.attributes:
        return None
    if attribute in described.lookups or not is_sealed(described.attributes[attribute]):
        return None
    return message("rule_sealed_no_lookup", attribute=f"{subject}/{attribute}")
