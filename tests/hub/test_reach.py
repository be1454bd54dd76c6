"""What a grant reaches is the same in the statements of the serving path as in Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from sqlalchemy import Connection, create_engine, insert

from hub.serving.reading import _inside
from policies.scope import ALL, Scope, cases
from tests.policies.test_scope import ROWS, TABLE, in_python, some_scopes


@pytest.fixture(scope="module")
def golden(server_url: str) -> Iterator[Connection]:
    engine = create_engine(server_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE golden (region text, entity text)")
        connection.execute(insert(TABLE), [{"region": r, "entity": e} for r, e in ROWS])
        yield connection
    engine.dispose()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(scopes=some_scopes())
def test_statements_reach_what_scopes_contain(golden: Connection, scopes: list[Scope]) -> None:
    condition, parameters = _inside(scopes)
    statement = f"SELECT region, entity FROM golden g WHERE true{condition}"
    found = golden.exec_driver_sql(statement, tuple(parameters))
    assert sorted(((region, entity) for region, entity in found), key=str) == in_python(*scopes)


def test_nothing_is_reached_without_a_scope_and_all_with_all() -> None:
    assert _inside(()) == (" AND (false)", [])
    assert _inside((cases(frozenset({"e1"})), ALL)) == ("", [])
