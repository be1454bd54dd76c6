"""Decisions: may this client do this to these items for this purpose, now, and how masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from policies.access import Access, Policy, item_of, owed, together
from policies.enforcer import Option
from policies.reasons import Reason, distinct, reason
from policies.scope import Scope, widest
from policies.verdicts import Ask, Denied, Grant, Tier

__all__ = [
    "Ask",
    "Denied",
    "Grant",
    "Option",
    "Policy",
    "Reason",
    "Tier",
    "confine",
    "decide",
    "explain",
    "may_filter",
]


def decide(policy: Policy, ask: Ask) -> Grant | Denied:
    """Grants all that is asked, or nothing: items that are closed are named, never left out."""
    access = policy.access(ask)
    if isinstance(access, Denied):
        return access
    if ask.items is None:
        return access.verdict
    found = access.named.get(ask.items)
    if found is not None:
        return found
    if isinstance(access.verdict, Denied) or not access.grounds.keys() >= set(ask.items):
        return _refuse_items(policy, ask, access)
    if len(access.named) >= _MOST_NAMED:
        access.named.clear()
    found = access.named[ask.items] = _narrowed(access.verdict, access, ask.items)
    return found


_MOST_NAMED = 64
"""Grants of some attributes that are kept beside that of all."""


def _narrowed(grant: Grant, access: Access, items: Iterable[str]) -> Grant:
    wanted = dict.fromkeys(items)
    tiers = []
    for tier in grant.tiers:
        masks = {item: tier.masks[item] for item in wanted if item in tier.masks}
        if masks:
            tiers.append(Tier(tier.scope, MappingProxyType(masks)))
    return Grant(
        client=grant.client,
        subject=grant.subject,
        action=grant.action,
        purpose=grant.purpose,
        tiers=tuple(tiers),
        filters=grant.filters,
        expires=grant.expires,
        policy_revision=grant.policy_revision,
        reasons=together(access.grounds[item] for item in wanted),
        quotas=owed(access.quotas.get(item, ()) for item in wanted) if access.quotas else (),
    )


def _refuse_items(policy: Policy, ask: Ask, access: Access) -> Denied:
    reasons: list[Reason] = []
    objects = {item_of(name): name for name in policy.policies.objects(ask.subject)}
    for item in dict.fromkeys(ask.items or ()):
        words = {"item": item, "subject": ask.subject}
        if item not in objects:
            reasons.append(reason("policy_item_unknown", **words))
        elif item not in access.grounds:
            words |= {"action": ask.action.value, "purpose": ask.purpose}
            reasons.append(reason("policy_item_closed", **words))
            reasons.extend(policy.refusals(ask, objects[item]))
    if not reasons and isinstance(access.verdict, Denied):
        return access.verdict
    return Denied(distinct(reasons))


def explain(policy: Policy, ask: Ask, item: str) -> tuple[Option, ...]:
    """What was weighed for one item: every scope and mask it could have been had in, under which
    conditions (:func:`policies.conditions.failing` says why they do not hold), whether it is
    granted where they hold, and the ids of the lines that made it so: `agreement:<id>` is the
    clause of that agreement about this item. Empty: no line is about it, or the caller may not
    ask.
    """
    if isinstance(policy.access(ask), Denied):
        return ()
    options = policy.plan(ask, ask.action).options
    return next((found for name, found in options.items() if item_of(name) == item), ())


def may_filter(grant: Grant, attribute: str) -> bool:
    """Whether records may be filtered, sorted or counted by an attribute, in all the records
    that the grant shows.
    """
    open_in = grant.filters.get(attribute, ())
    return bool(open_in) and all(_covered(tier.scope, open_in) for tier in grant.tiers)


def confine(grant: Grant, attributes: Iterable[str]) -> Grant | Denied:
    """The same grant over only those records in which every one of the attributes may be
    filtered by, so that :func:`may_filter` holds; Denied names those that never may.
    """
    wanted = tuple(attributes)
    closed = [name for name in wanted if name not in grant.filters]
    if closed:
        subject = grant.subject
        return Denied(
            tuple(reason("policy_filter_closed", item=n, subject=subject) for n in closed)
        )
    tiers = grant.tiers
    for name in wanted:
        tiers = tuple(
            Tier(scope, tier.masks)
            for tier in tiers
            for scope in _inside(tier.scope, grant.filters[name])
        )
    return replace(grant, tiers=tiers)


def _covered(scope: Scope, by: Iterable[Scope]) -> bool:
    return any(other.covers(scope) for other in by)


def _inside(scope: Scope, filters: Iterable[Scope]) -> tuple[Scope, ...]:
    """The records of a scope that lie in one of others at least, as few scopes as they take."""
    return widest(scope.within(other) for other in filters)
