"""What tells less of the same supports what tells more: addresses without building or room."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.standards import elements
from core.types import Status
from reconcile.conflicts import Basis, Reader, Repair
from reconcile.conflicts.effects import effect
from reconcile.conflicts.reading import Conflict, Said
from reconcile.fusion import claims, fuse
from reconcile.fusion.details import finest, tells_less
from reconcile.fusion.ground import RULING
from tests.reconcile.fusing import TODAY, conflicts, engine, golden, subject

ADDRESS = elements()["address"]
FULL = "长安路8号3栋501室"
HOUSE, BLOCK, WHERE = "长安路8号", "长安路8号3栋", "佛山市南海区桂城街道长安路8号"
ELSEWHERE, NEXT_DOOR = "人民路2号1栋101室", "长安路8号3栋502室"
SOURCES = [f"d{n}.t" for n in range(5)]
ABOUT = subject({"home": {"element": "address"}}, {d: {"home": "home"} for d in SOURCES})

numbers = st.integers(1, 300)
places = st.builds(
    lambda road, numbers: (road, *numbers),
    st.sampled_from(["长安路", "人民大道", "中山街"]),
    st.tuples(numbers, numbers, numbers),
)


def written(place: tuple[str, int, int, int], parts: int) -> str:
    """An address with so many of its three numbers."""
    road, *told = place
    return road + "".join(f"{n}{u}" for n, u in zip(told[:parts], "号栋室", strict=False))


def gists(*values: str) -> dict[str, str]:
    return finest(ADDRESS, {ADDRESS.gist(value) for value in values})


@given(places, st.sets(st.integers(1, 3), min_size=1))
def test_of_one_address_the_one_that_tells_most_counts(
    place: tuple[str, int, int, int], parts: set[int]
) -> None:
    most = ADDRESS.gist(written(place, max(parts)))
    told = [ADDRESS.gist(written(place, n)) for n in parts]
    assert gists(*(written(place, n) for n in parts)) == {g: most for g in told if g != most}


@given(st.lists(st.tuples(places, st.integers(1, 3)), min_size=1, max_size=6))
def test_nothing_is_raised_to_what_contradicts_it(
    said: list[tuple[tuple[str, int, int, int], int]],
) -> None:
    values = {ADDRESS.gist(written(*each)): each for each in said}
    found = finest(ADDRESS, set(values))
    for less, more in found.items():
        (place, parts), (other, _) = values[less], values[more]
        assert place[: parts + 1] == other[: parts + 1]
        others = [gist for gist in values if tells_less(ADDRESS, less, gist)]
        assert {found.get(gist, gist) for gist in others} == {more}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((HOUSE, FULL, NEXT_DOOR), {}),
        ((HOUSE, BLOCK, FULL, NEXT_DOOR), {}),
        ((WHERE, HOUSE), {"长安路8": "桂城街道长安路8"}),
        (("桂城街道长安路8号", "大沥镇长安路8号"), {}),
        (("长安路88号", HOUSE), {}),
        ((WHERE, FULL), {"桂城街道长安路8": "长安路8-3-501"}),
    ],
)
def test_where_more_is_told_in_several_ways_what_tells_less_stands_by_itself(
    values: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert gists(*values) == expected


FIRM, CITYS, SHORT = "佛山市恒鑫贸易有限责任公司", "广州市恒鑫贸易有限公司", "恒鑫贸易"


@pytest.mark.parametrize(
    ("names", "most"),
    [
        ((FIRM, SHORT), FIRM),
        ((FIRM, "恒鑫贸易有限公司", SHORT, "佛山市恒鑫贸易"), FIRM),
        (("佛山市第一人民医院", "第一人民医院"), "佛山市第一人民医院"),
        ((FIRM, CITYS, SHORT), None),
        ((FIRM, "恒鑫"), None),
        (("Acme Trading Co., Ltd.", "Acme Trading"), None),
    ],
)
def test_names_of_firms_without_place_or_legal_form_tell_less(
    names: tuple[str, ...], most: str | None
) -> None:
    element = elements()["organisation_name"]
    told = {element.gist(name) for name in names}
    if most is None:
        assert finest(element, told) == {}
    else:
        full = element.gist(most)
        assert finest(element, told) == {gist: full for gist in told if gist != full}


def said(*values: str | None) -> pa.Table:
    """What the sources say of one person, of whom nobody else is asked."""
    return gathered([values])


def gathered(homes: list[tuple[str | None, ...]]) -> pa.Table:
    rows: dict[str, list[dict[str, Any]]] = {dataset: [] for dataset in SOURCES}
    for n, values in enumerate(homes):
        for dataset, value in zip(SOURCES, values, strict=False):
            rows[dataset].append({"_record": f"r{n}", "_as_of": "2025-12-01", "home": value})
    fit = {d: pa.Table.from_pylist(r) for d, r in rows.items() if r}
    links = [
        {"dataset": d, "record": f"r{n}", "entity": f"e{n:05}"}
        for d in fit
        for n in range(len(homes))
    ]
    on = engine()
    return claims(on, ABOUT, fit, pa.Table.from_pylist(links)).to_pyarrow()


def test_claims_are_raised_within_one_person_alone() -> None:
    chance = random.Random(3)
    near = [("长安路", 8, n, room) for n in (3, 4) for room in (501, 502)]
    homes = [
        tuple(written(chance.choice(near), chance.choice((1, 2, 3))) for _ in SOURCES)
        for _ in range(150)
    ]
    raised = 0
    for entity, rows in by_entity(gathered(homes)).items():
        own = {row["value"]: ADDRESS.gist(row["value"]) for row in rows}
        more = finest(ADDRESS, set(own.values()))
        raised += len(more)
        assert {row["value"]: row["gist"] for row in rows} == {
            value: more.get(gist, gist) for value, gist in own.items()
        }, entity
    assert 20 < raised < 300


def by_entity(rows: pa.Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        found.setdefault(row["entity"], []).append(row)
    return found


def test_the_address_that_tells_more_is_served_and_all_that_bear_it_out_are_for_it() -> None:
    result = fuse(engine(), ABOUT, said(WHERE, HOUSE, FULL, ELSEWHERE), TODAY)
    value = golden(result)["e00000", "home"]
    assert value["value"] == FULL
    assert value["supporting"] == '["d0.t","d1.t","d2.t"]'
    assert value["opposing"] == '["d3.t"]'
    [conflict] = conflicts(result).values()
    assert {c["value"] for c in conflict["claims"]} == {WHERE, HOUSE, FULL, ELSEWHERE}


def test_who_tells_more_and_less_agree() -> None:
    result = fuse(engine(), ABOUT, said(HOUSE, BLOCK, FULL), TODAY)
    value = golden(result)["e00000", "home"]
    assert (value["value"], value["status"]) == (FULL, Status.AGREED)
    assert not conflicts(result)


def test_of_sources_that_agree_on_a_group_the_one_that_tells_most_is_taken() -> None:
    about = subject(
        {
            "employer": {"element": "organisation_name", "group": "work"},
            "code": {"group": "work"},
        },
        {d: {n: n for n in ("employer", "code")} for d in SOURCES},
    )
    days = ("2025-01-01", "2025-06-01", "2025-12-01")
    fit = {
        dataset: pa.table({"_record": ["r"], "_as_of": [day], "employer": [name], "code": ["c1"]})
        for dataset, day, name in zip(SOURCES, days, (FIRM, SHORT, SHORT), strict=False)
    }
    links = [{"dataset": d, "record": "r", "entity": "e"} for d in fit]
    given = claims(engine(), about, fit, pa.Table.from_pylist(links)).to_pyarrow()
    found = golden(fuse(engine(), about, given, TODAY))
    assert found["e", "employer"]["value"] == FIRM
    assert found["e", "code"]["status"] == found["e", "employer"]["status"] == Status.AGREED


def test_a_ruling_for_either_wins() -> None:
    for ruled, against in ((FULL, [ELSEWHERE]), (HOUSE, [FULL, ELSEWHERE])):
        rulings = pa.table(
            {"entity": ["e00000"], "attribute": ["home"], "value": [ruled], "number": [1]}
        )
        given = said(HOUSE, FULL, ELSEWHERE)
        result = fuse(engine(), ABOUT, given, TODAY, rulings.cast(RULING))
        value = golden(result)["e00000", "home"]
        assert (value["value"], value["status"]) == (ruled, Status.RULED)
        datasets = {r["value"]: r["dataset"] for r in given.to_pylist()}
        assert value["opposing"] == "[" + ",".join(f'"{datasets[a]}"' for a in against) + "]"
        contested = [s.value for s, _ in Reader(ABOUT).contested(read(result))]
        assert contested == against


def read(result: Any) -> Conflict:
    """The only conflict, as it is read for people."""
    [row] = conflicts(result).values()
    told = tuple(Said(c["dataset"], c["value"], c["as_of"], c["weight"]) for c in row["claims"])
    return Conflict(row["entity"], row["attribute"], row["status"], row["value"], "{}", told, None)


def test_in_conflicts_too_they_stand_together() -> None:
    reader = Reader(ABOUT)
    conflict = read(fuse(engine(), ABOUT, said(WHERE, HOUSE, FULL, ELSEWHERE), TODAY))
    assert [s.value for s, _ in reader.contested(conflict)] == [ELSEWHERE]
    gists = reader.gists(conflict)
    assert len({gists[value] for value in (WHERE, HOUSE, FULL)}) == 1
    assert gists[ELSEWHERE] != gists[FULL]


def test_what_a_repair_would_do_is_told_with_them_together() -> None:
    given = said(WHERE, HOUSE, FULL, ELSEWHERE)
    sources = fuse(engine(), ABOUT, given, TODAY).sources
    repair = Repair("d3.t", "home", {"kind": "recode", "mapping": {ELSEWHERE: BLOCK}})
    found = effect(engine(), ABOUT, Basis(given, TODAY, sources), repair)
    assert (found.claims, found.changed, found.vanished, found.appeared) == (1, 0, 1, 0)


def test_more_addresses_are_right_than_where_less_is_another_value() -> None:
    chance = random.Random(5)
    homes, truth = [], {}
    for n in range(300):
        place, other = (
            (chance.choice("长人中") + "安路", *(chance.randrange(1, 99) for _ in range(3)))
            for _ in range(2)
        )
        truth[f"e{n:05}", "home"] = ADDRESS.gist(written(place, 3))
        homes.append(
            tuple(
                written(place if chance.random() < 0.75 else other, chance.choice((1, 2, 3, 3, 3)))
                for _ in SOURCES
            )
        )
    raised = gathered(homes)
    plain = [ADDRESS.gist(value) for value in raised.column("value").to_pylist()]
    place = raised.schema.get_field_index("gist")
    shares = []
    for said_so in (raised, raised.set_column(place, "gist", pa.array(plain))):
        found = golden(fuse(engine(), ABOUT, said_so, TODAY))
        right = [ADDRESS.gist(found[key]["value"]) == value for key, value in truth.items()]
        shares.append(sum(right) / len(right))
    assert shares[0] > shares[1] + 0.1
    assert shares[0] > 0.8
