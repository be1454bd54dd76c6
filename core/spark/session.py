"""The Spark session of this process."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING, Any

from core.errors import HubError

if TYPE_CHECKING:
    from core.sql import EngineLimits

# Every column of a run is read once or twice; what is worth keeping is kept explicitly.
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.legacy.createHiveTableByDefault": "false",
    "spark.sql.catalogImplementation": "in-memory",
    # Constraints of a plan with many CASE expressions take longer to infer than the plan to run.
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


class SparkMissing(HubError):
    """The engine is set to Spark, and what it needs is not installed."""

    code = "spark_missing"
    status = 503


class SparkUnavailable(HubError):
    """The cluster that the engine is set to does not answer, or no session could be begun there."""

    code = "spark_unavailable"
    status = 503


def missing() -> str | None:
    """What Spark lacks here: ``pyspark``, ``rapidfuzz`` or ``java``."""
    for package in ("pyspark", "rapidfuzz"):
        if find_spec(package) is None:
            return package
    home = os.environ.get("JAVA_HOME")
    found = which("java", path=f"{home}/bin") if home else which("java")
    return None if found else "java"


def session(limits: EngineLimits) -> Any:
    """A session with tables of its own. The first one starts the driver, in this process, and
    later ones share it; it ends with the process. Settings of the cluster (memory of executors,
    access to the store) come from ``spark-defaults.conf``, as for any other Spark program.

    Raises:
        SparkMissing: Spark's libraries or Java are not here.
        SparkUnavailable: no session could be begun.
    """
    absent = missing()
    if absent is not None:
        raise SparkMissing(missing=absent)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    settings = dict(_ALWAYS)
    if limits.engine.startswith("local"):
        # Executors are processes of this machine, and run the Python that runs this.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings |= _HERE
        settings["spark.sql.shuffle.partitions"] = str(2 * limits.threads)
        if limits.spill is not None:
            limits.spill.mkdir(parents=True, exist_ok=True)
            settings["spark.local.dir"] = str(limits.spill)
    settings["spark.driver.memory"] = _memory(limits.memory)
    builder = SparkSession.builder.master(limits.engine).appName("data-coordination-hub")
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate().newSession()
    except (PySparkException, Py4JError) as error:
        # What Spark says of it at length is on the error stream.
        raise SparkUnavailable(engine=limits.engine) from error


def _memory(text: str) -> str:
    """Memory as the JVM writes it: whole mebibytes."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
    number = text.rstrip("iB ")
    return f"{max(512, int(float(number[:-1]) * units[number[-1]] / 2**20))}m"
