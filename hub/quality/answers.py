"""Quality for stewards and for departments' own data keepers: decided, logged, with a receipt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from core.errors import HubError, NotFound, Unavailable
from core.messages import message
from hub.quality.manifests import Held, held
from hub.quality.reproduction import compare
from hub.quality.rows import check_size, listed, suffix_of, write
from hub.quality.scoring import Score, latest, of_dataset, of_department
from hub.serving.access import About, Access
from hub.serving.files import digested, spool
from hub.serving.notes import Call
from hub.serving.office import Office


class RowsNotOwn(HubError):
    """Rows as they were sent are for the department that sent them."""

    code = "rows_not_own"
    status = 403
    exit_code = 2


class Answers:
    """Answers about quality, for all callers of one process."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def dataset(self, call: Call, dataset: str, history: bool) -> dict[str, Any]:
        """The scores of a dataset and of its items: of the last release, or of all.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        access = self._office.dataset(call, "quality_scores", dataset, {"history": history})
        with self._office.hub.engine.connect() as connection:
            found = of_dataset(connection, dataset)
        return _give(access, {"dataset": dataset}, found if history else latest(found))

    def department(self, call: Call, department: str, history: bool) -> dict[str, Any]:
        """The scores of a department, to whoever may steward all of its datasets.

        Raises:
            NotFound: it has none.
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
        """
        contracts = self._office.rules.workspace.contracts
        names = [name for name, each in contracts.items() if each.department == department]
        if not names:
            missing = NotFound(kind="department", name=department)
            self._office.missing(call, "quality_scores", f"department/{department}", missing)
        closed = [name for name in names if not self._office.may(call, f"dataset/{name}")]
        about = closed[0] if closed else names[0]
        said = {"department": department, "history": history}
        access = self._office.dataset(call, "quality_scores", about, said)
        with self._office.hub.engine.connect() as connection:
            found = of_department(connection, department)
        return _give(access, {"department": department}, found if history else latest(found))

    def rows(
        self, call: Call, dataset: str, after: int, limit: int, language: str, release: int | None
    ) -> dict[str, Any]:
        """Quarantined rows of a dataset with the reasons; to its own department with the texts
        as it sent them.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
            NotFound, ReleaseMissing, ReleaseUnknown: the release has no such dataset.
        """
        said = {"after": after, "limit": limit, "release": release}
        access = self._office.dataset(call, "quality_rows", dataset, said)
        try:
            found = held(self._office.hub, release)
            _, state = found.of(dataset)
            rows = listed(found, dataset, language, after, limit)
        except HubError as error:
            access.fail(error)
        if not access.is_own(dataset):
            rows = [{**row, "original": {}} for row in rows]
        body = {
            "dataset": dataset,
            "release": found.number,
            "total": state.quarantine.rows,
            "released": state.released,
            "rows": rows,
        }
        return access.give(body, About(rows={"answered": len(rows)}, release=found.number))

    def file(
        self, call: Call, dataset: str, language: str, release: int | None
    ) -> tuple[dict[str, Any], BinaryIO, str]:
        """Quarantined rows as a file in the form of the department's own source: what is said of
        it, its content, and its name. For the table's own department alone.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
            RowsNotOwn: it is another department's table.
            NotFound, ReleaseMissing, ReleaseUnknown: the release has no such dataset.
            BadInput, Unavailable: it cannot be written.
        """
        access = self._office.dataset(call, "quality_rows", dataset, {"file": release})
        try:
            if not access.is_own(dataset):
                raise RowsNotOwn(dataset=dataset)
            found = held(self._office.hub, release)
            suffix = suffix_of(found, dataset)
            check_size(found, dataset, suffix)
            file, digest = self._written(found, dataset, suffix, language)
        except HubError as error:
            access.fail(error)
        rows = found.of(dataset)[1].quarantine.rows
        body = {
            "dataset": dataset,
            "release": found.number,
            "format": suffix[1:],
            "rows": rows,
            "sha256": digest,
        }
        about = About((digest,), {"answered": rows}, found.number)
        try:
            return access.give(body, about), file, f"{dataset}.quarantine{suffix}"
        except BaseException:
            file.close()
            raise

    def _written(
        self, found: Held, dataset: str, suffix: str, language: str
    ) -> tuple[BinaryIO, str]:
        try:
            with spool(self._office.hub.settings.home) as folder:
                write(found, dataset, suffix, language, folder / "rows")
                return digested(folder / "rows")
        except OSError as error:
            raise Unavailable(reason=message("cause_file_not_written")) from error

    def reproduce(self, call: Call, dataset: str, release: int | None) -> dict[str, Any]:
        """Whether the verdict of a release on a dataset is come to again.

        Raises:
            SubjectUnknown, Forbidden: the policy refuses; that is logged.
            As :func:`hub.quality.reproduction.compare`.
        """
        access = self._office.dataset(call, "quality_reproduce", dataset, {"release": release})
        try:
            found = compare(self._office.hub, dataset, release)
        except HubError as error:
            access.fail(error)
        body = {
            "dataset": dataset,
            "release": found.release,
            "same": found.same,
            "differs": found.why,
            "counts": {name: {"then": then, "now": now} for name, then, now in found.counts},
            "suite": {"then": found.then.suite, "now": found.now.suite},
            "library": {"then": found.then.library, "now": found.now.library},
        }
        return access.give(body, About(rows={"landed": found.landed}, release=found.release))


def _give(access: Access, about: dict[str, Any], found: Iterable[Score]) -> dict[str, Any]:
    scores = [
        {
            "release": each.release,
            "counted_at": each.counted_at.isoformat(),
            "item": each.item,
            "rows": each.rows,
            "scores": dict(each.scores),
        }
        for each in found
    ]
    return access.give({**about, "scores": scores}, About(rows={"answered": len(scores)}))
