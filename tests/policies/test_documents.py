from __future__ import annotations

from pathlib import Path

import pytest

from core.yamlfile import InvalidFiles
from policies.agreements import assemble
from policies.documents import read
from policies.models import Documents
from tests.policies import town


def mistakes(folder: Path, **changed: str) -> list[tuple[str, int, str, str]]:
    """File, line, field and rule of every mistake that the changed town is refused for."""
    with pytest.raises(InvalidFiles) as refused:
        town.policy(folder, **changed)
    return [
        (
            Path(str(m.fields["file"])).name,
            int(m.fields["line"]),
            str(m.fields["field"]),
            str(m.fields["rule"]),
        )
        for m in refused.value.mistakes
    ]


def test_the_town_is_read_as_written(tmp_path: Path) -> None:
    loaded = read(town.write(tmp_path))
    assert [c.id for c in loaded.documents.clients][:2] == ["grid.app", "grid.lost"]
    assert loaded.documents.rules[0].line == 2
    assert loaded.documents.agreements[0].items == {"mobile": "reveal", "resident_id": "suppress"}


def test_documents_survive_json(tmp_path: Path) -> None:
    documents = read(town.write(tmp_path)).documents
    assert Documents.model_validate(documents.model_dump(mode="json")) == documents


def test_rules_may_have_names_of_columns_a_byte_order_mark_and_blanks(tmp_path: Path) -> None:
    rules = "\ufeffrole, action,object,purpose,scope,mask,effect\r\n\r\n" + town.RULES
    documents = read(town.write(tmp_path, rules=rules)).documents
    assert documents.rules[0].line == 4
    assert len(documents.rules) == 11


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("ghost,query,resident/name,visit,all,partial,allow", "role", "there is no role"),
        ("worker,steal,resident/name,visit,all,partial,allow", "action", "one of"),
        (
            "worker,query,ghost/name,visit,all,partial,allow",
            "object",
            "there is no subject 'ghost'",
        ),
        ("worker,query,resident/soul,visit,all,partial,allow", "object", "has no attribute"),
        ("worker,query,resident/n*,visit,all,partial,allow", "object", "has no attribute"),
        ("worker,query,*,visit,all,partial,allow", "object", "there is no subject"),
        (
            "worker,query,resident/name,fun,all,partial,allow",
            "purpose",
            "there is no purpose 'fun'",
        ),
        ("worker,query,resident/name,visit,all,year,allow", "mask", "not offered by the element"),
        ("worker,query,resident/*,visit,all,year,allow", "mask", "not offered by the element"),
        ("worker,query,resident/name,visit,all,*,allow", "mask", "names its mask"),
        ("worker,query,resident/name,visit,*,reveal,allow", "scope", "names its scope"),
        ("worker,query,resident/name,visit,own_region,reveal,deny", "scope", "holds everywhere"),
        ("worker,query,shop/name,visit,own_region,reveal,allow", "scope", "no region"),
        ("worker,lookup,resident/name,visit,all,reveal,allow", "object", "not looked up by"),
        ("worker,check,check/ghost,visit,all,reveal,allow", "object", "there is no check"),
        ("worker,discover,dataset/a.b,visit,all,reveal,allow", "object", "there is no dataset"),
        ("worker,audit,audit,visit,all,partial,allow", "mask", "nothing to mask"),
        ("worker,steward,dataset/*,visit,own_region,reveal,allow", "scope", "kept whole"),
        ("worker,query,resident/name,visit,all,partial", "-", "7 or 8 columns"),
        ("worker,query,resident/name,visit,all,partial,allow,hours=8-9", "conditions", "08:30-18"),
        (
            "worker,query,resident/name,visit,all,partial,allow,moon=full",
            "conditions",
            "no condition",
        ),
        (
            "worker,query,resident/name,visit,all,partial,allow,quota=0/day",
            "conditions",
            "more than 0",
        ),
        ("worker,query,resident/name,visit,all,partial,deny,zone=gov", "conditions", "names none"),
        (
            "worker,lookup,resident/mobile,visit,all,reveal,allow,quota=1/day",
            "conditions",
            "counts",
        ),
        ("worker,query,resident/name,visit,own_cases,reveal,deny", "scope", "holds everywhere"),
        ("worker,steward,resident/name,visit,own_cases,reveal,allow", "scope", "whatever case"),
        ("worker,discover,dataset/*,visit,own_cases,reveal,allow", "scope", "no cases"),
        ("worker,discover,resident/name,visit,all,reveal,allow", "action", "of attributes one may"),
        ("worker,query,dataset/*,visit,all,reveal,allow", "action", "of a dataset one may"),
        ("worker,query,check/low_income,visit,all,reveal,allow", "object", "go together"),
    ],
)
def test_a_bad_rule_is_named_by_file_line_and_field(
    tmp_path: Path, line: str, field: str, words: str
) -> None:
    found = mistakes(tmp_path, rules=town.RULES + line + "\n")
    assert {m[:3] for m in found} == {("rules.csv", 13, field)}
    assert all(words in m[3] for m in found)


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "words"),
    [
        ("provider: health", "provider: ghost", 3, "provider", "there is no department"),
        ("provider: health", "provider: market", 13, "items.mobile", "no source of"),
        ("consumer: grid", "consumer: ghost", 4, "consumer", "there is no department"),
        ("[worker]", "[ghost]", 5, "roles.0", "there is no role"),
        ("[query, lookup]", "[query, steward]", 7, "actions.1", "write steward in rules.csv"),
        ("[query, lookup]", "[discover]", 7, "actions.0", "write discover in rules.csv"),
        ("items:", "conditions: {zones: ['A B']}\nitems:", 12, "conditions.zones.0", "the form"),
        ("subject: resident", "subject: ghost", 6, "subject", "there is no subject"),
        ("[relief]", "[fun]", 8, "purposes.0", "there is no purpose"),
        ("scope: all", "scope: '*'", 9, "scope", "names its scope"),
        ("valid_to: 2026-03-01", "valid_to: 2026-01-01", 11, "valid_to", "before it begins"),
        ("valid_to: 2026-03-01", "valid_to: soon", 11, "valid_to", "it is a day"),
        ("mobile: reveal", "soul: reveal", 13, "items.soul", "has no attribute"),
        ("mobile: reveal", "mobile: year", 13, "items.mobile", "not offered"),
        ("mobile: reveal", "mobile: '*'", 13, "items.mobile", "names its mask"),
    ],
)
def test_a_bad_agreement_is_named_by_file_line_and_field(
    tmp_path: Path, before: str, after: str, line: int, field: str, words: str
) -> None:
    found = mistakes(tmp_path, agreement=town.AGREEMENT.replace(before, after))
    assert found[0][:3] == ("A-2026-001.yaml", line, field)
    assert words in found[0][3]


@pytest.mark.parametrize(
    ("before", "after", "field", "words"),
    [
        (
            "department: civil",
            "department: ghost",
            "clients.2.department",
            "there is no department",
        ),
        ("id: civil.desk", "id: grid.app", "clients.2.id", "'grid.app'"),
        ("civil, roles: [clerk]", "civil, roles: [police]", "clients.2.roles.0", "id of a dep"),
        ("civil, roles: [clerk]", "civil, roles: [clerk], rank: 0", "clients.2.rank", "at least 1"),
        ("civil, roles: [clerk]", "civil, roles: ['!police']", "clients.2.roles.0", "the form"),
        ("civil, roles: [clerk]", "civil, roles: [clerk], region: '9'", "clients.2.region", "'9'"),
    ],
)
def test_a_bad_client_is_named_by_file_line_and_field(
    tmp_path: Path, before: str, after: str, field: str, words: str
) -> None:
    found = mistakes(tmp_path, clients=town.CLIENTS.replace(before, after))
    assert found[0][:3] == ("clients.yaml", 4, field)
    assert words in found[0][3]


def test_all_mistakes_are_found_in_one_pass(tmp_path: Path) -> None:
    found = mistakes(tmp_path, rules="a,b\n", purposes="purposes: 1\n", clients="clients: [")
    assert {m[0] for m in found} == {"rules.csv", "purposes.yaml", "clients.yaml"}


def test_missing_files_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InvalidFiles) as refused:
        read(tmp_path)
    assert len(refused.value.mistakes) == 3


@pytest.mark.parametrize("hidden", ["\u2028", "\x0c", "\x85", "\u202e", "\u200b"])
def test_what_reviewers_cannot_see_is_refused_in_comments_too(tmp_path: Path, hidden: str) -> None:
    rules = f"# seen{hidden}worker,query,resident/sex,*,*,*,deny\n"
    ((file, line, _, rule),) = mistakes(tmp_path, rules=rules)
    assert (file, line) == ("rules.csv", 1)
    assert f"U+{ord(hidden):04X}" in rule


def test_two_agreements_of_one_id_are_refused(tmp_path: Path) -> None:
    town.write(tmp_path)
    (tmp_path / "agreements" / "copy.yaml").write_text(town.AGREEMENT, "utf-8")
    with pytest.raises(InvalidFiles, match="mistakes"):
        read(tmp_path)


def test_documents_without_files_are_checked_too(tmp_path: Path) -> None:
    documents = read(town.write(tmp_path)).documents
    with pytest.raises(InvalidFiles):
        assemble(documents.model_copy(update={"purposes": ()}), town.KNOWN)
