"""Reasons and rules in the words of a department."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from catalog.contracts import Contract
from core.messages import catalogue, say
from reconcile.rules import own_rules


class Wording:
    """Says in one language what a rule of a contract asks, or what a row breaks."""

    def __init__(self, contract: Contract, language: str) -> None:
        self._language = language
        self._titles = {item.name: item.title for item in contract.items}
        self._own: dict[tuple[str | None, str], list[str]] = {}
        for item, rule in own_rules(contract):
            if rule.words:
                about = item.name if item else rule.arguments.get("column")
                self._own.setdefault((about, rule.expectation), []).append(rule.words)

    def rule(self, item: str | None, rule: str) -> str:
        """What a rule says of rows that break it, with the title of the item it is about."""
        own = self._own.get((item, rule))
        if own:
            words = " / ".join(own)
        elif rule in catalogue():
            words = say(rule, self._language)
        else:
            words = say("rule_own", self._language, rule=rule)
        if item is None:
            return words
        mark = "：" if self._language == "zh" else ": "
        return f"{self._titles.get(item, item)}{mark}{words}"

    def reasons(self, listed: str) -> str:
        """The reasons of a quarantined row, as the quarantine keeps them."""
        said: list[Mapping[str, Any]] = json.loads(listed)
        words = dict.fromkeys(self.rule(each["item"], each["rule"]) for each in said)
        return ("；" if self._language == "zh" else "; ").join(words)
