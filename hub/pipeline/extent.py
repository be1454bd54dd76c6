"""How much of a table or subject a step had to do."""

from __future__ import annotations

from enum import StrEnum


class Extent(StrEnum):
    """Of a pull: all rows came, or those that changed; of other steps: what was made anew."""

    WHOLE = "whole"
    CHANGES = "changes"
    UNCHANGED = "unchanged"
