"""The datasets of a release, as its signed manifest has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from catalog import registration
from catalog.contracts import Contract
from catalog.models import Registered
from core.errors import NotFound
from hub.app import Hub
from hub.pipeline.states import Before, DatasetState
from hub.workspace import Workspace
from reconcile import releases


@dataclass(frozen=True)
class Held:
    """A release: its number, the day it was made for, the workspace it was made under, and the
    state of each dataset.
    """

    hub: Hub
    number: int
    as_of: str
    workspace: Workspace
    datasets: Mapping[str, DatasetState]

    def of(self, dataset: str) -> tuple[Contract, DatasetState]:
        """The state of a dataset, and the contract it was gated under, which may be older than
        the release's workspace.

        Raises:
            NotFound: the release has no such dataset.
        """
        state = self.datasets.get(dataset)
        if state is None:
            raise NotFound(kind="dataset", name=dataset)
        registered = select(Registered.document).where(
            Registered.kind == "contract", Registered.key == dataset
        )
        with self.hub.engine.connect() as connection:
            for document in connection.execute(registered).scalars():
                if document["digest"] == state.contract:
                    return Contract.model_validate(document), state
        raise NotFound(kind="dataset", name=dataset)


def held(hub: Hub, number: int | None = None) -> Held:
    """A release; the one being served, unless a number is given.

    Raises:
        ReleaseMissing, ReleaseUnknown: there is none.
        ReleaseForged: its manifest is not the one this hub signed.
    """
    with hub.engine.connect() as connection:
        release = releases.current(connection) if number is None else None
        if number is not None:
            release = releases.at(connection, number)
        if release is None:
            raise releases.ReleaseMissing
        releases.check_signature(release, hub.keys)
        revision = registration.at(connection, release.manifest["workspace_revision"])
    workspace = Workspace.from_documents(revision.documents)
    manifest = release.manifest
    datasets = Before.of(manifest).datasets
    return Held(hub, release.number, manifest["as_of"], workspace, datasets)
