from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, insert, select

from catalog.directory import Region, Regions
from policies.scope import ALL, Scope, cases, condition_of, subtree, widest
from tests.policies import town

CODES = [f"R{number}" for number in range(12)]
ENTITIES = ["e0", "e1", "e2"]
REGIONS: list[str | None] = [*CODES, None, "", "R1 ", "UNKNOWN"]
ROWS = [(region, ENTITIES[n % 3]) for n, region in enumerate(REGIONS)]
TABLE = Table("golden", MetaData(), Column("region", String), Column("entity", String))
Row = tuple[str | None, str]


@pytest.fixture(scope="module")
def golden(server_url: str) -> Iterator[Connection]:
    """A table with one row per region, and rows of no region known."""
    engine = create_engine(server_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE golden (region text, entity text)")
        connection.execute(insert(TABLE), [{"region": r, "entity": e} for r, e in ROWS])
        yield connection
    engine.dispose()


@st.composite
def trees(draw: st.DrawFn) -> Regions:
    """Any tree over the codes: a region's parent comes before it, or it has none."""
    parents = [draw(st.none() | st.sampled_from(CODES[:n])) if n else None for n in range(12)]
    return Regions(
        Region(code=code, title=town.title(code), parent=parent, kind="grid")
        for code, parent in zip(CODES, parents, strict=True)
    )


def in_sql(golden: Connection, *scopes: Scope) -> list[Row]:
    inside = condition_of(scopes, TABLE.c.region, TABLE.c.entity)
    found = golden.execute(select(TABLE.c.region, TABLE.c.entity).where(inside))
    return sorted(((region, entity) for region, entity in found), key=str)


def in_python(*scopes: Scope) -> list[Row]:
    return sorted((r for r in ROWS if any(scope.contains(*r) for scope in scopes)), key=str)


def some_scope(draw: st.DrawFn, tree: Regions) -> Scope:
    """All, a region's, some entities', or both."""
    code = draw(st.none() | st.sampled_from([*CODES, "ABSENT"]))
    entities = draw(st.none() | st.frozensets(st.sampled_from([*ENTITIES, "absent"])))
    scope = ALL if code is None else subtree(code, tree)
    return scope if entities is None else scope.within(cases(entities))


@st.composite
def some_scopes(draw: st.DrawFn) -> list[Scope]:
    tree = draw(trees())
    return [some_scope(draw, tree) for _ in range(draw(st.integers(0, 3)))]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(scopes=some_scopes())
def test_sql_and_python_agree(golden: Connection, scopes: list[Scope]) -> None:
    assert in_sql(golden, *scopes) == in_python(*scopes)
    assert in_python(*widest(scopes)) == in_python(*scopes)
    for scope in scopes:
        assert in_sql(golden, scope) == in_python(scope)


def test_all_means_all_even_without_a_region(golden: Connection) -> None:
    assert in_sql(golden, ALL) == sorted(ROWS, key=str)
    assert all(ALL.contains(*row) for row in ROWS)
    assert in_sql(golden, subtree("ABSENT", town.regions()), ALL) == sorted(ROWS, key=str)


def test_no_scope_means_nothing(golden: Connection) -> None:
    assert in_sql(golden) == []


def test_a_subtree_holds_what_lies_below_and_nothing_beside() -> None:
    scope = subtree(town.TOWN, town.regions())
    assert scope.contains(town.TOWN)
    assert scope.contains(town.COMMUNITY)
    assert not scope.contains(town.DISTRICT)
    assert not scope.contains(town.OTHER_TOWN)
    assert not scope.contains(None)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tree=trees(), one=st.sampled_from(CODES), other=st.sampled_from(CODES))
def test_covering_is_containing_all_of_it(tree: Regions, one: str, other: str) -> None:
    wide, narrow = subtree(one, tree), subtree(other, tree)
    assert wide.covers(narrow) is (set(in_python(narrow)) <= set(in_python(wide)))
    assert ALL.covers(wide)
    assert not wide.covers(ALL)
    mine = wide.within(cases(frozenset({"e0"})))
    assert wide.covers(mine)
    assert not mine.covers(wide)
    assert not wide.covers(cases(frozenset({"e0"})))
    assert mine.covers(cases(frozenset()))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(scopes=some_scopes())
def test_within_is_containing_in_both(scopes: list[Scope]) -> None:
    for first in scopes:
        for second in scopes:
            inside = set(in_python(first)) & set(in_python(second))
            assert set(in_python(first.within(second))) == inside


def test_an_entity_stays_out_of_the_log() -> None:
    mine = cases(frozenset({"e0"}))
    assert mine.name == "own_cases"
    assert ALL.name == "all"
    assert subtree(town.TOWN, town.regions()).within(mine).name == f"{town.TOWN}&own_cases"
    assert not mine.contains("R1")
