"""Checking, proposing and approving releases of tables to the public.

A release is a file and a signed manifest in a folder of its own. One person proposes it, another
approves it; until then nobody else gets it. Neither the file nor the manifest holds a name of
anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from catalog.subjects import Opening
from core.errors import BadInput, HubError, Unavailable
from core.messages import message
from core.sql import open_sql
from hub.audit.entries import KeyedDigests
from hub.identity import canonical_account
from hub.opening.columns import Column, Role, of_dataset, of_subject
from hub.opening.search import Outcome, search
from hub.opening.shelf import Shelf
from hub.opening.tables import SUFFIXES, OpenTable
from hub.pipeline.states import DatasetState, SubjectState
from hub.serving.access import About, Access
from hub.serving.notes import Call, SubjectUnknown
from hub.serving.office import Office
from hub.stewardship.material import current
from policies.models import Action
from reconcile.models import Release


class OpeningRefused(HubError):
    """However far the table is generalised, people in it could be told from others."""

    code = "opening_refused"
    status = 409


class NothingPublic(HubError):
    """No item of the table is meant for the public."""

    code = "opening_nothing_public"
    status = 409


class SecondPersonMissing(HubError):
    """Who proposed a release does not approve it."""

    code = "opening_second_person"
    status = 403
    exit_code = 2


@dataclass(frozen=True)
class _Plan:
    """What a table comes to: its columns, the table as it stands, and what it would be released
    as (None: it cannot be).
    """

    table: OpenTable
    columns: tuple[Column, ...]
    opening: Opening
    before: Outcome
    after: Outcome | None

    @property
    def applies(self) -> bool:
        """Whether there is anything about persons."""
        return any(column.role is not Role.PLAIN for column in self.columns)

    def report(self) -> dict[str, Any]:
        """The plan as it is told: masks, rows, risks."""
        classes, after = self.table.classes, self.after
        masks = {} if after is None else self.table.masks(after)
        return {
            "columns": [
                {"name": c.name, "role": c.role.value, "mask": masks.get(c.name), "ladder": list(c.ladder)}
                for c in self.columns
            ],
            "about_persons": self.applies,
            "k": self.opening.k,
            "diversity": self.opening.diversity,
            "rows": self.before.rows,
            "left_out": None if after is None else after.left_out,
            "risk_before": asdict(classes.risk(self.before, released=False)),
            "risk_after": None if after is None else asdict(classes.risk(after, released=True)),
            "holds": after is not None,
        }  # fmt: skip


class OpenData:
    """Opens tables for all administrators of a process, from any thread."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hub = office.hub
        self._shelf = Shelf(self._hub.settings.home.absolute() / "open", self._hub.keys)

    def check(self, call: Call, name: str) -> dict[str, Any]:
        """How a table could be opened, and the risk before and after; nothing is released.

        Raises:
            Forbidden, SubjectUnknown: the caller may not administer, or there is no such table.
            NothingPublic: no item of it is meant for the public.
        """
        access = self._enter(call, "check_opening", name)
        with self._planned(access, name) as (release, plan):
            report = plan.report()
        about = About(rows={"read": plan.before.rows}, release=release.number)
        return access.give({"table": name, "release": release.number, **report}, about)

    def propose(self, call: Call, name: str, form: str) -> dict[str, Any]:
        """A release that waits for a second person.

        Raises:
            As :meth:`check`; OpeningRefused: it cannot be generalised enough.
        """
        access = self._enter(call, "propose_opening", name)
        proposer = self._forms(access.person())[-1]
        if form not in SUFFIXES:
            access.fail(
                BadInput(field="format", rule=message("rule_one_of", names=", ".join(SUFFIXES)))
            )
        with self._planned(access, name) as (release, plan):
            if plan.after is None:
                raise _refused(name, plan)
            with self._shelf.new(name, SUFFIXES[form]) as draft:
                plan.table.write(plan.after, form, draft.file)
                manifest = {
                    "table": name,
                    "release": release.number,
                    "number": draft.number,
                    "made_at": self._hub.clock.now().isoformat(),
                    "file": draft.file.name,
                    "sha256": _digest(draft.file),
                    "released_rows": plan.after.rows - plan.after.left_out,
                    "state": "proposed",
                    "proposed_by": proposer,
                    **plan.report(),
                }
                # Logged while the draft can still be dropped: what is not logged is not kept.
                rows = {"released": manifest["released_rows"], "left_out": plan.after.left_out}
                logged = access.over(name, plan.table.masks(plan.after))
                about = About((manifest["sha256"],), rows, release.number)
                answer = logged.give(self._shelf.signed(manifest), about)
                draft.keep(manifest)
        return answer

    def approve(self, call: Call, name: str, number: int) -> dict[str, Any]:
        """The release is the public's from now on.

        Raises:
            OpenReleaseUnknown, OpenReleaseForged: there is none, or it is not what was proposed.
            SecondPersonMissing: it is the caller's own proposal.
        """
        access = self._enter(call, "approve_opening", name)
        own = self._forms(access.person())
        try:
            manifest = self._shelf.read(name, number)
            if manifest["proposed_by"] in own:
                raise SecondPersonMissing(number=number)
        except HubError as error:
            access.fail(error)
        manifest = {**manifest, "state": "released"}
        manifest.pop("proposed_by", None)
        about = About(
            (manifest["sha256"],), {"released": manifest["released_rows"]}, manifest["release"]
        )
        answer = access.over(name, {}).give(self._shelf.signed(manifest), about)
        self._shelf.sign(name, number, manifest)
        return answer

    def listed(self, call: Call) -> dict[str, Any]:
        """All releases that were approved; those that wait too, for who may approve them."""
        access = self._office.itself(call, "list_open")
        may = self._office.may_administer(call)
        found = [m for m in self._shelf.all() if may or m["state"] == "released"]
        return access.give({"releases": found}, About(rows={"answered": len(found)}))

    def file(self, call: Call, name: str, number: int) -> tuple[dict[str, Any], BinaryIO]:
        """An approved release, for any registered client: its manifest and its file.

        Raises:
            OpenReleaseUnknown, OpenReleaseForged: there is none, or not as it was approved.
        """
        access = self._office.itself(call, "read_open", {"table": name, "number": number})
        try:
            manifest = self._shelf.read(name, number, "released")
            file = self._shelf.open(manifest)
        except HubError as error:
            access.fail(error)
        about = About(
            (manifest["sha256"],), {"answered": manifest["released_rows"]}, manifest["release"]
        )
        return access.over(name, {}).give(self._shelf.signed(manifest), about), file

    def _forms(self, person: str) -> tuple[str, str]:
        """Digests of an account as it is written, by which older proposals name their person, and
        in its one form.
        """
        digests = KeyedDigests(self._hub.keys)
        return digests.account(person), digests.account(canonical_account(person))

    def _enter(self, call: Call, deed: str, name: str) -> Access:
        return self._office.enter(call, Action.ADMINISTER, deed, "hub", {"table": name})

    @contextmanager
    def _planned(self, access: Access, name: str) -> Iterator[tuple[Release, _Plan]]:
        try:
            with open_sql(self._hub.settings.limits) as engine:
                release = current(self._hub)
                yield release, self._plan(engine, access, release, name)
        except HubError as error:
            access.fail(error)
        except (OSError, duckdb.IOException):
            access.fail(Unavailable(reason=message("cause_file_not_written")))

    def _plan(self, engine: Any, access: Access, release: Release, name: str) -> _Plan:
        workspace = access.rules.workspace
        state: Mapping[str, Any] | None
        if name in workspace.subjects:
            subject = workspace.subjects[name]
            columns, opening = of_subject(subject, workspace.known), subject.opening
            state = release.manifest["subjects"].get(name)
        elif name in workspace.contracts:
            columns, opening = of_dataset(workspace.contracts[name]), Opening()
            state = release.manifest["datasets"].get(name)
        else:
            raise SubjectUnknown(name=name)
        if not columns or state is None:
            raise NothingPublic(table=name)
        table = OpenTable(engine, columns, opening)
        if name in workspace.subjects:
            table.load_records(self._hub.lake.open(SubjectState.model_validate(state).golden))
        else:
            table.load_rows(self._hub.lake.dataset(DatasetState.model_validate(state).fit))
        before = table.before()
        plan = _Plan(table, columns, opening, before, before)
        if plan.applies:
            plan = _Plan(
                table, columns, opening, before, search(table.classes, opening.most_left_out)
            )
        return plan


def _refused(name: str, plan: _Plan) -> OpeningRefused:
    risk = plan.table.classes.risk(plan.before, released=False)
    return OpeningRefused(
        table=name,
        k=plan.opening.k,
        diversity=plan.opening.diversity,
        share=round(100 * risk.below_k, 1),
    )


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
