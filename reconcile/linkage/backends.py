"""What linkage needs of each engine beyond SQL: Splink's handle, and measures of likeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from core.spark.tables import SparkTables
from core.sql import Sql

_JAVA = "uk.gov.moj.dash.linkage.LevDamerauDistance"


def prepare(connection: Sql) -> None:
    """Teaches Spark the measures that DuckDB has by itself: Damerau-Levenshtein by the jar that
    comes with Splink, Jaro-Winkler by the library whose code DuckDB uses, for equal results.
    """
    if not isinstance(connection, SparkTables):
        return
    from pyspark.sql.functions import arrow_udf
    from pyspark.sql.types import DoubleType
    from splink.backends.spark import similarity_jar_location

    session = connection.session
    session.sql(f"ADD JAR '{similarity_jar_location()}'")
    session.udf.registerJavaFunction("damerau_levenshtein", _JAVA, DoubleType())
    # Translated SQL writes the one name, Splink's conditions the other.
    for name in ("jarowinkler_similarity", "jaro_winkler_similarity"):
        session.udf.register(name, arrow_udf(_jaro_winkler(), DoubleType()))


def splink_handle(connection: Sql) -> Any:
    """Splink's way to the tables of ``connection``. Each linker needs its own, since handles
    cache tables by name.
    """
    if isinstance(connection, SparkTables):
        return _spark_handle(connection)
    from splink import DuckDBAPI

    plain: Any = connection
    return DuckDBAPI(plain)


def _spark_handle(tables: SparkTables) -> Any:
    from splink.backends.spark import SparkAPI

    class Handle(SparkAPI):
        """Splink's results are carried out once, like all our tables."""

        def _break_lineage_and_repartition(self, frame: Any, *_: str) -> Any:
            return tables.done(frame)

    make: Callable[..., Any] = Handle
    return make(
        spark_session=tables.session,
        break_lineage_method="persist",
        register_udfs_automatically=False,
    )


def _jaro_winkler() -> Callable[[pa.Array, pa.Array], pa.Array]:
    """A function of its own, so that executors need not have this package."""

    def similarity(one: pa.Array, other: pa.Array) -> pa.Array:
        import pyarrow
        from rapidfuzz.distance.JaroWinkler import similarity

        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        found = [
            None if a is None or b is None else similarity(a, b) if a or b else 0.0
            for a, b in pairs
        ]
        return pyarrow.array(found, pyarrow.float64())

    return similarity
