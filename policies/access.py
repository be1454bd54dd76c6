"""From plans to what one client may do, kept as long as it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from core.errors import Field
from policies.conditions import NONE, Need, failing, needs, quota_of, shortfall, steady
from policies.enforcer import Option, most_open
from policies.models import ANY, REVEAL, Action, Effect, PolicySet, Reach
from policies.plans import EVER_AFTER, Plan, Plans, window
from policies.reasons import Reason, distinct, reason
from policies.scope import ALL, Scope, cases, subtree, widest
from policies.verdicts import Ask, Denied, Grant, Owed, Quotas, Tier

_MOST_KEPT = 64
"""Accesses of one client to one subject, by what its conditions lack."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that one client may do to a subject for a purpose, from ``since`` to before ``until``.

    ``grounds``: attribute → ids of the lines that grant it. ``quotas``: attribute → those of
    these lines that have a quota and without which less would be granted. ``named``: what of it
    was granted to those who named some attributes.
    """

    verdict: Grant | Denied
    grounds: Mapping[str, tuple[str, ...]]
    quotas: Mapping[str, Quotas]
    since: datetime
    until: datetime
    named: dict[tuple[str, ...], Grant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What Casbin says, from ``since`` to before ``until``, of all that one client could do to a
    subject, and what that depends on beside: conditions, and whether records are of its cases.
    ``kept``: by what each condition lacks, where no case has entities.
    """

    plan: Plan
    lookups: Plan
    conditions: tuple[str, ...]
    by_case: bool
    needs: Need
    since: datetime
    until: datetime
    kept: dict[tuple[int, ...], Access] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What holds of one request: scope of a line → its records, widest first; and conditions."""

    scopes: Mapping[str, Scope]
    held: frozenset[str]

    def opens(self, option: Option) -> bool:
        """Whether an option gives anything."""
        return option.granted and option.scope in self.scopes and option.conditions in self.held


@dataclass(frozen=True, slots=True)
class _Opened:
    """``masks``: scope of lines → attribute → mask; the others as in :class:`Access`."""

    masks: dict[str, Mapping[str, str]]
    grounds: dict[str, tuple[str, ...]]
    quotas: dict[str, Quotas]


class Policy:
    """A policy set, ready to decide by. What it keeps is bounded by what is registered; a new
    revision is a new object.
    """

    def __init__(self, policies: PolicySet) -> None:
        self.policies = policies
        _ = policies.index  # made now, not while the first caller waits
        self._plans = Plans(policies)
        self._groups: dict[str, frozenset[str]] = {}
        self._alike: dict[frozenset[str], frozenset[str]] = {}
        self._subtrees: dict[str, Scope] = {}
        self._known: dict[tuple[frozenset[str], str], bool] = {}
        self._weighed: dict[tuple[str, str, str, str], _Weighed] = {}

    def access(self, ask: Ask) -> Access | Denied:
        """What the client may do, whatever the items; Denied if that cannot even be asked."""
        weighed = self._askable(ask)
        if isinstance(weighed, Denied):
            return weighed
        short = tuple([shortfall(text, ask) for text in weighed.conditions])
        if weighed.by_case and ask.context.entities:
            # The entities are of this request alone.
            return self._open(ask, weighed, short)
        found = weighed.kept.get(short)
        if found is None or not found.since <= ask.now < found.until:
            if len(weighed.kept) >= _MOST_KEPT:
                weighed.kept.clear()
            found = weighed.kept[short] = self._open(ask, weighed, short)
        return found

    def needs(self, ask: Ask) -> Need:
        """What must be found out about a request before it can be decided, whatever the items;
        with a context that says nothing of it, no condition on it holds.
        """
        weighed = self._askable(ask)
        return Need.NOTHING if isinstance(weighed, Denied) else weighed.needs

    def groups(self, client_id: str) -> frozenset[str]:
        """What lines may call a registered client by; clients that are alike share one set."""
        found = self._groups.get(client_id)
        if found is None:
            found = self.policies.groups(self.policies.clients[client_id])
            found = self._groups[client_id] = self._alike.setdefault(found, found)
        return found

    def plan(self, ask: Ask, action: Action) -> Plan:
        """The compiled plan of the client's groups for ``action``."""
        groups = self.groups(ask.client_id)
        return self._plans.get(groups, action, ask.purpose, ask.subject, ask.now)

    def refusals(self, ask: Ask, name: str) -> Iterator[Reason]:
        """Why an object is closed, beyond that nothing opens it."""
        client = self.policies.clients[ask.client_id]
        scopes = self._scopes(ask)
        for option in self.plan(ask, ask.action).options.get(name, ()):
            if not option.granted:
                rule = self.named(ask, option.rules[0])
                yield reason("policy_rule_denies", rule=rule, item=item_of(name))
            elif option.scope in scopes:
                yield from failing(option.conditions, ask)
            elif option.scope == Reach.OWN_CASES:
                yield reason("policy_cases_missing")
            else:
                yield reason("policy_region_missing", client=client.id)
        groups = self.groups(client.id)
        for line in self.policies.index.about(name):
            if (
                line.effect == Effect.ALLOW
                and line.action == ask.action
                and line.group in groups
                and line.purpose in (ANY, ask.purpose)
            ):
                since, until = window(line)
                if line.valid_to is not None and until <= ask.now:
                    yield reason("policy_rule_ended", rule=line.id, day=f"{line.valid_to}")
                elif line.valid_from is not None and ask.now < since:
                    yield reason("policy_rule_not_begun", rule=line.id, day=f"{line.valid_from}")

    def named(self, ask: Ask, rule: str) -> str:
        """How the client is told of a line: by its id or, if that names a subject of which the
        client may not know, such as one that a check reads, by its kind.
        """
        kind, _, about = rule.partition(":")
        subject = about.partition("/")[0]
        if kind not in ("sharing", "audience") or subject == ask.subject:
            return rule
        return rule if self._may_know(self.groups(ask.client_id), subject) else kind

    def _askable(self, ask: Ask) -> _Weighed | Denied:
        key = (ask.client_id, ask.action, ask.purpose, ask.subject)
        weighed = self._weighed.get(key)
        if weighed is None or not weighed.since <= ask.now < weighed.until:
            unaskable = self._unaskable(ask)
            if unaskable is not None:
                return unaskable
            weighed = self._weighed[key] = self._weigh(ask)
        return weighed

    def _unaskable(self, ask: Ask) -> Denied | None:
        if ask.client_id not in self.policies.clients:
            return _denied("policy_client_unknown", client=ask.client_id)
        if not self._may_know(self.groups(ask.client_id), ask.subject):
            # The same words whether or not there is such a subject.
            return _denied("policy_subject_unknown", hidden=True, subject=ask.subject)
        if ask.purpose not in self.policies.purposes:
            return _denied("policy_purpose_unknown", purpose=ask.purpose)
        return None

    def _may_know(self, groups: frozenset[str], subject: str) -> bool:
        """Whether some line, of whatever day, action, purpose and condition, lets the client have
        anything of the subject: who has an agreement that ended knows of what it was about.
        """
        key = (groups, subject)
        known = self._known.get(key)
        if known is None:
            objects = self.policies.objects(subject)
            known = any(
                line.effect == Effect.ALLOW and line.group in groups
                for name in objects
                for line in self.policies.index.about(name)
            )
            if objects:
                # What is not there is not kept: there is no end of it.
                self._known[key] = known
        return known

    def _weigh(self, ask: Ask) -> _Weighed:
        plan, lookups = self.plan(ask, ask.action), self.plan(ask, Action.LOOKUP)
        both = (plan, lookups)
        options = [o for p in both for found in p.options.values() for o in found if o.granted]
        conditions = tuple(sorted({o.conditions for o in options} - {NONE}))
        by_case = any(o.scope == Reach.OWN_CASES for o in options)
        # A grant ends also when what it may be filtered by changes.
        return _Weighed(
            plan=plan,
            lookups=lookups,
            conditions=conditions,
            by_case=by_case,
            needs=needs(conditions) | (Need.CASE if by_case else Need.NOTHING),
            since=max(p.since for p in both),
            until=min(p.until for p in both),
        )

    def _open(self, ask: Ask, weighed: _Weighed, short: Sequence[int]) -> Access:
        pairs = zip(weighed.conditions, short, strict=True)
        held = frozenset({NONE, *(text for text, lacks in pairs if not lacks)})
        reach = _Reach(self._scopes(ask), held)
        since, until = weighed.since, weighed.until
        if times := steady(weighed.conditions, ask.now):
            since, until = max(since, times[0]), min(until, times[1])
        opened = self._opened(ask.subject, weighed.plan, reach)
        if not opened.masks:
            return Access(self._refuse_all(ask), {}, {}, since, until)
        is_subject = ask.subject in self.policies.known.subjects
        tiers = tuple(
            Tier(reach.scopes[name], MappingProxyType(masks if is_subject else {}))
            for name, masks in opened.masks.items()
        )
        grant = Grant(
            client=self.policies.clients[ask.client_id],
            subject=ask.subject,
            action=ask.action,
            purpose=ask.purpose,
            tiers=tiers,
            filters=self._filters(ask.subject, tiers, weighed.lookups, reach),
            expires=None if until == EVER_AFTER else until,
            policy_revision=self.policies.revision,
            reasons=together(opened.grounds.values()),
            quotas=owed(opened.quotas.values()),
        )
        return Access(grant, opened.grounds, opened.quotas, since, until)

    def _scopes(self, ask: Ask) -> dict[str, Scope]:
        """What the scopes of lines mean for a request, widest first."""
        found: dict[str, Scope] = {Reach.ALL: ALL}
        region = self.policies.clients[ask.client_id].region
        if region is not None:
            if region not in self._subtrees:
                self._subtrees[region] = subtree(region, self.policies.known.regions)
            found[Reach.OWN_REGION] = self._subtrees[region]
        if ask.context.entities:
            found[Reach.OWN_CASES] = cases(ask.context.entities)
        return found

    def _opened(self, subject: str, plan: Plan, reach: _Reach) -> _Opened:
        opened = _Opened({}, {}, {})
        masks: dict[str, dict[str, str]] = {name: {} for name in reach.scopes}
        for name, options in plan.options.items():
            item, found = item_of(name), [option for option in options if reach.opens(option)]
            quotas: list[Quotas] = []
            for scope in reach.scopes if found else ():
                here = [option for option in found if option.scope == scope]
                if not here:
                    continue
                usual = self.policies.known.usual_mask(subject, item)
                mask = masks[scope][item] = most_open((option.mask for option in here), usual)
                if scope == Reach.ALL or masks[Reach.ALL].get(item) != mask:
                    quotas.append(self._quotas([option for option in here if option.mask == mask]))
            if found:
                opened.grounds[item] = together(option.rules for option in found)
            if any(quotas):
                opened.quotas[item] = owed(quotas)
        opened.masks.update((scope, found) for scope, found in masks.items() if found)
        return opened

    def _quotas(self, options: Iterable[Option]) -> Quotas:
        """What must be spent of options that all give the same: nothing if one has no quota, else
        the most generous.
        """
        found: list[Owed] = []
        for option in options:
            quota = quota_of(option.conditions)
            if quota is None:
                return ()
            counters = self.policies.counters
            found += [Owed(rule, quota, counters[rule]) for rule in option.rules]
        return (min(found, key=lambda owed: (-owed.quota.per_hour, *_by_counter(owed))),)

    def _filters(
        self, subject: str, tiers: Iterable[Tier], lookups: Plan, reach: _Reach
    ) -> Mapping[str, tuple[Scope, ...]]:
        """Attributes that the caller may look up by, or sees as they are, and in which records.
        Filtering by anything else would tell what its mask hides.
        """
        described = self.policies.known.subjects.get(subject)
        found: dict[str, tuple[Scope, ...]] = {}
        for attribute in described.attributes if described else ():
            open_in = [tier.scope for tier in tiers if tier.masks.get(attribute) == REVEAL]
            if described and attribute in described.lookups:
                options = lookups.options.get(f"{subject}/{attribute}", ())
                open_in += [reach.scopes[o.scope] for o in options if reach.opens(o)]
            if open_in:
                found[attribute] = widest(open_in)
        return MappingProxyType(found)

    def _refuse_all(self, ask: Ask) -> Denied:
        words = {"subject": ask.subject, "action": ask.action.value, "purpose": ask.purpose}
        reasons = [reason("policy_nothing_open", **words)]
        for name in self.policies.objects(ask.subject):
            reasons.extend(self.refusals(ask, name))
        return Denied(distinct(reasons))


def item_of(name: str) -> str:
    """``resident/mobile`` → ``mobile``; ``audit`` stays."""
    return name.rpartition("/")[2]


def together(rules: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Ids of lines, each once, in order."""
    return tuple(sorted({rule for some in rules for rule in some}))


def owed(quotas: Iterable[Quotas]) -> Quotas:
    """Quotas, each once, in order."""
    return tuple(sorted({owed for some in quotas for owed in some}, key=_by_counter))


def _by_counter(owed: Owed) -> tuple[str, str]:
    """An order that stays as it is, wherever lines stand."""
    return owed.counter, owed.rule


def _denied(code: str, *, hidden: bool = False, **fields: Field) -> Denied:
    return Denied((reason(code, **fields),), hidden)
