"""What commands have in common: the two consoles, tables, and open hubs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, JustifyMethod
from rich.table import Table

from core.messages import say
from hub.app import Hub, open_hub
from hub.settings import read_settings

# Values may look like markup; nothing printed is.
out = Console(highlight=False, soft_wrap=True, markup=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
if not out.is_terminal:
    # In a file or a pipe there is no edge that a table would have to fit in.
    out.width = 200


@contextmanager
def opened(upgrade: bool = False) -> Iterator[Hub]:
    """The hub of this process's settings."""
    with open_hub(read_settings(), upgrade=upgrade) as hub:
        yield hub


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table; numbers stand to the right."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    materialised = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) for row in materialised)
        # Text that is cut off would be text that is hidden.
        side: JustifyMethod = "right" if numeric and materialised else "left"
        shown.add_column(column, justify=side, overflow="fold")
    for row in materialised:
        shown.add_row(*(_cell(value) for value in row))
    out.print(shown)
    out.print()


def headings(*names: str) -> list[str]:
    """The headings of columns in the language of this process."""
    return [tell(heading(name)) for name in names]


def heading(name: str) -> str:
    """The code of the heading of a column."""
    return "column_" + re.sub("[^a-z0-9]+", "_", name.replace("%", "percent"))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def tell(code: str, **fields: object) -> str:
    """A text of the catalogue in the language of this process."""
    return say(code, read_settings().language, **fields)


def language() -> str:
    """The language of this process: ``zh`` or ``en``."""
    return read_settings().language
