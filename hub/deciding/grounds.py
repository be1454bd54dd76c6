"""What a decision rests on: each rule by its id, with the text somebody reviewed or agreed to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from core.messages import LANGUAGES, say
from core.types import Sharing
from hub.serving.board import Rules
from policies.audiences import feeding
from policies.documents import COLUMNS, RULES
from policies.models import Agreement, Effect, Line, Rule

Words = dict[str, str]
"""A text in every language."""


def told(code: str, **fields: object) -> Words:
    """A message of the catalogue in every language; fields may be such texts themselves."""
    return {
        language: say(
            code,
            language,
            **{n: f[language] if isinstance(f, dict) else f for n, f in fields.items()},
        )
        for language in LANGUAGES
    }


class Grounds:
    """The rules of a workspace, found by their ids. ``names``: whether the asker may know of a
    table; of another one, nothing but its department is told.
    """

    def __init__(self, rules: Rules, names: Callable[[str], bool]) -> None:
        documents = rules.workspace.policies
        self._workspace = rules.workspace
        self._names = names
        self._reviewed = {f"rules.csv:{rule.line}": rule for rule in documents.rules}
        self._agreed = {f"agreement:{a.agreement}": a for a in documents.agreements}
        self._lines = rules.policy.policies.lines

    def describe(
        self, ids: Iterable[str], action: str, items: Collection[str]
    ) -> list[dict[str, Any]]:
        """Each rule once, as far as it is about ``action`` on ``items``."""
        return [self._describe(name, action, items) for name in dict.fromkeys(ids)]

    def _describe(self, name: str, action: str, wanted: Collection[str]) -> dict[str, Any]:
        if name in self._reviewed:
            return {"rule": name, **_reviewed(self._reviewed[name])}
        if name in self._agreed:
            return {"rule": name, **_agreed(self._agreed[name], wanted)}
        lines = tuple(self._lines_of(name, action))
        if name.startswith("sharing:"):
            return {"rule": name, **self._shared(name, lines)}
        if name.startswith("audience:"):
            return {"rule": name, **self._closed(name)}
        text = "; ".join(dict.fromkeys(map(_text, lines)))
        return {
            "rule": name,
            "kind": "other",
            "text": text,
            "words": told("deciding_rule_other", rule=name, text=text),
        }

    def _lines_of(self, name: str, action: str) -> Iterator[Line]:
        return (line for line in self._lines if line.id == name and line.action == action)

    def _shared(self, name: str, lines: Iterable[Line]) -> dict[str, Any]:
        subject, _, attribute = name.removeprefix("sharing:").partition("/")
        items = tuple(self._feeding(subject, attribute))
        if not items:
            words = told("deciding_rule_unfed", attribute=f"{subject}/{attribute}")
            return {"kind": "sharing", "items": [], "words": words}
        denies = any(line.effect == Effect.DENY for line in lines)
        closed = tuple(i for i in items if i["sharing"] in (None, Sharing.NOT_SHARED))
        shown = closed if denies else items
        code = "deciding_rule_not_shared" if denies else "deciding_rule_shared"
        names = ", ".join(map(_named, shown))
        return {"kind": "sharing", "items": list(shown), "words": told(code, items=names)}

    def _closed(self, name: str) -> dict[str, Any]:
        """An audience, without the departments that have agreements: they are not the asker."""
        subject, _, attribute = name.removeprefix("audience:").partition("/")
        items = [item for item in self._feeding(subject, attribute) if item["audience"]]
        names = ", ".join(f"{_named(i)} ({_audience(i)})" for i in items)
        words = told("deciding_rule_audience", items=names)
        return {"kind": "audience", "items": items, "words": words}

    def _feeding(self, subject: str, attribute: str) -> Iterator[dict[str, Any]]:
        """The items that feed an attribute, how each may be shared (None: unregistered) and for
        whom its department says that it is.
        """
        described, known = self._workspace.subjects[subject], self._workspace.known
        for dataset, name, found in feeding(described, attribute, known):
            contract, is_known = known.contracts.get(dataset), self._names(dataset)
            yield {
                "department": contract.department if contract else None,
                "dataset": dataset if is_known else None,
                "item": name if is_known else None,
                "sharing": None if found is None else found.sharing,
                "audience": None if found is None else found.audience,
                "leader_rank": None if found is None else found.leader_rank,
            }


def _named(item: Mapping[str, Any]) -> str:
    if item["dataset"] is None:
        return f"{item['department'] or '-'}/…"
    return f"{item['dataset']}/{item['item']}"


def _audience(item: Mapping[str, Any]) -> str:
    rank = item["leader_rank"]
    return str(item["audience"]) if rank is None else f"{item['audience']} {rank}"


def _reviewed(rule: Rule) -> dict[str, Any]:
    cells = [str(getattr(rule, column)) for column in COLUMNS if column != "conditions"]
    text = ", ".join([*cells, *filter(None, [rule.conditions.text])])
    words = told("deciding_rule_reviewed", line=rule.line, file=RULES, text=text)
    return {"kind": "reviewed", "file": RULES, "line": rule.line, "text": text, "words": words}


def _agreed(agreement: Agreement, wanted: Collection[str]) -> dict[str, Any]:
    items = ", ".join(f"{i}: {mask}" for i, mask in agreement.items.items() if i in wanted)
    conditions = agreement.conditions.text
    clause = f"{agreement.subject} ({agreement.scope}{conditions and '; '}{conditions}) {items}"
    return {
        "kind": "agreement",
        "agreement": agreement.agreement,
        "title": agreement.title,
        "provider": agreement.provider,
        "consumer": agreement.consumer,
        "valid_from": agreement.valid_from.isoformat(),
        "valid_to": agreement.valid_to.isoformat(),
        "clause": clause,
        "words": told(
            "deciding_rule_agreement",
            agreement=agreement.agreement,
            provider=agreement.provider,
            consumer=agreement.consumer,
            title=agreement.title,
            since=agreement.valid_from,
            until=agreement.valid_to,
            clause=clause,
        ),
    }


def _text(line: Line) -> str:
    who = (line.group, line.action, line.object, line.purpose)
    how = (line.scope, line.mask, line.effect, line.conditions)
    return ", ".join(str(cell) for cell in (*who, *how) if cell)
