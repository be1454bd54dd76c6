from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.contracts import Contract, parse
from catalog.subjects import Subject
from core.clock import start_of_day
from core.types import Audience, Sharing
from core.yamlfile import InvalidFiles, load
from policies.agreements import assemble
from policies.audiences import audience_of, audience_of_item, readings
from policies.decide import Denied, Grant, Policy, decide
from policies.documents import read
from policies.models import Action, Agreement, Documents, Effect, Known, Line, Reach, Rule
from tests.policies import town
from tests.policies.town import ask

DAY = date(2026, 3, 1)
RANKS = {"health.desk": 2, "civil.desk": 1}
RULE = Rule(
    line=1,
    role="*",
    action=Action.QUERY,
    object="resident/*",
    purpose="*",
    scope=Reach.ALL,
    mask="partial",
    effect=Effect.ALLOW,
)


def items(**said: dict[str, Any]) -> Known:
    """The town, in which some of the police's items say more."""
    contract = town.CONTRACTS["police.residents"]
    changed = tuple(i.model_copy(update=said.get(i.name, {})) for i in contract.items)
    contracts = town.CONTRACTS | {
        contract.dataset: contract.model_copy(update={"items": changed}),
    }
    return Known(**{**vars(town.KNOWN), "contracts": contracts})


def agreement(consumer: str, since: date, until: date, provider: str = "police") -> Agreement:
    return Agreement(
        agreement=f"A-{consumer}-{since}",
        title="t",
        provider=provider,
        consumer=consumer,
        roles=("clerk",),
        subject="resident",
        actions=(Action.QUERY,),
        purposes=("visit",),
        scope=Reach.ALL,
        valid_from=since,
        valid_to=until,
        items={"name": "partial"},
    )


def policy(
    folder: Path, known: Known, *agreements: Agreement, rules: tuple[Rule, ...] = (RULE,)
) -> Policy:
    """The rule opens everything in part to everybody; audiences close."""
    read_in = read(town.write(folder)).documents
    clients = tuple(c.model_copy(update={"rank": RANKS.get(c.id)}) for c in read_in.clients)
    documents = Documents(
        purposes=read_in.purposes, clients=clients, rules=rules, agreements=agreements
    )
    return Policy(assemble(documents, known))


def may(made: Policy, item: str, day: date = DAY) -> set[str]:
    """The clients that may see an item of residents."""
    return {
        client
        for client in made.policies.clients
        if isinstance(decide(made, ask(client, items=(item,), now=start_of_day(day))), Grant)
    }


EVERYBODY = {"grid.app", "grid.lost", "civil.desk", "health.desk", "auditor"}


def test_an_audience_closes_to_all_others(tmp_path: Path) -> None:
    known = items(
        name={"audience": Audience.DEPARTMENT},
        born={"audience": Audience.LEADERS, "leader_rank": 1},
        sex={"audience": Audience.LEADERS, "leader_rank": 2},
    )
    made = policy(tmp_path, known)
    assert may(made, "name") == {"auditor"}  # of the police
    assert may(made, "born") == {"civil.desk"}
    assert may(made, "sex") == {"civil.desk", "health.desk"}
    assert may(made, "mobile") == EVERYBODY
    refused = decide(made, ask("grid.app", items=("name",)))
    assert isinstance(refused, Denied)
    rules = [reason.fields.get("rule") for reason in refused.reasons]
    assert rules == [None, "audience:resident/name"]


def test_the_narrowest_of_several_items_counts(tmp_path: Path) -> None:
    known = items(resident_id={"audience": Audience.DEPARTMENT})
    assert audience_of("resident", "resident_id", known) is Audience.DEPARTMENT
    assert may(policy(tmp_path, known), "resident_id") == {"auditor"}


@settings(max_examples=50, deadline=None, derandomize=True)
@example(times=[("civil", -3, 3), ("civil", -2, 0)], offset=-1)
@given(
    times=st.lists(
        st.tuples(st.sampled_from(["civil", "health"]), st.integers(-3, 3), st.integers(0, 3)),
        max_size=4,
        unique=True,
    ),
    offset=st.integers(-5, 7),
)
def test_tied_departments_have_an_agreement_in_force(
    tmp_path_factory: pytest.TempPathFactory, times: list[tuple[str, int, int]], offset: int
) -> None:
    agreements = [
        agreement(who, DAY + timedelta(days=n), DAY + timedelta(days=n + m)) for who, n, m in times
    ]
    day = DAY + timedelta(days=offset)
    tied = {a.consumer for a in agreements if a.valid_from <= day <= a.valid_to}
    known = items(name={"audience": Audience.TIED})
    made = policy(tmp_path_factory.mktemp("town"), known, *agreements)
    assert may(made, "name", day) == {"auditor"} | {f"{who}.desk" for who in tied}
    assert may(made, "born", day) == EVERYBODY


def test_an_agreement_with_another_department_ties_nobody(tmp_path: Path) -> None:
    other = agreement("civil", DAY, DAY, provider="health").model_copy(
        update={"items": {"resident_id": "partial"}}
    )
    known = items(resident_id={"audience": Audience.TIED})
    assert may(policy(tmp_path, known, other), "resident_id") == {"auditor"}


def lines_of(known: Known, name: str) -> list[Line]:
    made = assemble(Documents(), known)
    return [line for line in made.index.about(name) if line.effect == Effect.ALLOW]


def test_what_is_for_every_department_is_open_to_it_masked_if_it_must_be() -> None:
    shop = town.CONTRACTS["market.shops"]
    said = shop.model_copy(
        update={
            "items": tuple(
                item.model_copy(update={"audience": Audience.PUBLIC}) for item in shop.items
            )
        }
    )
    known = Known(**{**vars(town.KNOWN), "contracts": town.CONTRACTS | {"market.shops": said}})
    assert [line.mask for line in lines_of(known, "shop/name")] == ["reveal"]
    (owner,) = lines_of(known, "shop/owner")
    assert owner.mask == "partial"
    assert lines_of(town.KNOWN, "shop/owner") == []
    assert audience_of("shop", "owner", known) is Audience.PUBLIC
    assert assemble(Documents(), known).revision != assemble(Documents(), town.KNOWN).revision


def test_what_nobody_says_follows_from_the_sharing_attribute() -> None:
    found = {name: audience_of("resident", name, town.KNOWN) for name in town.RESIDENT.attributes}
    assert found["region"] is Audience.DEPARTMENTS
    assert found["name"] is Audience.TIED
    assert found["treated"] is Audience.DEPARTMENT
    unfed = Subject.model_validate(
        town.SHOP.model_dump() | {"feeds": {"ghost.shops": {"name": "n"}}}
    )
    known = Known(**{**vars(town.KNOWN), "subjects": {"shop": unfed}})
    assert audience_of("shop", "name", known) is Audience.DEPARTMENT
    assert audience_of("shop", "owner", known) is Audience.DEPARTMENT


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: market.shops
version: 1.0.0
status: active
customProperties:
- {property: department, value: market}
- {property: code, value: M-1}
- {property: sharing, value: unconditional}
- {property: audience, value: public}
- {property: mode, value: interface}
- {property: updateCycle, value: daily}
schema:
- name: shops
  properties:
  - name: credit_code
    logicalType: string
    customProperties:
    - {property: element, value: credit_code}
  - name: fined
    logicalType: string
    customProperties:
    - {property: element, value: flag}
    - {property: sharing, value: conditional}
  - name: owner
    logicalType: string
    customProperties:
    - {property: element, value: person_name}
    - {property: audience, value: leaders}
    - {property: leaderRank, value: 2}
    - {property: checks, value: [owners]}
"""


def contract(folder: Path, text: str) -> Contract:
    path = folder / "market.shops.odcs.yaml"
    path.write_text(text, "utf-8")
    return parse(load(path))


def test_a_contract_says_for_whom_its_items_are(tmp_path: Path) -> None:
    made = contract(tmp_path, CONTRACT)
    assert audience_of_item(made, "credit_code") is Audience.PUBLIC
    assert audience_of_item(made, "fined") is Audience.TIED
    assert made.item("fined").audience is None
    assert audience_of_item(made, "owner") is Audience.LEADERS
    assert made.item("owner").leader_rank == 2
    assert (made.item("owner").checks, made.item("fined").checks) == (("owners",), ())
    assert Contract.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("value: public", "value: friends", 10, "it is one of public"),
        ("sharing, value: unconditional", "sharing, value: conditional", 10, "wider than the shar"),
        ("value: leaders", "value: tied", 29, "go together"),
        ("value: 2", "value: 10", 30, "from 1, the highest, to 9"),
        ("    - {property: leaderRank, value: 2}\n", "", 29, "go together"),
    ],
)
def test_a_bad_audience_is_named_by_file_line_and_field(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    with pytest.raises(InvalidFiles) as refused:
        contract(tmp_path, CONTRACT.replace(before, after))
    found = [(m.fields["line"], str(m.fields["rule"])) for m in refused.value.mistakes]
    assert any(at == line and words in rule for at, rule in found), found


CHECK = RULE.model_copy(
    update={"action": Action.CHECK, "object": "check/low_income", "mask": "reveal"}
)


def may_run(made: Policy, day: date = DAY) -> set[str]:
    """The clients that may run the check, which reads name and date of birth of residents."""
    asked = {c: ask(c, subject="check/low_income", now=start_of_day(day)) for c in EVERYBODY}
    runs = {c: decide(made, replace(a, action=Action.CHECK)) for c, a in asked.items()}
    return {client for client, verdict in runs.items() if isinstance(verdict, Grant)}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    said=st.sampled_from(
        [
            {},
            {"sharing": Sharing.NOT_SHARED},
            {"audience": Audience.DEPARTMENT},
            {"audience": Audience.TIED},
            {"audience": Audience.LEADERS, "leader_rank": 1},
            {"sharing": Sharing.NOT_SHARED, "audience": Audience.LEADERS, "leader_rank": 2},
        ]
    ),
    offset=st.integers(-1, 1),
)
def test_a_check_is_closed_to_whom_what_it_reads_is(said: dict[str, Any], offset: int) -> None:
    """But where the department names it; and what it does not read closes it to nobody."""
    day = DAY + timedelta(days=offset)
    tied = agreement("civil", DAY, DAY)

    def made(**items_say: dict[str, Any]) -> Policy:
        with TemporaryDirectory() as folder:
            return policy(Path(folder), items(**items_say), tied, rules=(RULE, CHECK))

    closed = made(name=said)
    assert may_run(closed, day) == may(closed, "name", day)
    assert may_run(made(name={**said, "checks": ("other",)}), day) == may_run(closed, day)
    named = made(name={**said, "checks": ("low_income",)})
    assert may_run(named, day) == EVERYBODY
    assert may(named, "name", day) == may(closed, "name", day), "the item stays as it is"
    assert may_run(made(sex=said), day) == EVERYBODY


def test_a_check_that_is_closed_says_by_what(tmp_path: Path) -> None:
    known = items(
        born={"sharing": Sharing.NOT_SHARED},
        name={"audience": Audience.DEPARTMENT, "checks": ("low_income",)},
    )
    made = policy(tmp_path, known, rules=(CHECK,))
    asked = replace(ask("grid.app", subject="check/low_income"), action=Action.CHECK)
    refused = decide(made, asked)
    assert isinstance(refused, Denied)
    rules = [reason.fields.get("rule") for reason in refused.reasons]
    assert rules == [None, "sharing:resident/born"]
    told = {f"{r.dataset}/{r.item}": (r.closed, r.named) for r in readings("low_income", known)}
    assert told == {
        "police.residents/born": (Audience.DEPARTMENT, False),
        "police.residents/name": (Audience.DEPARTMENT, True),
    }


def test_a_check_that_is_closed_names_no_subject_that_the_client_may_not_know_of(
    tmp_path: Path,
) -> None:
    shops = town.CONTRACTS["market.shops"]
    closed = {"sharing": Sharing.CONDITIONAL, "audience": Audience.DEPARTMENT}
    shops = shops.model_copy(
        update={"items": tuple(item.model_copy(update=closed) for item in shops.items)}
    )
    reads = {"low_income": frozenset({("shop", "owner")})}
    known = Known(
        **{
            **vars(town.KNOWN),
            "checks": reads,
            "contracts": town.CONTRACTS | {shops.dataset: shops},
        }
    )
    opens = RULE.model_copy(update={"line": 2, "role": "civil", "object": "shop/name"})
    made = policy(tmp_path, known, rules=(CHECK, opens))
    told = {"grid.app": "audience", "civil.desk": "audience:shop/owner"}
    for client, rule in told.items():
        asked = replace(ask(client, subject="check/low_income"), action=Action.CHECK)
        refused = decide(made, asked)
        assert isinstance(refused, Denied)
        assert [reason.fields.get("rule") for reason in refused.reasons] == [None, rule]
        assert made.named(asked, "audience:shop/owner") == rule


def listing(**said: Any) -> Known:
    """The town, in which shops are also told by who stands in the tables of two departments; of
    those of health, the item by which they are told apart says more.
    """
    listed = listing_table("health.shops", **said)
    described = town.SHOP.model_dump() | {
        "feeds": {**town.SHOP.feeds, "health.shops": {"credit_code": "code", "name": "title"}},
        "listing": {"attribute": "listed", "datasets": ["market.shops", "health.shops"]},
    }
    described["attributes"]["listed"] = {"title": town.title("listed"), "element": "flag"}
    subjects = town.KNOWN.subjects | {"shop": Subject.model_validate(described)}
    checks = {"low_income": frozenset({("shop", "listed")})}
    contracts = town.CONTRACTS | {"health.shops": listed}
    changed = {"subjects": subjects, "checks": checks, "contracts": contracts}
    return Known(**{**vars(town.KNOWN), **changed})


def listing_table(dataset: str, **said: Any) -> Contract:
    described = {
        "code": ("credit_code", "conditional", 1),
        "title": ("organisation_name", "conditional", 1),
    }
    made = town.contract(dataset, described)
    code, name = made.items
    return made.model_copy(update={"items": (code.model_copy(update=said), name)})


def may_know_who_is_listed(known: Known, folder: Path) -> set[str]:
    opens = RULE.model_copy(update={"object": "shop/*"})
    made = policy(folder, known, rules=(opens, CHECK))
    asked = {c: ask(c, subject="shop", items=("listed",)) for c in EVERYBODY}
    found = {c for c, a in asked.items() if isinstance(decide(made, a), Grant)}
    assert may_run(made) == found
    return found


def test_who_is_listed_is_closed_to_whom_the_tables_that_list_are(tmp_path: Path) -> None:
    assert may_know_who_is_listed(listing(), tmp_path) == EVERYBODY
    assert audience_of("shop", "listed", listing()) is Audience.TIED
    assert lines_of(listing(), "shop/listed") == []
    closed = listing(audience=Audience.DEPARTMENT)
    assert may_know_who_is_listed(closed, tmp_path) == {"health.desk"}
    assert audience_of("shop", "listed", closed) is Audience.DEPARTMENT
    assert may_know_who_is_listed(listing(sharing=Sharing.NOT_SHARED), tmp_path) == {"health.desk"}
    told = {f"{r.dataset}/{r.item}": r.closed for r in readings("low_income", closed)}
    assert told == {
        "market.shops/credit_code": None,
        "health.shops/code": Audience.DEPARTMENT,
    }


def test_what_nothing_feeds_is_closed_to_everyone(tmp_path: Path) -> None:
    known = listing()
    described = known.subjects["shop"].model_copy(update={"listing": None})
    unfed = {**vars(known), "subjects": known.subjects | {"shop": described}}
    assert may_know_who_is_listed(Known(**unfed), tmp_path) == set()


def test_a_check_of_what_nobody_registered_is_closed(tmp_path: Path) -> None:
    ghost = {**vars(town.KNOWN), "contracts": {"market.shops": town.CONTRACTS["market.shops"]}}
    assert may_run(policy(tmp_path, Known(**ghost), rules=(CHECK,))) == set()


def test_nobody_is_closed_out_unsaid(tmp_path: Path) -> None:
    made = policy(tmp_path, town.KNOWN)
    assert may(made, "name") == EVERYBODY
    assert not isinstance(decide(made, ask("grid.app")), Denied)
