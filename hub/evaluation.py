"""How often golden values are right, where the truth is known (a sample city, a labelled set).

Beside the hub's golden records stand the best single department and the plain majority of the
same claims over the same clusters, so that the figures differ only by how a value was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from catalog.standards import elements
from catalog.subjects import Subject
from core.engine import Data, view
from core.lake import Lake, TableVersion
from core.sql import EngineLimits, open_sql


@dataclass(frozen=True)
class Score:
    """How often an attribute is right: shares of ``known`` entities whose truth is known."""

    attribute: str
    known: int
    golden: float
    best_source: str
    best_single: float
    majority: float


@dataclass(frozen=True)
class LinkScore:
    """Pairs of records: how many of those joined belong together, and the other way round."""

    precision: float
    recall: float
    entities: int
    truths: int


@dataclass(frozen=True)
class Evaluation:
    """One subject's figures."""

    subject: str
    attributes: tuple[Score, ...]
    links: LinkScore


@dataclass(frozen=True)
class Results:
    """Versions of one subject's results that an evaluation reads."""

    fit: Mapping[str, TableVersion]
    links: TableVersion
    claims: TableVersion
    golden: TableVersion


def evaluate(
    subject: Subject, results: Results, truth: Path, lake: Lake, limits: EngineLimits
) -> Evaluation:
    """Compares a subject's results with ``truth/<subject>.parquet`` (``truth_id`` and one text
    column per attribute) by way of ``truth/records.parquet`` (dataset, row, subject, truth_id).
    """
    with beside_truth(subject, results, truth, lake, limits) as engine:
        scores = [_score(engine, name) for name in attributes(subject, truth)]
        return Evaluation(subject.subject, tuple(scores), _links(engine))


@contextmanager
def beside_truth(
    subject: Subject, results: Results, truth: Path, lake: Lake, limits: EngineLimits
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine that holds what :func:`evaluate` counts from: ``claims`` and ``golden`` (entity,
    attribute, dataset, gist), ``judged`` (truth_id, entity), ``truth_values`` (truth_id,
    attribute, gist), ``majority`` (entity, attribute, gist).
    """
    with open_sql(limits) as engine:
        _register(engine, subject, results, truth, lake)
        _match(engine)
        yield engine


def attributes(subject: Subject, truth: Path) -> Sequence[str]:
    """The attributes of a subject whose truth is known."""
    columns = pq.read_schema(truth / f"{subject.subject}.parquet").names
    return [name for name in subject.attributes if name in columns]


def _register(
    engine: duckdb.DuckDBPyConnection,
    subject: Subject,
    results: Results,
    truth: Path,
    lake: Lake,
) -> None:
    # Tables of its own: over Arrow streams the engine does not know how many rows it will meet.
    _hold(engine, "links", lake.dataset(results.links), "dataset, record, entity")
    for name, version in (("said", results.claims), ("chosen", results.golden)):
        _hold(engine, name, lake.open(version), "entity, attribute, value, dataset")
    rows = []
    for dataset, version in results.fit.items():
        table = lake.read(version, ["_row", "_record"])
        rows.append(table.append_column("dataset", pa.array([dataset] * len(table), pa.string())))
    _hold(engine, "fit", pa.concat_tables(rows), "dataset, _row, _record")
    records = ds.dataset(truth / "records.parquet")
    _hold(engine, "truth_records", records, "dataset, row, subject, truth_id")
    engine.execute("SET VARIABLE subject = $name", {"name": subject.subject})
    engine.execute(
        """
        CREATE TABLE located AS
        SELECT l.entity, l.dataset, l.record, t.truth_id FROM links l
        JOIN fit f ON f.dataset = l.dataset AND f._record = l.record
        JOIN truth_records t
          ON t.dataset = l.dataset AND t.row = f._row AND t.subject = getvariable('subject')
        """
    )
    wide = pq.read_table(truth / f"{subject.subject}.parquet")
    _hold(engine, "truth_values", _gists(subject, wide), "truth_id, attribute, gist")
    spelt = engine.sql("SELECT DISTINCT attribute, value FROM said").to_arrow_table()
    _hold(engine, "meanings", _meanings(subject, spelt), "attribute, value, gist")
    for name, source in (("claims", "said"), ("golden", "chosen")):
        engine.execute(
            f"CREATE TABLE {name} AS SELECT t.* EXCLUDE (value), m.gist "  # noqa: S608
            f"FROM {source} t JOIN meanings m USING (attribute, value)"
        )


def _hold(engine: duckdb.DuckDBPyConnection, name: str, data: Data, columns: str) -> None:
    view(engine, "incoming", data)
    engine.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM incoming")  # noqa: S608


def _meanings(subject: Subject, spelt: pa.Table) -> pa.Table:
    """Attribute and value → what the value means, however it is spelt."""
    known = {name: elements()[a.element].gist for name, a in subject.attributes.items()}
    pairs = zip(*(spelt.column(i).to_pylist() for i in (0, 1)), strict=True)
    gists = [known[attribute](value) for attribute, value in pairs]
    return spelt.append_column("gist", pa.array(gists, pa.string()))


def _gists(subject: Subject, wide: pa.Table) -> pa.Table:
    """The truth in long form, by what values mean rather than how they are spelt."""
    parts = []
    for name, attribute in subject.attributes.items():
        if name in wide.column_names:
            gist = elements()[attribute.element].gist
            values = [None if v is None else gist(v) for v in wide.column(name).to_pylist()]
            columns = {
                "truth_id": wide.column("truth_id").cast(pa.string()),
                "attribute": pa.array([name] * len(wide), pa.string()),
                "gist": pa.array(values, pa.string()),
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _match(engine: duckdb.DuckDBPyConnection) -> None:
    """Each true thing is judged by the one entity that holds most of its records."""
    engine.execute(
        """
        CREATE TABLE judged AS
        SELECT truth_id, entity FROM (
            SELECT truth_id::VARCHAR AS truth_id, entity, count(*) AS records
            FROM located GROUP BY ALL)
        QUALIFY row_number() OVER (PARTITION BY truth_id ORDER BY records DESC, entity) = 1
        """
    )
    engine.execute(
        """
        CREATE TABLE majority AS
        SELECT entity, attribute, gist FROM (
            SELECT entity, attribute, gist, count(DISTINCT dataset) AS votes
            FROM claims GROUP BY entity, attribute, gist)
        QUALIFY row_number() OVER (
            PARTITION BY entity, attribute ORDER BY votes DESC, md5(gist)) = 1
        """
    )


def _score(engine: duckdb.DuckDBPyConnection, attribute: str) -> Score:
    engine.execute("SET VARIABLE attribute = $name", {"name": attribute})
    engine.execute(
        """
        CREATE OR REPLACE TEMP TABLE known AS
        SELECT entity, gist FROM judged JOIN truth_values USING (truth_id)
        WHERE attribute = getvariable('attribute') AND gist IS NOT NULL
        """
    )
    known, golden, majority = _one(
        engine,
        """
        SELECT count(*),
               count(*) FILTER (g.gist = k.gist) / greatest(count(*), 1),
               count(*) FILTER (v.gist = k.gist) / greatest(count(*), 1)
        FROM known k
        LEFT JOIN golden g ON g.entity = k.entity AND g.attribute = getvariable('attribute')
        LEFT JOIN majority v ON v.entity = k.entity AND v.attribute = getvariable('attribute')
        """,
    )
    best = engine.execute(
        """
        SELECT dataset, count(*) FILTER (c.gist = k.gist) AS hits FROM known k
        JOIN claims c ON c.entity = k.entity AND c.attribute = getvariable('attribute')
        GROUP BY dataset ORDER BY hits DESC, dataset LIMIT 1
        """
    ).fetchone() or ("-", 0)
    return Score(attribute, int(known), golden, best[0], best[1] / max(known, 1), majority)


def _links(engine: duckdb.DuckDBPyConnection) -> LinkScore:
    both, joined, real, entities, truths = _one(
        engine,
        """
        WITH cells AS (SELECT entity, truth_id, count(*) AS n FROM located GROUP BY ALL),
             pairs AS (SELECT sum(n * (n - 1) / 2) AS both_pairs FROM cells),
             joined AS (SELECT sum(n * (n - 1) / 2) AS joined_pairs, count(*) AS entities
                        FROM (SELECT sum(n) AS n FROM cells GROUP BY entity)),
             real AS (SELECT sum(n * (n - 1) / 2) AS real_pairs, count(*) AS truths
                      FROM (SELECT sum(n) AS n FROM cells GROUP BY truth_id))
        SELECT both_pairs, joined_pairs, real_pairs, entities, truths FROM pairs, joined, real
        """,
    )
    precision = both / joined if joined else 1.0
    recall = both / real if real else 1.0
    return LinkScore(precision, recall, int(entities), int(truths))


def _one(engine: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
    row = engine.execute(query).fetchone()
    assert row is not None
    return row
