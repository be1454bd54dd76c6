"""Canonical JSON: equal content gives equal bytes, other content gives other bytes."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.canonical import digest, encode

whole = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | whole | st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    scalars,
    lambda part: (
        st.lists(part, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), part, max_size=4
        )
    ),
    max_leaves=20,
)


def shuffled(value: Any, seed: random.Random) -> Any:
    """The same content with the keys of every object in another order."""
    if isinstance(value, dict):
        pairs = [(key, shuffled(part, seed)) for key, part in value.items()]
        seed.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        return [shuffled(part, seed) for part in value]
    return value


@settings(max_examples=100, deadline=None, derandomize=True)
@given(value=values, seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: Any, seed: random.Random) -> None:
    assert encode(shuffled(value, seed)) == encode(value)
    assert digest(shuffled(value, seed)) == digest(value)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(value=values)
def test_it_is_json_and_says_the_same(value: Any) -> None:
    assert json.loads(encode(value)) == value


@settings(max_examples=100, deadline=None, derandomize=True)
@given(one=values, other=values)
def test_other_content_has_another_digest(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_the_order_of_a_list_matters() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_the_form_is_frozen() -> None:
    """Digests that were signed long ago must come out the same."""
    value = {"b": [1, None, True], "a": "王", "c": {"z": 0.5, "y": ""}}
    assert encode(value) == '{"a":"王","b":[1,null,true],"c":{"y":"","z":0.5}}'.encode()
    assert digest(value) == "c43f6df31ba8b79eab9085b8a2abfdde010012a0847622523fafaf2977495765"


def test_moments_end_in_z() -> None:
    assert encode(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == b'"2026-01-02T03:04:05Z"'


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}])
def test_what_json_has_no_form_for(value: object) -> None:
    with pytest.raises(TypeError):
        encode({"a": value})
