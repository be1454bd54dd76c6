"""Draft policies: documents that are not registered, ready to decide by."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from core.errors import HubError
from core.yamlfile import InvalidFile, InvalidFiles
from hub import folder as workspace_folder
from hub.workspace import Workspace
from policies import documents as policy_documents
from policies.agreements import assemble
from policies.decide import Policy
from policies.documents import CLIENTS, COLUMNS, PURPOSES, RULES
from policies.models import Documents

_EMPTY = {
    PURPOSES: "purposes: []\n",
    CLIENTS: "clients: []\n",
    RULES: ", ".join(COLUMNS) + "\n",
}


def of_folder(folder: Path) -> Policy:
    """The policy of a workspace folder.

    Raises:
        InvalidFiles: every mistake in it.
    """
    workspace = workspace_folder.read(folder)
    return Policy(assemble(workspace.policies, workspace.known))


def of_texts(texts: Mapping[str, str], registered: Workspace) -> Policy:
    """The policy of what is registered, with some of its files replaced. ``texts``: path →
    content, of ``policies/purposes.yaml``, ``policies/clients.yaml``, ``policies/rules.csv``, or
    of agreements, of which those given are then all there are.

    Raises:
        InvalidFiles: every mistake in the files given, or that they make in others.
    """
    kept = registered.policies
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for path, text in {**_EMPTY, **texts}.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, "utf-8")
        try:
            loaded = policy_documents.read(folder)
            documents = kept.model_copy(update=_replaced(texts, loaded.documents))
            return Policy(assemble(documents, registered.known, loaded.files))
        except InvalidFiles as error:
            raise InvalidFiles([_placed(m, folder) for m in error.mistakes]) from error


def _replaced(texts: Mapping[str, str], drafted: Documents) -> dict[str, object]:
    """The parts that files were given for."""
    found: dict[str, object] = {
        path.partition("/")[2].partition(".")[0]: part
        for path, part in (
            (PURPOSES, drafted.purposes),
            (CLIENTS, drafted.clients),
            (RULES, drafted.rules),
        )
        if path in texts
    }
    if any(path.startswith("agreements/") for path in texts):
        found["agreements"] = drafted.agreements
    return found


def _placed(mistake: HubError, folder: Path) -> HubError:
    """The mistake under the name that the file was given by."""
    if not isinstance(mistake, InvalidFile):
        return mistake
    file = mistake.file
    named = file.relative_to(folder) if file.is_relative_to(folder) else file
    return InvalidFile(named, mistake.line, mistake.field, mistake.rule)
