"""Access plans: what a set of groups may do to a resource for a purpose, compiled and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from core.clock import start_of_day
from core.errors import HubError
from policies.enforcer import Judge, Option
from policies.models import ANY, Line, PolicySet

EVER_BEFORE = datetime.min.replace(tzinfo=UTC)
EVER_AFTER = datetime.max.replace(tzinfo=UTC)


class MaskUnknown(HubError):
    """A line names a mask that the attribute does not have: nothing is decided by it."""

    code = "policy_mask_unknown"


@dataclass(frozen=True, slots=True)
class Plan:
    """Object → its options, the same at every moment from ``since`` to before ``until``."""

    options: Mapping[str, tuple[Option, ...]]
    since: datetime
    until: datetime


class Plans:
    """The plans of a policy set. Each is compiled at first use and again when a line that
    concerns it comes into force or goes out of it.
    """

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._judge = Judge()
        self._lines: dict[tuple[str, str], Mapping[str, tuple[Line, ...]]] = {}
        self._made: dict[tuple[frozenset[str], str, str, str], Plan] = {}

    def get(
        self, groups: frozenset[str], action: str, purpose: str, resource: str, now: datetime
    ) -> Plan:
        """The plan in force at ``now``.

        Raises:
            MaskUnknown: a line names a mask that does not exist.
        """
        key = (groups, action, purpose, resource)
        plan = self._made.get(key)
        if plan is None or not plan.since <= now < plan.until:
            plan = self._made[key] = self._compile(key, now)
        return plan

    def _compile(self, key: tuple[frozenset[str], str, str, str], now: datetime) -> Plan:
        groups, action, purpose, resource = key
        concerned = {
            name: [line for line in lines if line.group in groups]
            for name, lines in self._lines_of(action, resource).items()
        }
        since, until = _steady((line for lines in concerned.values() for line in lines), now)
        counting = {
            name: [line for line in lines if in_force(line, now)]
            for name, lines in concerned.items()
        }
        return Plan(self._judge.judge(counting, groups, action, purpose), since, until)

    def _lines_of(self, action: str, resource: str) -> Mapping[str, tuple[Line, ...]]:
        """Object → the lines about it, of whatever group, purpose and day."""
        key = (action, resource)
        if key not in self._lines:
            about = self._policies.index.about
            found = {
                name: tuple(line for line in about(name) if line.action == action)
                for name in self._policies.objects(resource)
            }
            self._refuse_unknown_masks(resource, found)
            self._lines[key] = found
        return self._lines[key]

    def _refuse_unknown_masks(self, resource: str, found: Mapping[str, tuple[Line, ...]]) -> None:
        known = self._policies.known
        if resource not in known.subjects:
            return
        for name, lines in found.items():
            item = name.partition("/")[2]
            masks = known.masks(resource, item)
            for line in lines:
                if line.mask != ANY and line.mask not in masks:
                    raise MaskUnknown(mask=line.mask, item=item, rule=line.id)


def window(line: Line) -> tuple[datetime, datetime]:
    """The moments from which and before which a line is in force."""
    since = EVER_BEFORE if line.valid_from is None else start_of_day(line.valid_from)
    if line.valid_to is None or line.valid_to == date.max:
        return since, EVER_AFTER
    return since, start_of_day(line.valid_to + timedelta(days=1))


def in_force(line: Line, now: datetime) -> bool:
    """Whether a line counts at ``now``."""
    since, until = window(line)
    return since <= now < until


def _steady(lines: Iterable[Line], now: datetime) -> tuple[datetime, datetime]:
    """The longest time around ``now`` in which none of the lines comes or goes."""
    moments = {moment for line in lines for moment in window(line)}
    since = max((m for m in moments if m <= now), default=EVER_BEFORE)
    until = min((m for m in moments if m > now), default=EVER_AFTER)
    return since, until
