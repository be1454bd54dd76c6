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

_ENVIRONMENT = celpy.Environment()


class Expression:
    """A compiled expression."""

    def __init__(self, source: str) -> None:
        self._program = _ENVIRONMENT.program(_ENVIRONMENT.compile(source))

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


@lru_cache(maxsize=1024)
def compile_expression(source: str) -> Expression:
    """Compiles CEL.

    Raises:
        ValueError: it is not CEL; the message says where.
    """
    try:
        return Expression(source)
    except CELParseError as error:
        raise ValueError(f"not a CEL expression: {str(error).splitlines()[0]}") from error
