from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.standards import elements
from core.ciphers import Suite
from core.keys import KeyRing
from core.types import Status
from policies.decide import Grant, Tier, decide
from policies.enforcer import most_open, rank
from policies.masking import Cell, GrantUnfit, MaskedRow, Masker, MaskFailed, in_public
from policies.models import Action, Client
from policies.plans import MaskUnknown
from policies.scope import ALL, Scope, subtree
from tests.policies import town
from tests.policies.town import COMMUNITY, OTHER_TOWN, TOWN, ask

KEYS = KeyRing(bytes(range(32)))
SM_KEYS = KeyRing(bytes(range(32)), Suite.SM)
CANARIES = {
    "resident_id": "11010519491231002X",
    "name": "欧阳金丝雀",
    "born": "1949-12-31",
    "mobile": "13912345678",
}
ROW = {
    name: Cell(value, Status.AGREED, "police.residents", "2026-01-01")
    for name, value in CANARIES.items()
} | {"region": Cell(COMMUNITY), "sex": Cell("1")}
GRID = Client(
    id="grid.app", title=town.title("grid"), department="grid", roles=("worker",), region=TOWN
)


def grant_of(*tiers: tuple[Scope, dict[str, str]], **changed: object) -> Grant:
    fields: dict[str, object] = {
        "client": GRID,
        "subject": "resident",
        "action": Action.QUERY,
        "purpose": "visit",
        "tiers": tuple(Tier(scope, masks) for scope, masks in tiers),
        "filters": {},
        "expires": None,
        "policy_revision": "r",
        "reasons": (),
    }
    return Grant(**(fields | changed))  # type: ignore[arg-type]


def masked(
    grant: Grant, region: str | None = COMMUNITY, row: object = None, keys: KeyRing = KEYS
) -> MaskedRow | None:
    cells = ROW if row is None else row
    return Masker(grant, town.RESIDENT, keys).mask_row(cells, region)  # type: ignore[arg-type]


def values(row: MaskedRow | None) -> dict[str, object]:
    assert row is not None
    return {name: cell.value for name, cell in row.cells.items()}


def masks_for(attribute: str) -> list[str]:
    return sorted(town.KNOWN.masks("resident", attribute))


scopes = st.sampled_from(
    [ALL, *(subtree(code, town.regions()) for code in (TOWN, OTHER_TOWN, town.DISTRICT))]
)
tier_lists = st.lists(
    st.tuples(
        scopes,
        st.fixed_dictionaries(
            {}, optional={name: st.sampled_from(masks_for(name)) for name in CANARIES}
        ),
    ),
    max_size=3,
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tier_lists, st.sampled_from([TOWN, COMMUNITY, OTHER_TOWN, None, "elsewhere"]))
def test_canaries_show_only_where_a_tier_that_holds_the_row_reveals_them(
    tiers: list[tuple[Scope, dict[str, str]]], region: str | None
) -> None:
    row = masked(grant_of(*tiers), region)
    holding = [masks for scope, masks in tiers if scope.contains(region)]
    if not holding:
        assert row is None
        return
    assert row is not None
    assert row.cells.keys() == {name for _, masks in tiers for name in masks}
    for name, cell in row.cells.items():
        offered = [masks[name] for masks in holding if name in masks] or ["suppress"]
        usual = elements()[town.RESIDENT.attributes[name].element].default_mask
        assert cell.mask == most_open(offered, usual)
        assert rank(cell.mask) == max(map(rank, offered))
    text = orjson.dumps(dict(row.cells)).decode()
    for name, value in CANARIES.items():
        revealed = name in row.cells and row.cells[name].mask == "reveal"
        assert (value in text) is revealed


def test_masked_rows_follow_the_decision(tmp_path: Path) -> None:
    grant = decide(town.policy(tmp_path), ask("grid.app"))
    assert isinstance(grant, Grant)
    own, other = masked(grant), masked(grant, OTHER_TOWN)
    assert values(own)["name"] == CANARIES["name"]
    assert values(own)["born"] == elements()["date"].masks["year"](CANARIES["born"])
    assert values(other)["name"] == elements()["person_name"].masks["partial"](CANARIES["name"])
    assert values(other)["born"] is None
    assert list(values(own)) == ["resident_id", "name", "born", "region"]


def test_suppression_hides_whether_there_is_a_value() -> None:
    grant = grant_of((ALL, {"mobile": "suppress"}))
    there, absent = masked(grant), masked(grant, row={"mobile": Cell(None)})
    assert there is not None
    assert absent is not None
    assert there.cells == absent.cells
    assert there.cells["mobile"].dataset is None


@pytest.mark.parametrize("mask", [m for m in masks_for("mobile") if m != "suppress"])
def test_nothing_stays_nothing(mask: str) -> None:
    grant = grant_of((ALL, {"mobile": mask}))
    assert values(masked(grant, row={"mobile": Cell(None, Status.AGREED)})) == {"mobile": None}
    assert values(masked(grant, row={})) == {"mobile": None}


def test_a_revealed_value_has_its_type_and_origin() -> None:
    row = masked(grant_of((ALL, {"born": "reveal"})))
    assert row is not None
    cell = row.cells["born"]
    assert cell.value == elements()["date"].typed(CANARIES["born"])
    assert (cell.status, cell.dataset, cell.as_of) == (
        Status.AGREED,
        "police.residents",
        "2026-01-01",
    )


def pseudonym(
    value: str = "13912345678",
    attribute: str = "mobile",
    mask: str = "pseudonym",
    keys: KeyRing = KEYS,
    **changed: object,
) -> object:
    grant = grant_of((ALL, {attribute: mask}), **changed)
    return values(masked(grant, row={attribute: Cell(value)}, keys=keys))[attribute]


def test_pseudonyms_are_stable_within_a_department_and_purpose_only() -> None:
    civil = GRID.model_copy(update={"department": "civil"})
    colleague = GRID.model_copy(update={"id": "grid.other", "roles": ("clerk",)})
    assert pseudonym() == pseudonym() == pseudonym(client=colleague)
    different = [
        pseudonym(),
        pseudonym(value="13912345679"),
        pseudonym(client=civil),
        pseudonym(purpose="relief"),
        pseudonym(attribute="name"),
    ]
    assert len(set(different)) == len(different)


def test_pseudonyms_are_what_they_always_were() -> None:
    assert pseudonym() == "ed1d92b9639928b1f00240776cce3b86"
    assert pseudonym(keys=SM_KEYS) == "69900f1e4dd4056711eaffbcd79acf7b"


def test_numbers_of_the_same_form_are_a_departments_own_for_one_purpose() -> None:
    civil = GRID.model_copy(update={"department": "civil"})
    shown = [
        pseudonym(mask="fpe"),
        pseudonym(mask="fpe", value="13912345679"),
        pseudonym(mask="fpe", client=civil),
        pseudonym(mask="fpe", purpose="relief"),
        pseudonym(mask="fpe", keys=SM_KEYS),
    ]
    assert pseudonym(mask="fpe") == shown[0]
    assert len({*shown, CANARIES["mobile"]}) == len(shown) + 1
    mobile = elements()["mobile"]
    assert all(mobile.clean_one(str(number)) == number for number in shown)


@pytest.mark.parametrize("mask", ["partial", "keep:3:4", "fpe"])
def test_what_is_not_canonical_is_not_masked(mask: str) -> None:
    grant = grant_of((ALL, {"mobile": mask}))
    with pytest.raises(MaskFailed):
        masked(grant, row={"mobile": Cell("+86 13912345678")})


def test_masks_with_parameters_are_applied_and_the_one_that_shows_more_wins() -> None:
    some, more = {"mobile": "keep:0:4"}, {"mobile": "keep:3:4"}
    for tiers in ((some, more), (more, some)):
        row = masked(grant_of(*((ALL, masks) for masks in tiers)))
        assert row is not None
        assert (row.cells["mobile"].value, row.cells["mobile"].mask) == ("139****5678", "keep:3:4")


def test_open_data_has_no_pseudonyms_and_shows_canonical_values_only() -> None:
    date = elements()["date"]
    shown = [in_public(date, mask)("1949-12-31") for mask in ("reveal", "month", "suppress")]
    assert shown == ["1949-12-31", "1949-12", None]
    for mask in ("pseudonym", "fpe", "sepia"):
        with pytest.raises(MaskUnknown):
            in_public(elements()["mobile"], mask)
    with pytest.raises(MaskFailed):
        in_public(date, "month")("31/12/1949")


def test_a_masked_row_is_made_by_masking_only() -> None:
    row = masked(grant_of((ALL, {"name": "partial"})))
    assert row is not None
    with pytest.raises(TypeError, match="made by masking only"):
        MaskedRow(object(), row.cells)
    with pytest.raises(TypeError, match="does not change"):
        row.cells = {}
    with pytest.raises(TypeError):
        row.cells["name"] = row.cells["name"]  # type: ignore[index]
    with pytest.raises(TypeError, match="not copied"):
        copy.copy(row)
    with pytest.raises(TypeError, match="not copied"):
        pickle.dumps(row)
    with pytest.raises(TypeError, match="no other kinds"):
        type("Fake", (MaskedRow,), {})


@pytest.mark.parametrize("action", [Action.LOOKUP, Action.DISCOVER, Action.AUDIT])
def test_a_grant_for_something_else_does_not_read(action: Action) -> None:
    with pytest.raises(GrantUnfit):
        masked(grant_of((ALL, {"name": "reveal"}), action=action))


def test_a_grant_for_another_subject_does_not_read() -> None:
    with pytest.raises(GrantUnfit):
        Masker(grant_of((ALL, {"name": "reveal"})), town.SHOP, KEYS)


def test_an_unknown_mask_is_refused_before_any_row() -> None:
    with pytest.raises(MaskUnknown):
        Masker(grant_of((ALL, {"name": "sepia"})), town.RESIDENT, KEYS)


def test_a_value_that_cannot_be_masked_stops_the_answer_without_showing_it() -> None:
    grant = grant_of((ALL, {"born": "broken"}))

    def broken(value: str) -> str:
        raise ValueError(value)

    class Broken(type(elements()["date"])):  # type: ignore[misc]
        masks = {"broken": broken}  # noqa: RUF012

    masker = Masker(grant, town.RESIDENT, KEYS, dict(elements()) | {"date": Broken()})
    with pytest.raises(MaskFailed) as failed:
        masker.mask_row(ROW, TOWN)
    assert failed.value.__suppress_context__
    assert CANARIES["born"] not in failed.value.words("en") + failed.value.words("zh")


def test_a_record_in_no_scope_is_not_there() -> None:
    grant = grant_of((subtree(TOWN, town.regions()), {"name": "reveal"}))
    assert masked(grant, OTHER_TOWN) is None
    assert masked(grant, None) is None
    assert masked(grant_of(), TOWN) is None


def test_a_grant_may_be_held_over_midnight_but_says_when_it_ends(tmp_path: Path) -> None:
    grant = decide(town.policy(tmp_path), ask("grid.app", items=("mobile",), purpose="relief"))
    assert isinstance(grant, Grant)
    assert grant.expires == datetime(2026, 3, 1, 16, tzinfo=UTC)
