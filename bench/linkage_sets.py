"""The labelled sets that linking is measured on: people of whom several records are known."""

from __future__ import annotations

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from catalog.contracts import parse
from catalog.standards import elements
from catalog.subjects import Subject
from core.yamlfile import load

CITY = Path(__file__).parent.parent / "examples" / "city"
TITLE = {"zh": "人", "en": "Person"}
FEBRL = {
    "given_name": "person_name", "surname": "person_name", "street_number": "identifier",
    "address_1": "text", "address_2": "text", "suburb": "place_name", "postcode": "identifier",
    "state": "code", "date_of_birth": "date",
}  # fmt: skip
FAKE = {
    "first_name": "person_name", "surname": "person_name", "dob": "date", "city": "place_name",
    "email": "identifier",
}  # fmt: skip
FAMILY = {
    "name": "person_name", "sex": "sex", "birth_date": "date", "mobile": "mobile",
    "address": "address",
}  # fmt: skip
HISTORICAL = {
    "first_name": "person_name", "surname": "person_name", "dob": "date",
    "birth_place": "place_name", "postcode_fake": "identifier", "gender": "sex",
    "occupation": "text",
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Records to link. ``tables``: dataset → fit table; ``truth``: dataset and record → who it is
    about. ``kind`` says which model a user of Splink would write for it.
    """

    kind: str
    subject: Subject
    tables: Mapping[str, pa.Table]
    truth: Mapping[tuple[str, str], object]


def problem(name: str, data: Path) -> Problem | None:
    """The set of that name; None where its files are absent."""
    kind, _, detail = name.partition(" ")
    if kind == "city":
        return city(*map(int, detail.split("/")))
    if kind == "families":
        return families(*map(int, detail.split("/")))
    folder = data / "linkage"
    if kind.startswith("febrl"):
        return febrl(folder / "febrl", kind[5:], keyed=detail == "key")
    file = folder / ("fake_1000.csv" if kind == "fake" else f"{HISTORY}.parquet")
    if not file.is_file():
        return None
    read = pa.csv.read_csv if kind == "fake" else pa.parquet.read_table
    return listed(kind, read(file), FAKE if kind == "fake" else HISTORICAL)


HISTORY = "historical_figures_with_errors_50k"


def people(kind: Mapping[str, str], feeds: Iterable[str], once: bool, key: str = "") -> Subject:
    """A subject of the columns ``kind`` (column → element), all of them fed by every dataset."""
    feeds = tuple(feeds)
    return Subject.model_validate(
        {
            "subject": "person",
            "title": TITLE,
            "attributes": {
                item: {"title": TITLE, "element": code, "key": item == key}
                for item, code in kind.items()
            },
            "feeds": {dataset: {item: item for item in kind} for dataset in feeds},
            "once": feeds if once else (),
        }
    )


def cleaned(table: pa.Table, kind: Mapping[str, str], records: Iterable[str]) -> pa.Table:
    """The fit table of ``table``: every column as its element cleans it."""
    columns = {
        item: elements()[code].clean(table[item].combine_chunks()).values
        for item, code in kind.items()
    }
    return pa.table({"_record": pa.array(list(records), pa.string()), **columns})


def febrl(folder: Path, number: str, keyed: bool) -> Problem | None:
    """A FEBRL set; the fourth is two lists that hold everybody once. ``keyed``: the social
    security number, which has errors of its own, is a key.
    """
    names = [f"{number}a", f"{number}b"] if number == "4" else [number]
    files = {f"febrl.d{name}": folder / f"dataset{name}.csv" for name in names}
    if not all(file.is_file() for file in files.values()):
        return None
    kind = FEBRL | ({"soc_sec_id": "identifier"} if keyed else {})
    tables: dict[str, pa.Table] = {}
    truth: dict[tuple[str, str], object] = {}
    for dataset, file in files.items():
        rows = list(febrl_rows(file))
        table = pa.table({item: pa.array([row[item] for row in rows]) for item in kind})
        records = [row["rec_id"].strip() for row in rows]
        tables[dataset] = cleaned(table, kind, records)
        truth |= {(dataset, record): record.split("-")[1] for record in records}
    subject = people(kind, tables, once=number == "4", key="soc_sec_id" if keyed else "")
    return Problem("febrl", subject, tables, truth)


def febrl_rows(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a FEBRL file, with dates in ISO form."""
    text = io.StringIO(file.read_text("utf-8"))
    for row in csv.DictReader(text, skipinitialspace=True):
        day = row["date_of_birth"].strip()
        yield row | {"date_of_birth": f"{day[:4]}-{day[4:6]}-{day[6:]}"}


def listed(name: str, table: pa.Table, kind: Mapping[str, str]) -> Problem:
    """A set of one list, with the columns ``unique_id`` and ``cluster``."""
    records = [str(value) for value in table["unique_id"].to_pylist()]
    dataset = f"{name}.list"
    truth = zip(((dataset, r) for r in records), table["cluster"].to_pylist(), strict=True)
    fit = cleaned(table, kind, records)
    return Problem(name, people(kind, [dataset], once=False), {dataset: fit}, dict(truth))


def city(residents: int, seed: int, noise: int, keys: int) -> Problem:
    """The residents of the example city; without ``keys`` nobody has a number."""
    sys.path.insert(0, str(CITY))
    import city as truth
    from departments import all_holdings

    rng = np.random.default_rng(seed)
    made = truth.build(CITY / "regions.yaml", residents, rng, float(noise))
    subject = Subject.model_validate(load(CITY / "subjects" / "resident.yaml").data)
    tables: dict[str, pa.Table] = {}
    about: dict[tuple[str, str], object] = {}
    for holding in all_holdings(made, rng):
        if holding.dataset in subject.feeds:
            tables[holding.dataset], who = _held(holding)
            about |= who
    if not keys:
        subject = _without_keys(subject)
    return Problem("city", subject, tables, about)


def families(residents: int, seed: int, noise: int) -> Problem:
    """The city's register beside a list of families on relief: its own number for each family, the
    phone of the one who asked for all of them, half of the days of birth, and nobody's number.
    """
    sys.path.insert(0, str(CITY))
    import city as truth
    from departments import residents as register
    from holdings import believe, write_person

    rng = np.random.default_rng(seed)
    made = truth.build(CITY / "regions.yaml", residents, rng, float(noise))
    listed, about = _held(register(made, rng))
    relieved = rng.random(len(made.ids["household"])) < 0.6
    home = made.people["household"]
    who = rng.permutation(np.flatnonzero(relieved[home] & (rng.random(len(home)) < 0.9)))
    habits = made.habits["civil_affairs.families"]
    cells = write_person(made, believe(made, who, habits, rng), habits, rng)
    days = cells["born"].astype("datetime64[D]").astype(str).astype(object)
    days[rng.random(len(who)) < 0.5] = None
    phones = made.people["mobile"][truth.heads(made)][home[who]]
    columns = {
        "name": cells["name"], "sex": truth.sexes(made.people)[who], "birth_date": days,
        "mobile": phones, "address": cells["address"],
        "case_no": (rng.permutation(len(relieved)) + 10_000)[home[who]].astype(str).astype(object),
    }  # fmt: skip
    table = pa.table({item: pa.array(column, pa.string()) for item, column in columns.items()})
    numbers = {"household_id": "identifier", "case_no": "identifier"}
    records = [f"{row:07d}" for row in range(len(who))]
    truths = about | {
        ("relief.list", record): person
        for record, person in zip(records, made.ids["resident"][who].tolist(), strict=True)
    }
    subject = people(FAMILY | numbers, ["police.residents", "relief.list"], once=True)
    feeds = {
        "police.residents": {item: item for item in (*FAMILY, "household_id")},
        "relief.list": {item: item for item in (*FAMILY, "case_no")},
    }
    tables = {
        "police.residents": listed,
        "relief.list": cleaned(table, FAMILY | {"case_no": "identifier"}, records),
    }
    return Problem("families", subject.model_copy(update={"feeds": feeds}), tables, truths)


def _held(holding: Any) -> tuple[pa.Table, dict[tuple[str, str], object]]:
    contract = parse(load(CITY / "contracts" / f"{holding.dataset}.odcs.yaml"))
    records = [f"{row:07d}" for row in range(holding.rows)]
    table = pa.table(
        {
            item: pa.array([None if x is None else str(x) for x in holding.columns[column]])
            for column, item in contract.columns.items()
        }
    )
    kind = {item.name: item.element for item in contract.items}
    keys = [(holding.dataset, record) for record in records]
    people = holding.about["resident"].tolist()
    return cleaned(table, kind, records), dict(zip(keys, people, strict=True))


def _without_keys(subject: Subject) -> Subject:
    gone = set(subject.keys)
    feeds: dict[str, dict[str, str]] = defaultdict(dict)
    for dataset, items in subject.feeds.items():
        feeds[dataset] = {name: item for name, item in items.items() if name not in gone}
    attributes = {name: a for name, a in subject.attributes.items() if name not in gone}
    return subject.model_copy(update={"attributes": attributes, "feeds": feeds})
