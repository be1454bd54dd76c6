"""Exports of what a release was made of, each audited before it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.errors import BadInput, NotFound
from core.lake import TableVersion
from core.messages import message
from hub.app import Hub
from hub.operator import operator_entry
from hub.pipeline.states import DatasetState, SubjectState
from hub.stewardship.material import current
from reconcile.models import Release


class Kind(StrEnum):
    """What can be exported."""

    GOLDEN = "golden"
    CLAIMS = "claims"
    LINKS = "links"
    CONFLICTS = "conflicts"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    rows: int
    release: int


def export(hub: Hub, kind: Kind, subject: str, to: Path) -> Exported:
    """Writes a table of the current release; the suffix of ``to`` says in which form.

    Raises:
        BadInput: a suffix other than .csv, .parquet and .jsonl, a folder that is not there, or
            a file that cannot be written.
        NotFound: no such subject in the release.
    """
    if to.suffix not in _WRITERS:
        raise BadInput(
            field="--to", rule=message("rule_file_ends", suffixes=".csv, .parquet, .jsonl")
        )
    if not to.parent.is_dir():
        raise BadInput(field="--to", rule=message("rule_folder_missing", folder=to.parent))
    release = current(hub)
    tables = [
        _named(hub.lake.read(version), version)
        for version in _versions(hub, release, kind, subject)
    ]
    table = pa.concat_tables(tables)
    _audit(hub, release, f"export_{kind}", subject, len(table))
    _write(table, to)
    return Exported(len(table), release.number)


def _write(table: pa.Table, to: Path) -> None:
    """The whole file or none: what stood there before stays until the new one is complete."""
    part = to.with_name(f"{to.name}.part")
    try:
        _WRITERS[to.suffix](table, part)
        part.replace(to)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(
            field="--to", rule=message("rule_not_written_because", file=to, cause=error.strerror)
        ) from error


def _named(table: pa.Table, version: TableVersion) -> pa.Table:
    """Quarantined rows of several datasets say which one they are of."""
    kind, _, dataset = version.table.partition("/")
    if kind != Kind.QUARANTINE:
        return table
    return table.add_column(0, "dataset", pa.array([dataset] * len(table), pa.string()))


def _versions(hub: Hub, release: Release, kind: Kind, subject: str) -> Iterator[TableVersion]:
    state = release.manifest["subjects"].get(subject)
    if state is None:
        raise NotFound(kind="subject", name=subject)
    if kind is not Kind.QUARANTINE:
        yield getattr(SubjectState.model_validate(state), kind.value)
        return
    feeds = hub.workspace().subjects[subject].feeds
    for dataset, found in release.manifest["datasets"].items():
        if dataset in feeds:
            yield DatasetState.model_validate(found).quarantine


def _audit(hub: Hub, release: Release, action: str, subject: str, rows: int) -> None:
    entry = operator_entry(action, subject, {"rows": rows}, release=release.number)
    hub.audit.append([entry])


def _jsonl(table: pa.Table, to: Path) -> None:
    with to.open("w", encoding="utf-8") as out:
        for batch in table.to_batches(10_000):
            for row in batch.to_pylist():
                out.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


_WRITERS = {".csv": pa_csv.write_csv, ".parquet": pq.write_table, ".jsonl": _jsonl}
