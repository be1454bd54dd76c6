"""Reading a workspace folder whole: every mistake is named by file, line, field and rule, and one
mistake means that nothing is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from catalog import contracts
from catalog.directory import Departments, RegionFile
from catalog.subjects import Subject
from connectors import settings as source_settings
from core.errors import HubError
from core.messages import absent, message
from core.types import Model
from core.yamlfile import InvalidFile, InvalidFiles, YamlFile, load
from hub.audit.witness import Witnesses
from hub.checks.definition import Check
from hub.conditions.zones import Zones
from hub.consistency import mistakes
from hub.watching.checking import mistakes as watch_mistakes
from hub.watching.settings import Accounts, Watch, Watching
from hub.workspace import Workspace
from policies import documents as policy_documents
from policies.expectations import read as read_expectations

T = TypeVar("T")
M = TypeVar("M", bound=Model)


def read(folder: Path) -> Workspace:
    """Reads a workspace folder.

    Raises:
        InvalidFiles: every mistake in it.
    """
    return _Reader(folder).read()


class _Reader:
    """Reads on after a mistake, so that one pass names all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mistakes: list[HubError] = []
        self._files: dict[tuple[str, str], YamlFile] = {}

    def read(self) -> Workspace:
        if not self._folder.is_dir():
            raise InvalidFile(
                self._folder, 1, "", message("rule_folder_missing", folder=self._folder)
            )
        departments = self._one("departments.yaml", Departments)
        regions = self._one("regions.yaml", RegionFile)
        parts = {
            "contract": self._many("contracts/*.odcs.yaml", contracts.parse, "dataset"),
            "source": self._many("sources/*.yaml", source_settings.parse, "dataset"),
            "subject": self._many("subjects/*.yaml", lambda f: f.parse(Subject), "subject"),
            "check": self._many("checks/*.yaml", lambda f: f.parse(Check), "check"),
        }
        policies = self._try(lambda: policy_documents.read(self._folder))
        expectations = self._try(lambda: read_expectations(self._folder))
        witnesses = self._optional("policies/witnesses.yaml", Witnesses)
        watching = self._optional("policies/watching.yaml", Watching)
        accounts = self._optional("policies/accounts.yaml", Accounts)
        zones = self._optional("policies/zones.yaml", Zones)
        self._stop_at_mistakes()
        assert departments is not None
        assert regions is not None
        assert policies is not None
        assert expectations is not None
        workspace = Workspace(
            departments={d.id: d for d in departments.departments},
            regions={r.code: r for r in regions.regions},
            contracts=parts["contract"],
            sources=parts["source"],
            subjects=parts["subject"],
            checks=parts["check"],
            policies=policies.documents,
            expectations=expectations,
            witnesses=witnesses,
            watch=Watch(rules=watching, accounts=accounts.accounts),
            zones=zones,
        )
        self._mistakes.extend(_zone_mistakes(policies, zones))
        self._mistakes.extend(self._witness_mistakes(workspace))
        for name, where, words in watch_mistakes(workspace):
            self._mistakes.append(load(self._folder / "policies" / name).mistake(where, words))
        for kind, key, where, rule in mistakes(workspace):
            self._mistakes.append(self._files[kind, key].mistake(where, rule))
        checked = policy_documents.check(policies.documents, workspace.known, policies.files)
        self._mistakes.extend(checked)
        self._stop_at_mistakes()
        return workspace

    def _one(self, name: str, model: type[M]) -> M | None:
        return self._try(lambda: load(self._folder / name).parse(model))

    def _optional(self, name: str, model: type[M]) -> M:
        if not (self._folder / name).exists():
            return model()
        return self._one(name, model) or model()

    def _witness_mistakes(self, workspace: Workspace) -> Iterator[HubError]:
        for index, witness in enumerate(workspace.witnesses.witnesses):
            if witness.department not in workspace.departments:
                file = load(self._folder / "policies/witnesses.yaml")
                rule = absent("department", witness.department)
                yield file.mistake(["witnesses", index, "department"], rule)

    def _many(self, pattern: str, parse: Callable[[YamlFile], Any], key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        kind = pattern.split("/", maxsplit=1)[0].removesuffix("s")
        for path in sorted(self._folder.glob(pattern)):
            file = self._try(partial(load, path))
            parsed = file and self._try(partial(parse, file))
            if not file or not parsed:
                continue
            name = getattr(parsed, key)
            if name in found:
                self._mistakes.append(
                    file.mistake([key], message("rule_described_twice", name=name))
                )
            found[name] = parsed
            self._files[kind, name] = file
        return found

    def _try(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except InvalidFiles as error:
            self._mistakes.extend(error.mistakes)
        except InvalidFile as error:
            self._mistakes.append(error)
        return None

    def _stop_at_mistakes(self) -> None:
        if self._mistakes:
            raise InvalidFiles(self._mistakes)


def _zone_mistakes(policies: policy_documents.Loaded, zones: Zones) -> Iterator[HubError]:
    """Zones that rules and agreements speak of, and that are not described."""
    known = {zone.id for zone in zones.zones}
    for rule in policies.documents.rules:
        for name in sorted({*rule.conditions.zones} - known):
            where = (Path(policy_documents.RULES), rule.line, "conditions")
            yield InvalidFile(*where, absent("zone", name))
    for agreement in policies.documents.agreements:
        for name in sorted({*agreement.conditions.zones} - known):
            file = policies.files[agreement.agreement]
            words = absent("zone", name)
            yield file.mistake(["conditions", "zones"], words)
