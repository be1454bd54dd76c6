"""A run over what changed: it is compared with everything, and all else stays as it was.

New, changed and vanished records are told by the rows that came and went. With them go all that
share a key with them, before or now (the *ring*): there, keys are joined again. What stands in
the ring is compared with all nodes; and clusters are settled again in whatever hangs together
with it by edges, old or new (the *scope*), since certainty depends on rivals there and nowhere
else. The work grows with the change, but for a few passes over what is kept.
"""

# ruff: noqa: S608 (SQL is built from made-up column names and numbers)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import duckdb
import pyarrow as pa

from catalog.subjects import Subject
from reconcile.linkage import edges, keys, model, near, nodes, records, related, state
from reconcile.linkage.compared import Attributes
from reconcile.linkage.found import Found, decide
from reconcile.linkage.records import quoted_name, quoted_text
from reconcile.linkage.state import Learned

MOST = 0.1
"""A run is over everything where more than this share of the records changed since the last such
run, or has to be joined again.
"""
_ANYWAY = 100
_HOPS = 8


def find(
    connection: duckdb.DuckDBPyConnection,
    subject: Subject,
    tables: tuple[Mapping[str, str], Mapping[str, str]],
    kept: Learned,
    salt: str,
) -> Found | None:
    """Makes what :func:`whole.find` makes, where only what changed is found anew; None where it
    should be over everything.

    Args:
        tables: dataset → the name of its fit table; and of the rows that went and came (``_was``),
            where there are any.
    """
    fit, changes = tables
    drift = kept.drift + _changes(connection, subject, fit, changes)
    most = max(MOST * kept.records, _ANYWAY)
    if drift > most:
        return None
    attributes = kept.of(_fresh(connection, subject, fit))
    state.lay_usual(connection, attributes)
    if not _ring(connection, attributes, most):
        return None
    _join(connection, attributes)
    if not _compare(connection, subject, attributes, kept):
        return None
    _scope(connection, attributes)
    _before(connection)
    decide(connection, salt, attributes, _edges(connection), kept.least)
    keep = _merge(connection, attributes, kept)
    return Found(replace(kept, drift=drift), keep, whole=False)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _changes(
    connection: duckdb.DuckDBPyConnection,
    subject: Subject,
    fit: Mapping[str, str],
    changes: Mapping[str, str],
) -> int:
    """Makes the tables ``changed`` (``dataset, record, beside``) of new and changed records and
    ``gone`` (``rid``); how many there are. ``beside``: nothing of its own has changed, but who
    stands beside it; those do not count.
    """
    differing = ["SELECT NULL::VARCHAR AS dataset, NULL::VARCHAR AS record WHERE false"]
    standing = list(differing)
    for dataset, rows in changes.items():
        items = subject.feeds[dataset]
        present = connection.table(rows).columns
        told = [n for n in (*sorted(set(items.values())), "_as_of", "_flaws") if n in present]
        here = f"{quoted_text(dataset)}, _record"
        said = f"SELECT {here}, {', '.join(map(quoted_name, told))} FROM {rows}"
        said = f"{said} WHERE ({records.anything(items)}) AND"
        for one, other in (("_was", "NOT _was"), ("NOT _was", "_was")):
            differing.append(f"SELECT {here} FROM ({said} {one} EXCEPT ALL {said} {other})")
        standing.append(
            f"""SELECT {here} FROM {fit[dataset]} SEMI JOIN {rows} USING (_record)
            WHERE {records.anything(items)}"""
        )
    connection.execute(f"CREATE TABLE differing AS {' UNION '.join(differing)}")
    connection.execute(
        f"""CREATE TABLE changed AS SELECT dataset, record, false AS beside
        FROM differing SEMI JOIN ({" UNION ALL ".join(standing)}) USING (dataset, record)"""
    )
    connection.execute(
        """CREATE TABLE gone AS SELECT rid FROM kept_records
        SEMI JOIN (FROM differing ANTI JOIN changed USING (dataset, record)) USING (dataset, record)"""
    )
    if records.columns(subject).related:
        related.renew(connection, subject, fit, changes)
        connection.execute(
            """INSERT INTO changed SELECT dataset, record, true
            FROM kept_records AS kept SEMI JOIN beside USING (dataset, record)
                LEFT JOIN related AS now USING (dataset, record)
                ANTI JOIN changed USING (dataset, record)
            WHERE kept.related IS DISTINCT FROM now.related"""
        )
    return _count(connection, "changed WHERE NOT beside") + _count(connection, "gone")


def _fresh(
    connection: duckdb.DuckDBPyConnection, subject: Subject, fit: Mapping[str, str]
) -> Attributes:
    """Makes the tables ``fresh`` (the changed records as they are now, under the number they had
    or a new one), ``old`` (as they were kept) and ``moved`` (``rid``: those that are compared
    differently).
    """
    tables = {}
    for dataset, name in fit.items():
        tables[dataset] = f"{name}_changed"
        connection.execute(
            f"""CREATE VIEW {name}_changed AS FROM {name} SEMI JOIN (
                SELECT record FROM changed WHERE dataset = {quoted_text(dataset)}
            ) ON _record = record"""
        )
    attributes = records.load(connection, subject, tables)
    loaded = state.record_columns(attributes)[1:]
    columns = ", ".join(f"records.{c}" for c in loaded)
    connection.execute(
        "CREATE TABLE old AS FROM kept_records SEMI JOIN changed USING (dataset, record)"
    )
    connection.execute(
        f"""CREATE TABLE fresh AS SELECT {columns}, old.rid IS NULL AS new,
            coalesce(old.rid, row_number() OVER (PARTITION BY old.rid IS NULL ORDER BY records.rid)
                + (SELECT coalesce(max(rid), -1) FROM kept_records)) AS rid
        FROM records LEFT JOIN old USING (dataset, record)"""
    )
    differs = " OR ".join(f"fresh.{c} IS DISTINCT FROM old.{c}" for c in loaded[2:]) or "false"
    connection.execute(
        f"""CREATE TABLE moved AS
        SELECT rid FROM fresh LEFT JOIN old USING (rid) WHERE new OR {differs}"""
    )
    connection.execute("DROP TABLE records")
    return attributes


def _ring(connection: duckdb.DuckDBPyConnection, attributes: Attributes, most: float) -> bool:
    """Makes the table ``ring`` (``rid``): the kept records that changed in what is compared or
    are gone, and all that share a key with those, with moved ones, or with each other; False where
    that is too much.
    """
    connection.execute(
        "CREATE TABLE ring AS FROM gone UNION SELECT rid FROM moved WHERE rid IN (SELECT rid FROM kept_records)"
    )
    before = -1
    for _ in range(_HOPS):
        size = _count(connection, "ring")
        if size == before or not attributes.keys:
            return True
        if size > most:
            return False
        before = size
        for key in attributes.keys.values():
            connection.execute(
                f"""INSERT INTO ring SELECT rid FROM kept_records SEMI JOIN (
                    SELECT {key} FROM kept_records SEMI JOIN ring USING (rid)
                    UNION SELECT {key} FROM fresh SEMI JOIN moved USING (rid)
                ) USING ({key}) ANTI JOIN ring USING (rid)"""
            )
    return False


def _join(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> None:
    """Joins the records of the ring by keys again: ``records, keyed, strangers`` are those of the
    ring; ``stale`` (``side``) is what stood there before, ``renewed`` (``side``) what does now.
    """
    columns = ", ".join(state.record_columns(attributes))
    connection.execute(
        f"""CREATE TABLE records AS
        SELECT {columns} FROM kept_records SEMI JOIN ring USING (rid) ANTI JOIN gone USING (rid)
            ANTI JOIN moved USING (rid)
        UNION ALL SELECT {columns} FROM fresh SEMI JOIN moved USING (rid)"""
    )
    keys.join(connection, attributes)
    keys.split_strangers(connection, attributes)
    connection.execute(
        """CREATE TABLE stale AS SELECT DISTINCT coalesce(keyed_entity, -1 - rid) AS side
        FROM kept_records SEMI JOIN ring USING (rid)"""
    )
    connection.execute(
        """CREATE TABLE renewed AS SELECT DISTINCT coalesce(entity, -1 - rid) AS side
        FROM records LEFT JOIN keyed USING (rid)"""
    )


def _compare(
    connection: duckdb.DuckDBPyConnection, subject: Subject, attributes: Attributes, kept: Learned
) -> bool:
    """Makes the table ``edges`` of all edges that hold, and ``rows_of_nodes`` of all nodes; False
    where a model is missing that had nothing to learn from before.
    """
    connection.execute(
        """CREATE TABLE edges AS FROM kept_edges ANTI JOIN stale ON l = side
        ANTI JOIN stale AS others ON r = others.side"""
    )
    if kept.model is None:
        comparable = subject.linkage and any(a.telling for a in attributes.compared)
        return not (comparable and _count(connection, "records"))
    if _count(connection, "records"):
        nodes.make(connection, attributes, subject.once)
        columns = ", ".join(state.node_columns(attributes, kept))
        connection.execute(f"CREATE TABLE renewed_nodes AS SELECT {columns} FROM nodes")
    else:
        connection.execute("CREATE TABLE renewed_nodes AS FROM kept_nodes WHERE false")
    connection.execute(
        "CREATE VIEW standing_nodes AS FROM kept_nodes ANTI JOIN stale ON entity = side"
    )
    shown = ", ".join(near.columns(attributes, kept.frequencies))
    connection.execute(f"CREATE TABLE other_nodes AS SELECT {shown} FROM standing_nodes")
    if _count(connection, "records") and near.block(connection, attributes):
        model.judge(connection, kept.model, near.frequencies(connection, kept.frequencies))
        connection.register("new_edges", edges.weighed(connection, attributes))
        connection.execute("INSERT INTO edges FROM new_edges")
    return True


def _scope(connection: duckdb.DuckDBPyConnection, attributes: Attributes) -> None:
    """Widens ``records`` and ``keyed`` to the scope; ``open_keys`` are the doubts by key of those
    that came by it.
    """
    connection.execute(
        """CREATE TABLE ties AS SELECT l, r FROM kept_edges UNION ALL SELECT l, r FROM edges
        UNION ALL SELECT -1 - rid, side FROM kept_doubts WHERE method = 'key'"""
    )
    connection.execute("CREATE TABLE reached AS FROM stale UNION FROM renewed")
    connection.execute("CREATE TABLE front AS FROM reached")
    while _count(connection, "front"):
        connection.execute(
            """CREATE OR REPLACE TABLE front AS
            SELECT side FROM (
                SELECT r AS side FROM ties SEMI JOIN front ON l = side
                UNION SELECT l FROM ties SEMI JOIN front ON r = side
            ) ANTI JOIN reached USING (side)"""
        )
        connection.execute("INSERT INTO reached FROM front")
    connection.execute(
        """CREATE TABLE drawn_in AS SELECT rid, keyed_entity, key FROM kept_records
        SEMI JOIN reached ON coalesce(keyed_entity, -1 - rid) = side ANTI JOIN ring USING (rid)"""
    )
    columns = ", ".join(state.record_columns(attributes))
    connection.execute(
        f"INSERT INTO records SELECT {columns} FROM kept_records SEMI JOIN drawn_in USING (rid)"
    )
    connection.execute(
        """INSERT INTO keyed SELECT rid, keyed_entity, key FROM drawn_in
        WHERE keyed_entity IS NOT NULL"""
    )
    connection.execute(
        """CREATE TABLE open_keys AS SELECT rid, side, method, score, explanation
        FROM kept_doubts SEMI JOIN drawn_in USING (rid) WHERE method = 'key'"""
    )


def _before(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the tables of before, of the scope alone, and ``stays`` (``rid``): what is not in it."""
    connection.execute("""CREATE TABLE left_out AS SELECT rid FROM records UNION FROM gone""")
    connection.execute("CREATE VIEW stays AS FROM kept_records ANTI JOIN left_out USING (rid)")
    connection.execute(
        """CREATE TABLE found_before AS
        SELECT rid, dataset, record, entity, method, score, explanation
        FROM kept_records SEMI JOIN left_out USING (rid)"""
    )
    connection.execute("CREATE VIEW known AS SELECT dataset, record, entity FROM found_before")
    connection.execute("CREATE VIEW held AS SELECT entity FROM stays")
    connection.execute("CREATE VIEW ruled_before AS FROM kept_ruled")
    connection.execute("CREATE VIEW open_before AS FROM kept_open")


def _edges(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The edges of the scope, heaviest first."""
    rows = connection.sql(
        """SELECT l, lm, r, rm, weight, explanation FROM edges SEMI JOIN reached ON l = side
        ORDER BY weight DESC, l DESC, r DESC"""
    )
    return rows.to_arrow_table()


def _merge(
    connection: duckdb.DuckDBPyConnection, attributes: Attributes, kept: Learned
) -> dict[str, str]:
    """Makes ``everywhere`` and ``doubts``, of what stays and of what was found; what to keep."""
    link = "dataset, record, entity, method, score, explanation"
    connection.execute(
        f"CREATE VIEW everywhere AS SELECT {link} FROM stays UNION ALL SELECT {link} FROM found"
    )
    connection.execute(
        """CREATE TABLE doubts AS FROM kept_doubts ANTI JOIN left_out USING (rid)
        UNION ALL BY NAME FROM doubts_found"""
    )
    columns = ", ".join(state.record_columns(attributes))
    found = "keyed_entity, key, entity, method, score, explanation"
    connection.execute(
        """CREATE TABLE left_since AS SELECT rid FROM kept_records_left UNION FROM left_out"""
    )
    keep = {
        "records_left": "FROM left_since",
        "records_new": f"""SELECT {columns}, {found} FROM kept_records_new
                ANTI JOIN left_out USING (rid)
            UNION ALL {state.records(attributes)}""",
        "edges": "FROM edges",
    }
    if kept.model is not None:
        keep["nodes_left"] = """SELECT entity FROM kept_nodes_left
            UNION SELECT side FROM stale"""
        keep["nodes_new"] = """FROM kept_nodes_new ANTI JOIN stale ON entity = side
            UNION ALL BY NAME FROM renewed_nodes"""
    return keep
