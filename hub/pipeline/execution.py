"""The body of a run: which stages it takes, in which order, and what it reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dbos import DBOS

from catalog import registration
from catalog.subjects import Subject
from core.errors import HubError
from core.lake import TableVersion
from core.messages import LANGUAGES
from core.types import Model
from hub.app import Hub
from hub.pipeline.extent import Extent
from hub.pipeline.landing import Landed
from hub.pipeline.order import ContractChanged, NothingToRun, Order, Progress, Report
from hub.pipeline.publishing import publish
from hub.pipeline.stages import Stages
from hub.pipeline.states import Before, DatasetState, LinkState, SubjectState
from hub.pipeline.tasks import Task, rules_of
from hub.workspace import Workspace
from reconcile import releases
from reconcile.rules import depends, reading_order
from reconcile.rulings import in_force


class Failed(Exception):
    """A step failed in a way that is reported in words."""

    def __init__(self, failure: dict[str, Any]) -> None:
        self.failure = failure


class Execution:
    """One execution of the workflow's body; every effect is inside a step."""

    def __init__(self, hub_: Hub, order: Order, run: str, progress: Progress) -> None:
        self._hub = hub_
        self._order = order
        self._progress = progress
        with hub_.engine.connect() as connection:
            revision = registration.at(connection, order.revision)
        self._workspace = Workspace.from_documents(revision.documents)
        secret = hub_.keys.derive("entity").hex()
        self._stages = Stages(
            self._workspace, revision.data_folder, hub_.lake, hub_.settings.limits, run, secret
        )
        self._report = Report(run=run, order=order)

    def execute(self) -> Report:
        """Does what was ordered, or says why it ended early."""
        try:
            self._body()
        except Failed as failed:
            self._report = self._report.model_copy(update={"failure": failed.failure})
        return self._report

    def _body(self) -> None:
        before = Before.model_validate(self._step("prepare", self._prepare))
        try:
            subjects, datasets = self._order.scope(self._workspace)
        except HubError as error:
            raise Failed(_describe(error)) from error
        names = [f"{stage} {d}" for d in datasets for stage in ("pull", "gate")]
        names += [f"{stage} {s}" for s in subjects for stage in ("link", "fuse")]
        self._progress.plan([*names, "publish"])
        for dataset in reading_order(self._workspace.contracts, datasets):
            self._take_in(dataset, before.datasets)
        inputs = {**before.datasets, **self._report.datasets}
        for name in subjects:
            self._reconcile(self._task(name, inputs, before))
        done = self._step("publish", lambda: publish(self._hub, self._workspace, self._report))
        self._report = self._report.model_copy(update=done)

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        """Does ``work`` once, ever: a resumed run gets the outcome that was kept."""
        self._progress.begin(name)
        kept = DBOS.run_step({"name": name}, lambda: _outcome(work))
        self._progress.end(name, kept["seconds"])
        self._report.seconds[name] = kept["seconds"]
        if "failure" in kept:
            raise Failed(kept["failure"])
        return kept["value"]

    def _prepare(self) -> Before:
        with self._hub.engine.connect() as connection:
            release = releases.current(connection)
            if release is not None:
                # With another key than the one it was sealed by, half of the data could not be
                # read.
                releases.check_signature(release, self._hub.keys)
            before = Before.of({} if release is None else release.manifest)
            rulings = {
                name: in_force(connection, self._hub.keys, name)
                for name in self._workspace.subjects
            }
        return before.model_copy(
            update={"rulings": self._stages.keep_rulings(rulings, before.subjects)}
        )

    def _take_in(self, dataset: str, served: Mapping[str, DatasetState]) -> None:
        """Pulls a dataset and gates it, unless nothing about it changed."""
        pull, gate = f"pull {dataset}", f"gate {dataset}"
        held = None if self._order.whole else served.get(dataset)
        landed = Landed.model_validate(self._step(pull, partial(self._stages.pull, dataset, held)))
        same = landed.extent is Extent.UNCHANGED and held is not None
        # Some rules depend on the day, or on what another dataset has by now.
        same = same and not depends(self._workspace.contracts[dataset])
        known = {**served, **self._report.datasets}
        work: Callable[[], Any] = partial(self._stages.gate, landed, self._order.as_of, known)
        if same and held is not None:
            told = {"mark": landed.mark or held.mark, "stamp": landed.stamp}
            work = partial(held.model_copy, update=told)
        state = DatasetState.model_validate(self._step(gate, work))
        self._report.datasets[dataset] = state
        self._report.extents[pull] = landed.extent
        done = Extent.WHOLE if state.judged is None else Extent.CHANGES
        self._report.extents[gate] = Extent.UNCHANGED if same else done

    def _task(self, name: str, inputs: Mapping[str, DatasetState], before: Before) -> Task:
        subject = self._workspace.subjects[name]
        states = {dataset: inputs[dataset] for dataset in subject.feeds if dataset in inputs}
        for dataset, state in states.items():
            if state.contract != self._workspace.contracts[dataset].digest:
                raise Failed(_describe(ContractChanged(dataset=dataset)))
        if not states:
            raise Failed(_describe(NothingToRun(what=name)))
        return Task(
            subject=subject,
            fit={dataset: state.fit for dataset, state in states.items()},
            rulings=before.rulings.get(name),
            rules=rules_of(subject, self._workspace.contracts, states),
            as_of=self._order.as_of,
            before=before.subjects.get(name),
            changes={
                dataset: (state.base, state.changes)
                for dataset, state in states.items()
                if state.base is not None and state.changes is not None
            },
            others=self._others(name, before.subjects),
            whole=self._order.whole,
        )

    def _others(
        self, name: str, served: Mapping[str, SubjectState]
    ) -> list[tuple[Subject, TableVersion]]:
        """The subjects that are made before one, with what was learned of their sources."""
        known = {**served, **self._report.subjects}
        order = self._workspace.making
        earlier = [other for other in order[: order.index(name)] if other in known]
        return [(self._workspace.subjects[other], known[other].sources) for other in earlier]

    def _reconcile(self, task: Task) -> None:
        link, fuse = f"link {task.name}", f"fuse {task.name}"
        held = task.before
        if task.extent is Extent.UNCHANGED and held is not None:
            same = {step: self._step(step, lambda: held) for step in (link, fuse)}
            made = SubjectState.model_validate(same[fuse])
            extents = (Extent.UNCHANGED, Extent.UNCHANGED)
        else:
            linked = LinkState.model_validate(self._step(link, partial(self._stages.link, task)))
            work = partial(self._stages.fuse, task, linked)
            made = SubjectState.model_validate(self._step(fuse, work))
            partly = (linked.touched is not None, made.base is not None)
            one, other = (Extent.CHANGES if part else Extent.WHOLE for part in partly)
            same_values = held is not None and held.golden == made.golden
            extents = (one, Extent.UNCHANGED if same_values else other)
        self._report.subjects[task.name] = made
        self._report.extents.update(zip((link, fuse), extents, strict=True))


def _outcome(work: Callable[[], Any]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        value = work()
    except HubError as error:
        return {"failure": _describe(error), "seconds": time.perf_counter() - started}
    if isinstance(value, Model):
        value = value.model_dump(mode="json")
    return {"value": value, "seconds": time.perf_counter() - started}


def _describe(error: HubError) -> dict[str, Any]:
    words = {language: error.words(language) for language in LANGUAGES}
    return {"code": error.code, "words": words, "exit_code": error.exit_code}
