"""Values that tell less of the same: an address without its room is no other address.

Where sources say ``长安路8号`` and ``长安路8号3栋501室`` of one entity, the former supports the latter.
Where others tell more in ways that differ, what tells less stands by itself: it bears out neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from catalog.standards.base import Element
from core.engine import keep


def has_details(element: Element) -> bool:
    """Whether values of an element may tell more or less of the same."""
    return type(element).tells is not Element.tells


def tells_less(element: Element, gist: str, other: str) -> bool:
    """Whether a gist tells less of the same than another."""
    own = element.tells(gist)
    return gist != other and bool(own) and own[0] in element.tells(other)[1:]


def steps(element: Element, gists: Collection[str]) -> Iterator[tuple[str, str]]:
    """Of some gists, each that tells less with each that tells more."""
    if len(gists) < 2 or not has_details(element):
        return
    known = defaultdict(list)
    told = {gist: element.tells(gist) for gist in gists}
    for gist, (own, *_) in told.items():
        known[own].append(gist)
    for gist, (_, *less) in told.items():
        for part in less:
            yield from ((other, gist) for other in known.get(part, ()) if other != gist)


def finest(element: Element, gists: Collection[str]) -> dict[str, str]:
    """What is said of one thing: each gist that tells less → the one that tells most, if there is
    but one such.
    """
    more: dict[str, set[str]] = defaultdict(set)
    for less, gist in steps(element, gists):
        more[less].add(gist)
    ends = {less: found - more.keys() for less, found in more.items()}
    return {less: next(iter(found)) for less, found in ends.items() if len(found) == 1}


def raised(engine: BaseBackend, rows: ir.Table, key: Sequence[str], known: pa.Table) -> ir.Table:
    """Claims whose gist is, of what tells more, the one that tells most: as :func:`finest`, for
    each ``key``.

    Args:
        rows: ``gist``, the columns of ``key``, and more.
        known: ``gist`` and ``more`` (:func:`steps`), and such columns of ``key`` as matter.
    """
    if not known.num_rows:
        return rows
    rows = keep(engine, rows)
    about = [name for name in key if name in known.column_names]
    said = rows.select(*key, "gist").distinct()
    found = said.inner_join(ibis.memtable(known), [*about, "gist"]).select(*key, "gist", "more")
    found = keep(engine, found.semi_join(said.rename(more="gist"), [*key, "more"]))
    ends = found.anti_join(found.select(*key, more="gist"), [*key, "more"])
    only = ends.group_by([*key, "gist"]).agg(most=ends.more.min(), ways=ends.more.nunique())
    told = rows.left_join(only.filter(only.ways == 1).drop("ways"), [*key, "gist"])
    return told.mutate(gist=ibis.coalesce(told.most, told.gist)).select(*rows.columns)
