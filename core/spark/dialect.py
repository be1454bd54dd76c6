"""SQL as DuckDB writes it, said in Spark's: what sqlglot's own translation leaves different."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import ErrorLevel, exp, parse
from sqlglot.errors import UnsupportedError

_DAY = r"^\s*\d{4}-\d{1,2}-\d{1,2}\s*$"


def statements(sql: str, parameters: Sequence[object] = ()) -> list[exp.Expr]:
    """The statements in ``sql``, with the parameters for their ``?``."""
    parsed = [statement for statement in parse(sql, read="duckdb") if statement is not None]
    values = iter(parameters)
    for statement in parsed:
        for place in list(statement.find_all(exp.Placeholder, bfs=False)):
            place.replace(exp.convert(next(values)))
    return parsed


def to_spark(query: exp.Expr) -> str:
    """A query of DuckDB as one of Spark.

    Raises:
        UnsupportedError: it says something that Spark cannot, or not with the same result.
    """
    query = query.copy()
    for select in list(query.find_all(exp.Select)):
        _name_columns(select)
        if select.args.get("qualify"):
            _unqualify(select)
    return query.transform(_said).sql(dialect="spark", unsupported_level=ErrorLevel.RAISE)


def rounded(value: exp.Expr, places: int) -> exp.Expr:
    """``value`` rounded as DuckDB does it, half away from zero, in binary; Spark goes by way of
    decimals, where a last bit may decide otherwise.
    """
    scale = exp.cast(exp.convert(10**places), "double")
    number = exp.cast(value.copy(), "double")
    floor = exp.Floor(this=exp.Abs(this=number) * scale.copy() + exp.convert(0.5))
    return exp.Paren(this=exp.func("SIGN", number.copy()) * exp.cast(floor, "double") / scale)


def _said(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "hash":
        raise UnsupportedError("hash() differs between engines")
    if isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Order):
        raise UnsupportedError("lists have no order")
    if isinstance(node, exp.Round):
        places = node.args.get("decimals")
        return rounded(node.this, int(places.name) if places is not None else 0)
    if isinstance(node, exp.TryCast) and node.to.is_type("date"):
        return day_or_null(node)
    return node


def day_or_null(cast: exp.Expr) -> exp.Expr:
    """Spark takes ``1985`` and ``1985-03`` for days."""
    text = cast.this.copy()
    return exp.Case(
        ifs=[exp.If(this=exp.RegexpLike(this=text, expression=exp.convert(_DAY)), true=cast)]
    )


def _name_columns(select: exp.Select) -> None:
    """Names the casts that have no name: Spark would call them by the column that is cast, and
    sort by them where that column is meant. Columns that ``* REPLACE`` replaces come last.
    """
    found: list[exp.Expr] = []
    for number, column in enumerate(select.expressions):
        star = column.this if isinstance(column, exp.Column) else column
        if isinstance(column, exp.Cast):
            found.append(exp.alias_(column, f"_cast{number}"))
        elif isinstance(star, exp.Star) and star.args.get("replace"):
            replaced = star.args["replace"]
            star.set("replace", None)
            star.set("except_", [exp.to_identifier(new.alias) for new in replaced])
            found += [column, *replaced]
        else:
            found.append(column)
    select.set("expressions", found)


def _unqualify(select: exp.Select) -> None:
    """Filters on window functions in a query around it; its other columns stay as they are."""
    condition = select.args["qualify"].this
    select.set("qualify", None)
    named = {
        column.alias: column.this for column in select.selects if isinstance(column, exp.Alias)
    }
    hidden: list[str] = []

    def hide(value: exp.Expr) -> exp.Expr:
        value = value.transform(
            lambda node: (
                named[node.name].copy()
                if isinstance(node, exp.Column) and not node.table and node.name in named
                else node
            )
        )
        hidden.append(f"_q{len(hidden)}")
        select.select(exp.alias_(value, hidden[-1]), copy=False)
        return exp.column(hidden[-1])

    for window in list(condition.find_all(exp.Window)):
        window.replace(hide(window.copy()))
    order = select.args.get("order")
    select.set("order", None)
    if order is not None:
        for term in order.expressions:
            term.set("this", hide(term.this.copy()))
    with_ = select.args.get("with_")
    inner = select.copy()
    inner.set("with_", None)
    outer = exp.select(exp.Star(except_=[exp.to_identifier(name) for name in hidden]))
    outer = outer.from_(inner.subquery("_q")).where(condition)
    outer.set("order", order)
    for key in list(select.args):
        select.set(key, None)
    for key, value in outer.args.items():
        select.set(key, value)
    if with_ is not None:
        select.set("with_", with_)


def unmatched(statement: exp.Delete) -> str:
    """The rows that a ``DELETE`` leaves, as a query of Spark. What is deleted ``IN`` a query
    becomes an anti join, since a subquery may only stand by itself.
    """
    table, where = statement.this, statement.args.get("where")
    left = exp.select("*").from_(table.copy())
    if where is None:
        return to_spark(left.where(exp.false()))
    condition = where.this
    if isinstance(condition, exp.In) and condition.args.get("query"):
        query = condition.args["query"].unnest().copy()
        query.selects[0].replace(exp.alias_(query.selects[0].copy(), "_gone"))
        gone = exp.select("*").from_(query.subquery("_q"))
        same = exp.EQ(this=exp.column("_gone"), expression=condition.this.copy())
        return to_spark(left.where(exp.Not(this=exp.Exists(this=gone.where(same)))))
    kept = exp.Not(this=exp.func("COALESCE", condition.copy(), exp.false()))
    return to_spark(left.where(kept))
