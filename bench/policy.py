"""Decisions per second from compiled plans, and what compiling costs, beside plain Casbin.

Run: ``python -m bench.policy [requests to compare]``. One process, one thread, processor time. A
city as large as they come: 10,000 clients in 1,000 roles, 12,706 items, 20,000 rules, made here,
the same on every run. First, as many random requests as asked for (100,000) are put to the compiled
plans and to Casbin's own enforcer; any that differ end the run. Asking for all items gives the
grant that is kept with the plan; naming items builds one.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from itertools import cycle, islice

from rich.console import Console
from rich.table import Table

from catalog.directory import Region, Regions
from catalog.subjects import Subject
from core.types import Text
from policies.conditions import Context
from policies.decide import Ask, Grant, Policy, decide, explain
from policies.enforcer import enforcer
from policies.models import Action, Client, Effect, Known, Line, PolicySet, Purpose
from policies.plans import in_force

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
DEPARTMENTS, CLIENTS, ROLES, PURPOSES = 65, 10_000, 1_000, 20
ITEMS, ITEMS_EACH, LINES = 12_706, 40, 20_000
TITLE = Text(zh="", en="")
DISTRICT = "440605"
CONDITIONS = ("", "", "", "zone=gov", "hours=08:30-18:00/working", "case=registered")
CONTEXT = Context(zones=frozenset({"gov"}))
Request = tuple[str, str, str, str, str, str, str]
"""Client, action, object, purpose, scope, mask, conditions."""


def city() -> Policy:
    """65 departments, most of whose rules are agreements'; each client has one of the roles."""
    chance = random.Random(1)
    subjects = dict(_subjects())
    objects = [f"{name}/{item}" for name, s in subjects.items() for item in s.attributes]
    departments = [f"d{n}" for n in range(DEPARTMENTS)]
    clients = [
        Client(
            id=f"c{n}",
            title=TITLE,
            department=departments[n % DEPARTMENTS],
            roles=(f"r{n % ROLES}",),
            region=DISTRICT,
        )
        for n in range(CLIENTS)
    ]
    region = Region(code=DISTRICT, title=TITLE, parent=None, kind="district")
    return Policy(
        PolicySet(
            revision="bench",
            purposes={f"p{n}": Purpose(id=f"p{n}", title=TITLE, basis="") for n in range(PURPOSES)},
            clients={client.id: client for client in clients},
            lines=tuple(_line(n, chance, objects) for n in range(LINES)),
            known=Known(subjects, Regions([region]), frozenset(departments), {}),
        )
    )


def _subjects() -> Iterator[tuple[str, Subject]]:
    names = iter([f"a{n}" for n in range(ITEMS)])
    number = 0
    while held := list(islice(names, ITEMS_EACH)):
        attributes = {name: {"title": TITLE, "element": "mobile"} for name in held}
        name = f"s{number}"
        described = {"subject": name, "title": TITLE, "attributes": attributes, "feeds": {}}
        yield name, Subject.model_validate(described)
        number += 1


def _line(number: int, chance: random.Random, objects: list[str]) -> Line:
    """A role has some ten items of each of two subjects; one line in twenty denies."""
    denies = chance.random() < 0.05
    role = chance.randrange(ROLES)
    subject = (role * 2 + chance.randrange(2)) * ITEMS_EACH
    return Line(
        id=f"line:{number}",
        group=f"r{role}",
        action=Action.QUERY,
        object=objects[(subject + chance.randrange(ITEMS_EACH)) % len(objects)],
        purpose=chance.choice(["*", f"p{chance.randrange(PURPOSES)}"]),
        scope="*" if denies else chance.choice(["own_region", "all"]),
        mask="reveal" if denies else chance.choice(["reveal", "partial", "pseudonym"]),
        effect=Effect.DENY if denies else Effect.ALLOW,
        valid_to=None if denies else date(2026, 12, 31),
        conditions="" if denies else chance.choice(CONDITIONS),
    )


def measure(run: Callable[[], object], seconds: float = 1.0) -> float:
    """Runs per second of processor time: the best of three rounds."""
    best = 0.0
    for _ in range(3):
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds / 3:
            run()
            count += 1
        best = max(best, count / (time.process_time() - start))
    return best


def asks(policy: Policy) -> list[Ask]:
    """One request of every client, for a subject that its role has something of."""
    found = {line.group: line.object.partition("/")[0] for line in policy.policies.lines}
    return [
        Ask(client.id, Action.QUERY, found[client.roles[0]], None, f"p{n % 20}", NOW, CONTEXT)
        for n, client in enumerate(policy.policies.clients.values())
        if client.roles[0] in found
    ]


def requests(policy: Policy, count: int) -> Iterator[Request]:
    """Random requests; most are about something that a line of the client's role is about."""
    chance = random.Random(2)
    by_role: dict[str, list[Line]] = {}
    for line in policy.policies.lines:
        by_role.setdefault(line.group, []).append(line)
    clients = list(policy.policies.clients.values())
    for _ in range(count):
        client = chance.choice(clients)
        line = chance.choice(by_role.get(client.roles[0], policy.policies.lines))
        yield (
            *(client.id, Action.QUERY, line.object),
            chance.choice([*policy.policies.purposes, line.purpose.replace("*", "p1")]),
            chance.choice(["own_region", "all"]),
            chance.choice(["reveal", "partial", "pseudonym", "suppress", line.mask]),
            chance.choice([*CONDITIONS[2:], line.conditions]),
        )


def compiled(policy: Policy, request: Request) -> bool:
    """What the compiled plan says to a request."""
    client, _, name, purpose, scope, mask, conditions = request
    subject, _, item = name.partition("/")
    ask = Ask(client, Action.QUERY, subject, (item,), purpose, NOW)
    return any(
        option.granted
        and (option.scope, option.mask, option.conditions) == (scope, mask, conditions)
        for option in explain(policy, ask, item)
    )


def compare(policy: Policy, count: int) -> tuple[int, float]:
    """How many of random requests are granted, and the seconds Casbin took for all of them.

    Casbin is given the lines about the object asked for, all groups' and days' alike: of 20,000
    it reads each at every request, and would take hours.

    Raises:
        SystemExit: a compiled answer is not Casbin's own.
    """
    granted, seconds = 0, 0.0
    by_object: dict[str, list[Request]] = {}
    for request in requests(policy, count):
        by_object.setdefault(request[2], []).append(request)
    for name, asked in by_object.items():
        lines = [line for line in policy.policies.index.about(name) if in_force(line, NOW)]
        members = {r[0]: policy.policies.groups(policy.policies.clients[r[0]]) for r in asked}
        start = time.process_time()
        casbin = enforcer(lines, members)
        said = [casbin.enforce(*request) for request in asked]
        seconds += time.process_time() - start
        for request, answer in zip(asked, said, strict=True):
            if compiled(policy, request) is not answer:
                raise SystemExit(f"compiled plans and Casbin differ: {request}")
        granted += sum(said)
    return granted, seconds


def main(count: int = 100_000) -> None:
    policy = city()
    asked = asks(policy)
    costs, verdicts = [], []
    for ask in asked:
        start = time.process_time()
        verdicts.append(decide(policy, ask))
        costs.append((time.process_time() - start) * 1_000)
    grants = [verdict for verdict in verdicts if isinstance(verdict, Grant)]
    grant = max(grants, key=lambda found: sum(len(tier.masks) for tier in found.tiers))
    items = tuple(dict.fromkeys(item for tier in grant.tiers for item in tier.masks))
    everything = Ask(
        grant.client.id, Action.QUERY, grant.subject, None, grant.purpose, NOW, CONTEXT
    )
    named = Ask(grant.client.id, Action.QUERY, grant.subject, items, grant.purpose, NOW, CONTEXT)

    lines = [line for line in policy.policies.lines if in_force(line, NOW)]
    members = {grant.client.id: policy.policies.groups(grant.client)}
    plain, fast = enforcer(lines, members), enforcer(lines, members, by=(1, 2))
    option = next(o for o in explain(policy, everything, items[0]) if o.granted)
    request = (
        *(grant.client.id, Action.QUERY, f"{grant.subject}/{items[0]}", grant.purpose),
        *(option.scope, option.mask, option.conditions),
    )
    assert plain.enforce(*request)
    assert fast.enforce(*request)

    turn = cycle(asked)
    rows = (
        ("decide, all items, one client", measure(lambda: decide(policy, everything))),
        (
            f"decide, all items, {len(asked):,} clients in turn",
            measure(lambda: decide(policy, next(turn))),
        ),
        (f"decide, {len(items)} items named", measure(lambda: decide(policy, named))),
        ("casbin FastEnforcer, one item, scope and mask", measure(lambda: fast.enforce(*request))),
        ("casbin Enforcer, one item, scope and mask", measure(lambda: plain.enforce(*request))),
    )
    table = Table(
        title=f"{len(lines):,} lines, {ITEMS:,} items, {CLIENTS:,} clients, {ROLES:,} roles"
    )
    table.add_column("what")
    table.add_column("per second", justify="right")
    for what, rate in rows:
        table.add_row(what, f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}")
    costs.sort()
    Console().print(
        table,
        f"a cold decision, its plans compiled: median {statistics.median(costs):.2f} ms, "
        f"p99 {costs[len(costs) * 99 // 100]:.2f} ms, most {costs[-1]:.1f} ms",
        sep="\n",
    )
    start = time.process_time()
    granted, seconds = compare(policy, count)
    took = time.process_time() - start - seconds
    Console().print(
        f"{count:,} random requests ({granted:,} granted): compiled plans and Casbin's enforcer "
        f"agree on all; plans took {took:.1f} s, Casbin, given only what is about the item, "
        f"{seconds:.1f} s",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, pycasbin {version('pycasbin')}",
        sep="\n",
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
