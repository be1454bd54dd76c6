"""Sets of one's own, from CSV files in UTF-8 with a heading: claims and what is true, or records
and who they are about. What a column or an attribute holds is told by its data element
(docs/elements.md); it is cleaned as the hub cleans it.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bench.linkage_sets import Problem, cleaned, people
from bench.peers import Answer
from catalog.standards import elements
from catalog.subjects import Subject
from reconcile.fusion.details import finest
from reconcile.fusion.gather import CLAIM

TITLE = {"zh": "物", "en": "Thing"}
PLAIN = "text"
NOTHING: Mapping[str, str] = {}
_VALUE = "value"
"""The attribute where a file has no column for it."""

Row = dict[str, str]
Place = tuple[str, str, str]  # thing, attribute, source


class Unusable(Exception):
    """A file or an option cannot be used, in words."""


@dataclass(frozen=True)
class Claims:
    """``rows``: as :func:`reconcile.fusion.gather.claims` gives them. ``said``: attribute → thing →
    source → gist. ``true``: attribute → thing → gist, of what is claimed.
    """

    subject: Subject
    rows: pa.Table
    said: Mapping[str, dict[str, dict[str, str]]]
    true: Mapping[str, Answer]


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


def claims(said: Path, true: Path, kind: Mapping[str, str]) -> tuple[Claims, Counter[str]]:
    """What sources claim, and what is true; and what of the files was left out, and why.

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
    latest: dict[Place, tuple[str, str]] = {}
    for row in _understood(_rows(said, ("thing", "source", "value")), kind, left_out):
        place = (row["thing"], row["attribute"], row["source"])
        if place in latest:
            left_out["another claim of the source about the same"] += 1
        if place not in latest or row["day"] >= latest[place][0]:
            latest[place] = (row["day"], row["value"])
    if not latest:
        raise Unusable(f"{said}: no claim is left")
    unread: Counter[str] = Counter()
    known = {
        (row["thing"], row["attribute"]): row["value"]
        for row in _understood(_rows(true, ("thing", "value")), kind, unread)
    }
    left_out.update({f"in the truth: {why}": count for why, count in unread.items()})
    found = put_together(latest, known, kind)
    if not any(found.true.values()):
        raise Unusable(f"{true} knows nothing of what is claimed")
    return found, left_out


def put_together(
    said: Mapping[Place, tuple[str, str]],
    true: Mapping[tuple[str, str], str],
    kind: Mapping[str, str],
) -> Claims:
    """Claims as fusion reads them.

    Args:
        said: thing, attribute and source → the day (empty where it is not told) and the value.
        true: thing and attribute → the value.
    """
    subject = about(sorted({attribute for _, attribute, _ in said}), kind)
    gist = {name: elements()[a.element].gist for name, a in subject.attributes.items()}
    names = {source: f"source.s{n}" for n, source in enumerate(sorted({s for *_, s in said}))}
    plain: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for (thing, attribute, source), (_, value) in said.items():
        plain[attribute][thing][names[source]] = gist[attribute](value)
    more = {
        (thing, attribute): finest(
            elements()[subject.attributes[attribute].element], set(claimed.values())
        )
        for attribute, things in plain.items()
        for thing, claimed in things.items()
    }
    rows = []
    for (thing, attribute, source), (day, value) in said.items():
        own = plain[attribute][thing][names[source]]
        raised = more[thing, attribute].get(own, own)
        rows.append((thing, attribute, value, raised, names[source], thing, day or None))
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    answers: dict[str, Answer] = {attribute: {} for attribute in plain}
    for (thing, attribute), value in true.items():
        if thing in plain.get(attribute, ()):
            answers[attribute][thing] = gist[attribute](value)
    return Claims(subject, pa.table(columns, list(CLAIM)), plain, answers)


def _understood(
    rows: Sequence[Row], kind: Mapping[str, str], left_out: Counter[str]
) -> Iterable[Row]:
    """Rows that say something, with attribute and day, and the value as its element cleans it."""
    by_attribute: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["thing"] and row.get("source", "-"):
            by_attribute[row.get("attribute") or _VALUE].append(row)
        else:
            left_out["no thing or no source"] += 1
    days = elements()["date"]
    for attribute, mine in by_attribute.items():
        element = elements()[kind.get(attribute, PLAIN)]
        values = element.clean(pa.array([row["value"] or None for row in mine], pa.string()))
        told = days.clean(pa.array([row.get("day") or None for row in mine], pa.string()))
        pairs = zip(values.values.to_pylist(), told.values.to_pylist(), strict=True)
        for row, (value, day) in zip(mine, pairs, strict=True):
            if value is None:
                left_out["not a value" if row["value"] else "empty"] += 1
            elif day is None and row.get("day"):
                left_out["not a day"] += 1
            else:
                yield row | {"attribute": attribute, "value": value, "day": day or ""}


def about(attributes: Collection[str], kind: Mapping[str, str] = NOTHING) -> Subject:
    """A subject of attributes, whose elements ``kind`` tells; plain text without it."""
    told = {a: {"title": TITLE, "element": kind.get(a, PLAIN)} for a in attributes}
    return Subject.model_validate(
        {"subject": "thing", "title": TITLE, "attributes": told, "feeds": {}}
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
    subject = people(told.kind, tables, told.once, told.key).model_copy(update={"feeds": feeds})
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
