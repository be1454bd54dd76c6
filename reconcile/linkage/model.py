"""The model of likeness, by Splink: how much each agreement says, learned from the data itself.

m (how often records of one entity agree) is learned from the records that share a key; where
there are too few of those, by expectation maximisation. u (how often strangers agree) is learned
from random pairs. Both are drawn towards cautious defaults, the more so the less was seen.
"""

# ruff: noqa: S608 (SQL is built from made-up column names and numbers)
from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.sql import Sql
from reconcile.linkage import learning
from reconcile.linkage.backends import splink_handle
from reconcile.linkage.compared import Attributes, Compared
from reconcile.linkage.derived import derive

Json = dict[str, Any]

POSSIBLE = 0.5
_SEED = 1
_RANDOM_PAIRS = 300_000
_LEARNING_PAIRS = 500_000
_LABELLED_ENTITIES = 5_000
_LABELLED_RECORDS = 10  # of each: somebody with thousands of records is one example, not millions
_LABELLED_PAIRS = 100
_RECALL = 0.7
RELATED = "related"
_CAUTION = {"m_probability": learning.CAUTION, "u_probability": 200.0}


def score(connection: Sql, attributes: Attributes) -> Json:
    """Learns the model and judges by it; the model."""
    model = learn(connection, attributes)
    judge(connection, model)
    return model


def learn(connection: Sql, attributes: Attributes) -> Json:
    """The model of likeness, learned from ``nodes``, ``pairs`` and the records that share a key:
    plain JSON, that can be kept and judged by again.
    """
    logging.getLogger("splink").setLevel(logging.CRITICAL)
    model = _settings(attributes.judged, _prior(connection, attributes))
    _draw(connection)
    strangers, _ = _linker(connection, "drawn", model)
    strangers.training.estimate_u_using_random_sampling(
        _RANDOM_PAIRS, seed=_SEED, min_count_per_level=None, num_chunks=1
    )
    _blend(model, attributes, strangers, "u_probability", _random_pairs(connection, attributes))
    pairs = _label(connection, attributes)
    if max(pairs.values()) >= _LABELLED_PAIRS:
        teacher, _ = _linker(connection, "labelled", model)
        teacher.training.estimate_m_from_label_column("entity")
        _blend(model, attributes, teacher, "m_probability", pairs)
    else:
        _expect(connection, attributes, model)
    _slips(connection, attributes, model)
    return model


def judge(connection: Sql, model: Json, frequencies: Mapping[str, str] | None = None) -> None:
    """Makes the table ``scored`` of the pairs that are at least possible: ``node_l``, ``node_r``,
    ``match_weight`` (log2 of the odds) and per compared attribute ``gamma_<column>``: its level
    counted from 0 (differs), -1 where a value is missing.

    ``frequencies``: column → table of how frequent its values are among all nodes, where ``nodes``
    are only some of them.
    """
    judge, handle = _linker(connection, "nodes", model)
    for column, table in (frequencies or {}).items():
        judge.table_management.register_term_frequency_lookup(handle.register(table), column)
    judge.table_management.register_blocked_pairs_for_predict(handle.register("pairs"))
    found = judge.inference.predict(POSSIBLE, warning_mode="never")
    table = found.physical_name
    weight = f"match_weight - {_relation(model)}" if RELATED in model else "match_weight"
    connection.execute(
        f"""CREATE OR REPLACE TABLE scored AS
        SELECT * FROM (SELECT * REPLACE ({weight} AS match_weight) FROM {table})
        WHERE match_weight >= {math.log2(POSSIBLE / (1 - POSSIBLE))}"""
    )


def _relation(model: Json) -> str:
    """SQL of how much less a pair weighs since it may be of related people, in log2 of the odds."""
    related = model[RELATED]
    others = 1 - related["prior"] - model["probability_two_random_records_match"]
    parts = [repr(math.log2(related["prior"] / max(others, 1e-9)))]
    for comparison, shares in zip(model["comparisons"], related["shares"], strict=True):
        apart = _shares(comparison, "u_probability")
        whens = " ".join(
            f"WHEN {level} THEN {math.log2(max(share, 1e-9) / max(u, 1e-9))!r}"
            for level, (share, u) in enumerate(zip(shares, apart.tolist(), strict=True))
        )
        parts.append(f"CASE gamma_{comparison['output_column_name']} {whens} ELSE 0 END")
    return f"log2(1 + power(2.0, {' + '.join(parts)}))"


def _draw(connection: Sql) -> None:
    """Makes the table ``drawn``: so many nodes, at random, that all their pairs are within
    :data:`_RANDOM_PAIRS`. Engines sample differently; this gives the same nodes on each.
    """
    most = int((1 + (1 + 8 * _RANDOM_PAIRS) ** 0.5) / 2)
    connection.execute(
        f"""CREATE OR REPLACE TABLE drawn AS SELECT * FROM nodes
        ORDER BY md5('{_SEED}|' || node::VARCHAR), node LIMIT {most}"""
    )


def _linker(connection: Sql, table: str, model: Json) -> tuple[Any, Any]:
    """A linker and its database handle; each has its own, since handles cache tables by name."""
    from splink import Linker

    logging.getLogger("splink").setLevel(logging.CRITICAL)
    handle = splink_handle(connection)
    settings = {name: value for name, value in model.items() if name != RELATED}
    linker = Linker(handle.register(table), settings, log_level=None, validate_settings=False)
    return linker, handle


def _settings(compared: tuple[Compared, ...], prior: float) -> Json:
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "node",
        "probability_two_random_records_match": prior,
        "retain_matching_columns": True,
        "max_iterations": 20,
        "em_convergence": 0.001,
        "comparisons": [
            {"output_column_name": a.column, "comparison_levels": _levels(a)} for a in compared
        ],
    }


def _levels(attribute: Compared) -> list[Json]:
    missing = attribute.missing("{}_l", "{}_r")
    levels: list[Json] = [{"sql_condition": missing, "is_null_level": True}]
    for grade in attribute.grades:
        entry: Json = {"sql_condition": attribute.graded(grade, "{}_l", "{}_r")}
        if attribute.comparison.frequency and grade.level.test == "equal" and not grade.rare:
            entry["tf_adjustment_column"] = attribute.derived(grade.level.feature)
        levels.append(entry)
    return [*levels, {"sql_condition": "ELSE"}]


def _defaults(attribute: Compared, parameter: str) -> list[float]:
    """What is assumed of the levels, strongest first and ``differs`` last, before data is seen."""
    between = len(attribute.grades) - 1
    if parameter == "m_probability":
        shares = [0.9, *[0.07 / max(between, 1)] * between]
    elif attribute.telling:
        shares = [attribute.chance, *[0.01] * between]
    else:
        shares = [attribute.chance, *[(1 - attribute.chance) / (between + 2)] * between]
    return [*shares, 1 - sum(shares)]


def _blend(
    model: Json, attributes: Attributes, learner: Any, parameter: str, seen: dict[str, float]
) -> None:
    """Sets one parameter of every level in ``model``: the share learned from ``seen`` pairs
    (column → number), and the default as if it had been seen in as many pairs as we are cautious.
    """
    caution = _CAUTION[parameter]
    learned = learner.misc.save_model_to_json()["comparisons"]
    for attribute, target, source in zip(
        attributes.judged, model["comparisons"], learned, strict=True
    ):
        shares = [level.get(parameter) or 0.0 for level in source["comparison_levels"][1:]]
        pairs = seen.get(attribute.column, 0.0) if any(shares) else 0.0
        defaults = _defaults(attribute, parameter)
        blended = [
            (share * pairs + default * caution) / (pairs + caution)
            for share, default in zip(shares, defaults, strict=True)
        ]
        first = attribute.grades[0].level
        if parameter == "u_probability" and first.test == "equal" and not first.feature:
            # Counted in all records, it is known better than from a sample.
            blended[0] = defaults[0]
        _set(target, parameter, blended)


def _set(comparison: Json, parameter: str, shares: Sequence[float]) -> None:
    """``shares``: of the levels, strongest first and ``differs`` last."""
    for level, share in zip(comparison["comparison_levels"][1:], shares, strict=True):
        level[parameter] = float(share)


def _prior(connection: Sql, attributes: Attributes) -> float:
    """How likely two random nodes are the same. Where there are keys, an unkeyed record may be
    any one of the entities; without keys, what agrees on two telling attributes counts as the same.
    """
    keyed, free = connection.execute(
        "SELECT count(DISTINCT entity) FILTER (keyed), count(*) FILTER (NOT keyed) FROM nodes"
    ).fetchall()[0]
    if keyed:
        return float(1 / (keyed + free))
    agree = " + ".join(
        f"coalesce(l.{a.column} = r.{a.column}, false)::INT"
        for a in attributes.compared
        if a.telling
    )
    same = connection.execute(
        f"""SELECT count(*) FROM pairs JOIN nodes AS l ON join_key_l = l.node
            JOIN nodes AS r ON join_key_r = r.node WHERE {agree} >= 2"""
    ).fetchall()[0][0]
    return float(min(0.1, max(1, same) / _RECALL / max(1.0, free * (free - 1) / 2)))


def _random_pairs(connection: Sql, attributes: Attributes) -> dict[str, float]:
    """Column → in about how many of the random pairs both sides have a value."""
    counts = ", ".join(f"count({column})" for column in attributes.judged_columns)
    total, *filled = connection.execute(f"SELECT count(*), {counts} FROM nodes").fetchall()[0]
    pairs = min(_RANDOM_PAIRS, total * (total - 1) / 2)
    return {
        column: pairs * (count / total) ** 2
        for column, count in zip(attributes.judged_columns, filled, strict=True)
    }


def _label(connection: Sql, attributes: Attributes) -> dict[str, float]:
    """Makes the table ``labelled``: the records of some keyed entities that have several, as
    examples of what is the same; column → how many pairs of them have a value on both sides.
    """
    columns = ", ".join(attributes.judged_columns)
    connection.execute(
        f"""CREATE TABLE examples AS
        SELECT rid AS node, entity, {columns} FROM keyed JOIN records USING (rid)
        SEMI JOIN (
            SELECT entity FROM keyed GROUP BY entity HAVING count(*) > 1
            ORDER BY md5(entity::VARCHAR), entity LIMIT {_LABELLED_ENTITIES}
        ) USING (entity)
        QUALIFY row_number() OVER (
            PARTITION BY entity ORDER BY md5(rid::VARCHAR), rid) <= {_LABELLED_RECORDS}"""
    )
    derive(connection, "examples", "labelled", attributes.judged)
    told = (*attributes.columns, *(others.column for others in attributes.related))
    pairs = ", ".join(f"sum({c} * ({c} - 1) / 2)" for c in told)
    counts = ", ".join(f"count({c}) AS {c}" for c in told)
    found = connection.execute(
        f"SELECT {pairs} FROM (SELECT {counts} FROM examples GROUP BY entity)"
    ).fetchall()[0]
    return {c: float(n or 0) for c, n in zip(told, found, strict=True)}


def _expect(connection: Sql, attributes: Attributes, model: Json) -> None:
    """Learns m and the prior by expectation maximisation over the candidate pairs."""
    for attribute, comparison in zip(attributes.judged, model["comparisons"], strict=True):
        _set(comparison, "m_probability", _defaults(attribute, "m_probability"))
    seen = _seen(connection, attributes, model)
    found = learning.learn(
        seen,
        [_shares(comparison, "u_probability") for comparison in model["comparisons"]],
        [_shares(comparison, "m_probability") for comparison in model["comparisons"]],
        [attribute.telling and attribute.steady for attribute in attributes.judged],
    )
    for comparison, shares in zip(model["comparisons"], found.same.shares, strict=True):
        _set(comparison, "m_probability", [float(share) for share in shares[::-1]])
    model["probability_two_random_records_match"] = found.same.prior
    if found.related is not None:
        model[RELATED] = {
            "prior": found.related.prior,
            "shares": [shares.tolist() for shares in found.related.shares],
        }


def _shares(comparison: Json, parameter: str) -> learning.Floats:
    """The shares of the levels, ``differs`` first."""
    return np.array([level[parameter] for level in comparison["comparison_levels"][:0:-1]])


def _seen(connection: Sql, attributes: Attributes, model: Json) -> learning.Seen:
    """How the candidate pairs agree, from a sample of them that depends on nothing but them."""
    count = connection.execute("SELECT count(*) FROM pairs").fetchall()[0][0]
    each = -(-count // _LEARNING_PAIRS)
    connection.execute(
        f"""CREATE OR REPLACE TABLE sampled AS SELECT * FROM pairs
        WHERE {each} = 1 OR md5(join_key_l || '|' || join_key_r) < '{(1 << 32) // each:08x}'"""
    )
    viewer, handle = _linker(connection, "nodes", model)
    viewer.table_management.register_blocked_pairs_for_predict(handle.register("sampled"))
    found = viewer.inference.predict(warning_mode="never")
    gammas = ", ".join(f"gamma_{column}" for column in attributes.judged_columns)
    rows = connection.execute(
        f"SELECT {gammas}, count(*) FROM {found.physical_name} GROUP BY {gammas} ORDER BY {gammas}"
    ).fetchall()
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(attributes.judged) + 1)
    pairs = connection.execute(
        """SELECT coalesce(sum(CASE WHEN NOT keyed THEN n END), 0),
            coalesce(sum(CASE WHEN keyed THEN n END), 0),
            coalesce(sum(CASE WHEN NOT keyed AND mask <> 0 THEN n * (n - 1) / 2 END), 0)
        FROM (SELECT keyed, mask, count(DISTINCT entity) AS n FROM nodes GROUP BY keyed, mask)"""
    ).fetchall()[0]
    free, keyed, excluded = map(float, pairs)
    total = free * (free - 1) / 2 - excluded + free * keyed
    share = float(table[:, -1].sum()) / max(count, 1)
    return learning.Seen(table[:, :-1], table[:, -1] / max(share, 1e-9), total)


def _slips(connection: Sql, attributes: Attributes, model: Json) -> None:
    """Sets how often one person's keys agree: measured in records that agree on the two
    attributes that say most, less the strangers among them.
    """
    telling = sorted((a.chance, a.column) for a in attributes.compared if a.telling)[:2]
    comparisons = model["comparisons"][len(attributes.compared) :]
    for number, comparison in zip(attributes.numbers, comparisons, strict=False):
        equal, pairs = _agreeing(connection, number.column, telling)
        assumed = _defaults(number, "m_probability")
        caution = _CAUTION["m_probability"]
        same = (equal + assumed[0] * caution) / (pairs + caution)
        scale = (1 - same) / max(1 - assumed[0], 1e-9)
        _set(comparison, "m_probability", [same, *[share * scale for share in assumed[1:]]])


def _agreeing(connection: Sql, key: str, telling: list[tuple[float, str]]) -> tuple[float, float]:
    """Of the pairs of records that have a key and agree on two attributes and are no strangers:
    how many have the same key, and how many there are.
    """
    if len(telling) < 2:
        return 0.0, 0.0
    (one, first), (other, second) = telling
    pairs, equal, records = connection.execute(
        f"""SELECT coalesce(sum(n * (n - 1) / 2), 0), coalesce(sum(same), 0), (
            SELECT count(*) FROM records
            WHERE {key} IS NOT NULL AND {first} IS NOT NULL AND {second} IS NOT NULL)
        FROM (
            SELECT sum(n) AS n, sum(n * (n - 1) / 2) AS same FROM (
                SELECT {first}, {second}, count(*) AS n FROM records
                WHERE {key} IS NOT NULL AND {first} IS NOT NULL AND {second} IS NOT NULL
                GROUP BY {first}, {second}, {key}
            ) GROUP BY {first}, {second})"""
    ).fetchall()[0]
    strangers = float(records) * (float(records) - 1) / 2 * one * other
    return float(equal), max(float(equal), float(pairs) - strangers)
