"""What the modules of the matrix share."""

from __future__ import annotations

from typing import Any

Routes = dict[tuple[str, str], tuple[str, dict[str, Any], dict[str, int]]]
"""Method and path of a route → an address, what to send, and caller → status of the answer.

Callers that are not named get the usual answer of :mod:`tests.hub.test_authorization`.
"""

PAST = {"purpose": "data_governance", "case": "S-1"}
