"""The trail as a table: entries of the log in the shape that rules look at.

Persons and accounts appear by keyed digests alone; only ``person``, the account of whoever stands
behind the client, is named as the log names it, for the evidence of a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from functools import cache
from typing import Any

import pyarrow as pa

from core.clock import CHINA, is_working_day
from hub.audit.entries import KeyedDigests
from hub.audit.log import AuditLog
from hub.audit.search import Recorded, Wanted
from hub.audit.tree import AuditDamaged
from hub.identity import canonical_account
from hub.operator import OPERATOR
from policies.models import Client

ENTRIES = pa.schema(
    [
        pa.field("index", pa.int64(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("off", pa.bool_(), nullable=False),
        pa.field("account", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("person", pa.string()),
        pa.field("role", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("items", pa.string(), nullable=False),
        pa.field("case", pa.string()),
        pa.field("matter", pa.string(), nullable=False),
        pa.field("shape", pa.string(), nullable=False),
        pa.field("outside", pa.bool_(), nullable=False),
        pa.field("persons", pa.list_(pa.string()), nullable=False),
        pa.field("request", pa.string()),
    ]
)
"""Requests about persons. ``day`` is that of China; ``off``: outside of working hours; ``role``:
all roles of the client; ``items``: those asked about; ``matter``: digest of account and case;
``shape``: the form of the case number; ``outside``: refused or empty within a limited scope;
``persons``: digests of those shown or, where nobody was, of those asked for."""

_PAGE = 1000
_ASKING = frozenset({"query", "check", "verify"})
_OURS = frozenset({OPERATOR, "hub"})
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


class Reading:
    """Turns entries into rows of :data:`ENTRIES`.

    ``since``, ``until``: the hours of work on a working day.
    """

    def __init__(
        self, digests: KeyedDigests, clients: Mapping[str, Client], since: time, until: time
    ) -> None:
        self._clients = clients
        self._since, self._until = since, until
        # The same few accounts and cases come again and again.
        self._keyed = cache(digests.of)

    def table(self, found: Iterable[Recorded]) -> pa.Table:
        """The requests about persons among ``found``, in order."""
        rows = [row for recorded in found if (row := self._row(recorded)) is not None]
        return pa.Table.from_pylist(rows, schema=ENTRIES)

    def _row(self, recorded: Recorded) -> dict[str, Any] | None:
        try:
            entry = recorded.entry
            who, what = entry["who"], entry["what"]
        except (AuditDamaged, LookupError, TypeError):
            # Tampered with, which a verification tells: it must not hide what came after it.
            return None
        if who["client"] in _OURS or entry["outcome"] == "part":
            # What goes out in bulk goes by agreement, and each delivery is an entry of its own.
            return None
        if not (what["digests"] or what["action"] in _ASKING):
            return None
        client, person, case = who["client"], who["person"], entry["why"]["case"]
        account = account_of(self._keyed, client, person)
        local = recorded.time.astimezone(CHINA)
        return {
            "index": recorded.index,
            "at": recorded.time,
            "day": local.date(),
            "off": self._is_off(local),
            "account": account,
            "client": client,
            "person": person,
            "role": self.role(client),
            "action": what["action"],
            "subject": what["subject"],
            "items": ",".join(sorted(what["items"])),
            "case": case,
            "matter": self._keyed("matter", f"{account}\x00{case or ''}"),
            "shape": shape(case),
            "outside": _is_outside(entry),
            "persons": _persons(what),
            "request": entry["request"],
        }

    def role(self, client: str) -> str:
        """All roles of a client as one word; ``-`` for one that is not registered any more."""
        found = self._clients.get(client)
        return "-" if found is None else "+".join(sorted(found.roles))

    def _is_off(self, local: datetime) -> bool:
        inside = self._since <= local.time() < self._until
        return not inside or not _works(local.date())


def account_of(keyed: Callable[[str, str], str], client: str, person: str | None) -> str:
    """The keyed digest of an account; however it is written, it is the same one."""
    return keyed("account", f"{client}\x00{canonical_account(person or '')}")


def shape(case: str | None) -> str:
    """The form of a case number: ``GD-2026-0031`` is ``A-9-9``."""
    return _DIGITS.sub("9", _LETTERS.sub("A", case or ""))


_works = cache(is_working_day)


def _persons(what: Mapping[str, Any]) -> list[str]:
    """Whom an entry is about: those shown or, where nobody was, all that was asked by."""
    shown = what["rows"].get("persons", 0)
    return list(what["digests"][-shown:] if shown else what["digests"])


def _is_outside(entry: Mapping[str, Any]) -> bool:
    """Whether a request within a limited scope met nobody, or was refused for want of one."""
    what, decision = entry["what"], entry["decision"]
    if not decision["granted"]:
        return "policy_region_missing" in decision["reasons"]
    limited = what["scope"] not in (None, "all") and what["action"] in _ASKING
    met = what["rows"].get("answered", 0) or what["rows"].get("members", 0)
    return limited and not met and not what["rows"].get("persons", 0)


def read(log: AuditLog, first: int, last: int) -> Iterator[Recorded]:
    """The entries from ``first`` up to, not including, ``last``, the latest first.

    Raises:
        AuditUnavailable: the log cannot be read.
    """
    while last > first:
        found = log.find(Wanted(below=last, limit=min(_PAGE, last - first)))
        if not found:
            return
        yield from (recorded for recorded in found if recorded.index >= first)
        last = found[-1].index


def first_since(log: AuditLog, moment: datetime, size: int) -> int:
    """The first of ``size`` entries that is not older than ``moment``: time only grows with the
    index, so that halving finds it.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        found = log.find(Wanted(below=middle + 1, limit=1))
        if found and found[0].time >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def day_of(moment: datetime) -> date:
    """The day of a moment in China."""
    return moment.astimezone(CHINA).date()
