"""The journeys ``anonymize`` and ``risk``: from a table and a policy to a table that holds what it says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dpsynth
from anonymize_examples import AGES, FIELDS, FIVE, PLAIN, people, policy
from dpsynth.anonymization.policy import Policy
from dpsynth.anonymization.records import Generalized, Records
from dpsynth.errors import (
    DataMismatchError,
    DpsynthError,
    FileFormatError,
    GateError,
    NoGuaranteeError,
    OutputExistsError,
    SchemaError,
    UsageError,
)
from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.pipeline.anonymized import LIMITS
from dpsynth.pipeline.preprocessing import preprocessing_of
from dpsynth.privacy.unit import Unit
from dpsynth.tables import read_sidecar, write_sidecar


def smallest(table: pa.Table, *columns: str) -> int:
    """The size of the smallest class, by pandas."""
    return int(table.to_pandas().groupby(list(columns), dropna=False).size().min())


@pytest.mark.parametrize("method", ["optimal", "local", "mondrian"])
def test_every_method_makes_a_table_that_holds(method: Any) -> None:
    outcome = dpsynth.anonymize(people(), FIVE, method=method)
    table = outcome.table
    assert table.column_names == ["age", "sex", "ill"]
    assert smallest(table, "age", "sex") == outcome.smallest >= 5
    assert table.num_rows == outcome.released == 200 - outcome.suppressed
    assert outcome.classes == len(table.to_pandas().groupby(["age", "sex"]))
    assert set(Counter(table.column("ill").to_pylist())) <= {"flu", "cold", "gout"}
    assert outcome.models["5-anonymity"] == outcome.smallest
    assert LIMITS in outcome.render()
    assert INTERNAL_WATERMARK in outcome.to_dict()["watermark"]
    assert outcome.labels[-1].startswith("NON-DP")
    risk = dpsynth.risk(table, FIVE)
    assert (risk.met, risk.smallest, risk.classes) == (True, outcome.smallest, outcome.classes)


def test_models_of_sensitive_values_hold() -> None:
    models = [
        {"k-anonymity": {"k": 3}},
        {"l-diversity": {"field": "ill", "l": 3}},
        {"t-closeness": {"field": "ill", "t": 0.2}},
    ]
    for method in ("optimal", "local", "mondrian"):
        said = policy(FIELDS, models, limits={"method": method})
        frame = dpsynth.anonymize(people(), said).table.to_pandas()
        everybody = frame["ill"].value_counts(normalize=True)
        for _, part in frame.groupby(["age", "sex"]):
            assert part["ill"].nunique() == 3
            share = part["ill"].value_counts(normalize=True)
            assert (share - everybody).abs().sum() / 2 <= 0.2 + 1e-9


def test_persons_are_counted_not_rows() -> None:
    # Three persons of four rows each have the same age: enough rows for 4-anonymity, too few persons.
    table = pa.table({"pid": [row // 4 for row in range(48)], "age": [20 + 10 * (row // 12) for row in range(48)]})
    ages = {"role": "quasi", "hierarchy": {"intervals": {"levels": [50]}}}
    fields, models = {"pid": {"role": "direct-id"}, "age": ages}, [{"k-anonymity": {"k": 4}}]
    limits = {"suppression": 0}
    head = {"unit": {"column": "pid", "max_rows": 4}}
    persons = dpsynth.anonymize(table, policy(fields, models, head=head, limits=limits))
    assert persons.table.column_names == ["age"]
    assert (persons.unit, persons.smallest, persons.columns[0].levels) == ("pid", 12, (2, 2))
    rows = dpsynth.anonymize(table, policy(fields, models, limits=limits))
    assert (rows.unit, rows.smallest, rows.columns[0].levels) == (None, 12, (0, 0))


def test_a_policy_of_several_tables_is_told_which_one_this_is() -> None:
    several = {**FIVE, "tables": {"people": {"fields": FIVE["fields"]}, "others": {"fields": [{"name": "x"}]}}}
    del several["fields"]
    assert dpsynth.anonymize(people(), several, table="people").smallest >= 5
    assert not dpsynth.risk(people(), several, table="people").met
    with pytest.raises(SchemaError, match="'people', 'others'"):
        dpsynth.risk(people(), several)


def test_rows_that_stay_linked_are_told() -> None:
    table = pa.table({"pid": [row // 2 for row in range(40)], "age": [20 + row % 3 for row in range(40)]})
    fields = {"pid": {"role": "direct-id", "mask": "pseudonym"}, "age": AGES}
    head = {"unit": {"column": "pid", "max_rows": 2}}
    said = policy(fields, [{"k-anonymity": {"k": 2}}], head=head)
    linked = dpsynth.anonymize(table, said, key=bytes(range(32)))
    assert (linked.linked, "put together by 'pid'" in linked.render()) == (True, True)
    assert len(set(linked.table.column("pid").to_pylist())) == 20
    fields["pid"] = {"role": "direct-id"}
    alone = dpsynth.anonymize(table, policy(fields, [{"k-anonymity": {"k": 2}}], head=head))
    assert (alone.linked, "put together" in alone.render()) == (False, False)


def test_masks_of_the_policy_are_applied() -> None:
    fields = {
        **FIELDS,
        "name": {"role": "direct-id", "mask": {"redact": {"first": 1}}},
        "sex": {**PLAIN, "mask": "drop"},
    }
    outcome = dpsynth.anonymize(people(), policy(fields, [{"k-anonymity": {"k": 5}}]))
    assert outcome.table.column_names == ["name", "age", "ill"]
    assert {text.rstrip("*") for text in outcome.table.column("name").to_pylist()} == {"n"}
    assert [label.replace("(merges ", " ").split(" ")[0] for label in outcome.labels] == ["FREE", "FREE", "NON-DP"]
    keyed = {**FIELDS, "name": {"role": "direct-id", "mask": "pseudonym"}}
    with pytest.raises(UsageError, match="key"):
        dpsynth.anonymize(people(), policy(keyed, [{"k-anonymity": {"k": 5}}]))
    masked = dpsynth.anonymize(people(), policy(keyed, [{"k-anonymity": {"k": 5}}]), key=bytes(range(32))).table
    assert len(set(masked.column("name").to_pylist())) == masked.num_rows


def test_columns_that_the_policy_does_not_name_are_refused() -> None:
    table = people().append_column("fresh", pa.array(range(200)))
    with pytest.raises(DataMismatchError, match="fresh"):
        dpsynth.anonymize(table, FIVE)
    kept = dpsynth.anonymize(table, FIVE, others="keep")
    assert ("fresh" in kept.table.column_names, kept.unnamed) == (True, ("fresh",))
    assert "fresh" not in dpsynth.anonymize(table, FIVE, others="drop").table.column_names


FIXED = {
    "age": {**AGES, "level": 1},
    "sex": {**PLAIN, "level": 0},
    "name": {"role": "direct-id"},
    "ill": {"role": "sensitive"},
}


@pytest.mark.parametrize(
    ("models", "more", "labels"),
    [
        ([], {}, ["FREE"]),
        ([{"k-anonymity": {"k": 5}}], {}, ["FREE", "STABLE(5)"]),
        ([{"k-anonymity": {"k": 3}}, {"k-anonymity": {"k": 5}}, {"k-anonymity": {"k": 4}}], {}, ["FREE", "STABLE(5)"]),
        ([{"k-anonymity": {"k": 5}}], {"suppression": 0.5}, ["FREE", "NON-DP"]),
        ([{"k-anonymity": {"k": 5}}, {"l-diversity": {"field": "ill", "l": 2}}], {}, ["FREE", "NON-DP"]),
    ],
)
def test_fixed_levels_carry_their_label(models: list[Any], more: dict[str, Any], labels: list[str]) -> None:
    said = policy(FIXED, models, limits={"method": "fixed", **more})
    outcome = dpsynth.anonymize(people(), said)
    # The first label is of the dropped identifier.
    assert [label.replace("(merges ", " ").split(" ")[0] for label in outcome.labels[1:]] == labels
    assert set(outcome.table.column("age").to_pylist()) <= {f"[{low}, {low + 10})" for low in range(20, 80, 10)}


def test_groups_that_read_the_column_have_no_stability() -> None:
    fields = {**FIXED, "age": {"role": "quasi", "level": 1, "hierarchy": {"priority": {"keep": [9]}}}}
    said = policy(fields, [{"k-anonymity": {"k": 2}}], limits={"method": "fixed"})
    assert dpsynth.anonymize(people(), said).labels[-1].startswith("NON-DP groups of 'age'")


def test_fixed_levels_of_persons_bound_their_rows_first(tmp_path: Path) -> None:
    rows = [(person, 20 + person % 2 * 30) for person in range(30) for _ in range(1 + person % 5)] + [(None, 20)] * 3
    table = pa.table({"pid": [row[0] for row in rows], "age": [row[1] for row in rows]})
    head = {"unit": {"column": "pid", "max_rows": 2}}
    fields = {"pid": {"role": "direct-id"}, "age": {**AGES, "level": 1}}
    said = policy(fields, [{"k-anonymity": {"k": 5}}], head=head, limits={"method": "fixed"})
    outcome = dpsynth.anonymize(table, said, tmp_path / "out.parquet")
    assert outcome.released == sum(min(1 + person % 5, 2) for person in range(30))
    assert outcome.bounded_away == len(rows) - outcome.released
    assert preprocessing_of(tmp_path / "out.parquet", Unit("pid", 2), max_stability=9).stability == 2 * 4 + 1
    with pytest.raises(NoGuaranteeError):
        preprocessing_of(tmp_path / "out.parquet", Unit("pid", 2))


@pytest.mark.parametrize("method", ["optimal", "local", "mondrian", "fixed"])
def test_the_column_of_persons_is_not_released_whatever_its_role(method: str) -> None:
    table = pa.table({"pid": [f"p{row // 2}" for row in range(80)], "age": [20 + row % 2 * 30 for row in range(80)]})
    head = {"unit": {"column": "pid", "max_rows": 2}}
    fields = {"pid": {"role": "other"}, "age": {**AGES, **({"level": 1} if method == "fixed" else {})}}
    said = policy(fields, [{"k-anonymity": {"k": 5}}], head=head, limits={"method": method})
    assert dpsynth.anonymize(table, said).table.column_names == ["age"]


def test_a_fit_refuses_what_was_chosen_by_looking(tmp_path: Path) -> None:
    dpsynth.anonymize(people(), FIVE, tmp_path / "out.csv")
    with pytest.raises(NoGuaranteeError, match="looking"):
        preprocessing_of(tmp_path / "out.csv", Unit(), max_stability=100)


def test_a_synthetic_table_stays_one(tmp_path: Path) -> None:
    raw = tmp_path / "synthetic.csv"
    people().to_pandas().to_csv(raw, index=False)
    write_sidecar(raw, ["POST sample"], hashlib.sha256(raw.read_bytes()).hexdigest())
    outcome = dpsynth.anonymize(raw, FIVE, tmp_path / "out.csv")
    assert [label.replace("(merges ", " ").split(" ")[0] for label in outcome.labels] == ["POST", "FREE", "POST"]
    assert LIMITS not in outcome.render()
    assert "watermark" not in outcome.to_dict()
    assert "synthetic" in dpsynth.risk(tmp_path / "out.csv", FIVE).verdict
    with raw.open("a") as file:
        file.write("x,30,f,flu\n")
    with pytest.raises(DataMismatchError, match="sidecar"):
        dpsynth.anonymize(raw, FIVE)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.arrow"])
def test_the_output_is_written_whole_with_its_sidecar(tmp_path: Path, name: str) -> None:
    outcome = dpsynth.anonymize(people(), FIVE, tmp_path / name)
    sidecar = read_sidecar(tmp_path / name)
    assert sidecar is not None
    assert sidecar.labels == outcome.labels
    assert dpsynth.risk(tmp_path / name, FIVE).met
    with pytest.raises(OutputExistsError):
        dpsynth.anonymize(people(), FIVE, tmp_path / name)
    dpsynth.anonymize(people(), FIVE, tmp_path / name, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}.dpsynth.json"])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (people(4), FIVE),
        (people(), policy(FIELDS, [{"k-anonymity": {"k": 201}}])),
        (people(1), FIVE),
    ],
)
@pytest.mark.parametrize("method", ["optimal", "local", "mondrian", "fixed"])
def test_what_cannot_be_met_ends_with_5(tmp_path: Path, table: pa.Table, said: dict[str, Any], method: Any) -> None:
    if method == "fixed":
        said = {**said, "fields": policy(FIXED, [])["fields"]}
    with pytest.raises(GateError) as raised:
        dpsynth.anonymize(table, said, tmp_path / "out.csv", method=method)
    assert raised.value.exit_code == 5
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["optimal", "local", "mondrian", "fixed"])
def test_a_table_without_rows_stays_one(method: Any) -> None:
    said = {**FIVE, "fields": policy(FIXED, [])["fields"]} if method == "fixed" else FIVE
    outcome = dpsynth.anonymize(people(0), said, method=method)
    assert (outcome.rows, outcome.table.num_rows, outcome.table.column_names) == (0, 0, ["age", "sex", "ill"])
    json.dumps(outcome.to_dict(), allow_nan=False)
    report = dpsynth.risk(people(0), FIVE)
    json.dumps(report.to_dict(), allow_nan=False)
    assert "no rows" in report.verdict


def test_a_limit_on_suppression_is_kept() -> None:
    table = pa.concat_tables([people(), people(3).set_column(2, "sex", pa.array(["d"] * 3))])
    strict = policy(
        {**FIELDS, "sex": {**PLAIN, "level": 0}}, [{"k-anonymity": {"k": 5}}], limits={"suppression": 0.001}
    )
    with pytest.raises(GateError):
        dpsynth.anonymize(table, strict)
    fixed = policy(FIXED, [{"k-anonymity": {"k": 5}}], limits={"suppression": 0.001, "method": "fixed"})
    with pytest.raises(GateError, match=r"the policy allows 0\.1%"):
        dpsynth.anonymize(table, fixed)


@pytest.mark.parametrize(
    ("said", "settings", "error"),
    [
        (policy(FIELDS, []), {}, SchemaError),
        (FIVE, {"method": "fixed"}, SchemaError),
        (policy(FIXED, [{"k-anonymity": {"k": 2}}]), {"method": "local"}, SchemaError),
        (policy(FIXED, [{"k-anonymity": {"k": 2}}]), {"method": "mondrian"}, SchemaError),
        (FIVE, {"method": "magic"}, UsageError),
        (FIVE, {"method": "local", "time_limit": 1.0}, UsageError),
        (policy({**FIELDS, "zip": PLAIN}, [{"k-anonymity": {"k": 2}}]), {}, DataMismatchError),
        (policy(FIELDS, [{"k-map": {"k": 2, "population": "all.csv"}}]), {}, FileFormatError),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    said: dict[str, Any], settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        dpsynth.anonymize(people(), said, **settings)


def test_a_time_limit_ends_the_search() -> None:
    outcome = dpsynth.anonymize(people(), FIVE, time_limit=600)
    assert smallest(outcome.table, "age", "sex") >= 5
    with pytest.raises(GateError, match="more time"):
        dpsynth.anonymize(people(), FIVE, time_limit=1e-9)


def test_a_table_that_does_not_hold_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(records: Records, *_: Any, **__: Any) -> Generalized:
        of = tuple(np.zeros(records.rows, np.uint8) for _ in records.codes)
        return Generalized(of, np.zeros(records.rows, np.bool_), 0.0)

    monkeypatch.setattr("dpsynth.pipeline.anonymize.swept", careless)
    with pytest.raises(DpsynthError, match="does not meet the models"):
        dpsynth.anonymize(people(), FIVE, tmp_path / "out.csv", method="local")
    assert not list(tmp_path.iterdir())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(20, 49), st.sampled_from("xyz")), min_size=1, max_size=40),
    st.integers(1, 4),
    st.sampled_from([[], [{"l-diversity": {"field": "ill", "l": 2}}]]),
)
def test_fixed_levels_keep_exactly_the_classes_that_hold(
    rows: list[tuple[str, int, str]], k: int, more: list[Any]
) -> None:
    frame = pd.DataFrame(rows, columns=["sex", "age", "ill"])
    frame["decade"] = frame["age"] // 10
    parts = [part for _, part in frame.groupby(["sex", "decade"]) if len(part) >= k]
    kept = [part for part in parts if not more or part["ill"].nunique() >= 2]
    fields = {name: FIXED[name] for name in ("age", "sex", "ill")}
    said = policy(fields, [{"k-anonymity": {"k": k}}, *more], limits={"method": "fixed"})
    table = pa.Table.from_pandas(frame[["sex", "age", "ill"]], preserve_index=False)
    if not kept:
        with pytest.raises(GateError):
            dpsynth.anonymize(table, said)
        return
    made = Counter(map(str, dpsynth.anonymize(table, said).table.to_pylist()))
    low = [(part.assign(age=[f"[{age // 10 * 10}, {age // 10 * 10 + 10})" for age in part["age"]])) for part in kept]
    wanted = pd.concat(low)[["sex", "age", "ill"]].to_dict("records")
    assert made == Counter(map(str, wanted))


@pytest.mark.parametrize("name", ["people.csv", "alias.csv"])
def test_the_only_copy_of_a_table_is_never_overwritten(tmp_path: Path, name: str) -> None:
    raw = tmp_path / "people.csv"
    people().to_pandas().to_csv(raw, index=False)
    (tmp_path / "alias.csv").symlink_to(raw)
    before = raw.read_bytes()
    with pytest.raises(UsageError, match="the table itself"):
        dpsynth.anonymize(raw, FIVE, tmp_path / name, force=True)
    assert raw.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alias.csv", "people.csv"]


def test_lines_that_are_no_rows_are_told(tmp_path: Path) -> None:
    raw = tmp_path / "people.csv"
    people().to_pandas().to_csv(raw, index=False)
    assert "Warning" not in dpsynth.anonymize(raw, FIVE).render()
    raw.write_text(raw.read_text() + "torn,20\n")
    outcome, report = dpsynth.anonymize(raw, FIVE), dpsynth.risk(raw, FIVE)
    for said in (outcome, report):
        assert "Warning: 1 line of the file is no row" in said.render()
        assert (said.rows, said.to_dict()["lines_left_out"]) == (200, 1)


def test_levels_are_called_optimal_only_when_it_is_proved() -> None:
    proved = dpsynth.anonymize(people(), FIVE)
    assert (proved.proved, "optimal levels" in proved.render()) == (True, True)
    unproved = replace(proved, bound=proved.loss / 2)
    assert not unproved.proved
    assert "optimal" not in unproved.render()
    assert "not all levels were tried" in unproved.render()


def test_levels_of_no_rows_are_no_ranges() -> None:
    assert "ranges" not in dpsynth.anonymize(people(0), FIVE).render()
    assert "ranges" in dpsynth.anonymize(people(), FIVE, method="mondrian").render()


def test_a_table_cannot_be_chosen_from_a_policy_without_tables() -> None:
    for said in (FIVE, Policy.from_dict(FIVE)):
        with pytest.raises(UsageError, match="no tables to choose from"):
            dpsynth.risk(people(), said, table="people")


def test_columns_that_no_model_looks_at_are_told() -> None:
    told = {**FIELDS, "name": {"role": "direct-id", "mask": {"redact": {"first": 1}}}, "ill": {"role": "other"}}
    outcome = dpsynth.anonymize(people(), policy(told, [{"k-anonymity": {"k": 5}}]))
    assert (outcome.uncounted, outcome.to_dict()["uncounted"]) == (("name", "ill"), ["name", "ill"])
    assert "Released, but in no class: name, ill." in outcome.render()
    assert dpsynth.anonymize(people(), FIVE).uncounted == ()
