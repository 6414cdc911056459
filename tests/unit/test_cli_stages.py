"""Stages as commands: which parameters are files of which kind, what a key covers and leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dpsynth.cli.main import APPLICATION
from dpsynth.cli.reuse import Course
from dpsynth.cli.stages import PLACES, SENSITIVE, WRITTEN, Stage, stage_of
from dpsynth.errors import UsageError
from dpsynth.pipeline.run_document import Values, WrittenStage
from dpsynth.pipeline.run_key import changed_parts, is_earlier
from dpsynth.pipeline.run_state import RunState, digest_of, files_of, policy_digest, schema_digest

PUBLIC = {
    *("audit", "extract", "file", "files", "gate", "holdout", "key", "key_file", "license", "marginals", "model"),
    *(
        "package",
        "path",
        "pkg",
        "policy",
        "private_key",
        "public",
        "public_key",
        "release",
        "schema",
        "synthetic",
        "workload",
    ),
}
"""Parameters whose files may be told by their content."""


def commands(group: click.Group = APPLICATION) -> Iterator[click.Command]:
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield from commands(found) if isinstance(found, click.Group) else (found,)


def test_it_is_decided_of_every_file_parameter_whether_it_names_real_rows() -> None:
    named = {
        str(param.name)
        for command in commands()
        for param in command.params
        if isinstance(param.type, click.Path) or "FILE" in (param.metavar or "")
    }
    undecided = named - PUBLIC - SENSITIVE - WRITTEN - PLACES - {"pipeline"}
    assert not undecided, "say in cli/stages.py, or here, whether these name tables of real rows"
    assert named >= SENSITIVE | WRITTEN | PLACES


SCHEMA = "dpsynth: {version: 1, name: people}\nfields:\n  - {name: a, type: boolean, dpsynth: {source: public}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCHEMA)
    Path("t.yaml").write_text(SCHEMA.replace("boolean", "integer, constraints: {enum: [0, 1]}"))


def stage(name: str = "fit", **options: Values) -> Stage:
    return stage_of(
        WrittenStage(1, name, tuple((key.replace("_", "-"), text) for key, text in options.items()), "here")
    )


def key(one: Stage, version: str | None = "1") -> str:
    return Course("p.yaml", RunState(Path("state")), version, ()).key(one)


FIT = {"data": "raw.csv", "schema": "s.yaml", "epsilon": "1", "output": "m.dps"}


@pytest.mark.parametrize(
    "same",
    [
        {"data": "other.csv"},
        {"output": "n.dps"},
        {"epsilon": "1.00"},
        {"delta": "1e-9"},
        {"purpose": "why"},
        {"ledger": "l.db"},
        {"force": "true"},
        {"method": "auto"},
        {"pool": "people"},
        {"unit": "row"},
        {"memory_limit": "5GB"},
        {"max_stability": "2"},
        {"delimiter": ";"},
        {"workload": "all-3way"},
        {"effort": "default"},
        {"max_model_size": "80MB"},
        {"effort": "default", "max_model_size": "80000kB"},
    ],
    ids=str,
)
def test_what_a_key_leaves_out(same: dict[str, str]) -> None:
    assert key(stage(**FIT)) == key(stage(**(FIT | same)))


@pytest.mark.parametrize(
    "other",
    [
        {"epsilon": "2"},
        {"delta": "1e-8"},
        {"method": "mst"},
        {"pool": "p"},
        {"unit": "id:2"},
        {"holdout": "10%"},
        {"workload": "all-2way"},
        {"effort": "max"},
        {"max_model_size": "81MB"},
        {"schema": "t.yaml"},
    ],
    ids=str,
)
def test_what_a_key_covers(other: dict[str, str]) -> None:
    assert key(stage(**FIT)) != key(stage(**(FIT | other)))


UNDESCRIBED = {"data": "raw.csv", "epsilon": "1", "output": "m.dps"}


@pytest.mark.parametrize(
    "same", [{"pool": "raw"}, {"discover_share": "1/3"}, {"delimiter": ","}, {"memory_limit": "4GB"}], ids=str
)
def test_what_the_key_of_a_fit_without_a_schema_leaves_out(same: dict[str, str]) -> None:
    assert key(stage(**UNDESCRIBED)) == key(stage(**(UNDESCRIBED | same)))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"data": "hospital.csv"}, "pool"),  # the table is all that names the population
        ({"discover_share": "1/4"}, "discovery"),
        ({"memory_limit": "1GB"}, "discovery"),  # a domain that is too large for it is cut down
        ({"delimiter": ";"}, "discovery"),
        ({"schema": "s.yaml", "pool": "raw"}, "schema"),
    ],
    ids=str,
)
def test_what_the_key_of_a_fit_without_a_schema_covers(other: dict[str, str], named: str) -> None:
    first, second = key(stage(**UNDESCRIBED)), key(stage(**(UNDESCRIBED | other)))
    assert named in (changed_parts(first, second) or ())


def test_a_key_of_a_fit_is_one_that_a_ledger_takes_and_says_what_differs() -> None:
    first = key(stage(**FIT))
    assert len(f"{first}/999999") <= 200
    assert changed_parts(f"{first}/2", first) == ()
    assert changed_parts(first, key(stage(**(FIT | {"epsilon": "2", "holdout": "10%"})))) == ("epsilon", "holdout")
    assert changed_parts("night job", first) is None
    assert is_earlier("0" * 64)
    assert is_earlier(f"{'a' * 64}/2")
    assert not any(map(is_earlier, (first, "night job", None)))


def test_a_share_has_no_delta_of_its_own() -> None:
    share = {"data": "raw.csv", "schema": "s.yaml", "share": "1/5", "output": "m.dps"}
    assert key(stage(**share)) == key(stage(**(share | {"share": "20%", "delta": "1e-8"})))


def test_settings_from_elsewhere_count_as_if_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = key(stage(**(FIT | {"pool": "people"})))
    monkeypatch.setenv("DPSYNTH_POOL", "people")
    assert key(stage(**FIT)) == written
    monkeypatch.delenv("DPSYNTH_POOL")
    Path("dpsynth.yaml").write_text("pool: people\n")
    assert key(stage(**FIT)) == written


def test_the_declared_version_and_the_schema_count() -> None:
    assert key(stage(**FIT), "1") != key(stage(**FIT), "2")
    before = key(stage(**FIT))
    Path("s.yaml").write_text(
        "# comment\n" + SCHEMA.replace("{version: 1, name: people}", "{name: people, version: 1}")
    )
    assert key(stage(**FIT)) == before
    Path("s.yaml").write_text(SCHEMA.replace("people", "persons"))
    assert key(stage(**FIT)) != before


def test_a_word_that_is_also_a_file_counts_by_its_content() -> None:
    def gate() -> str:
        return key(stage("audit release", real="r", synthetic="s", gate="ours.yaml", output="a.json"))

    absent = gate()
    Path("ours.yaml").write_text("gate: 1\n")
    first = gate()
    Path("ours.yaml").write_text("gate: 2\n")
    assert len({absent, first, gate()}) == 3


def test_arguments_that_look_like_options_stay_arguments() -> None:
    assert stage("evaluate", real="--json", synthetic="-s").arguments == ("--", "--json", "-s")
    assert stage("sample", model="m", where=("a=1", "b=2"), output="-o.csv").settings["where"] == ("a=1", "b=2")
    with pytest.raises(UsageError, match="no option --seed"):
        stage("sample", **{"--seed": "1"})


def test_digests_of_files_folders_and_documents() -> None:
    Path("d").mkdir()
    Path("d", "a").write_text("1")
    first = digest_of("d")
    Path("d", "a").rename(Path("d", "b"))
    assert digest_of("d") not in {first, None}
    assert digest_of("absent") is None
    assert files_of(["d", "absent"]) == {"d": digest_of("d")}
    Path("p.yaml").write_text("fields: [{name: a, hierarchy: {file: h.csv}}]\n")
    alone = policy_digest("p.yaml")
    Path("h.csv").write_text("x\n")
    beside = policy_digest("p.yaml")
    Path("h.csv").write_text("y\n")
    assert len({alone, beside, policy_digest("p.yaml")}) == 3
    Path("broken.yaml").write_text("a: [\n")
    assert policy_digest("broken.yaml") == schema_digest("broken.yaml") == digest_of("broken.yaml")
