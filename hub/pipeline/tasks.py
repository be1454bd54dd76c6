"""What there is to do for one subject: all of it, what changed, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from catalog.contracts import Contract
from catalog.subjects import Subject
from core.canonical import digest
from core.lake import TableVersion
from hub.pipeline.extent import Extent
from hub.pipeline.states import SubjectState

RELEARN_DAYS = 7
"""After so many days a subject is made whole again: values age, and trust with them."""

_METHOD = "10"
"""Of making subjects: raised when the same input gives other results than before."""


@dataclass(frozen=True)
class Task:
    """One subject, to be made of ``fit`` rows under ``rulings`` as of a day.

    ``changes``: dataset → how its fit rows differ from those of an earlier version (which, and the
    table of ``_was``), where that is known. ``others``: subjects that were made before, and what was
    learned of their sources. ``rules``: digest of everything else that it depends on. ``before``: the state that is served,
    None where there is none. ``whole``: make all of it, whatever there is.
    """

    subject: Subject
    fit: Mapping[str, TableVersion]
    rulings: TableVersion | None
    rules: str
    as_of: date
    before: SubjectState | None = None
    changes: Mapping[str, tuple[TableVersion, TableVersion]] = field(default_factory=dict)
    others: Sequence[tuple[Subject, TableVersion]] = ()
    whole: bool = False

    @property
    def name(self) -> str:
        """The subject's name."""
        return self.subject.subject

    @property
    def extent(self) -> Extent:
        """How much of it there is to do."""
        before = self.before
        if self.whole or before is None or before.learned is None or before.rules != self.rules:
            return Extent.WHOLE
        if not 0 <= (self.as_of - before.learned).days < RELEARN_DAYS:
            return Extent.WHOLE
        if before.inputs == self.fit and before.rulings == self.rulings:
            return Extent.UNCHANGED
        return Extent.CHANGES


def rules_of(
    subject: Subject, contracts: Mapping[str, Contract], datasets: Mapping[str, object]
) -> str:
    """The digest of what a subject made of ``datasets`` depends on besides data and rulings."""
    described = subject.model_dump(mode="json")
    return digest([_METHOD, described, {name: contracts[name].digest for name in datasets}])
