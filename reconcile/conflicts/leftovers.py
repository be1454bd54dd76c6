"""What a repair that has ended would still put right, by what its source says now."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from catalog.standards import elements
from catalog.subjects import Subject
from core.lake import Stored
from core.sql import FEW, open_sql
from reconcile.conflicts.effects import Repair
from reconcile.rulings import columns

_TOLD = pa.schema([("value", pa.string()), ("reread", pa.string()), ("sure", pa.bool_())])


def left(subject: Subject, claims: pa.Table | Stored, repair: Repair) -> int:
    """How many claims a repair would still put right, where none has read them.

    A code that it reads as another, and no code as it, is out of use: that is wrong whatever others
    say. All else may have come right – a day whose day and month could be swapped is a day like
    others, and to be ignored is whatever is said –, so that it counts if no other dataset bears it
    out and one bears out what the repair makes of it or, ignored, says anything in its place.

    Args:
        claims: ``entity, attribute, value, gist, dataset`` and more.
    """
    if repair.attribute not in subject.attributes:
        return 0
    about, own = pc.field("attribute") == repair.attribute, pc.field("dataset") == repair.dataset
    mine = columns(claims, ("entity", "value", "gist"), about & own)
    told = _told(subject, mine, repair)
    mine = mine.filter(pc.is_in(mine.column("value"), value_set=told.column("value")))
    near = pc.field("entity").isin(mine.column("entity").unique())
    with open_sql(FEW) as engine:
        engine.register("mine", mine)
        engine.register("told", told)
        engine.register("others", columns(claims, ("entity", "gist"), about & ~own & near))
        [(count,)] = engine.execute(
            """
            SELECT count(*) FROM mine m JOIN told t ON t.value = m.value
            WHERE t.sure OR (
                EXISTS (
                    FROM others o
                    WHERE o.entity = m.entity AND (t.reread IS NULL OR o.gist = t.reread)
                )
                AND NOT EXISTS (FROM others o WHERE o.entity = m.entity AND o.gist = m.gist)
            )
            """
        ).fetchall()
    return int(count)


def _told(subject: Subject, mine: pa.Table, repair: Repair) -> pa.Table:
    """The values that are read otherwise: the gist of what they become, None where they are not
    read, and whether they are wrong for ``sure``.
    """
    element = elements()[subject.attributes[repair.attribute].element]
    made = set(repair.repair.get("mapping", {}).values())
    rows = []
    for value in mine.column("value").unique().to_pylist():
        reread = repair.read(value)
        if reread != value:
            gist = None if reread is None else element.gist(reread)
            sure = repair.repair["kind"] == "recode" and value not in made
            rows.append({"value": value, "reread": gist, "sure": sure})
    return pa.Table.from_pylist(rows, _TOLD)
