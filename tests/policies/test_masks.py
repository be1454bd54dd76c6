"""Which masks hold by default, which may be named, and which come first."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from catalog.contracts import Contract, Item
from catalog.standards import elements
from core.types import Level
from core.yamlfile import InvalidFiles
from policies.agreements import assemble
from policies.decide import Grant, Policy, decide
from policies.documents import read
from policies.enforcer import in_order, most_open, rank
from policies.masks import default_mask, default_of, least
from policies.models import Effect, PolicySet
from tests.policies import town
from tests.policies.town import ask


@pytest.mark.parametrize(
    ("code", "level", "personal", "chosen", "mask"),
    [
        ("integer", 1, False, None, "reveal"),
        ("integer", 2, False, None, "reveal"),
        ("integer", 2, True, None, "partial"),
        ("integer", 3, False, None, "partial"),
        ("integer", 4, False, None, "suppress"),
        ("mobile", 1, False, None, "partial"),
        ("mobile", 3, False, None, "partial"),
        ("mobile", 3, True, None, "partial"),
        ("mobile", 4, True, None, "suppress"),
        ("mobile", 3, True, "keep:0:4", "keep:0:4"),
        ("mobile", 4, True, "pseudonym", "pseudonym"),
        ("mobile", 1, True, "reveal", "partial"),
        ("mobile", 4, False, "reveal", "suppress"),
        ("integer", 4, True, "reveal", "suppress"),
        ("integer", 3, False, "reveal", "reveal"),
        ("integer", 3, False, "year", "partial"),
        ("integer", 4, False, "default", "suppress"),
    ],
)
def test_defaults_follow_level_and_choice(
    code: str, level: int, personal: bool, chosen: str | None, mask: str
) -> None:
    assert default_mask(elements()[code], Level(level), personal, chosen) == mask


def test_an_element_that_is_not_known_shows_nothing() -> None:
    assert default_mask(None, Level.L1, False, "reveal") == "suppress"


def test_personal_information_is_never_shown_as_it_is_by_default() -> None:
    for element in elements().values():
        for level in Level:
            for chosen in (None, "reveal", *element.masks):
                assert default_mask(element, level, True, chosen) != "reveal"


def choosing(**chosen: str) -> dict[str, Contract]:
    """The contracts of the town, with masks chosen: ``<table>__<item>`` → mask."""
    made = {}
    for dataset, contract in town.CONTRACTS.items():
        table = dataset.partition(".")[2]
        items = [
            Item.model_validate(item.model_dump() | {"mask": chosen.get(f"{table}__{item.name}")})
            for item in contract.items
        ]
        made[dataset] = contract.model_copy(update={"items": tuple(items)})
    return made


def test_of_several_departments_the_strictest_default_counts() -> None:
    assert default_of("resident", "name", town.KNOWN) == "suppress"  # the attribute is L4
    known = replace(
        town.KNOWN,
        contracts=choosing(
            residents__resident_id="keep:6:4",
            patients__resident_id="keep:3:0",
            shops__name="partial",
        ),
    )
    assert default_of("resident", "resident_id", known) == "keep:3:0"
    assert default_of("shop", "name", known) == "partial"
    assert default_of("shop", "credit_code", known) == "reveal"
    unregistered = replace(
        known, contracts={"police.residents": known.contracts["police.residents"]}
    )
    assert default_of("resident", "resident_id", unregistered) == "suppress"
    assert default_of("shop", "credit_code", unregistered) == "suppress"


@pytest.mark.parametrize(
    ("masks", "mask"),
    [
        (["reveal", "partial"], "partial"),
        (["partial", "pseudonym"], "pseudonym"),
        (["keep:6:4", "keep:3:0"], "keep:3:0"),
        (["keep:0:4", "keep:3:0"], "suppress"),
        (["partial", "keep:10:3"], "suppress"),
        (["partial", "month"], "suppress"),
        (["division:town", "division:district"], "division:district"),
        (["band:100", "band:1000"], "band:1000"),
        (["band:100", "band:150"], "suppress"),
        (["band:100", "band:1000:5000"], "band:1000:5000"),
        (["band:1000:5000", "band:1000:2000:5000"], "band:1000:5000"),
    ],
)
def test_no_department_opens_by_default_what_another_hides(masks: list[str], mask: str) -> None:
    assert least(masks) == least(masks[::-1]) == mask


RULES = """\
worker,query,resident/*,visit,all,default,allow
worker,query,shop/*,visit,all,default,allow
worker,query,resident/region,visit,own_region,division:town,allow
"""


def lines(policies: PolicySet) -> dict[str, str]:
    return {
        line.object: line.mask
        for line in policies.lines
        if line.effect == Effect.ALLOW and line.id in ("rules.csv:1", "rules.csv:2")
    }


def test_default_is_resolved_when_lines_are_assembled(tmp_path: Path) -> None:
    agreement = town.AGREEMENT.replace("mobile: reveal", "mobile: default")
    loaded = read(town.write(tmp_path, rules=RULES, agreement=agreement))
    known = replace(town.KNOWN, contracts=choosing(patients__mobile="keep:0:4"))
    policies = assemble(loaded.documents, known, loaded.files)
    assert lines(policies) == {
        **{f"resident/{name}": "suppress" for name in town.RESIDENT.attributes},
        "resident/mobile": "keep:0:4",
        "resident/region": "reveal",
        "resident/sex": "partial",
        "shop/credit_code": "reveal",
        "shop/name": "reveal",
        "shop/owner": "partial",
    }
    agreed = {line.mask for line in policies.lines if line.id.startswith("agreement:")}
    assert agreed == {"keep:0:4", "suppress"}
    grant = decide(Policy(policies), ask("grid.app", items=("mobile", "sex")))
    assert isinstance(grant, Grant)
    assert dict(grant.tiers[0].masks) == {"mobile": "keep:0:4", "sex": "partial"}
    other = assemble(loaded.documents, town.KNOWN, loaded.files)
    assert other.revision != policies.revision


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("worker,query,resident/mobile,visit,all,keep:3,allow", "keep:<head>:<tail>"),
        ("worker,query,resident/mobile,visit,all,keep:8:3,allow", "not offered"),
        ("worker,query,resident/name,visit,all,fpe,allow", "not offered"),
        ("worker,query,resident/*,visit,all,keep:1:0,allow", "not offered"),
        ("worker,query,resident/mobile,visit,*,default,deny", "a denial names the mask"),
        ("worker,discover,dataset/*,visit,all,default,allow", "nothing to mask"),
    ],
)
def test_a_wrong_mask_is_named_with_its_place(tmp_path: Path, line: str, words: str) -> None:
    loaded = read(town.write(tmp_path, rules=f"# one\n{line}\n"))
    with pytest.raises(InvalidFiles) as found:
        assemble(loaded.documents, town.KNOWN, loaded.files)
    mistake = next(m for m in found.value.mistakes if words in m.words("en"))
    assert (mistake.fields["line"], mistake.fields["field"]) == (2, "mask")


def test_masks_with_parameters_may_be_granted_and_agreed_on(tmp_path: Path) -> None:
    agreement = town.AGREEMENT.replace("mobile: reveal", "mobile: keep:3:4")
    rules = "worker,query,resident/resident_id,visit,all,fpe,allow\n"
    loaded = read(town.write(tmp_path, rules=rules, agreement=agreement))
    policy = Policy(assemble(loaded.documents, town.KNOWN, loaded.files))
    relief = decide(policy, ask("grid.app", items=("mobile",), purpose="relief"))
    visit = decide(policy, ask("grid.app", items=("resident_id",)))
    assert isinstance(relief, Grant)
    assert isinstance(visit, Grant)
    assert dict(relief.tiers[0].masks) == {"mobile": "keep:3:4"}
    assert dict(visit.tiers[0].masks) == {"resident_id": "fpe"}


@pytest.mark.parametrize(
    "masks",
    [
        ["reveal", "partial", "keep:6:4", "keep:3:4", "fpe", "pseudonym", "suppress"],
        ["reveal", "band:100", "band:1000", "suppress"],
        ["division:community", "division:town", "division:province", "pseudonym"],
    ],
)
def test_masks_stand_in_one_order_whatever_the_order_they_are_named_in(masks: list[str]) -> None:
    for some in permutations(masks, 3):
        expected = sorted(some, key=masks.index)
        assert in_order(some, "partial") == expected
        assert most_open(some, "partial") == expected[0]


def test_parameters_do_not_change_a_rank() -> None:
    ranks = {m: rank(m) for m in ("reveal", "partial", "keep:3:4", "fpe", "pseudonym", "suppress")}
    assert list(ranks.values()) == [3, 2, 2, 1, 1, 0]


@pytest.mark.parametrize("denied", ["partial", "keep:1:0"])
def test_who_may_not_have_one_form_may_not_have_any_that_shows_as_much(
    tmp_path: Path, denied: str
) -> None:
    rules = "".join(
        f"worker,query,resident/mobile,visit,all,{mask},allow\n"
        for mask in ("reveal", "keep:3:4", "partial", "fpe")
    )
    rules += f"worker,query,resident/mobile,visit,*,{denied},deny\n"
    grant = decide(town.policy(tmp_path, rules=rules), ask("grid.app", items=("mobile",)))
    assert isinstance(grant, Grant)
    assert dict(grant.tiers[0].masks) == {"mobile": "fpe"}
