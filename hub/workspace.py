"""A workspace: the folder of files that tells a hub everything it is told.

The engine knows no city; departments, regions, tables, subjects, rules and checks all come from
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from catalog.contracts import Contract
from catalog.directory import Department, Region, Regions
from catalog.registration import Documents
from catalog.subjects import Subject
from connectors import settings as source_settings
from connectors.settings import SourceSettings
from core.errors import HubError
from core.types import Model
from hub.audit.witness import Witnesses
from hub.checks.definition import Check, reads
from hub.conditions.zones import Zones
from hub.watching.settings import Watch
from policies.expectations import Expectations
from policies.models import Documents as PolicyDocuments
from policies.models import Known

T = TypeVar("T")


class WorkspaceMissing(HubError):
    """Nothing has been applied yet."""

    code = "workspace_missing"
    exit_code = 2
    status = 503


@dataclass(frozen=True)
class Workspace:
    """Everything a hub is told, parsed."""

    departments: Mapping[str, Department]
    regions: Mapping[str, Region]
    contracts: Mapping[str, Contract]
    sources: Mapping[str, SourceSettings]
    subjects: Mapping[str, Subject]
    checks: Mapping[str, Check]
    policies: PolicyDocuments
    expectations: Expectations = field(default_factory=Expectations)
    witnesses: Witnesses = field(default_factory=Witnesses)
    watch: Watch = field(default_factory=Watch)
    zones: Zones = field(default_factory=Zones)

    @cached_property
    def known(self) -> Known:
        """What policies may speak of."""
        return Known(
            subjects=self.subjects,
            regions=Regions(self.regions.values()),
            departments=frozenset(self.departments),
            contracts=self.contracts,
            checks={name: frozenset(reads(check)) for name, check in self.checks.items()},
        )

    @cached_property
    def making(self) -> list[str]:
        """The subjects in the order in which a run makes them: those that most datasets feed first,
        since what they tell of a source helps where it is the only one.
        """
        return sorted(self.subjects, key=lambda name: (-len(self.subjects[name].feeds), name))

    def documents(self) -> Documents:
        """The workspace as documents to register."""
        parts: Mapping[str, Mapping[str, Model]] = {
            "department": self.departments,
            "region": self.regions,
            "contract": self.contracts,
            "source": self.sources,
            "subject": self.subjects,
            "check": self.checks,
            "policies": {"all": self.policies},
            "witnesses": {"all": self.witnesses} if self.witnesses.witnesses else {},
            "zones": {"all": self.zones} if self.zones.zones else {},
            "watch": {"all": self.watch} if self.watch != Watch() else {},
            "expectations": {"all": self.expectations} if self.expectations.tests else {},
        }
        return {
            (kind, key): model.model_dump(mode="json")
            for kind, models in parts.items()
            for key, model in models.items()
        }

    @classmethod
    def from_documents(cls, documents: Documents) -> Workspace:
        """The workspace of registered documents."""

        def of(kind: str, parse: Callable[[Any], T]) -> dict[str, T]:
            return {key: parse(value) for (k, key), value in documents.items() if k == kind}

        return cls(
            departments=of("department", Department.model_validate),
            regions=of("region", Region.model_validate),
            contracts=of("contract", Contract.model_validate),
            sources=of("source", source_settings.restore),
            subjects=of("subject", Subject.model_validate),
            checks=of("check", Check.model_validate),
            policies=of("policies", PolicyDocuments.model_validate)["all"],
            witnesses=of("witnesses", Witnesses.model_validate).get("all", Witnesses()),
            watch=of("watch", Watch.model_validate).get("all", Watch()),
            zones=of("zones", Zones.model_validate).get("all", Zones()),
            expectations=of("expectations", Expectations.model_validate).get("all", Expectations()),
        )
