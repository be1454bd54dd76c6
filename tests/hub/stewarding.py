"""Stewards of the village at work: how tests rule, answer and look on."""

from __future__ import annotations

import json
from typing import Any

from core.lake import TableVersion
from hub.app import Hub, open_hub
from hub.identity import Caller
from hub.serving.notes import Call
from reconcile import releases
from tests.hub.conftest import Place
from tests.hub.village import PEOPLE

GIRL = PEOPLE[2]
"""The person on whose name the two departments differ."""


def call(client: str = "steward-1", person: str | None = "li") -> Call:
    """A steward's call."""
    return Call(Caller(client, person), "data_governance", "JH-1")


def options(client: str = "steward-1", person: str | None = "li") -> list[str]:
    """The same on the command line."""
    named = [] if person is None else ["--person", person]
    return ["--as", client, *named, "--purpose", "data_governance", "--case", "JH-1"]


def table(hub: Hub, kind: str, subject: str = "resident") -> list[dict[str, Any]]:
    """A table of the current release."""
    with hub.engine.connect() as connection:
        release = releases.current(connection)
    assert release is not None
    version = TableVersion.model_validate(release.manifest["subjects"][subject][kind])
    rows: list[dict[str, Any]] = hub.lake.read(version).to_pylist()
    return rows


def entity_of(hub: Hub, number: str) -> str:
    """The entity with this resident ID."""
    found: str = next(
        row["entity"]
        for row in table(hub, "golden")
        if row["attribute"] == "resident_id" and row["value"] == number
    )
    return found


def served(hub: Hub, entity: str, attribute: str) -> tuple[str, str]:
    """Value and status of a golden value."""
    return next(
        (row["value"], row["status"])
        for row in table(hub, "golden")
        if row["entity"] == entity and row["attribute"] == attribute
    )


def run(place: Place) -> None:
    """Another run."""
    place.succeed("run", "--as-of", "2026-06-30")


def published(place: Place) -> None:
    """The village, applied and run."""
    place.succeed("apply", str(place.workspace))
    run(place)


def say_phones(place: Place, names: dict[str, str]) -> None:
    """Rewrites what the phone company holds: resident ID → name."""
    rows = [
        {"id": number, "who": names.get(number, name), "mobile": mobile, "on": "2026-06-02"}
        for number, name, _, _, mobile, _, _ in PEOPLE
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (place.workspace / "data" / "phones.jsonl").write_text(text, "utf-8")


def hub_of(place: Place) -> Any:
    """The place's hub, to be opened."""
    return open_hub(place.settings)
