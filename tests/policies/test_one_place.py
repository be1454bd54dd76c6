"""Values are rendered at one place: no part of the hub shows them but through masking."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HUB = Path(__file__).parents[2] / "hub"

# What may render values by itself: facts of checks are compared and never leave, whoever counts
# by a value sent it, and the operator of the machine sees values as they are.
ALLOWED = {
    ("serving/facts.py", "typed"),
    ("serving/statistics.py", "typed"),
    ("stewardship/sight.py", "typed"),
}


def renderings(tree: ast.AST) -> Iterator[str]:
    """What in a module makes a value of an element visible, or a masked one by hand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "typed":
            yield "typed"
        elif isinstance(node, ast.Name | ast.Attribute) and _name(node) in {"FormCipher", "FF1"}:
            yield "fpe"
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "mask":
        yield "mask"
    if isinstance(called, ast.Subscript) and _name(called.value) == "masks":
        yield "mask"
    if _name(called) == "MaskedRow":
        yield "cell"
    if _name(called) == "MaskedCell" and not _is_empty(node):
        yield "cell"


def _is_empty(node: ast.Call) -> bool:
    """Whether a cell is made without a value."""
    given = [*node.args[:1], *(word.value for word in node.keywords if word.arg in {"value", None})]
    return len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is None


def _name(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def test_nothing_in_the_hub_renders_values_by_itself() -> None:
    found = {
        (path.relative_to(HUB).as_posix(), what)
        for path in HUB.rglob("*.py")
        for what in renderings(ast.parse(path.read_text("utf-8")))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("elements()[code].typed(value)", ["typed"]),
        ("show = element.typed", ["typed"]),
        ("[e.typed(v) for v in values]", ["typed"]),
        ("element.mask('partial')(value)", ["mask"]),
        ("element.masks['partial'](value)", ["mask"]),
        ("MaskedCell(value, 'reveal')", ["cell"]),
        ("masking.MaskedCell(value=value, mask='reveal')", ["cell"]),
        ("MaskedCell(**fields)", ["cell"]),
        ("MaskedRow(mint, cells)", ["cell"]),
        ("FormCipher(element, block).decrypt(value)", ["fpe"]),
        ("from policies import fpe\nfpe.FF1(block, 10)", ["fpe"]),
        ("MaskedCell(None, SUPPRESS)", []),
        ("MaskedCell(value=None, mask=SUPPRESS)", []),
        ("tier.masks[attribute]", []),
        ("table.masks(outcome)", []),
        ("option.mask == REVEAL", []),
        ("Masker(grant, subject, keys).mask_row(row, region)", []),
    ],
)
def test_the_rule_sees_what_it_should(source: str, what: list[str]) -> None:
    assert list(renderings(ast.parse(source))) == what
