"""Every route of the application × every kind of caller: open only where it is said to be."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from hub.api.application import create
from hub.app import Hub
from tests.hub.conftest import Api
from tests.hub.matrix import MATRIX

OPEN = {
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
    # Signatures, sizes and salted hashes: they tell of nobody, and whoever must say who he is to
    # see them could be shown a history of his own. A cosignature says itself who made it.
    ("GET", "/v1/audit/key"),
    ("GET", "/v1/audit/checkpoint"),
    ("POST", "/v1/audit/proofs/inclusion"),
    ("POST", "/v1/audit/proofs/consistency"),
    ("POST", "/v1/audit/cosignatures"),
    ("GET", "/.well-known/authzen-configuration"),
}
CALLERS = (
    "worker-1",
    "worker-2",
    "auditor-1",
    "nobody-1",
    "steward-1",
    "phones-1",
    "admin-1",
    "citizen-1",
    "stranger",
)
# A client that is not registered (any more) gets nothing, whatever its token says; one that has
# no line about a thing hears that there is none.
USUAL = {"stranger": 403, "phones-1": 404, "admin-1": 404, "citizen-1": 404}


def routes(hub: Hub) -> set[tuple[str, str]]:
    """Method and path of every route of the application."""
    found = set()
    for path, operations in create(hub).openapi()["paths"].items():
        found |= {(method.upper(), path) for method in operations}
    return found


def test_every_route_is_in_the_matrix(hub: Hub) -> None:
    assert routes(hub) - OPEN == MATRIX.keys()


def test_routes_outside_the_schema_do_not_exist(hub: Hub) -> None:
    hidden = [r for r in create(hub).routes if isinstance(r, APIRoute) and not r.include_in_schema]
    assert hidden == []


def test_no_route_answers_without_a_token(hub: Hub, api: Api) -> None:
    for method, path in routes(hub) - OPEN:
        url, more, _ = MATRIX[method, path]
        assert api(method, url, **more).status_code == 401, path


@pytest.mark.parametrize("route", MATRIX)
@pytest.mark.parametrize("caller", CALLERS)
def test_matrix(api: Api, route: tuple[str, str], caller: str) -> None:
    url, more, answers = MATRIX[route]
    answer = api(route[0], url, caller, **more)
    # Where nothing is said of the citizen service, it is like a client without any line.
    nobody = {"citizen-1": answers.get("nobody-1")}
    assert answer.status_code == {**USUAL, **nobody, **answers}[caller]
