"""People with canary values, asked for through every way out as every kind of caller: no canary
leaves but to those who were granted it.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pyarrow.parquet as pq
import pytest
import typer

from hub.app import Hub
from hub.cli.main import application
from tests.hub.conftest import Api, Place
from tests.hub.matrix import MATRIX
from tests.hub.village import PEOPLE

# Stewards are granted every value, and the police see the rows they sent: no canary is hidden from
# them. All other callers of the matrix are asked for.
CALLERS = (
    "worker-1", "worker-2", "auditor-1", "nobody-1", "phones-1", "admin-1", "citizen-1", "stranger",
)  # fmt: skip
FORMS = ("csv", "xlsx", "parquet", "jsonl")
# caller → positions in PEOPLE's rows whose values it was granted unmasked, by grid.
GRANTED = {"worker-1": {1}, "worker-2": {1}}
REGION = {"worker-1": "440605001001001", "worker-2": "440605001001002"}


def allowed(caller: str) -> set[str]:
    """The canaries that may reach a caller."""
    return {
        person[place]
        for person in PEOPLE
        for place in GRANTED.get(caller, set())
        if person[5] == REGION.get(caller)
    }


def canaries() -> set[str]:
    """Every value of every person that must not leave by itself."""
    return {person[place] for person in PEOPLE for place in (0, 1, 3, 4)}


def spread(content: bytes) -> str:
    """All that a file says, whatever its form: compressed bytes would hide anything."""
    if content.startswith(b"PK"):
        book = openpyxl.load_workbook(io.BytesIO(content))
        return repr([row for page in book for row in page.iter_rows(values_only=True)])
    if content.startswith(b"PAR1"):
        return repr(pq.read_table(io.BytesIO(content)).to_pylist())
    return content.decode("utf-8", "replace")


def shown(response: httpx.Response) -> str:
    """All that an answer says, in its headers too."""
    told = base64.b64decode(response.headers.get("Hub-Answer", "")).decode()
    return spread(response.content) + told + repr(response.headers)


def asked_for(more: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A route's request about every person, by every way of finding one, in every form."""
    body = more.get("json", {})
    if "where" in body:
        for person in PEOPLE:
            for where in ({"resident_id": person[0]}, {"household_id": person[6]}):
                yield {**more, "json": {**body, "where": where}}
    elif "format" in body:
        for form in FORMS:
            yield {**more, "json": {**body, "format": form}}
    else:
        yield more


@pytest.mark.parametrize("caller", CALLERS)
def test_no_canary_leaves_by_the_api(api: Api, caller: str) -> None:
    for route, (url, more, _) in MATRIX.items():
        for asked in asked_for(more):
            text = shown(api(route[0], url, caller, **asked))
            leaked = {canary for canary in canaries() - allowed(caller) if canary in text}
            assert leaked == set(), route


def test_what_is_granted_leaves_by_every_form_of_file(api: Api) -> None:
    """Else the test above would find nothing, whatever there was."""
    url, more, _ = MATRIX["POST", "/v1/subjects/{name}/exchange"]
    for asked in asked_for(more):
        text = shown(api("POST", url, "worker-1", **asked))
        assert {canary for canary in allowed("worker-1") if canary in text} == allowed("worker-1")


VISIT = ["--purpose", "visit", "--case", "GD-1"]
PAST = ["--purpose", "data_governance", "--case", "S-1"]
ONE = ["--where", "resident_id=-"]
DECIDED: dict[str, list[list[str]]] = {
    "query": [["resident", *VISIT, *ONE]],
    "check": [["grown_up", *VISIT, *ONE]],
    "verify": [["resident", *VISIT, *ONE, "--claim", "name=-"]],
    "exchange": [["resident", *VISIT, "--to", f"FOLDER/rows.{form}"] for form in FORMS],
    "statistics": [["resident", *VISIT, "--by", item] for item in ("birth_date", "name")],
    "releases diff": [["1", "1", "--subject", "resident", *PAST]],
    "releases explain": [["resident", "nobody", *PAST]],
    "conflicts list": [["resident", *PAST]],
    "conflicts matches": [["resident", *PAST]],
    "conflicts groups": [["resident", *PAST]],
    "conflicts show": [["resident", "nobody", *PAST]],
    "conflicts preview": [["resident", "--group", "1", *PAST]],
    "rulings list": [["resident", *PAST]],
    "rulings show": [["1", *PAST]],
    "corrections list": [PAST],
    "corrections show": [["1", *PAST]],
    "corrections report": [PAST],
    "open check": [["resident", *PAST]],
    "open list": [PAST],
    "open get": [["resident", "1", *PAST, "--to", "FOLDER/open.csv"]],
}
"""Commands that show values as the policy lets a client see them, and how to ask."""

OPERATORS = {"export", "quality rows", "demo"}
"""Commands that show values as they are, to whoever has a shell on the hub's machine: logged."""

SILENT = {
    "apply", "run", "serve", "doctor", "token", "version",
    "approvals approve", "approvals list", "approvals refuse",
    "cases close", "cases list", "cases open",
    "audit checkpoint", "audit digest", "audit export", "audit key", "audit proof consistency",
    "audit proof inclusion", "audit receipt check", "audit retire", "audit search",
    "audit subject", "audit verify", "audit watch", "audit witness cosign", "audit witness list",
    "audit witness new-key", "audit witness submit",
    "corrections answer",
    "findings close", "findings list", "findings note", "findings show",
    "keys create", "keys destroy", "keys rewrap", "keys rotate", "keys status",
    "open approve", "open release",
    "policy explain", "policy matrix", "policy test", "policy what-if",
    "quality docs", "quality reproduce", "quality scores",
    "releases list", "releases restore", "releases show",
    *(f"rulings {deed}" for deed in (
        "approve", "choose", "defer", "enter", "merge", "never", "refuse", "repair", "revoke",
        "split",
    )),
}  # fmt: skip
"""Commands that show no values of any record."""


def commands(group: Any, path: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def test_every_command_is_known_to_show_values_or_not() -> None:
    """A new command joins by saying which; one that shows values, how to ask it."""
    listed = [*DECIDED, *OPERATORS, *SILENT]
    assert sorted(commands(typer.main.get_command(application()))) == sorted(listed)


@pytest.mark.parametrize("caller", ["worker-2", "auditor-1"])
def test_no_canary_leaves_by_the_command_line(
    published: Place, tmp_path: Path, caller: str
) -> None:
    """Commands ask what the API asks: two callers that see something, but not this, are enough."""
    typed = f"{PEOPLE[0][0]}\n{PEOPLE[0][1]}\n"
    asked = list(DECIDED) if caller == "auditor-1" else ["query", "verify", "exchange"]
    for command, calls in ((name, DECIDED[name]) for name in asked):
        for call in calls:
            arguments = [word.replace("FOLDER", str(tmp_path)) for word in call]
            done = published.command(*command.split(), *arguments, "--as", caller, typed=typed)
            text = done.stdout + done.stderr
            text += "".join(spread(file.read_bytes()) for file in tmp_path.iterdir())
            leaked = {canary for canary in canaries() - allowed(caller) if canary in text}
            assert leaked == set(), command
            assert done.returncode in {0, 1, 2}
            assert "internal" not in done.stderr, command


def test_no_canary_stands_in_the_log(hub: Hub, api: Api) -> None:
    for caller in ("worker-1", "auditor-1"):
        for (method, _), (url, more, _) in MATRIX.items():
            api(method, url, caller, **more)
    with hub.engine.connect() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM audit_entry").scalars()
        text = "\n".join(bytes(body).decode() for body in bodies)
    assert {canary for canary in canaries() if canary in text} == set()


def test_the_database_shows_no_canary(hub: Hub) -> None:
    with hub.engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).all()
        for schema, table in tables:
            rows = connection.exec_driver_sql(f'SELECT t::text FROM "{schema}"."{table}" t')
            text = "\n".join(rows.scalars())
            assert {canary for canary in canaries() if canary in text} == set(), table


def test_what_the_hub_writes_beside_lake_and_database_shows_no_canary(published: Place) -> None:
    done = published.command("query", "resident", "--as", "worker-1", "--purpose", "visit",
                             "--case", "GD-1", "--where", f"mobile={PEOPLE[0][4]}")  # fmt: skip
    assert done.returncode == 2
    kept = [
        file
        for file in Path(published.home).rglob("*")
        if file.is_file() and not {"lake", "postgres"} & set(file.relative_to(published.home).parts)
    ]
    for file in kept:
        text = file.read_bytes().decode("utf-8", "replace")
        assert {canary for canary in canaries() if canary in text} == set(), file
    assert json.dumps(done.stderr).find(PEOPLE[0][4]) == -1
