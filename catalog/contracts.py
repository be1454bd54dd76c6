"""Contracts: a department's description of one table, read from ODCS files.

A file must satisfy the Open Data Contract Standard's own JSON schema (3.x); what the hub needs
beyond it stands in ``customProperties`` (docs/workspace.md lists them).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from jsonschema import Draft201909Validator
from jsonschema import ValidationError as Unfit
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import Field, ValidationError

from catalog.standards import elements
from catalog.standards.base import HOUSE_MASKS, REVEAL
from catalog.standards.several import SUFFIX
from catalog.standards.spelling import tidy
from core.canonical import digest
from core.forms import rule_of
from core.messages import Message, message
from core.types import Audience, Level, Model, Sharing
from core.yamlfile import InvalidFile, InvalidFiles, YamlFile

Path = Sequence[str | int]

MOST_RANKS = 9
"""Ranks of leaders go from 1, the highest, to this."""


class Rule(Model):
    """A quality rule of a department: a Great Expectations expectation with a severity.

    ``reject``: rows that break it are quarantined. ``warn``: it only counts. ``stop``: the
    dataset is not published. ``words``: what it asks, in the department's own words.
    """

    expectation: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    severity: Literal["reject", "warn", "stop"] = "reject"
    words: str | None = None


class Item(Model):
    """A column: ``name`` inside the hub, ``column`` in the source. ``mask``: what its department
    chose to be shown of it where a rule says ``default``. ``audience``: as its department says,
    of the item or the table; None leaves it to the sharing attribute. ``leader_rank``: of the
    lowest leaders it is for, 1 being the highest. ``checks``: those that its department lets read
    it for whoever may run them, whomever else it is closed to. Of an item with several values in
    a row the ``element`` is that of sets (``mobile[]``), and ``separator`` tells them apart;
    None: they are a list in JSON.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    column: str
    title: str
    element: str
    separator: str | None = None
    level: Level
    sharing: Sharing
    audience: Audience | None = None
    leader_rank: int | None = None
    checks: tuple[str, ...] = ()
    mask: str | None = None
    required: bool = False
    key: bool = False
    unique: bool = False
    rules: tuple[Rule, ...] = ()


class Contract(Model):
    """One registered table. ``digest`` is of its content: key order and comments do not count.

    ``as_of`` names the item that says how recent a row is. ``condition`` says under what terms
    it is shared, or the law that forbids it.
    """

    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
    name: str
    version: str
    department: str
    code: str = Field(pattern=r"^[a-zA-Z0-9\-_/]{1,64}$")
    summary: str
    sharing: Sharing
    audience: Audience | None = None
    leader_rank: int | None = None
    condition: str | None = None
    mode: Literal["interface", "exchange", "download"]
    cycle: Literal[
        "real_time", "daily", "weekly", "monthly", "quarterly",
        "half_yearly", "yearly", "irregular", "never",
    ]  # fmt: skip
    as_of: str | None = None
    allow_empty: bool = False
    items: tuple[Item, ...]
    rules: tuple[Rule, ...] = ()
    digest: str

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the items that make up a row's key; empty where rows have none."""
        return tuple(item.name for item in self.items if item.key)

    @property
    def columns(self) -> Mapping[str, str]:
        """Column in the source → item."""
        return {item.column: item.name for item in self.items}

    @property
    def named_checks(self) -> frozenset[str]:
        """The checks that are let read any of the items."""
        return frozenset(check for item in self.items for check in item.checks)

    def item(self, name: str) -> Item:
        """The item called ``name``; KeyError if there is none."""
        return {item.name: item for item in self.items}[name]


def parse(file: YamlFile) -> Contract:
    """Reads a contract file.

    Raises:
        InvalidFiles: one mistake per rule broken, each with line and field.
    """
    mistakes = [
        file.mistake(list(error.absolute_path), _standards_words(error))
        for error in _standard().iter_errors(file.data)
    ]
    if not mistakes:
        mistakes.extend(_house_rules(file))
    if mistakes:
        raise InvalidFiles(mistakes)
    try:
        document = OpenDataContractStandard.model_validate(file.data)
        return Contract.model_validate(_fields(document) | {"digest": digest(file.data)})
    except ValidationError as error:
        found = [file.mistake(_place(file.data, e["loc"]), rule_of(e)) for e in error.errors()]
        raise InvalidFiles(found) from error
    except TypeError as error:
        raise InvalidFiles([file.mistake((), message("rule_not_in_json"))]) from error


_NAMES = {
    "dataset": "id", "column": "physicalName", "title": "businessName", "level": "classification",
    "key": "primaryKey", "rules": "quality", "cycle": "updateCycle", "as_of": "asOf",
    "allow_empty": "allowEmpty", "summary": "description", "leader_rank": "leaderRank",
}  # fmt: skip


def _place(data: Mapping[str, Any], where: Path) -> Path:
    """Where in the file the part of a contract stands that pydantic calls ``where``."""
    part: Mapping[str, Any] = data
    place: list[str | int] = []
    if where[0] == "items" and len(where) > 1:
        place = ["schema", 0, "properties", where[1]]
        part, where = data["schema"][0]["properties"][int(where[1])], where[2:]
    elif where[0] == "rules":
        place, part = ["schema", 0], data["schema"][0]
    if not where:
        return place
    name = _NAMES.get(str(where[0]), where[0])
    custom = _custom_place(part, str(name))
    return [*place, *custom] if len(custom) > 1 else [*place, name, *where[1:]]


def _custom_place(part: Mapping[str, Any], name: str) -> list[str | int]:
    """Where in a part the custom property ``name`` stands, if it does."""
    for index, custom in enumerate(part.get("customProperties") or []):
        if custom["property"] == name:
            return ["customProperties", index]
    return ["customProperties"]


def _standards_words(error: Unfit) -> Message:
    return message("rule_standard", problem=error.message[:300])


@cache
def _standard() -> Draft201909Validator:
    schema = OpenDataContractStandard.json_schema()  # type: ignore[no-untyped-call]
    return Draft201909Validator(json.loads(schema))


def _house_rules(file: YamlFile) -> Iterator[InvalidFile]:
    tables = file.data.get("schema") or []
    if len(tables) != 1:
        yield file.mistake(["schema"], message("rule_one_table"))
        return
    custom = _custom(file.data)
    for name in ("department", "code", "sharing", "mode", "updateCycle"):
        if name not in custom:
            yield file.mistake(["customProperties"], message("rule_property_missing", name=name))
    if custom.get("sharing") in ("conditional", "not_shared") and not custom.get("condition"):
        rule = message("rule_sharing_condition")
        yield file.mistake(["customProperties"], rule)
    yield from _audience_rules(file, (), file.data, custom.get("sharing"))
    columns = tables[0].get("properties") or []
    if not columns:
        yield file.mistake(["schema", 0], message("rule_no_columns"))
    names = [column.get("name") for column in columns]
    for index, column in enumerate(columns):
        where: Path = ["schema", 0, "properties", index]
        yield from _item_rules(file, where, column, columns[:index])
        sharing = _custom(column).get("sharing", custom.get("sharing"))
        yield from _audience_rules(file, where, column, sharing)
    yield from _runnable_rules(file, ["schema", 0], tables[0])
    as_of = custom.get("asOf")
    if as_of is not None and as_of not in names:
        yield file.mistake(["customProperties"], message("rule_as_of_unknown", name=as_of))
    elif as_of is not None and _holds_several(columns[names.index(as_of)]):
        yield file.mistake(["customProperties"], message("rule_as_of_several", name=as_of))


def _item_rules(
    file: YamlFile, where: Path, column: Mapping[str, Any], before: Sequence[Mapping[str, Any]]
) -> Iterator[InvalidFile]:
    custom = _custom(column)
    if column["name"] in [other["name"] for other in before]:
        yield file.mistake([*where, "name"], message("rule_two_called", name=column["name"]))
    elif _source(column) in map(_source, before):
        yield file.mistake(where, message("rule_two_read", name=_source(column)))
    element = custom.get("element")
    if element is None:
        yield file.mistake(where, message("rule_property_missing", name="element"))
    elif element not in list(elements()):
        known = ", ".join(sorted(elements()))
        at = [*where, "customProperties"]
        yield file.mistake(at, message("rule_element_unknown", name=element, known=known))
    else:
        yield from _mask_rules(file, where, column)
    if _holds_several(column):
        yield from _set_rules(file, where, column)
    if column.get("classification") not in (None, *Level.__members__):
        yield file.mistake(
            [*where, "classification"], message("rule_one_of", names=", ".join(Level.__members__))
        )
    yield from _runnable_rules(file, where, column)


def _holds_several(column: Mapping[str, Any]) -> bool:
    """Whether the column may hold several values in a row."""
    return column.get("logicalType") == "array" or "separator" in _custom(column)


def _set_rules(file: YamlFile, where: Path, column: Mapping[str, Any]) -> Iterator[InvalidFile]:
    if column.get("primaryKey"):
        yield file.mistake([*where, "primaryKey"], message("rule_key_one_value"))
    custom = _custom(column)
    if custom.get("element") == "flag":
        at = [*where, *_custom_place(column, "element")]
        yield file.mistake(at, message("rule_flag_one_value"))
    separator = custom.get("separator", ",")
    if not isinstance(separator, str) or not tidy(separator) or any(map(str.isalnum, separator)):
        at = [*where, *_custom_place(column, "separator")]
        yield file.mistake(at, message("rule_separator"))


def _audience_rules(
    file: YamlFile, where: Path, part: Mapping[str, Any], sharing: Any
) -> Iterator[InvalidFile]:
    custom = _custom(part)
    audience, rank = custom.get("audience"), custom.get("leaderRank")
    at = [*where, *_custom_place(part, "audience")]
    if audience is not None and audience not in list(Audience):
        yield file.mistake(at, message("rule_one_of", names=", ".join(Audience)))
        return
    said = None if audience is None else Audience(audience)
    if said is not None and sharing in list(Sharing) and not said.is_within(Sharing(sharing)):
        rule = message("rule_audience_wider", audience=audience, sharing=sharing)
        yield file.mistake(at, rule)
    if (audience == Audience.LEADERS) is not (rank is not None):
        yield file.mistake(at, message("rule_leaders_rank"))
    elif rank is not None and (type(rank) is not int or not 1 <= rank <= MOST_RANKS):
        place = [*where, *_custom_place(part, "leaderRank")]
        yield file.mistake(place, message("rule_rank", most=MOST_RANKS))


def _mask_rules(file: YamlFile, where: Path, column: Mapping[str, Any]) -> Iterator[InvalidFile]:
    custom = _custom(column)
    mask, element = custom.get("mask"), elements()[custom["element"]]
    at = [*where, *_custom_place(column, "mask")]
    if mask is not None and not (isinstance(mask, str) and element.offers(mask)):
        known = ", ".join((*sorted(HOUSE_MASKS), *element.offered))
        rule = message("rule_mask_not_offered", mask=mask, element=element.code, known=known)
        yield file.mistake(at, rule)
    elif mask == REVEAL and element.personal:
        yield file.mistake(at, message("rule_personal_shown"))


def _runnable_rules(file: YamlFile, where: Path, part: Mapping[str, Any]) -> Iterator[InvalidFile]:
    for position, quality in enumerate(part.get("quality") or []):
        at = [*where, "quality", position]
        if not _runnable(quality):
            yield file.mistake(at, message("rule_rule_type"))
        elif quality["type"] == "custom" and not _names_expectation(quality):
            rule = message("rule_implementation")
            yield file.mistake([*at, "implementation"], rule)


def _names_expectation(quality: Mapping[str, Any]) -> bool:
    implementation = quality.get("implementation")
    return (
        isinstance(implementation, dict)
        and isinstance(implementation.get("type"), str)
        and isinstance(implementation.get("kwargs", {}), dict)
    )


def _source(column: Mapping[str, Any]) -> str:
    return str(column.get("physicalName") or column["name"])


def _runnable(quality: Mapping[str, Any]) -> bool:
    return quality.get("type") == "text" or (
        quality.get("type") == "custom" and quality.get("engine") == "greatExpectations"
    )


def _custom(part: Mapping[str, Any]) -> dict[str, Any]:
    """Property → value; one that is left blank counts as not said."""
    said = part.get("customProperties") or []
    return {p["property"]: p["value"] for p in said if p.get("value") is not None}


def _fields(document: OpenDataContractStandard) -> dict[str, Any]:
    data = document.model_dump(by_alias=True, exclude_none=True)
    table, custom = data["schema"][0], _custom(data)
    return {
        "dataset": data["id"],
        "name": data.get("name") or table["name"],
        "version": data["version"],
        "department": custom["department"],
        "code": custom["code"],
        "summary": (data.get("description") or {}).get("purpose", ""),
        "sharing": custom["sharing"],
        "audience": custom.get("audience"),
        "leader_rank": custom.get("leaderRank"),
        "condition": custom.get("condition"),
        "mode": custom["mode"],
        "cycle": custom["updateCycle"],
        "as_of": custom.get("asOf"),
        "allow_empty": custom.get("allowEmpty", False),
        "items": [_item(column, custom) for column in table["properties"]],
        "rules": _rules(table),
    }


def _item(column: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    custom = _custom(column)
    sharing = custom.get("sharing", table["sharing"])
    element = elements()[custom["element"]]
    level = column.get("classification")
    return {
        "name": column["name"],
        "column": _source(column),
        "title": column.get("businessName") or element.title.zh,
        "element": custom["element"] + SUFFIX * _holds_several(column),
        "separator": custom.get("separator"),
        "level": Level[level] if level else element.level,
        "sharing": sharing,
        **_audience(custom, table, sharing),
        "checks": custom.get("checks", table.get("checks", ())),
        "mask": custom.get("mask"),
        "required": column.get("required", False),
        "key": column.get("primaryKey", False),
        "unique": column.get("unique", False),
        "rules": _rules(column),
    }


def _audience(custom: Mapping[str, Any], table: Mapping[str, Any], sharing: str) -> dict[str, Any]:
    """What an item says of its audience; else what the table says, if the sharing attribute of
    the item permits that.
    """
    said = custom.get("audience")
    inherited = table.get("audience")
    if said is None and inherited and Audience(inherited).is_within(Sharing(sharing)):
        said, custom = inherited, table
    return {"audience": said, "leader_rank": custom.get("leaderRank") if said else None}


def _rules(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    severity = {"error": "reject", "critical": "stop"}
    return [
        {
            "expectation": quality["implementation"]["type"],
            "arguments": quality["implementation"].get("kwargs", {}),
            "severity": severity.get(quality.get("severity", "error"), "warn"),
            "words": quality.get("description") or quality.get("name"),
        }
        for quality in part.get("quality") or []
        if quality["type"] == "custom"
    ]
