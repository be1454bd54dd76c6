"""Coming to a past verdict again: the rows that landed then, under the contract of then."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.contracts import Contract
from core.errors import HubError
from hub.app import Hub
from hub.operator import operator_entry
from hub.pipeline.states import DatasetState
from hub.quality.gating import lookup
from hub.quality.manifests import held
from reconcile.bound import Given
from reconcile.quality import Proof, split


class VerdictUnproved(HubError):
    """A release that was made before verdicts were kept so that they can be reproduced."""

    code = "verdict_unproved"
    exit_code = 2


@dataclass(frozen=True)
class Reproduced:
    """A verdict of a release, and the one that is come to now."""

    dataset: str
    release: int
    then: Proof
    now: Proof
    counts: tuple[tuple[str, int, int], ...]
    landed: int

    @property
    def same(self) -> bool:
        """Whether every row is kept or quarantined as it was, for the same reasons."""
        return (self.then.fit, self.then.quarantine) == (self.now.fit, self.now.quarantine)

    @property
    def same_suite(self) -> bool:
        """Whether the rules are the same."""
        return self.then.suite == self.now.suite

    @property
    def why(self) -> str | None:
        """What differs where the verdict is another one: ``suite``, ``library`` or ``elements``."""
        if self.same:
            return None
        if not self.same_suite:
            return "suite"
        return "library" if self.then.library != self.now.library else "elements"


def reproduce(hub: Hub, dataset: str, release: int | None = None) -> Reproduced:
    """As :func:`compare`, for the operator: with an entry in the log."""
    made = compare(hub, dataset, release)
    counts = {"landed": made.landed}
    entry = operator_entry("quality_reproduce", f"dataset/{dataset}", counts, release=made.release)
    hub.audit.append([entry])
    return made


def compare(hub: Hub, dataset: str, release: int | None = None) -> Reproduced:
    """Puts the rows that landed for a release through the gate again. Nothing is written.

    Raises:
        NotFound: the release has no such dataset.
        VerdictUnproved: its verdict was not kept.
        LakeVersionMissing: the lake no longer holds what landed.
    """
    found = held(hub, release)
    contract, state = found.of(dataset)
    if state.proof is None:
        raise VerdictUnproved(dataset=dataset, release=found.number)
    now, fit, aside = _again(hub, state, contract, state.proof)
    told = (("fit", state.fit.rows, fit), ("quarantined", state.quarantine.rows, aside))
    landed = state.landing.rows
    return Reproduced(contract.dataset, found.number, state.proof, now, told, landed)


def _again(
    hub: Hub, state: DatasetState, contract: Contract, proof: Proof
) -> tuple[Proof, int, int]:
    given = Given(proof.as_of, proof.before, lookup(hub.lake, state.references))
    spill = hub.settings.limits.spill
    with split(contract, hub.lake.dataset(state.landing), given, spill) as found:
        fit = sum(batch.num_rows for batch in found.fit())
        aside = sum(batch.num_rows for batch in found.quarantined())
        return found.proof(), fit, aside
