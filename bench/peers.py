"""What fusion is put beside: majority, the best single source, TruthFinder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Table = Mapping[str, Mapping[str, str]]  # entity → dataset → gist
Answer = dict[str, str]  # entity → gist


def majority(table: Table) -> Answer:
    """The value most sources claim; of equals the first."""
    return {entity: _vote(claims, lambda _: 1.0) for entity, claims in table.items()}


def best_source(table: Table, truth: Answer) -> Answer:
    """What the most accurate source says, found with the truth at hand; elsewhere majority."""
    right: dict[str, list[int]] = {}
    for entity, claims in table.items():
        for dataset, gist in claims.items():
            if entity in truth:
                right.setdefault(dataset, []).append(gist == truth[entity])
    enough = max(map(len, right.values())) * 0.3
    scores = {d: sum(r) / len(r) for d, r in right.items() if len(r) >= enough}
    best = max(sorted(scores), key=scores.__getitem__)
    return {e: table[e].get(best, gist) for e, gist in majority(table).items()}


def truth_finder(table: Table) -> Answer:
    """TruthFinder (Yin, Han and Yu, 2008) without similarity of values."""
    facts = sorted({(e, gist) for e, claims in table.items() for gist in claims.values()})
    sources = sorted({dataset for claims in table.values() for dataset in claims})
    fact_code = {fact: i for i, fact in enumerate(facts)}
    source_code = {source: i for i, source in enumerate(sources)}
    rows = [(fact_code[e, g], source_code[d]) for e, c in table.items() for d, g in c.items()]
    fact, source = np.array(rows, dtype=np.intp).T
    trust = np.full(len(sources), 0.9)
    for _ in range(20):
        score = np.bincount(fact, -np.log(1 - np.minimum(trust, 1 - 1e-9))[source], len(facts))
        confidence = 1 / (1 + np.exp(-0.3 * score))
        claims = np.bincount(source, minlength=len(sources))
        trust = np.bincount(source, confidence[fact], len(sources)) / claims
    weight = dict(zip(facts, score.tolist(), strict=True))
    return {e: max(sorted(set(c.values())), key=lambda g: weight[e, g]) for e, c in table.items()}


def _vote(claims: Mapping[str, str], weight: Callable[[str], float]) -> str:
    score: dict[str, float] = {}
    for dataset, gist in claims.items():
        score[gist] = score.get(gist, 0.0) + weight(dataset)
    return max(sorted(score), key=score.__getitem__)
