"""Rulings of stewards over what keys and model found.

``same`` joins the entities of two records; the id of the second one's stays. ``never`` parts two
records: the first leaves every entity that it has in common with the second, and the records
joined to it by ``same`` go with it. Where one ruling parts several records from an entity, they
leave it together. Of rulings that contradict each other the latest counts.

What comes out depends on what was found, then and before, and on the rulings in force, and on
nothing else: a ruling that is taken back leaves no trace.
"""

# ruff: noqa: S608 (SQL is built from constants)
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

Record = tuple[str, str]  # dataset, record
Moves = dict[str, tuple[str, int]]  # entity → the entity it is joined to, by which ruling
Leavers = dict[Record, tuple[str, int]]  # record → the entity it goes to, by which ruling


@dataclass(frozen=True, slots=True)
class Ruling:
    """Two records that are the same, or never the same."""

    number: int
    same: bool
    first: Record
    second: Record


@dataclass(frozen=True)
class Past:
    """What ids were found before: of records the last one that nobody has now (``former``), and of
    entities those of them to which their id was given first (``founders``).
    """

    former: Mapping[Record, str] = field(default_factory=dict)
    founders: Mapping[str, frozenset[Record]] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """What rulings change of what was found. ``parted``: records and entities of which no match
    is possible.
    """

    moves: Moves = field(default_factory=dict)
    leavers: Leavers = field(default_factory=dict)
    parted: set[tuple[Record, str]] = field(default_factory=set)


class _Sets:
    """Disjoint sets."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def root(self, one: Hashable) -> Hashable:
        """What stands for the set of ``one``."""
        while (above := self._parent.get(one, one)) != one:
            self._parent[one] = self._parent.get(above, above)
            one = above
        return one

    def join(self, one: Hashable, other: Hashable) -> bool:
        """Makes one set of two; False where they are one already. ``one`` stands for it."""
        left, right = self.root(one), self.root(other)
        if left != right:
            self._parent[right] = left
        return left != right


def settle(
    rulings: Iterable[Ruling], home: Mapping[Record, str], salt: str, past: Past = Past()
) -> Settled:
    """What ``rulings`` change, where ``home`` is the entity in which each record that they name
    was found. Rulings about other records do nothing.
    """
    known = [r for r in rulings if r.first in home and r.second in home and r.first != r.second]
    accepted, groups = _consistent(sorted(known, key=lambda ruling: -ruling.number))
    if not accepted:
        return Settled()
    cut = _cut(accepted, groups, home)
    placed = _Sets()
    attached = {record: home[record] for record in home if record not in cut}
    for record, entity in attached.items():
        placed.join(entity, record)
    used = [r for r in accepted if r.same and placed.join(r.first, r.second)]
    _leave_together(cut, home, accepted, placed, set(attached.values()))
    target = _targets(used, attached, placed)
    _keep_own(target, cut, home, placed, past)
    _name_apart(target, cut, placed, past.former, salt)
    by = {home[record]: number for record, number in cut.items()} | _reasons(used, attached)
    moves: Moves = {}
    for entity in sorted(set(attached.values())):
        where = target[placed.root(entity)]
        if where != entity:
            moves[entity] = (where, by[entity])
    leavers = {record: (target[placed.root(record)], number) for record, number in cut.items()}
    served = {
        record: target[placed.root(record)] for record in home if placed.root(record) in target
    }
    return Settled(moves, leavers, _parted(accepted, groups, served))


def _consistent(latest_first: Sequence[Ruling]) -> tuple[list[Ruling], _Sets]:
    """The rulings that hold, earliest first, and the groups of records that they make one."""
    groups = _Sets()
    apart: dict[Hashable, set[Hashable]] = defaultdict(set)
    accepted = []
    for ruling in latest_first:
        one, other = groups.root(ruling.first), groups.root(ruling.second)
        if ruling.same:
            if other in apart[one]:
                continue
            if groups.join(one, other):
                for third in apart.pop(other, set()):
                    apart[one].add(third)
                    apart[third] = (apart[third] - {other}) | {one}
        elif one == other:
            continue
        else:
            apart[one].add(other)
            apart[other].add(one)
        accepted.append(ruling)
    return accepted[::-1], groups


def _cut(
    accepted: Sequence[Ruling], groups: _Sets, home: Mapping[Record, str]
) -> dict[Record, int]:
    """The records that leave the entity they were found in, and the ruling by which."""
    named = {record for ruling in accepted for record in (ruling.first, ruling.second)}
    of_group: dict[Hashable, set[Record]] = defaultdict(set)
    of_entity: dict[str, set[Record]] = defaultdict(set)
    for record in sorted(named):
        of_group[groups.root(record)].add(record)
        of_entity[home[record]].add(record)
    cut: dict[Record, int] = {}
    for ruling in accepted:
        if ruling.same:
            continue
        leaving = of_group[groups.root(ruling.first)]
        reached = _reach(
            of_group[groups.root(ruling.second)], leaving, groups, of_group, of_entity, home
        )
        for record in sorted(leaving):
            if home[record] in reached and record in of_entity[home[record]]:
                cut[record] = ruling.number
                of_entity[home[record]].discard(record)
    return cut


def _reach(
    start: set[Record],
    without: set[Record],
    groups: _Sets,
    of_group: Mapping[Hashable, set[Record]],
    of_entity: Mapping[str, set[Record]],
    home: Mapping[Record, str],
) -> set[str]:
    """The entities that hang together with the records of ``start``, but not by ``without``."""
    reached: set[str] = set()
    todo = list(start)
    seen = set(todo) | without
    while todo:
        record = todo.pop()
        entity = home[record]
        near = set(of_group[groups.root(record)])
        if record in of_entity[entity]:
            reached.add(entity)
            near |= of_entity[entity]
        todo += near - seen
        seen |= near
    return reached


def _leave_together(
    cut: Mapping[Record, int],
    home: Mapping[Record, str],
    accepted: Sequence[Ruling],
    placed: _Sets,
    entities: set[str],
) -> None:
    """Joins what leaves one entity by one ruling, where no ruling parts it and it does not come to
    two entities.
    """
    leaving: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record, number in sorted(cut.items()):
        leaving[home[record], number].append(record)
    nevers = [ruling for ruling in accepted if not ruling.same]
    for first, *others in leaving.values():
        for other in others:
            pair = {placed.root(first), placed.root(other)}
            parted = any({placed.root(r.first), placed.root(r.second)} == pair for r in nevers)
            if not parted and not pair <= {placed.root(entity) for entity in entities}:
                placed.join(first, other)


def _targets(
    used: Sequence[Ruling], attached: Mapping[Record, str], placed: _Sets
) -> dict[Hashable, str]:
    """The id of each set that has an entity: that of the second record's in its earliest ruling."""
    target: dict[Hashable, str] = {}
    for side in ("second", "first"):
        for ruling in used:
            if (entity := attached.get(getattr(ruling, side))) is not None:
                target.setdefault(placed.root(entity), entity)
    for entity in sorted(set(attached.values())):
        target.setdefault(placed.root(entity), entity)
    return target


def _keep_own(
    target: dict[Hashable, str],
    cut: Mapping[Record, int],
    home: Mapping[Record, str],
    placed: _Sets,
    past: Past,
) -> None:
    """Lets those that leave an entity keep its id, where it was theirs first and of nobody that
    stays, and those that stay have one of their own to go back to: of two that were never one and
    now share a key, each stays who it is.
    """
    for entity in sorted({home[record] for record in cut}):
        founders = past.founders.get(entity, frozenset())
        leaving = {record for record in cut if home[record] == entity}
        gone, stays = {placed.root(r) for r in leaving & founders}, placed.root(entity)
        if not founders <= leaving or len(gone) != 1 or target.get(stays) != entity:
            continue
        [their] = gone
        for record in sorted(past.former.keys() - cut.keys()):
            free = past.former[record] not in target.values()
            if home[record] == entity and free and their not in target:
                target[stays], target[their] = past.former[record], entity


def _name_apart(
    target: dict[Hashable, str],
    cut: Mapping[Record, int],
    placed: _Sets,
    former: Mapping[Record, str],
    salt: str,
) -> None:
    """Adds the ids of records that left all entities: a former one of theirs, else one made from
    the smallest of them.
    """
    given = set(target.values())
    for record in sorted(cut, key="|".join):
        entity = former.get(record)
        if entity is not None and entity not in given and placed.root(record) not in target:
            target[placed.root(record)] = entity
            given.add(entity)
    for record in sorted(cut, key="|".join):
        text = f"{salt}{'|'.join(record)}#apart"
        target.setdefault(placed.root(record), hashlib.sha256(text.encode()).hexdigest()[:20])


def _reasons(used: Sequence[Ruling], attached: Mapping[Record, str]) -> dict[str, int]:
    """Entity → the latest ruling that joined it to another."""
    return {
        attached[record]: ruling.number
        for ruling in used
        for record in (ruling.first, ruling.second)
        if record in attached
    }


def _parted(
    accepted: Sequence[Ruling], groups: _Sets, served: Mapping[Record, str]
) -> set[tuple[Record, str]]:
    members: dict[Hashable, list[Record]] = defaultdict(list)
    for record in served:
        members[groups.root(record)].append(record)
    return {
        (record, served[there])
        for ruling in accepted
        if not ruling.same
        for here, there in ((ruling.first, ruling.second), (ruling.second, ruling.first))
        for record in members[groups.root(here)]
    }


def apply(connection: duckdb.DuckDBPyConnection, salt: str, rulings: pa.Table | None) -> None:
    """Makes of ``found`` the tables ``ruled`` (columns of links: the records whose entity a
    ruling decides) and ``moved`` (``entity, target``), and of ``doubts`` the table ``open_now``:
    those that no ruling settles.
    """
    said, home = _read(connection, rulings)
    settled = settle(said, home, salt, _past(connection) if home else Past())
    _give(connection, "moved", ("entity", "target", "number"), _rows(settled.moves))
    _give(connection, "leavers", ("dataset", "record", "target", "number"), _rows(settled.leavers))
    parted = [(*record, entity) for record, entity in sorted(settled.parted)]
    _give(connection, "parted", ("dataset", "record", "entity"), parted)
    why = "'{\"ruling\": ' || number || '}'"
    connection.execute(
        f"""CREATE OR REPLACE TABLE ruled AS
        SELECT dataset, record, target AS entity, 'steward' AS method, 1.0::DOUBLE AS score,
            {why} AS explanation
        FROM (
            SELECT dataset, record, target, number FROM everywhere JOIN moved USING (entity)
                ANTI JOIN leavers USING (dataset, record)
            UNION ALL SELECT dataset, record, target, number FROM leavers)"""
    )
    connection.execute(
        """CREATE OR REPLACE TABLE open_now AS
        SELECT dataset, record, entity, method, max(score) AS score,
            arg_max(explanation, (score, explanation)) AS explanation
        FROM (
            SELECT d.dataset, d.record, coalesce(m.target, d.entity) AS entity, d.method, d.score,
                d.explanation, coalesce(l.target, h.target, d.home) AS home
            FROM doubts AS d LEFT JOIN moved AS m ON d.entity = m.entity
                LEFT JOIN moved AS h ON d.home = h.entity
                LEFT JOIN leavers AS l ON d.dataset = l.dataset AND d.record = l.record
        ) ANTI JOIN parted USING (dataset, record, entity)
        WHERE entity <> home GROUP BY dataset, record, entity, method"""
    )


def _rows(
    decided: Mapping[str, tuple[str, int]] | Mapping[Record, tuple[str, int]],
) -> list[tuple[object, ...]]:
    return [
        (*((key,) if isinstance(key, str) else key), target, number)
        for key, (target, number) in decided.items()
    ]


def _read(
    connection: duckdb.DuckDBPyConnection, rulings: pa.Table | None
) -> tuple[list[Ruling], dict[Record, str]]:
    """The rulings about links, and where the records that they name were found."""
    if rulings is None:
        return [], {}
    about = rulings.filter(pc.is_in(rulings.column("kind"), pa.array(["same", "never"])))
    if not about.num_rows:
        return [], {}
    read = [
        Ruling(
            row["number"],
            row["kind"] == "same",
            (row["dataset"], row["record"]),
            (row["other_dataset"], row["other_record"]),
        )
        for row in about.to_pylist()
    ]
    named = sorted({record for ruling in read for record in (ruling.first, ruling.second)}, key=str)
    _give(connection, "named_records", ("dataset", "record"), named)
    homes = connection.execute(
        """SELECT dataset, record, entity FROM everywhere
        SEMI JOIN named_records USING (dataset, record)"""
    ).fetchall()
    return read, {(dataset, record): entity for dataset, record, entity in homes}


def _past(connection: duckdb.DuckDBPyConnection) -> Past:
    """What ``given`` (:func:`reconcile.linkage.identity.name`) knows of the records that rulings
    name.
    """
    former = connection.execute(
        """SELECT dataset, record, arg_max(entity, (step, entity)) FROM given
        SEMI JOIN named_records USING (dataset, record) ANTI JOIN everywhere USING (entity)
        GROUP BY dataset, record"""
    ).fetchall()
    founders = connection.execute(
        """WITH homes AS (
            SELECT DISTINCT entity FROM everywhere SEMI JOIN named_records USING (dataset, record)
        ), ours AS (FROM given SEMI JOIN homes USING (entity))
        SELECT DISTINCT entity, dataset, record FROM ours
        JOIN (SELECT entity, min(step) AS step FROM ours GROUP BY entity) USING (entity, step)
        SEMI JOIN everywhere USING (dataset, record, entity)"""
    ).fetchall()
    first: dict[str, set[Record]] = defaultdict(set)
    for entity, *record in founders:
        first[entity].add((record[0], record[1]))
    return Past(
        {(dataset, record): entity for dataset, record, entity in former},
        {entity: frozenset(records) for entity, records in first.items()},
    )


def _give(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    names: Sequence[str],
    rows: Sequence[tuple[object, ...]],
) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    content = pa.table(
        {
            name: pa.array(column, pa.int64() if name == "number" else pa.string())
            for name, column in zip(names, columns, strict=True)
        }
    )
    connection.register(f"given_{table}", content)
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM given_{table}")
    connection.unregister(f"given_{table}")
