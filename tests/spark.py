"""What the tests share that need Spark: where it runs, and when they are left out."""

from __future__ import annotations

import os

import pytest

from core.spark.session import missing

CLUSTER = os.environ.get("HUB_ENGINE", "local-cluster[2,1,1024]")
"""``HUB_ENGINE`` names the cluster; by default it is one of two executors on this machine."""

_ABSENT = None if "HUB_ENGINE" in os.environ else missing()

NEEDS_SPARK = [
    pytest.mark.skipif(
        _ABSENT is not None,
        reason=f"Spark needs {_ABSENT}, which is not installed (make test-spark)",
    ),
    # A cluster that has to share two cores with others takes its time.
    pytest.mark.timeout(900),
]
