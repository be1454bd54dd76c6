"""Errors carry a code, a status, an exit code and fields; their words come in both languages."""

from __future__ import annotations

import pytest

from core.errors import BadInput, HubError, NotFound, Unavailable


@pytest.mark.parametrize(
    ("error", "code", "status", "exit_code"),
    [
        (HubError(reference="1f"), "internal_error", 500, 1),
        (BadInput(field="--to", rule="a rule"), "bad_input", 400, 2),
        (NotFound(kind="subject", name="ghost"), "not_found", 404, 2),
        (Unavailable(reason="full"), "unavailable", 503, 1),
    ],
)
def test_each_kind(error: HubError, code: str, status: int, exit_code: int) -> None:
    assert (error.code, error.status, error.exit_code) == (code, status, exit_code)
    assert str(error) == error.words("en")
    assert error.words("zh") != error.words("en")
    for name, value in error.fields.items():
        assert str(value) in error.words("en")
        assert (str(value) in error.words("zh")) is (name != "kind")


def test_the_kind_of_what_is_missing_is_told_in_the_language_of_the_rest() -> None:
    assert NotFound(kind="subject", name="x").words("zh") == "没有名为 'x' 的主题。"
    assert NotFound(kind="gadget", name="x").words("zh") == "没有名为 'x' 的gadget。"


def test_an_error_without_its_fields_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        NotFound(kind="subject")


def test_fields_are_not_read_as_templates() -> None:
    assert BadInput(field="{rule}", rule="{field}").words("en") == "{rule}: {field}"
