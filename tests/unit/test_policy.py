"""Policies: what they say about a table, how they join a schema, and every way in which they can be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpsynth.anonymization.policy import Policy
from dpsynth.anonymization.policy_document import LimitsPart, ModelPart, PolicyFieldPart
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DeltaDisclosure,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    RecursiveDiversity,
)
from dpsynth.errors import DpsynthError, FileFormatError, SchemaError
from dpsynth.schema import Schema, UnitSpec
from dpsynth.schema.hierarchy_parts import HierarchyPart
from dpsynth.schema.yamltext import parse

HEAD = "dpsynth: {version: 1}\n"
SCHEMA = """
dpsynth: {version: 1, name: visits, unit: {column: pid, max_rows: 3}}
missingValues: ["", "n/a"]
fields:
  - {name: pid, type: string, dpsynth: {role: direct-id}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {role: quasi, source: public}}
  - {name: pay, type: number, constraints: {minimum: 0, maximum: 9},
     dpsynth: {role: sensitive, source: public, bins: {width: 1}}}
"""


def policy(text: str, schema: Schema | None = None, table: str | None = None, folder: Path | None = None) -> Policy:
    return Policy.from_dict(parse(HEAD + text, "policy"), schema, table, folder=folder)


def test_a_policy_says_what_the_columns_are() -> None:
    one = policy("""
missingValues: ["?"]
fields:
  - {name: age, dpsynth: {role: quasi, hierarchy: {intervals: {levels: [5, 10]}}, weight: 2, levels: [1, 3]}}
  - {name: zip, dpsynth: {role: quasi, hierarchy: {prefix: {keep: [3]}, uncovered: suppress}, level: 1}}
  - {name: ill, dpsynth: {role: sensitive, order: [cold, flu]}}
  - {name: name, dpsynth: {role: direct-id, mask: pseudonym}}
limits: {suppression: 0.05, method: local}
""")
    assert [(field.name, field.role) for field in one.fields] == [
        ("age", "quasi"),
        ("zip", "quasi"),
        ("ill", "sensitive"),
        ("name", "direct-id"),
    ]
    assert one.fixed == {0: (1, 3), 1: (1, 1)}
    assert (one.quasi[0].weight, one.quasi[1].weight, one.quasi[1].uncovered) == (2, 1, "suppress")
    assert (one.by_name["ill"].order, one.by_name["name"].mask) == (("cold", "flu"), "pseudonym")
    assert (one.missing, one.unit, one.models) == (("", "?"), UnitSpec(), ())
    assert (one.limits.suppression, one.limits.method, one.limits.nulls) == (0.05, "local", "strict")


def test_every_model_is_built_with_its_settings() -> None:
    one = policy("""
fields: [{name: a, dpsynth: {role: quasi}}, {name: s, dpsynth: {role: sensitive, order: numeric}}]
models:
  - k-anonymity: {k: 5}
  - k-map: {k: 3, population: all.csv}
  - l-diversity: {field: s, l: 3}
  - l-diversity: {field: s, l: 2.5, kind: entropy}
  - l-diversity: {field: s, l: 2, kind: recursive, c: 3}
  - t-closeness: {field: s, t: 0.2, distance: ordered}
  - alpha-k: {field: s, alpha: 0.5, k: 4}
  - beta-likeness: {field: s, beta: 1, enhanced: true}
  - delta-disclosure: {field: s, delta: 1.5}
""")
    assert one.models == (
        KAnonymity(5),
        KMap(3),
        DistinctDiversity("s", 3),
        EntropyDiversity("s", 2.5),
        RecursiveDiversity("s", 3, 2),
        Closeness("s", 0.2, ordered=True),
        AlphaK("s", 0.5, 4),
        BetaLikeness("s", 1, enhanced=True),
        DeltaDisclosure("s", 1.5),
    )
    assert one.population == "all.csv"


def test_the_policy_wins_over_the_schema_key_by_key() -> None:
    schema = Schema.loads(SCHEMA)
    one = policy("fields: [{name: age, dpsynth: {weight: 3}}, {name: pid, dpsynth: {mask: pseudonym}}]", schema)
    assert [(field.name, field.role, field.type) for field in one.fields] == [
        ("pid", "direct-id", "string"),
        ("age", "quasi", "integer"),
        ("pay", "sensitive", "number"),
    ]
    assert (one.unit, one.missing, one.name) == (UnitSpec("pid", 3), ("", "n/a"), "visits")
    assert (one.by_name["age"].weight, one.by_name["pid"].mask) == (3, "pseudonym")
    assert one.by_name["pay"].numeric

    other = policy("fields: [{name: age, dpsynth: {role: other}}, {name: new}]", schema)
    assert (other.by_name["age"].role, other.fields[-1].name) == ("other", "new")
    rows = Policy.from_dict(parse("dpsynth: {version: 1, unit: row}\nfields: [{name: age}]", "p"), schema)
    assert rows.unit == UnitSpec()


def test_masks_hierarchies_and_levels_of_a_schema_count(tmp_path: Path) -> None:
    (tmp_path / "town.csv").write_text("Oslo;Norway;*\nBonn;Germany;*\n")
    text = (
        SCHEMA
        + """
  - {name: town, type: string, constraints: {enum: [Norway, Germany]},
     dpsynth: {role: quasi, source: public, hierarchy: {file: town.csv}, level: 1}}
  - {name: note, type: string, dpsynth: {mask: drop}}
"""
    )
    (tmp_path / "schema.yaml").write_text(text)
    schema = Schema.load(tmp_path / "schema.yaml")
    one = policy("fields: [{name: age}]", schema)
    assert (one.fixed, one.by_name["note"].mask) == ({1: (1, 1)}, "drop")
    assert one.by_name["town"].builder.listed is not None
    assert Policy.from_dict(one.resolved()) == one
    assert policy("fields: [{name: town, dpsynth: {levels: [0, 2]}}]", schema).fixed == {1: (0, 2)}
    assert policy("fields: [{name: town, dpsynth: {role: other}}]", schema).fixed == {}


def test_a_policy_holds_several_tables_and_what_they_share() -> None:
    text = """
models: [{k-anonymity: {k: 5}}]
limits: {suppression: 0.1}
tables:
  patients: {fields: [{name: age, dpsynth: {role: quasi}}]}
  visits:
    dpsynth: {unit: {column: pid, max_rows: 9}}
    fields: [{name: day, dpsynth: {role: quasi}}]
    models: [{k-anonymity: {k: 2}}]
"""
    patients, visits = policy(text, table="patients"), policy(text, table="visits")
    assert (patients.models, visits.models) == ((KAnonymity(5),), (KAnonymity(2),))
    assert (patients.unit, visits.unit) == (UnitSpec(), UnitSpec("pid", 9))
    assert patients.limits == visits.limits
    for table in (None, "other"):
        with pytest.raises(SchemaError, match="'patients', 'visits'"):
            policy(text, table=table)


def test_what_is_printed_loads_again_to_the_same_policy(tmp_path: Path) -> None:
    (tmp_path / "age.csv").write_text("1;low;*\n2;low;*\n")
    text = """
fields:
  - {name: age, dpsynth: {role: quasi, hierarchy: {file: age.csv}}}
  - {name: pay, dpsynth: {order: numeric}}
"""
    one = policy(text, Schema.loads(SCHEMA), folder=tmp_path)
    again = Policy.from_dict(parse(one.dump(), "printed"), folder=tmp_path)
    assert again == one
    assert (again.unit, again.missing, again.models) == (one.unit, one.missing, one.models)
    assert [field.role for field in again.fields] == [field.role for field in one.fields]
    assert one.by_name["age"].builder.height == 3
    assert "paths" not in one.dump()


WRONG = {
    "no map": ("- 1", ["is a map"]),
    "no fields": ("models: []", ["'fields'", "missing"]),
    "empty": ("fields: []", ["fields", "empty"]),
    "typo at the top": ("fields: [{name: a}]\nmodel: []", ["model", "'models'"]),
    "typo in a field": ("fields: [{name: a, dpsynth: {rol: quasi}}]", ["'a'", "rol", "'role'"]),
    "typo in a hierarchy": (
        "fields: [{name: a, dpsynth: {role: quasi, hierarchy: {interval: {}}}}]",
        ["'a'", "interval", "'intervals'"],
    ),
    "typo in a model": ("fields: [{name: a}]\nmodels: [{k-anonymty: {k: 2}}]", ["k-anonymty", "'k-anonymity'"]),
    "typo in a setting": ("fields: [{name: a}]\nmodels: [{k-anonymity: {kk: 2}}]", ["'kk'", "'k'"]),
    "typo in the limits": ("fields: [{name: a}]\nlimits: {supression: 0}", ["supression", "'suppression'"]),
    "typo in a mask": ("fields: [{name: a, dpsynth: {mask: {redct: {}}}}]", ["'a'", "redct", "'redact'"]),
    "unknown role": ("fields: [{name: a, dpsynth: {role: id}}]", ["'a'", "role", "direct-id"]),
    "twice": ("fields: [{name: a}, {name: a}]", ["two fields", "'a'"]),
    "k of 0": ("fields: [{name: a}]\nmodels: [{k-anonymity: {k: 0}}]", ["k", "at least 1"]),
    "k as text": ("fields: [{name: a}]\nmodels: [{k-anonymity: {k: '5'}}]", ["k", "whole number"]),
    "suppression above 1": ("fields: [{name: a}]\nlimits: {suppression: 2}", ["suppression", "at most 1"]),
    "suppression of nan": ("fields: [{name: a}]\nlimits: {suppression: .nan}", ["suppression", "finite"]),
    "weight of 0": ("fields: [{name: a, dpsynth: {role: quasi, weight: 0}}]", ["'a'", "weight", "above 0"]),
    "no model in an entry": ("fields: [{name: a}]\nmodels: [{}]", ["exactly one", "t-closeness"]),
    "two models in an entry": (
        "fields: [{name: a}]\nmodels: [{k-anonymity: {k: 2}, k-map: {k: 2, population: x}}]",
        ["exactly one"],
    ),
    "absent field": ("fields: [{name: ill}]\nmodels: [{l-diversity: {field: il, l: 2}}]", ["'il'", "'ill'"]),
    "sensitive and quasi": (
        "fields: [{name: a, dpsynth: {role: quasi}}]\nmodels: [{l-diversity: {field: a, l: 2}}]",
        ["'a'", "role quasi", "sensitive"],
    ),
    "c without its kind": (
        "fields: [{name: s, dpsynth: {role: sensitive}}]\nmodels: [{l-diversity: {field: s, l: 2, c: 1}}]",
        ["l-diversity", "has no c"],
    ),
    "recursive without c": (
        "fields: [{name: s, dpsynth: {role: sensitive}}]\nmodels: [{l-diversity: {field: s, l: 2, kind: recursive}}]",
        ["l-diversity", "c is missing"],
    ),
    "half a value": (
        "fields: [{name: s, dpsynth: {role: sensitive}}]\nmodels: [{l-diversity: {field: s, l: 2.5}}]",
        ["l-diversity", "whole number"],
    ),
    "order that is not there": (
        "fields: [{name: s, dpsynth: {role: sensitive}}]\nmodels: [{t-closeness: {field: s, t: 1, distance: ordered}}]",
        ["'s'", "no order", "numeric"],
    ),
    "two populations": (
        "fields: [{name: a}]\nmodels: [{k-map: {k: 2, population: x}}, {k-map: {k: 2, population: y}}]",
        ["one population"],
    ),
    "hierarchy of a sensitive field": (
        "fields: [{name: s, dpsynth: {role: sensitive, hierarchy: {prefix: {keep: [1]}}}}]",
        ["'s'", "hierarchy", "quasi"],
    ),
    "order of a quasi-identifier": ("fields: [{name: a, dpsynth: {role: quasi, order: numeric}}]", ["'a'", "order"]),
    "level and levels": ("fields: [{name: a, dpsynth: {role: quasi, level: 1, levels: [0, 1]}}]", ["'a'", "levels"]),
    "level too high": ("fields: [{name: a, dpsynth: {role: quasi, level: 2}}]", ["'a'", "level", "0 to 1"]),
    "levels descend": ("fields: [{name: a, dpsynth: {role: quasi, levels: [1, 0]}}]", ["'a'", "levels", "ascending"]),
    "the unit as a quasi-identifier": (
        "fields: [{name: p, dpsynth: {role: quasi}}]\ndpsynth: {version: 1, unit: {column: p, max_rows: 1}}",
        ["'p'", "identifies", "direct-id"],
    ),
    "tables beside fields": ("fields: [{name: a}]\ntables: {t: {fields: [{name: a}]}}", ["fields and tables"]),
    "tables as a list": ("tables: [a]", ["tables", "map"]),
    "a table as text": ("tables: {t: x}", ["'t'", "map"]),
    "a wrong table beside": ("tables: {t: {fields: [{name: a}]}, u: {fields: [{name: b, x: 1}]}}", ["'u'", "'x'"]),
    "a file without a folder": (
        "fields: [{name: a, dpsynth: {role: quasi, hierarchy: {file: a.csv}}}]",
        ["'a'", "file", "paths"],
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_policy_is_told_in_words(text: str, said: list[str]) -> None:
    whole = text if text.startswith("-") or "dpsynth: {version" in text else HEAD + text
    with pytest.raises(SchemaError) as raised:
        Policy.from_dict(parse(whole, "policy.yaml"), table="t", where="policy.yaml")
    assert all(word in str(raised.value) for word in said), str(raised.value)


HOSTILE = ["", "a: &x [*x]", "!!python/object:os.system {}", "[" * 5000, "dpsynth: {version: 1}\n---\nfields: []", "\0"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(DpsynthError) as raised:
        Policy.load(path)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("name", ["absent.yaml", ".", "bytes.yaml"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError):
        Policy.load(tmp_path / name)


def test_the_policy_of_adult_loads(pytestconfig: pytest.Config) -> None:
    adult = Policy.load(pytestconfig.rootpath / "examples/adult/policy.yaml")
    assert [one.builder.height for one in adult.quasi] == [5, 2, 2, 4, 3, 3, 3, 3]
    assert (adult.models, adult.limits.suppression) == ((KAnonymity(5),), 0.05)


def test_the_policies_of_the_documentation_load(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "docs/reference/policy.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    clinic = Policy.from_dict(parse(block, "policy.md"))
    assert [one.builder.height for one in clinic.quasi] == [5, 4, 3]
    assert clinic.fixed == {0: (1, 3), 2: (1, 1)}
    named = [*LimitsPart.model_fields, *HierarchyPart.model_fields, *PolicyFieldPart.model_fields]
    named += [info.alias or key for key, info in ModelPart.model_fields.items()]
    assert [name for name in named if f"`{name}" not in page] == []
