from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    over,
    root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(bytes([number % 256, number // 256])) for number in range(600)]
quick = settings(max_examples=50, deadline=None, derandomize=True)
sizes = st.integers(1, len(LEAVES))


def defined(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8 % len(value)] ^= 1 << bit % 8
    return bytes(changed)


@quick
@given(st.integers(0, len(LEAVES)))
def test_root_is_the_recursive_definition(size: int) -> None:
    assert root(LEAVES[:size]) == defined(LEAVES[:size])


@quick
@given(st.integers(0, len(LEAVES)), st.integers(0, len(LEAVES)))
def test_a_frontier_can_be_put_down_and_taken_up_again(one: int, other: int) -> None:
    first, size = sorted((one, other))
    before = Frontier()
    for leaf in LEAVES[:first]:
        before.append(leaf)
    after = Frontier(before.size, list(before.hashes))
    for leaf in LEAVES[first:size]:
        after.append(leaf)
    assert after.root() == defined(LEAVES[:size])
    assert len(after.hashes) == size.bit_count()


@quick
@given(st.lists(st.integers(0, 1_000), max_size=6))
def test_many_leaves_at_once_grow_the_tree_as_one_by_one_would(parts: list[int]) -> None:
    leaves = LEAVES * 11
    at_once, one_by_one = Frontier(), Frontier()
    for part in parts:
        start = at_once.size
        at_once.extend(leaves[start : start + part])
        for leaf in leaves[start : start + part]:
            one_by_one.append(leaf)
        assert at_once == one_by_one, "size, roots and tiles alike"


def test_tiles_are_the_complete_subtrees_of_256_leaves() -> None:
    frontier = Frontier()
    for leaf in LEAVES:
        frontier.append(leaf)
    assert frontier.tiles == [
        (8, position, defined(LEAVES[position * 256 : position * 256 + 256]))
        for position in range(2)
    ]


@quick
@given(sizes, st.data())
def test_every_inclusion_proof_holds_and_no_mutation_of_it(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, over(LEAVES[:size]))
    top = defined(LEAVES[:size])
    assert verify_inclusion(LEAVES[index], index, size, proof, top)

    bit = data.draw(st.integers(0, 255))
    assert not verify_inclusion(flipped(LEAVES[index], bit), index, size, proof, top)
    assert not verify_inclusion(LEAVES[index], index, size, proof, flipped(top, bit))
    assert not verify_inclusion(LEAVES[index], index, size, [*proof, top], top)
    assert not verify_inclusion(LEAVES[index], index, size, [top, *proof], top)
    other = data.draw(st.integers(-2, size + 2).filter(lambda number: number != index))
    assert not verify_inclusion(LEAVES[index], other, size, proof, top)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
        assert not verify_inclusion(LEAVES[index], index, size, bent, top)
        assert not verify_inclusion(LEAVES[index], index, size, proof[1:], top)
        assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], top)


@quick
@given(sizes, st.data())
def test_every_consistency_proof_holds_and_no_mutation_of_it(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, over(LEAVES[:new]))
    old_root, new_root = defined(LEAVES[:old]), defined(LEAVES[:new])
    assert verify_consistency(old, new, proof, old_root, new_root)

    bit = data.draw(st.integers(0, 255))
    assert not verify_consistency(old, new, proof, flipped(old_root, bit), new_root)
    assert not verify_consistency(old, new, proof, old_root, flipped(new_root, bit))
    assert not verify_consistency(old, new, [*proof, new_root], old_root, new_root)
    assert not verify_consistency(0, new, proof, old_root, new_root)
    assert not verify_consistency(0, new, [], old_root, new_root)
    if old < new:
        assert not verify_consistency(new, old, proof, new_root, old_root)
        assert not verify_consistency(old, new, [], old_root, new_root)
        place = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
        assert not verify_consistency(old, new, bent, old_root, new_root)
        assert not verify_consistency(old, new, proof[:-1], old_root, new_root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(index, size, over(LEAVES))


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5)])
def test_no_proof_from_nothing_or_backwards(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="consistency"):
        consistency_proof(old, new, over(LEAVES))


def vectors(shared_data: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    folder = shared_data / "conformance" / "merkle" / kind
    files = sorted(folder.rglob("*.json"))
    if not files:
        pytest.skip(f"the published vectors are absent (looked in {folder})")
    return [(str(file.relative_to(folder)), json.loads(file.read_text())) for file in files]


def hashes(texts: list[str] | None) -> list[bytes]:
    return [base64.b64decode(text) for text in texts or []]


def test_published_inclusion_vectors(shared_data: Path) -> None:
    wrong = []
    for name, vector in vectors(shared_data, "inclusion"):
        leaf, top = hashes([vector["leafHash"], vector["root"]])
        proof = hashes(vector["proof"])
        accepted = verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], proof, top)
        if accepted is vector["wantErr"]:
            wrong.append(name)
    assert not wrong


def test_published_consistency_vectors(shared_data: Path) -> None:
    wrong = []
    for name, vector in vectors(shared_data, "consistency"):
        old_root, new_root = hashes([vector["root1"], vector["root2"]])
        proof = hashes(vector["proof"])
        sizes = vector["size1"], vector["size2"]
        if verify_consistency(*sizes, proof, old_root, new_root) is vector["wantErr"]:
            wrong.append(name)
    assert not wrong
