"""An evaluation from files, frames and models, against marginals counted by pandas; bad input; the watermark."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DataMismatchError, DomainError, FileFormatError, SchemaError, UsageError
from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.graph import CalibratedTree, junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.pipeline.evaluate import evaluate
from dpsynth.tables import write_sidecar

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: {column: id, max_rows: 2}}
fields:
  - {name: id, type: string, dpsynth: {role: direct-id}}
  - name: sex
    type: string
    constraints: {enum: [Female, Male]}
    dpsynth: {source: public}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 119}
    dpsynth: {source: public, bins: {width: 10}}
  - name: smoker
    type: boolean
    dpsynth: {source: public}
  - name: city
    type: string
    constraints: {enum: [Bonn, Köln, Trier]}
    dpsynth: {source: data}
"""
COLUMNS = ("sex", "age", "smoker", "city")


def people(rows, seed):
    generator = np.random.default_rng(seed)
    sex = generator.choice(["Female", "Male"], rows)
    age = np.clip(generator.normal(45 + 10 * seed, 18, rows).astype(int), 0, 119)
    smoker = generator.random(rows) < np.where(sex == "Male", 0.4, 0.2)
    city = generator.choice(["Bonn", "Köln", "Trier", None], rows, p=[0.5, 0.3, 0.1, 0.1])
    return pd.DataFrame(
        {"id": [f"p{row}" for row in range(rows)], "sex": sex, "age": age, "smoker": smoker, "city": city}
    )


def oracle(real, synthetic, ways):
    """Distances of all cliques, by pandas: ages in tens, nulls as a category of their own."""
    sides = [frame.assign(age=frame["age"] // 10).fillna({"city": "(none)"}) for frame in (real, synthetic)]
    found = {}
    for clique in itertools.combinations(COLUMNS, ways):
        left, right = (side.value_counts(list(clique), normalize=True) for side in sides)
        found[clique] = 0.5 * left.sub(right, fill_value=0.0).abs().sum()
    return found


@pytest.fixture
def schema():
    return dpsynth.Schema.loads(SCHEMA)


@pytest.fixture
def real():
    return people(500, 1)


@pytest.fixture
def synthetic():
    return people(300, 2).drop(columns="id")


def written(frame, path):
    cells = frame.assign(smoker=np.where(frame["smoker"], "true", "false"))
    cells.to_csv(path, index=False)
    return path


def check(result, real, synthetic):
    assert [way.ways for way in result.ways] == [1, 2, 3]
    for way in result.ways:
        expected = oracle(real, synthetic, way.ways)
        assert way.compared == way.possible == len(expected)
        assert way.mean == pytest.approx(np.mean(list(expected.values())), abs=1e-12)
        assert way.worst == pytest.approx(max(expected.values()), abs=1e-12)
        assert expected[way.worst_clique] == pytest.approx(way.worst, abs=1e-12)


def test_frames_files_and_formats_agree_with_the_oracle(schema, real, synthetic, tmp_path):
    check(evaluate(real, synthetic, schema), real, synthetic)
    first = written(real, tmp_path / "real.csv")
    second = tmp_path / "synthetic.parquet"
    synthetic.to_parquet(second)
    (tmp_path / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
    check(evaluate(first, str(second), tmp_path / "schema.yaml"), real, synthetic)
    zipped = tmp_path / "real.csv.gz"
    zipped.write_bytes(gzip.compress(first.read_bytes()))
    check(evaluate(zipped, pa.Table.from_pandas(synthetic), schema), real, synthetic)


def test_columns_name_the_public_label_that_differs_most(schema, real):
    everyone_in_trier = real.assign(city="Trier")
    result = evaluate(real, everyone_in_trier, schema)
    by_name = {column.distance.attribute: column for column in result.columns}
    assert by_name["city"].label == "Trier"
    share = (real["city"] == "Trier").mean()
    assert by_name["city"].distance.difference == pytest.approx(1 - share)
    assert by_name["city"].distance.distance == pytest.approx(1 - share)
    assert by_name["age"].distance.distance == 0


def exact_model(frame, schema):
    """A model whose one belief is the joint table of a frame: its marginals are those of the frame."""
    domain = schema.domain
    codes = {name: schema.codec(name).encode(pa.array(frame[name], from_pandas=True)) for name in domain}
    joint = np.zeros(domain.sizes)
    np.add.at(joint, tuple(codes[name] for name in domain), 1.0)
    tree = CalibratedTree(junction_tree(domain, [domain.attributes]), (joint,), float(len(frame)))
    return Model(MarkovRandomField(tree), schema=schema, method="by hand")


def test_a_model_is_compared_by_its_exact_marginals_without_sampling(schema, real, synthetic, tmp_path):
    model = exact_model(synthetic, schema)
    result = evaluate(real, model)
    check(result, real, synthetic)
    assert (result.kind, result.synthetic) == ("model", "<model>")
    model.save(tmp_path / "model.dps")
    saved = evaluate(real, tmp_path / "model.dps", schema)
    assert saved.ways == result.ways
    assert evaluate(real, exact_model(real, schema)).ways[2].worst == pytest.approx(0, abs=1e-12)


def test_a_model_fitted_under_other_bins_is_refused(schema, real):
    model = exact_model(real, schema)
    other = dpsynth.Schema.loads(SCHEMA.replace("width: 10", "edges: [0,5,20,30,40,50,60,70,80,90,100,110,119]"))
    assert other.domain == schema.domain
    with pytest.raises(DataMismatchError, match="other categories or bins"):
        evaluate(real, model, other)
    fewer = dpsynth.Schema.from_domain({"sex": 2}, public="made up")
    with pytest.raises(DataMismatchError, match="different columns"):
        evaluate(real, model, fewer)


def test_odd_cells_are_no_errors_and_show_nowhere(schema, real, synthetic, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes(b"id,sex,age,smoker,city\n1,SECRET,x,maybe,\xff\xfe\nragged\n2,Male,1e999,true,Bonn\n")
    result = evaluate(path, synthetic, schema)
    text = result.render() + json.dumps(result.to_dict())
    assert "SECRET" not in text
    assert "ragged" not in text


@pytest.mark.parametrize(("left", "right", "expected"), [(0, 5, 1.0), (5, 0, 1.0), (0, 0, 0.0)])
def test_tables_without_rows_are_defined(schema, tmp_path, left, right, expected):
    first = written(people(left, 1), tmp_path / "a.csv")
    second = written(people(right, 1), tmp_path / "b.csv")
    result = evaluate(first, second, schema)
    assert {way.mean for way in result.ways} == {expected}
    assert any("without rows" in note for note in result.notes)


def test_neither_form_holds_a_row_count(schema, real, synthetic):
    result = evaluate(real.head(487), synthetic.head(263), schema)
    for text in (result.render(), json.dumps(result.to_dict())):
        assert "487 " not in text
        assert ": 487" not in text
        assert ": 263" not in text


def test_one_column_has_no_pairs_and_says_so(real):
    schema = dpsynth.Schema.loads(SCHEMA[: SCHEMA.index("  - name: age")])
    result = evaluate(real, real, schema)
    assert [way.ways for way in result.ways] == [1]
    assert [note for note in result.notes if "no 2-way" in note]
    assert [note for note in result.notes if "no 3-way" in note]


def test_too_many_marginals_are_sampled_and_the_result_says_so(schema, real, synthetic):
    result = evaluate(real, synthetic, schema, max_cliques=5, seed=3)
    counts = [(way.ways, way.compared, way.possible, way.seed) for way in result.ways]
    assert counts == [(1, 4, 4, None), (2, 5, 6, 3), (3, 4, 4, None)]
    assert "5 of 6" in result.render()
    assert any("drawn at random with seed 3" in note for note in result.notes)
    assert result.to_dict()["marginals"][1]["mean"]["interval"]["level"] == 0.95


def test_two_hundred_columns(tmp_path):
    names = [f"c{index:03}" for index in range(200)]
    schema = dpsynth.Schema.from_domain(dict.fromkeys(names, 3), public="made up")
    generator = np.random.default_rng(0)
    frames = [pd.DataFrame(generator.integers(0, 3, (50, 200)), columns=names) for _ in range(2)]
    result = evaluate(*frames, schema, max_cliques=2_000)
    assert [(way.compared, way.possible) for way in result.ways] == [(200, 200), (2_000, 19_900), (2_000, 1_313_400)]


def test_progress_names_public_stages_only(schema, real, synthetic):
    seen = []
    evaluate(real, synthetic, schema, progress=lambda stage, done: seen.append((stage, done)))
    assert seen[-1] == ("done", 1.0)
    fractions = [done for _, done in seen]
    assert fractions == sorted(fractions)
    assert not any(character.isdigit() and "way" not in stage for stage, _ in seen for character in stage)


@pytest.mark.parametrize("arguments", [{"ways": ()}, {"ways": (4,)}, {"ways": (0,)}, {"max_cliques": 0}, {"seed": -1}])
def test_bad_arguments(schema, real, arguments):
    with pytest.raises(UsageError):
        evaluate(real, real, schema, **arguments)


def test_a_schema_is_needed_for_tables(real):
    with pytest.raises(UsageError, match="schema is needed"):
        evaluate(real, real)


def test_an_unfinished_schema_is_refused(real):
    with pytest.raises(SchemaError):
        evaluate(real, real, dpsynth.Schema.loads(SCHEMA.replace("maximum: 119", "maximum: TODO")))


def test_an_absent_column_names_the_table(schema, real, tmp_path):
    path = written(real.drop(columns="city"), tmp_path / "short.csv")
    with pytest.raises(DataMismatchError, match=r"short\.csv .*no column 'city'"):
        evaluate(real, path, schema)


def test_a_synthetic_table_changed_after_its_sidecar_was_written_is_refused(schema, real, tmp_path):
    path = written(real, tmp_path / "out.csv")
    write_sidecar(path, ["POST sample"], "0" * 64)
    with pytest.raises(DataMismatchError, match="sidecar"):
        evaluate(real, path, schema)


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet", "gone.dps"])
def test_a_missing_file(schema, real, name, tmp_path):
    with pytest.raises(FileFormatError):
        evaluate(real, tmp_path / name, schema)


def test_a_table_that_breaks_off_is_one_constant_error(schema, synthetic, tmp_path):
    whole = gzip.compress(written(people(20_000, 1), tmp_path / "real.csv").read_bytes())
    path = tmp_path / "real.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="broke off") as caught:
        evaluate(path, synthetic, schema)
    assert caught.value.__cause__ is None
    assert not isinstance(caught.value, DomainError)


def test_the_command_prints_the_watermark_in_both_forms(real, synthetic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(real, Path("real.csv"))
    written(synthetic, Path("synthetic.csv"))
    Path("schema.yaml").write_text(SCHEMA, encoding="utf-8")
    arguments = ["evaluate", "real.csv", "synthetic.csv", "--schema", "schema.yaml"]
    text = CliRunner().invoke(APPLICATION, arguments)
    assert text.exit_code == 0, text.output
    assert text.stdout.startswith(INTERNAL_WATERMARK)
    assert text.stdout.rstrip().endswith(INTERNAL_WATERMARK)
    found = json.loads(CliRunner().invoke(APPLICATION, [*arguments, "--json"]).stdout)["result"]
    assert found["watermark"] == INTERNAL_WATERMARK
    expected = oracle(real, synthetic, 2)
    assert found["marginals"][1]["mean"]["value"] == pytest.approx(np.mean(list(expected.values())))
    assert CliRunner().invoke(APPLICATION, ["evaluate", "-", "-", "--schema", "schema.yaml"]).exit_code == 2
