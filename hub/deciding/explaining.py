"""Why a client may or may not: the verdict, what was weighed for it, and the rules behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.deciding.doors import Asker
from hub.deciding.grounds import Grounds, Words, told
from hub.serving.board import Rules
from policies.conditions import Context, failing
from policies.decide import Ask, Denied, decide
from policies.enforcer import Option
from policies.models import ANY, Action, Effect, Reach
from policies.plans import in_force
from policies.reasons import Reason, distinct, reason
from policies.sights import names, reachable


@dataclass(frozen=True)
class Question:
    """Whether ``client`` may do ``action`` to ``items`` (None: all) of ``subject``.

    ``context``: what conditions are judged by; it is said, not found out.
    """

    client: str
    action: Action
    subject: str
    items: tuple[str, ...] | None
    purpose: str
    context: Context = field(default_factory=Context)


def explain(asker: Asker, question: Question) -> dict[str, Any]:
    """The answer to a question, with the reasons in words; logged.

    Raises:
        SubjectUnknown, Forbidden: the caller may not know of this client.
    """
    leave = asker.about_client("explain_policy", question.client, _content(question))
    now, call = leave.hub.clock.now(), asker.call

    def tables(dataset: str) -> bool:
        """Whether the asker may know of a table; whoever may ask about others, of all."""
        if call is None or call.caller.client != question.client:
            return True
        ask = Ask(question.client, Action.DISCOVER, f"dataset/{dataset}", None, call.purpose, now)
        return not isinstance(decide(leave.rules.policy, ask), Denied)

    body = explained(leave.rules, question, now, tables)
    return leave.give(body, {"answered": len(body["items"])})


def explained(
    rules: Rules, question: Question, now: datetime, tables: Callable[[str], bool]
) -> dict[str, Any]:
    """What is decided at ``now``, and why. Says nothing of what the client may not know of.
    ``tables``: whether the asker may know of a table.
    """
    ask = Ask(
        client_id=question.client,
        action=question.action,
        subject=question.subject,
        items=question.items,
        purpose=question.purpose,
        now=now,
        context=question.context,
    )
    verdict = decide(rules.policy, ask)
    refused = verdict if isinstance(verdict, Denied) else None
    hidden = refused is not None and refused.hidden
    wanted = question.items or (() if hidden else names(rules.policy, question.subject))
    items = [_item(rules, ask, name) for name in wanted]
    ids = [rule for item in items for option in item["options"] for rule in option["rules"]]
    ids += [str(r.fields["rule"]) for i in items for r in i.pop("because") if "rule" in r.fields]
    # A kind alone stands for a rule of which the client may not know.
    ids = [rule for rule in ids if ":" in rule]
    client = rules.policy.policies.clients.get(question.client)
    return {
        "client": question.client,
        "department": None if client is None else client.department,
        "action": question.action,
        "subject": question.subject,
        "purpose": question.purpose,
        "at": now.isoformat(),
        "policy": rules.policy.policies.revision,
        "granted": refused is None,
        "reasons": [] if refused is None else _reasons(refused.reasons),
        "items": items,
        "rules": [] if hidden else Grounds(rules, tables).describe(ids, question.action, wanted),
    }


def _item(rules: Rules, ask: Ask, name: str) -> dict[str, Any]:
    """One item by itself."""
    whole = name == ask.subject or "/" in ask.subject
    verdict = decide(rules.policy, replace(ask, items=None if whole else (name,)))
    options = [_option(rules, option, ask) for option in reachable(rules.policy, ask, name)]
    because = verdict.reasons if isinstance(verdict, Denied) else ()
    if isinstance(verdict, Denied) and not verdict.hidden:
        because = distinct((*because, *_forbidding(rules, ask, name)))
    granted = not isinstance(verdict, Denied)
    waiting = not granted and any(option["granted"] for option in options)
    code = "may" if granted else "may_if" if waiting else "may_not"
    about = {"client": ask.client_id, "subject": ask.subject, "purpose": ask.purpose}
    return {
        "item": name,
        "granted": granted,
        "words": told(f"deciding_{code}", item=name, action=ask.action.value, **about),
        "reasons": _reasons(because),
        "options": options,
        "because": because,
    }


def _forbidding(rules: Rules, ask: Ask, item: str) -> Iterator[Reason]:
    """What forbids an item in so many words, also where nothing would have opened it."""
    policies = rules.policy.policies
    client = policies.clients.get(ask.client_id)
    groups = policies.groups(client) if client is not None else frozenset[str]()
    objects = (name for name in policies.objects(ask.subject) if name.rpartition("/")[2] == item)
    for line in (line for name in objects for line in policies.index.about(name)):
        if (
            line.effect == Effect.DENY
            and line.action == ask.action
            and line.group in groups
            and line.purpose in (ANY, ask.purpose)
            and in_force(line, ask.now)
        ):
            yield reason("policy_rule_denies", rule=rules.policy.named(ask, line.id), item=item)


def _option(rules: Rules, option: Option, ask: Ask) -> dict[str, Any]:
    ids = [rules.policy.named(ask, rule) for rule in option.rules]
    fields = {
        "scope": scope_words(option.scope),
        "mask": option.mask,
        "rules": ", ".join(ids),
    }
    code = "deciding_option_open" if option.granted else "deciding_option_closed"
    return {
        "scope": option.scope,
        "mask": option.mask,
        "granted": option.granted,
        "conditions": conditions(option.conditions, ask),
        "rules": ids,
        "words": told(code, **fields),
    }


def conditions(text: str, ask: Ask) -> list[dict[str, Any]]:
    """Each condition, whether it holds of a request, and if not, why."""
    found = []
    for part in filter(None, text.split(";")):
        why = failing(part, ask)
        found.append({"condition": part, "holds": not why, "reasons": _reasons(why)})
    return found


def scope_words(scope: str) -> Words:
    """The name of a reach."""
    return told(f"deciding_scope_{'any' if scope == Reach.ANY else scope}")


def _reasons(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    return [{"code": r.code, "words": told(r.code, **r.fields)} for r in reasons]


def _content(question: Question) -> dict[str, Any]:
    context = question.context
    said = {"zones": sorted(context.zones), "second": context.second, "open": context.case_open}
    return {**vars(question), "context": said}
