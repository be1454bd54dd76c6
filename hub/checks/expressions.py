"""Expressions of checks: the Common Expression Language, which can compute and do nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError
from lark import Token, Tree

from core.messages import message

_ENVIRONMENT = celpy.Environment()


class Expression:
    """A compiled expression."""

    def __init__(self, source: str) -> None:
        self._tree = _ENVIRONMENT.compile(source)
        self._program = _ENVIRONMENT.program(self._tree)

    def reads(self, variable: str) -> frozenset[str]:
        """The names that it reads of a variable.

        Raises:
            ValueError: it uses the variable otherwise than as ``variable.name``, so that nobody
                could say what it reads.
        """
        found = [n for n in self._tree.iter_subtrees() if _is_part_of(n, variable)]
        used = [n for n in self._tree.iter_subtrees() if _is_name(n, variable)]
        if len(used) > len(found):
            raise ValueError(message("rule_cel_names", variable=variable))
        return frozenset(str(node.children[1]) for node in found)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the expression is true over ``values`` (JSON-like).

        Raises:
            ValueError: it cannot be computed over them, for example because one is null, or
                what comes out is neither true nor false.
        """
        activation = {name: json_to_cel(value) for name, value in values.items()}
        try:
            result = self._program.evaluate(activation)
        except CELEvalError as error:
            raise ValueError("the expression cannot be computed") from error
        if isinstance(result, BoolType):
            return bool(result)
        raise ValueError("the expression is neither true nor false")


def _is_name(node: Tree[Token], variable: str) -> bool:
    return node.data in ("ident", "dot_ident") and node.children == [variable]


def _is_part_of(node: Tree[Token], variable: str) -> bool:
    """Whether a node is ``variable.name``."""
    if node.data != "member_dot":
        return False
    whole = node.children[0]
    while isinstance(whole, Tree) and len(whole.children) == 1 and not _is_name(whole, variable):
        (whole,) = whole.children
    return isinstance(whole, Tree) and _is_name(whole, variable)


@lru_cache(maxsize=1024)
def compile_expression(source: str) -> Expression:
    """Compiles CEL.

    Raises:
        ValueError: it is not CEL; the message says where.
    """
    try:
        return Expression(source)
    except CELParseError as error:
        raise ValueError(message("rule_cel", problem=str(error).splitlines()[0])) from error
