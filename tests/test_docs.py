"""The documentation says what there is: nothing is left out, and no link leads nowhere."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from fastapi import FastAPI
from pydantic import BaseModel

from catalog.contracts import Contract
from catalog.directory import Department, Region
from catalog.standards import elements
from catalog.standards.hiding import Family
from catalog.subjects import Attribute, Listing, Subject
from connectors.settings import ENCODINGS, KINDS
from core.errors import HubError
from core.messages import catalogue
from core.types import Sharing, Status
from hub.api.application import ROUTERS
from hub.api.routes import Body, QueryBody
from hub.audit.witness import Witness, Witnesses
from hub.checks.definition import Check, CheckRule, Fact, Members
from hub.cli.demonstration import Script, Shown
from hub.cli.main import application
from hub.conditions.zones import Zone, Zones
from hub.exports import Kind
from hub.settings import Settings
from hub.watching.rules import RULES
from hub.watching.settings import Account, Accounts, Watching
from policies.documents import COLUMNS
from policies.expectations import Expectation, Expected, Given
from policies.models import (
    DEFAULT,
    HOUSE_MASKS,
    Action,
    Agreement,
    CaseNumber,
    Client,
    Effect,
    Purpose,
    Reach,
)

REPOSITORY = Path(__file__).parent.parent
PAGES = sorted(REPOSITORY.glob("*.md")) + sorted((REPOSITORY / "docs").rglob("*.md"))
# The one starts the program; the other needs Spark, which need not be there.
UNLOADABLE = ("__main__", "core.spark.engine")
PACKAGES = ("core", "catalog", "connectors", "policies", "reconcile", "hub")
# What the command line and `hub doctor` say where nothing failed, and labels of judgements.
NO_ERRORS = re.compile(
    r"cases_|approvals_|apply_|deciding_|run_(?!busy)|releases_|release_(signed|explained|restored|rules)|exported|conflicts?_|groups_|match(es)?_|preview_|audit_(sound|broken|retire)|serving"
    r"|demo_(?!failed)|doctor_|linkage_|expect_|rows_(?!lost)|quality_(?!stop|rule|rows_lost)|rulings_|corrections_|advice_|exchange_|statistics_counted|opening_(proposed|released|written|holds|risk)|findings_|watch_|view_|keys_(listed|rotated|rewrapped)|kind_|form_|rule_|cause_|column_|key_(file_made|was_destroyed)"
)


def page(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    rank = heading.split(" ", maxsplit=1)[0]
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"there is no section {heading!r}"
    return re.split(rf"\n#{{1,{len(rank)}}} ", rest)[0]


def code_words(text: str) -> set[str]:
    """Everything that stands in backticks outside of fenced blocks."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"(?s)^```.*?^```", "", text, flags=re.MULTILINE)))


def missing(wanted: Iterable[object], text: str) -> list[str]:
    written = code_words(text)
    return sorted({str(word) for word in wanted} - written)


def fields(*models: type[BaseModel]) -> set[str]:
    return {name for model in models for name in model.model_fields}


def commands(group: Any, path: str = "hub") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(typer.main.get_command(application())))


def test_every_setting_is_described_with_its_default() -> None:
    described = section(page("docs/operations.md"), "## Settings")
    rows = dict(re.findall(r"^\| `(HUB_\w+)` \| (\S+) \|", described, re.MULTILINE))
    defaults = {
        f"HUB_{name.upper()}": "unset" if field.default is None else f"`{field.default}`"
        for name, field in Settings.model_fields.items()
    }
    assert rows == defaults


def test_every_command_has_a_section_and_no_other_has() -> None:
    headings = re.findall(r"^## `(hub(?: [a-z][a-z-]*)*)", page("docs/commands.md"), re.MULTILINE)
    assert {heading.strip() for heading in headings} == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_described(name: str) -> None:
    headings = page("docs/commands.md").splitlines()
    heading = next(h for h in headings if re.match(rf"## `{name}(`| [A-Z-])", h))
    described = section(page("docs/commands.md"), heading)
    options = {o for p in COMMANDS[name].params for o in p.opts if o.startswith("--")}
    wanted = options - {"--help"}
    assert [o for o in sorted(wanted) if f"`{o}" not in described] == []
    assert f"$ {name}" in described or f"| {name}" in described, "it has no example"


def examples(text: str) -> Iterator[str]:
    """Calls of `hub` in fenced blocks and in backticks."""
    for block in re.findall(r"(?s)^```.*?^```", text, flags=re.MULTILINE):
        yield from re.findall(
            r"(?:^|\$ |\$\(|\.venv/bin/)(hub [a-z][^\n|>)]*)", block, re.MULTILINE
        )
    yield from (word for word in code_words(text) if re.match("hub [a-z]", word))


def unknown_parts(call: str) -> list[str]:
    words = shlex.split(call.replace("'", ""), comments=True)
    name = max((n for n in COMMANDS if words[: len(n.split())] == n.split()), default=None)
    if name is None:
        # A group may be spoken of as a whole.
        return [] if any(f"{n} ".startswith(f"{call} ") for n in COMMANDS) else [call]
    known = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
    return [f"{call}: {w}" for w in words if w.startswith("--") and w not in known]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_example_uses_a_command_or_option_that_is_not_there(path: Path) -> None:
    calls = examples(path.read_text("utf-8"))
    assert [part for call in calls for part in unknown_parts(call)] == []


def test_every_kind_of_export_is_described() -> None:
    assert missing(Kind, page("docs/commands.md")) == []


def subclasses(of: type[HubError]) -> Iterator[type[HubError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from subclasses(kind)


def error_kinds() -> set[type[HubError]]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith(UNLOADABLE):
                importlib.import_module(module.name)
    # Tests may define kinds of their own; bases of a family have no code of their own.
    return {
        kind
        for kind in subclasses(HubError)
        if kind.__module__.split(".")[0] in PACKAGES and kind.code != HubError.code
    }


def test_every_error_is_described_with_its_status_and_exit_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) / (\d) \|", page("docs/errors.md"), re.MULTILINE)
    described = {(code, int(status), int(exit_code)) for code, status, exit_code in rows}
    kinds = {(kind.code, kind.status, kind.exit_code) for kind in error_kinds()}
    own = {code for code in code_words(page("docs/errors.md")) if code.startswith("policy_")}
    assert {kind for kind in kinds if kind[0] not in own} - described == set()
    assert described - kinds <= {("internal_error", 500, 1), ("check_refused", 403, 2)}


def test_every_message_that_tells_of_a_mistake_is_described() -> None:
    codes = {code for code in catalogue() if not NO_ERRORS.match(code)}
    assert missing(codes, page("docs/errors.md")) == []


def test_no_error_is_described_that_is_not_there() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("docs/errors.md"), re.MULTILINE)
    assert sorted(set(rows) - catalogue().keys()) == []


def test_every_path_of_the_api_is_described() -> None:
    api = FastAPI()
    for router in ROUTERS:
        api.include_router(router)
    routes = {(path, m.upper()) for path, ways in api.openapi()["paths"].items() for m in ways}
    text = page("docs/api.md")
    wanted = {f"`{method} {path}" for path, method in routes}
    assert [w for w in sorted(wanted) if w not in text] == []
    described = re.findall(r"^\| `(GET|POST|PUT|DELETE|PATCH) ([^`?]+)", text, re.MULTILINE)
    assert {(path, method) for method, path in described} == routes


def test_every_field_of_a_request_is_described() -> None:
    described = section(page("docs/api.md"), "### `POST /v1/subjects/{name}/query`")
    rows = re.findall(r"^\| `(\w+)` \| (?:required|optional)", described, re.MULTILINE)
    assert set(rows) == fields(Body, QueryBody)


def test_every_status_of_a_value_is_described() -> None:
    assert missing(Status, page("docs/api.md")) == []


def test_every_status_that_an_error_can_have_over_http_is_described() -> None:
    rows = set(re.findall(r"^\| (\d{3}) \|", page("docs/api.md"), re.MULTILINE))
    # Errors of sources and of publishing happen in runs, and receipts are not sent in.
    assert {"200", "400", "401", "403", "404", "405", "409", "500", "503"} == rows


def test_every_element_is_described_with_its_masks_and_level() -> None:
    rows = {
        cells[0].strip("`"): cells
        for line in page("docs/elements.md").split("## Masks with parameters")[0].splitlines()
        if line.startswith("| `") and (cells := [c.strip() for c in line.strip("| ").split(" | ")])
    }
    assert rows.keys() == elements().keys()
    for code, element in elements().items():
        _, title, _, level, masks = rows[code]
        assert title == element.title.zh
        assert level == element.level.name + (", personal" if element.personal else "")
        named = {word.partition(":")[0] for word in code_words(masks)}
        assert {mask.partition(":")[0] for mask in element.offered} == named & MASKS, code
        assert element.masks.keys() <= code_words(masks), code


MASKS = {mask.partition(":")[0] for element in elements().values() for mask in element.offered}


def test_the_masks_that_every_attribute_has_are_described() -> None:
    assert missing({*HOUSE_MASKS, DEFAULT}, page("docs/elements.md")) == []


def test_every_mask_with_parameters_is_described() -> None:
    described = section(page("docs/elements.md"), "## Masks with parameters")
    wanted = {way for e in elements().values() for f in e.families.values() for way in usages(f)}
    assert missing(wanted, described) == []


def usages(family: Family) -> list[str]:
    """Each way to write a mask of a family: ``a:<b>|<c>`` is ``a:<b>`` and ``a:<c>``."""
    word, _, ways = family.usage.partition(":")
    return [f"{word}:{way}" for way in ways.split("|")]


WORKSPACE = {
    "## departments.yaml": fields(Department),
    "## regions.yaml": fields(Region),
    "## contracts/": {
        "department", "code", "sharing", "condition", "mode", "updateCycle", "asOf", "allowEmpty",
        "element", "mask", "name", "physicalName", "businessName", "required", "primaryKey", "unique",
        "classification", "quality", "error", "critical", "warning", *Sharing,
        *get_args(Contract.model_fields["mode"].annotation),
        *get_args(Contract.model_fields["cycle"].annotation),
    },
    "## subjects/": fields(Subject, Attribute),
    "## policies/purposes.yaml": fields(Purpose, CaseNumber),
    "## policies/zones.yaml": fields(Zone, Zones),
    "## policies/clients.yaml": fields(Client),
    "## policies/watching.yaml": fields(
        Watching, *(type(part) for _, part in Watching() if isinstance(part, BaseModel))
    ) | RULES.keys(),
    "## policies/accounts.yaml": fields(Accounts, Account),
    "## policies/tests.yaml": (fields(Expectation, Expected, Given) | {"as"}) - {"client", "line"},
    "## policies/witnesses.yaml": fields(Witness, Witnesses),
    "## policies/rules.csv": {*COLUMNS, *Action, *Reach, *Effect, *HOUSE_MASKS, DEFAULT},
    "## checks/": fields(Check, Members, Fact, CheckRule)
    | {"sum", "max", "count", "none", "unknown"},
    "## demo.yaml": fields(Script, Shown),
}  # fmt: skip


@pytest.mark.parametrize("heading", WORKSPACE)
def test_every_field_of_a_workspace_file_is_described(heading: str) -> None:
    described = section(page("docs/workspace.md"), heading)
    assert missing(WORKSPACE[heading], described) == []


def test_the_parts_of_a_subject_and_of_an_agreement_are_described() -> None:
    text = page("docs/workspace.md")
    assert [f for f in fields(Listing) if f not in section(text, "## subjects/")] == []
    assert missing(fields(Agreement), section(text, "## agreements/")) == []


def test_every_kind_of_source_and_each_of_its_settings_is_described() -> None:
    described: dict[str, set[str]] = {}
    kind = ""
    for line in section(page("docs/workspace.md"), "## sources/").splitlines():
        found = re.match(r"\| (?:`(\w+)`)? ?\| `(\w+)` \|", line)
        if found:
            kind = found[1] or kind
            described.setdefault(kind, set()).add(found[2])
    own = {k: set(m.model_fields) - {"dataset", "kind"} for k, m in KINDS.items()}
    assert described == own
    assert missing(ENCODINGS, section(page("docs/workspace.md"), "## sources/")) == []


def test_the_readme_is_short_and_its_commands_are_targets() -> None:
    text = page("README.md")
    assert len(text.splitlines()) <= 200
    makefile = page("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
    assert named == targets
    variables = set(re.findall(r"^(?:export )?(\w+) \?=", makefile, re.MULTILINE))
    variables |= set(re.findall(r"\$\((\w+)\)", makefile))
    assert set(re.findall(r"\b([A-Z]+)=\d", text)) <= variables


def anchors(path: Path) -> set[str]:
    text = re.sub(r"(?s)^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_link_is_broken(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_file_of_the_repository_that_is_named_is_there(path: Path) -> None:
    # Paths of a workspace (policies/rules.csv) and of a home (lake/) are no files of ours.
    pattern = r"(?<![\w./])(?:tests|examples|reconcile|core|catalog|hub|bench)/[\w/.-]*\w"
    named = set(re.findall(pattern, path.read_text("utf-8")))
    there = (REPOSITORY / name for name in named)
    gone = [p for p in there if not p.exists() and not p.with_suffix(".py").exists()]
    assert [str(p.relative_to(REPOSITORY)) for p in gone] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [REPOSITORY / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
        waiting += [(path.parent / link).resolve() for link in links if "://" not in link]
    assert [p.name for p in PAGES if p not in reached] == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "docs/adr").glob("0*.md")), ids=lambda path: path.name
)
def test_every_decision_says_why_what_and_what_enforces_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [h for h in ("**Why.**", "**What.**", "**What enforces it.**") if h not in text] == []
    assert path.name in page("docs/adr/README.md")


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", page("CHANGELOG.md"), re.MULTILINE)
