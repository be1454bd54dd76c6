"""What fusion makes of a sample city whose truth is known, attribute by attribute.

The golden values are those of a whole run: linked, gated and fused as in the field. Entities that
stand for several true things count once for each, as in ``hub demo``.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.machine import Spent, spent
from bench.pipeline import generate, run
from catalog.subjects import Subject
from core.lake import Lake
from core.sql import EngineLimits
from hub.app import Hub, open_hub
from hub.evaluation import Results, attributes, beside_truth
from hub.pipeline.workflow import Report
from hub.settings import Settings

Claims = dict[str, dict[str, str]]  # thing → dataset → gist
Found = dict[str, tuple[str, float]]  # thing → golden gist and confidence


@dataclass(frozen=True)
class Attribute:
    """What is claimed, true and golden of one attribute. A thing is an entity beside one truth."""

    name: str
    claims: Claims
    truth: dict[str, str]
    found: Found


@contextmanager
def published(residents: int, seed: int, noise: float) -> Iterator[tuple[Hub, Path, Report, Spent]]:
    """A hub that has published a sample city once; where the truth is; what that took."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        data, home = Path(folder) / "data", Path(folder) / "home"
        with open_hub(Settings(home=home, database_url=None, lake_url=None)) as hub:
            generate(hub, data, residents, seed, noise)
            with spent() as took:
                report, _ = run(hub, data)
            yield hub, data / "truth", report, took


def subjects(hub: Hub, truth: Path, report: Report) -> Iterator[tuple[str, list[Attribute]]]:
    """Every subject whose truth is known, with its attributes."""
    registered = hub.workspace().subjects
    for name, state in report.subjects.items():
        if (truth / f"{name}.parquet").exists():
            subject = registered[name]
            fit = {d: s.fit for d, s in report.datasets.items() if d in subject.feeds}
            results = Results(fit, state.links, state.claims, state.golden)
            yield name, known(subject, results, truth, hub.lake, hub.settings.limits)


def known(
    subject: Subject, results: Results, truth: Path, lake: Lake, limits: EngineLimits
) -> list[Attribute]:
    """The attributes of which any truth is known."""
    sure = lake.read(results.golden, ["entity", "attribute", "confidence"])
    with beside_truth(subject, results, truth, lake, limits) as engine:
        engine.register("sure", sure)
        found = [_attribute(engine, name) for name in attributes(subject, truth)]
    return [attribute for attribute in found if attribute.truth]


def _attribute(engine: duckdb.DuckDBPyConnection, name: str) -> Attribute:
    engine.execute(
        """CREATE OR REPLACE TEMP TABLE things AS
        SELECT entity, entity || ' ' || truth_id AS thing, gist
        FROM judged JOIN truth_values USING (truth_id)
        WHERE attribute = $name AND gist IS NOT NULL ORDER BY thing""",
        {"name": name},
    )
    claims: Claims = defaultdict(dict)
    said = """SELECT t.thing, c.dataset, c.gist FROM things t JOIN claims c USING (entity)
        WHERE c.attribute = $name ORDER BY ALL"""
    for thing, dataset, gist in engine.execute(said, {"name": name}).fetchall():
        claims[thing][dataset] = gist
    golden = """SELECT t.thing, g.gist, s.confidence FROM things t JOIN golden g USING (entity)
        JOIN sure s USING (entity, attribute) WHERE g.attribute = $name"""
    found = {
        thing: (gist, float(confidence or 0))
        for thing, gist, confidence in engine.execute(golden, {"name": name}).fetchall()
    }
    truth = dict(engine.sql("SELECT thing, gist FROM things").fetchall())
    return Attribute(name, dict(claims), truth, found)
