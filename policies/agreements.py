"""From documents to policy lines: reviewed rules, agreements, sharing attributes, audiences."""

from __future__ import annotations

from collections.abc import Iterator

from core.canonical import digest
from core.yamlfile import InvalidFiles
from policies import audiences
from policies.conditions import Conditions, without_quota
from policies.documents import Files, check
from policies.masks import default_of
from policies.models import (
    ANY,
    DEFAULT,
    Action,
    Agreement,
    Documents,
    Effect,
    Known,
    Line,
    PolicySet,
    Reach,
    Rule,
)


def assemble(documents: Documents, known: Known, files: Files | None = None) -> PolicySet:
    """The policy set of some documents.

    ``files``: where the documents were read, so that mistakes can name file and line.

    Raises:
        InvalidFiles: the documents speak of something that is not known, or break a rule.
    """
    mistakes = check(documents, known, files or {})
    if mistakes:
        raise InvalidFiles(mistakes)
    lines = (
        *(line for rule in documents.rules for line in _of_rule(rule, known)),
        *(line for agreement in documents.agreements for line in _of_agreement(agreement, known)),
        *audiences.lines(documents.agreements, known),
    )
    return PolicySet(
        revision=_revision(documents, lines, known),
        purposes={purpose.id: purpose for purpose in documents.purposes},
        clients={client.id: client for client in documents.clients},
        lines=tuple(dict.fromkeys(lines)),
        known=known,
    )


def _of_rule(rule: Rule, known: Known) -> Iterator[Line]:
    subject, _, attribute = rule.object.partition("/")
    if rule.mask != DEFAULT or subject not in known.subjects:
        yield _rule_line(rule, rule.object, rule.mask)
        return
    # Each attribute has a default of its own.
    for name in known.subjects[subject].attributes if attribute == ANY else (attribute,):
        yield _rule_line(rule, f"{subject}/{name}", default_of(subject, name, known))


def _rule_line(rule: Rule, target: str, mask: str) -> Line:
    denies = rule.effect is Effect.DENY
    return Line(
        id=f"rules.csv:{rule.line}",
        group=rule.role,
        action=rule.action,
        object=target,
        purpose=rule.purpose,
        scope=Reach.ANY if denies else rule.scope,
        mask=mask,
        effect=rule.effect,
        conditions=rule.conditions.text,
        counter=_counter(rule, rule.conditions),
    )


def _of_agreement(agreement: Agreement, known: Known) -> Iterator[Line]:
    lookups = known.subjects[agreement.subject].lookups
    masks = {
        name: default_of(agreement.subject, name, known) if mask == DEFAULT else mask
        for name, mask in agreement.items.items()
    }
    for role in agreement.roles:
        for action in agreement.actions:
            for purpose in agreement.purposes:
                for attribute, mask in masks.items():
                    if action is Action.LOOKUP and attribute not in lookups:
                        continue
                    conditions = _conditions(agreement, action)
                    yield Line(
                        id=f"agreement:{agreement.agreement}",
                        group=f"{agreement.consumer}/{role}",
                        action=action,
                        object=f"{agreement.subject}/{attribute}",
                        purpose=purpose,
                        scope=agreement.scope,
                        mask=mask,
                        effect=Effect.ALLOW,
                        valid_from=agreement.valid_from,
                        valid_to=agreement.valid_to,
                        conditions=conditions.text,
                        counter=_counter(agreement, conditions),
                    )


def _conditions(agreement: Agreement, action: Action) -> Conditions:
    """A quota counts answers: finding records gives none by itself."""
    conditions = agreement.conditions
    return without_quota(conditions) if action is Action.LOOKUP else conditions


def _counter(document: Rule | Agreement, conditions: Conditions) -> str:
    """What a quota is counted under: all that the rule or agreement says, not where it stands or
    how it is titled, in which order words stand or whether one stands twice, so that only what
    says something else begins to count anew.
    """
    if conditions.quota is None:
        return ""
    said = document.model_dump(mode="json", exclude={"line", "title"})
    return digest({n: sorted(set(s)) if isinstance(s, list) else s for n, s in said.items()})


def _revision(documents: Documents, lines: tuple[Line, ...], known: Known) -> str:
    """A digest of all that a decision depends on. What lies in a client's region belongs to it."""
    regions = {client.region for client in documents.clients if client.region is not None}
    return digest(
        {
            "documents": documents.model_dump(mode="json"),
            "lines": lines,
            "audiences": {
                f"{dataset}/{item.name}": (item.audience, item.leader_rank)
                for dataset, contract in known.contracts.items()
                for item in contract.items
            },
            "regions": {code: sorted(known.regions.subtree(code)) for code in regions},
            "subjects": {n: s.model_dump(mode="json") for n, s in known.subjects.items()},
        }
    )
