"""What is wrong with an installation, and how to mend it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.registry import missing_secrets
from core.errors import HubError
from core.lake import TableVersion
from core.messages import say, spoken
from core.spark.session import missing
from core.sql import DUCKDB
from hub.app import Hub, open_hub
from hub.pipeline.states import DatasetState, SubjectState
from hub.settings import Settings, read_settings
from hub.stewardship.idle import idle
from hub.workspace import WorkspaceMissing
from reconcile import releases

_LEAST_FREE = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``mend`` says what to do where it is not well."""

    ok: bool
    what: str
    mend: str = ""


def examine() -> list[Finding]:
    """Looks at everything a hub needs, and goes on after a failure as far as it can."""
    try:
        settings = read_settings()
    except HubError as error:
        return [Finding(False, say("doctor_settings", spoken()), error.words(spoken()))]
    examination = _Examination(settings)
    return [*examination.machine(), *examination.hub()]


class _Examination:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = settings.home.absolute()

    def _finding(self, ok: bool, code: str, **fields: object) -> Finding:
        language = self._settings.language
        mend = "" if ok else say(f"{code}_mend", language, **fields)
        return Finding(ok, say(code, language, **fields), mend)

    def machine(self) -> Iterator[Finding]:
        """Python, disk, folders, the analytic engine."""
        version = ".".join(map(str, sys.version_info[:3]))
        yield self._finding(sys.version_info >= (3, 11), "doctor_python", version=version)
        yield self._finding(_writable(self._home), "doctor_home", folder=self._home)
        free = shutil.disk_usage(_existing(self._home)).free
        yield self._finding(free >= _LEAST_FREE, "doctor_disk", free=f"{free / 1024**3:.1f}")
        engine = self._settings.engine
        absent = None if engine == DUCKDB else missing()
        yield self._finding(absent is None, "doctor_engine", engine=engine, missing=absent)

    def hub(self) -> Iterator[Finding]:
        """Keys, database, workspace, secrets, release, audit log."""
        try:
            with open_hub(self._settings) as hub:
                yield self._finding(True, "doctor_database")
                for part in (
                    self._workspace,
                    self._release,
                    self._lake,
                    self._rulings,
                    self._log,
                ):
                    yield from self._guarded(part, hub)
        except HubError as error:
            yield Finding(
                False, say("doctor_database", self._settings.language), self._words(error)
            )

    def _guarded(self, part: Callable[[Hub], Iterator[Finding]], hub: Hub) -> Iterator[Finding]:
        try:
            yield from part(hub)
        except HubError as error:
            name = part.__name__.lstrip("_")
            what = say(f"doctor_{name}", self._settings.language)
            yield Finding(False, what, self._words(error))

    def _words(self, error: HubError) -> str:
        return error.words(self._settings.language)

    def _workspace(self, hub: Hub) -> Iterator[Finding]:
        try:
            revision = hub.revision()
        except WorkspaceMissing as error:
            what = say("doctor_workspace", self._settings.language)
            yield Finding(False, what, self._words(error))
            return
        workspace = hub.workspace()
        yield self._finding(True, "doctor_workspace")
        folder = Path(revision.data_folder)
        for dataset, source in workspace.sources.items():
            absent = missing_secrets(source, folder)
            if absent:
                fields = {"dataset": dataset, "secrets": ", ".join(absent)}
                yield self._finding(False, "doctor_secrets", **fields)

    def _release(self, hub: Hub) -> Iterator[Finding]:
        with hub.engine.connect() as connection:
            release = releases.current(connection)
        if release is None:
            raise releases.ReleaseMissing
        releases.check_signature(release, hub.keys)
        yield self._finding(True, "doctor_release")

    def _lake(self, hub: Hub) -> Iterator[Finding]:
        """Looks at two releases, since what came between them is lost last."""
        with hub.engine.connect() as connection:
            found = (releases.first(connection), releases.current(connection))
        for manifest in (release.manifest for release in found if release is not None):
            for state in (
                *map(DatasetState.model_validate, manifest["datasets"].values()),
                *map(SubjectState.model_validate, manifest["subjects"].values()),
            ):
                for version in (value for _, value in state if isinstance(value, TableVersion)):
                    hub.lake.open(version)
        if any(found):
            yield self._finding(True, "doctor_lake")

    def _rulings(self, hub: Hub) -> Iterator[Finding]:
        """Those that do nothing are told, but nothing is wrong with them."""
        with hub.engine.connect() as connection:
            release = releases.current(connection)
        for subject in () if release is None else release.manifest["subjects"]:
            if still := len(idle(hub, subject)):
                yield self._finding(True, "doctor_rulings", subject=subject, count=still)

    def _log(self, hub: Hub) -> Iterator[Finding]:
        verdict = hub.audit.verify()
        yield self._finding(verdict.ok, "doctor_log", problems=len(verdict.problems))


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return True
    except OSError:
        return False
