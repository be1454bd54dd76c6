"""A run as a durable workflow: killed anywhere, it resumes at the unfinished step.

DBOS keeps each step's outcome in the same PostgreSQL. A step's outcome is a small document
(versions and counts); the data itself is in the lake and in the golden tables.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import text

from core.database import plain_url
from core.errors import HubError
from hub.app import Hub
from hub.audit.entries import Who
from hub.pipeline import publishing
from hub.pipeline.execution import Execution
from hub.pipeline.order import Order, Progress, Report

__all__ = ["Order", "Pipeline", "Report", "RunBusy", "restore"]


class RunBusy(HubError):
    """Another process runs the pipeline of this hub."""

    code = "run_busy"


def restore(hub_: Hub, number: int, by: Who | None = None) -> dict[str, Any]:
    """Goes back to what release ``number`` said: see :func:`hub.pipeline.publishing.restore`.

    Raises:
        RunBusy: the pipeline is running.
    """
    with _alone(hub_):
        return publishing.restore(hub_, number, by)


@contextmanager
def _alone(hub_: Hub) -> Iterator[None]:
    # The lock belongs to the session: a killed process gives it back.
    with hub_.engine.connect() as connection:
        taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK})
        if not taken.scalar_one():
            raise RunBusy
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


class Pipeline:
    """Runs the workflow for one hub. One process at a time may do so."""

    def __init__(self, hub_: Hub, progress: Progress) -> None:
        self._hub = hub_
        self._progress = progress

    def run(self, order: Order) -> Report:
        """Resumes a run that was cut off; starts one if there is none, or if it was another than
        what is asked for. Returns when it ends.

        Raises:
            RunBusy: another process is running the pipeline.
        """
        with _alone(self._hub), self._workflow() as start:
            unfinished = self._unfinished()
            if unfinished is not None:
                resumed = _result(unfinished)
                if resumed.order == order:
                    return resumed
            return _result(start(order))

    @contextmanager
    def _workflow(self) -> Iterator[Callable[[Order], Any]]:
        config: DBOSConfig = {
            "name": "hub",
            "system_database_url": plain_url(self._hub.engine.url),
            "application_version": _VERSION,
            "executor_id": "pipeline",
            # What goes wrong is reported in words by whoever asked for the run.
            "log_level": "CRITICAL",
            "enable_otlp": False,
        }
        DBOS(config=config)

        @DBOS.workflow(name="run")
        def workflow(order: dict[str, Any]) -> dict[str, Any]:
            run = str(DBOS.workflow_id)
            report = Execution(
                self._hub, Order.model_validate(order), run, self._progress
            ).execute()
            return report.model_dump(mode="json")

        def start(order: Order) -> Any:
            with SetWorkflowID(f"run-{uuid.uuid4().hex[:12]}"):
                return DBOS.start_workflow(workflow, order.model_dump(mode="json"))

        DBOS.launch()
        try:
            yield start
        finally:
            DBOS.destroy()

    def _unfinished(self) -> Any:
        resumable: Any = None
        for found in DBOS.list_workflows(name="run", status=["PENDING", "ENQUEUED"]):
            if found.app_version == _VERSION:
                resumable = DBOS.retrieve_workflow(found.workflow_id)
            else:
                # A run of other steps than ours cannot go on; nothing of it was published.
                DBOS.cancel_workflow(found.workflow_id)
        return resumable


def _result(handle: Any) -> Report:
    return Report.model_validate(handle.get_result(polling_interval_sec=0.05))


_LOCK = 0x68756233
_VERSION = "3"
"""Of the steps of a run: raised when a run begun before a change cannot be ended after it."""
