"""Quality as pages to read: by department, table and item, with scores over time, rules and what
became of them. Static HTML without scripts; counts and rules only, never a value of a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from catalog.contracts import Contract
from core.errors import BadInput
from core.messages import LANGUAGES, message, say
from hub.app import Hub
from hub.operator import operator_entry
from hub.pipeline.states import DatasetState
from hub.quality.manifests import Held, held
from hub.quality.scoring import Score, latest, of_dataset, of_department
from hub.quality.wording import Wording
from reconcile.counts import TABLE
from reconcile.scores import DIMENSIONS

_WIDTH, _HEIGHT = 120, 24
_MOST_POINTS = 60


@dataclass(frozen=True)
class Written:
    """What was written."""

    pages: int
    release: int


def write(hub: Hub, to: Path) -> Written:
    """Writes the pages of the current release into a folder, which is made if need be; audited.

    Raises:
        BadInput: the folder cannot be written to.
    """
    found = held(hub)
    pages = dict(_pages(hub, found))
    entry = operator_entry("quality_docs", "quality", {"pages": len(pages)}, release=found.number)
    hub.audit.append([entry])
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name, content in pages.items():
            part = to / f"{name}.part"
            part.write_text(content, "utf-8")
            part.replace(to / name)
    except OSError as error:
        raise BadInput(
            field="--to", rule=message("rule_not_written_because", file=to, cause=error.strerror)
        ) from error
    return Written(len(pages), found.number)


def _pages(hub: Hub, found: Held) -> Iterator[tuple[str, str]]:
    environment = _environment()
    departments = []
    with hub.engine.connect() as connection:
        tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for dataset in sorted(found.datasets):
            contract, state = found.of(dataset)
            history = _until(found.number, of_dataset(connection, dataset))
            table = _table(contract, state, history)
            tables[contract.department].append(table)
            page = environment.get_template("table.html")
            yield f"{dataset}.html", page.render(table=table, release=found.number)
        for name, department in found.workspace.departments.items():
            if name in tables:
                history = _until(found.number, of_department(connection, name))
                departments.append(
                    {"id": name, "title": department.title, "tables": tables[name],
                     "scores": _cells(history)}
                )  # fmt: skip
    index = environment.get_template("index.html")
    yield (
        "index.html",
        index.render(departments=departments, release=found.number, as_of=found.as_of),
    )


def _until(release: int, scores: Iterable[Score]) -> list[Score]:
    return [each for each in scores if each.release <= release]


def _table(contract: Contract, state: DatasetState, history: Sequence[Score]) -> dict[str, Any]:
    by_item: dict[str, list[Score]] = defaultdict(list)
    for each in history:
        by_item[each.item].append(each)
    wordings = [Wording(contract, language) for language in LANGUAGES]
    return {
        "contract": contract,
        "state": state,
        "scores": _cells(by_item[TABLE]),
        "items": [{"item": item, "scores": _cells(by_item[item.name])} for item in contract.items],
        "rules": [
            {
                "words": [wording.rule(rule.item, rule.rule) for wording in wordings],
                "outcome": rule,
                "why": rule.why and [say(rule.why, language) for language in LANGUAGES],
            }
            for rule in state.rules
        ],
        "reasons": _counted(state.reasons, wordings),
        "warnings": _counted(state.warnings, wordings),
    }


def _counted(counts: Mapping[str, int], wordings: Sequence[Wording]) -> list[dict[str, Any]]:
    found = []
    for name, rows in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        item, dot, rule = name.rpartition(".")
        words = [wording.rule(item if dot else None, rule) for wording in wordings]
        found.append({"words": words, "rows": rows})
    return found


def _cells(history: Sequence[Score]) -> list[dict[str, Any]]:
    """One per dimension: the last score, and a line of all."""
    last = latest(history)
    cells = []
    for dimension in DIMENSIONS:
        values = [each.scores[dimension] for each in history if dimension in each.scores]
        now = last[0].scores.get(dimension) if last else None
        cells.append({"dimension": dimension, "score": now, "points": _points(values)})
    return cells


def _points(values: Sequence[float]) -> str:
    """The points of a line through some scores, from 0 at the bottom to 1 at the top."""
    shown = values[-_MOST_POINTS:]
    if len(shown) < 2:
        return ""
    step = _WIDTH / (len(shown) - 1)
    return " ".join(
        f"{place * step:.1f},{(1 - value) * (_HEIGHT - 4) + 2:.1f}"
        for place, value in enumerate(shown)
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("hub.quality"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "width": _WIDTH,
        "height": _HEIGHT,
        "dimensions": [
            [say(f"quality_{name}", language) for language in LANGUAGES] for name in DIMENSIONS
        ],
        "severities": {
            name: [say(f"quality_severity_{name}", language) for language in LANGUAGES]
            for name in ("reject", "warn", "stop")
        },
    }
    return made
