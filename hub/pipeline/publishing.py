"""The last step of a run, and the way back to an earlier release: one transaction each."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc
from sqlalchemy import Connection

from core.canonical import digest
from hub.app import Hub
from hub.audit.entries import Who
from hub.operator import operator_entry
from hub.pipeline.order import Report
from hub.pipeline.states import Before, SubjectState
from hub.quality.scoring import scored
from hub.workspace import Workspace
from reconcile import releases
from reconcile.corrections import Book, Heard
from reconcile.models import Release
from reconcile.publisher import Candidate, Outcome, Publisher
from reconcile.rulings import RULINGS
from reconcile.scores import record_scores


def publish(hub: Hub, workspace: Workspace, report: Report) -> dict[str, Any]:
    """Publishes what a run made, once: the number of the release and what it opened, changed and
    closed of each subject.
    """
    with hub.engine.begin() as connection:
        done = releases.of_run(connection, report.run)
        if done is not None:
            return _told(done)
        printing = _Printing(hub, connection, workspace)
        served = printing.served
        outcomes = printing.apply(report.subjects)
        manifest = {
            "workspace_revision": report.order.revision,
            "as_of": report.order.as_of.isoformat(),
            "datasets": _dumped({**served.datasets, **report.datasets}),
            "subjects": _dumped({**served.subjects, **report.subjects}),
            "extents": {step: extent.value for step, extent in report.extents.items()},
            "outcomes": outcomes,
        }
        printing.score(report)
        settled = printing.settle(report)
        return printing.conclude("publish", report.run, manifest, settled)


def restore(hub: Hub, number: int, by: Who | None = None) -> dict[str, Any]:
    """Publishes a release that says what release ``number`` said. What it was made of then is
    what the next run goes on from. ``by``: who asked for it, as the log names them; None: the
    operator.

    Raises:
        ReleaseUnknown: there is no such release.
        ReleaseForged: its manifest is not what this hub signed.
        LakeVersionMissing: the lake no longer holds its values.
    """
    workspace = hub.workspace()
    with hub.engine.begin() as connection:
        printing = _Printing(hub, connection, workspace, by)
        then = releases.at(connection, number)
        releases.check_signature(then, hub.keys)
        wanted = {
            name: printing.revived(name, state)
            for name, state in Before.of(then.manifest).subjects.items()
            if name in workspace.subjects
        }
        outcomes = printing.apply(wanted)
        outcomes |= printing.withdraw(workspace.subjects.keys() - wanted.keys())
        manifest = {
            **then.manifest,
            "subjects": _dumped(wanted),
            "extents": {},
            "outcomes": outcomes,
            "restored_from": number,
        }
        return printing.conclude("restore", f"restore-{uuid.uuid4().hex[:12]}", manifest)


class _Printing:
    """The making of one release inside a transaction."""

    def __init__(
        self, hub: Hub, connection: Connection, workspace: Workspace, by: Who | None = None
    ) -> None:
        self._hub = hub
        self._by = by
        self._connection = connection
        self._workspace = workspace
        self._publisher = Publisher(hub.lake, hub.keys, hub.settings.limits)
        self._number = self._publisher.begin(connection)
        # Asked for only now, when nobody else can publish: since a run began, an operator may
        # have gone back to an earlier release.
        current = releases.current(connection)
        self.served = Before.of({} if current is None else current.manifest)

    def apply(self, wanted: Mapping[str, SubjectState]) -> dict[str, dict[str, int]]:
        """Makes the golden tables say what the states of some subjects do."""
        return {name: vars(self._apply(name, state)) for name, state in wanted.items()}

    def _apply(self, name: str, state: SubjectState) -> Outcome:
        held = self.served.subjects.get(name)
        anew = held is not None and held.definition != state.definition
        if held is not None and held.golden == state.golden and not anew:
            return Outcome(0, 0, 0)
        candidate = Candidate(
            subject=self._workspace.subjects[name],
            golden=state.golden,
            published=None if held is None else held.golden,
            anew=anew,
            changes=state.changes if held is not None and held.golden == state.base else None,
        )
        return self._publisher.publish(self._connection, self._number, candidate)

    def revived(self, name: str, state: SubjectState) -> SubjectState:
        """A state of then as one of today: sealed and found as the subject is described now, and
        followed by a whole run. What was judged about who is who stays judged: that ledger is
        only ever added to.
        """
        held = self.served.subjects.get(name, state)
        return state.model_copy(
            update={
                "definition": digest(self._workspace.subjects[name].model_dump(mode="json")),
                "judgements": held.judgements,
                "kept": held.kept,
                "learned": None,
                "base": None,
                "changes": None,
            }
        )

    def settle(self, report: Report) -> dict[str, int]:
        """Tells rulings and corrections what the sources say now: how many tickets it opened and
        closed, and how many rulings have served their time.
        """
        book = Book(self._connection, self._hub.keys, self._hub.clock.now())
        contracts = self._workspace.contracts
        departments = {name: contract.department for name, contract in contracts.items()}
        counts: Counter[str] = Counter()
        for name, state in report.subjects.items():
            heard = self._heard(state, report.datasets.keys())
            subject = self._workspace.subjects[name]
            settled = book.settle(subject, heard, departments, self._number)
            counts.update(settled.counts())
        return dict(counts)

    def _heard(self, state: SubjectState, pulled: Collection[str]) -> Heard:
        lake = self._hub.lake
        ruled = RULINGS.empty_table() if state.rulings is None else lake.read(state.rulings)
        repairs = ruled.filter(pc.field("kind") == "repair").to_pylist()
        return Heard(
            claims=lake.open(state.claims),
            pulled=pulled,
            repaired={(row["dataset"], row["attribute"]) for row in repairs},
            links=lake.dataset(state.links),
        )

    def withdraw(self, names: Iterable[str]) -> dict[str, dict[str, int]]:
        """Closes the records of subjects that a release is to have nothing of."""
        held = {n: s for n in sorted(names) if (s := self.served.subjects.get(n)) is not None}
        return {
            name: vars(
                self._publisher.publish(
                    self._connection,
                    self._number,
                    Candidate(self._workspace.subjects[name], None, state.golden),
                )
            )
            for name, state in held.items()
        }

    def score(self, report: Report) -> None:
        """Keeps the scores of the datasets that a run took in."""
        agreed = {
            name: state.agreed
            for name, state in {**self.served.subjects, **report.subjects}.items()
            if name in self._workspace.subjects
        }
        counted = scored(self._workspace, report.datasets, agreed, report.order.as_of)
        record_scores(self._connection, self._number, self._hub.clock.now(), counted)

    def conclude(
        self,
        action: str,
        run: str,
        manifest: dict[str, Any],
        settled: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Signs the manifest and logs that it was published, and what it ``settled``."""
        now = self._hub.clock.now()
        self._publisher.conclude(self._connection, self._number, run, now, manifest)
        outcomes = manifest["outcomes"]
        counts = {f"{n} {k}": v for n, found in outcomes.items() for k, v in found.items()}
        counts.update(settled or {})
        entry = operator_entry(action, "release", counts, release=self._number)
        if self._by is not None:
            entry = replace(entry, who=self._by)
        self._hub.audit.append([entry], self._connection)
        self._hub.audit.checkpoint(self._connection)
        return {"release": self._number, "outcomes": outcomes}


def _told(release: Release) -> dict[str, Any]:
    return {"release": release.number, "outcomes": release.manifest["outcomes"]}


def _dumped(states: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state.model_dump(mode="json") for name, state in states.items()}
