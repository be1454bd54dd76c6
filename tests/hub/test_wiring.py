"""From a conflict to its end: ruled, published, sent back to the department, fixed, retired."""

from __future__ import annotations

import json

from hub.serving.office import Office
from hub.stewardship.rulings import Rulings
from hub.stewardship.wishes import Choose
from reconcile import releases, rulings
from tests.hub.conftest import Place
from tests.hub.stewarding import (
    GIRL,
    call,
    entity_of,
    hub_of,
    options,
    published,
    run,
    served,
    table,
)

OLD, NEW = "张小明", "张晓明"


def test_a_ruling_is_published_sent_back_and_retired_by_the_source_itself(place: Place) -> None:
    published(place)
    with hub_of(place) as hub:
        girl = entity_of(hub, GIRL[0])
        assert served(hub, girl, "name") == (OLD, "designated")
        wish = Choose(entity=girl, attribute="name", dataset="phones.users", reason="seen the card")
        Rulings(Office(hub)).make(call(), "resident", wish)
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == (NEW, "ruled")
        (row,) = [
            r for r in table(hub, "golden") if (r["entity"], r["attribute"]) == (girl, "name")
        ]
        assert json.loads(row["reason"])["code"] == "fusion_ruled"
        with hub.engine.connect() as connection:
            manifest = releases.at(connection, 2).manifest
        # Of three people one is much: all are decided again. The table it was read from stands.
        state = manifest["subjects"]["resident"]
        assert state["rulings"]["table"] == "rulings/resident"
        assert manifest["outcomes"]["resident"] == {"opened": 0, "changed": 1, "closed": 0}
    listed = place.succeed("corrections", "list", *options("police-1", "wang"))
    assert "police.people" in listed
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == (NEW, "ruled")
    people = place.workspace / "data/people.csv"
    people.write_text(people.read_text("utf-8").replace(OLD, NEW), "utf-8")
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name")[0] == NEW
        with hub.engine.connect() as connection:
            assert rulings.in_force(connection, hub.keys, "resident").num_rows == 0
    run(place)
    with hub_of(place) as hub:
        assert served(hub, girl, "name") == (NEW, "agreed")
        assert hub.audit.verify().ok
