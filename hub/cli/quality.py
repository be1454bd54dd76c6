"""``hub quality``: scores over time, rows to send back, pages to read, verdicts come to again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from core.errors import BadInput, NotFound
from core.messages import message
from hub.app import Hub
from hub.cli.calling import MOST
from hub.cli.output import err, headings, language, opened, out, table, tell
from hub.operator import operator_entry
from hub.quality import pages
from hub.quality.reproduction import reproduce as come_again
from hub.quality.rows import give_back
from hub.quality.scoring import Score, latest, of_dataset, of_department
from reconcile.scores import DIMENSIONS

Dataset = Annotated[str, typer.Argument(help="The dataset, such as police.residents.")]
ReleaseNumber = Annotated[
    int | None, typer.Option(min=1, max=MOST, help="Of this release, not the current one.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="How good departments' tables are.")
    group.command(
        epilog="Examples: `hub quality scores --dataset police.residents`; "
        "`hub quality scores --department police --history`"
    )(scores)
    group.command(
        epilog="Examples: `hub quality rows police.residents --to rows.csv`; "
        "`hub quality rows housing.dwellings --to outbox --language zh`"
    )(rows)
    group.command(epilog="Example: `hub quality docs --to quality-pages`")(docs)
    group.command(epilog="Example: `hub quality reproduce police.residents --release 3`")(reproduce)
    app.add_typer(group, name="quality")


def scores(
    dataset: Annotated[str | None, typer.Option(help="Of this dataset, item by item.")] = None,
    department: Annotated[str | None, typer.Option(help="Of this department as a whole.")] = None,
    history: Annotated[bool, typer.Option(help="Of every release, not only the last.")] = False,
) -> None:
    """Show scores from 0 to 1 in five dimensions. The reading is audited."""
    if (dataset is None) == (department is None):
        raise BadInput(field="--dataset", rule=message("rule_dataset_or_department"))
    with opened() as hub, hub.engine.connect() as connection:
        name = dataset or department or ""
        about = f"dataset/{name}" if dataset else f"department/{name}"
        found = of_dataset(connection, name) if dataset else of_department(connection, name)
        if not found and name not in _registered(hub, of_departments=dataset is None):
            raise NotFound(kind="dataset" if dataset else "department", name=name)
        hub.audit.append([operator_entry("quality_scores", about, {"scores": len(found)})])
    _print(name, found if history else latest(found))


def rows(
    dataset: Dataset,
    to: Annotated[
        Path,
        typer.Option(
            help="File to write (.csv, .xlsx, .jsonl, .parquet), or a folder: then in the source's form."
        ),
    ],
    release: ReleaseNumber = None,
    words: Annotated[
        Literal["zh", "en"] | None, typer.Option("--language", help="Language of the reasons.")
    ] = None,
) -> None:
    """Write quarantined rows as the department knows them, with the reasons, to send back.

    The columns, their order and the texts are the source's own. The export is audited first.
    """
    with opened() as hub:
        found = give_back(hub, dataset, to, release, words or language())
    out.print(tell("quality_rows_written", rows=found.rows, release=found.release, file=found.file))


def docs(
    to: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")],
) -> None:
    """Write pages about the quality of every table. They hold counts and rules, no values."""
    with opened() as hub:
        found = pages.write(hub, to)
    told = tell("quality_docs_written", pages=found.pages, release=found.release, folder=to)
    out.print(told)


def reproduce(dataset: Dataset, release: ReleaseNumber = None) -> None:
    """Gate what landed for a release again, under the contract of then, and compare.

    Ends with 1 if the verdict is another one.
    """
    with opened() as hub:
        found = come_again(hub, dataset, release)
    table(
        dataset,
        ["", *headings("then", "now")],
        [
            *([name, then, now] for name, then, now in found.counts),
            ["suite", found.then.suite[:16], found.now.suite[:16]],
            ["fit rows", found.then.fit[:16], found.now.fit[:16]],
            ["quarantined rows", found.then.quarantine[:16], found.now.quarantine[:16]],
            ["library", found.then.library, found.now.library],
        ],
    )
    if found.same:
        out.print(tell("quality_reproduced", dataset=dataset, release=found.release))
        return
    err.print(tell("quality_differs", dataset=dataset, release=found.release, why=found.why))
    raise typer.Exit(1)


def _registered(hub: Hub, of_departments: bool) -> set[str]:
    contracts = hub.workspace().contracts
    return {each.department if of_departments else name for name, each in contracts.items()}


def _print(name: str, found: list[Score]) -> None:
    table(
        tell("quality_scores_title", name=name),
        headings("release", "item", "rows", *DIMENSIONS),
        (
            [str(each.release), each.item, each.rows,
             *("-" if cell is None else f"{cell:.4f}" for cell in each.cells())]
            for each in found
        ),
    )  # fmt: skip
