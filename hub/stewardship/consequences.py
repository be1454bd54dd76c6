"""What follows from a ruling: departments whose tables say otherwise are asked to put it right."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from hub.app import Hub
from hub.stewardship.drafting import Draughtsman
from hub.workspace import Workspace
from reconcile import rulings
from reconcile.corrections import Book
from reconcile.models import Ruling
from reconcile.rulings import Actor, Kind, State
from reconcile.stances import Stance, stances


def opposed(workspace: Workspace, subject: str, ruled: pa.Table, pen: Draughtsman) -> list[Stance]:
    """What the sources say now where a value is ruled: to be read before anything is locked."""
    values = ruled.filter(pc.field("kind") == "value")
    if not len(values):
        return []
    return list(stances(workspace.subjects[subject], values, pen.claims())[1])


def follow(
    hub: Hub, connection: Connection, workspace: Workspace, number: int, stance: Sequence[Stance]
) -> None:
    """Asks those who are wrong to put it right, if the ruling is in force."""
    (found,) = rulings.standing(connection, None, Ruling.number == number)
    if found.state != State.IN_FORCE:
        return
    departments = {name: c.department for name, c in workspace.contracts.items()}
    book = Book(connection, hub.keys, hub.clock.now())
    numbered = [one._replace(ruling=number) for one in stance]
    book.confront(workspace.subjects[found.subject], numbered, departments)
    if found.kind == Kind.REPAIR:
        repair = rulings.open_body(hub.keys, found)["repair"]
        book.ask_repair(found, repair, departments.get(found.dataset, "-"))


def withdraw(hub: Hub, connection: Connection, number: int, actor: Actor) -> None:
    """Takes back what was asked because of a ruling."""
    Book(connection, hub.keys, hub.clock.now()).withdraw(number, actor)
