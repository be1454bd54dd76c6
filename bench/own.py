"""Sets of one's own, from CSV files in UTF-8 with a heading: claims and what is true, or records
and who they are about. What a column or an attribute holds is told by its data element
(docs/elements.md); it is cleaned as the hub cleans it.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bench.linkage_sets import Problem, cleaned
from bench.peers import Answer
from catalog.standards import elements
from catalog.subjects import Subject
from reconcile.fusion.gather import CLAIM

TITLE = {"zh": "物", "en": "Thing"}
PLAIN = "text"
_VALUE = "value"
"""The attribute where a file has no column for it."""

Row = dict[str, str]


class Unusable(Exception):
    """A file or an option cannot be used, in words."""


@dataclass
class Claims:
    """``rows``: as :func:`reconcile.fusion.gather.claims` gives them. ``left_out``: why → rows of
    the file that claim nothing. ``true``: attribute → thing → gist, of what is claimed.
    """

    subject: Subject
    rows: pa.Table
    true: Mapping[str, Answer]
    left_out: Counter[str] = field(default_factory=Counter)

    def table(self, attribute: str) -> dict[str, dict[str, str]]:
        """Thing → source → gist."""
        said: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self.rows.to_pylist():
            if row["attribute"] == attribute:
                said[row["entity"]][row["dataset"]] = row["gist"]
        return dict(said)


def kinds(told: Iterable[str]) -> dict[str, str]:
    """``NAME=ELEMENT`` → name to element.

    Raises:
        Unusable: something else, or no such element.
    """
    found = {}
    for text in told:
        name, equals, element = text.partition("=")
        if not (name and equals and element in elements()):
            raise Unusable(f"{text!r} is not NAME=ELEMENT; elements: {', '.join(elements())}")
        found[name] = element
    return found


def claims(said: Path, true: Path, kind: Mapping[str, str]) -> Claims:
    """What sources claim, and what is true.

    Args:
        said: ``thing, source, value``, and where there are such ``attribute`` and ``day`` (since
            when the source says so). Of several claims of a source about the same the latest
            counts, then the last.
        true: ``thing, value``, and ``attribute`` where there is such.
        kind: attribute → element; text where it is not told.

    Raises:
        Unusable: a file cannot be read, lacks a column, or nothing of it is left.
    """
    left_out: Counter[str] = Counter()
    latest: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for row in _understood(_rows(said, ("thing", "source", "value")), kind, left_out):
        place, told = (row["thing"], row["attribute"], row["source"]), row.get("day") or ""
        if place in latest:
            left_out["another claim of the source about the same"] += 1
        if place not in latest or told >= latest[place][0]:
            latest[place] = (told, row["value"], row["gist"])
    if not latest:
        raise Unusable(f"{said}: no claim is left")
    names = {source: f"source.s{n}" for n, source in enumerate(sorted({s for *_, s in latest}))}
    content = [
        (thing, attribute, value, gist, names[source], thing, day or None)
        for (thing, attribute, source), (day, value, gist) in latest.items()
    ]
    columns = zip(*content, strict=True)
    rows = pa.table([pa.array(column, pa.string()) for column in columns], list(CLAIM))
    known: dict[str, Answer] = defaultdict(dict)
    for row in _understood(_rows(true, ("thing", "value")), kind, Counter()):
        known[row["attribute"]][row["thing"]] = row["gist"]
    about = set(zip(*(rows.column(c).to_pylist() for c in ("attribute", "entity")), strict=True))
    claimed = sorted({attribute for attribute, _ in about})
    answers = {a: {t: g for t, g in known[a].items() if (a, t) in about} for a in claimed}
    if not any(answers.values()):
        raise Unusable(f"{true} knows nothing of what is claimed")
    return Claims(_subject(claimed, kind), rows, answers, left_out)


def _understood(
    rows: Sequence[Row], kind: Mapping[str, str], left_out: Counter[str]
) -> Iterable[Row]:
    """Rows that say something, with the value as its element cleans it, and its gist."""
    by_attribute: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_attribute[row.get("attribute") or _VALUE].append(row)
    days = elements()["date"]
    for attribute, mine in by_attribute.items():
        element = elements()[kind.get(attribute, PLAIN)]
        values = element.clean(pa.array([row["value"] or None for row in mine], pa.string()))
        told = days.clean(pa.array([row.get("day") or None for row in mine], pa.string()))
        pairs = zip(values.values.to_pylist(), told.values.to_pylist(), strict=True)
        for row, (value, day) in zip(mine, pairs, strict=True):
            if value is None:
                left_out["not a value" if row["value"] else "empty"] += 1
            else:
                gist = element.gist(value)
                made = {"attribute": attribute, "value": value, "gist": gist, "day": day or ""}
                yield row | made


def _subject(attributes: Collection[str], kind: Mapping[str, str]) -> Subject:
    about = {a: {"title": TITLE, "element": kind.get(a, PLAIN)} for a in attributes}
    return Subject.model_validate(
        {"subject": "thing", "title": TITLE, "attributes": about, "feeds": {}}
    )


@dataclass(frozen=True)
class Listed:
    """How lists of records are to be read: column → element; the columns that tell ``who`` a
    record is about, its name (``record``; the row's number where there is none), and the ``key``.
    ``once``: whether each list holds everybody once.
    """

    kind: Mapping[str, str]
    who: str
    record: str | None = None
    key: str = ""
    once: bool = False


def records(files: Sequence[Path], told: Listed) -> Problem:
    """Lists of records, each a dataset of its own; a list feeds the columns that it has.

    Raises:
        Unusable: a file cannot be read, lacks a column, or a column is in none of the files.
    """
    needed = (told.who, *([told.record] if told.record else []))
    tables: dict[str, pa.Table] = {}
    feeds: dict[str, dict[str, str]] = {}
    truth: dict[tuple[str, str], object] = {}
    for number, file in enumerate(files):
        rows, dataset = _rows(file, needed), f"list.l{number}"
        has = {column: element for column, element in told.kind.items() if column in rows[0]}
        names = [row[told.record] if told.record else str(n) for n, row in enumerate(rows)]
        if len(set(names)) < len(names):
            raise Unusable(f"{file}: {told.record} does not tell rows apart")
        content = {c: pa.array([row[c] or None for row in rows], pa.string()) for c in has}
        tables[dataset] = cleaned(pa.table(content), has, names)
        feeds[dataset] = {column: column for column in has}
        truth |= {
            (dataset, name): row[told.who]
            for name, row in zip(names, rows, strict=True)
            if row[told.who]
        }
    fed = {column for items in feeds.values() for column in items}
    if absent := [column for column in (*told.kind, told.key) if column and column not in fed]:
        raise Unusable(f"no list has {', '.join(absent)}, or its element is not told")
    about = {
        column: {"title": TITLE, "element": element, "key": column == told.key}
        for column, element in told.kind.items()
    }
    subject = Subject.model_validate(
        {"subject": "thing", "title": TITLE, "attributes": about, "feeds": feeds,
         "once": tuple(tables) if told.once else ()}
    )  # fmt: skip
    return Problem("own", subject, tables, truth)


def _rows(file: Path, needed: Sequence[str]) -> list[Row]:
    """The rows of a CSV file, which has all columns ``needed``; cells that a short row lacks are
    empty.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source, restval="", restkey="")
            rows = list(reader)
            columns = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unusable(f"{file} cannot be read: {type(error).__name__}") from error
    if absent := [column for column in needed if column not in columns]:
        raise Unusable(f"{file} lacks {', '.join(absent)}; it has {', '.join(columns)}")
    if not rows:
        raise Unusable(f"{file} has no rows")
    return rows
