"""A small town: what the policy tests speak of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog.contracts import Contract
from catalog.directory import Region, Regions
from catalog.standards import elements
from catalog.subjects import Subject
from core.types import Text
from policies.agreements import assemble
from policies.decide import Ask, Policy
from policies.documents import read
from policies.models import Action, Known

DISTRICT, TOWN, COMMUNITY, OTHER_TOWN = "440605", "440605001", "440605001001", "440605002"
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
"""Noon in China on 1 March 2026."""


def title(word: str) -> Text:
    return Text(zh=word, en=word)


def regions() -> Regions:
    parents = {DISTRICT: None, TOWN: DISTRICT, COMMUNITY: TOWN, OTHER_TOWN: DISTRICT}
    return Regions(
        Region(code=code, title=title(code), parent=parent, kind="district")
        for code, parent in parents.items()
    )


def contract(dataset: str, items: dict[str, tuple[str, str, int]]) -> Contract:
    """``items``: name → element, sharing, level."""
    return Contract.model_validate(
        {
            "dataset": dataset,
            "name": dataset,
            "version": "1",
            "department": dataset.partition(".")[0],
            "code": dataset.replace(".", "-"),
            "summary": "",
            "sharing": "conditional",
            "mode": "interface",
            "cycle": "daily",
            "digest": "0",
            "items": [
                {
                    "name": name,
                    "column": name,
                    "title": name,
                    "element": element,
                    "sharing": sharing,
                    "level": level,
                }
                for name, (element, sharing, level) in items.items()
            ],
        }
    )


CONTRACTS = {
    "police.residents": contract(
        "police.residents",
        {
            "resident_id": ("resident_id", "conditional", 4),
            "name": ("person_name", "conditional", 3),
            "born": ("date", "conditional", 3),
            "region": ("region_code", "unconditional", 1),
            "sex": ("sex", "unconditional", 2),
        },
    ),
    "health.patients": contract(
        "health.patients",
        {
            "resident_id": ("resident_id", "conditional", 4),
            "treated": ("date", "not_shared", 4),
            "mobile": ("mobile", "conditional", 3),
        },
    ),
    "market.shops": contract(
        "market.shops",
        {
            "credit_code": ("credit_code", "unconditional", 1),
            "name": ("organisation_name", "unconditional", 1),
            "owner": ("person_name", "unconditional", 2),
        },
    ),
}


def _attributes(**described: dict[str, Any]) -> dict[str, Any]:
    return {n: {"title": {"zh": n, "en": n}} | d for n, d in described.items()}


RESIDENT = Subject.model_validate(
    {
        "subject": "resident",
        "title": {"zh": "居民", "en": "resident"},
        "region": "region",
        "attributes": _attributes(
            resident_id={"element": "resident_id", "key": True, "personal": True},
            name={"element": "person_name", "personal": True},
            born={"element": "date", "personal": True},
            mobile={"element": "mobile", "lookup": True, "personal": True},
            region={"element": "region_code", "level": 1},
            sex={"element": "sex", "personal": True, "level": 2},
            treated={"element": "date", "personal": True},
        ),
        "feeds": {
            "police.residents": {
                name: name for name in ("resident_id", "name", "born", "region", "sex")
            },
            "health.patients": {
                "resident_id": "resident_id",
                "treated": "treated",
                "mobile": "mobile",
            },
        },
    }
)
SHOP = Subject.model_validate(
    {
        "subject": "shop",
        "title": {"zh": "商户", "en": "shop"},
        "attributes": _attributes(
            credit_code={"element": "credit_code", "key": True, "level": 1},
            name={"element": "organisation_name", "level": 1},
            owner={"element": "person_name", "level": 2},
        ),
        "feeds": {"market.shops": {n: n for n in ("credit_code", "name", "owner")}},
    }
)

KNOWN = Known(
    subjects={"resident": RESIDENT, "shop": SHOP},
    regions=regions(),
    departments=frozenset({"police", "health", "market", "civil", "grid"}),
    contracts=CONTRACTS,
    checks={"low_income": frozenset({("resident", "name"), ("resident", "born")})},
    elements=elements(),
)

PURPOSES = """\
purposes:
- {id: visit, title: {zh: 走访, en: visit}, basis: 条例第一条}
- {id: relief, title: {zh: 救助, en: relief}, basis: 条例第二条}
"""
CLIENTS = f"""\
clients:
- {{id: grid.app, title: {{zh: 网格, en: grid}}, department: grid, roles: [worker], region: "{TOWN}"}}
- {{id: grid.lost, title: {{zh: 网格, en: grid}}, department: grid, roles: [worker]}}
- {{id: civil.desk, title: {{zh: 民政, en: civil}}, department: civil, roles: [clerk]}}
- {{id: health.desk, title: {{zh: 卫健, en: health}}, department: health, roles: [clerk]}}
- {{id: auditor, title: {{zh: 审计, en: audit}}, department: police, roles: [auditor]}}
"""
RULES = """\
# The grid sees its own people, and everyone's names in part.
worker,query,resident/name,visit,own_region,reveal,allow
worker,query,resident/name,visit,all,partial,allow
worker,query,resident/born,visit,own_region,year,allow
worker,query,resident/resident_id,visit,own_region,pseudonym,allow
worker,lookup,resident/resident_id,visit,all,reveal,allow
clerk,query,resident/*,relief,all,partial,allow
clerk,query,resident/treated,relief,all,reveal,allow
civil,query,resident/mobile,relief,*,*,deny
clerk,check,check/low_income,relief,all,reveal,allow
auditor,audit,audit,*,all,reveal,allow
worker,discover,dataset/*,*,all,reveal,allow
"""
AGREEMENT = """\
agreement: A-2026-001
title: Mobiles for relief
provider: health
consumer: grid
roles: [worker]
subject: resident
actions: [query, lookup]
purposes: [relief]
scope: all
valid_from: 2026-02-01
valid_to: 2026-03-01
items:
  mobile: reveal
  resident_id: suppress
"""


def write(folder: Path, **changed: str) -> Path:
    """The documents of the town as files; ``changed`` replaces some: purposes, clients, rules,
    agreement.
    """
    texts = {
        "policies/purposes.yaml": changed.get("purposes", PURPOSES),
        "policies/clients.yaml": changed.get("clients", CLIENTS),
        "policies/rules.csv": changed.get("rules", RULES),
        "agreements/A-2026-001.yaml": changed.get("agreement", AGREEMENT),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def policy(folder: Path, **changed: str) -> Policy:
    """The town's policy, from its files."""
    loaded = read(write(folder, **changed))
    return Policy(assemble(loaded.documents, KNOWN, loaded.files))


def ask(  # one argument per part of a request
    client: str,
    action: Action = Action.QUERY,
    subject: str = "resident",
    items: tuple[str, ...] | None = None,
    purpose: str = "visit",
    now: datetime = NOON,
) -> Ask:
    return Ask(client, action, subject, items, purpose, now)
