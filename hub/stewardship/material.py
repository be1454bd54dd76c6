"""What the conflicts of a release are made of, read from the lake as far as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from core.errors import NotFound
from core.lake import Stored
from core.types import Status
from hub.app import Hub
from hub.pipeline.states import SubjectState
from hub.stewardship.sight import Reach
from reconcile import releases
from reconcile.conflicts import Conflict, Reader, read
from reconcile.models import Release
from reconcile.releases import ReleaseMissing

MOST = 200_000
"""Conflicts that are grouped; of more, a sample of entities."""


def current(hub: Hub) -> Release:
    """The release being served.

    Raises:
        ReleaseMissing, ReleaseForged: there is none, or it is not what was signed.
    """
    with hub.engine.connect() as connection:
        release = releases.current(connection)
    if release is None:
        raise ReleaseMissing
    releases.check_signature(release, hub.keys)
    return release


class Material:
    """The tables of one subject in the current release.

    Raises:
        NotFound: the release holds no such subject.
        ReleaseMissing, ReleaseForged: there is no release to read.
    """

    def __init__(self, hub: Hub, subject: str) -> None:
        self._hub = hub
        release = current(hub)
        state = release.manifest["subjects"].get(subject)
        if state is None:
            raise NotFound(kind="subject", name=subject)
        self.state = SubjectState.model_validate(state)
        self.subject = hub.workspace().subjects[subject]
        self.number = release.number
        self.day = date.fromisoformat(release.manifest["as_of"])
        self.reader = Reader(self.subject)

    @cached_property
    def claims(self) -> Stored:
        """Everything that was claimed."""
        return self._hub.lake.open(self.state.claims)

    @cached_property
    def sources(self) -> pa.Table:
        """How reliable each dataset proved for each attribute."""
        return self._hub.lake.read(self.state.sources)

    @cached_property
    def by_kind(self) -> frozenset[str]:
        """The attributes about which sources are believed by kind, which another one tells."""
        return frozenset(t["attribute"] for t in self._told_apart if not _by_value(t))

    @cached_property
    def by_value(self) -> frozenset[str]:
        """The attributes about which sources are believed by the value that they claim."""
        return frozenset(t["attribute"] for t in self._told_apart if _by_value(t))

    @property
    def _told_apart(self) -> list[dict[str, Any]]:
        told = self.sources
        if "kind" not in told.column_names:
            return []
        told = told.filter(pc.is_valid(told["kind"]))
        return list(told.select(["attribute", "kind_of"]).to_pylist())

    def count(self, attributes: Iterable[str], status: str | None = None) -> int:
        """How many conflicts about these attributes there are."""
        return int(self._conflicts.count_rows(filter=_wanted(attributes, status)))

    def conflicts(
        self, attributes: Iterable[str], status: str | None, reach: Callable[[str], Reach]
    ) -> list[Conflict]:
        """The conflicts about some attributes, of the entities within reach."""
        return _within(reach, self._read(_wanted(attributes, status)))

    def of(self, entity: str, attributes: Iterable[str]) -> list[Conflict]:
        """The conflicts of one entity."""
        return self._read(_wanted(attributes, None) & (pc.field("entity") == entity))

    def decided(self, attributes: Iterable[str], reach: Callable[[str], Reach]) -> list[Conflict]:
        """The conflicts that are not in dispute."""
        wanted = _wanted(attributes, None) & (pc.field("status") != Status.IN_DISPUTE)
        return _within(reach, self._read(wanted))

    def record(self, dataset: str, entity: str, attribute: str) -> str | None:
        """By which record a dataset says what it says of an entity; None if it says nothing."""
        wanted = pc.field("entity") == entity
        wanted &= (pc.field("dataset") == dataset) & (pc.field("attribute") == attribute)
        found: list[str] = self.claims.to_table(["record"], wanted).column("record").to_pylist()
        return found[0] if found else None

    def keys(self, entities: Iterable[str], names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Entity → its most trusted key among ``names``: attribute and value."""
        trust = [name for name in self.subject.keys if name in set(names)]
        wanted = among("entity", entities) & among("attribute", trust)
        rows = self._golden.to_table(filter=wanted).to_pylist()
        rows.sort(key=lambda row: trust.index(row["attribute"]), reverse=True)
        return {row["entity"]: (row["attribute"], row["value"]) for row in rows}

    def golden(self, entities: Iterable[str]) -> list[dict[str, str]]:
        """What counts for some entities."""
        found: list[dict[str, str]] = self._golden.to_table(
            filter=among("entity", entities)
        ).to_pylist()
        return found

    @cached_property
    def links(self) -> ds.Dataset:
        """Which record belongs to which entity."""
        return self._hub.lake.dataset(self.state.links)

    @cached_property
    def judgements(self) -> ds.Dataset | None:
        """What was judged of records, as of the release; None before the first judgement."""
        ledger = self.state.judgements
        return None if ledger is None else self._hub.lake.dataset(ledger)

    @cached_property
    def _conflicts(self) -> Stored:
        return self._hub.lake.open(self.state.conflicts)

    @cached_property
    def _golden(self) -> Stored:
        return self._hub.lake.open(self.state.golden)

    def _read(self, wanted: pc.Expression) -> list[Conflict]:
        return read(self._conflicts.to_table(filter=wanted))


def _wanted(attributes: Iterable[str], status: str | None) -> pc.Expression:
    wanted = among("attribute", attributes)
    return wanted if status is None else wanted & (pc.field("status") == status)


def _within(reach: Callable[[str], Reach], found: Iterable[Conflict]) -> list[Conflict]:
    return [
        conflict
        for conflict in found
        if (inside := reach(conflict.attribute)) is None or conflict.entity in inside
    ]


def among(field: str, values: Iterable[str]) -> pc.Expression:
    """Whether a field is one of some texts."""
    return pc.field(field).isin(pa.array(sorted(values), pa.string()))


def _by_value(told: Mapping[str, Any]) -> bool:
    return bool(told["kind_of"] == told["attribute"])
