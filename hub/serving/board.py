"""What requests are answered by: the registered workspace and its policy, as of one revision."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from catalog import registration
from catalog.models import WorkspaceRevision
from hub.workspace import Workspace, WorkspaceMissing
from policies.agreements import assemble
from policies.decide import Policy


@dataclass(frozen=True)
class Rules:
    """One registered revision, ready to decide by."""

    revision: int
    workspace: Workspace
    policy: Policy


class Board:
    """Holds the newest rules. A new revision replaces them as a whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules: Rules | None = None
        self.refresh()

    @property
    def rules(self) -> Rules:
        """The newest rules.

        Raises:
            WorkspaceMissing: nothing is registered.
        """
        if self._rules is None:
            raise WorkspaceMissing
        return self._rules

    def refresh(self) -> None:
        """Takes up a new revision, if there is one."""
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(WorkspaceRevision.revision))).scalar()
            held = None if self._rules is None else self._rules.revision
            if newest is None or newest == held:
                return
            documents = registration.at(connection, newest).documents
        workspace = Workspace.from_documents(documents)
        policy = Policy(assemble(workspace.policies, workspace.known))
        self._rules = Rules(newest, workspace, policy)
