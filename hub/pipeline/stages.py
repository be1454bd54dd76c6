"""The stages of a run. Each reads versions of lake tables and writes new ones, so that a stage
that was killed can simply be done again: what it had written is never referred to.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from ibis.backends import BaseBackend

from connectors.registry import connect, stamp
from core.canonical import digest
from core.engine import open_engine, streamed, view
from core.lake import Lake, TableVersion
from core.sql import EngineLimits, open_sql
from hub.pipeline.extent import Extent
from hub.pipeline.increment import Increment
from hub.pipeline.landing import Landed, land, land_changes, marked
from hub.pipeline.states import DatasetState, LinkState, SubjectState
from hub.pipeline.tasks import Task
from hub.pipeline.writing import Writer
from hub.quality.gating import Ground, gated
from hub.workspace import Workspace
from reconcile import conflicts, fusion, linkage
from reconcile.differences import differing
from reconcile.rulings import RULINGS, resolved
from reconcile.scores import agreement

__all__ = ["DatasetState", "Stages", "SubjectState"]


@dataclass(frozen=True)
class Stages:
    """The stages of one run over one registered workspace. ``secret``: of the ids of entities."""

    workspace: Workspace
    data_folder: str
    lake: Lake
    limits: EngineLimits
    run: str
    secret: str

    def pull(self, dataset: str, before: DatasetState | None) -> Landed:
        """Lands one dataset: what changed since ``before`` where the source can tell and the
        contract is still the same, else the whole of it.
        """
        source, contract = self.workspace.sources[dataset], self.workspace.contracts[dataset]
        folder = Path(self.data_folder)
        held = None if before is None or before.contract != contract.digest else before
        found = stamp(source, folder)
        if held is not None and found is not None and held.stamp == found:
            return Landed(
                dataset=dataset,
                table=held.landing,
                digest=held.digest,
                extent=Extent.UNCHANGED,
                stamp=found,
                base=held.landing,
            )
        landed = self._pulled(dataset, held)
        if held is not None:
            landed = landed.model_copy(update={"base": held.landing})
        if found is not None and stamp(source, folder) == found:
            # A file that was changed while it was read is not known again.
            landed = landed.model_copy(update={"stamp": found})
        return landed

    def _pulled(self, dataset: str, held: DatasetState | None) -> Landed:
        source, contract = self.workspace.sources[dataset], self.workspace.contracts[dataset]
        connector = connect(source, Path(self.data_folder))
        mark = None if held is None else held.mark
        item = contract.columns.get(getattr(source, "cursor", None) or "")
        if mark is not None and mark.item == item:
            landed = land_changes(self.lake, contract, connector, self.run, mark, self.limits)
        else:
            landed = land(self.lake, contract, connector, self.run)
            if held is not None and held.digest == landed.digest:
                return landed.model_copy(update={"table": held.landing, "extent": Extent.UNCHANGED})
        return landed if item is None else marked(landed, self.lake, item)

    def gate(self, landed: Landed, as_of: date, known: Mapping[str, DatasetState]) -> DatasetState:
        """Splits landed rows into fit and quarantined ones. ``known``: the state of every dataset
        as of now, that of this one as it was before.

        Raises:
            QualityStop: a rule with severity stop does not hold.
        """
        contract = self.workspace.contracts[landed.dataset]
        ground = Ground(self.lake, self.limits, as_of, known)
        return gated(ground, contract, landed, self._write)

    def link(self, task: Task) -> LinkState:
        """Finds which records are about the same entity; the new judgements join the ledger."""
        tables = {dataset: self.lake.dataset(version) for dataset, version in task.fit.items()}
        past = None if task.before is None else task.before.judgements
        before, held, kept = None, {}, {}
        if task.before is not None and past is not None:
            changes = None
            if task.extent is not Extent.WHOLE:
                held = task.before.kept
                changes = self._changes(task, task.before.inputs)
            kept = {name: self.lake.dataset(version) for name, version in held.items()}
            before = linkage.Before(self.lake.dataset(past), kept or None, changes)
        rulings = self.rulings(task.rulings)
        linked = linkage.link(task.subject, tables, before, self.limits, rulings, self.secret)
        touched = None
        if linked.touched is not None:
            found = pa.table({"entity": linked.touched})
            touched = self._write(f"touched/{task.name}", found)
        notes = {"run": self.run}
        news = linked.judgements
        return LinkState(
            links=self._write(f"links/{task.name}", linked.links),
            judgements=past
            if past is not None and not news.num_rows
            else self.lake.extend(past, f"judgements/{task.name}", news, notes),
            kept={
                name: held[name]
                if table is kept.get(name)
                else self._write(f"linkage/{task.name}/{name}", table)
                for name, table in linked.state.items()
            },
            touched=touched,
        )

    def _changes(
        self, task: Task, before: Mapping[str, TableVersion]
    ) -> dict[str, pa.Table | ds.Dataset]:
        """Dataset → the fit rows that went and came since ``before``, where there are any."""
        found: dict[str, pa.Table | ds.Dataset] = {}
        for dataset, fit in task.fit.items():
            base, changes = task.changes.get(dataset, (None, None))
            if before[dataset] == fit:
                continue
            if changes is not None and base == before[dataset]:
                found[dataset] = self.lake.dataset(changes)
            else:
                # The gate has looked at these rows in a run that did not make this subject.
                held = self.lake.dataset(before[dataset])
                found[dataset] = differing(self.limits, held, self.lake.dataset(fit))
        return found

    def fuse(self, task: Task, linked: LinkState) -> SubjectState:
        """Decides which value counts for each attribute of each entity, or of those that changed
        where they are few.
        """
        ruled = self._ruled(task.rulings, linked.links)
        touched = self._touched(task, linked, ruled)
        if touched is not None and not len(touched) and task.before is not None:
            return task.before.model_copy(
                update={
                    "links": linked.links,
                    "judgements": linked.judgements,
                    "kept": linked.kept,
                    "inputs": dict(task.fit),
                    "rulings": task.rulings,
                }
            )
        engine = open_engine(self.limits)
        try:
            if touched is not None and task.before is not None:
                increment = Increment(self.lake, engine, task.before, linked.links, touched)
                if increment.is_small:
                    return self._fuse_changes(engine, task, linked, increment, ruled)
            return self._fuse_whole(engine, task, linked, ruled)
        finally:
            engine.disconnect()

    def keep_rulings(
        self, found: Mapping[str, pa.Table], before: Mapping[str, SubjectState]
    ) -> dict[str, TableVersion]:
        """Writes down the rulings in force of each subject, where they are not those of before."""
        kept = {}
        for name, table in found.items():
            held = before[name].rulings if name in before else None
            if self.rulings(held) == table:
                if held is not None:
                    kept[name] = held
            else:
                kept[name] = self._write(f"rulings/{name}", table)
        return kept

    def rulings(self, version: TableVersion | None) -> pa.Table:
        """The rulings in force that a version holds."""
        return RULINGS.empty_table() if version is None else self.lake.read(version)

    def _ruled(self, version: TableVersion | None, links: TableVersion) -> pa.Table:
        """The values that rulings give, by entity."""
        found = self.rulings(version)
        # Without any, the links need not be looked at.
        near = self.lake.dataset(links) if found.num_rows else _NO_LINKS
        return resolved(found, near)

    def _touched(self, task: Task, linked: LinkState, ruled: pa.Table) -> pa.Array | None:
        """The entities to be decided again; None for all."""
        before = task.before
        if task.extent is Extent.WHOLE or before is None or linked.touched is None:
            return None
        repairs = [
            self.rulings(version).filter(pc.field("kind") == "repair").column("repair")
            for version in (task.rulings, before.rulings)
        ]
        if repairs[0] != repairs[1]:
            # How a source is read decides what everybody thinks of it.
            return None
        entities = self.lake.read(linked.touched).column("entity")
        past = self._ruled(before.rulings, before.links)
        return pa.chunked_array(
            [*entities.chunks, *_moved(self.limits, past, ruled).chunks], pa.string()
        )

    def _fuse_whole(
        self, engine: BaseBackend, task: Task, linked: LinkState, ruled: pa.Table
    ) -> SubjectState:
        tables = {dataset: self.lake.dataset(version) for dataset, version in task.fit.items()}
        feeds = fusion.Feeds.of(task.subject, tables, self._repairs(task))
        made = ("claims", "golden", "conflicts")
        with (
            self._room(f"fuse-{self.run}-{task.name}") as aside,
            Writer(self.lake, {"run": self.run}) as writer,
        ):
            parts = fusion.Parts(engine, feeds, self.lake.dataset(linked.links), aside)
            learned = parts.learn(task.as_of, ruled)
            others = [(other, self.lake.read(sources)) for other, sources in task.others]
            trust = fusion.informed(learned, task.subject, others)
            for said, rulings in parts.split(ruled):
                fused = fusion.fuse(engine, task.subject, said, task.as_of, rulings, trust)
                found = self._carried(engine, task, fused.conflicts)
                for name, plan in zip(
                    made, (said.text(task.subject), fused.golden, found), strict=True
                ):
                    with streamed(engine, plan) as rows:
                        writer.write(f"{name}/{task.name}", rows)
                # What was made of this part makes room for the next.
                del said, fused, found, plan
            versions = {name: writer.version(f"{name}/{task.name}") for name in made}
        return self._state(
            task,
            linked,
            **versions,
            sources=self._write(f"sources/{task.name}", trust),
            learned=task.as_of,
            agreed=agreement(self.limits, self.lake.dataset(versions["golden"])),
        )

    @contextmanager
    def _room(self, name: str) -> Iterator[Path]:
        """An empty folder on disk, for as long as a step takes. A step that was killed may have
        left it behind.
        """
        place = self.limits.spill or Path(tempfile.gettempdir())
        folder = place / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fuse_changes(
        self,
        engine: BaseBackend,
        task: Task,
        linked: LinkState,
        increment: Increment,
        ruled: pa.Table,
    ) -> SubjectState:
        before = increment.before
        fit, links = increment.inputs(task)
        said = fusion.gather(engine, task.subject, fit, links, self._repairs(task))
        increment.keep("claims", said.text(task.subject))
        trust = self.lake.read(before.sources)
        mine = ruled.filter(pc.field("entity").isin(links.column("entity").combine_chunks()))
        fused = fusion.fuse(engine, task.subject, said, task.as_of, mine, trust)
        increment.keep("golden", fused.golden)
        increment.keep("conflicts", self._carried(engine, task, fused.conflicts))
        left = self._write(f"left/{task.name}", increment.left)
        merged = {
            name: increment.overlaid(name, f"{name}/{task.name}", left, self.run)
            for name in ("claims", "golden", "conflicts")
        }
        changes = self._write(f"changes/{task.name}", increment.compared())
        return self._state(
            task,
            linked,
            **merged,
            sources=before.sources,
            learned=before.learned,
            base=before.golden,
            changes=changes,
            agreed=agreement(self.limits, self.lake.dataset(changes), before.agreed),
        )

    def _carried(self, engine: BaseBackend, task: Task, found: ir.Table) -> ir.Table:
        """Conflicts, each with the day since which it is one."""
        before = None if task.before is None else self.lake.open(task.before.conflicts)
        return conflicts.carried(engine, found, before, task.as_of)

    def _repairs(self, task: Task) -> pa.Table:
        """How claims of some datasets are to be read."""
        return self.rulings(task.rulings).filter(pc.field("kind") == "repair")

    def _state(self, task: Task, linked: LinkState, **made: Any) -> SubjectState:
        entities, linked_by = self._linked(linked.links)
        statuses = self.lake.read(made["conflicts"], ["status"]).column("status")
        return SubjectState(
            **made,
            links=linked.links,
            judgements=linked.judgements,
            kept=linked.kept,
            definition=digest(task.subject.model_dump(mode="json")),
            entities=entities,
            linked_by=linked_by,
            conflicts_by=_counts(statuses),
            inputs=dict(task.fit),
            rulings=task.rulings,
            rules=task.rules,
        )

    def _linked(self, links: TableVersion) -> tuple[int, dict[str, int]]:
        """How many entities there are, and how many records were linked by which method."""
        with open_sql(self.limits) as engine:
            view(engine, "links", self.lake.dataset(links))
            query = "SELECT count(DISTINCT entity) FROM links"
            [(entities,)] = engine.execute(query).fetchall()
            query = "SELECT method, count(*) FROM links GROUP BY method ORDER BY method"
            return entities, dict(engine.execute(query).fetchall())

    def _write(self, table: str, data: pa.Table | pa.RecordBatchReader) -> TableVersion:
        return self.lake.write(table, data, notes={"run": self.run})


_NO_LINKS = pa.table({name: pa.array([], pa.string()) for name in ("dataset", "record", "entity")})


def _moved(limits: EngineLimits, before: pa.Table, now: pa.Table) -> pa.ChunkedArray:
    """The entities of which rulings say something else than before."""
    with open_sql(limits) as engine:
        engine.register("b", before)
        engine.register("n", now)
        columns = "entity, attribute, value, number"
        return (
            engine.sql(
                f"""
            SELECT entity FROM (SELECT {columns} FROM b EXCEPT SELECT {columns} FROM n)
            UNION SELECT entity FROM (SELECT {columns} FROM n EXCEPT SELECT {columns} FROM b)
            """  # noqa: S608 - names of ours
            )
            .to_arrow_table()
            .column("entity")
        )


def _counts(column: pa.ChunkedArray) -> dict[str, Any]:
    return {entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()}
