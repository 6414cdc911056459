"""``--workload``, ``--max-model-size`` and ``--method direct`` at the command line, with good and with bad files."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from wide_table import write_wide_table

PRICE = ("--schema", "wide.yaml", "--epsilon", "1")


@pytest.fixture(autouse=True)
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_wide_table()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), env=environment)


def planned(*arguments: str) -> dict[str, object]:
    found = run("plan", *PRICE, *arguments, "--json")
    assert found.exit_code == 0, found.output
    result: dict[str, object] = json.loads(found.stdout)["result"]
    return result


def test_a_target_leads_auto_to_aim_and_the_model_says_so() -> None:
    assert "singles out" in str(planned("--workload", "target:c")["explanation"])
    found = run("fit", "wide.csv", *PRICE, "--workload", "target:c", "-o", "model.dps")
    assert found.exit_code == 0, found.output
    shown = json.loads(run("show", "model.dps", "--json").stdout)["result"]
    assert (shown["settings"]["path"], shown["settings"]["workload"]) == ("aim", "target:c")


@pytest.mark.parametrize(
    "text", ["- [a, b]\n- {columns: [c, d, a], weight: 2}\n", '[["a", "b"], {"columns": ["c", "d", "a"], "weight": 2}]']
)
def test_a_file_lists_what_direct_measures(text: str) -> None:
    Path("sets.yaml").write_text(text)
    found = run("fit", "wide.csv", *PRICE, "--method", "direct", "--workload", "sets.yaml", "-o", "model.dps")
    assert found.exit_code == 0, found.output
    shown = json.loads(run("show", "model.dps", "--json").stdout)["result"]
    assert {tuple(answer["columns"]) for answer in shown["answers"]} == {("a", "b"), ("a", "c", "d"), ("e",)}
    assert shown["settings"]["workload"] == [["a", "b"], {"columns": ["c", "d", "a"], "weight": 2}]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 3, "empty"),
        (b"- [a, b\n", 3, "not valid YAML"),
        (b"\xff\xfe- [a]", 3, "not UTF-8"),
        (b"a: 1\n", 3, "holds a list"),
        (b"- &x [a]\n- *x\n", 3, "anchors"),
        (b"[" * 30 + b"]" * 30, 3, "nested deeper"),
        (b"[]", 2, "at least one set"),
        (b"- []\n", 2, "empty set"),
        (b"- [a, z]\n", 2, "not modeled: 'z'"),
        (b"- [a, a]\n", 2, "twice"),
        (b"- {columns: [a], weight: 0}\n", 2, "weight"),
        (b"- {columns: [a], weight: -1}\n", 2, "weight"),
        (b"- {columns: [a], weight: .nan}\n", 2, "weight"),
        (b"- {columns: [a], wait: 1}\n", 2, "columns"),
        (b"- 7\n", 2, "list of column names"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "aim", "direct"])
def test_a_bad_file_is_refused_before_anything_is_spent(method: str, content: bytes, code: int, message: str) -> None:
    Path("sets.yaml").write_bytes(content)
    words = ("fit", "wide.csv", *PRICE, "--method", method, "--workload", "sets.yaml", "-o", "model.dps")
    found = run(*words, "--ledger", "purse.db")
    assert found.exit_code == code, found.output
    assert message in found.stderr
    assert "Traceback" not in found.output
    assert not Path("model.dps").exists()
    assert "wide" not in run("ledger", "show", "--ledger", "purse.db").stdout


def test_a_missing_file_a_folder_and_a_misspelled_word() -> None:
    Path("folder").mkdir()
    for given in ("sets.yaml", "folder", "all-2ways"):
        found = run("plan", *PRICE, "--workload", given)
        assert found.exit_code == 3
        assert "A workload is all-2way" in found.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission() -> None:
    Path("sets.yaml").write_text("- [a]\n")
    Path("sets.yaml").chmod(0)
    assert run("plan", *PRICE, "--workload", "sets.yaml").exit_code == 3


@pytest.mark.parametrize("method", ["mst", "independent"])
@pytest.mark.parametrize("option", [("--workload", "all-2way"), ("--max-model-size", "1MB")])
def test_other_methods_have_neither(method: str, option: tuple[str, str]) -> None:
    found = run("plan", *PRICE, "--method", method, *option)
    assert found.exit_code == 2
    assert f"--method {method} has no" in found.stderr


@pytest.mark.parametrize("method", ["auto", "aim", "direct"])
def test_a_set_beyond_the_limit_ends_with_7_and_the_limit_that_would_do(method: str) -> None:
    Path("sets.yaml").write_text("- [a, b, c, d]\n")
    words = ("plan", *PRICE, "--method", method, "--workload", "sets.yaml", "--max-model-size")
    found = run(*words, "1MB")
    assert found.exit_code == 7
    limit = found.stderr.split("at least ")[1].split(",")[0].split(".")[0]
    assert run(*words, limit).exit_code == 0
    assert run(*words, str(int(limit) - 1)).exit_code == 7


def test_a_mixture_beyond_the_limit_ends_with_7() -> None:
    found = run("plan", *PRICE, "--max-model-size", "1kB")
    assert found.exit_code == 7
    limit = found.stderr.split("at least ")[1].split(",")[0]
    assert run("plan", *PRICE, "--max-model-size", limit).exit_code == 0


def test_a_workload_of_single_columns_buys_single_columns() -> None:
    assert "no two columns" in str(planned("--workload", "all-1way")["explanation"])


def test_settings_may_come_from_the_environment_and_the_file() -> None:
    assert "singles out" in run("plan", *PRICE, DPSYNTH_WORKLOAD="target:a").stdout
    Path("dpsynth.yaml").write_text("workload: target:a\nmax-model-size: 1GB\nmethod: aim\n")
    assert run("plan", *PRICE).exit_code == 0


@pytest.mark.parametrize("command", [("plan",), ("fit", "wide.csv", "-o", "model.dps")])
def test_what_a_file_sets_for_other_methods_is_left_out_and_said(command: tuple[str, ...]) -> None:
    Path("dpsynth.yaml").write_text("workload: all-2way\neffort: fast\n")
    found = run(*command, *PRICE, "--method", "mst")
    assert found.exit_code == 0, found.output
    for name in ("workload", "effort"):
        assert f"Note: {name} is set, but --method mst has none: it is left out." in found.stderr


def test_what_the_environment_sets_for_other_methods_is_left_out_and_said() -> None:
    found = run("plan", *PRICE, "--method", "independent", DPSYNTH_WORKLOAD="all-2way")
    assert found.exit_code == 0, found.output
    assert "workload is set, but --method independent has none" in found.stderr
