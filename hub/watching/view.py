"""The person's own view: who looked at my data, for what, when, and what they saw.

What a purpose keeps back for an investigation is left out as if it were not there: nothing in the
answer, nor in the log of the reading, tells that there is more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import select

from core.errors import HubError
from core.messages import LANGUAGES, say
from core.types import Text
from hub.audit.entries import KeyedDigests
from hub.audit.search import Recorded, Wanted
from hub.serving.access import About, Call
from hub.serving.office import Office
from hub.serving.persons import numbered, person_kind
from hub.serving.steps import asked_by
from hub.watching.kin import canonical
from hub.watching.trail import day_of
from hub.workspace import Workspace
from policies.models import REVEAL, SUPPRESS, Action
from reconcile.models import GoldenKey
from reconcile.releases import key_kind

OWN = "audit/own"
"""What a citizen service must be allowed to ``audit``."""
MOST_ENTRIES = 500

_PAGE = 200
_MOST_REFUSED = 20_000
"""Refused requests that are read at most, the latest: anybody can make as many as they like."""
_NOBODY = "-"


class OwnView:
    """Tells persons of the entries about them."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._digests = KeyedDigests(office.hub.keys)

    def read(self, call: Call, number: str, limit: int = 100) -> dict[str, Any]:
        """The latest entries about the person of a number: at most ``limit`` by which something
        was shown, and at most as many lines of others. Of those that are alike on one day, a line
        says how many there were, so that no flood of them hides what was shown.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses.
            BadInput: that is no number of a person.
        """
        # A keyed digest of the number is all that the log keeps of it.
        office = self._office.naming(self._named(number))
        access = office.enter(call, Action.AUDIT, "audit_subject", OWN, [number, limit])
        workspace = access.rules.workspace
        try:
            value = canonical(workspace, number)
        except HubError as error:
            access.fail(error)
        digests = self._about(workspace, value)
        telling = _Telling(workspace, self._office.hub.clock.now())
        found: dict[int, _Told] = {}
        for digest in digests:
            found |= self._told(telling, digest, limit)
        lines = _gathered(found, limit)
        # Of what was left out, not even the number is logged.
        about = About(rows={"answered": len(lines), "persons": 1})
        return access.give({"entries": lines}, about)

    def _named(self, number: str) -> list[str]:
        """By what the log names the person of a number; nothing for what is no number."""
        subjects = self._office.rules.workspace.subjects
        kind = person_kind(subjects)
        if kind is None:
            return []
        name, _, attribute = kind.partition("/")
        return [*asked_by(self._digests, subjects[name], {attribute: number})]

    def _about(self, workspace: Workspace, value: str) -> list[str]:
        """By which digests entries name the person: by the number, whatever attribute of which
        subject holds it, and by the records of the person.
        """
        found = []
        with self._office.hub.engine.connect() as connection:
            for name, subject in workspace.subjects.items():
                for attribute in numbered(subject):
                    found.append(self._digests.of(f"{name}/{attribute}", value))
                    if attribute not in subject.keys:
                        continue
                    index = self._office.hub.keys.blind_index(key_kind(name, attribute), value)
                    entities = connection.execute(
                        select(GoldenKey.entity)
                        .where(
                            GoldenKey.subject == name,
                            GoldenKey.attribute == attribute,
                            GoldenKey.digest == index,
                        )
                        .distinct()
                    ).scalars()
                    found += [self._digests.of(f"{name}/entity", entity) for entity in entities]
        return list(dict.fromkeys(found))

    def _told(self, telling: _Telling, digest: str, limit: int) -> dict[int, _Told]:
        """By index, the latest entries that name a digest and may be told of."""
        found, shown = dict[int, _Told](), 0
        for recorded in self._entries(digest, granted=True):
            told = telling.of(recorded)
            if told is not None:
                found[recorded.index] = told
                shown += told.line["outcome"] == "shown"
            if shown == limit:
                break
        for recorded in islice(self._entries(digest, granted=False), _MOST_REFUSED):
            told = telling.of(recorded)
            if told is not None:
                found[recorded.index] = told
        return found

    def _entries(self, digest: str, granted: bool) -> Iterator[Recorded]:
        below = None
        while True:
            wanted = Wanted(person=digest, granted=granted, below=below, limit=_PAGE)
            page = self._office.hub.audit.find(wanted)
            yield from (r for r in page if digest in r.entry["what"]["digests"])
            if len(page) < _PAGE:
                return
            below = page[-1].index


@dataclass(frozen=True)
class _Told:
    """What is told of an entry: its line without time and words, and the code of its words.
    ``order``: what the parts of a long answer, and the answer, have in common.
    """

    line: Mapping[str, Any]
    code: str
    time: datetime
    order: tuple[datetime, str]
    is_part: bool


def _gathered(found: Mapping[int, _Told], limit: int) -> list[dict[str, Any]]:
    """The lines, the latest first. A long answer is told by one of its parts; of what showed
    nothing, those that are alike on one day are counted.
    """
    parts = {told.order: index for index, told in found.items() if told.is_part}
    shown: list[tuple[int, _Told]] = []
    others: dict[tuple[str, date], list[tuple[int, _Told]]] = {}
    for index in sorted(found, reverse=True):
        told = found[index]
        if parts.get(told.order, index) != index:
            continue
        if told.line["outcome"] == "shown":
            shown.append((index, told))
        else:
            alike = (f"{told.code} {told.line}", day_of(told.time))
            others.setdefault(alike, []).append((index, told))
    lines = [(index, _line(told, 1)) for index, told in shown[:limit]]
    lines += [(some[0][0], _line(some[0][1], len(some))) for some in [*others.values()][:limit]]
    return [line for _, line in sorted(lines, key=lambda each: each[0], reverse=True)]


@dataclass(frozen=True)
class _Telling:
    """Says in plain words what an entry tells the person it is about."""

    workspace: Workspace
    now: datetime

    def of(self, recorded: Recorded) -> _Told | None:
        """What is told of an entry; None for what is not, or not yet, told."""
        entry = recorded.entry
        what, purpose = entry["what"], entry["why"]["purpose"]
        # An auditor's search of the log is no look at anybody's data.
        searched = what["subject"].split("/")[0] == "audit" and what["subject"] != OWN
        if searched or recorded.time > self.now - self._delay(purpose):
            return None
        outcome = _outcome(entry)
        line = {
            "department": self._department(entry["who"]["department"]),
            "who": self._client(entry["who"]["client"]),
            "purpose": self._purpose(purpose, entry["decision"]["granted"]),
            "subject": self._subject(what),
            "action": what["action"],
            "items": self._items(entry) if outcome == "shown" else [],
            "outcome": outcome,
        }
        if self.workspace.watch.rules.own_view.accounts:
            line["account"] = entry["who"]["person"]
        order = (recorded.time, entry["request"])
        return _Told(line, _code(entry, outcome), recorded.time, order, entry["outcome"] == "part")

    def _delay(self, purpose: str | None) -> timedelta:
        """How long entries for a purpose are kept back. Of one that is not registered any more,
        nobody can say that no investigation stands behind it.
        """
        most = self.workspace.watch.rules.own_view.most_delay_days
        if purpose is None:
            return timedelta(0)
        days = {p.id: p.delay_days or 0 for p in self.workspace.policies.purposes}
        return timedelta(days=min(days.get(purpose, most), most))

    def _items(self, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
        what = entry["what"]
        subject = self.workspace.subjects.get(what["subject"])
        found = []
        for name, masks in what["items"].items() if subject else ():
            described = subject.attributes.get(name) if subject else None
            title = described.title.model_dump() if described else _same(name)
            known = set(masks.split("|")) - {SUPPRESS}
            if known:
                found.append({"item": title, "masked": REVEAL not in known})
        return found

    def _department(self, name: str) -> dict[str, str]:
        found = self.workspace.departments.get(name)
        return found.title.model_dump() if found else _same(name)

    def _client(self, name: str) -> dict[str, str]:
        titles = {client.id: client.title for client in self.workspace.policies.clients}
        return _titled(titles, name)

    def _purpose(self, name: str | None, granted: bool) -> dict[str, str]:
        """Whoever was refused may have written anything for a purpose: it is told if there is one
        of that name.
        """
        titles = {purpose.id: purpose.title for purpose in self.workspace.policies.purposes}
        told = name if name is not None and (granted or name in titles) else _NOBODY
        return _titled(titles, told)

    def _subject(self, what: Mapping[str, Any]) -> dict[str, str]:
        if what["action"] in _NO_SUBJECT:
            return {n: say(f"view_subject_{what['action']}", n) for n in LANGUAGES}
        name = what["subject"]
        kind, _, check = name.partition("/")
        if kind == "check" and check in self.workspace.checks:
            return self.workspace.checks[check].title.model_dump()
        titles = {key: subject.title for key, subject in self.workspace.subjects.items()}
        return _titled(titles, name)


def _titled(titles: Mapping[str, Text], name: str) -> dict[str, str]:
    found = titles.get(name)
    return found.model_dump() if found else _same(name)


def _same(name: str) -> dict[str, str]:
    return dict.fromkeys(LANGUAGES, name)


def _line(told: _Told, count: int) -> dict[str, Any]:
    line = {"time": told.time.isoformat(timespec="seconds"), "count": count, **told.line}
    return {**line, "words": {name: _words(told.code, line, name) for name in LANGUAGES}}


def _words(code: str, line: Mapping[str, Any], language: str) -> str:
    comma, space = ("、", "") if language == "zh" else (", ", " ")
    names = ("who", "department", "purpose", "subject")
    words = say(code, language, **{name: line[name][language] for name in names})
    if line["count"] > 1:
        words += space + say("view_times", language, count=line["count"])
    if not line["items"]:
        return words
    items = comma.join(
        say("view_item_part" if item["masked"] else "view_item_whole", language,
            item=item["item"][language])
        for item in line["items"]
    )  # fmt: skip
    return words + space + say("view_items", language, items=items)


_NO_SUBJECT = frozenset({"case_open", "audit_subject"})
"""What is done under names of the hub's own, which say nothing to anybody."""


def _outcome(entry: Mapping[str, Any]) -> str:
    """``waiting``: refused for want of a second person, who was asked."""
    what, decision = entry["what"], entry["decision"]
    if not decision["granted"]:
        asked = "policy_second_person_needed" in decision["reasons"]
        return "waiting" if asked else "refused"
    failed, met = entry["outcome"] == "failed", what["rows"].get("persons", 1) > 0
    # Whom a case names is written down; nothing is shown of them, not even whether they are known.
    return "shown" if met and not failed and what["action"] != "case_open" else "nothing_shown"


def _code(entry: Mapping[str, Any], outcome: str) -> str:
    action = entry["what"]["action"]
    if outcome == "refused" and action in _NO_SUBJECT:
        return f"view_refused_{action}"
    if action == "case_open" and entry["outcome"] == "answered":
        return "view_case_open"
    if outcome != "shown":
        return f"view_{outcome}"
    known = {
        "audit_subject": "view_own",
        "query": "view_query",
        "verify": "view_verify",
        "check": "view_check",
    }
    if action in known:
        return known[action]
    return "view_bulk" if action.startswith("exchange") else "view_other"
