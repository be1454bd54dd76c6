"""Rulings that wait for something to come back."""

from __future__ import annotations

from hub.app import Hub
from hub.pipeline.states import SubjectState
from reconcile import releases, rulings


def idle(hub: Hub, subject: str) -> frozenset[int]:
    """The numbers of the rulings in force about a subject that do nothing in the current release,
    as nothing is left of what they are about. They stay in force: what is gone may come back.
    """
    with hub.engine.connect() as connection:
        release = releases.current(connection)
        decided = rulings.in_force(connection, hub.keys, subject)
    state = None if release is None else release.manifest["subjects"].get(subject)
    if state is None or not decided.num_rows:
        return frozenset()
    links = SubjectState.model_validate(state).links
    return rulings.idle(decided, hub.lake.dataset(links))
