"""What a check is: facts gathered from golden records, and rules over them in CEL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from core.messages import message
from core.types import Model, Text
from hub.checks.expressions import compile_expression

EVERYTHING = "*"
"""All attributes of a subject: what an expression may read that does not name what it reads."""


def _compiles(source: str) -> str:
    compile_expression(source)
    return source


Expression = Annotated[str, AfterValidator(_compiles)]
"""An expression in CEL that is true or false. That it names each part it reads is looked at before
a check is registered, not here: what an older hub registered must still be readable.
"""


class Members(Model):
    """Whose records a check reads: those of ``subject`` whose attribute ``by`` has the value
    asked for, and for which the expression ``where`` over ``item`` holds.
    """

    subject: str
    by: str
    where: Expression | None = None


class Fact(Model):
    """One fact about the members, gathered over golden records.

    ``of`` is ``members`` or a subject whose attribute ``match`` holds a member's ``key``.
    ``where`` (CEL over ``item``) picks records. ``how``: ``sum`` and ``max`` of ``attribute``,
    or ``count`` of records. ``silence`` says what no record at all means: ``none`` (nothing on
    record counts as zero) or ``unknown`` (a person must look).
    """

    title: Text
    of: str = "members"
    match: str | None = None
    key: str | None = None
    attribute: str | None = None
    where: Expression | None = None
    how: Literal["sum", "max", "count"]
    silence: Literal["none", "unknown"] = "none"

    @model_validator(mode="after")
    def _is_whole(self) -> Fact:
        if self.how != "count" and self.attribute is None:
            raise ValueError(message("rule_fact_attribute", how=self.how))
        if self.of != "members" and (self.match is None or self.key is None):
            raise ValueError(message("rule_fact_match"))
        return self


class CheckRule(Model):
    """One rule. ``met`` and ``doubt`` are CEL over ``facts`` and ``parameters``: a rule is met,
    else doubtful (a person reviews), else not met.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Text
    basis: str
    needs: tuple[str, ...]
    met: Expression
    doubt: Expression | None = None


class Check(Model):
    """A question such as whether a household qualifies for a benefit.

    ``ask`` is the lookup attribute of ``subject`` by which it is asked about. ``authorisation``
    is the members' attribute that holds until when each agreed to be checked: a member without
    a live one refuses the whole check.
    """

    check: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: Text
    subject: str
    ask: str
    members: Members
    authorisation: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, Fact]
    rules: tuple[CheckRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rules_stand_once(self) -> Check:
        ((name, count),) = Counter(rule.id for rule in self.rules).most_common(1)
        if count > 1:
            raise ValueError(message("rule_two_called", name=name))
        return self


def reads(check: Check) -> Iterator[tuple[str, str]]:
    """The attributes (subject, attribute) that a check reads; ``(subject, EVERYTHING)`` where an
    expression does not tell.
    """
    people = check.members.subject
    yield check.subject, check.ask
    yield people, check.members.by
    if check.authorisation is not None:
        yield people, check.authorisation
    yield from _chosen(people, check.members.where)
    for fact in check.facts.values():
        yield from _of_fact(fact, people)
    try:
        for rule in check.rules:
            judged_by(rule.met)
            judged_by(rule.doubt)
    except ValueError:
        yield people, EVERYTHING


def chosen_by(where: str | None) -> frozenset[str]:
    """The attributes that pick records.

    Raises:
        ValueError: it does not name each one, so that nobody can say.
    """
    return _named(where, "item")


def judged_by(judgement: str | None) -> frozenset[str]:
    """The facts that a rule is judged by.

    Raises:
        ValueError: it does not name each one, so that nobody can say.
    """
    return _named(judgement, "facts")


def _of_fact(fact: Fact, people: str) -> Iterator[tuple[str, str]]:
    subject = people if fact.of == "members" else fact.of
    for name in (fact.attribute, fact.match):
        if name is not None:
            yield subject, name
    if fact.key is not None:
        yield people, fact.key
    yield from _chosen(subject, fact.where)


def _chosen(subject: str, where: str | None) -> Iterator[tuple[str, str]]:
    try:
        yield from ((subject, name) for name in chosen_by(where))
    except ValueError:
        yield subject, EVERYTHING


def _named(expression: str | None, variable: str) -> frozenset[str]:
    return compile_expression(expression).reads(variable) if expression else frozenset()
