"""The demonstration of a workspace that brings its own data (``demo.yaml``).

Everything is real: the sources are databases, files and a served API; the answers come over
HTTP from the hub's own server, which listens on loopback while the demonstration runs.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Engine, text

from core.canonical import digest
from core.database import plain_url
from core.errors import HubError
from core.types import Model, Text
from core.yamlfile import load
from hub import folder as workspace_folder
from hub.api.application import create
from hub.app import Hub, apply_documents, open_hub
from hub.cli.output import err, headings, language, out, table, tell
from hub.cli.publish import print_report, run_pipeline
from hub.evaluation import Results, evaluate
from hub.identity import Caller, Tokens
from hub.pipeline.workflow import Order, Report
from hub.settings import Settings, read_settings


class DemoFailed(HubError):
    """A part of the demonstration did not do what it should."""

    code = "demo_failed"


class Shown(Model):
    """One request to show: who asks what. A value ``@file`` is read from the data folder."""

    title: Text
    client: str
    ask: str
    purpose: str
    case: str
    where: dict[str, str]
    items: tuple[str, ...] | None = None


class Script(Model):
    """``demo.yaml``. Commands are Python files of the workspace with their arguments, in which
    ``{data}``, ``{residents}``, ``{seed}`` and ``{database}`` are filled in; ``services`` run
    until the end and write their address to ``ready``.
    """

    as_of: date
    prepare: tuple[tuple[str, ...], ...]
    services: tuple[tuple[str, ...], ...] = ()
    ready: tuple[str, ...] = ()
    truth: str
    show: tuple[Shown, ...]


class Demonstration:
    """One demonstration, in a home of its own beside the hub's."""

    def __init__(self, folder: Path, residents: int, seed: int) -> None:
        self._folder = folder.absolute()
        self._script = load(self._folder / "demo.yaml").parse(Script)
        self._name = f"{self._folder.name}-{residents}-{seed}"
        given = read_settings()
        home = given.home.absolute() / "demo" / self._name
        self._settings = given.model_copy(update={"home": home})
        self._data = home / "data"
        self._arguments = {"data": str(self._data), "residents": residents, "seed": seed}

    def run(self) -> None:
        """Runs it, printing as it goes.

        Raises:
            DemoFailed: a command of the workspace failed.
            HubError: the hub did.
        """
        started = time.perf_counter()
        with self._database() as settings, open_hub(settings, upgrade=True) as hub:
            self._prepare(hub)
            with self._services():
                report = self._publish(hub)
            print_report(report)
            if report.failure is not None:
                raise DemoFailed(what=report.failure["words"][language()])
            self._evaluate(hub, report)
            self._answers(hub)
            verdict = hub.audit.verify()
            if not verdict.ok:
                raise DemoFailed(what="audit verify")
            fields = {"size": verdict.size, "checkpoints": verdict.checkpoints}
            out.print(tell("audit_sound", root=hub.audit.head().root.hex(), **fields))
        out.print(
            tell(
                "demo_done",
                seconds=f"{time.perf_counter() - started:.1f}",
                home=self._settings.home,
            )
        )

    @contextmanager
    def _database(self) -> Iterator[Settings]:
        """On a given server the demonstration has a database of its own."""
        given = self._settings.database_url
        if given is None:
            yield self._settings
            return
        from core.database import open_database, parse_url

        name = "hub_demo_" + self._name.replace("-", "_")
        with open_database(given.get_secret_value(), self._settings.home) as engine:
            _create_database(engine, name)
            url = parse_url(given.get_secret_value()).set(database=name)
        secret = type(given)(url.render_as_string(hide_password=False))
        yield self._settings.model_copy(update={"database_url": secret})

    def _prepare(self, hub: Hub) -> None:
        """Makes the departments' data, unless the same was made before."""
        mark = self._data / ".made"
        files = sorted(self._folder.glob("*.py"))
        wanted = digest([str(self._arguments), [file.read_text("utf-8") for file in files]])
        if mark.exists() and mark.read_text("ascii") == wanted:
            return
        name = "sample_" + self._name.replace("-", "_")
        _create_database(hub.engine, name)
        database = plain_url(hub.engine.url.set(database=name))
        self._data.mkdir(parents=True, exist_ok=True)
        for command in self._script.prepare:
            started = time.perf_counter()
            self._call(command, database)
            err.print(f"{command[0]} {time.perf_counter() - started:.1f}s")
        mark.write_text(wanted, "ascii")

    def _command(self, command: tuple[str, ...], database: str = "") -> list[str]:
        filled = [part.format(**self._arguments, database=database) for part in command]
        return [sys.executable, str(self._folder / filled[0]), *filled[1:]]

    def _call(self, command: tuple[str, ...], database: str) -> None:
        done = subprocess.run(self._command(command, database), check=False)
        if done.returncode != 0:
            raise DemoFailed(what=command[0])

    @contextmanager
    def _services(self) -> Iterator[None]:
        for name in self._script.ready:
            (self._data / name).unlink(missing_ok=True)
        running = [subprocess.Popen(self._command(c)) for c in self._script.services]
        try:
            self._await_ready(running)
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()

    def _await_ready(self, running: list[subprocess.Popen[bytes]]) -> None:
        deadline = time.monotonic() + 30
        while not all((self._data / name).exists() for name in self._script.ready):
            if time.monotonic() > deadline or any(p.poll() is not None for p in running):
                raise DemoFailed(what="services")
            time.sleep(0.05)

    def _publish(self, hub: Hub) -> Report:
        documents = workspace_folder.read(self._folder).documents()
        apply_documents(hub, documents, str(self._data))
        order = Order(revision=hub.revision().number, as_of=self._script.as_of)
        return run_pipeline(hub, order)

    def _evaluate(self, hub: Hub, report: Report) -> None:
        truth = self._data / self._script.truth
        registered = hub.workspace()
        for name, state in report.subjects.items():
            if not (truth / f"{name}.parquet").exists():
                continue
            subject = registered.subjects[name]
            fit = {d: s.fit for d, s in report.datasets.items() if d in subject.feeds}
            results = Results(fit, state.links, state.claims, state.golden)
            found = evaluate(subject, results, truth, hub.lake, hub.settings.limits)
            links = found.links
            title = tell(
                "demo_right",
                subject=name,
                precision=f"{links.precision:.4f}",
                recall=f"{links.recall:.4f}",
                entities=f"{links.entities:,}",
                truths=f"{links.truths:,}",
            )
            columns = headings(
                "attribute", "known", "golden %", "majority %", "best source %", "source"
            )
            table(
                title,
                columns,
                (
                    [s.attribute, s.known, s.golden * 100, s.majority * 100,
                     s.best_single * 100, s.best_source]
                    for s in found.attributes
                ),
            )  # fmt: skip

    def _answers(self, hub: Hub) -> None:
        with _served(hub) as address, httpx.Client(base_url=address) as client:
            for shown in self._script.show:
                token = Tokens(hub.keys, hub.clock).issue(
                    Caller(shown.client), timedelta(minutes=5)
                )
                response = client.post(
                    f"/v1/{shown.ask}",
                    json=self._body(shown),
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=30,
                )
                self._print_answer(shown, response)

    def _body(self, shown: Shown) -> dict[str, Any]:
        where = {
            attribute: (self._data / value[1:]).read_text("utf-8").strip()
            if value.startswith("@")
            else value
            for attribute, value in shown.where.items()
        }
        body: dict[str, Any] = {"purpose": shown.purpose, "case": shown.case, "where": where}
        return body if shown.items is None else body | {"items": shown.items}

    def _print_answer(self, shown: Shown, response: httpx.Response) -> None:
        title = f"{shown.client}: {getattr(shown.title, language())}"
        answer = response.json()
        if response.status_code != 200:
            out.print(title, style="bold")
            out.print(f"{response.status_code} {answer['title']}: {answer['detail']}\n")
        elif "verdict" in answer:
            rows = [
                [rule["title"][language()], rule["finding"], rule["reason"]]
                for rule in answer["rules"].values()
            ]
            table(f"{title} → {answer['verdict']}", headings("rule", "finding", "reason"), rows)
        else:
            _print_rows(title, answer["rows"])


def _print_rows(title: str, rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        out.print(title, style="bold")
        out.print(tell("demo_no_rows") + "\n")
    for row in rows:
        table(
            title,
            headings("item", "value", "mask", "status", "source", "as of"),
            (
                [name, str(c["value"]) if c["value"] is not None else "-", c["mask"],
                 c["status"] or "-", c["source"] or "-", c["as_of"] or "-"]
                for name, c in row.items()
            ),
        )  # fmt: skip


def _create_database(engine: Engine, name: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.execute(found, {"name": name}).scalar() is None:
            quoted = engine.dialect.identifier_preparer.quote(name)
            connection.execute(text(f"CREATE DATABASE {quoted}"))


@contextmanager
def _served(hub: Hub) -> Iterator[str]:
    """The hub's API on a free port of loopback, in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create(hub), log_level="error", access_log=False, proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise DemoFailed(what="api")
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
