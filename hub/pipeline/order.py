"""What a run is asked to do, and what it tells afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from pydantic import Field

from core.errors import BadInput, HubError
from core.messages import absent, message
from core.types import Model
from hub.pipeline.extent import Extent
from hub.pipeline.states import DatasetState, SubjectState
from hub.workspace import Workspace


class NothingToRun(HubError):
    """No table of a subject was ever pulled, nor can be."""

    code = "nothing_to_run"
    exit_code = 2


class ContractChanged(HubError):
    """A table was last pulled under another contract than the registered one."""

    code = "contract_changed"


class Order(Model):
    """What a run shall do; kept with the workflow, so a resumed run does the same. ``whole``:
    every table is pulled and every subject made whole, as if nothing were known of before.
    """

    revision: int
    as_of: date
    subject: str | None = None
    dataset: str | None = None
    whole: bool = False

    def scope(self, workspace: Workspace) -> tuple[list[str], list[str]]:
        """The subjects to make and the datasets to pull.

        Raises:
            BadInput: there are none such.
        """
        subjects = workspace.making
        datasets = [d for d in workspace.contracts if d in workspace.sources]
        if self.subject is not None:
            if self.subject not in workspace.subjects:
                raise BadInput(field="--subject", rule=absent("subject", self.subject))
            subjects = [self.subject]
            feeds = workspace.subjects[self.subject].feeds
            datasets = [d for d in datasets if d in feeds]
        if self.dataset is not None:
            if self.dataset not in workspace.sources:
                raise BadInput(field="--dataset", rule=absent("dataset", self.dataset))
            datasets = [self.dataset]
            subjects = [s for s in subjects if self.dataset in workspace.subjects[s].feeds]
        if not subjects:
            raise self._nothing()
        return subjects, datasets

    def _nothing(self) -> BadInput:
        """Why there is no subject to make."""
        if self.dataset is None:
            return BadInput(field="subjects", rule=message("rule_no_subjects"))
        code = "rule_feeds_nothing" if self.subject is None else "rule_feeds_not"
        return BadInput(field="--dataset", rule=message(code, dataset=self.dataset))


class Report(Model):
    """What a run did. ``extents``: step → how much it had to do. ``failure`` is the error that
    ended it, if one did: code, words in each language, and exit code.
    """

    run: str
    order: Order
    release: int | None = None
    datasets: dict[str, DatasetState] = Field(default_factory=dict)
    subjects: dict[str, SubjectState] = Field(default_factory=dict)
    outcomes: dict[str, dict[str, int]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    extents: dict[str, Extent] = Field(default_factory=dict)
    failure: dict[str, Any] | None = None


class Progress(Protocol):
    """Is told what a run is doing."""

    def plan(self, steps: Sequence[str]) -> None:
        """The steps to come, in order."""

    def begin(self, step: str) -> None:
        """A step starts."""

    def end(self, step: str, seconds: float) -> None:
        """A step is done (now, or before the run was resumed)."""
